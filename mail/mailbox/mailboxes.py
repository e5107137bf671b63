"""Reading and keeping: what the web, the API and IMAP do with the mail that has arrived."""

from __future__ import annotations

import asyncio
import unicodedata
from bisect import bisect_left
from contextlib import aclosing, asynccontextmanager
from itertools import chain
from operator import attrgetter
from time import monotonic, process_time
from typing import TYPE_CHECKING, Any, TypeVar

import asyncpg
import structlog

from mail.body.after_header import keep, read, read_part
from mail.body.examination import Body, examine, new_body_id
from mail.body.store import insert_bodies
from mail.errors import (
    AlreadyKept,
    MailboxExists,
    Malformed,
    MessageTooLarge,
    NoSuchMailbox,
    NoSuchMessage,
    NotPermitted,
    SystemDown,
    TooMany,
)
from mail.mailbox import finding, index, ordering, rows, store, sync, upkeep
from mail.mailbox.criteria import holds
from mail.mailbox.model import OTHER_USERS, Draft, Flag, Page, SpecialUse, Stored
from mail.mailbox.rows import Wanted
from mail.mailbox.snapshots import Snapshots
from mail.octets import Spool
from mail.postgres import connected, transaction

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from mail.body.after_header import Rest
    from mail.body.blobs import Blobs
    from mail.mailbox.criteria import Key, SortBy
    from mail.mailbox.model import Content, Mailbox, Message
    from mail.mailbox.rows import Row, States
    from mail.mailbox.sync import Changes, DeepCounts, Snapshot
    from mail.mailbox.threads import Node, Threaded
    from mail.mailbox.upkeep import Swept
    from mail.message import Part, Place
    from mail.octets import Octets
    from mail.postgres import Connection, Pool

_INDEX_IDLE_RATIO = 9  # the index of words takes a tenth of a processor at most
_LONGEST_REST_SECONDS = 5.0
_BUSY_RATIO = 0.4  # of a processor that others keep busy: the index waits
_LONGEST_WAIT_SECONDS = 60.0  # for others to be done
_INDEXED_AT_ONCE_BYTES = 8 * 1024  # some milliseconds
_WRITTEN_TOGETHER = 8 << 20  # characters of text, of several messages
_RECOUNTED_TOGETHER = 200  # mailboxes that wait for nobody else meanwhile
log = structlog.get_logger()
T = TypeVar("T")

_PAGE_LIMIT = 1000  # messages
_ROWS_AT_ONCE = 500
_CONTENTS_AT_ONCE = 64  # of 64 KiB at most
_NAME_LIMIT = 200  # characters
_MAILBOXES_LIMIT = 1000  # of an account
_SNAPSHOTS_BYTES = 4 << 20  # mailboxes of 10,000 messages: a hundred of them
_SEARCHES_AT_ONCE = 3  # fewer than the pool has connections: others have the rest
_SEARCH_PATIENCE = 60.0  # seconds
_INBOX = "INBOX"
_NO_UID = 1 << 62  # above any


