"""The structure of a message, found in one pass over its bytes when it is accepted, and never again.

Boundaries are looked for once, from the first line to the last, against the stack of multiparts that are open there:
time is linear in the bytes whatever their nesting. Beyond the limits below a part is taken whole, as bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mail.message import imap
from mail.message.addresses import parse_addresses
from mail.message.header import (
    Fields,
    decode,
    first,
    header_size,
    parameter,
    parse_date,
    parse_parameters,
    split_fields,
)
from mail.message.order import Order, order_of
from mail.message.part import Part, Place
from mail.message.text import preview
from mail.octets import count

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from mail.message.addresses import Mailbox
    from mail.octets import Octets

_DEPTH_LIMIT = 100  # multiparts and messages within each other
_PARTS_LIMIT = 1000
_DASHES_LIMIT = 200_000  # lines that begin with "--" and are no boundary
_BOUNDARY_LIMIT = 200  # bytes; RFC 2046 §5.1.1 allows 70
_FIELD_LIMIT = 16 * 1024  # bytes of a Content-Type or Content-Disposition that are looked at
_SHOWN_LIMIT = 1000  # characters
_TEXT = (b"text", b"plain")
_OPAQUE = (b"application", b"octet-stream")


@dataclass(frozen=True, kw_only=True, slots=True)
class Structure:
    """What is told of a message without its bytes.

    header_size: bytes, the empty line included. fields: of the outermost header. message_id, subject, from_text,
    to_text: decoded. preview: the first words, at most 200 characters. attachments: how many parts are files.
    envelope, bodystructure: IMAP's, ready to send. parts: the leaves in order. sent_at: of Date, in its zone.
    order: what it is sorted and threaded by. sections: by number, where each part lies; None when the message is a
    single one, whose place is plain.
    """

    header_size: int
    fields: Fields
    message_id: str
    subject: str
    from_text: str
    to_text: str
    preview: str
    attachments: int
    envelope: bytes
    bodystructure: bytes
    parts: tuple[Part, ...]
    sent_at: datetime | None
    order: Order
    sections: Mapping[str, Place] | None


def scan(content: Octets) -> Structure:
    """The structure of a message with CRLF line ends; any bytes at all have one."""
    walk = _Walk(content)
    root = walk.run()
    fields = root.fields
    parts = tuple(walk.leaves)
    subject = decode(first(fields, b"subject"))
    senders, recipients = (parse_addresses(first(fields, name)) for name in (b"from", b"to"))
    return Structure(
        header_size=root.start,
        fields=fields,
        message_id=decode(first(fields, b"message-id")),
        subject=subject,
        from_text=_names(senders),
        to_text=_names(recipients),
        preview=preview(content, parts),
        attachments=sum(part.is_attachment for part in parts),
        envelope=imap.envelope(fields),
        bodystructure=_bodystructure(root),
        parts=parts,
        sent_at=parse_date(first(fields, b"date")),
        order=order_of(fields, content[: root.start], subject, senders, recipients),
        sections=_sections(root) if root.children else None,
    )


def _names(addresses: list[Mailbox]) -> str:
    """`Claire N. <claire@sante.gov.test>, …` for display."""
    shown = []
    for mailbox in addresses[:20]:
        if mailbox.host is None:
            continue
        address = decode(mailbox.local or b"") + (f"@{decode(mailbox.host)}" if mailbox.host else "")
        name = decode(mailbox.name)
        shown.append(f"{name} <{address}>" if name else address)
    return ", ".join(shown)[:_SHOWN_LIMIT]


@dataclass(slots=True)
class _Node:
    """A part while the walk is inside it.

    prefix: what its children's numbers begin with. header: where its own header begins; start, stop: of its body.
    """

    number: str
    prefix: str
    fields: Fields
    header: int
    start: int
    kind: tuple[bytes, bytes]
    parameters: list[tuple[bytes, bytes]]
    boundary: bytes = b""
    stop: int = 0
    first_line: int = 0
    last_line: int = 0
    children: list[_Node] = field(default_factory=list)

    @property
    def is_multipart(self) -> bool:
        return bool(self.boundary)

    @property
    def is_message(self) -> bool:
        return self.kind == (b"message", b"rfc822")


class _Walk:
    """One pass: `stack` holds the parts that are open, `open_at` where in it each boundary stands, innermost last."""

    def __init__(self, content: Octets) -> None:
        self.content = content
        self.stack: list[_Node] = []
        self.open_at: dict[bytes, list[int]] = {}
        self.leaves: list[Part] = []
        self.nodes = 0
        self.lines = 0
        self.counted_to = 0

    def run(self) -> _Node:
        size = header_size(self.content)
        root = self._open(0, size, None)
        position = size - 2
        dashes = 0
        while self.open_at and dashes < _DASHES_LIMIT:
            at = self.content.find(b"\r\n--", max(position, 0))
            if at < 0:
                break
            line_end = self.content.find(b"\r\n", at + 4, at + 4 + _BOUNDARY_LIMIT)
            line = self.content[at + 4 : line_end if line_end >= 0 else at + 4 + _BOUNDARY_LIMIT].rstrip(b" \t")
            level, is_last = self._match(line)
            if level < 0:
                dashes += 1
                position = at + 4
                continue
            self._close_above(level, at)
            position = len(self.content) if line_end < 0 else line_end
            if is_last:
                self._forget(level)
            elif self.nodes < _PARTS_LIMIT and line_end >= 0:
                position = self._begin_part(line_end + 2) - 2
        self._close_above(-1, len(self.content))
        return root

    def _match(self, line: bytes) -> tuple[int, bool]:
        """The place in the stack of the multipart whose boundary that is, -1 for none; and whether it is the last."""
        if levels := self.open_at.get(line):
            return levels[-1], False
        if line.endswith(b"--") and (levels := self.open_at.get(line[:-2])):
            return levels[-1], True
        return -1, False

    def _begin_part(self, start: int) -> int:
        """Open the part whose header begins at `start`; gives where its body, or its innermost one's, begins."""
        before = self.content.find(b"\r\n--", start - 2)
        limit = len(self.content) if before < 0 else before + 2
        size = header_size(self.content, start, max(start, limit))
        self._open(start, size, self.stack[-1])
        return self.stack[-1].start

    def _open(self, start: int, size: int, parent: _Node | None) -> _Node:
        """Put a part on the stack; of a message within, its own outermost part too."""
        fields = split_fields(self.content[start : start + size])
        kind, parameters = _content_type(fields, parent)
        node = _Node(*_numbers(parent), fields, start, start + size, kind, parameters)
        node.first_line = self._lines_before(start + size)
        self.nodes += 1
        if parent is not None:
            parent.children.append(node)
        self.stack.append(node)
        if kind[0] == b"multipart":
            self._open_multipart(node)
        elif node.is_message:
            self._open_message(node)
        if parent is None and not node.is_multipart and not node.is_message:
            node.number = "1"
        return node

    def _open_multipart(self, node: _Node) -> None:
        boundary = dict(node.parameters).get(b"boundary", b"").rstrip(b" \t")[:_BOUNDARY_LIMIT]
        if boundary and len(self.stack) <= _DEPTH_LIMIT:
            node.boundary = boundary
            self.open_at.setdefault(boundary, []).append(len(self.stack) - 1)
        else:
            node.kind, node.parameters = _OPAQUE, []

    def _open_message(self, node: _Node) -> None:
        encoding = first(node.fields, b"content-transfer-encoding").lower()
        if encoding in (b"base64", b"quoted-printable") or len(self.stack) > _DEPTH_LIMIT:
            node.kind, node.parameters = _OPAQUE, []
            return
        before = self.content.find(b"\r\n--", node.start - 2) if self.open_at else -1
        limit = len(self.content) if before < 0 else max(node.start, before + 2)
        self._open(node.start, header_size(self.content, node.start, limit), node)

    def _close_above(self, level: int, stop: int) -> None:
        """Close the parts that are inside the one at `level`: they end at `stop`."""
        while len(self.stack) > level + 1:
            node = self.stack[-1]
            if node.is_multipart:
                self._forget(len(self.stack) - 1)
            self.stack.pop()
            node.stop = max(stop, node.start)
            node.last_line = self._lines_before(node.stop)
            if not node.children and not node.is_multipart:
                self.leaves.append(_part(node))

    def _forget(self, level: int) -> None:
        """Its boundary no longer counts: what follows is its epilogue."""
        boundary = self.stack[level].boundary
        levels = self.open_at.get(boundary, [])
        if level in levels[-1:]:
            levels.pop()
        if not levels:
            self.open_at.pop(boundary, None)

    def _lines_before(self, position: int) -> int:
        """Line ends before `position`; asked in growing order, so each byte is counted once."""
        if position > self.counted_to:
            self.lines += count(self.content, b"\n", self.counted_to, position)
            self.counted_to = position
        return self.lines


