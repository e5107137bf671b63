"""Writing: drafts that are saved as one types, their files, answers and messages passed on."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

from comgov.errors import ComgovError, Conflict, Forbidden, Full, Invalid, NotFound, TooLarge, Unavailable
from comgov.language import N_
from comgov.webmail import letter, model, store
from comgov.webmail.actions import reading
from comgov.webmail.config import Config
from comgov.webmail.model import Answered, Draft
from comgov.webmail.words import in_our_words
from storage import StorageError, StoreFullError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from datetime import datetime
    from uuid import UUID

    from comgov.feature import Platform
    from comgov.people.model import Actor
    from comgov.webmail.letter import Person
    from comgov.webmail.model import Access, DraftFile, Opened
    from mail.mailbox import Message
    from storage import Store

DRAWER = "drafts"
_FILENAME_LIMIT = 200  # characters


async def save(platform: Platform, actor: Actor, draft: Draft) -> None:
    """Keep a draft, new or again. Raises Conflict if it was sent already, Invalid, NotFound for a sender not theirs."""
    if len(draft.text) > model.TEXT_LIMIT or len(draft.subject) > model.SUBJECT_LIMIT:
        raise Invalid(N_("This text is too long for a message. Attach it as a file."))
    if any(len(field) > model.ADDRESSES_LIMIT for field in (draft.to, draft.cc, draft.bcc)):
        raise Invalid(N_("There are too many addresses in one field. Write to a list instead."))
    access = await reading.access_to(platform, actor, draft.sender_id)
    if not access.may_send:
        raise Forbidden(N_("You may read this mailbox, not write in its name."))
    async with platform.db.transaction() as connection:
        if not await store.save(connection, draft, platform.clock()):
            raise _sent_already()


async def get(platform: Platform, actor: Actor, draft_id: UUID) -> Draft:
    """One's own draft with its files. Raises NotFound; Conflict once it was sent."""
    found = await find(platform, actor, draft_id)
    if found is None:
        raise NotFound(N_("There is no such draft. It may have been discarded."))
    if found.sent_at is not None:
        raise _sent_already()
    return found


async def find(platform: Platform, actor: Actor, draft_id: UUID) -> Draft | None:
    """One's own draft with its files, sent or not; None if it was never saved."""
    async with platform.db.connection() as connection:
        return await store.get(connection, draft_id, actor.person_id)


async def unsent(platform: Platform, actor: Actor, *, before: datetime | None = None) -> tuple[list[Draft], int]:
    """A page of one's drafts, the latest first, and how many there are. before: when the last one shown was saved."""
    async with platform.db.connection() as connection:
        limit = platform.config(Config).page_limit
        drafts = await store.unsent(connection, actor.person_id, before, limit)
        return drafts, await store.count_unsent(connection, actor.person_id)


async def count_unsent(platform: Platform, actor: Actor) -> int:
    """How many drafts one has."""
    async with platform.db.connection() as connection:
        return await store.count_unsent(connection, actor.person_id)


async def discard(platform: Platform, actor: Actor, draft_id: UUID) -> None:
    """Away with a draft and its files; already gone is fine."""
    async with platform.db.transaction() as connection:
        await store.delete(connection, draft_id, actor.person_id)


async def attach(
    platform: Platform,
    actor: Actor,
    draft_id: UUID,
    filename: str,
    content_type: str,
    chunks: AsyncIterator[bytes],
) -> None:
    """Put a file to a saved draft: its bytes first, then its row.

    Raises TooLarge when the draft's files would weigh more than the limit, Conflict, Full, Unavailable.
    """
    limit = platform.config(Config).attachments_limit_bytes
    used = sum(file.size_bytes for file in (await get(platform, actor, draft_id)).files)
    blobs = await platform.blobs.drawer(DRAWER)
    try:
        blob = await blobs.write(_bounded(chunks, limit - used, limit))
    except StoreFullError as error:
        raise Full(N_("There is no room left on the server. The message is kept as a draft.")) from error
    except StorageError as error:
        raise Unavailable(N_("The file could not be stored for now. The message is kept as a draft.")) from error
    async with platform.db.transaction() as connection:
        if not await store.lock(connection, draft_id, actor.person_id):
            raise _sent_already()
        files = await store.files(connection, draft_id)
        if sum(file.size_bytes for file in files) + blob.size_bytes > limit:
            raise _too_heavy(limit)
        clean = model.single_line(filename.replace("\\", "/").rpartition("/")[2])[-_FILENAME_LIMIT:]
        kind = content_type if content_type.isascii() and content_type.isprintable() else ""
        kind = kind.partition(";")[0].strip().lower()
        await store.insert_file(connection, draft_id, clean or "file", kind, blob.sha256, blob.size_bytes)


