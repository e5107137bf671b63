"""`comgov dossier`: verify what one holds in hand, with no server and no configuration."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from comgov.command import plain
from comgov.dossiers import documents, examination
from comgov.dossiers.receipts import bundle, verification
from comgov.registers.commands import INDETERMINATE, INVALID, VALID, read_trust
from comgov.signing import asice
from comgov.signing.errors import Malformed
from comgov.signing.trust import Trust
from comgov.signing.verdict import Reason, Valid, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from comgov.dossiers.receipts.verification import Receipt

_CHUNK_BYTES = 1 << 20
_HEAD_BYTES = 512  # enough for the name of a zip's first member
_EXIT = {"valid": VALID, "invalid": INVALID, "indeterminate": INDETERMINATE}
_TITLES = {"valid": "VALID", "invalid": "INVALID", "indeterminate": "NOT DECIDABLE"}

dossier = typer.Typer(name="dossier", help="Sealed dossiers.", no_args_is_help=True)


@dossier.callback()
def about() -> None:
    """Sealed dossiers."""


@dossier.command("verify", epilog="Example: comgov dossier verify 2026-D-000123.asice --trust root+crls.pem")
def verify(
    file: Annotated[
        Path,
        typer.Argument(help="A container (.asice), or a zip of receipts.", exists=True, dir_okay=False, readable=True),
    ],
    trust: Annotated[
        Path,
        typer.Option(
            help="The root certificate, and revocation lists, in PEM.", exists=True, dir_okay=False, readable=True
        ),
    ],
    extract: Annotated[
        Path | None,
        typer.Option(
            help="An empty directory, for the pieces (or receipts) and what openssl wants to verify.", file_okay=False
        ),
    ] = None,
    receipts: Annotated[
        Path | None,
        typer.Option(help="The zip of this container's receipts.", exists=True, dir_okay=False, readable=True),
    ] = None,
) -> None:
    """Verify a sealed container or receipts offline, and say why.

    Exit status: 0 valid, 1 invalid, 2 not decidable (such as no revocation list for the time of the seal).
    """
    try:
        pinned = read_trust(trust)
        with file.open("rb") as stream:
            if _is_container(stream):
                verdict, manifest = _verify_container(stream, pinned, extract)
            else:
                verdict, manifest = _verify_receipts(stream, pinned, None, extract), None
        if receipts:
            with receipts.open("rb") as stream:
                verdict = verification.also(verdict, _reasons(_verify_receipts(stream, pinned, manifest)))
    except Malformed as error:
        print(f"INVALID: {plain(error.public.format(**error.values))}")
        raise typer.Exit(INVALID) from error
    except FileExistsError as error:
        typer.echo(f"{extract} is not empty: nothing there was overwritten; choose another directory.", err=True)
        raise typer.Exit(2) from error
    except OSError as error:
        typer.echo(f"{extract or file}: {error.strerror}. Nothing is said about the seal.", err=True)
        raise typer.Exit(2) from error
    if not pinned.crls:
        print("Revocations: as the signatures carry them; give root+crls.pem to --trust for those published since.")
    _conclude(verdict)


def _is_container(stream: BinaryIO) -> bool:
    """Whether it is to be judged as a container: all but what begins as a zip of receipts does."""
    head = stream.read(_HEAD_BYTES)
    stream.seek(0)
    return not bundle.is_begun(head)


def _verify_container(stream: BinaryIO, pinned: Trust, extract: Path | None) -> tuple[Verdict, bytes | None]:
    if extract is not None:
        _make_empty(extract)
        asice.verify(stream, pinned, extract_to=extract)
        stream.seek(0)
    examiner = examination.Examiner(pinned)
    while chunk := stream.read(_CHUNK_BYTES):
        examiner.feed(chunk)
    examined = examiner.conclude(None)
    if (bordereau := examined.bordereau) is not None:
        print(plain(f"{bordereau.number} of {bordereau.sender.name}: {bordereau.designation}"))
        print(plain(f"to {', '.join(recipient.name for recipient in bordereau.recipients)}"))
    for piece in examined.verdict.report.pieces:
        print(f"  {piece.sha256.hex()}  {piece.name} ({piece.size_bytes} bytes)")
    _print_signatures(examined.verdict)
    return examined.verdict, examined.manifest


def _make_empty(extract: Path) -> None:
    extract.mkdir(parents=True, exist_ok=True)
    if any(extract.iterdir()):
        raise FileExistsError(extract)


def _verify_receipts(stream: BinaryIO, pinned: Trust, manifest: bytes | None, extract: Path | None = None) -> Verdict:
    """All chains of a bundle. manifest: that of the container which they must be about."""
    found = []
    verdict: Verdict = Valid()
    chains = bundle.read(stream)
    if extract is not None:
        _make_empty(extract)
        _extract(chains.values(), extract)
    for recipient, chain in chains.items():
        verdict = verification.verify_chain(chain, pinned)
        print(f"Receipts {('of ' + recipient) if recipient else ''}:")
        for receipt in chain:
            said = documents.read_evidence(receipt.body)
            line = f"{said.kind} · {said.institution.name} · {said.at:%Y-%m-%d %H:%M:%S} UTC · {said.number or ''}"
            print(f"  {plain(line)}")
            if manifest is not None and said.manifest != manifest.hex():
                found.append(verification.another_dossier(receipt.name))
        found += _reasons(verdict)
    return verification.also(Valid(verdict.report), found)


def _extract(chains: Iterable[Sequence[Receipt]], directory: Path) -> None:
    """Each receipt with its signature, and for `openssl ts` the signature's value and its time-stamp."""
    files: dict[str, bytes] = {}
    for receipt in {each.name: each for chain in chains for each in chain}.values():
        files |= {f"{receipt.name}.json": receipt.body, f"{receipt.name}.p7s": receipt.signature}
    for name, content in files.items():
        (directory / name).parent.mkdir(exist_ok=True)
        (directory / name).write_bytes(content)
    asice.extract_tokens(files, directory)


def _reasons(verdict: Verdict) -> list[Reason]:
    return [] if isinstance(verdict, Valid) else list(verdict.reasons)


def _print_signatures(verdict: Verdict) -> None:
    for signature in verdict.report.signatures:
        when = f"{signature.proven:%Y-%m-%d %H:%M:%S} UTC" if signature.proven else "at an unproven time"
        who = plain(signature.institution) or "unknown"
        print(f"{signature.name}: {who}, {when}, CAdES {signature.level or '-'}")


def _conclude(verdict: Verdict) -> None:
    name = examination.verdict_name(verdict)
    print(f"{_TITLES[name]}{':' if _reasons(verdict) else '.'}")
    for reason in dict.fromkeys(_reasons(verdict)):  # what is true of a seal is true of each of its signatures
        print(f"  {plain(reason)} ({reason.indication})")
    raise typer.Exit(_EXIT[name])
