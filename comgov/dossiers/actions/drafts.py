"""Preparing a dossier: its note, its recipients, its pieces."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from comgov import journal
from comgov.dossiers import documents, store
from comgov.dossiers.config import Config
from comgov.dossiers.model import (
    Dossier,
    Note,
    Piece,
    check_note,
    check_recipients,
    may_draft,
    may_edit,
    may_see,
    may_see_arrival,
    piece_name,
    require,
)
from comgov.errors import ComgovError, Conflict, Full, Invalid, NotFound, TooLarge, Unavailable
from comgov.institutions import actions as institutions
from comgov.language import N_
from comgov.signing.container import Meter
from storage import StorageError, StoreFullError

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Sequence

    from comgov.actor import Actor
    from comgov.db import Connection
    from comgov.feature import Platform
    from storage import Store

NOT_YOURS = N_("Only its author, a signatory or a registry clerk of the institution changes a draft.")
_LONGEST_MEDIA_TYPE = 100


async def create(platform: Platform, actor: Actor, note: Note, recipients: Sequence[str] = ()) -> Dossier:
    """A new draft of the actor's institution. recipients: codes of institutions, which may be chosen later.

    Raises Forbidden, Invalid, NotFound (a recipient).
    """
    require(may_draft(actor), N_("Only a member of an institution prepares a dossier."))
    checked = check_note(note)
    chosen = await _recipient_ids(platform, actor, recipients)
    message_id, now = uuid4(), platform.clock()
    async with platform.db.transaction() as connection:
        await _check_reply(connection, actor, checked)
        author = (actor.person_id, actor.name)
        dossier_id = await store.insert_dossier(connection, message_id, actor.institution_id, author, checked, now)
        await store.set_recipients(connection, dossier_id, chosen)
        await journal.record(connection, actor, "draft", "dossier", str(message_id))
        return await found(connection, message_id)


async def change(platform: Platform, actor: Actor, message_id: UUID, note: Note, recipients: Sequence[str]) -> Dossier:
    """Write a draft anew. Raises Forbidden, Invalid, NotFound, Conflict (it is sealed)."""
    checked = check_note(note)
    chosen = await _recipient_ids(platform, actor, recipients)
    async with platform.db.transaction() as connection:
        dossier = await _editable(connection, actor, message_id)
        await _check_reply(connection, actor, checked)
        await store.update_note(connection, dossier.id, checked, platform.clock())
        await store.set_recipients(connection, dossier.id, chosen)
        return await found(connection, message_id)


async def discard(platform: Platform, actor: Actor, message_id: UUID) -> None:
    """Throw a draft away. Raises Forbidden, NotFound, Conflict (it is sealed)."""
    async with platform.db.transaction() as connection:
        dossier = await _editable(connection, actor, message_id)
        await store.delete_dossier(connection, dossier.id)
        await journal.record(connection, actor, "discard", "dossier", str(message_id))


async def add_piece(
    platform: Platform,
    actor: Actor,
    message_id: UUID,
    name: str,
    chunks: AsyncIterable[bytes],
    media_type: str = "application/octet-stream",
) -> Piece:
    """Add a file to a draft: its bytes first, its row once they are durable.

    name: as the person's file is called; the piece takes the nearest name that a container can hold.
    Raises Forbidden, NotFound, Conflict (sealed, or a piece of that name), TooLarge, Full.
    """
    limits = platform.config(Config)
    async with platform.db.connection() as connection:
        _must_be_editable(actor, await found(connection, message_id))
    meter = Meter()
    with_limit = _measured(chunks, meter, limits.piece_limit_bytes)
    try:
        await (await blobs(platform)).write(with_limit)
    except StorageError as error:
        raise stored(error) from error
    async with platform.db.transaction() as connection:
        dossier = await _editable(connection, actor, message_id)
        _check_room(dossier, meter.size_bytes, limits)
        member = meter.member(piece_name(name, dossier.pieces))
        piece = await store.insert_piece(connection, dossier.id, member, _media_type(media_type))
        await store.touch(connection, dossier.id, platform.clock())
    return piece


async def remove_piece(platform: Platform, actor: Actor, message_id: UUID, piece_id: int) -> None:
    """Take a file out of a draft. Raises Forbidden, NotFound, Conflict (it is sealed)."""
    async with platform.db.transaction() as connection:
        dossier = await _editable(connection, actor, message_id)
        if not await store.delete_piece(connection, dossier.id, piece_id):
            raise NotFound(N_("This piece is no longer there."))
        await store.touch(connection, dossier.id, platform.clock())


async def blobs(platform: Platform) -> Store:
    """Where pieces and containers lie."""
    return await platform.blobs.drawer("dossiers")


def stored(error: StorageError) -> ComgovError:
    """What is the matter with the store, in this room's words."""
    if isinstance(error, StoreFullError):
        return Full(error.public, reason=error.reason)
    return Unavailable(error.public, reason=error.reason)


async def found(connection: Connection, message_id: UUID, *, locked: bool = False) -> Dossier:
    """The dossier, or NotFound."""
    dossier = await store.dossier_of_message(connection, message_id, locked=locked)
    if dossier is None:
        raise NotFound(N_("There is no such dossier."))
    return dossier


async def _editable(connection: Connection, actor: Actor, message_id: UUID) -> Dossier:
    dossier = await found(connection, message_id, locked=True)
    _must_be_editable(actor, dossier)
    return dossier


def _must_be_editable(actor: Actor, dossier: Dossier) -> None:
    if not may_see(actor, dossier):
        raise NotFound(N_("There is no such dossier."))
    if dossier.sealed_at is not None:
        raise Conflict(N_("This dossier is sealed: nothing in it can change any more."))
    require(may_edit(actor, dossier), NOT_YOURS)


async def _recipient_ids(platform: Platform, actor: Actor, codes: Sequence[str]) -> tuple[int, ...]:
    chosen = [await institutions.get(platform, code) for code in dict.fromkeys(codes)]
    return check_recipients(actor.institution_id, [institution.id for institution in chosen])


async def _check_reply(connection: Connection, actor: Actor, note: Note) -> None:
    """A reply answers something that the institution did receive and its author may know of."""
    if note.in_reply_to is None:
        return
    received = await store.delivery(connection, note.in_reply_to, actor.institution_id)
    if received is None or not may_see_arrival(actor, received) or not received.arrival:
        raise Invalid(N_("One can only answer a dossier that was registered on arrival."))


def _check_room(dossier: Dossier, size_bytes: int, limits: Config) -> None:
    if len(dossier.pieces) >= limits.pieces:
        raise Invalid(N_("A dossier has at most {most} pieces."), most=limits.pieces)
    if sum(piece.size_bytes for piece in dossier.pieces) + size_bytes > limits.dossier_limit_bytes:
        raise _too_large(limits.dossier_limit_bytes)


async def _measured(chunks: AsyncIterable[bytes], meter: Meter, limit_bytes: int) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        meter.update(chunk)
        if meter.size_bytes > limit_bytes:
            raise _too_large(limit_bytes)
        yield chunk


def _too_large(limit_bytes: int) -> TooLarge:
    return TooLarge(
        N_("The pieces are larger than the limit of {limit} MB. This one was not kept; the others were."),
        limit=limit_bytes // 1_000_000,
    )


def _media_type(text: str) -> str:
    """What the sender believes, if it is a type that a bordereau can name."""
    clean = text.partition(";")[0].strip().lower()
    is_one = len(clean) <= _LONGEST_MEDIA_TYPE and documents.is_media_type(clean)
    return clean if is_one else "application/octet-stream"
