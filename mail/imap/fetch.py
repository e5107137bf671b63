"""FETCH: messages as the client asked for them, streamed, whatever their size (RFC 9051 §6.4.5)."""

from __future__ import annotations

import asyncio
import re
from functools import lru_cache
from typing import TYPE_CHECKING

import structlog

from mail.imap.commands import Binary, Item, Section, Text
from mail.imap.connection import Disconnected
from mail.imap.moments import moment_text
from mail.imap.replies import NotDone
from mail.imap.selected import flags_text
from mail.mailbox.rows import Depth
from mail.message import imap
from mail.message.text import decoded
from mail.octets import Spool, chunks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from mail.imap.connection import Connection
    from mail.imap.selected import Selected
    from mail.mailbox import Mailboxes
    from mail.mailbox.rows import Row
    from mail.message import Place
    from mail.octets import Octets

log = structlog.get_logger()

_DEPTHS = {
    Item.ENVELOPE: Depth.STRUCTURE,
    Item.BODY: Depth.STRUCTURE,
    Item.BODYSTRUCTURE: Depth.STRUCTURE,
    Item.PREVIEW: Depth.STRUCTURE,
}
_HEADER_LIMIT_BYTES = 8 << 20  # of a message within, of which some fields are wanted
_ENCODINGS = {"", "7bit", "8bit", "binary", "base64", "quoted-printable"}


def depth(items: Sequence[Item | Section | Binary]) -> Depth:
    """How much of each message these need."""
    found = [_DEPTHS.get(item, Depth.ROW) if isinstance(item, Item) else Depth.HEADER for item in items]
    return max(found, key=lambda one: one.value, default=Depth.ROW)


def marks_seen(items: Sequence[Item | Section | Binary]) -> bool:
    r"""Whether asking for these sets \Seen."""
    return any(not item.is_peek for item in items if not isinstance(item, Item))


class Fetcher:
    """Writes messages to a connection, each as these items."""

    def __init__(
        self,
        connection: Connection,
        mailboxes: Mailboxes,
        selected: Selected,
        items: Sequence[Item | Section | Binary],
    ) -> None:
        self._connection = connection
        self._mailboxes = mailboxes
        self._selected = selected
        self._items = items

    async def write(self, row: Row) -> None:
        """One message. Raises NotDone for a part that cannot be decoded, Disconnected for bytes that cannot be read:
        the client was told how many they are, and would take what comes instead for them."""
        for item in self._items:
            if isinstance(item, Binary):
                _encoding(row, item.part)
        try:
            await self._write(row)
        except (Disconnected, asyncio.CancelledError):
            raise
        except Exception as error:
            log.exception("imap.cannot_read", body=row.body_id.hex)
            self._connection.abort()
            raise Disconnected from error

    async def _write(self, row: Row) -> None:
        write = self._connection.write
        write(b"* %d FETCH (" % self._selected.number(row.uid))
        separator = b""
        for item in self._items:
            write(separator)
            separator = b" "
            if isinstance(item, Item):
                write(self._item(row, item))
            elif isinstance(item, Section):
                await self._section(row, item)
            else:
                await self._binary(row, item)
        write(b")\r\n")
        if self._connection.is_full:
            await self._connection.flush()

    def _item(self, row: Row, item: Item) -> bytes:
        return _WRITERS[item](row, self._selected)

    async def _section(self, row: Row, section: Section) -> None:
        origin = b"<%d>" % section.span[0] if section.span else b""
        self._connection.write(b"%b%b " % (section.label, origin))
        bounds = await self._bounds(row, section)
        if bounds is None:
            self._connection.write(b"NIL")
        elif section.fields:
            header = await self._bytes(row, *bounds)
            only = section.text is Text.HEADER_FIELDS
            text = header_fields(header, frozenset(name.lower() for name in section.fields), besides=not only)
            start, stop = _narrowed(0, len(text), section.span)
            self._connection.write(b"{%d}\r\n%b" % (stop - start, text[start:stop]))
        else:
            await self._literal(row, *_narrowed(*bounds, section.span))

    async def _bounds(self, row: Row, section: Section) -> tuple[int, int] | None:
        """Where a section lies in the message as it is read; None when there is none."""
        size = len(row.trace) + len(row.header)
        if not section.part:
            if section.text is Text.ALL:
                return 0, row.size_bytes
            return (size, row.size_bytes) if section.text is Text.TEXT else (0, size)
        place = (await self._mailboxes.sections(row)).get(section.part)
        bounds = None if place is None else _of_place(place, section.text)
        if bounds is None:
            return None
        start, stop = bounds
        return (start + len(row.trace) if start else 0), stop + len(row.trace)

    async def _literal(self, row: Row, start: int, stop: int) -> None:
        self._connection.write(b"{%d}\r\n" % (stop - start))
        async for chunk in self._span(row, start, stop):
            self._connection.write(chunk)
            if self._connection.is_full:
                await self._connection.flush()

    async def _span(self, row: Row, start: int, stop: int) -> AsyncIterator[bytes]:
        """Bytes of the message as it is read, the stamps of this server first."""
        head = row.trace + row.header
        if start < min(len(head), stop):
            yield head[start:stop]
        async for chunk in self._mailboxes.rest(row.body_id, max(0, start - len(head)), stop - len(head)):
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
        start, stop = _narrowed(0, len(content), item.span)
        self._connection.write(b" ~{%d}\r\n" % (stop - start))
        for chunk in chunks(content, start, stop):
            self._connection.write(chunk)
            if self._connection.is_full:
                await self._connection.flush()

    async def _decoded(self, row: Row, number: str) -> Octets | None:
        """A part with its encoding undone; None when there is none of that number."""
        bounds = await self._bounds(row, Section(number, Text.ALL, (), None, True, b""))
        if bounds is None:
            return None
        encoding = _encoding(row, number)
        spool = Spool()
        try:
            async for chunk in decoded(self._span(row, *bounds), encoding):
                spool.write(chunk)
            return spool.finish()
        finally:
            spool.discard()


