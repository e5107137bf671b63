"""The address lists of From, To and their like (RFC 5322 §3.4, §4.4), as lenient as mail is in the wild."""

from __future__ import annotations

import re
from typing import NamedTuple

from mail.message.header import comment_end

MAILBOXES_LIMIT = 1000  # mailboxes that are looked at, of one field or of all of a name
_TOKEN = re.compile(
    rb'"(?:[^"\\]|\\.)*(?:"|\\?\Z)|\[[^\[\]]*\]|[(<>,;:@\[]|[ \t\r\n]+|[^"(<>,;:@\[ \t\r\n]+', re.DOTALL
)
_SIMPLE = re.compile(rb'(?:"([^"\\<>,;:()]*)"[ \t]*|([^"\\<>,;:()@]*))<([^"\\<>,;:()@\s]+)@([^"\\<>,;:()@\s]+)>')
_BARE = re.compile(rb'()()([^"\\<>,;:()@\s]+)@([^"\\<>,;:()@\s]+)')
_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)
_AROUND_DOT = re.compile(rb" ?\. ?")
_BLANK = b" "


class Mailbox(NamedTuple):
    """One mailbox as written, encoded words not undone; what an address lacks is empty.

    route: the domains it is to pass (`@a,@b`, RFC 5322 §4.4). `host` is None at a group's start, both at its end.
    """

    name: bytes
    local: bytes | None
    host: bytes | None
    route: bytes = b""


def parse_addresses(value: bytes) -> list[Mailbox]:
    """The mailboxes of a field's value. A group gives IMAP's markers around its members."""
    if not value:
        return []
    if simple := _SIMPLE.fullmatch(value) or _BARE.fullmatch(value):
        return [Mailbox((simple[1] or simple[2] or b"").strip(), simple[3], simple[4])]
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
        while position < len(self.value) and len(self.found) < MAILBOXES_LIMIT:
            token = _TOKEN.match(self.value, position)
            assert token is not None  # every byte begins one
            position = token.end()
            if token[0] == b"(":
                position, self.comment = comment_end(self.value, token.start())
                self._take(_BLANK)
            else:
                self._take(_BLANK if token[0].isspace() else token[0])
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
        elif token == b",":
            self._end_mailbox()
        elif token == b":":
            self._begin_group()
        elif token == b";":
            self._end_mailbox()
            self._end_group()
        elif token != b">":
            if self.inside is not None and token != _BLANK:  # `<a@b> <c@d>`: nobody hides behind another
                self._end_mailbox()
            if token == b"<":
                self.inside, self.is_inside = [], True
            else:
                self.text.append(token)

    def _begin_group(self) -> None:
        self._end_group()
        self.found.append(Mailbox(b"", _phrase(self.text), None))
        self.in_group = True
        self._clear()

    def _end_group(self) -> None:
        if self.in_group:
            self.found.append(Mailbox(b"", None, None))
        self.in_group = False

    def _end_mailbox(self) -> None:
        words = [token for token in self.text if token != _BLANK]
        if self.inside is not None:
            self.found.append(_addressed(_phrase(self.text), self.inside))
        elif b"@" in words or (len(words) == 1 and not words[0].startswith(b'"')):
            self.found.append(_addressed(self.comment.strip(), self.text))
        elif words:
            self.found.append(Mailbox(_phrase(self.text), b"", b""))
        self._clear()


def _addressed(name: bytes, tokens: list[bytes]) -> Mailbox:
    """A mailbox whose address these tokens are: a route, a local part, a domain; whichever of them there is."""
    route = b""
    if b":" in tokens and _joined(tokens).startswith(b"@"):
        colon = tokens.index(b":")
        route, tokens = _joined(tokens[:colon]).replace(b" ", b""), tokens[colon + 1 :]
    if b"@" not in tokens:
        return Mailbox(name, _joined(tokens), b"", route)
    at = len(tokens) - 1 - tokens[::-1].index(b"@")
    return Mailbox(name, _joined(tokens[:at]), _joined(tokens[at + 1 :]), route)


def _joined(tokens: list[bytes]) -> bytes:
    """What they say of an address, where blanks may stand around dots and at the ends."""
    return _AROUND_DOT.sub(b".", b"".join(map(_unquoted, tokens)).strip())


def _phrase(tokens: list[bytes]) -> bytes:
    """The words of a name, quotes undone and one blank between them."""
    words: list[list[bytes]] = []
    is_new = True
    for token in tokens:
        is_quoted = token.startswith(b'"')
        if token != _BLANK and (is_new or is_quoted):
            words.append([_unquoted(token)])
        elif token != _BLANK:
            words[-1].append(token)
        is_new = is_quoted or token == _BLANK
    return b" ".join(map(b"".join, words))


def _unquoted(token: bytes) -> bytes:
    if not token.startswith(b'"'):
        return token
    inside = token[1:-1] if len(token) > 1 and token.endswith(b'"') else token[1:]
    return _ESCAPE.sub(rb"\1", inside)
