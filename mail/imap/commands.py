"""What a client asks, as values: one class for each command, as `parser.parse` gives it.

Mailbox names are as users write them, `/` between levels, whatever coding the client used; INBOX is in capitals.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from mail.mailbox.criteria import Key, SortBy
    from mail.mailbox.model import Flag, SpecialUse
    from mail.mailbox.sequence import SequenceSet
    from mail.octets import Octets


@dataclass(frozen=True, slots=True)
class Simple:
    """A command without arguments: CAPABILITY, NOOP, LOGOUT, STARTTLS, IDLE, CHECK, CLOSE, UNSELECT, NAMESPACE."""

    name: str


@dataclass(frozen=True, slots=True)
class Id:
    """ID (RFC 2971). fields: what the client tells of itself, names in lower case."""

    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Login:
    login: str
    password: str


@dataclass(frozen=True, slots=True)
class Authenticate:
    """AUTHENTICATE. mechanism: in capitals. initial: in base64, `=` for empty (RFC 4959); None when absent."""

    mechanism: str
    initial: bytes | None


@dataclass(frozen=True, slots=True)
class Enable:
    """ENABLE (RFC 5161). capabilities: in capitals."""

    capabilities: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Compress:
    """COMPRESS (RFC 4978). algorithm: in capitals."""

    algorithm: str


@dataclass(frozen=True, slots=True)
class Resync:
    """What a client remembers of a mailbox (QRESYNC, RFC 7162 §3.2.5).

    known_uids: None for all.
    """

    uidvalidity: int
    modseq: int
    known_uids: SequenceSet | None


@dataclass(frozen=True, slots=True)
class Select:
    """SELECT, or EXAMINE when `is_read_only`."""

    name: str
    is_read_only: bool
    condstore: bool
    resync: Resync | None


@dataclass(frozen=True, slots=True)
class Create:
    """CREATE. special_use: what it is to be for (RFC 6154)."""

    name: str
    special_use: SpecialUse | None


@dataclass(frozen=True, slots=True)
class Delete:
    name: str


@dataclass(frozen=True, slots=True)
class Rename:
    name: str
    new_name: str


@dataclass(frozen=True, slots=True)
class Subscribe:
    """SUBSCRIBE, or UNSUBSCRIBE when not `subscribed`."""

    name: str
    subscribed: bool


class StatusItem(StrEnum):
    MESSAGES = "MESSAGES"
    RECENT = "RECENT"
    UIDNEXT = "UIDNEXT"
    UIDVALIDITY = "UIDVALIDITY"
    UNSEEN = "UNSEEN"
    DELETED = "DELETED"
    SIZE = "SIZE"
    HIGHESTMODSEQ = "HIGHESTMODSEQ"
    MAILBOXID = "MAILBOXID"
    APPENDLIMIT = "APPENDLIMIT"
    DELETED_STORAGE = "DELETED-STORAGE"


@dataclass(frozen=True, slots=True)
class Status:
    name: str
    items: tuple[StatusItem, ...]


@dataclass(frozen=True, slots=True)
class List:
    """LIST with selection and return options (RFC 5258, 5819, 6154); LSUB when `is_lsub`.

    patterns: as names, `*` and `%` in them. select, returns: options in capitals, such as `SUBSCRIBED`, `CHILDREN`.
    status: items of the return option STATUS. is_extended: the extended syntax was used.
    """

    reference: str
    patterns: tuple[str, ...]
    select: frozenset[str] = frozenset()
    returns: frozenset[str] = frozenset()
    status: tuple[StatusItem, ...] = ()
    is_lsub: bool = False
    is_extended: bool = False


@dataclass(frozen=True, slots=True)
class Appended:
    """One message of an APPEND. content: None when it was over the limit."""

    flags: Flag
    keywords: tuple[str, ...]
    internal_date: datetime | None
    content: Octets | None


@dataclass(frozen=True, slots=True)
class Append:
    """APPEND, of several messages at once too (MULTIAPPEND, RFC 3502)."""

    name: str
    messages: tuple[Appended, ...]


@dataclass(frozen=True, slots=True)
class Expunge:
    """EXPUNGE; UID EXPUNGE (RFC 4315) names its messages."""

    uids: SequenceSet | None


class Action(Enum):
    """What STORE does with the flags it names."""

    REPLACE = ""
    ADD = "+"
    REMOVE = "-"


@dataclass(frozen=True, slots=True)
class Store:
    """STORE. is_silent: FLAGS.SILENT. unchanged_since: a MODSEQ (RFC 7162 §3.1.3)."""

    messages: SequenceSet
    by_uid: bool
    action: Action
    is_silent: bool
    flags: Flag
    keywords: tuple[str, ...]
    unchanged_since: int | None


@dataclass(frozen=True, slots=True)
class Copy:
    """COPY, or MOVE (RFC 6851) when `is_move`."""

    messages: SequenceSet
    by_uid: bool
    name: str
    is_move: bool


class Item(StrEnum):
    """What FETCH gives of a message besides its bytes. FULL and the other macros are opened by the parser."""

    UID = "UID"
    FLAGS = "FLAGS"
    INTERNALDATE = "INTERNALDATE"
    RFC822_SIZE = "RFC822.SIZE"
    ENVELOPE = "ENVELOPE"
    BODY = "BODY"
    BODYSTRUCTURE = "BODYSTRUCTURE"
    MODSEQ = "MODSEQ"
    EMAILID = "EMAILID"
    THREADID = "THREADID"
    PREVIEW = "PREVIEW"


class Text(StrEnum):
    """What of a part is wanted (RFC 9051 §6.4.5.1). ALL: `BODY[]`, `BODY[1.2]`."""

    ALL = ""
    HEADER = "HEADER"
    HEADER_FIELDS = "HEADER.FIELDS"
    HEADER_FIELDS_NOT = "HEADER.FIELDS.NOT"
    TEXT = "TEXT"
    MIME = "MIME"


@dataclass(frozen=True, slots=True)
class Section:
    """Bytes of a message: `BODY[1.2.HEADER.FIELDS (DATE)]<0.100>`.

    part: such as `1.2`, empty for the message itself. fields: names as the client wrote them.
    span: where the wanted bytes begin, and how many; None for all. is_peek: does not set \\Seen.
    label: how the reply calls it, the range's beginning aside, such as `BODY[1.2.TEXT]` or `RFC822.HEADER`.
    """

    part: str
    text: Text
    fields: tuple[bytes, ...]
    span: tuple[int, int] | None
    is_peek: bool
    label: bytes


@dataclass(frozen=True, slots=True)
class Binary:
    """A part with its encoding undone (RFC 3516). is_size: BINARY.SIZE, its length alone."""

    part: str
    span: tuple[int, int] | None
    is_peek: bool
    is_size: bool


@dataclass(frozen=True, slots=True)
class Fetch:
    """FETCH. changed_since: a MODSEQ (RFC 7162 §3.1.4). vanished: tell also what is gone since (§3.2.6).

    items: in the order asked, without repetition.
    """

    messages: SequenceSet
    by_uid: bool
    items: tuple[Item | Section | Binary, ...]
    changed_since: int | None
    vanished: bool


class Return(StrEnum):
    """What ESEARCH tells of the result (RFC 4731, 5182, 9394)."""

    MIN = "MIN"
    MAX = "MAX"
    ALL = "ALL"
    COUNT = "COUNT"
    SAVE = "SAVE"


@dataclass(frozen=True, slots=True)
class Search:
    """SEARCH. returns: None for the answer of old (`* SEARCH 1 2 3`); empty parentheses mean ALL."""

    key: Key
    by_uid: bool
    returns: frozenset[Return] | None


@dataclass(frozen=True, slots=True)
class Sort:
    """SORT (RFC 5256, 5267). criteria: each with whether it is reversed. returns: as of Search."""

    criteria: tuple[tuple[SortBy, bool], ...]
    key: Key
    by_uid: bool
    returns: frozenset[Return] | None


class Algorithm(StrEnum):
    """How THREAD puts messages in threads."""

    ORDEREDSUBJECT = "ORDEREDSUBJECT"
    REFERENCES = "REFERENCES"


@dataclass(frozen=True, slots=True)
class Thread:
    """THREAD (RFC 5256)."""

    algorithm: Algorithm
    key: Key
    by_uid: bool


@dataclass(frozen=True, slots=True)
class Quota:
    """GETQUOTA (RFC 9208); GETQUOTAROOT when `is_root`, and then `name` is a mailbox's."""

    name: str
    is_root: bool


@dataclass(frozen=True, slots=True)
class SetQuota:
    """SETQUOTA. limits: by resource, in capitals, in its unit."""

    root: str
    limits: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Acl:
    """GETACL, MYRIGHTS, LISTRIGHTS, SETACL, DELETEACL (RFC 4314). command: in capitals. name: of the mailbox."""

    command: str
    name: str
    identifier: str = ""
    rights: str = ""


Command: TypeAlias = (
    Simple
    | Id
    | Login
    | Authenticate
    | Enable
    | Compress
    | Select
    | Create
    | Delete
    | Rename
    | Subscribe
    | Status
    | List
    | Append
    | Expunge
    | Store
    | Copy
    | Fetch
    | Search
    | Sort
    | Thread
    | Quota
    | SetQuota
    | Acl
)
