"""The way of a sealed dossier to its recipients, one durable step after the other.

Each step is a transaction that looks at the state under the row's lock, so that it happens once, whoever drives it:
the request that sealed, the job that finds what a dead process left, or both at once. Between institutions of one
server the recipient examines the container as if a stranger had brought it.
"""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

import structlog

from comgov import authority, journal, registers
from comgov.actor import Actor
from comgov.dossiers import documents, examination, receipts, store
from comgov.dossiers.actions import telling
from comgov.dossiers.actions.drafts import blobs, found, stored
from comgov.dossiers.config import Config
from comgov.dossiers.documents import Kind
from comgov.dossiers.model import ON_THE_WAY, Delivery, State, next_state
from comgov.dossiers.notices import Notice
from comgov.errors import ComgovError, Unavailable
from comgov.institutions import actions as institutions
from comgov.institutions.model import State as InstitutionState
from comgov.language import N_
from comgov.signing import container
from comgov.signing.manifest import manifest_name, signature_name
from storage import StorageError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable

    from comgov.db import Connection
    from comgov.dossiers.examination import Examination
    from comgov.feature import Platform
    from comgov.signing.trust import Trust
    from storage import Store

_PAGE = 100
_BEFORE_ALL = (datetime(1, 1, 1, tzinfo=UTC), UUID(int=0), 0)

log = structlog.get_logger()

RELAY = Actor(person_id=0, institution_id=0, name="relay", address="relay", roles=frozenset())
"""Who acts when nobody is there, for the journal."""


async def resume(platform: Platform) -> None:
    """Drive everything that no recipient has yet; warn about what is late, give up what is too late."""
    after = _BEFORE_ALL
    while True:
        async with platform.db.connection() as connection:
            page = await store.on_the_way(connection, after, _PAGE)
        for delivery in page:
            await _try(_attend(platform, delivery), delivery)
            after = (delivery.sealed_at, delivery.message_id, delivery.recipient_id)
        if len(page) < _PAGE:
            return


async def _attend(platform: Platform, delivery: Delivery) -> None:
    limits = platform.config(Config)
    age = platform.clock() - delivery.sealed_at
    if age >= limits.fail_after:
        await _give_up(platform, delivery)
        return
    if age >= limits.warn_after and delivery.warned_at is None:
        await _try(_warn(platform, delivery), delivery)
    await _drive(platform, delivery)


async def send(platform: Platform, message_id: UUID) -> None:
    """Drive one dossier to all its recipients now; what cannot be done now is left to `resume`."""
    async with platform.db.connection() as connection:
        waiting = [each for each in await store.deliveries(connection, message_id) if each.state in ON_THE_WAY]
    for delivery in waiting:
        await _try(_drive(platform, delivery), delivery)


async def _try(work: Awaitable[None], delivery: Delivery) -> None:
    """Do it if it can be done now; what stands in the way of one dossier holds up no other."""
    try:
        await work
    except (ComgovError, StorageError) as error:
        log.warning(
            "relay.deferred", message=str(delivery.message_id), recipient=delivery.recipient_id, reason=str(error)
        )


async def _drive(platform: Platform, delivery: Delivery) -> None:
    recipient = await institutions.get_by_id(platform, delivery.recipient_id)
    if recipient.state is not InstitutionState.ACTIVE:
        return
    await _write_container(platform, delivery)
    maker = await receipts.maker(platform, recipient)
    await _submit(platform, delivery, maker)
    await _consign(platform, delivery, maker)
    if delivery.sender_id is not None:
        await registers.publish(platform, await institutions.get_by_id(platform, delivery.sender_id))
    await registers.publish(platform, recipient)


async def _write_container(platform: Platform, delivery: Delivery) -> None:
    """Keep the container as one blob, once; the same parts always give the same bytes."""
    message_id = delivery.message_id
    async with platform.db.connection() as connection:
        current = await store.delivery(connection, message_id, delivery.recipient_id)
        if current is None or current.container:
            return
        dossier = await found(connection, message_id)
        files = await store.sealed_files(connection, message_id)
    if files is None:
        return
    drawer = await blobs(platform)
    bordereau, manifest, signature = files
    parts = [
        container.part(documents.BORDEREAU, bordereau),
        *(container.Part(member=piece.member, open=partial(_read, drawer, piece.sha256)) for piece in dossier.pieces),
        container.part(manifest_name(1), manifest),
        container.part(signature_name(1), signature),
    ]
    size = container.size_bytes([part.member for part in parts])
    try:
        blob = await drawer.write(container.stream(parts), size_bytes=size)
    except StorageError as error:
        raise stored(error) from error
    except container.Changed as error:
        raise Unavailable(
            N_("A piece is no longer what was sealed. Tell your administrator."), reason=str(error)
        ) from error
    async with platform.db.transaction() as connection:
        await store.set_container(connection, message_id, blob.sha256, blob.size_bytes)


async def _read(drawer: Store, sha256: bytes) -> AsyncIterator[bytes]:
    async with aclosing(drawer.read(sha256)) as chunks:
        async for chunk in chunks:
            yield chunk


