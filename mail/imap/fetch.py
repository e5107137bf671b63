"""FETCH: messages as the client asked for them (RFC 9051 §6.4.5).

What is asked of a message is of two kinds. Most of it lies in its row and never changes but for the flags: that is
written a page at a time, from what `renderings` remembers. Bytes of bodies and parts are streamed, whatever their size.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from contextlib import aclosing
from functools import lru_cache, reduce
from operator import or_
from time import perf_counter
from typing import TYPE_CHECKING

import structlog

from mail.body.after_header import restored
from mail.imap.commands import Binary, Item, Section, Text
from mail.imap.connection import Disconnected
from mail.imap.flags import flags_text
from mail.imap.moments import moment_text
from mail.imap.replies import NotDone
from mail.imap.sections import bounds_of, header_fields, narrowed
from mail.mailbox.rows import Wanted
from mail.message.imap import without_extensions
from mail.message.strings import string
from mail.octets import Spool, chunks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence

    from mail.imap.connection import Connection
    from mail.imap.renderings import Items, Renderings
    from mail.imap.selected import Selected
    from mail.mailbox import Mailboxes
    from mail.mailbox.rows import Row, States
    from mail.message import Part
    from mail.octets import Octets

log = structlog.get_logger()

_PAGE = 2000  # messages
_TEXTS_BYTES = 2 << 20  # of a page: beyond, the rest of it is another
_LARGE_HEADER_BYTES = 64 * 1024
_TURN_SECONDS = 0.001  # so short that the database is not kept waiting for its answer to be read
_OF_STRUCTURE = {Item.ENVELOPE, Item.BODY, Item.BODYSTRUCTURE, Item.PREVIEW, Item.THREADID}
_OF_HEADER = {Text.HEADER, Text.HEADER_FIELDS, Text.HEADER_FIELDS_NOT}
_HEADER_LIMIT_BYTES = 8 << 20  # of a message within, of which some fields are wanted
_ENCODINGS = {"", "7bit", "8bit", "binary", "base64", "quoted-printable"}
_CHANGING = {Item.UID, Item.FLAGS, Item.MODSEQ}


def wanted_for(items: Iterable[Item | Section | Binary]) -> Wanted:
    """What of each message these need."""
    return reduce(or_, map(_wanted_for, items), Wanted.ROW)


def _wanted_for(item: Item | Section | Binary) -> Wanted:
    if isinstance(item, Item):
        return Wanted.STRUCTURE if item in _OF_STRUCTURE else Wanted.ROW
    is_header = isinstance(item, Section) and not item.part and item.text in _OF_HEADER
    return Wanted.HEADER if is_header else Wanted.CONTENT


def marks_seen(items: Sequence[Item | Section | Binary]) -> bool:
    r"""Whether asking for these sets \Seen."""
    return any(not item.is_peek for item in items if not isinstance(item, Item))


class Fetcher:
    """Writes messages to a connection, each as these items."""

    def __init__(
        self, connection: Connection, mailboxes: Mailboxes, renderings: Renderings, selected: Selected
    ) -> None:
        self._connection = connection
        self._mailboxes = mailboxes
        self._renderings = renderings
        self._selected = selected
        self._began = perf_counter()

    async def write(
        self, uids: Sequence[int], items: Sequence[Item | Section | Binary], *, changed_since: int = 0
    ) -> None:
        """Those of these messages that are there and changed after that MODSEQ. uids: ascending.

        Raises NotDone for a part that cannot be decoded, Disconnected for bytes that cannot be read: the client was
        told how many they are, and would take what comes instead for them.
        """
        wanted = wanted_for(items)
        if Wanted.CONTENT not in wanted:
            still = tuple(item for item in items if item not in _CHANGING and not isinstance(item, Binary))
            at = 0
            while at < len(uids):
                at += await self._write_page(uids[at : at + _PAGE], items, still, changed_since)
            return
        pages = self._mailboxes.rows(self._selected.box.id, uids, wanted, changed_since=changed_since)
        async with aclosing(pages):
            async for page in pages:
                for row in page:
                    await self._write_whole(row, items)
                    self._selected.note_modseq(row.modseq)

    # What lies in rows

    async def _write_page(
        self, uids: Sequence[int], items: Sequence[Item | Section | Binary], still: Items, changed_since: int
    ) -> int:
        """A column for each kind of item; then the lines across. Gives how many of these are done, at least one."""
        box_id, selected = self._selected.box.id, self._selected
        states = await self._mailboxes.states(box_id, uids, changed_since, is_run=selected.is_run(uids))
        columns: list[Iterable[int | bytes | None]] = [selected.numbers(states.uids)]
        told = []
        if Item.UID in items:
            told.append(b"UID %d")
            columns.append(states.uids)
        if Item.FLAGS in items:
            told.append(b"FLAGS %b")
            columns.append(_flags(states, selected))
        if Item.MODSEQ in items:
            told.append(b"MODSEQ (%d)")
            columns.append(states.modseqs)
            selected.note_modseq(max(states.modseqs, default=0))
        last = uids[-1]
        if still:
            texts, last = await self._texts(states.uids, still, last)
            told.append(b"%b")
            columns.append(texts.get(uid) if uid <= last else None for uid in states.uids)
        line = b"* %d FETCH (" + b" ".join(told) + b")\r\n"
        found: Iterable[tuple[int | bytes | None, ...]] = zip(*columns, strict=True)
        if still:
            found = (values for values in found if values[-1] is not None)  # gone since, or of a later page
        self._connection.write(*map(line.__mod__, found))
        if self._connection.is_full:
            await self._connection.flush()
        return bisect_right(uids, last)

    async def _texts(self, uids: Sequence[int], items: Items, last: int) -> tuple[Mapping[int, bytes], int]:
        """What never changes of these messages, ready to send; and up to which UID, when all would be too much."""
        known = self._renderings.known(self._selected.box.id, items, uids)
        if sum(map(len, known.values())) > _TEXTS_BYTES:
            last = _enough(known)
        missing = [uid for uid in uids if uid not in known and uid <= last]
        text_of = _texts_of(items)
        size_bytes = 0
        async with aclosing(self._mailboxes.rows(self._selected.box.id, missing, wanted_for(items))) as pages:
            async for page in pages:
                new = {}
                for row in page:
                    if perf_counter() - self._began > _TURN_SECONDS:
                        await asyncio.sleep(0)
                        self._began = perf_counter()
                    is_large = len(row.header) > _LARGE_HEADER_BYTES  # that takes a while to look through
                    new[row.uid] = text = await asyncio.to_thread(text_of, row) if is_large else text_of(row)
                    size_bytes += len(text)
                    if size_bytes > _TEXTS_BYTES:
                        last = row.uid
                        break
                self._renderings.keep(self._selected.box.id, items, new)
                known |= new
                if size_bytes > _TEXTS_BYTES:
                    break
        return known, last

    # Bytes of bodies

    async def _write_whole(self, row: Row, items: Sequence[Item | Section | Binary]) -> None:
        for item in items:
            if isinstance(item, Binary):
                _leaf(row, item.part)
        try:
            await self._stream(row, items)
        except (Disconnected, asyncio.CancelledError):
            raise
        except Exception as error:
            log.exception("imap.cannot_read", body=row.body_id.hex)
            self._connection.abort()
            raise Disconnected from error

    async def _stream(self, row: Row, items: Sequence[Item | Section | Binary]) -> None:
        write = self._connection.write
        write(b"* %d FETCH (" % self._selected.number(row.uid))
        separator = b""
        for item in items:
            write(separator)
            separator = b" "
            if isinstance(item, Binary):
                await self._binary(row, item)
            elif item is Item.FLAGS:
                is_recent = self._selected.is_recent(row.uid)
                write(b"FLAGS " + flags_text(row.flags, row.keywords, is_recent=is_recent))
            elif isinstance(item, Item) or _wanted_for(item) is Wanted.HEADER:
                write(_writer(item)(row))
            else:
                await self._section(row, item)
        write(b")\r\n")
        if self._connection.is_full:
            await self._connection.flush()

    async def _section(self, row: Row, section: Section) -> None:
        bounds = await self._bounds(row, section)
        if bounds is None:
            self._connection.write(_label(section) + b"NIL")
        elif section.fields:
            within = await self._bytes(row, *bounds)
            self._connection.write(_of_header(section)(within))
        else:
            self._connection.write(_label(section))
            await self._literal(row, *narrowed(*bounds, section.span))

    async def _bounds(self, row: Row, section: Section) -> tuple[int, int] | None:
        """Where a section lies in the message as it is read; None when there is none."""
        places = await self._mailboxes.sections(row) if section.part else {}
        return bounds_of(row, section, places)

    async def _literal(self, row: Row, start: int, stop: int) -> None:
        self._connection.write(b"{%d}\r\n" % (stop - start))
        rest = row.rest
        if rest is not None and rest.is_at_hand:  # most are, and then all else is only a detour
            self._connection.write(b"".join((row.trace, row.header, restored(rest)))[start:stop])
            if self._connection.is_full:
                await self._connection.flush()
            return
        async for chunk in self._span(row, start, stop):
            self._connection.write(chunk)
            if self._connection.is_full:
                await self._connection.flush()

    async def _span(self, row: Row, start: int, stop: int) -> AsyncIterator[bytes]:
        """Bytes of the message as it is read, the stamps of this server first."""
        head = row.trace + row.header
        if start < min(len(head), stop):
            yield head[start:stop]
        async for chunk in self._mailboxes.rest_of(row, max(0, start - len(head)), stop - len(head)):
            yield chunk

    async def _bytes(self, row: Row, start: int, stop: int) -> bytes:
        return b"".join([chunk async for chunk in self._span(row, start, min(stop, start + _HEADER_LIMIT_BYTES))])

    async def _binary(self, row: Row, item: Binary) -> None:
        content = await self._decoded(row, item.part)
        name = b"BINARY.SIZE[%b]" if item.is_size else b"BINARY[%b]"
        self._connection.write(name % item.part.encode("ascii"))
        if item.is_size:
            self._connection.write(b" %d" % (0 if content is None else len(content)))
            return
        if item.span:
            self._connection.write(b"<%d>" % item.span[0])
        if content is None:
            self._connection.write(b" NIL")
            return
        start, stop = narrowed(0, len(content), item.span)
        mark = b"" if content.find(b"\0", start, stop) < 0 else b"~"  # RFC 9051 §7.5.2
        self._connection.write(b" %b{%d}\r\n" % (mark, stop - start))
        for chunk in chunks(content, start, stop):
            self._connection.write(chunk)
            if self._connection.is_full:
                await self._connection.flush()

    async def _decoded(self, row: Row, number: str) -> Octets | None:
        """A part with its encoding undone; None when there is none of that number."""
        bounds = await self._bounds(row, Section(number, Text.ALL, (), None, True, b""))
        if bounds is None:
            return None
        leaf = _leaf(row, number)
        spool = Spool()
        try:
            async for chunk in self._mailboxes.part_of(row, leaf) if leaf else self._span(row, *bounds):
                spool.write(chunk)
            return spool.finish()
        finally:
            spool.discard()


def _enough(texts: Mapping[int, bytes]) -> int:
    """The UID, of ascending ones, up to which texts take what a page of them may."""
    size_bytes = 0
    for uid, text in texts.items():
        size_bytes += len(text)
        if size_bytes > _TEXTS_BYTES:
            return uid
    return max(texts, default=0)


def _flags(states: States, selected: Selected) -> Iterator[bytes]:
    """The flags of each, written once for all that have the same, no keywords, and are not recent."""
    plain = {flags: flags_text(flags, (), is_recent=False) for flags in set(states.flags)}
    if not states.keywords and not selected.recent:
        return map(plain.__getitem__, states.flags)

    def text_of(uid: int, flags: int) -> bytes:
        is_recent = selected.is_recent(uid)
        if is_recent or uid in states.keywords:
            return flags_text(flags, states.keywords.get(uid, ()), is_recent=is_recent)
        return plain[flags]

    return map(text_of, states.uids, states.flags)


def _leaf(row: Row, number: str) -> Part | None:
    """The leaf of that number; None for any other part. Raises NotDone when its encoding cannot be undone here."""
    leaf = next((part for part in row.parts if part.number == number), None) if number else None
    if leaf and leaf.encoding not in _ENCODINGS:
        raise NotDone("That part is encoded in a way that is not known here", code="UNKNOWN-CTE")
    return leaf


def _texts_of(items: Items) -> Callable[[Row], bytes]:
    """What writes all of these, a blank between them."""
    writers = [_writer(item) for item in items]
    return lambda row: b" ".join([write(row) for write in writers])


@lru_cache(maxsize=256)
def _writer(item: Item | Section) -> Callable[[Row], bytes]:
    """What lies in the row, and what the reply calls it."""
    if isinstance(item, Item):
        return _WRITERS[item]
    of_header = _of_header(item)
    return lambda row: of_header(row.trace + row.header)


def _of_header(section: Section) -> Callable[[bytes], bytes]:
    """Makes a header, or some fields of it, a literal."""
    label, span = _label(section), section.span
    names = frozenset(name.lower() for name in section.fields)
    besides = section.text is Text.HEADER_FIELDS_NOT

    def write(header: bytes) -> bytes:
        if names:
            header = header_fields(header, names, besides=besides)
        if span:
            start, stop = narrowed(0, len(header), span)
            header = header[start:stop]
        return b"%b{%d}\r\n%b" % (label, len(header), header)

    return write


def _label(section: Section) -> bytes:
    return b"%b<%d> " % (section.label, section.span[0]) if section.span else section.label + b" "


_WRITERS: dict[Item, Callable[[Row], bytes]] = {
    Item.UID: lambda row: b"UID %d" % row.uid,
    Item.MODSEQ: lambda row: b"MODSEQ (%d)" % row.modseq,
    Item.INTERNALDATE: lambda row: b"INTERNALDATE " + moment_text(row.internal_date),
    Item.RFC822_SIZE: lambda row: b"RFC822.SIZE %d" % row.size_bytes,
    Item.ENVELOPE: lambda row: b"ENVELOPE " + row.envelope,
    Item.BODYSTRUCTURE: lambda row: b"BODYSTRUCTURE " + row.bodystructure,
    Item.BODY: lambda row: b"BODY " + without_extensions(row.bodystructure),
    Item.EMAILID: lambda row: b"EMAILID (%b)" % row.body_id.hex.encode("ascii"),
    Item.THREADID: lambda row: b"THREADID (T%b)" % row.thread.hex().encode("ascii"),
    Item.PREVIEW: lambda row: b"PREVIEW " + string(row.preview.encode()),
}
