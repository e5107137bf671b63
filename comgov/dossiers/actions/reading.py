"""Looking: lists, the story of a dossier, its receipts, its content."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from comgov.dossiers import documents, store
from comgov.dossiers.actions import registering
from comgov.dossiers.actions.drafts import blobs, stored
from comgov.dossiers.model import (
    Delivery,
    Departure,
    Dossier,
    Draft,
    Evidence,
    Filter,
    State,
    is_of,
    may_register,
    may_see,
    may_see_arrival,
    may_see_presentation,
    sees_everything,
)
from comgov.dossiers.receipts import bundle
from comgov.errors import NotFound
from comgov.institutions import actions as institutions
from comgov.language import N_
from comgov.registers import actions as registers
from comgov.registers.model import Direction
from comgov.signing.container import MIME_TYPE
from storage import StorageError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from datetime import datetime
    from uuid import UUID

    from comgov.actor import Actor
    from comgov.db import Connection
    from comgov.dossiers.documents import Bordereau
    from comgov.feature import Platform
    from comgov.institutions.model import Institution
    from comgov.registers.model import Number, NumberFilter

PAGE = 50
"""Rows of a list."""

_LOCAL_HEADER_BYTES = 30  # of each member of a zip, before its name (PKWARE APPNOTE 6.3 §4.3.7)

Row = TypeVar("Row")


@dataclass(frozen=True)
class Page(Generic[Row]):
    """One page of a list. count: of all pages together. has_more: whether another follows."""

    rows: list[Row]
    count: int
    has_more: bool


@dataclass(frozen=True, kw_only=True)
class Way:
    """What happened on the way to one recipient: the receipts, oldest first."""

    recipient: Institution
    delivery: Delivery
    evidence: list[Evidence]


@dataclass(frozen=True, kw_only=True)
class Story:
    """A sealed dossier as one side sees it: the sender all its ways, a recipient its own.

    dossier: None on the recipient's side.
    """

    message_id: UUID
    bordereau: Bordereau
    manifest: bytes
    container: bytes
    container_bytes: int
    bordereau_bytes: int
    dossier: Dossier | None
    ways: list[Way]

    @property
    def is_departure(self) -> bool:
        """Whether the reader is on the sender's side."""
        return self.dossier is not None

    def span(self, position: int) -> tuple[int, int]:
        """Where piece `position` (from 1) lies in the container: its first byte, and the one after its last."""
        before = [("mimetype", len(MIME_TYPE)), (documents.BORDEREAU, self.bordereau_bytes)]
        before += [(piece.name, piece.size_bytes) for piece in self.bordereau.pieces[: position - 1]]
        piece = self.bordereau.pieces[position - 1]
        start = sum(_LOCAL_HEADER_BYTES + len(name.encode()) + size for name, size in before)
        start += _LOCAL_HEADER_BYTES + len(piece.name.encode())
        return start, start + piece.size_bytes


async def list_arrivals(platform: Platform, actor: Actor, wanted: Filter) -> Page[Delivery]:
    """What came to the actor's institution, as far as the actor may know."""
    async with platform.db.connection() as connection:
        rows, count = await store.arrivals(
            connection, actor.institution_id, wanted, everything=sees_everything(actor), limit=PAGE + 1
        )
    return Page(rows[:PAGE], count, len(rows) > PAGE)


async def list_departures(platform: Platform, actor: Actor, wanted: Filter) -> Page[Departure]:
    """What the actor's institution sent, as far as the actor may know."""
    everything = sees_everything(actor)
    async with platform.db.connection() as connection:
        rows, count = await store.departures(
            connection, actor.institution_id, wanted, actor.person_id, everything=everything, limit=PAGE + 1
        )
    return Page(rows[:PAGE], count, len(rows) > PAGE)


async def list_drafts(platform: Platform, actor: Actor, wanted: Filter) -> Page[Draft]:
    """What is being prepared in the actor's institution, as far as the actor may know."""
    everything = sees_everything(actor)
    async with platform.db.connection() as connection:
        rows, count = await store.drafts(
            connection, actor.institution_id, wanted, actor.person_id, everything=everything, limit=PAGE + 1
        )
    return Page(rows[:PAGE], count, len(rows) > PAGE)


async def count_waiting(platform: Platform, actor: Actor) -> int:
    """How many arrivals wait for a number that this actor could give."""
    if not may_register(actor, actor.institution_id):
        return 0
    async with platform.db.connection() as connection:
        return await store.count_to_register(connection, actor.institution_id)


async def draft(platform: Platform, actor: Actor, message_id: UUID) -> Dossier:
    """A dossier of the actor's institution, draft or sealed. Raises NotFound."""
    async with platform.db.connection() as connection:
        found = await store.dossier_of_message(connection, message_id)
    if found is None or not may_see(actor, found):
        raise NotFound(N_("There is no such dossier."))
    return found


async def story(platform: Platform, actor: Actor, message_id: UUID) -> Story:
    """A sealed dossier, from the actor's side. Raises NotFound."""
    async with platform.db.connection() as connection:
        dossier = await store.dossier_of_message(connection, message_id)
        if dossier is not None and is_of(actor, dossier.institution_id):
            if dossier.state is State.DRAFT or not may_see(actor, dossier):
                raise NotFound(N_("There is no such dossier."))
            deliveries = await store.deliveries(connection, message_id)
        else:
            dossier = None
            deliveries = [await registering.seen(connection, actor, message_id)]
        chains = await store.chains(connection, message_id, [each.recipient_id for each in deliveries])
    recipients = await institutions.by_ids(platform, [each.recipient_id for each in deliveries])
    return Story(
        message_id=message_id,
        bordereau=documents.read_bordereau(deliveries[0].bordereau),
        manifest=deliveries[0].manifest,
        container=deliveries[0].container,
        container_bytes=deliveries[0].container_bytes,
        bordereau_bytes=len(deliveries[0].bordereau),
        dossier=dossier,
        ways=[
            Way(recipient=recipients[delivery.recipient_id], delivery=delivery, evidence=chain)
            for delivery, chain in zip(deliveries, chains, strict=True)
        ],
    )