async def _submit(platform: Platform, delivery: Delivery, maker: receipts.Maker) -> None:
    """The recipient examines the container and accepts it, or rejects it, with evidence."""
    async with platform.db.connection() as connection:
        current = await store.delivery(connection, delivery.message_id, delivery.recipient_id)
    if current is None or current.state is not State.SEALED:
        return
    drawer, trust = await blobs(platform), await _trust_in_sender(platform, current)
    examined = await examination.examine(_read(drawer, current.container), trust, maker.institution.code)
    reasons = _objections(current, examined)
    if not reasons and not examined.is_valid:
        log.warning("relay.undecided", message=str(current.message_id), reasons=list(map(str, examined.reasons)))
        return
    kind = Kind.SUBMISSION_REJECTION if reasons else Kind.SUBMISSION_ACCEPTANCE
    async with platform.db.transaction() as connection:
        current = await store.delivery(connection, delivery.message_id, delivery.recipient_id, locked=True)
        if current is None or current.state is not State.SEALED:
            return
        await step(connection, maker, current, kind, at=platform.clock(), reasons=reasons or None)
        if reasons:
            await journal.record(
                connection,
                RELAY,
                "reject",
                "dossier",
                str(current.message_id),
                recipient=maker.institution.code,
                reasons=list(reasons),
            )


async def _trust_in_sender(platform: Platform, delivery: Delivery) -> Trust:
    """The root and the revocation lists that a seal of the sender is judged by."""
    return await (authority.trust(platform, delivery.sender_id) if delivery.sender_id else authority.trust(platform))


def _objections(delivery: Delivery, examined: Examination) -> tuple[str, ...]:
    """Why the recipient refuses what was delivered, as sentences; none for what is merely undecided."""
    if examination.verdict_name(examined.verdict) == "invalid":
        return tuple(documents.shorten(str(reason)) for reason in examined.reasons[:20])
    bordereau = examined.bordereau
    if bordereau is None or bordereau.message != delivery.message_id or examined.manifest != delivery.manifest:
        return (N_("The container is not that of the message it was sent with."),)
    return ()


async def _consign(platform: Platform, delivery: Delivery, maker: receipts.Maker) -> None:
    """Put the dossier among the recipient's arrivals."""
    async with platform.db.transaction() as connection:
        current = await store.delivery(connection, delivery.message_id, delivery.recipient_id, locked=True)
        if current is not None and current.state is State.TRANSMITTED:
            await step(connection, maker, current, Kind.CONTENT_CONSIGNMENT, at=platform.clock())


async def _warn(platform: Platform, delivery: Delivery) -> None:
    """Tell the sender that its dossier is late. The mail first: what was told twice is told once."""
    await telling.tell(platform, delivery, Notice.LATE)
    async with platform.db.transaction() as connection:
        await store.warn(connection, delivery, platform.clock())
        await journal.record(
            connection, RELAY, "warn", "dossier", str(delivery.message_id), recipient=delivery.recipient_id
        )


async def _give_up(platform: Platform, delivery: Delivery) -> None:
    """The sender states that the recipient was not reached in time."""
    if delivery.sender_id is None:
        return
    maker = await receipts.maker(platform, await institutions.get_by_id(platform, delivery.sender_id))
    recipient = receipts.party(await institutions.get_by_id(platform, delivery.recipient_id))
    async with platform.db.transaction() as connection:
        current = await store.delivery(connection, delivery.message_id, delivery.recipient_id, locked=True)
        if current is None or current.state not in ON_THE_WAY:
            return
        reasons = (N_("The dossier was not consigned in the time set for it."),)
        at = platform.clock()
        await step(connection, maker, current, Kind.CONSIGNMENT_FAILURE, at=at, recipient=recipient, reasons=reasons)
        await journal.record(
            connection, RELAY, "give-up", "dossier", str(delivery.message_id), recipient=delivery.recipient_id
        )
    await telling.tell(platform, delivery, Notice.FAILED)  # the evidence stands and is shown, whatever becomes of it


async def step(
    connection: Connection,
    maker: receipts.Maker,
    delivery: Delivery,
    kind: Kind,
    *,
    at: datetime,
    recipient: documents.Party | None = None,
    person: str | None = None,
    reasons: tuple[str, ...] | None = None,
) -> Delivery:
    """Take a delivery, locked, one step further with its evidence; gives it as it then is.

    recipient: None when it is the recipient itself who makes the evidence. person: who acted for the maker.
    Raises Conflict when that step cannot follow.
    """
    state = next_state(delivery.state, kind)
    statement = receipts.Statement(
        kind=kind,
        message_id=delivery.message_id,
        manifest=delivery.manifest,
        sender=delivery.sender,
        recipient=recipient or maker.party,
        recipient_id=delivery.recipient_id,
        previous=delivery.evidence or None,
        person=person,
        reasons=reasons,
        departure=await _departure(connection, delivery),
    )
    evidence, number = await receipts.issue(connection, maker, kind, lambda _number: statement, at=at)
    arrived = replace(
        delivery,
        state=state,
        evidence=evidence.digest,
        received_at=at if kind is Kind.CONTENT_CONSIGNMENT else delivery.received_at,
        arrival=str(number) if kind is Kind.REGISTERED else delivery.arrival,
    )
    await store.advance(connection, arrived)
    return arrived


async def _departure(connection: Connection, delivery: Delivery) -> documents.Proof | None:
    """The sender's entry and its proof, as SEALED gives them; None for what came from another server."""
    chain = await store.chain(connection, delivery.message_id, delivery.recipient_id)
    if not chain or chain[0].kind is not Kind.SEALED:
        return None
    return documents.read_evidence(chain[0].body).register_