def _content_type(fields: Fields, parent: _Node | None) -> tuple[tuple[bytes, bytes], list[tuple[bytes, bytes]]]:
    """Type and subtype, and parameters; what stands there by default when it is absent or senseless."""
    head, parameters = parse_parameters(first(fields, b"content-type")[:_FIELD_LIMIT])
    kind, slash, subtype = head.partition(b"/")
    if slash and kind and subtype and head.isascii() and not set(head) & set(b' \t()<>@,;:\\"[]?='):
        return (kind, subtype), parameters
    if parent is not None and parent.kind == (b"multipart", b"digest"):
        return (b"message", b"rfc822"), []
    return _TEXT, [(b"charset", b"us-ascii")]


def _numbers(parent: _Node | None) -> tuple[str, str]:
    """A new part's section number and what its children's begin with (RFC 9051 §6.4.5.1)."""
    if parent is None:
        return "", ""
    if parent.is_message:
        return f"{parent.number}.1" if parent.number else "1", f"{parent.number}." if parent.number else ""
    number = f"{parent.prefix}{len(parent.children) + 1}"
    return number, f"{number}."


def _part(node: _Node) -> Part:
    disposition, parameters = parse_parameters(first(node.fields, b"content-disposition")[:_FIELD_LIMIT])
    filename = parameter(parameters, b"filename") or parameter(node.parameters, b"name")
    return Part(
        number=node.number or "1",
        type=b"/".join(node.kind).decode("ascii"),
        encoding=decode(first(node.fields, b"content-transfer-encoding")).lower()[:40],
        charset=parameter(node.parameters, b"charset").lower()[:40],
        filename=filename[:255],
        disposition={b"inline": "inline", b"": ""}.get(disposition, "attachment"),
        content_id=decode(first(node.fields, b"content-id")).strip("<>")[:255],
        start=node.start,
        stop=node.stop,
    )


