"""`comgov journal`: proving it and taking it away."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from comgov.command import DEFAULT_CONFIG, ConfigOption, on_platform
from comgov.journal import actions
from comgov.journal.model import Head

if TYPE_CHECKING:
    from comgov.feature import Platform

journal = typer.Typer(
    name="journal", help="The journal: who did what to which thing, and from where.", no_args_is_help=True
)


@journal.command(epilog="Example: comgov journal verify --head 1204:9f86d081884c7d65…")
def verify(
    context: typer.Context,
    head: Annotated[
        str | None, typer.Option(help="A head noted earlier, NUMBER:DIGEST: the chain must pass it.")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Recompute the whole chain; exit 1 if an entry was altered or removed. Note the head that it prints."""
    known = _head(head) if head is not None else None
    found = on_platform(context, config, lambda platform: actions.verify(platform, known))
    if found.fault:
        typer.echo(f"The journal does not hold: {found.fault}.", err=True)
        raise typer.Exit(1)
    print(f"The journal holds: {found.head.number} entries, {found.waiting} waiting to be linked.")
    print(f"Head: {found.head.number}:{found.head.digest.hex()}")


@journal.command(epilog="Example: comgov journal export journal.ndjson")
def export(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="Written new: one JSON object a line.")],
    after: Annotated[int, typer.Option(min=0, help="Begin after that number.")] = 0,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Write the journal to a file that anyone can check, in this program or by hand."""

    async def run(platform: Platform) -> int:
        count = 0
        with file.open("x", encoding="utf-8") as stream:
            async for line in actions.export(platform, after):
                stream.write(json.dumps(line, ensure_ascii=False) + "\n")
                count += 1
        return count

    try:
        count = on_platform(context, config, run)
    except OSError as error:
        typer.echo(f"{file} cannot be written: {error.strerror}.", err=True)
        raise typer.Exit(1) from error
    print(f"Wrote {count} entries to {file}.")


@journal.command(epilog="Example: comgov journal check journal.ndjson")
def check(file: Annotated[Path, typer.Argument(help="What `comgov journal export` wrote.")]) -> None:
    """Check an export, without any server; exit 1 if it does not hold."""
    try:
        with file.open(encoding="utf-8") as stream:
            fault = actions.verify_export(json.loads(line) for line in stream)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        fault = f"it cannot be read ({type(error).__name__}: {error})"
    if fault:
        typer.echo(f"{file} does not hold: {fault}.", err=True)
        raise typer.Exit(1)
    print(f"{file} holds.")


def _head(text: str) -> Head:
    number, _, digest = text.partition(":")
    try:
        return Head(int(number), bytes.fromhex(digest))
    except ValueError as error:
        raise typer.BadParameter("a head reads NUMBER:DIGEST, as `comgov journal verify` prints it") from error
