"""Reading and writing mail in the browser: whose mailboxes one opens, what one is writing. No await."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from comgov.errors import Invalid
from comgov.language import N_
from comgov.people.model import Rights
from mail.address import Address, AddressError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from mail.mailbox import Mailbox

SUBJECT_LIMIT = 500  # characters
TEXT_LIMIT = 500_000
ADDRESSES_LIMIT = 20_000  # characters of one field of addresses
_NAMED_LIMIT = 500  # characters of a header that a list row looks at


def names_of(addresses: str) -> str:
    """Who a decoded header of addresses names, as a list has room for: names alone, the address where there is none."""
    bare = re.sub(r"(^|, )<([^<>]*)>", r"\1\2", addresses[:_NAMED_LIMIT])
    return re.sub(r" <[^<>]*(?:>|$)", "", bare).replace('"', "")


@dataclass(frozen=True, kw_only=True)
class Access:
    """An account whose mail one may open: one's own, or that of a post one holds. name: of the person or the post."""

    account_id: int
    name: str
    address: str
    rights: Rights

    @property
    def may_change(self) -> bool:
        """Whether one may mark, move and delete there."""
        return self.rights.includes(Rights.EDITOR)

    @property
    def may_send(self) -> bool:
        """Whether one may write in its name."""
        return self.rights.includes(Rights.SENDER)


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A mailbox one looks into, its account, and all the account's mailboxes."""

    access: Access
    mailbox: Mailbox
    siblings: Sequence[Mailbox]


@dataclass(frozen=True, kw_only=True)
class Answered:
    """The message that a draft answers or passes on."""

    how: Literal["reply", "forward"]
    mailbox_id: int
    uid: int


@dataclass(frozen=True, kw_only=True)
class DraftFile:
    """A file that goes with a draft; its bytes lie in the store, by digest."""

    id: int
    filename: str
    content_type: str
    sha256: bytes
    size_bytes: int


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A message being written. Fields of addresses are kept as they were typed.

    id: also that of the message once sent. sender_id: the account it is written for.
    in_reply_to, thread: Message-IDs for the header. sent_at: None until it is.
    """

    id: UUID
    person_id: int
    sender_id: int
    to: str = ""
    cc: str = ""
    bcc: str = ""
    subject: str = ""
    text: str = ""
    answered: Answered | None = None
    in_reply_to: str = ""
    thread: str = ""
    saved_at: datetime | None = None
    sent_at: datetime | None = None
    files: tuple[DraftFile, ...] = field(default=())

    @property
    def is_empty(self) -> bool:
        """Whether nothing was written yet that would be missed."""
        return not (self.to or self.cc or self.bcc or self.subject or self.text.strip() or self.files)


@dataclass(frozen=True, kw_only=True)
class Recipient:
    """name: as it was typed, empty for none."""

    name: str
    address: Address


_ENTRY = re.compile(r'((?:"(?:[^"\\]|\\.)*"|[^",;\r\n])*)[,;\r\n]*')
_NAMED = re.compile(r"(.*?)\s*<([^<>]*)>")


def recipients(text: str) -> list[Recipient]:
    """Who a field of addresses names: `Name <a@b>, "Name, title" <c@d>; e@f`.

    Raises Invalid with the one that cannot be read.
    """
    if len(text) > ADDRESSES_LIMIT:
        raise Invalid(N_("There are too many addresses in one field. Write to a list instead."))
    found, at = [], 0
    while at < len(text):
        entry = _ENTRY.match(text, at)
        if entry is None or entry.end() == at:  # a quotation mark that is never closed
            raise _no_address(text[at:])
        at = entry.end()
        if written := entry[1].strip():
            found.append(_recipient(written))
    return found


def _recipient(written: str) -> Recipient:
    named = _NAMED.fullmatch(written)
    name, address = (named[1], named[2]) if named else ("", written)
    name = re.sub(r"\\(.)", r"\1", name[1:-1]) if name[:1] == '"' == name[-1:] else name
    try:
        return Recipient(name=single_line(name), address=Address.parse(address.strip()))
    except AddressError as error:
        raise _no_address(written) from error


def _no_address(written: str) -> Invalid:
    return Invalid(
        N_("“{address}” is not an address. Nothing was sent; correct it and send again."), address=written[:100]
    )


def single_line(text: str) -> str:
    """Text fit for a header: NFC, no control character, single spaces; what would start a new field is a space."""
    spaced = "".join(" " if unicodedata.category(letter) in ("Cc", "Zl", "Zp") else letter for letter in text)
    return " ".join(unicodedata.normalize("NFC", spaced).split())


_ANSWER = re.compile(r"^\s*((re|aw|sv|ré|réf)\s*(\[\d+\])?\s*:\s*)+", re.IGNORECASE)
_PASSED_ON = re.compile(r"^\s*((fwd?|tr|wg)\s*:\s*)+", re.IGNORECASE)


def answer_subject(subject: str) -> str:
    """`Re: ` once, however often it was answered."""
    return f"Re: {_ANSWER.sub('', subject)}"[:SUBJECT_LIMIT]


def forward_subject(subject: str, prefix: str) -> str:
    """The same for a message passed on. prefix: `Tr: ` in French, `Fwd: ` in English."""
    return f"{prefix}{_PASSED_ON.sub('', subject)}"[:SUBJECT_LIMIT]


def quoted(text: str) -> str:
    """Text as one quotes it, each line behind `> ` (RFC 3676 §4.5)."""
    return "\n".join(f">{line}" if line.startswith(">") else f"> {line}".rstrip() for line in text.splitlines())
