"""What one reads: mailboxes, messages in them, pages of them. Values only."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag, StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from mail.message import Part
    from mail.octets import Octets


OTHER_USERS = "Other Users"
"""What people call the mailboxes of accounts that are not their own by, in front of each name (RFC 2342). None of an
account's own is called so."""


class SpecialUse(StrEnum):
    """What a mailbox is for (RFC 6154); each account has one of each."""

    INBOX = "Inbox"
    DRAFTS = "Drafts"
    SENT = "Sent"
    TRASH = "Trash"
    JUNK = "Junk"
    ARCHIVE = "Archive"


class Flag(IntFlag):
    r"""The system flags of IMAP, as bits: \Seen and so on."""

    NONE = 0
    SEEN = 1
    ANSWERED = 2
    FLAGGED = 4
    DELETED = 8
    DRAFT = 16


KEYWORDS_LIMIT = 60
"""Of one message."""


@dataclass(frozen=True, kw_only=True)
class Mailbox:
    """One mailbox and its exact counters.

    name: as IMAP shows it, `/` between levels. modseq: of its latest change (RFC 7162).
    subscribed: whether mail programs show it by default, to the reader it was asked for.
    messages, unseen: counts. size_bytes: of all its messages. recent_uid: up to it, some session of IMAP was told of
    its messages as recent.
    """

    id: int
    account_id: int
    name: str
    uidvalidity: int
    uidnext: int
    modseq: int
    special_use: SpecialUse | None
    subscribed: bool
    messages: int
    unseen: int
    size_bytes: int
    recent_uid: int


@dataclass(frozen=True, kw_only=True)
class Message:
    """A message in a mailbox, without its bytes.

    body_id: the same for every copy of the message on this server. flags, keywords: as IMAP's.
    size_bytes: of all that `read` gives, the stamps of this server included.
    from_text, to_text: decoded, for display. preview: the first words of the text, at most 200 characters.
    attachments: how many files. submitter: address of the person who submitted it here, empty for mail from
    elsewhere. on_behalf: From names another than the submitter ("sent by X for Y").
    """

    mailbox_id: int
    uid: int
    body_id: UUID
    internal_date: datetime
    flags: Flag
    keywords: tuple[str, ...]
    modseq: int
    size_bytes: int
    subject: str
    from_text: str
    to_text: str
    preview: str
    attachments: int
    sent_at: datetime | None
    message_id: str
    submitter: str
    on_behalf: bool

    @property
    def is_seen(self) -> bool:
        """Whether it was read."""
        return Flag.SEEN in self.flags


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A message to be kept that did not come by mail. internal_date: None for the present moment."""

    content: Octets
    flags: Flag = Flag.NONE
    keywords: tuple[str, ...] = ()
    internal_date: datetime | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """What came of changing flags. modseq: of what changed, one more than the mailbox had; None when nothing did.

    refused: UIDs left alone, as they had changed since they were last looked at.
    """

    modseq: int | None
    refused: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Content:
    """Where the bytes of a message lie, and its structure.

    trace: what this server stamped, before the header. header: as received, its empty line included.
    size_bytes: of header and rest, as received.
    envelope, bodystructure: IMAP's (RFC 9051 §7.5.2), ready to send. parts: leaves in order.
    """

    body_id: UUID
    trace: bytes
    header: bytes
    size_bytes: int
    envelope: bytes
    bodystructure: bytes
    parts: tuple[Part, ...]


@dataclass(frozen=True, kw_only=True)
class Page:
    """Newest first. total: exact count of what matches, whatever the page. next_before_uid: None on the last page."""

    messages: tuple[Message, ...]
    total: int
    next_before_uid: int | None
