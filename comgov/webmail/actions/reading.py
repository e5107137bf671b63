"""Opening mailboxes and reading what is in them."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

from comgov.errors import Forbidden, Invalid, NotFound
from comgov.language import N_
from comgov.people import actions as people
from comgov.people.model import Rights
from comgov.webmail import letter
from comgov.webmail.config import Config
from comgov.webmail.model import Access, Opened
from comgov.webmail.words import in_our_words
from mail.mailbox import Flag, SpecialUse

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from comgov.feature import Platform
    from comgov.people.model import Actor
    from comgov.webmail.letter import Letter
    from mail.mailbox import Mailbox, Message, Page
    from mail.message import Part

_UIDS_LIMIT = 1000


async def accesses(platform: Platform, actor: Actor) -> list[Access]:
    """The accounts whose mail the actor may open: their own first, then the posts they hold, by address."""
    own = Access(account_id=actor.person_id, name=actor.name, address=actor.address, rights=Rights.MANAGER)
    found = [own]
    now = platform.clock()
    for post in await people.posts_of(platform, actor) if actor.posts else []:
        held = [one.rights for one in post.holdings if one.person_id == actor.person_id and one.is_held(now)]
        if held:
            rights = max(held, key=list(Rights).index)
            found.append(Access(account_id=post.id, name=post.name, address=post.address, rights=rights))
    return found


async def access_to(platform: Platform, actor: Actor, account_id: int) -> Access:
    """One of them. Raises NotFound for any other account: which there are is nobody's business."""
    for access in await accesses(platform, actor):
        if access.account_id == account_id:
            return access
    raise NotFound(N_("There is no such mailbox, or it is not yours to open."))


async def open_mailbox(platform: Platform, actor: Actor, mailbox_id: int) -> Opened:
    """A mailbox the actor may look into. Raises NotFound."""
    with in_our_words():
        mailbox = await platform.mailboxes.mailbox(mailbox_id)
        access = await access_to(platform, actor, mailbox.account_id)
        siblings = await platform.mailboxes.mailboxes(mailbox.account_id)
    return Opened(access=access, mailbox=mailbox, siblings=siblings)


async def standard(platform: Platform, access: Access, use: SpecialUse) -> Mailbox:
    """The Inbox, the Archive, … of an account the actor may open."""
    with in_our_words():
        return await platform.mailboxes.standard(access.account_id, use)


async def make_mailbox(platform: Platform, access: Access, name: str) -> Mailbox:
    """A new, empty mailbox. Raises Forbidden, Conflict if there is one of that name, Invalid."""
    if not access.may_change:
        raise Forbidden(N_("You may read this mailbox, not change it."))
    with in_our_words():
        return await platform.mailboxes.create(access.account_id, name.strip())


async def page(
    platform: Platform, opened: Opened, *, before: int | None = None, unread: bool = False, words: str = ""
) -> Page:
    """A page of an opened mailbox, newest first. words: only messages that hold them all; empty for every message."""
    limit = platform.config(Config).page_limit
    with in_our_words():
        if words.strip():
            return await platform.mailboxes.search(opened.mailbox.id, words, before_uid=before, limit=limit)
        return await platform.mailboxes.page(opened.mailbox.id, before_uid=before, limit=limit, unseen_only=unread)


async def get(platform: Platform, opened: Opened, uid: int) -> Message:
    """A message of an opened mailbox. Raises NotFound."""
    with in_our_words():
        return await platform.mailboxes.get(opened.mailbox.id, uid)


async def read(
    platform: Platform,
    opened: Opened,
    message: Message,
    *,
    as_text: bool = False,
    remote_images: bool = False,
    marks: bool = True,
) -> Letter:
    """What a message says, safe to show; from now on it was read.

    Whoever may only look leaves it unread for the others, and so does anyone unless `marks`.
    """
    with in_our_words():
        content = await platform.mailboxes.content(message)
        shown = letter.shown_parts(content.parts, as_text=as_text)
        texts = await beginnings(platform, message, shown, letter.TEXT_LIMIT_BYTES)
        if marks and not message.is_seen and opened.access.may_change:
            await platform.mailboxes.store(opened.mailbox.id, [message.uid], action="+", flags=Flag.SEEN)
    return await asyncio.to_thread(
        letter.compose,
        content.header,
        content.parts,
        texts,
        images=letter.inline_images(content.parts, f"/mail/{message.mailbox_id}/{message.uid}/parts"),
        as_text=as_text,
        remote_images=remote_images,
    )


