"""`comgov register`: take a register away, and verify one that somebody took away."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from comgov.clock import system_clock
from comgov.command import DEFAULT_CONFIG, ConfigOption, on_platform, plain
from comgov.institutions import actions as institutions
from comgov.registers import actions, audit
from comgov.signing.errors import Malformed
from comgov.signing.trust import MAX_BUNDLE_BYTES, Trust
from comgov.signing.verdict import Indeterminate, Valid

if TYPE_CHECKING:
    from comgov.feature import Platform

VALID, INVALID, INDETERMINATE = 0, 1, 2

register = typer.Typer(name="register", help="Registers of departures and arrivals.", no_args_is_help=True)


@register.command("export", epilog="Example: comgov register export sante --output sante.register")
def export(
    context: typer.Context,
    institution: Annotated[str, typer.Argument(help="The institution's code.")],
    output: Annotated[Path | None, typer.Option(help="Where to write; standard output by default.")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Write a register with its checkpoints and certificates as one file, which anyone can verify."""

    if output is None:
        on_platform(context, config, lambda platform: _export(platform, institution, sys.stdout.buffer))
        return
    try:
        with output.open("xb") as stream:
            count = on_platform(context, config, lambda platform: _export(platform, institution, stream))
    except FileExistsError as error:
        raise typer.BadParameter(f"{output} exists already; choose another name.", param_hint="--output") from error
    print(f"{count} entries written to {output}.")


async def _export(platform: Platform, code: str, stream: BinaryIO) -> int:
    """Write the lines as they come; gives how many entries."""
    count = 0
    async for line in actions.export(platform, await institutions.get(platform, code)):
        stream.write(line)
        count += line.startswith(b'{"entry"')
    return count


@register.command("verify", epilog="Example: comgov register verify sante.register --trust root+crls.pem")
def verify(
    file: Annotated[
        Path,
        typer.Argument(
            help="A register written by “comgov register export”.", exists=True, dir_okay=False, readable=True
        ),
    ],
    trust: Annotated[
        Path | None, typer.Option(help="The root certificate, in PEM.", exists=True, dir_okay=False, readable=True)
    ] = None,
) -> None:
    """Verify a register offline: every entry in its place, no gap in the numbers, every signature.

    The last checkpoint must be cosigned and time-stamped by other institutions, with certificates that were good then.
    Exit status: 0 valid, 1 invalid, 2 not decidable (without --trust, whose keys these are stays open).
    """
    try:
        pinned = read_trust(trust) if trust else None
        with file.open("rb") as stream:
            found = audit.audit(_lines(stream), pinned)
    except audit.AuditError as error:
        print(f"INVALID: {plain(error)}.")
        raise typer.Exit(INVALID) from error
    print(f"{plain(found.origin)}: {found.size} entries, {found.departures} departures, {found.arrivals} arrivals,")
    when = f"{found.stamped:%Y-%m-%d %H:%M:%S} UTC" if found.stamped else "an unproven time"
    print(f"{found.checkpoints} checkpoints, the last one of {when},")
    print(f"cosigned by {plain(', '.join(found.witnesses)) or 'nobody'}.")
    for reason in found.discounted:
        print(f"One cosignature does not count: {plain(reason)}")
    if pinned and not pinned.crls:
        print("Revocations: as the file carries them; give root+crls.pem to --trust for those published since.")
    match found.verdict:
        case Valid():
            print("VALID: nothing was changed, removed or inserted.")
        case Indeterminate(reasons=reasons):
            print(f"NOT DECIDABLE: {plain(' '.join(map(str, reasons)))}")
            raise typer.Exit(INDETERMINATE)
        case _:
            print(f"INVALID: {plain(' '.join(map(str, found.verdict.reasons)))}")
            raise typer.Exit(INVALID)


def read_trust(path: Path) -> Trust:
    """The root certificate and revocation lists in that file, as of now.

    Ends the command as bad usage when it holds no root: that says nothing of what was to be verified.
    """
    try:
        with path.open("rb") as stream:
            return Trust.from_pem(stream.read(MAX_BUNDLE_BYTES + 1)).as_of(system_clock())
    except Malformed as error:
        typer.echo(f"{path}: {error.public.format(**error.values)}", err=True)
        raise typer.Exit(2) from error


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    while line := stream.readline(audit.MAX_LINE_BYTES + 1):
        yield line
