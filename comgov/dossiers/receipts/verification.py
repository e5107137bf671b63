"""Verifying receipts offline: each signature, and the chain from SEALED to the end. Pure.

A chain is believed when every receipt is signed by the institution that it names, follows the one before it in a way
that can happen, speaks of the same message and manifest, and proves its entry in its register and the sender's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from comgov.dossiers import documents
from comgov.dossiers.documents import Evidence, Kind
from comgov.dossiers.model import TRANSITIONS, State
from comgov.language import N_
from comgov.signing import cades
from comgov.signing.errors import Malformed
from comgov.signing.verdict import Indication, Reason, Report, SignatureReport, Valid, Verdict, conclude, reason

if TYPE_CHECKING:
    from comgov.signing.trust import Trust


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """A receipt as it is handed out. name: what to call it. body: the JSON. signature: CAdES, detached."""

    name: str
    body: bytes
    signature: bytes


def verify_chain(chain: Sequence[Receipt], trust: Trust) -> Verdict:
    """Whether these receipts, in order, tell one story that holds.

    chain: from SEALED on for a dossier delivered here; from acceptance or rejection on for one that was presented.
    """
    found: list[Reason] = []
    reports: list[SignatureReport] = []
    read: list[tuple[Receipt, Evidence]] = []
    for receipt in chain:
        evidence, signed, reasons = verify_receipt(receipt, trust)
        reports += signed
        found += reasons
        if evidence is not None:
            read.append((receipt, evidence))
    if len(read) == len(chain):
        found += _check_story(read)
    return conclude(Report(signatures=tuple(reports)), found)


def verify_receipt(receipt: Receipt, trust: Trust) -> tuple[Evidence | None, tuple[SignatureReport, ...], list[Reason]]:
    """One receipt by itself: what it says (None when it is unreadable), who signed it, and what is wrong."""
    verdict = cades.verify(receipt.signature, receipt.body, trust, name=receipt.name)
    reports = verdict.report.signatures
    found = [] if isinstance(verdict, Valid) else list(verdict.reasons)
    try:
        evidence = documents.read_evidence(receipt.body)
        entry = documents.read_entry(evidence.register_.entry)
    except Malformed as error:
        return None, reports, [*found, Reason(Indication.FORMAT_FAILURE, error.public, tuple(error.values.items()))]
    found += _check_receipt(receipt.name, evidence, entry, reports)
    return evidence, reports, found


def _check_receipt(
    name: str, evidence: Evidence, entry: documents.Entry, reports: tuple[SignatureReport, ...]
) -> Iterator[Reason]:
    if not any(report.institution_code == evidence.institution.code for report in reports):
        sentence = N_("{name} is not signed by {institution}, which it says made it.")
        yield _wrong(Indication.SIG_CONSTRAINTS_FAILURE, sentence, name, institution=evidence.institution.code)
    for report in reports:
        if report.proven is not None and abs(evidence.at - report.proven) > documents.CLOCK_AND_STAMP:
            sentence = N_("{name} says {said:%Y-%m-%d %H:%M:%S} UTC, its time-stamp {proven:%Y-%m-%d %H:%M:%S}.")
            yield reason(
                Indication.TIMESTAMP_ORDER_FAILURE, sentence, name=name, said=evidence.at, proven=report.proven
            )
    said = documents.Entry(
        event=evidence.kind,
        message=evidence.message,
        manifest=evidence.manifest,
        container=evidence.container,
        institution=evidence.institution.code,
        recipient=evidence.recipient.code if evidence.recipient else None,
        number=evidence.number,
        previous=evidence.previous,
        at=evidence.at,
    )
    if entry != said:
        yield _wrong(Indication.HASH_FAILURE, N_("{name} and its entry in the register do not say the same."), name)
    for proof in (evidence.register_, evidence.departure):
        if proof is not None and not proof.holds:
            yield _wrong(
                Indication.HASH_FAILURE,
                N_("{name} does not prove its entry in the register {register}."),
                name,
                register=proof.origin,
            )


def _check_story(chain: Sequence[tuple[Receipt, Evidence]]) -> Iterator[Reason]:
    if not chain:
        yield reason(Indication.SIGNED_DATA_NOT_FOUND, N_("There is no receipt."))
        return
    _, first = chain[0]
    if first.previous is not None:
        yield _wrong(Indication.SIGNED_DATA_NOT_FOUND, N_("The receipt before {name} is missing."), chain[0][0].name)
    for (before, _), (receipt, evidence) in pairwise(chain):
        if evidence.previous != documents.digest(before.body).hex():
            sentence = N_("{name} does not follow {before}: it names another receipt as the one before it.")
            yield _wrong(Indication.HASH_FAILURE, sentence, receipt.name, before=before.name)
        if (evidence.message, evidence.manifest) != (first.message, first.manifest):
            yield another_dossier(receipt.name)
    yield from _check_order(chain)
    yield from _check_departures(chain)


def _check_order(chain: Sequence[tuple[Receipt, Evidence]]) -> Iterator[Reason]:
    state = State.DRAFT if chain[0][1].kind is Kind.SEALED else State.SEALED
    for receipt, evidence in chain:
        following = TRANSITIONS.get((state, evidence.kind))
        if following is None:
            sentence = N_("{name} cannot come at this point: a dossier does not go this way.")
            yield _wrong(Indication.SIG_CONSTRAINTS_FAILURE, sentence, receipt.name)
            return
        state = following


def _check_departures(chain: Sequence[tuple[Receipt, Evidence]]) -> Iterator[Reason]:
    """Every receipt after SEALED carries the very entry that SEALED made in the sender's register."""
    if chain[0][1].kind is not Kind.SEALED:
        return
    entered = chain[0][1].register_
    for receipt, evidence in chain[1:]:
        if evidence.departure != entered:
            sentence = N_("{name} does not carry the sender's entry in the register.")
            yield _wrong(Indication.HASH_FAILURE, sentence, receipt.name)


def _wrong(indication: Indication, sentence: str, name: str, **values: object) -> Reason:
    return reason(indication, sentence, name=name, **values)


def another_dossier(name: str) -> Reason:
    """That a receipt belongs to another container than the one at hand."""
    return _wrong(Indication.HASH_FAILURE, N_("{name} is about another dossier."), name)


def also(verdict: Verdict, reasons: Sequence[Reason]) -> Verdict:
    """The verdict with more reasons found."""
    before = [] if isinstance(verdict, Valid) else list(verdict.reasons)
    return conclude(replace(verdict.report), [*before, *reasons])
