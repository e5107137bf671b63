"""Mailboxes: chosen, made, renamed, listed, and messages put into them."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from mail.errors import MessageTooLarge, NoSuchMailbox
from mail.imap import commands, folders, names, sharing
from mail.imap.access import Deed, changes_nothing, may
from mail.imap.replies import Bad, NotDone
from mail.imap.selected import Selected, flags_line, permanent_flags
from mail.mailbox.model import OTHER_USERS, Draft
from mail.mailbox.sequence import compress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mail.imap.session import Session
    from mail.mailbox.model import Mailbox
    from mail.mailbox.sequence import SequenceSet
    from mail.mailbox.sync import Changed, Changes, Snapshot

_LISTED_AT_ONCE = 100  # mailboxes; more are a while's work, in a thread


async def namespace(session: Session) -> None:
    """NAMESPACE (RFC 2342): one's own mailboxes, and those of posts."""
    others = f"{OTHER_USERS}{names.DELIMITER}"
    session.connection.write(f'* NAMESPACE (("" "/")) (("{others}" "/")) NIL\r\n'.encode("ascii"))


async def find_box(session: Session, name: str, deed: Deed) -> Mailbox:
    """The mailbox of that name, as this person calls it, to do that with it. Raises NoSuchMailbox, NotDone."""
    realm = session.realm(name)
    box = await session.server.mailboxes.named(*realm.key(name))
    realm.must(deed)
    return realm.shown(box)


async def find_target(session: Session, name: str) -> Mailbox:
    """The mailbox of that name, to put messages into it. Raises NotDone, with TRYCREATE if the person may make it."""
    try:
        return await find_box(session, name, Deed.INSERT)
    except NoSuchMailbox as error:
        code = "TRYCREATE" if may(session.realm(name).access.rights, Deed.CREATE) else "NONEXISTENT"
        raise NotDone(error.public, code=code) from error


async def select(session: Session, command: commands.Select) -> bytes:
    """SELECT and EXAMINE (RFC 9051 §6.3.2, §6.3.3)."""
    had_one = session.selected is not None
    session.unselect()  # also what a SELECT that failed began to watch
    if had_one:
        session.connection.write(b"* OK [CLOSED] The mailbox before is closed\r\n")
    if command.resync is not None and "QRESYNC" not in session.enabled:
        raise Bad("ENABLE QRESYNC comes first")
    if command.condstore:
        session.enabled.add("CONDSTORE")
    realm, changes = session.realm(command.name), None
    with session.server.notices.hearing() as heard:
        if command.resync is None:
            box, snapshot = await session.server.mailboxes.opened(*realm.key(command.name))
        else:
            box = await session.server.mailboxes.named(*realm.key(command.name))
            snapshot, changes = await session.server.mailboxes.resync(box.id, command.resync.modseq)
        changed = session.watching.enter_context(session.server.notices.watching(box.id, heard))
    realm.must(Deed.READ)
    is_read_only = command.is_read_only or changes_nothing(realm.access.rights)
    selected = Selected(realm.shown(box), snapshot, changed, is_read_only=is_read_only)
    await session.claim_recent(selected, claimed=box.recent_uid)
    session.selected = selected
    await _introduce(session, selected, snapshot)
    if command.resync is not None and changes is not None and command.resync.uidvalidity == snapshot.uidvalidity:
        await _resync(session, selected, changes, command.resync.known_uids)
    verb = b"EXAMINE" if command.is_read_only else b"SELECT"
    return b"OK [%b] %b is done" % (b"READ-ONLY" if is_read_only else b"READ-WRITE", verb)


async def _introduce(session: Session, selected: Selected, snapshot: Snapshot) -> None:
    """What a client is told of a mailbox when it opens it."""
    write = session.connection.write
    write(flags_line(selected))
    write(permanent_flags(selected))
    session.tell_size(selected)
    if session.is_rev2:
        write(folders.described(selected.box, await _reached(session), utf8=True))
    elif snapshot.unseen_uid:
        write(b"* OK [UNSEEN %d] The first unseen\r\n" % selected.number(snapshot.unseen_uid))
    write(b"* OK [UIDVALIDITY %d] UIDs are valid\r\n" % snapshot.uidvalidity)
    write(b"* OK [UIDNEXT %d] The next UID\r\n" % snapshot.uidnext)
    write(b"* OK [HIGHESTMODSEQ %d] The latest change\r\n" % snapshot.modseq)
    write(b"* OK [MAILBOXID (%d)] The mailbox's own name\r\n" % selected.box.id)


async def _resync(session: Session, selected: Selected, changes: Changes, wanted: SequenceSet | None) -> None:
    """What happened since the client was here, among these messages (None: all) (RFC 7162 §3.2.5)."""
    tell_vanished(session, selected, changes, wanted)
    changed: Sequence[Changed] = changes.changed
    if wanted is not None:
        uids = set(wanted.uids([one.uid for one in changed], star=selected.uidnext - 1))
        changed = [one for one in changed if one.uid in uids]
    await session.tell_changed(selected, changed)