async def receipt(platform: Platform, actor: Actor, digest: bytes) -> Evidence:
    """A receipt by its digest, for either side. Raises NotFound."""
    async with platform.db.connection() as connection:
        evidence = await store.evidence(connection, digest)
        if evidence is None or not await _may_read(connection, actor, evidence):
            raise NotFound(N_("There is no such receipt."))
    return evidence


async def _may_read(connection: Connection, actor: Actor, evidence: Evidence) -> bool:
    if evidence.presentation_id is not None:
        presentation = await store.presentation(connection, evidence.presentation_id)
        return presentation is not None and may_see_presentation(actor, presentation)
    if evidence.message_id is None:
        return False
    dossier = await store.dossier_of_message(connection, evidence.message_id)
    if dossier is not None and may_see(actor, dossier):
        return True
    delivery = await store.delivery(connection, evidence.message_id, actor.institution_id)
    concerns = evidence.recipient_id in (None, actor.institution_id)
    return concerns and delivery is not None and may_see_arrival(actor, delivery)


async def logged(platform: Platform, evidence: Evidence) -> str | None:
    """The proof that a receipt is entered in the register of who made it (C2SP tlog-proof), once there is one."""
    entry = (evidence.institution_id, evidence.index)
    return (await registers.logged(platform, [entry])).get(entry)


async def receipts(platform: Platform, actor: Actor, message_id: UUID) -> tuple[str, bytes]:
    """Every receipt of a dossier that the actor may see, as one zip, and what to call it. Raises NotFound."""
    found = await story(platform, actor, message_id)
    every = {(each.institution_id, each.index) for way in found.ways for each in way.evidence}
    proofs = await registers.logged(platform, every)
    kept = {
        evidence.digest: bundle.Kept(
            recipient=way.recipient.code if evidence.recipient_id is not None else "",
            position=position,
            kind=evidence.kind,
            body=evidence.body,
            signature=evidence.signature,
            proof=proofs.get((evidence.institution_id, evidence.index)),
        )
        for way in found.ways
        for position, evidence in enumerate(way.evidence)
    }
    async with platform.own(_Zipping, _Zipping).turn:
        content = await asyncio.to_thread(bundle.write, list(kept.values()))
    return found.bordereau.number.replace("/", "-"), content


class _Zipping:
    """Compressing takes a core and up to 0.2 s: at most two at once in this process, and never on the loop."""

    def __init__(self) -> None:
        self.turn = asyncio.Semaphore(2)


@dataclass(frozen=True, kw_only=True)
class RegisterRow:
    """A numbered line of a register. sender: of an arrival. designation: empty for who may not know it."""

    number: Number
    at: datetime
    index: int
    message_id: UUID
    sender: str
    recipient_ids: tuple[int, ...]
    designation: str


async def register_page(platform: Platform, actor: Actor, wanted: NumberFilter) -> tuple[list[RegisterRow], int]:
    """Numbered entries of the actor's institution with what they are about, and how many there are that year.

    Departures name their recipients, arrivals their sender.
    """
    entries, count = await registers.page(platform, actor.institution_id, wanted)
    said = [(entry, documents.read_entry(entry.body.decode())) for entry in entries]
    messages = [found.message for _, found in said if found.message is not None]
    async with platform.db.connection() as connection:
        deliveries = await store.deliveries_of(connection, messages)
    rows = []
    for entry, found in said:
        assert entry.number is not None and found.message is not None
        ways = [
            each
            for each in deliveries.get(found.message, [])
            if wanted.direction is Direction.DEPARTURE or each.recipient_id == actor.institution_id
        ]
        rows.append(
            RegisterRow(
                number=entry.number,
                at=entry.at,
                index=entry.index,
                message_id=found.message,
                sender=ways[0].sender.name if ways else "",
                recipient_ids=tuple(each.recipient_id for each in ways),
                designation=ways[0].designation if ways and _is_shown(actor, ways[0]) else "",
            )
        )
    return rows, count


def _is_shown(actor: Actor, delivery: Delivery) -> bool:
    """An administrator keeps an eye on the register and does not read restricted dossiers."""
    return sees_everything(actor) or delivery.classification is documents.Classification.ORDINARY


async def content(platform: Platform, actor: Actor, message_id: UUID, *, is_read: bool = True) -> Story:
    """The story of a dossier whose container the actor is about to read: at the recipient it is handed over first.

    is_read: False for who only asks how large it is. Raises NotFound (also while the container is not written down
    yet), Forbidden, Unavailable (the container is out of reach: nothing is handed over then).
    """
    found = await story(platform, actor, message_id)
    if not found.container:
        raise NotFound(N_("The container is being written. Try again in a moment."))
    try:
        await (await blobs(platform)).stat(found.container)
    except StorageError as error:
        raise stored(error) from error
    if is_read and not found.is_departure:
        await registering.take_over(platform, actor, message_id)
    return found


async def read_blob(
    platform: Platform, sha256: bytes, start: int = 0, stop: int | None = None
) -> AsyncGenerator[bytes, None]:
    """The bytes of a container or a piece. Raises Unavailable when they are missing or damaged."""
    try:
        async with aclosing((await blobs(platform)).read(sha256, start, stop)) as chunks:
            async for chunk in chunks:
                yield chunk
    except StorageError as error:
        raise stored(error) from error