def _encoding(row: Row, number: str) -> str:
    """How a part is encoded. Raises NotDone when that cannot be undone here."""
    encoding = next((part.encoding for part in row.parts if part.number == number), "") if number else ""
    if encoding not in _ENCODINGS:
        raise NotDone("That part is encoded in a way that is not known here", code="UNKNOWN-CTE")
    return encoding


def _of_place(place: Place, text: Text) -> tuple[int, int] | None:
    if text is Text.ALL:
        return place.start, place.stop
    if text is Text.MIME:
        return place.header, place.start
    if not place.text:
        return None
    return (place.text, place.stop) if text is Text.TEXT else (place.start, place.text)


def _narrowed(start: int, stop: int, span: tuple[int, int] | None) -> tuple[int, int]:
    """The part of a range that `<first.count>` names."""
    if span is None:
        return start, stop
    first = min(start + span[0], stop)
    return first, min(first + span[1], stop)


@lru_cache(maxsize=256)
def _matcher(names: frozenset[bytes]) -> re.Pattern[bytes]:
    """A field of one of these names, folded lines and all."""
    return re.compile(
        rb"^(?:%b)[ \t]*:[^\n]*\n(?:[ \t][^\n]*\n)*" % b"|".join(map(re.escape, sorted(names))),
        re.IGNORECASE | re.MULTILINE,
    )


def header_fields(header: bytes, names: frozenset[bytes], *, besides: bool) -> bytes:
    """The fields of these lower-case names byte for byte, or all others, and the empty line (RFC 9051 §6.4.5.1)."""
    text = header.removesuffix(b"\r\n") if header.endswith((b"\r\n\r\n", b"\n\n")) or header == b"\r\n" else header
    matcher = _matcher(names)
    kept = matcher.sub(b"", text) if besides else b"".join(found[0] for found in matcher.finditer(text))
    return kept + b"\r\n"


def _write_flags(row: Row, selected: Selected) -> bytes:
    return b"FLAGS " + flags_text(row.flags, row.keywords, is_recent=selected.is_recent(row.uid))


_WRITERS: dict[Item, Callable[[Row, Selected], bytes]] = {
    Item.UID: lambda row, _: b"UID %d" % row.uid,
    Item.FLAGS: _write_flags,
    Item.MODSEQ: lambda row, _: b"MODSEQ (%d)" % row.modseq,
    Item.INTERNALDATE: lambda row, _: b"INTERNALDATE " + moment_text(row.internal_date),
    Item.RFC822_SIZE: lambda row, _: b"RFC822.SIZE %d" % row.size_bytes,
    Item.ENVELOPE: lambda row, _: b"ENVELOPE " + row.envelope,
    Item.BODYSTRUCTURE: lambda row, _: b"BODYSTRUCTURE " + row.bodystructure,
    Item.BODY: lambda row, _: b"BODY " + imap.without_extensions(row.bodystructure),
    Item.EMAILID: lambda row, _: b"EMAILID (%b)" % row.body_id.hex.encode("ascii"),
    Item.THREADID: lambda _row, _: b"THREADID NIL",
    Item.PREVIEW: lambda row, _: b"PREVIEW " + imap.string(row.preview.encode()),
}
