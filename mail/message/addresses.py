"""The address lists of From, To and their like (RFC 5322 §3.4), as lenient as mail is in the wild."""

from __future__ import annotations

import re
from typing import NamedTuple

_LIMIT = 1000  # mailboxes of one field that are looked at
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*(?:"|\Z)|[(<>,;:]|[^"(<>,;:]+', re.DOTALL)
_COMMENT_EDGE = re.compile(rb"[()]|\\.", re.DOTALL)
_SIMPLE = re.compile(rb'(?:"([^"\\<>,;:()]*)"[ \t]*|([^"\\<>,;:()@]*))<([^"\\<>,;:()@\s]+)@([^"\\<>,;:()@\s]+)>')
_BARE = re.compile(rb'()()([^"\\<>,;:()@\s]+)@([^"\\<>,;:()@\s]+)')
_QUOTED = re.compile(rb'"((?:[^"\\]|\\.)*)(?:"|\Z)', re.DOTALL)
_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)
_ROUTE = re.compile(rb"(?:@[^:]*:)?(.*)", re.DOTALL)


class Mailbox(NamedTuple):
    """One mailbox as written, encoded words not undone. `host` is None at a group's start, both at its end."""

    name: bytes
    local: bytes | None
    host: bytes | None


def parse_addresses(value: bytes) -> list[Mailbox]:
    """The mailboxes of a field's value. A group gives IMAP's markers around its members."""
    if not value:
        return []
    if simple := _SIMPLE.fullmatch(value) or _BARE.fullmatch(value):
        return [Mailbox((simple[1] or simple[2]).strip(), simple[3], simple[4])]
    return _Parser(value).parse()


class _Parser:
    """Walks over the tokens once. text: outside brackets and comments; inside: between angle brackets."""

    def __init__(self, value: bytes) -> None:
        self.value = value
        self.found: list[Mailbox] = []
        self.in_group = False
        self._clear()

    def _clear(self) -> None:
        self.text: list[bytes] = []
        self.inside: list[bytes] | None = None
        self.is_inside = False
        self.comment = b""

    def parse(self) -> list[Mailbox]:
        position = 0
        while position < len(self.value) and len(self.found) < _LIMIT:
            token = _TOKEN.match(self.value, position)
            assert token is not None  # every byte begins one
            position = token.end()
            if token[0] == b"(":
                position = self._skip_comment(position)
            else:
                self._take(token[0])
        self._end_mailbox()
        self._end_group()
        return self.found

    def _take(self, token: bytes) -> None:
        if self.is_inside:
            assert self.inside is not None
            if token == b">":
                self.is_inside = False
            else:
                self.inside.append(token)
        elif token == b"<":
            self.inside, self.is_inside = [], True
        elif token == b",":
            self._end_mailbox()
        elif token == b":":
            self._begin_group()
        elif token == b";":
            self._end_mailbox()
            self._end_group()
        elif token != b">":
            self.text.append(token)

    def _skip_comment(self, position: int) -> int:
        depth, start = 1, position
        for edge in _COMMENT_EDGE.finditer(self.value, position):
            depth += {b"(": 1, b")": -1}.get(edge[0], 0)
            if depth == 0:
                self.comment = self.value[start : edge.start()]
                return edge.end()
        return len(self.value)

    def _begin_group(self) -> None:
        self._end_group()
        self.found.append(Mailbox(b"", _unquote(b"".join(self.text)), None))
        self.in_group = True
        self._clear()

    def _end_group(self) -> None:
        if self.in_group:
            self.found.append(Mailbox(b"", None, None))
        self.in_group = False

    def _end_mailbox(self) -> None:
        text = b"".join(self.text).strip()
        if self.inside is not None:
            name, address = _unquote(text), b"".join(self.inside).strip()
        else:
            name, address = self.comment.strip(), text
        routed = _ROUTE.fullmatch(address)
        assert routed is not None  # it matches anything
        local, at, host = routed[1].rpartition(b"@")
        if at:
            self.found.append(Mailbox(name, _unquote(local), host.strip()))
        elif address:
            self.found.append(Mailbox(name, _unquote(address), b""))
        self._clear()


def _unquote(text: bytes) -> bytes:
    if b'"' not in text:
        return text.strip()
    return _QUOTED.sub(lambda quoted: _ESCAPE.sub(rb"\1", quoted[1]), text).strip()
