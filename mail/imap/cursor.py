"""A command as it is read: tokens of RFC 9051 §9, out of text and literals. Every step is linear in the bytes."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from mail.imap import names
from mail.imap.replies import Bad, NotDone
from mail.mailbox.sequence import SequenceSet

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Sequence

    from mail.octets import Octets

_ATOM = re.compile(rb"[^\x00-\x20\x7f-\xff(){%*\"\\\]]+")
_ASTRING = re.compile(rb"[^\x00-\x20\x7f-\xff(){%*\"\\]+")
_PATTERN = re.compile(rb"[^\x00-\x20\x7f-\xff(){\"\\]+")
_QUOTED = re.compile(rb'"((?:[^"\\\x00\r\n]|\\["\\])*)"')
_ESCAPE = re.compile(rb'\\(["\\])')
_MARKER = re.compile(rb"~?\{\d{1,20}\+?\}\Z")
_NUMBER = re.compile(rb"\d{1,20}")
_SET = re.compile(rb"[\d:,*]+")
_NAME_LIMIT_BYTES = 1000
_WILDCARDS_LIMIT = 20
_NUMBER_LIMIT = (1 << 63) - 1


class Cursor:
    """What is left of a command. Methods take a token off its front, or raise Bad. charset: of texts."""

    def __init__(self, pieces: Sequence[Octets], *, oversize: Container[int], utf8: bool) -> None:
        """utf8: strings and names are UTF-8; otherwise names are in modified UTF-7."""
        self._pieces = pieces
        self._oversize = oversize
        self._utf8 = utf8
        self.charset = "utf-8"
        self._place = 0
        self._text = bytes(pieces[0])
        self._at = 0
        self._wildcards = 0

    @property
    def is_at_end(self) -> bool:
        """Whether nothing is left."""
        return self._at == len(self._text) and self._place == len(self._pieces) - 1

    def end(self) -> None:
        """Nothing may be left."""
        if not self.is_at_end:
            raise Bad("There is more than the command takes")

    def sees(self, text: bytes) -> bool:
        """Whether this comes next."""
        return self._text.startswith(text, self._at)

    @property
    def sees_digit(self) -> bool:
        """Whether a digit comes next."""
        return self._text[self._at : self._at + 1].isdigit()

    def skip(self, text: bytes) -> bool:
        """Take this if it comes next; whether it did."""
        if not self.sees(text):
            return False
        self._at += len(text)
        return True

    def skip_word(self, word: str) -> bool:
        """Take this word if it comes next, in whichever case; whether it did."""
        found = _ATOM.match(self._text, self._at)
        if found is None or found[0].upper() != word.encode("ascii"):
            return False
        self._at = found.end()
        return True

    def skip_any(self, pattern: re.Pattern[bytes]) -> bool:
        """Take what the pattern matches if that comes next; whether it did."""
        found = pattern.match(self._text, self._at)
        self._at = self._at if found is None else found.end()
        return found is not None

    def expect(self, text: bytes) -> None:
        """Take this, which must come next."""
        if not self.skip(text):
            raise Bad(
                f"'{text.decode()}' is expected at byte {self._at + 1}" if text != b" " else "A space is expected"
            )

    def space(self) -> None:
        """Take the space between two arguments."""
        self.expect(b" ")

    def match(self, pattern: re.Pattern[bytes], what: str) -> re.Match[bytes]:
        found = pattern.match(self._text, self._at)
        if found is None:
            raise Bad(f"{what} is expected")
        self._at = found.end()
        return found

    def word(self) -> str:
        """An atom in capitals: a keyword of the protocol."""
        return self.match(_ATOM, "A word")[0].decode("ascii").upper()

    def atom(self) -> bytes:
        """An atom as it stands."""
        return self.match(_ATOM, "A word")[0]

    def number(self) -> int:
        """A number of 63 bits."""
        number = int(self.match(_NUMBER, "A number")[0])
        if number > _NUMBER_LIMIT:
            raise Bad("A number is too large")
        return number

    def messages(self) -> SequenceSet:
        """A set of sequence numbers or UIDs, or `$`."""
        if self.skip(b"$"):
            return SequenceSet(())
        try:
            return SequenceSet.parse(self.match(_SET, "A set of messages")[0])
        except ValueError:
            raise Bad("A set of messages is malformed") from None

    def string(self) -> bytes:
        """A quoted string or a literal."""
        if self.sees(b'"'):
            return _unquoted(self.match(_QUOTED, "A quoted string"))
        literal = bytes(self.literal())
        if b"\0" in literal:
            raise Bad("A string holds no NUL")
        return literal

    def astring(self) -> bytes:
        """A string, or a word that stands without quotes."""
        if self.sees(b'"') or self._sees_literal():
            return self.string()
        return self.match(_ASTRING, "A string")[0]

    def nstring(self) -> bytes | None:
        """A string; None for NIL."""
        if self.sees(b'"') or self._sees_literal():
            return self.string()
        if self.word() != "NIL":
            raise Bad("A string is expected")
        return None

    def pattern(self) -> str:
        """A name of LIST with its wildcards."""
        is_string = self.sees(b'"') or self._sees_literal()
        raw = self.string() if is_string else self.match(_PATTERN, "A mailbox pattern")[0]
        self._wildcards += raw.count(b"*") + raw.count(b"%")
        if self._wildcards > _WILDCARDS_LIMIT:
            raise Bad(f"There are more than {_WILDCARDS_LIMIT} wildcards")
        return self._name(raw)

    def mailbox(self) -> str:
        """A mailbox's name."""
        name = self._name(self.astring())
        if not name:
            raise Bad("A mailbox has a name")
        if self._utf8 and not unicodedata.is_normalized("NFC", name):
            raise NotDone("A name is in Net-Unicode, hence in normalization form C", code="CANNOT")
        return names.canonical(name)

    def text(self) -> str:
        """A string as text."""
        try:
            text = self.astring().decode(self.charset)
            text.encode()  # UTF-7 gives halves of characters
        except UnicodeError:
            raise Bad(f"A text is no {self.charset.upper()}") from None
        return text

    def _name(self, raw: bytes) -> str:
        if len(raw) > _NAME_LIMIT_BYTES:
            raise Bad("A name is too long")
        try:
            return raw.decode() if self._utf8 or not raw.isascii() else names.decode(raw)
        except ValueError:
            raise Bad("A name is neither UTF-8 nor modified UTF-7") from None

    def _sees_literal(self) -> bool:
        return _MARKER.match(self._text, self._at) is not None

    def literal(self) -> Octets:
        """A literal; the text goes on after it."""
        self.match(_MARKER, "A string")
        if self._place + 1 >= len(self._pieces):
            raise Bad("A literal is missing")
        literal = self._pieces[self._place + 1]
        self._place += 2
        self._text = bytes(self._pieces[self._place])
        self._at = 0
        return literal

    def message(self) -> Octets | None:
        """A literal of APPEND; None when it was too large to be taken."""
        place = self._place + 1
        literal = self.literal()
        return None if place in self._oversize else literal

    def listed(self, item: Callable[[], None], *, limit: int, may_be_empty: bool = False) -> None:
        """Items in parentheses, apart by spaces, each taken by `item`."""
        self.expect(b"(")
        if may_be_empty and self.skip(b")"):
            return
        for _ in range(limit):
            item()
            if self.skip(b")"):
                return
            self.space()
        raise Bad(f"A list has more than {limit} items")


def _unquoted(found: re.Match[bytes]) -> bytes:
    return _ESCAPE.sub(rb"\1", found[1]) if b"\\" in found[1] else found[1]
