"""What one looks for in a mailbox, and in which order: IMAP's SEARCH (RFC 9051 §6.4.4) and SORT (RFC 5256), as values.

Dates are days, compared as the RFC says: without regard to time and zone.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from datetime import date

    from mail.mailbox.model import Flag
    from mail.mailbox.sequence import SequenceSet


@dataclass(frozen=True, slots=True)
class And:
    """Every one of them; none at all is ALL."""

    keys: tuple[Key, ...]


@dataclass(frozen=True, slots=True)
class Or:
    left: Key
    right: Key


@dataclass(frozen=True, slots=True)
class Not:
    key: Key


@dataclass(frozen=True, slots=True)
class Flagged:
    """Has that system flag."""

    flag: Flag


@dataclass(frozen=True, slots=True)
class Keyword:
    """Has that keyword."""

    keyword: str


@dataclass(frozen=True, slots=True)
class Recent:
    """Has \\Recent in this session."""


@dataclass(frozen=True, slots=True)
class In:
    """Is one of these."""

    messages: SequenceSet
    by_uid: bool


@dataclass(frozen=True, slots=True)
class Uids:
    """Is one of these: what `In` and `Recent` become in a session, which alone knows its numbers.

    runs: first and last UID of each, ascending and apart.
    """

    runs: tuple[tuple[int, int], ...]


class Field(StrEnum):
    """Where a text is looked for."""

    SUBJECT = "subject"
    FROM = "from"
    TO = "to"
    CC = "cc"
    BCC = "bcc"
    BODY = "body"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Contains:
    """Holds that text there, case aside."""

    field: Field
    text: str


@dataclass(frozen=True, slots=True)
class Header:
    """Has that header field (lower case), holding that text; an empty one only asks for the field."""

    name: str
    text: str


class Compare(Enum):
    BEFORE = "<"
    ON = "="
    SINCE = ">="


@dataclass(frozen=True, slots=True)
class Internal:
    """Its internal date compared with a day."""

    compare: Compare
    day: date


@dataclass(frozen=True, slots=True)
class Sent:
    """Its Date field compared with a day."""

    compare: Compare
    day: date


@dataclass(frozen=True, slots=True)
class Age:
    """Within so many seconds (YOUNGER), or not (OLDER) (RFC 5032)."""

    seconds: int
    is_younger: bool


@dataclass(frozen=True, slots=True)
class Larger:
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Smaller:
    size_bytes: int


@dataclass(frozen=True, slots=True)
class ModSeq:
    """Changed at that MODSEQ or later (RFC 7162 §3.1.5)."""

    modseq: int


@dataclass(frozen=True, slots=True)
class EmailId:
    email_id: str


@dataclass(frozen=True, slots=True)
class ThreadId:
    thread_id: str


class SortBy(StrEnum):
    """What messages are sorted by (RFC 5256 §3, RFC 5957)."""

    ARRIVAL = "ARRIVAL"
    CC = "CC"
    DATE = "DATE"
    DISPLAYFROM = "DISPLAYFROM"
    DISPLAYTO = "DISPLAYTO"
    FROM = "FROM"
    SIZE = "SIZE"
    SUBJECT = "SUBJECT"
    TO = "TO"


Key: TypeAlias = (
    And
    | Or
    | Not
    | Flagged
    | Keyword
    | Recent
    | In
    | Uids
    | Contains
    | Header
    | Internal
    | Sent
    | Age
    | Larger
    | Smaller
    | ModSeq
    | EmailId
    | ThreadId
)


def holds(key: Key, kinds: tuple[type, ...]) -> bool:
    """Whether there is a key of such a kind in it."""
    if isinstance(key, And):
        return any(holds(one, kinds) for one in key.keys)
    if isinstance(key, Or):
        return holds(key.left, kinds) or holds(key.right, kinds)
    return holds(key.key, kinds) if isinstance(key, Not) else isinstance(key, kinds)
