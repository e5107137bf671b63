"""Messages of the chosen mailbox: fetched, searched, flagged, copied, removed; and waiting for news of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from mail.imap import commands, fetch, filing
from mail.imap.access import Deed
from mail.imap.connection import Disconnected, LineTooLong
from mail.imap.replies import Bad, NotDone
from mail.mailbox.model import Flag
from mail.mailbox.sequence import compress

if TYPE_CHECKING:
    from mail.imap.selected import Selected
    from mail.imap.session import Session

_DONE_BYTES = 64
_COPIED_AT_ONCE = 50_000  # a few seconds, during which nothing else changes in either mailbox


async def close(session: Session) -> None:
    """CLOSE (RFC 9051 §6.4.1)."""
    selected = session.open_mailbox
    is_empty = not selected.uids and not selected.changed.is_set()
    if session.may(Deed.EXPUNGE) and not is_empty:
        await session.server.mailboxes.expunge_deleted(selected.box.id)
    session.unselect()


async def unselect(session: Session) -> None:
    """UNSELECT (RFC 9051 §6.4.2)."""
    session.unselect()


async def fetch_messages(session: Session, command: commands.Fetch) -> bytes:
    """FETCH (RFC 9051 §6.4.5, RFC 7162 §3.1.4)."""
    selected = session.open_mailbox
    uids = selected.chosen(command.messages, by_uid=command.by_uid)
    items = command.items
    if command.by_uid and commands.Item.UID not in items:
        items = (commands.Item.UID, *items)
    if command.changed_since is not None or commands.Item.MODSEQ in items:
        session.enabled.add("CONDSTORE")
    if command.changed_since is not None:
        items = items if commands.Item.MODSEQ in items else (*items, commands.Item.MODSEQ)
    if command.vanished and command.changed_since is not None:
        if "QRESYNC" not in session.enabled:
            raise Bad("ENABLE QRESYNC comes first")
        changes = await session.server.mailboxes.changes(selected.box.id, command.changed_since)
        filing.tell_vanished(session, selected, changes, command.messages)
    if commands.Item.THREADID in items:
        await session.server.mailboxes.put_in_order(selected.box.id)
    changed_since = command.changed_since or 0
    if uids and fetch.marks_seen(items) and session.may(Deed.MARK):
        if changed_since:  # what is marked changes too, and would then be among the changed
            uids = list((await session.server.mailboxes.states(selected.box.id, uids, changed_since)).uids)
            changed_since = 0
        await session.server.mailboxes.store(selected.box.id, uids, action="+", flags=Flag.SEEN, keywords=())
        selected.changed.set()
    fetcher = fetch.Fetcher(session.connection, session.server.mailboxes, session.server.renderings, selected)
    await fetcher.write(uids, items, changed_since=changed_since)
    return b"OK FETCH is done"


async def store(session: Session, command: commands.Store) -> bytes:
    """STORE (RFC 9051 §6.4.6, RFC 7162 §3.1.3)."""
    selected = session.mailbox_to(Deed.MARK)
    if command.unchanged_since is not None:
        session.enabled.add("CONDSTORE")
    uids = selected.chosen(command.messages, by_uid=command.by_uid)
    if command.action is not commands.Action.REMOVE:
        selected.check_keywords(command.keywords)
    stored = await session.server.mailboxes.store(
        selected.box.id,
        uids,
        action=command.action.value,
        flags=command.flags,
        keywords=command.keywords,
        unchanged_since=command.unchanged_since,
    )
    knew_all = stored.modseq == selected.modseq + 1  # else flags may be of others too, and are told (RFC 9051 §6.4.6)
    quiet = stored.modseq if command.is_silent and knew_all else None
    await session.learn(selected, keeps_numbers=not command.by_uid, quiet=quiet)
    if stored.refused:
        named = stored.refused if command.by_uid else selected.numbers(stored.refused)
        return b"OK [MODIFIED %b] STORE is done for the others" % compress(named)
    return b"OK STORE is done"


async def copy(session: Session, command: commands.Copy) -> bytes:
    """COPY and MOVE (RFC 9051 §6.4.7, §6.4.8)."""
    selected = session.mailbox_to(Deed.TAKE_AWAY) if command.is_move else session.open_mailbox
    uids = selected.chosen(command.messages, by_uid=command.by_uid)
    if len(uids) > _COPIED_AT_ONCE:
        raise NotDone(f"No more than {_COPIED_AT_ONCE} messages go at once", code="LIMIT")
    target = await filing.find_target(session, command.name)
    mailboxes = session.server.mailboxes
    if not command.is_move or target.account_id != selected.box.account_id:
        await session.check_room(target)
    copied = await (mailboxes.move if command.is_move else mailboxes.copy)(selected.box.id, uids, target.id)
    if not copied:
        if command.is_move:
            await session.learn(selected)
        return b"OK Nothing was there"
    code = b"[COPYUID %d %b %b]" % (target.uidvalidity, compress(copied), compress(copied.values()))
    if not command.is_move:
        session.note_change(target)
        return b"OK %b COPY is done" % code
    session.connection.write(b"* OK %b Moved\r\n" % code)
    await session.learn(selected, tells_modseq=False)
    return b"OK %bMOVE is done" % _latest(session, selected)


async def expunge(session: Session, command: commands.Expunge) -> bytes:
    """EXPUNGE, also of some by UID (RFC 9051 §6.4.3, §6.4.9)."""
    selected = session.mailbox_to(Deed.EXPUNGE)
    uids = None if command.uids is None else selected.chosen(command.uids, by_uid=True)
    gone = await session.server.mailboxes.expunge_deleted(selected.box.id, uids)
    await session.learn(selected, tells_modseq=not gone)
    return b"OK %bEXPUNGE is done" % (_latest(session, selected) if gone else b"")


def _latest(session: Session, selected: Selected) -> bytes:
    """What a client that keeps MODSEQs has now seen of the mailbox, since what is gone has none (RFC 7162 §3.2.7)."""
    return b"[HIGHESTMODSEQ %d] " % selected.modseq if "CONDSTORE" in session.enabled else b""


async def idle(session: Session) -> None:
    """Tell what happens until the client says DONE (RFC 2177)."""
    session.connection.write(b"+ Waiting\r\n")
    changed = session.selected.changed if session.selected else asyncio.Event()
    done = asyncio.create_task(session.connection.line(_DONE_BYTES))
    deadline = asyncio.get_running_loop().time() + session.server.config.idle_timeout.total_seconds()
    try:
        while not done.done():
            if session.selected and changed.is_set():
                await session.look_round()
                await session.learn(session.selected)
            await session.connection.flush()
            session.connection.rest()
            await _wait_for_news(session, changed, done, deadline)
    finally:
        done.cancel()
    try:
        if done.result().upper() != b"DONE":
            raise Bad("DONE is expected")
    except LineTooLong:
        raise Bad("DONE is expected") from None


async def _wait_for_news(session: Session, changed: asyncio.Event, done: asyncio.Task[bytes], deadline: float) -> None:
    news = asyncio.create_task(changed.wait())
    session.is_idle = True
    try:
        left = deadline - asyncio.get_running_loop().time()
        finished, _ = await asyncio.wait([news, done], timeout=left, return_when=asyncio.FIRST_COMPLETED)
    finally:
        session.is_idle = False
        news.cancel()
    if not finished:
        session.say_bye("", "You were silent for too long")
        raise Disconnected
