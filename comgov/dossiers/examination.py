"""Examining a container as its recipient does, whoever brought it: signatures, then what the bordereau claims.

A valid signature is not enough: the bordereau must speak of these pieces, be sealed by the institution that it names
as sender, and be addressed to the one that examines.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from comgov.dossiers import documents
from comgov.language import N_
from comgov.signing import asice
from comgov.signing.errors import Malformed
from comgov.signing.manifest import manifest_name
from comgov.signing.verdict import (
    Commitment,
    Indication,
    Invalid,
    Reason,
    Report,
    Valid,
    Verdict,
    conclude,
    reason,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable, Iterator, Mapping

    from comgov.dossiers.documents import Bordereau
    from comgov.signing.container import Member
    from comgov.signing.trust import Trust


@dataclass(frozen=True)
class Examination:
    """What was found. bordereau: readable, to be relied on only when the verdict is Valid.

    manifest: SHA-256 of the first manifest, 32 bytes; None when there is none.
    """

    verdict: Verdict
    bordereau: Bordereau | None
    manifest: bytes | None

    @property
    def is_valid(self) -> bool:
        """Whether everything holds."""
        return isinstance(self.verdict, Valid)

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Why it is not valid; empty when it is."""
        return () if isinstance(self.verdict, Valid) else self.verdict.reasons


class Examiner:
    """Examines a container while its bytes pass: `feed` each chunk, then `conclude`."""

    def __init__(self, trust: Trust) -> None:
        self._verification = asice.Verification(trust)

    def feed(self, chunk: bytes) -> None:
        """More bytes of the file."""
        self._verification.feed(chunk)

    def conclude(self, recipient: str | None) -> Examination:
        """What was found, once every byte was fed.

        recipient: the code of the institution that examines; None for anyone, who is not a recipient.
        """
        verdict = self._verification.conclude()
        manifest = next(
            (member.sha256 for member in self._verification.members if member.name == manifest_name(1)), None
        )
        bordereau, unreadable = _bordereau(self._verification.bordereau or b"")
        if not isinstance(verdict, Valid) and not verdict.report.signatures:
            return Examination(verdict, bordereau, manifest)  # it was not read to its end: nothing to compare
        if bordereau is None:
            return Examination(_also(verdict, unreadable), None, manifest)
        found_too = list(_check(bordereau, self._verification.members, verdict.report, recipient))
        return Examination(_also(verdict, found_too), bordereau, manifest)


async def examine(chunks: AsyncIterable[bytes], trust: Trust, recipient: str | None) -> Examination:
    """Examine the container that arrives in chunks."""
    examiner = Examiner(trust)
    async for chunk in chunks:
        examiner.feed(chunk)
    return await asyncio.to_thread(examiner.conclude, recipient)


def _bordereau(content: bytes) -> tuple[Bordereau | None, list[Reason]]:
    try:
        return documents.read_bordereau(content), []
    except Malformed as error:
        return None, [Reason(Indication.FORMAT_FAILURE, error.public, tuple(error.values.items()))]


def _also(verdict: Verdict, reasons: list[Reason]) -> Verdict:
    if not reasons:
        return verdict
    before = [] if isinstance(verdict, Valid) else list(verdict.reasons)
    return conclude(verdict.report, before + reasons)


def _check(
    bordereau: Bordereau, members: tuple[Member, ...], report: Report, recipient: str | None
) -> Iterator[Reason]:
    pieces = [(member.name, member.sha256.hex()) for member in members if not _is_frame(member.name)]
    if pieces != [(piece.name, piece.sha256) for piece in bordereau.pieces]:
        yield reason(Indication.HASH_FAILURE, N_("The pieces are not those that the bordereau lists."))
    seal = report.signatures[0]
    if seal.commitment is not Commitment.ORIGIN or seal.institution_code != bordereau.sender.code:
        yield reason(
            Indication.SIG_CONSTRAINTS_FAILURE,
            N_("The seal is not that of {sender}, which the bordereau names as sender."),
            sender=bordereau.sender.code,
        )
    if seal.proven is not None and abs(bordereau.sealed_at - seal.proven) > documents.CLOCK_AND_STAMP:
        yield reason(
            Indication.TIMESTAMP_ORDER_FAILURE,
            N_("The bordereau says {said:%Y-%m-%d %H:%M:%S} UTC, the seal's time-stamp {proven:%Y-%m-%d %H:%M:%S}."),
            said=bordereau.sealed_at,
            proven=seal.proven,
        )
    if recipient is not None and not bordereau.is_addressed_to(recipient):
        yield reason(
            Indication.SIG_CONSTRAINTS_FAILURE,
            N_("The dossier is not addressed to {recipient}."),
            recipient=recipient,
        )


def _is_frame(name: str) -> bool:
    return name == documents.BORDEREAU or name.startswith("META-INF/") or name == "mimetype"


def as_json(examination: Examination) -> dict[str, Any]:
    """A report as it is kept and shown: the verdict, its reasons as sentences to translate, the signatures."""
    report = examination.verdict.report
    return {
        "verdict": verdict_name(examination.verdict),
        "reasons": [
            {"indication": found.indication, "message": found.message, "values": _plain(found)}
            for found in examination.reasons
        ],
        "signatures": [
            {
                "name": signature.name,
                "signer": signature.signer,
                "institution": signature.institution,
                "level": signature.level,
                "proven": signature.proven.isoformat() if signature.proven else None,
            }
            for signature in report.signatures
        ],
        "pieces": [
            {"name": piece.name, "size_bytes": piece.size_bytes, "sha256": piece.sha256.hex()}
            for piece in report.pieces
        ],
        "sender": examination.bordereau.sender.model_dump() if examination.bordereau else None,
        "number": examination.bordereau.number if examination.bordereau else None,
        "designation": examination.bordereau.designation if examination.bordereau else None,
    }


def verdict_name(verdict: Verdict) -> str:
    """`valid`, `invalid` or `indeterminate`."""
    if isinstance(verdict, Valid):
        return "valid"
    return "invalid" if isinstance(verdict, Invalid) else "indeterminate"


def _plain(found: Reason) -> dict[str, Any]:
    """The values of a sentence as JSON keeps them; an instant stays one, since sentences say how to write it."""
    return {
        name: {"instant": value.isoformat()} if isinstance(value, datetime) else str(value)[:200]
        for name, value in found.values
    }


def sentence(reason: Mapping[str, Any], gettext: Callable[[str], str]) -> str:
    """A reason of a kept report, in the reader's language."""
    values = {
        name: datetime.fromisoformat(value["instant"]) if isinstance(value, dict) else value
        for name, value in reason["values"].items()
    }
    written: str = reason["message"]
    return gettext(written).format(**values)
