"""A container that came by other means: examined, then accepted once, or refused with evidence."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from comgov import authority, journal
from comgov.dossiers import documents, examination, receipts, store
from comgov.dossiers.actions import delivering
from comgov.dossiers.actions.drafts import blobs, stored
from comgov.dossiers.actions.registering import NOT_CLERK
from comgov.dossiers.config import Config
from comgov.dossiers.documents import Kind
from comgov.dossiers.model import (
    Delivery,
    Evidence,
    Outcome,
    Presentation,
    State,
    may_register,
    may_see_presentation,
    require,
)
from comgov.errors import Conflict, NotFound, TooLarge
from comgov.institutions import actions as institutions
from comgov.language import N_
from storage import StorageError

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator

    from comgov.actor import Actor
    from comgov.db import Connection
    from comgov.dossiers.examination import Examination
    from comgov.feature import Platform
    from storage import Blob

_REPLAY = N_("A dossier of this number is known, and it has another content: this one is a forgery or a replay.")
_MEANWHILE = N_("Somebody presented this dossier at the same moment. Present it again to see what became of it.")
_FRAME_BYTES = 4_000_000  # bordereau, manifest, signature and headers around the pieces


@dataclass(frozen=True, kw_only=True)
class Presented:
    """What became of a container. evidence: the receipt that refuses it, or the last one of the dossier it is."""

    presentation: Presentation
    evidence: Evidence | None


async def present(platform: Platform, actor: Actor, name: str, chunks: AsyncIterable[bytes]) -> Presented:
    """Examine a container brought to the actor's institution and say what becomes of it.

    Valid, addressed to it and unknown: it is accepted among the arrivals. Known already: nothing new happens.
    Altered, revoked, foreign, misaddressed or another content under a known message: refused, with evidence.
    The same bytes again get the same answer. Raises Forbidden, TooLarge, Full, Unavailable.
    """
    require(may_register(actor, actor.institution_id), NOT_CLERK)
    institution = await institutions.get_by_id(platform, actor.institution_id)
    examiner = examination.Examiner(await authority.trust(platform))
    limit = platform.config(Config).dossier_limit_bytes + _FRAME_BYTES
    try:
        blob = await (await blobs(platform)).write(_passing(chunks, examiner, limit))
    except StorageError as error:
        raise stored(error) from error
    examined = await asyncio.to_thread(examiner.conclude, institution.code)
    maker = await receipts.maker(platform, institution)
    async with platform.db.transaction() as connection:
        return await _receive(platform, connection, actor, maker, name, blob, examined)


async def get(platform: Platform, actor: Actor, presentation_id: int) -> Presented:
    """What became of a container that was presented. Raises NotFound."""
    async with platform.db.connection() as connection:
        presentation = await store.presentation(connection, presentation_id)
        if presentation is None or not may_see_presentation(actor, presentation):
            raise NotFound(N_("There is no such report."))
        return await _with_evidence(connection, presentation)


async def _passing(
    chunks: AsyncIterable[bytes], examiner: examination.Examiner, limit_bytes: int
) -> AsyncIterator[bytes]:
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > limit_bytes:
            raise TooLarge(
                N_("A container has at most {limit} MB here. Nothing was kept."), limit=limit_bytes // 1_000_000
            )
        examiner.feed(chunk)
        yield chunk


async def _receive(
    platform: Platform,
    connection: Connection,
    actor: Actor,
    maker: receipts.Maker,
    name: str,
    blob: Blob,
    examined: Examination,
) -> Presented:
    before = await store.presentation_of(connection, maker.institution.id, blob.sha256)
    if before is not None:
        return await _with_evidence(connection, before)
    outcome, objections = await _judge(connection, maker, examined)
    report = examination.as_json(examined)
    if objections:
        report["reasons"] += [{"indication": "REPLAY", "message": _REPLAY, "values": {}}] * (_REPLAY in objections)
    presentation = Presentation(
        institution_id=maker.institution.id,
        container=blob.sha256,
        container_bytes=blob.size_bytes,
        name=documents.shorten(name),
        presented_by=actor.name,
        presented_at=platform.clock(),
        outcome=outcome,
        report=report,
        message_id=examined.bordereau.message if examined.bordereau else None,
    )
    kept = await store.insert_presentation(connection, presentation)
    if kept is None:
        raise Conflict(_MEANWHILE)
    presentation = replace(presentation, id=kept)
    if outcome is Outcome.REFUSED:
        await _refuse(connection, actor, maker, presentation, examined, objections)
    elif outcome is Outcome.ACCEPTED:
        await _accept(connection, actor, maker, presentation, examined)
    return await _with_evidence(connection, presentation)


async def _judge(
    connection: Connection, maker: receipts.Maker, examined: Examination
) -> tuple[Outcome, tuple[str, ...]]:
    """What becomes of it, and the sentences that say why it is refused."""
    if examination.verdict_name(examined.verdict) == "indeterminate":
        return Outcome.UNDECIDED, ()
    if not examined.is_valid:
        return Outcome.REFUSED, tuple(documents.shorten(str(reason)) for reason in examined.reasons[:20])
    assert examined.bordereau is not None
    known = await store.delivery(connection, examined.bordereau.message, maker.institution.id, locked=True)
    if known is None:
        return Outcome.ACCEPTED, ()
    if known.manifest == examined.manifest:
        return Outcome.KNOWN, ()
    return Outcome.REFUSED, (_REPLAY,)


async def _refuse(
    connection: Connection,
    actor: Actor,
    maker: receipts.Maker,
    presentation: Presentation,
    examined: Examination,
    reasons: tuple[str, ...],
) -> None:
    bordereau = examined.bordereau
    statement = receipts.Statement(
        kind=Kind.SUBMISSION_REJECTION,
        message_id=presentation.message_id,
        manifest=examined.manifest,
        sender=bordereau.sender if bordereau else None,
        recipient=maker.party,
        recipient_id=maker.institution.id,
        person=actor.name,
        reasons=reasons,
        container=presentation.container,
        presentation_id=presentation.id,
    )
    at = presentation.presented_at
    await receipts.issue(connection, maker, Kind.SUBMISSION_REJECTION, lambda _number: statement, at=at)
    await journal.record(connection, actor, "refuse", "container", presentation.container.hex(), reasons=list(reasons))


async def _accept(
    connection: Connection,
    actor: Actor,
    maker: receipts.Maker,
    presentation: Presentation,
    examined: Examination,
) -> None:
    """Take in the dossier of an institution that this server does not relay for."""
    bordereau, manifest = examined.bordereau, examined.manifest
    assert bordereau is not None and manifest is not None
    delivery = Delivery(
        message_id=bordereau.message,
        recipient_id=maker.institution.id,
        sender_id=None,
        sender=bordereau.sender,
        number=bordereau.number,
        state=State.SEALED,
        designation=bordereau.designation,
        classification=bordereau.classification,
        priority=bordereau.priority,
        deadline=bordereau.deadline,
        manifest=manifest,
        bordereau=bordereau.canonical(),
        evidence=b"",
        sealed_at=bordereau.sealed_at,
        container=presentation.container,
        container_bytes=presentation.container_bytes,
    )
    if not await store.insert_delivery(connection, delivery):
        raise Conflict(_MEANWHILE)
    at = presentation.presented_at
    delivery = await delivering.step(connection, maker, delivery, Kind.SUBMISSION_ACCEPTANCE, at=at, person=actor.name)
    await delivering.step(connection, maker, delivery, Kind.CONTENT_CONSIGNMENT, at=at, person=actor.name)
    await journal.record(connection, actor, "accept", "dossier", str(delivery.message_id), number=delivery.number)


async def _with_evidence(connection: Connection, presentation: Presentation) -> Presented:
    if presentation.outcome in (Outcome.ACCEPTED, Outcome.KNOWN) and presentation.message_id is not None:
        chain = await store.chain(connection, presentation.message_id, presentation.institution_id)
        return Presented(presentation=presentation, evidence=chain[-1] if chain else None)
    return Presented(
        presentation=presentation, evidence=await store.evidence_of_presentation(connection, presentation.id)
    )
