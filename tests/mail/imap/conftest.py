"""An IMAP server on a real database, with a directory and a store in memory."""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from mail.address import Address
from mail.imap.config import Config
from mail.imap.notices import Notices
from mail.imap.renderings import Renderings
from mail.imap.server import Server, serve
from mail.mailbox import Mailboxes, SpecialUse
from mail.mailbox.quota import Quotas
from mail.memory import MemoryDirectory
from storage import MemoryStore
from tests.mail.imap.client import Client, connect
from tests.mail.post import Clock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from comgov.db import Database
    from mail.directory import Identity

    Open = Callable[[], Awaitable[Client]]


@dataclass
class House:
    """A server, and what tests ask of it."""

    mailboxes: Mailboxes
    blobs: MemoryStore
    clock: Clock
    notices: Notices
    directory: MemoryDirectory
    claire: Identity
    context: ssl.SSLContext
    port: int
    tls_port: int

    async def put(self, *contents: bytes, box: SpecialUse = SpecialUse.INBOX) -> list[int]:
        """Keep messages in one of Claire's mailboxes; gives their UIDs."""
        found = await self.mailboxes.standard(self.claire.account_id, box)
        return [(await self.mailboxes.append(found.id, content)).uid for content in contents]


@pytest.fixture
def config() -> Config:
    return Config()


@pytest.fixture
async def house(
    db: Database, server_context: ssl.SSLContext, client_context: ssl.SSLContext, config: Config
) -> AsyncIterator[House]:
    directory = MemoryDirectory("sante.gov.test")
    claire = directory.add_person(Address.parse("claire@sante.gov.test"), "secret", name="Claire N.")
    blobs, clock = MemoryStore(), Clock()
    mailboxes = Mailboxes(pool=db.pool, blobs=blobs, clock=clock)
    notices = Notices(db.pool)
    async with AsyncExitStack() as stack:
        ports = []
        for is_tls in (False, True):
            listening = socket.create_server(("127.0.0.1", 0))
            server = Server(
                hostname="mail.gov.test",
                mailboxes=mailboxes,
                directory=directory,
                notices=notices,
                quotas=Quotas(db.pool),
                renderings=Renderings(config.cache_bytes),
                config=config,
                message_limit_bytes=1 << 20,
                tls_context=server_context,
                is_tls=is_tls,
            )
            await stack.enter_async_context(serve(server, [listening]))
            ports.append(listening.getsockname()[1])
        listening_for_news = asyncio.create_task(notices.run())
        yield House(mailboxes, blobs, clock, notices, directory, claire, client_context, *ports)
        listening_for_news.cancel()
        await asyncio.gather(listening_for_news, return_exceptions=True)


@pytest.fixture
async def open_session(house: House) -> AsyncIterator[Open]:
    """Begins a session of Claire's, signed in, and gives the client."""
    async with AsyncExitStack() as stack:

        async def begin() -> Client:
            client = await stack.enter_async_context(connect(house.tls_port, house.context))
            assert (await client.say("LOGIN claire@sante.gov.test secret"))[-1].startswith(b"OK ")
            return client

        yield begin


@pytest.fixture
async def claire(open_session: Open) -> Client:
    return await open_session()
