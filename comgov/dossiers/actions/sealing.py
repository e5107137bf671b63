"""Sealing: the solemn moment. One transaction gives the number, the signature, the entry and the evidence.

The pieces are durable and measured before; what is signed (bordereau and manifest) is small and stands in the row, so
that the container can be written down after the commit, and would come out the same however often that is done.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog

from comgov import journal
from comgov.dossiers import documents, receipts, store
from comgov.dossiers.actions import delivering
from comgov.dossiers.actions.drafts import blobs, found, stored
from comgov.dossiers.documents import Kind, Party
from comgov.dossiers.model import Delivery, Dossier, State, may_seal, must_be_complete, next_state, require
from comgov.errors import Conflict, NotFound
from comgov.institutions import actions as institutions
from comgov.language import N_
from comgov.signing import container, manifest
from comgov.signing.verdict import Commitment
from storage import StorageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from comgov.actor import Actor
    from comgov.db import Connection
    from comgov.feature import Platform
    from comgov.institutions.model import Institution
    from comgov.registers.model import Number

log = structlog.get_logger()

NOT_SIGNATORY = N_("Only a signatory of the institution seals in its name.")


@dataclass(frozen=True, kw_only=True)
class Sealed:
    """The small files of a container. manifest_digest: what every evidence speaks of."""

    bordereau: bytes
    manifest: bytes
    signature: bytes

    @property
    def manifest_digest(self) -> bytes:
        """SHA-256 of the manifest, 32 bytes."""
        return documents.digest(self.manifest)


async def seal(platform: Platform, actor: Actor, message_id: UUID, fingerprint: str) -> Dossier:
    """Seal a draft in the name of the actor's institution and start it on its way.

    fingerprint: that of the draft as the signatory saw it. Once this returns the dossier is sealed for ever, whatever
    becomes of its way, which goes on by itself.
    Raises Forbidden, NotFound, Invalid (incomplete), Conflict (sealed already, changed since, or no valid seal).
    """
    sender = await institutions.get_by_id(platform, actor.institution_id)
    require(may_seal(actor, sender.id), NOT_SIGNATORY)
    async with platform.db.connection() as connection:
        draft = await found(connection, message_id)
    _must_be_sealable(actor, draft, fingerprint)
    await _check_bytes(platform, draft)
    recipients = [await institutions.get_by_id(platform, each) for each in draft.recipient_ids]
    maker = await receipts.maker(platform, sender)
    at = platform.clock()
    async with platform.db.transaction() as connection:
        dossier = await found(connection, message_id, locked=True)
        _must_be_sealable(actor, dossier, fingerprint)
        sealed = await _seal(connection, actor, maker, dossier, recipients, at)
        await journal.record(
            connection,
            actor,
            "seal",
            "dossier",
            str(message_id),
            number=sealed.number,
            recipients=[each.code for each in recipients],
        )
    await delivering.send(platform, message_id)
    return sealed


def _must_be_sealable(actor: Actor, dossier: Dossier, fingerprint: str) -> None:
    if dossier.institution_id != actor.institution_id:
        raise NotFound(N_("There is no such dossier."))
    next_state(dossier.state, Kind.SEALED)
    must_be_complete(dossier)
    if dossier.fingerprint != fingerprint:
        raise Conflict(N_("The dossier was changed since you read it. Nothing was sealed; please read it again."))


async def _check_bytes(platform: Platform, dossier: Dossier) -> None:
    """Sealing promises that every piece can be delivered, so each must be there."""
    drawer = await blobs(platform)
    for piece in dossier.pieces:
        try:
            await drawer.stat(piece.sha256)
        except StorageError as error:
            raise stored(error) from error


async def _seal(
    connection: Connection,
    actor: Actor,
    maker: receipts.Maker,
    dossier: Dossier,
    recipients: Sequence[Institution],
    at: datetime,
) -> Dossier:
    reply = await _answered(connection, dossier)
    parties = [receipts.party(each) for each in recipients]
    written: list[tuple[Number, Sealed]] = []

    def say(number: Number | None) -> receipts.Statement:
        assert number is not None
        bordereau = _bordereau(dossier, maker.party, parties, number, actor.name, at, reply)
        written.append((number, _sign(maker, dossier, bordereau)))
        return receipts.Statement(
            kind=Kind.SEALED,
            message_id=dossier.message_id,
            manifest=written[-1][1].manifest_digest,
            sender=maker.party,
            person=actor.name,
        )

    evidence, _ = await receipts.issue(connection, maker, Kind.SEALED, say, at=at)
    [(number, sealed)] = written
    files = (sealed.bordereau, sealed.manifest, sealed.signature)
    await store.seal(connection, dossier.id, str(number), at, actor.name, files, sealed.manifest_digest)
    for recipient in recipients:
        await store.insert_delivery(
            connection, _delivery(dossier, maker, recipient, number, sealed, evidence.digest, at)
        )
    if reply is not None:
        await _record_answer(connection, actor, maker, reply, number, at)
    return replace(
        dossier,
        state=State.SEALED,
        number=str(number),
        sealed_at=at,
        sealed_by=actor.name,
        manifest=sealed.manifest_digest,
        changed_at=at,
    )


def _sign(maker: receipts.Maker, dossier: Dossier, bordereau: bytes) -> Sealed:
    members = [container.part(documents.BORDEREAU, bordereau).member, *(piece.member for piece in dossier.pieces)]
    listed = manifest.write(1, members)
    return Sealed(
        bordereau=bordereau,
        manifest=listed,
        signature=maker.sealer.seal(listed, Commitment.ORIGIN),
    )


def _bordereau(
    dossier: Dossier,
    sender: Party,
    recipients: Sequence[Party],
    number: Number,
    signatory: str,
    at: datetime,
    reply: Delivery | None,
) -> bytes:
    note = dossier.note
    return documents.Bordereau(
        message=dossier.message_id,
        number=str(number),
        sender=sender,
        recipients=tuple(recipients),
        order_number=note.order_number,
        designation=note.designation,
        observations=note.observations,
        mention=note.mention,
        classification=note.classification,
        priority=note.priority,
        deadline=note.deadline,
        in_reply_to=documents.Reply(message=reply.message_id, number=reply.number) if reply else None,
        number_of_pieces=len(dossier.pieces),
        pieces=tuple(
            documents.ListedPiece(
                name=piece.name, media_type=piece.media_type, size_bytes=piece.size_bytes, sha256=piece.sha256.hex()
            )
            for piece in dossier.pieces
        ),
        sealed_by=signatory,
        sealed_at=at,
    ).canonical()


def _delivery(
    dossier: Dossier,
    maker: receipts.Maker,
    recipient: Institution,
    number: Number,
    sealed: Sealed,
    evidence: bytes,
    at: datetime,
) -> Delivery:
    return Delivery(
        message_id=dossier.message_id,
        recipient_id=recipient.id,
        sender_id=maker.institution.id,
        sender=maker.party,
        number=str(number),
        state=State.SEALED,
        designation=dossier.note.designation,
        classification=dossier.note.classification,
        priority=dossier.note.priority,
        deadline=dossier.note.deadline,
        manifest=sealed.manifest_digest,
        bordereau=sealed.bordereau,
        evidence=evidence,
        sealed_at=at,
    )


async def _answered(connection: Connection, dossier: Dossier) -> Delivery | None:
    """The arrival that this dossier answers, locked."""
    if dossier.note.in_reply_to is None:
        return None
    return await store.delivery(connection, dossier.note.in_reply_to, dossier.institution_id, locked=True)


async def _record_answer(
    connection: Connection, actor: Actor, maker: receipts.Maker, reply: Delivery, number: Number, at: datetime
) -> None:
    """Say with evidence that the arrival is answered; a second answer to it says nothing new."""
    if reply.state is not State.ANSWERED:
        await delivering.step(connection, maker, reply, Kind.ANSWERED, at=at, person=actor.name)
        log.info("dossier.answered", message=str(reply.message_id), by=str(number))