def tell_vanished(session: Session, selected: Selected, changes: Changes, wanted: SequenceSet | None) -> None:
    """What is gone, among these (None: all). What is forgotten is told as all that is not there."""
    present = set(selected.uids)
    gone: Sequence[int] = changes.vanished
    if not changes.is_complete:
        gone = range(1, selected.uidnext)
    if wanted is not None:
        gone = wanted.uids(gone, star=selected.uidnext - 1)
    text = compress(uid for uid in gone if uid not in present and uid < selected.uidnext)
    if text:
        session.connection.write(b"* VANISHED (EARLIER) %b\r\n" % text)


async def create(session: Session, command: commands.Create) -> bytes:
    """CREATE (RFC 9051 §6.3.4)."""
    realm = session.realm(command.name)
    realm.must(Deed.CREATE)
    if command.special_use is not None:  # RFC 6154 §3
        raise NotDone("There is one mailbox for that already", code="USEATTR")
    name = realm.inward(command.name)
    box = await session.server.mailboxes.create(realm.access.account.account_id, name)
    return b"OK [MAILBOXID (%d)] CREATE is done" % box.id


async def delete(session: Session, command: commands.Delete) -> bytes:
    """DELETE (RFC 9051 §6.3.5)."""
    box = await find_box(session, command.name, Deed.DELETE)
    await session.server.mailboxes.delete(box.id)
    return b"OK DELETE is done"


async def rename(session: Session, command: commands.Rename) -> bytes:
    """RENAME (RFC 9051 §6.3.6)."""
    realm = session.realm(command.name)
    realm.must(Deed.RENAME)
    if not realm.holds(command.new_name):
        raise NotDone("A mailbox stays with its account; move its messages instead", code="CANNOT")
    account_id = realm.access.account.account_id
    await session.server.mailboxes.rename(account_id, realm.inward(command.name), realm.inward(command.new_name))
    return b"OK RENAME is done"


async def subscribe(session: Session, command: commands.Subscribe) -> bytes:
    """SUBSCRIBE and UNSUBSCRIBE (RFC 9051 §6.3.7, §6.3.8)."""
    try:
        box = await find_box(session, command.name, Deed.SUBSCRIBE)
    except NoSuchMailbox:
        if command.subscribed:
            raise
        return b"OK It was not subscribed"
    await session.server.mailboxes.subscribe(session.account_id, box.id, subscribed=command.subscribed)
    return b"OK SUBSCRIBE is done" if command.subscribed else b"OK UNSUBSCRIBE is done"


async def list_boxes(session: Session, command: commands.List) -> bytes:
    """LIST and LSUB (RFC 9051 §6.3.9, RFC 3501 §6.3.9)."""
    boxes = await _reached(session)
    listing = partial(folders.listing, command, boxes, utf8=session.is_utf8)
    is_long = len(boxes) > _LISTED_AT_ONCE
    session.connection.write(*(await asyncio.to_thread(lambda: list(listing())) if is_long else listing()))
    chosen = folders.chosen(command, boxes) if command.status or "MYRIGHTS" in command.returns else ()
    if "MYRIGHTS" in command.returns:  # RFC 8440
        session.connection.write(*(sharing.my_rights(session, box) for box in chosen))
    if command.status:
        await _tell_status(session, chosen, command.status)
    return b"OK LSUB is done" if command.is_lsub else b"OK LIST is done"


async def _reached(session: Session) -> list[Mailbox]:
    """Every mailbox that the person reaches, as they call it."""
    accounts = [realm.access.account.account_id for realm in session.realms]
    boxes = await session.server.mailboxes.mailboxes_for(session.account_id, accounts)
    return [session.realm_of(box).shown(box) for box in boxes]


async def status(session: Session, command: commands.Status) -> bytes:
    """STATUS (RFC 9051 §6.3.11)."""
    await _tell_status(session, [await find_box(session, command.name, Deed.READ)], command.items)
    return b"OK STATUS is done"


async def _tell_status(session: Session, boxes: Sequence[Mailbox], items: Sequence[commands.StatusItem]) -> None:
    if commands.StatusItem.HIGHESTMODSEQ in items:
        session.enabled.add("CONDSTORE")
    deep = await folders.counts(session.server.mailboxes, boxes, items)
    limit_bytes = session.server.message_limit_bytes
    for box in boxes:
        session.connection.write(folders.status(box, items, deep, utf8=session.is_utf8, limit_bytes=limit_bytes))


async def append(session: Session, command: commands.Append) -> bytes:
    """APPEND (RFC 9051 §6.3.12, RFC 3502)."""
    box = await find_target(session, command.name)
    await session.check_room(box)
    uids = await session.server.mailboxes.append_all(box.id, [_draft(message) for message in command.messages])
    session.note_change(box)
    return b"OK [APPENDUID %d %b] APPEND is done" % (box.uidvalidity, compress(uids))


def _draft(message: commands.Appended) -> Draft:
    if message.content is None:
        raise MessageTooLarge
    return Draft(
        content=message.content,
        flags=message.flags,
        keywords=message.keywords,
        internal_date=message.internal_date,
    )