class Mailboxes:
    """Every mailbox of every account. Who may read which account is the caller's to check, by `Mailbox.account_id`.

    Methods raise NoSuchMailbox or NoSuchMessage for what is not there, SystemDown when the database is not.
    """

    def __init__(
        self, *, pool: Pool, blobs: Blobs, clock: Callable[[], datetime], header_limit_bytes: int = 1 << 20
    ) -> None:
        self._pool = pool
        self._blobs = blobs
        self._clock = clock
        self._header_limit_bytes = header_limit_bytes
        self._snapshots = Snapshots(_SNAPSHOTS_BYTES)
        self._searches = asyncio.Semaphore(_SEARCHES_AT_ONCE)

    async def mailboxes(self, account_id: int) -> tuple[Mailbox, ...]:
        """All of an account's, the standard ones first; those are made on first use."""
        async with connected(self._pool) as connection:
            found = await store.mailboxes(connection, account_id)
            if not any(box.special_use for box in found):
                await store.ensure_standard(connection, [account_id])
                found = await store.mailboxes(connection, account_id)
            return found

    async def mailboxes_for(self, reader_id: int, account_ids: Sequence[int]) -> tuple[Mailbox, ...]:
        """Those of several accounts by name, as that reader subscribed to them; standard ones are made on first use."""
        async with connected(self._pool) as connection:
            found = await store.mailboxes_for(connection, reader_id, account_ids)
            if missing := set(account_ids) - {box.account_id for box in found if box.special_use}:
                await store.ensure_standard(connection, sorted(missing))
                found = await store.mailboxes_for(connection, reader_id, account_ids)
            return found

    async def mailbox(self, mailbox_id: int) -> Mailbox:
        """One, by its id."""
        async with connected(self._pool) as connection:
            return await store.mailbox(connection, mailbox_id)

    async def named(self, account_id: int, name: str) -> Mailbox:
        """The account's mailbox of that name. The standard ones are made on first use."""
        async with connected(self._pool) as connection:
            found = await store.named(connection, account_id, name)
            if found is None:
                if not await store.inboxes(connection, [account_id]):
                    await store.ensure_standard(connection, [account_id])
                found = await store.named(connection, account_id, name)  # also when others made them just now
        if found is None:
            raise NoSuchMailbox
        return found

    async def standard(self, account_id: int, use: SpecialUse) -> Mailbox:
        """The account's Inbox, Sent and so on; made on first use."""
        for box in await self.mailboxes(account_id):
            if box.special_use is use:
                return box
        raise NoSuchMailbox(reason=f"account {account_id} has no {use}")

    async def create(self, account_id: int, name: str) -> Mailbox:
        """A new, empty one. Raises MailboxExists, Malformed for a name that cannot be, TooMany."""
        name = _checked_name(name)
        async with connected(self._pool) as connection:
            return await self._create(connection, account_id, name)

    async def _create(self, connection: Connection, account_id: int, name: str) -> Mailbox:
        await store.ensure_standard(connection, [account_id])
        if await store.count_mailboxes(connection, account_id) >= _MAILBOXES_LIMIT:
            raise TooMany(f"There may be {_MAILBOXES_LIMIT} mailboxes")
        box = await store.insert_mailbox(connection, account_id, name)
        if box is None:
            raise MailboxExists
        return box

    async def rename(self, account_id: int, name: str, new_name: str) -> None:
        """Another name for all that bears this one or stands below it, be there such a mailbox itself or not.

        The inbox keeps its name, and what is below it: its messages move to a new mailbox (RFC 9051 §6.3.6).
        Raises MailboxExists, Malformed, TooMany, NotPermitted for the other standard mailboxes.
        """
        new_name = _checked_name(new_name)
        async with transaction(self._pool) as connection:
            if name == _INBOX:
                await self._move_inbox(connection, account_id, new_name)
                return
            boxes = await store.lock_tree(connection, account_id, name)
            if not boxes:
                raise NoSuchMailbox
            for box in boxes:
                _check_is_own(box)
                _checked_name(new_name + box.name[len(name) :])
            if new_name.startswith(name + "/"):
                raise Malformed("A mailbox cannot be put below itself")
            if await store.named(connection, account_id, new_name) is not None:
                raise MailboxExists
            try:
                await store.rename(connection, [box.id for box in boxes], len(name), new_name)
            except asyncpg.UniqueViolationError as error:
                raise MailboxExists from error

    async def _move_inbox(self, connection: Connection, account_id: int, new_name: str) -> None:
        target = await self._create(connection, account_id, new_name)
        inbox_id = (await store.inboxes(connection, [account_id]))[account_id]
        boxes = await store.lock(connection, inbox_id, target.id)
        uids = list((await sync.snapshot(connection, inbox_id)).uids)
        moved = await self._copy(connection, inbox_id, uids, boxes[target.id])
        await self._expunge(connection, boxes[inbox_id], list(moved))
        await store.notify(connection, inbox_id, target.id)

    async def delete(self, mailbox_id: int) -> None:
        """Away with one that is not standard, and all in it. Raises NotPermitted."""
        async with transaction(self._pool) as connection:
            _check_is_own((await store.lock(connection, mailbox_id))[mailbox_id])
            await store.delete_mailbox(connection, mailbox_id)
            await store.notify(connection, mailbox_id)

    async def usage(self, account_ids: Sequence[int]) -> dict[int, tuple[int, int]]:
        """Messages and bytes by account; an account without mailboxes is absent."""
        async with connected(self._pool) as connection:
            return await store.used_by_account(connection, account_ids)

    async def recount(self) -> int:
        """Count every mailbox anew from its messages, a few at a time; gives how many were wrong: always 0."""
        wrong, after_id = 0, 0
        while True:
            async with transaction(self._pool) as connection:
                mailbox_ids = await store.lock_next(connection, after_id, _RECOUNTED_TOGETHER)
                if not mailbox_ids:
                    return wrong
                wrong += await store.recount(connection, mailbox_ids)
                after_id = mailbox_ids[-1]

    async def page(
        self, mailbox_id: int, *, before_uid: int | None = None, limit: int = 50, unseen_only: bool = False
    ) -> Page:
        """Messages newest first, those with a UID below `before_uid`. limit: 1 to 1000."""
        limit = max(1, min(limit, _PAGE_LIMIT))
        async with connected(self._pool) as connection:
            found, total = await store.page(
                connection, mailbox_id, _below(before_uid), limit + 1, unseen_only=unseen_only
            )
        return _page(found, total, limit)

    async def get(self, mailbox_id: int, uid: int) -> Message:
        """One message, without its bytes."""
        async with connected(self._pool) as connection:
            found = await store.messages(connection, mailbox_id, [uid])
        if not found:
            raise NoSuchMessage
        return found[0]

    async def content(self, message: Message) -> Content:
        """Its header and structure, without the rest of its bytes."""
        async with connected(self._pool) as connection:
            found = await store.content(connection, message)
        if found is None:
            raise NoSuchMessage
        return found

    async def read(self, message: Message, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        """Its bytes, stamps included, from `start` up to `stop` (None: the end), in chunks."""
        content = await self.content(message)
        head = content.trace + content.header
        stop = message.size_bytes if stop is None else min(stop, message.size_bytes)
        if start < len(head) and start < stop:
            yield head[start:stop]
        async for chunk in self.rest(message.body_id, max(0, start - len(head)), stop - len(head)):
            yield chunk

    async def part(self, message: Message, part: Part) -> AsyncIterator[bytes]:
        """The decoded bytes of a part (base64 and quoted-printable undone), in chunks."""
        size_bytes = len((await self.content(message)).header)
        async for chunk in read_part(await self._rest(message.body_id), self._blobs, part, size_bytes):
            yield chunk

    async def append(
        self,
        mailbox_id: int,
        content: bytes,
        *,
        flags: Flag = Flag.NONE,
        keywords: Sequence[str] = (),
        internal_date: datetime | None = None,
        body_id: UUID | None = None,
    ) -> Message:
        """Keep a message that did not come by mail: a draft, what was sent. CRLF line ends, or Malformed.

        body_id: for callers who may have to ask again without knowing whether they succeeded; raises AlreadyKept
        when a message was kept under that id before. None for a new one.
        """
        draft = Draft(content=content, flags=flags, keywords=tuple(keywords), internal_date=internal_date)
        body = await self._body(content, body_id)
        async with transaction(self._pool) as connection:
            (uid,) = await self._append(connection, mailbox_id, [(draft, body)])
            return (await store.messages(connection, mailbox_id, [uid]))[0]

    async def append_all(self, mailbox_id: int, drafts: Sequence[Draft]) -> list[int]:
        """Keep messages that did not come by mail, all or none; gives their UIDs. Raises Malformed as `append`."""
        kept = [(draft, await self._body(draft.content, None)) for draft in drafts]
        async with transaction(self._pool) as connection:
            return await self._append(connection, mailbox_id, kept)

    async def _body(self, content: Octets, body_id: UUID | None) -> Body:
        """What is ready to be kept; its bytes are in the object store already if that is their place."""
        examined = await examine(content)
        if examined.has_nul or not examined.has_clean_lines:
            raise Malformed("A line ends in a bare CR or LF, or there is a NUL byte")
        header_size = examined.structure.header_size
        if header_size > self._header_limit_bytes:
            raise MessageTooLarge("The header is too large")
        rest = examined.rest or await keep(content, examined.structure, self._blobs)
        now = self._clock()
        return Body(
            id=body_id or new_body_id(now),
            sha256=examined.sha256,
            size_bytes=len(content),
            trace=b"",
            header=content[:header_size],
            rest=rest,
            is_8bit=examined.is_8bit,
            structure=examined.structure,
            accepted_at=now,
            sender="",
            submitter="",
            on_behalf=False,
        )

    async def _append(self, connection: Connection, mailbox_id: int, kept: Sequence[tuple[Draft, Body]]) -> list[int]:
        box = (await store.lock(connection, mailbox_id))[mailbox_id]
        try:
            await insert_bodies(connection, [body for _, body in kept])
        except asyncpg.UniqueViolationError as error:
            raise AlreadyKept from error
        uids = list(range(box.uidnext, box.uidnext + len(kept)))
        for uid, (draft, body) in zip(uids, kept, strict=True):
            await store.insert_message(
                connection,
                box,
                uid,
                body.id,
                internal_date=draft.internal_date or body.accepted_at,
                flags=draft.flags,
                keywords=draft.keywords,
                size_bytes=body.size_bytes,
            )
        await store.grow(
            connection,
            mailbox_id,
            uids=len(kept),
            messages=len(kept),
            unseen=sum(Flag.SEEN not in draft.flags for draft, _ in kept),
            size_bytes=sum(body.size_bytes for _, body in kept),
        )
        await store.notify(connection, mailbox_id)
        return uids

    async def deep_counts(self, mailbox_ids: Sequence[int]) -> dict[int, DeepCounts]:
        """What no counter holds, by mailbox."""
        async with connected(self._pool) as connection:
            return await sync.deep_counts(connection, mailbox_ids)

    async def opened(self, account_id: int, name: str) -> tuple[Mailbox, Snapshot]:
        """As `named`, and all that is in it at one moment, then or later."""
        box = await self.named(account_id, name)
        snapshot = self._snapshots.known(box.id, box.modseq)
        if snapshot is None:
            async with connected(self._pool) as connection:
                snapshot = await sync.snapshot(connection, box.id)
            self._snapshots.keep(box.id, snapshot)
        return box, snapshot

    async def resync(self, mailbox_id: int, since: int) -> tuple[Snapshot, Changes]:
        """All that is in it and what happened after that MODSEQ, at one and the same moment."""
        async with (
            connected(self._pool) as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            return await sync.snapshot(connection, mailbox_id), await sync.changes(connection, mailbox_id, since)

    async def changes(self, mailbox_id: int, since: int) -> Changes:
        """What happened after that MODSEQ."""
        async with connected(self._pool) as connection:
            return await sync.changes(connection, mailbox_id, since)

    async def rows(
        self, mailbox_id: int, uids: Sequence[int], wanted: Wanted, *, changed_since: int = 0
    ) -> AsyncGenerator[list[Row], None]:
        """Those that are there and changed after that MODSEQ, by UID, in pages; no connection is held between them.

        The next page is read while the caller has one: close it (aclosing) when not all are taken.
        """
        size = _CONTENTS_AT_ONCE if Wanted.CONTENT in wanted else _ROWS_AT_ONCE

        async def read_page(at: int) -> tuple[list[Row], list[int]]:
            async with connected(self._pool) as connection:
                return await rows.rows(
                    connection, mailbox_id, uids[at : at + size], wanted, changed_since=changed_since
                )

        async with aclosing(_ahead(read_page, range(0, len(uids), size))) as pages:
            async for found, large in pages:
                for uid in large:
                    before = bisect_left(found, uid, key=attrgetter("uid"))
                    yield found[:before]
                    found = found[before:]
                    async with connected(self._pool) as connection:
                        alone = await rows.row(connection, mailbox_id, uid, wanted, changed_since=changed_since)
                    yield alone
                yield found

    async def states(self, mailbox_id: int, uids: Sequence[int], changed_since: int, *, is_run: bool = False) -> States:
        """What may change of messages, a page of them at least one: see `rows.states`."""
        async with connected(self._pool) as connection:
            return await rows.states(connection, mailbox_id, uids, changed_since, is_run=is_run)

    async def rest_of(self, row: Row, start: int, stop: int) -> AsyncIterator[bytes]:
        """As `rest`; of a message whose CONTENT was wanted without asking the database again."""
        rest = row.rest or await self._rest(row.body_id)
        async for chunk in read(rest, self._blobs, start, stop):
            yield chunk

    async def part_of(self, row: Row, part: Part) -> AsyncIterator[bytes]:
        """As `part`. row: with its CONTENT."""
        rest = row.rest or await self._rest(row.body_id)
        async for chunk in read_part(rest, self._blobs, part, len(row.header)):
            yield chunk

    async def rest(self, body_id: UUID, start: int, stop: int) -> AsyncIterator[bytes]:
        """What follows the header of a body, by its own offsets, in chunks."""
        if start < stop:
            async for chunk in read(await self._rest(body_id), self._blobs, start, stop):
                yield chunk

    async def _rest(self, body_id: UUID) -> Rest:
        async with connected(self._pool) as connection:
            rest = await store.rest(connection, body_id)
        if rest is None:
            raise NoSuchMessage
        return rest

    async def sections(self, row: Row) -> Mapping[str, Place]:
        """Where the parts of a message lie, by number. row: with its CONTENT."""
        if (known := row.sections) is not None:
            return known
        spool = Spool()
        try:
            spool.write(row.header)
            async for chunk in self.rest_of(row, 0, row.received_bytes - len(row.header)):
                spool.write(chunk)
            return (await examine(spool.finish())).structure.sections or {}
        finally:
            spool.discard()

    async def store(
        self,
        mailbox_id: int,
        uids: Sequence[int],
        *,
        action: str,
        flags: Flag,
        keywords: Sequence[str] = (),
        unchanged_since: int | None = None,
    ) -> Stored:
        """Change flags and keywords, all at once, of those that did not change after that MODSEQ (None: of all).

        action: `+` adds, `-` removes, empty replaces. UIDs that are not there are passed over.
        """
        async with transaction(self._pool) as connection:
            box = (await store.lock(connection, mailbox_id))[mailbox_id]
            limit = box.modseq if unchanged_since is None else unchanged_since
            changed, unseen, refused = await store.set_flags(
                connection, box, uids, action=action, flags=flags, keywords=keywords, unchanged_since=limit
            )
            if changed:
                await store.grow(connection, mailbox_id, unseen=unseen)
                await store.notify(connection, mailbox_id)
            return Stored(box.modseq + 1 if changed else None, tuple(refused))

    async def expunge_deleted(self, mailbox_id: int, uids: Sequence[int] | None = None) -> tuple[int, ...]:
        r"""Remove for good what is \Deleted, all of it (None) or among these; gives the UIDs."""
        async with connected(self._pool) as connection:  # most often nothing is: that holds nobody up
            if not await store.deleted(connection, mailbox_id, uids):
                return ()
        async with transaction(self._pool) as connection:
            box = (await store.lock(connection, mailbox_id))[mailbox_id]
            gone = await self._expunge(connection, box, await store.deleted(connection, mailbox_id, uids))
            if gone:
                await store.notify(connection, mailbox_id)
            return gone

    async def claim_recent(self, mailbox_id: int, uidnext: int) -> int:
        """From which UID on, up to `uidnext`, nobody was told of messages as recent; from now on somebody is."""
        async with connected(self._pool) as connection:
            return await sync.claim_recent(connection, mailbox_id, uidnext)

    async def subscribe(self, reader_id: int, mailbox_id: int, *, subscribed: bool) -> None:
        """Whether mail programs show it to that reader by default: to the account's own person, or another."""
        async with connected(self._pool) as connection:
            await store.subscribe(connection, reader_id, mailbox_id, subscribed=subscribed)

    async def move(self, mailbox_id: int, uids: Sequence[int], to_mailbox_id: int) -> dict[int, int]:
        """Move messages; gives old UID → new UID."""
        if mailbox_id == to_mailbox_id:
            raise NotPermitted("A message cannot be moved to where it is")
        async with transaction(self._pool) as connection:
            boxes = await store.lock(connection, mailbox_id, to_mailbox_id)
            moved = await self._copy(connection, mailbox_id, uids, boxes[to_mailbox_id])
            await self._expunge(connection, boxes[mailbox_id], list(moved))
            await store.notify(connection, mailbox_id, to_mailbox_id)
            return moved

    async def copy(self, mailbox_id: int, uids: Sequence[int], to_mailbox_id: int) -> dict[int, int]:
        """Copy messages, their bytes shared; gives UID → new UID."""
        async with transaction(self._pool) as connection:
            boxes = await store.lock(connection, mailbox_id, to_mailbox_id)
            copied = await self._copy(connection, mailbox_id, uids, boxes[to_mailbox_id])
            await store.notify(connection, to_mailbox_id)
            return copied

    async def expunge(self, mailbox_id: int, uids: Sequence[int]) -> tuple[int, ...]:
        """Remove messages for good; gives the UIDs that were there."""
        async with transaction(self._pool) as connection:
            box = (await store.lock(connection, mailbox_id))[mailbox_id]
            gone = await self._expunge(connection, box, uids)
            await store.notify(connection, mailbox_id)
            return gone

    async def _copy(
        self, connection: Connection, source_id: int, uids: Sequence[int], target: Mailbox
    ) -> dict[int, int]:
        rows = await store.copy(connection, source_id, uids, target)
        if rows:
            await store.grow(
                connection,
                target.id,
                uids=len(rows),
                messages=len(rows),
                unseen=sum(row["unseen"] for row in rows),
                size_bytes=sum(row["size_bytes"] for row in rows),
            )
        return {row["uid"]: row["new_uid"] for row in rows}

    async def _expunge(self, connection: Connection, box: Mailbox, uids: Sequence[int]) -> tuple[int, ...]:
        rows = await store.expunge(connection, box, uids, self._clock())
        if rows:
            await store.grow(
                connection,
                box.id,
                messages=-len(rows),
                unseen=-sum(row["unseen"] for row in rows),
                size_bytes=-sum(row["size_bytes"] for row in rows),
            )
        return tuple(row["uid"] for row in rows)

    async def search(self, mailbox_id: int, text: str, *, before_uid: int | None = None, limit: int = 50) -> Page:
        """Messages that hold every word of `text` (case and accents aside, `word*` by prefix), newest first.

        What has arrived is found at once: bodies of this mailbox that still wait for their words get them first.
        """
        query = index.to_query(text)
        limit = max(1, min(limit, _PAGE_LIMIT))
        await self._index(mailbox_id)
        async with connected(self._pool) as connection:
            await store.mailbox(connection, mailbox_id)
            if not query:
                return Page(messages=(), total=0, next_before_uid=None)
            found = await index.search(connection, mailbox_id, query, _below(before_uid), limit + 1)
            total = await index.count(connection, mailbox_id, query)
        return _page(found, total, limit)

    async def find(self, mailbox_id: int, key: Key, sort_by: Sequence[tuple[SortBy, bool]] = ()) -> dict[int, int]:
        """UIDs of what matches, each with its MODSEQ; ascending, or in that order (each with whether it is reversed).

        key: without `In` and `Recent`, which are a session's own.
        """
        if holds(key, finding.ON_TEXTS):
            await self._index(mailbox_id)
        if sort_by or holds(key, finding.ON_ORDER):
            await self.put_in_order(mailbox_id)
        async with self._searching() as connection:
            return await finding.find(connection, mailbox_id, key, self._clock(), sort_by)

    async def threads(self, mailbox_id: int, key: Key, put: Callable[[Sequence[Threaded]], list[Node]]) -> list[Node]:
        """What matches, in threads. put: an algorithm of `mail.mailbox.threads`."""
        if holds(key, finding.ON_TEXTS):
            await self._index(mailbox_id)
        await self.put_in_order(mailbox_id)
        async with self._searching() as connection:
            found = await finding.threaded(connection, mailbox_id, key, self._clock())
            return await asyncio.to_thread(put, found)  # as one of few: what it builds is large

    @asynccontextmanager
    async def _searching(self) -> AsyncIterator[Connection]:
        """A connection for a while, of which searches have only some. Raises TooMany for one that takes too long."""
        async with self._searches, connected(self._pool) as connection:
            try:
                async with asyncio.timeout(_SEARCH_PATIENCE):
                    yield connection
            except TimeoutError as error:
                raise TooMany("The search takes too long") from error

    async def put_in_order(self, mailbox_id: int | None) -> None:
        """Give messages accepted before that was done what they are sorted and threaded by; all of them (None)."""
        while True:
            async with transaction(self._pool) as connection:
                if not await ordering.fill(connection, mailbox_id):
                    return

    async def index_pending(self) -> int:
        """Give the bodies that wait for them their words; how many. For a job: `search` does not depend on it."""
        await self.put_in_order(None)
        return await self._index(None, idle_ratio=_INDEX_IDLE_RATIO)

    async def sweep(self) -> Swept:
        """Forget for good what nothing needs any more; for a job. See `mail.mailbox.upkeep`."""
        return await upkeep.sweep(self._pool, self._blobs, self._clock())

    async def _index(self, mailbox_id: int | None, *, idle_ratio: int = 0) -> int:
        """Batch by batch: a body leaves `unindexed` as its words arrive; one that cannot be read stays.

        idle_ratio: how many times as long as a batch took it then lets others work, at least.
        """
        done = 0
        unreadable: set[UUID] = set()
        while True:
            began = monotonic()
            async with connected(self._pool) as connection:
                pending = await index.pending(connection, mailbox_id, unreadable)
            if not pending:
                return done
            found: dict[UUID, index.Words] = {}
            characters = 0
            for body in pending:
                try:
                    found[body.id] = await self._words(body)
                except SystemDown as error:
                    log.warning("mail.body_unreadable", body=str(body.id), reason=error.reason)
                    unreadable.add(body.id)
                    continue
                except Exception:  # others wait for their words behind it
                    log.exception("mail.no_words", body=str(body.id))
                    unreadable.add(body.id)
                    continue
                characters += len(found[body.id].body)
                if characters > _WRITTEN_TOGETHER:
                    break
            async with transaction(self._pool) as connection:
                await index.write(connection, found)
            done += len(found)
            if idle_ratio:
                await _let_others_work(min(idle_ratio * (monotonic() - began), _LONGEST_REST_SECONDS))

    async def _words(self, body: index.PendingBody) -> index.Words:
        """A thread for long texts alone: it would take the interpreter from the loop at every reply that is sent."""
        texts = [await self._piece(body, part.start, part.stop) for part in body.text_parts]
        headers = [await self._piece(body, start, stop) for start, stop in body.headers_within]
        if sum(map(len, chain(texts, headers, (body.trace, body.header)))) > _INDEXED_AT_ONCE_BYTES:
            return await asyncio.to_thread(index.words, body, texts, headers)
        await asyncio.sleep(0)
        return index.words(body, texts, headers)

    async def _piece(self, body: index.PendingBody, start: int, stop: int) -> bytes:
        """Bytes of what follows the header, so many at most; offsets count from the header's first."""
        size = len(body.header)
        stop = min(stop - size, start - size + index.PART_LIMIT_BYTES)
        return b"".join([chunk async for chunk in read(body.rest, self._blobs, start - size, stop)])


async def _let_others_work(least_seconds: float) -> None:
    """Returns after so many seconds or, if others then still keep the process busy, once they do no more."""
    until = monotonic() + _LONGEST_WAIT_SECONDS
    while True:
        began, used = monotonic(), process_time()
        await asyncio.sleep(least_seconds)
        now = monotonic()
        if now > until or process_time() - used < _BUSY_RATIO * (now - began):
            return


async def _ahead(work: Callable[[int], Coroutine[Any, Any, T]], places: Iterable[int]) -> AsyncGenerator[T, None]:
    """What `work` gives for each place, in order; it is at the next one while the caller has the last."""
    running: asyncio.Task[T] | None = None
    try:
        for place in chain(places, [None]):
            done = await running if running else None
            running = None if place is None else asyncio.create_task(work(place))
            if done is not None:
                yield done
    finally:
        if running is not None:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


def _page(found: list[Message], total: int, limit: int) -> Page:
    """found: one more than the page holds when there are more."""
    shown = found[:limit]
    return Page(messages=tuple(shown), total=total, next_before_uid=shown[-1].uid if len(found) > limit else None)


def _below(before_uid: int | None) -> int:
    return _NO_UID if before_uid is None else max(0, min(before_uid, _NO_UID))


def _checked_name(name: str) -> str:
    """As it is kept: in Net-Unicode, and below INBOX, however that was written, in capitals.

    Raises Malformed for an empty, overlong or invisible one, MailboxExists for INBOX itself.
    """
    name = unicodedata.normalize("NFC", name)
    levels = name.split("/")
    if not all(level.strip() for level in levels) or len(name) > _NAME_LIMIT:
        raise Malformed("A mailbox name has 1 to 200 characters, and at least one between slashes")
    if name != name.strip():
        raise Malformed("A mailbox name neither begins nor ends with a blank")
    if any(unicodedata.category(letter).startswith(("C", "Zl", "Zp")) for letter in name):
        raise Malformed("A mailbox name holds an invisible character")
    if levels[0].casefold() == "inbox" and len(levels) == 1:
        raise MailboxExists
    if levels[0].casefold() == OTHER_USERS.casefold():
        raise Malformed(f"A mailbox cannot be called {OTHER_USERS}: mailboxes of posts stand below that name")
    return "/".join((_INBOX, *levels[1:])) if levels[0].casefold() == "inbox" else name


def _check_is_own(box: Mailbox) -> None:
    if box.special_use is not None:
        raise NotPermitted("A standard mailbox keeps its name and its place")
