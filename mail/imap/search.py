"""SEARCH, SORT and THREAD as values (RFC 9051 §6.4.4, RFC 5256)."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from mail.imap.commands import Algorithm, Return, Search, Sort, Thread
from mail.imap.moments import read_day
from mail.imap.replies import Bad, NotDone
from mail.mailbox.criteria import (
    Age,
    And,
    Compare,
    Contains,
    EmailId,
    Field,
    Flagged,
    Header,
    In,
    Internal,
    Keyword,
    Larger,
    ModSeq,
    Not,
    Or,
    Recent,
    Sent,
    Smaller,
    SortBy,
    ThreadId,
)
from mail.mailbox.model import Flag
from mail.message.header import known_charset

if TYPE_CHECKING:
    from collections.abc import Callable

    from mail.imap.cursor import Cursor
    from mail.mailbox.criteria import Key

_DEPTH_LIMIT = 50
_KEYS_LIMIT = 1000

_PLAIN: dict[str, Key] = {
    "ALL": And(()),
    "ANSWERED": Flagged(Flag.ANSWERED),
    "DELETED": Flagged(Flag.DELETED),
    "DRAFT": Flagged(Flag.DRAFT),
    "FLAGGED": Flagged(Flag.FLAGGED),
    "SEEN": Flagged(Flag.SEEN),
    "UNANSWERED": Not(Flagged(Flag.ANSWERED)),
    "UNDELETED": Not(Flagged(Flag.DELETED)),
    "UNDRAFT": Not(Flagged(Flag.DRAFT)),
    "UNFLAGGED": Not(Flagged(Flag.FLAGGED)),
    "UNSEEN": Not(Flagged(Flag.SEEN)),
    "RECENT": Recent(),
    "OLD": Not(Recent()),
    "NEW": And((Recent(), Not(Flagged(Flag.SEEN)))),
}
_FIELDS = {field.name: field for field in Field}
_DAYS: dict[str, Callable[[date], Key]] = {
    "BEFORE": lambda day: Internal(Compare.BEFORE, day),
    "ON": lambda day: Internal(Compare.ON, day),
    "SINCE": lambda day: Internal(Compare.SINCE, day),
    "SENTBEFORE": lambda day: Sent(Compare.BEFORE, day),
    "SENTON": lambda day: Sent(Compare.ON, day),
    "SENTSINCE": lambda day: Sent(Compare.SINCE, day),
}
_NUMBERS: dict[str, Callable[[int], Key]] = {
    "LARGER": Larger,
    "SMALLER": Smaller,
    "YOUNGER": lambda seconds: Age(seconds, is_younger=True),
    "OLDER": lambda seconds: Age(seconds, is_younger=False),
}


def search(cursor: Cursor, *, by_uid: bool = False) -> Search:
    """What follows SEARCH. Raises Bad, and NotDone for a charset that is not known."""
    returns = None
    cursor.space()
    if cursor.skip_word("RETURN"):
        cursor.space()
        returns = _returns(cursor)
        cursor.space()
    if cursor.skip_word("CHARSET"):
        cursor.space()
        _read_charset(cursor)
        cursor.space()
    return Search(_keys(cursor), by_uid, returns)


def sort(cursor: Cursor, *, by_uid: bool = False) -> Sort:
    """What follows SORT."""
    returns = None
    cursor.space()
    if cursor.skip_word("RETURN"):
        cursor.space()
        returns = _returns(cursor)
        cursor.space()
    criteria: list[tuple[SortBy, bool]] = []

    def criterion() -> None:
        word = cursor.word()
        is_reversed = word == "REVERSE"
        if is_reversed:
            cursor.space()
            word = cursor.word()
        try:
            criteria.append((SortBy(word), is_reversed))
        except ValueError:
            raise Bad(f"SORT knows no {word[:40]}") from None

    cursor.listed(criterion, limit=20)
    cursor.space()
    _read_charset(cursor)
    cursor.space()
    return Sort(tuple(criteria), _keys(cursor), by_uid, returns)


def thread(cursor: Cursor, *, by_uid: bool = False) -> Thread:
    """What follows THREAD."""
    cursor.space()
    word = cursor.word()
    try:
        algorithm = Algorithm(word)
    except ValueError:
        raise Bad(f"THREAD knows no {word[:40]}") from None
    cursor.space()
    _read_charset(cursor)
    cursor.space()
    return Thread(algorithm, _keys(cursor), by_uid)


def _returns(cursor: Cursor) -> frozenset[Return]:
    found: set[Return] = set()

    def option() -> None:
        word = cursor.word()
        try:
            found.add(Return(word))
        except ValueError:
            raise Bad(f"SEARCH returns no {word[:40]}") from None

    cursor.listed(option, limit=20, may_be_empty=True)
    return frozenset(found or {Return.ALL})


def _read_charset(cursor: Cursor) -> None:
    """That of the texts that follow; ASCII is a part of UTF-8, which stands for it."""
    charset = known_charset(cursor.text())
    if not charset:
        raise NotDone("There is no such charset here", code="BADCHARSET (US-ASCII UTF-8)")
    cursor.charset = charset if charset != "ascii" else "utf-8"


def _keys(cursor: Cursor) -> Key:
    reader = _Keys(cursor)
    found = [reader.key(1)]
    while cursor.skip(b" "):
        found.append(reader.key(1))
    return found[0] if len(found) == 1 else And(tuple(found))


class _Keys:
    """Reads keys, so many and so deep at most."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self._left = _KEYS_LIMIT

    def key(self, depth: int) -> Key:
        cursor = self._cursor
        self._left -= 1
        if depth > _DEPTH_LIMIT or not self._left:
            raise Bad("The search is too complicated")
        if cursor.sees(b"("):
            found: list[Key] = []
            cursor.listed(lambda: found.append(self.key(depth + 1)), limit=_KEYS_LIMIT)
            return And(tuple(found))
        if cursor.sees_digit or cursor.sees(b"*") or cursor.sees(b"$"):
            return In(cursor.messages(), by_uid=False)
        return self._named(cursor.word(), depth)

    def _named(self, word: str, depth: int) -> Key:
        cursor = self._cursor
        if word in _PLAIN:
            return _PLAIN[word]
        cursor.space()
        if word == "NOT":
            return Not(self.key(depth + 1))
        if word == "OR":
            left = self.key(depth + 1)
            cursor.space()
            return Or(left, self.key(depth + 1))
        if word in _FIELDS:
            return Contains(_FIELDS[word], cursor.text())
        if word in _DAYS:
            return _DAYS[word](read_day(cursor))
        if word in _NUMBERS:
            return _NUMBERS[word](cursor.number())
        return self._rare(word)

    def _rare(self, word: str) -> Key:
        cursor = self._cursor
        if word == "UID":
            return In(cursor.messages(), by_uid=True)
        if word in ("KEYWORD", "UNKEYWORD"):
            key = Keyword(cursor.atom().decode("ascii"))
            return key if word == "KEYWORD" else Not(key)
        if word == "HEADER":
            name = cursor.text()
            cursor.space()
            return Header(name.lower(), cursor.text())
        if word == "MODSEQ":
            return ModSeq(_modseq(cursor))
        if word == "EMAILID":
            return EmailId(cursor.atom().decode("ascii"))
        if word == "THREADID":
            return ThreadId(cursor.atom().decode("ascii"))
        raise Bad(f"SEARCH knows no {word[:40]}")


def _modseq(cursor: Cursor) -> int:
    """RFC 7162 §3.1.5: an entry may stand before it; ours have one MODSEQ for all."""
    if cursor.sees(b'"'):
        cursor.string()
        cursor.space()
        if cursor.word() not in ("PRIV", "SHARED", "ALL"):
            raise Bad("A kind of entry is expected")
        cursor.space()
    return cursor.number()