async def beginnings(platform: Platform, message: Message, shown: Sequence[Part], limit_bytes: int) -> dict[str, bytes]:
    """The decoded bytes of these parts by number, `limit_bytes` of them in all, and one more if there is more."""
    found = dict[str, bytes]()
    for part in shown:
        text = await _beginning(platform, message, part, limit_bytes + 1)
        limit_bytes = max(0, limit_bytes - len(text))
        found[part.number] = text
    return found


async def _beginning(platform: Platform, message: Message, part: Part, limit_bytes: int) -> bytes:
    found = bytearray()
    async with aclosing(part_bytes(platform, message, part)) as chunks:
        async for chunk in chunks:
            found += chunk
            if len(found) >= limit_bytes:
                break
    return bytes(found[:limit_bytes])


async def parts(platform: Platform, message: Message) -> Sequence[Part]:
    """Everything a message holds, leaf by leaf."""
    with in_our_words():
        return (await platform.mailboxes.content(message)).parts


async def part(platform: Platform, message: Message, number: str) -> Part:
    """A part of a message by its section number, such as `2.1`. Raises NotFound."""
    for one in await parts(platform, message):
        if one.number == number:
            return one
    raise NotFound(N_("This message has no such file."))


async def part_bytes(platform: Platform, message: Message, part: Part) -> AsyncGenerator[bytes, None]:
    """The decoded bytes of a part, in chunks. Raises NotFound, Unavailable."""
    with in_our_words():
        async for chunk in platform.mailboxes.part(message, part):
            yield chunk


async def raw_bytes(platform: Platform, message: Message) -> AsyncGenerator[bytes, None]:
    """A message byte for byte, this server's stamps first, in chunks. Raises NotFound, Unavailable."""
    with in_our_words():
        async for chunk in platform.mailboxes.read(message):
            yield chunk


_MARKS = {
    "read": ("+", Flag.SEEN),
    "unread": ("-", Flag.SEEN),
    "star": ("+", Flag.FLAGGED),
    "unstar": ("-", Flag.FLAGGED),
}
_PLACES = {
    "archive": SpecialUse.ARCHIVE,
    "inbox": SpecialUse.INBOX,
    "junk": SpecialUse.JUNK,
    "trash": SpecialUse.TRASH,
}


async def change(
    platform: Platform, opened: Opened, uids: Sequence[int], verb: str, *, to_mailbox_id: int | None = None
) -> None:
    """Mark, move or delete messages. Those no longer there are passed over.

    verb: read, unread, star, unstar, archive, inbox, junk, trash, move (to_mailbox_id, of the same account), or
    delete: for good from Trash and Junk, to Trash from elsewhere.
    Raises Forbidden for a mailbox that one may only look into, Invalid.
    """
    if not opened.access.may_change:
        raise Forbidden(N_("You may read this mailbox, not change it."))
    if not uids or len(uids) > _UIDS_LIMIT:
        raise Invalid(N_("Choose at least one message first."))
    if verb == "delete" and opened.mailbox.special_use not in (SpecialUse.TRASH, SpecialUse.JUNK):
        verb = "trash"
    boxes, mailbox_id = platform.mailboxes, opened.mailbox.id
    with in_our_words():
        if verb in _MARKS:
            action, flags = _MARKS[verb]
            await boxes.store(mailbox_id, uids, action=action, flags=flags)
        elif verb == "delete":
            await boxes.expunge(mailbox_id, uids)
        else:
            target = _target(opened, verb, to_mailbox_id)
            if target.id != mailbox_id:
                await boxes.move(mailbox_id, uids, target.id)


def _target(opened: Opened, verb: str, to_mailbox_id: int | None) -> Mailbox:
    """Where messages go: only to mailboxes of the same account."""
    use = _PLACES.get(verb)
    for box in opened.siblings:
        if (use is not None and box.special_use is use) or (verb == "move" and box.id == to_mailbox_id):
            return box
    raise Invalid(N_("Choose where the message is to go."))
