"""The front door: whoever brings a message, it comes in here, and once it is in it cannot be lost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from uuid import UUID

    import asyncpg

    from mail.address import Address
    from mail.blobs import Blobs
    from mail.directory import Directory, Recipient
    from mail.envelope import Client, Envelope


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """A message that is durable: in every local inbox, and queued for every recipient elsewhere.

    body_id: also the id that the client is told. inboxes, queued: how many recipients of each kind.
    """

    body_id: UUID
    inboxes: int
    queued: int


class Relay:
    """Checks, stamps, resolves and commits. One per process; needs a running loop, no start and no stop."""

    def __init__(
        self,
        *,
        hostname: str,
        pool: asyncpg.Pool[asyncpg.Record],
        blobs: Blobs,
        directory: Directory,
        clock: Callable[[], datetime],
    ) -> None:
        """hostname: what this server calls itself in Received and in made-up Message-IDs."""
        raise NotImplementedError

    async def check_sender(self, sender: Address | None, client: Client) -> None:
        """Whether the client may use that envelope sender; raises NotPermitted or AuthenticationNeeded."""
        raise NotImplementedError

    async def check_recipient(self, recipient: Address, sender: Address | None, client: Client) -> Recipient:
        """Who receives there, for RCPT.

        Raises UnknownMailbox, RelayDenied (remote, from OUTSIDE), NotPermitted (a closed list), MailboxFull,
        SystemDown.
        """
        raise NotImplementedError

    async def accept(self, envelope: Envelope, content: bytes, client: Client) -> Accepted:
        """Take responsibility for a message; returns once it is durable.

        content: header, empty line, body, with CRLF line ends, exactly as received. Recipients are checked as
        `check_recipient` does and the sender as `check_sender` does; one bad recipient refuses the whole.
        A submission gains the Date, Message-ID and Sender it lacks and loses its Bcc.
        Raises the errors of the checks, Malformed, MessageTooLarge, Looping, SystemFull, SystemDown.
        """
        raise NotImplementedError
