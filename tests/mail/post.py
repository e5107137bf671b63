"""A relay on a real database, with a directory and a store in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from mail.acceptance.front_door import Relay
from mail.address import Address
from mail.config import Config
from mail.mailbox import Mailboxes, SpecialUse
from mail.memory import MemoryDirectory
from storage import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Callable

    import asyncpg

    from mail.directory import Account, Identity
    from mail.mailbox import Message

START = datetime(2026, 11, 22, 9, 30, 15, tzinfo=UTC)


@dataclass
class Clock:
    """Time that moves when told to."""

    now: datetime = field(default=START)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, step: timedelta) -> None:
        self.now += step


@dataclass
class Post:
    """The pieces of one worker, and shorthands for tests."""

    directory: MemoryDirectory
    blobs: MemoryStore
    relay: Relay
    mailboxes: Mailboxes
    claire: Identity
    eric: Identity
    secretariat: Account

    async def inbox(self, account_id: int) -> list[Message]:
        """What the account's Inbox holds, oldest first."""
        box = await self.mailboxes.standard(account_id, SpecialUse.INBOX)
        page = await self.mailboxes.page(box.id, limit=1000)
        messages = list(page.messages)
        while page.next_before_uid is not None:
            page = await self.mailboxes.page(box.id, limit=1000, before_uid=page.next_before_uid)
            messages += page.messages
        return messages[::-1]

    async def read(self, message: Message) -> bytes:
        """All its bytes, stamps included."""
        return b"".join([chunk async for chunk in self.mailboxes.read(message)])


def make_post(pool: asyncpg.Pool[asyncpg.Record], clock: Callable[[], datetime], config: Config) -> Post:
    """One worker's relay and mailboxes: Claire and Eric, a post's shared mailbox, all of them local."""
    directory = MemoryDirectory("sante.gov.test", "finances.gov.test")
    claire = directory.add_person(Address.parse("claire@sante.gov.test"), "secret", name="Claire N.")
    eric = directory.add_person(Address.parse("eric@finances.gov.test"), "other", name="Éric B.")
    secretariat = directory.add_account(Address.parse("secretariat@sante.gov.test"))
    directory.grant(claire, secretariat.address)
    blobs = MemoryStore()
    return Post(
        directory=directory,
        blobs=blobs,
        relay=Relay(hostname="mail.gov.test", pool=pool, blobs=blobs, directory=directory, clock=clock, config=config),
        mailboxes=Mailboxes(pool=pool, blobs=blobs, clock=clock),
        claire=claire,
        eric=eric,
        secretariat=secretariat,
    )