async def _bounded(chunks: AsyncIterator[bytes], left_bytes: int, limit_bytes: int) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        left_bytes -= len(chunk)
        if left_bytes < 0:
            raise _too_heavy(limit_bytes)
        yield chunk


async def detach(platform: Platform, actor: Actor, draft_id: UUID, file_ids: Sequence[int]) -> None:
    """Take files off a draft; already gone is fine."""
    async with platform.db.transaction() as connection:
        for file_id in file_ids:
            await store.delete_file(connection, file_id, draft_id, actor.person_id)


async def bytes_of(blobs: Store, file: DraftFile) -> bytes:
    """A file of a draft, whole. Raises Unavailable."""
    content = bytearray()
    try:
        async with aclosing(blobs.read(file.sha256)) as chunks:
            async for chunk in chunks:
                content += chunk
    except StorageError as error:
        raise Unavailable(N_("A file of this message cannot be read for now. The message is kept.")) from error
    return bytes(content)


async def answer(
    platform: Platform, opened: Opened, message: Message, draft: Draft, *, everyone: bool, introduction: str
) -> Draft:
    """A draft that answers `message`: to whom it came from, or to everyone it concerns; what was said is quoted.

    draft: empty but for its ids. introduction: the line above the quotation, such as "On …, … wrote:".
    """
    heads, said = await _said(platform, message)
    to, cc = _answered_people(heads, opened.access.address, everyone=everyone)
    return replace(
        draft,
        to=_written(to),
        cc=_written(cc),
        subject=model.answer_subject(heads.subject),
        text=f"\n\n{introduction}\n{model.quoted(said)}\n"[: model.TEXT_LIMIT],
        answered=Answered(how="reply", mailbox_id=message.mailbox_id, uid=message.uid),
        in_reply_to=heads.message_id,
        thread=heads.thread,
    )


def _answered_people(heads: letter.Heads, own: str, *, everyone: bool) -> tuple[list[Person], list[Person]]:
    """To and Cc of an answer; to a message of one's own, those it went to."""

    def others(people: Sequence[Person]) -> list[Person]:
        return [person for person in people if person.address.casefold() != own.casefold()]

    if heads.author.address.casefold() == own.casefold():
        to = list(heads.to)
    else:
        to = [person for person in heads.reply_to or [heads.author] if person.address]
        to += others(heads.to) if everyone else []
    addresses = {person.address.casefold() for person in to}
    cc = [person for person in others(heads.cc) if person.address.casefold() not in addresses] if everyone else []
    return to, cc


def _written(people: Sequence[Person]) -> str:
    return ", ".join(dict.fromkeys(person.written for person in people))


async def forward(
    platform: Platform, actor: Actor, message: Message, draft: Draft, *, introduction: str, prefix: str
) -> Draft:
    """Save a draft that passes `message` on, with its files. introduction: what stands above its text.

    Raises TooLarge when its files weigh more than the limit.
    """
    heads, said = await _said(platform, message)
    made = replace(
        draft,
        subject=model.forward_subject(heads.subject, prefix),
        text=f"\n\n{introduction}\n\n{said}\n"[: model.TEXT_LIMIT],
        answered=Answered(how="forward", mailbox_id=message.mailbox_id, uid=message.uid),
    )
    await save(platform, actor, made)
    try:
        for part in await reading.parts(platform, message):
            if part.is_attachment:
                name = part.filename or ("message.eml" if part.type == "message/rfc822" else "file")
                await attach(platform, actor, made.id, name, part.type, reading.part_bytes(platform, message, part))
    except ComgovError:
        await discard(platform, actor, made.id)
        raise
    return made


async def _said(platform: Platform, message: Message) -> tuple[letter.Heads, str]:
    """Header and text of a message, for quoting; at most TEXT_LIMIT bytes of it are read."""
    with in_our_words():
        content = await platform.mailboxes.content(message)
    shown = letter.shown_parts(content.parts, as_text=True)
    texts = await reading.beginnings(platform, message, shown, model.TEXT_LIMIT)
    return letter.heads(content.header), await asyncio.to_thread(letter.said, shown, texts)


async def heads_of(platform: Platform, message: Message) -> letter.Heads:
    """Who wrote a message, to whom, about what."""
    with in_our_words():
        return letter.heads((await platform.mailboxes.content(message)).header)


def blank(actor: Actor, draft_id: UUID, access: Access) -> Draft:
    """A draft with nothing in it yet."""
    return Draft(id=draft_id, person_id=actor.person_id, sender_id=access.account_id)


def _sent_already() -> Conflict:
    return Conflict(N_("This message was sent already. It is among your sent messages."))


def _too_heavy(limit_bytes: int) -> TooLarge:
    return TooLarge(
        N_(
            "The files of one message may weigh {limit} MB together. This one was not added; the rest is kept. "
            "Share large files by a link instead."
        ),
        limit=limit_bytes // 10**6,
    )
