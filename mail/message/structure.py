"""The structure of a message, found in one pass over its bytes when it is accepted, and never again.

Boundaries are looked for once, from the first line to the last, against the stack of multiparts that are open there:
time is linear in the bytes whatever their nesting. Beyond the limits below a part is taken whole, as bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from mail.message import imap
from mail.message.declaration import BOUNDARY_LIMIT_BYTES, Declaration, declaration_of
from mail.message.header import Fields, decode, first, last, parse_date, split_fields
from mail.message.order import Order, order_of
from mail.message.part import Part, Place
from mail.message.people import people_of
from mail.message.strings import nstring
from mail.message.text import preview
from mail.octets import count

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from mail.octets import Octets

_DEPTH_LIMIT = 100  # multiparts and messages within each other
_PARTS_LIMIT = 1000
_LOOKS_LIMIT = 200_000  # comparisons of a line that begins with "--" with boundaries of one length
_MESSAGES = {(b"message", b"rfc822"), (b"message", b"global")}


class Structure(NamedTuple):
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
    subject = decode(last(fields, b"subject") or b"")
    return Structure(
        header_size=root.start,
        fields=fields,
        message_id=decode(last(fields, b"message-id") or b""),
        subject=subject,
        from_text=people_of(fields, b"from").shown,
        to_text=people_of(fields, b"to").shown,
        preview=preview(content, parts),
        attachments=sum(part.is_attachment for part in parts),
        envelope=imap.envelope(fields),
        bodystructure=_bodystructure(root),
        parts=parts,
        sent_at=parse_date(last(fields, b"date") or b""),
        order=order_of(fields, content[: root.start], subject),
        sections=_sections(root) if root.children else None,
    )


@dataclass(slots=True)
class _Node:
    """A part while the walk is inside it.

    prefix: what its children's numbers begin with. header: where its own header begins; start, stop: of its body.
    declared: what its header says of it. boundary: what divides its children, empty when it has none.
    """

    number: str
    prefix: str
    fields: Fields
    header: int
    start: int
    declared: Declaration
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
        return self.declared.kind in _MESSAGES

    def be_opaque(self) -> None:
        """Take it whole, as bytes."""
        self.declared = declaration_of(self.fields, as_bytes=True)
        self.boundary = b""


class _Walk:
    """One pass: `stack` holds the parts that are open, `open_at` where in it each boundary stands, innermost last.

    lengths: of the boundaries that are open, longest first. looked: how often a line was compared with one.
    """

    def __init__(self, content: Octets) -> None:
        self.content = content
        self.stack: list[_Node] = []
        self.open_at: dict[bytes, list[int]] = {}
        self.lengths: list[int] = []
        self.looked = 0
        self.leaves: list[Part] = []
        self.nodes = 0
        self.lines = 0
        self.counted_to = 0
        self.dashes_from, self.dashes_at = 0, -2

    def run(self) -> _Node:
        root = self._open(0, None)
        position = root.start - 2
        while self.open_at and (at := self._next_boundary(position)) >= 0:
            level, after = self._level_of(at)
            self._close_above(level, at)
            is_last = self.content[after : after + 2] == b"--"
            line_end = self.content.find(b"\r\n", after)
            if is_last:
                self._forget(level)
            elif self.nodes < _PARTS_LIMIT and line_end >= 0:
                self._open(line_end + 2, self.stack[-1])
                line_end = self.stack[-1].start - 2
            if line_end < 0:
                break
            position = line_end
        self._close_above(-1, len(self.content))
        return root

    def _next_boundary(self, position: int) -> int:
        """Where the line end before the next boundary line stands; -1 when there is none."""
        at = max(position, 0)
        while self.looked < _LOOKS_LIMIT and (at := self._dashes(at)) >= 0:
            if self._level_of(at)[0] >= 0:
                return at
            at += 2
        return -1

    def _dashes(self, at: int) -> int:
        """Where the next line end stands that two dashes follow; -1 when there is none. No byte is looked at twice."""
        is_known = self.dashes_at == -1 or at <= self.dashes_at
        if not (is_known and self.dashes_from <= at):
            self.dashes_from, self.dashes_at = at, self.content.find(b"\r\n--", at)
        return self.dashes_at

    def _level_of(self, at: int) -> tuple[int, int]:
        """The place in the stack of the multipart whose boundary begins the line after `at`, -1 for none; and where
        the boundary ends. What follows it on its line does not matter (RFC 2046 §5.1.1), the longest one counts."""
        line = self.content[at + 4 : at + 4 + BOUNDARY_LIMIT_BYTES]
        for length in self.lengths:
            self.looked += 1
            if levels := self.open_at.get(line[:length]):
                return levels[-1], at + 4 + length
        return -1, at

    def _header_end(self, start: int) -> int:
        """Where the header that begins at `start` ends: after its empty line, or before a boundary line."""
        if not start and self.content[:2] == b"\r\n":
            return 2
        at = looked_up_to = max(start - 2, 0)
        while True:
            at = self._dashes(at) if self.open_at and self.looked < _LOOKS_LIMIT else -1
            is_boundary = at >= 0 and self._level_of(at)[0] >= 0
            empty = self.content.find(b"\r\n\r\n", looked_up_to, len(self.content) if at < 0 else at + 2)
            if empty >= 0 and not (is_boundary and empty + 2 == at and not self._begins_itself(start, at)):
                return empty + 4
            if at < 0:
                return len(self.content)
            if is_boundary:
                return max(at, start)
            looked_up_to, at = max(at - 2, looked_up_to), at + 2

    def _begins_itself(self, start: int, at: int) -> bool:
        """Whether the boundary after `at` is that of the part whose header stands before it, rather than one around."""
        own = declaration_of(split_fields(self.content[start:at])).boundary
        _, after = self._level_of(at)
        return len(own) >= after - at - 4 and self.content[at + 4 : at + 4 + len(own)] == own

    def _open(self, start: int, parent: _Node | None) -> _Node:
        """Put the part whose header begins at `start` on the stack; of a message within, its own outermost part too."""
        end = self._header_end(start)
        fields = split_fields(self.content[start:end])
        in_digest = parent is not None and parent.declared.kind == (b"multipart", b"digest")
        declared = declaration_of(fields, in_digest=in_digest)
        node = _Node(*_numbers(parent), fields, start, end, declared)
        node.first_line = self._lines_before(end)
        self.nodes += 1
        if parent is not None:
            parent.children.append(node)
        self.stack.append(node)
        if declared.kind[0] == b"multipart":
            self._open_multipart(node)
        if parent is None and not node.is_multipart:
            node.number = "1"
        if node.is_message:
            self._open_message(node)
        return node

    def _open_multipart(self, node: _Node) -> None:
        boundary = node.declared.boundary
        if not boundary or len(self.stack) > _DEPTH_LIMIT:
            node.be_opaque()
            return
        node.boundary = boundary
        self.open_at.setdefault(boundary, []).append(len(self.stack) - 1)
        self._measure()

    def _open_message(self, node: _Node) -> None:
        if node.declared.encoding in ("base64", "quoted-printable") or len(self.stack) > _DEPTH_LIMIT:
            node.be_opaque()
        else:
            self._open(node.start, node)

    def _close_above(self, level: int, stop: int) -> None:
        """Close the parts that are inside the one at `level`: they end at `stop`."""
        while len(self.stack) > level + 1:
            node = self.stack[-1]
            if node.is_multipart:
                self._forget(len(self.stack) - 1)
            self.stack.pop()
            node.stop = max(stop, node.start)
            node.last_line = self._lines_before(node.stop)
            if not node.children:
                if node.is_multipart:
                    node.be_opaque()
                self.leaves.append(_part(node))

    def _forget(self, level: int) -> None:
        """Its boundary no longer counts: what follows is its epilogue."""
        boundary = self.stack[level].boundary
        levels = self.open_at.get(boundary, [])
        if level in levels[-1:]:
            levels.pop()
        if not levels:
            self.open_at.pop(boundary, None)
        self._measure()

    def _measure(self) -> None:
        self.lengths = sorted({len(boundary) for boundary in self.open_at}, reverse=True)

    def _lines_before(self, position: int) -> int:
        """Line ends before `position`; asked in growing order, so each byte is counted once."""
        if position > self.counted_to:
            self.lines += count(self.content, b"\n", self.counted_to, position)
            self.counted_to = position
        return self.lines


def _numbers(parent: _Node | None) -> tuple[str, str]:
    """A new part's section number and what its children's begin with (RFC 9051 §6.4.5.1)."""
    if parent is None:
        return "", ""
    if parent.is_message:
        return f"{parent.number}.1", f"{parent.number}."
    number = f"{parent.prefix}{len(parent.children) + 1}"
    return number, f"{number}."


def _part(node: _Node) -> Part:
    declared = node.declared
    return Part(
        number=node.number or "1",
        type=declared.type,
        encoding=declared.encoding,
        charset=declared.charset,
        filename=declared.filename,
        disposition=declared.disposition,
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
            text = min(node.children[0].start, node.stop) if node.is_message and node.children else 0
            found[node.number] = Place(node.header, node.start, node.stop, text)
        waiting += [(child, node.is_message) for child in node.children]
    return found


def _bodystructure(node: _Node) -> bytes:
    """Recursion is bounded by the limit of depth."""
    if node.is_multipart:
        children = b"".join(map(_bodystructure, node.children))
        declared = node.declared
        return b"(%b %b %b %b)" % (children, declared.shown_subtype, declared.shown_parameters, _extensions(node))
    return b"(%b %b %b)" % (_leaf(node), _nstring(node, b"content-md5"), _extensions(node))


def _extensions(node: _Node) -> bytes:
    language = imap.languages(first(node.fields, b"content-language"))
    return b"%b %b %b" % (node.declared.shown_disposition, language, _nstring(node, b"content-location"))


def _nstring(node: _Node, name: bytes) -> bytes:
    return nstring(first(node.fields, name) if name in node.fields else None)


def _leaf(node: _Node) -> bytes:
    declared = node.declared
    fields = (
        declared.shown_type,
        declared.shown_subtype,
        declared.shown_parameters,
        _nstring(node, b"content-id"),
        _nstring(node, b"content-description"),
        declared.shown_encoding,
        b"%d" % (node.stop - node.start),
    )
    lines = b"%d" % (node.last_line - node.first_line)
    if node.is_message and node.children:
        nested = node.children[0]
        return b" ".join((*fields, imap.envelope(nested.fields), _bodystructure(nested), lines))
    return b" ".join((*fields, lines)) if declared.kind[0] == b"text" else b" ".join(fields)
