"""Two clients who say the same: one to our server, one to a Dovecot of ours."""

from __future__ import annotations

import tempfile
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests.mail.imap.client import Client, connect
from tests.mail.imap.like_dovecot.replies import Reader
from tests.peers import dovecot
from tests.peers.dovecot import Dovecot

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from tests.mail.imap.conftest import House

    Enter = Callable[[], Awaitable[Client]]

USERS = tuple(f"user{number}" for number in range(200))
_NEXT_USER = count()


@dataclass
class Side:
    """One server, its sessions by name, and what it told."""

    enter: Enter
    reader: Reader = field(default_factory=Reader)
    sessions: dict[str, Client] = field(default_factory=dict)

    async def say(self, session: str, command: str, *literals: bytes) -> list[str]:
        """What it answers, read; `closed` when it hangs up. session: opened when it is first named."""
        if session not in self.sessions:
            self.sessions[session] = await self.enter()
        try:
            replies = await self.sessions[session].say(self._filled(command), *literals)
        except AssertionError:
            del self.sessions[session]
            self.reader.items = {}
            return ["closed"]
        is_select = command.upper().startswith(("SELECT", "EXAMINE"))
        return self.reader.read(replies, with_uid="UID" in command.upper(), is_select=is_select)

    def _filled(self, command: str) -> str:
        for name, value in self.reader.latest.items():
            command = command.replace(f"<{name}>", value)
        return command


@dataclass
class Both:
    """Ours and Dovecot, asked the same."""

    ours: Side
    theirs: Side

    async def say(self, command: str, *literals: bytes, session: str = "1") -> tuple[list[str], list[str]]:
        """What each answers."""
        return (
            await self.ours.say(session, command, *literals),
            await self.theirs.say(session, command, *literals),
        )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def peer() -> AsyncIterator[Dovecot]:
    """One for all tests of a module, each of which has a user of its own."""
    with tempfile.TemporaryDirectory(prefix="comgov-") as folder:
        Path(folder).chmod(0o755)
        async with dovecot.running(Path(folder) / "dovecot", USERS) as running:
            yield running


@pytest.fixture
async def both(house: House, peer: Dovecot) -> AsyncIterator[Both]:
    user = USERS[next(_NEXT_USER)]
    async with AsyncExitStack() as stack:

        async def ours() -> Client:
            client = await stack.enter_async_context(connect(house.tls_port, house.context))
            assert (await client.say("LOGIN claire@sante.gov.test secret"))[-1].startswith(b"OK ")
            return client

        async def theirs() -> Client:
            client = await stack.enter_async_context(connect(peer.port))
            assert (await client.say(f"LOGIN {user} {dovecot.PASSWORD}"))[-1].startswith(b"OK ")
            return client

        yield Both(Side(ours), Side(theirs))