def _sections(root: _Node) -> dict[str, Place]:
    """Of every part that has a number: a multipart that is the whole of a message has none (RFC 9051 §6.4.5.1)."""
    found: dict[str, Place] = {}
    waiting = [(root, True)]
    while waiting:
        node, is_outermost = waiting.pop()
        if node.number and not (is_outermost and node.is_multipart):
            text = node.children[0].start if node.is_message and node.children else 0
            found[node.number] = Place(node.header, node.start, node.stop, text)
        waiting += [(child, node.is_message) for child in node.children]
    return found


def _bodystructure(node: _Node) -> bytes:
    """Recursion is bounded by the limit of depth."""
    language = imap.nstring(first(node.fields, b"content-language"))
    location = imap.nstring(first(node.fields, b"content-location"))
    disposition = first(node.fields, b"content-disposition")[:_FIELD_LIMIT]
    shown = imap.disposition(parse_parameters(disposition) if disposition else None)
    tail = b"%b %b %b" % (shown, language, location)
    if node.is_multipart:
        children = b"".join(map(_bodystructure, node.children)) or _EMPTY_LEAF
        return b"(%b %b %b %b)" % (
            children,
            imap.string(node.kind[1].upper()),
            imap.parameters(node.parameters),
            tail,
        )
    return b"(%b %b %b)" % (_leaf(node), imap.nstring(first(node.fields, b"content-md5")), tail)


_EMPTY_LEAF = b'("TEXT" "PLAIN" NIL NIL NIL "7BIT" 0 0 NIL NIL NIL NIL)'


def _leaf(node: _Node) -> bytes:
    fields = (
        imap.string(node.kind[0].upper()),
        imap.string(node.kind[1].upper()),
        imap.parameters(node.parameters),
        imap.nstring(first(node.fields, b"content-id")),
        imap.nstring(first(node.fields, b"content-description")),
        imap.string(first(node.fields, b"content-transfer-encoding").upper() or b"7BIT"),
        b"%d" % (node.stop - node.start),
    )
    lines = b"%d" % (node.last_line - node.first_line)
    if node.is_message and node.children:
        nested = node.children[0]
        return b" ".join((*fields, imap.envelope(nested.fields), _bodystructure(nested), lines))
    return b" ".join((*fields, lines)) if node.kind[0] == b"text" else b" ".join(fields)
