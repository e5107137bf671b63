"""Reading and keeping: what the web, the API and IMAP do with the mail that has arrived."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mail.mailbox.model import Flag

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from datetime import datetime

    import asyncpg

    from mail.blobs import Blobs
    from mail.mailbox.model import Content, Mailbox, Message, Page, SpecialUse
    from mail.message import Part


class Mailboxes:
    """Every mailbox of every account. Who may read which account is the caller's to check, by `Mailbox.account_id`.

    Methods raise NoSuchMailbox or NoSuchMessage for what is not there, SystemDown when the database is not.
    """

    def __init__(self, *, pool: asyncpg.Pool[asyncpg.Record], blobs: Blobs, clock: Callable[[], datetime]) -> None:
        raise NotImplementedError

    async def mailboxes(self, account_id: int) -> tuple[Mailbox, ...]:
        """All of an account's, the standard ones first; those are made on first use."""
        raise NotImplementedError

    async def mailbox(self, mailbox_id: int) -> Mailbox:
        """One, by its id."""
        raise NotImplementedError

    async def standard(self, account_id: int, use: SpecialUse) -> Mailbox:
        """The account's Inbox, Sent and so on; made on first use."""
        raise NotImplementedError

    async def create(self, account_id: int, name: str) -> Mailbox:
        """A new, empty one. Raises MailboxExists."""
        raise NotImplementedError

    async def page(
        self, mailbox_id: int, *, before_uid: int | None = None, limit: int = 50, unseen_only: bool = False
    ) -> Page:
        """Messages newest first, those with a UID below `before_uid`."""
        raise NotImplementedError

    async def get(self, mailbox_id: int, uid: int) -> Message:
        """One message, without its bytes."""
        raise NotImplementedError

    async def content(self, message: Message) -> Content:
        """Its header and structure, without the rest of its bytes."""
        raise NotImplementedError

    def read(self, message: Message, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        """Its bytes, stamps included, from `start` up to `stop` (None: the end), in chunks."""
        raise NotImplementedError

    def part(self, message: Message, part: Part) -> AsyncIterator[bytes]:
        """The decoded bytes of a part (base64 and quoted-printable undone), in chunks."""
        raise NotImplementedError

    async def append(
        self,
        mailbox_id: int,
        content: bytes,
        *,
        flags: Flag = Flag.NONE,
        keywords: Sequence[str] = (),
        internal_date: datetime | None = None,
    ) -> Message:
        """Keep a message that did not come by mail: a draft, what was sent. CRLF line ends."""
        raise NotImplementedError

    async def set_flags(
        self, mailbox_id: int, uids: Sequence[int], *, add: Flag = Flag.NONE, remove: Flag = Flag.NONE
    ) -> int:
        """Set and clear flags; gives the mailbox's MODSEQ. UIDs that are not there are passed over."""
        raise NotImplementedError

    async def move(self, mailbox_id: int, uids: Sequence[int], to_mailbox_id: int) -> dict[int, int]:
        """Move messages; gives old UID → new UID."""
        raise NotImplementedError

    async def copy(self, mailbox_id: int, uids: Sequence[int], to_mailbox_id: int) -> dict[int, int]:
        """Copy messages, their bytes shared; gives UID → new UID."""
        raise NotImplementedError

    async def expunge(self, mailbox_id: int, uids: Sequence[int]) -> tuple[int, ...]:
        """Remove messages for good; gives the UIDs that were there."""
        raise NotImplementedError

    async def search(self, mailbox_id: int, text: str, *, before_uid: int | None = None, limit: int = 50) -> Page:
        """Messages that hold every word of `text` (case and accents aside, `word*` by prefix), newest first."""
        raise NotImplementedError
