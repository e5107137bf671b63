"""The running server under attack by IMAP: memory stays bounded, whatever is asked for and not taken."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from comgov.demo.clients import trusting
from comgov.demo.government import PASSWORD, full
from comgov.demo.process import DemoProcess
from tests.mail.imap.client import Client, connect
from tests.scenarios import processes

pytestmark = pytest.mark.xdist_group("hostile imap")

MIB = 1 << 20
READERS = 12
LINE = b"x" * 998 + b"\r\n"


@asynccontextmanager
async def session(demo: DemoProcess) -> AsyncIterator[Client]:
    context = trusting(demo.directory)
    async with connect(demo.ports.imaps, context) as client:
        assert (await client.say(f"LOGIN {full('paul@ngozi')} {PASSWORD}"))[-1].startswith(b"OK ")
        yield client


@pytest.fixture
async def filled(demo: DemoProcess) -> None:
    """Mailboxes: many messages with large headers, of many parts, with large bodies in the store and in the row."""
    header = b"".join(b"X-%d: b\r\n" % number for number in range(85_000))
    parts = b"".join(b"--b\r\nContent-Type: text/plain; name=%b\r\n\r\nx\r\n" % (b"n" * 900) for _ in range(900))
    contents = {
        "Headers": header + b"Subject: x\r\n\r\nx\r\n",
        "Parts": b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + parts + b"--b--\r\n",
        "Bodies": b"Subject: x\r\n\r\n" + LINE * 5000,
        "Rows": b"Subject: x\r\n\r\n" + LINE * 60,
    }
    async with session(demo) as client:
        for name, content in contents.items():
            if (await client.say(f"CREATE {name}"))[-1].startswith(b"NO [ALREADYEXISTS]"):
                return
            assert (await client.say(f"APPEND {name} {{}}", content))[-1].startswith(b"OK ")
            assert (await client.say(f"SELECT {name}"))[-1].startswith(b"OK ")
            for _ in range(9):
                assert (await client.say(f"COPY 1:* {name}"))[-1].startswith(b"OK ")


@pytest.mark.parametrize(
    ("box", "items"),
    [
        ("Headers", "BODY.PEEK[HEADER]"),
        ("Headers", "BODY.PEEK[HEADER.FIELDS.NOT (Subject)]"),
        ("Parts", "BODYSTRUCTURE"),
        ("Parts", "BODY BODY.PEEK[1.MIME]"),
        ("Bodies", "BODY.PEEK[]"),
        ("Rows", "BODY.PEEK[] BODY.PEEK[1]"),
    ],
)
async def test_readers_who_take_nothing_hold_little_memory(
    demo: DemoProcess, filled: None, box: str, items: str
) -> None:
    """512 messages of up to five megabytes, asked for by many; others are answered within a second meanwhile."""
    async with AsyncExitStack() as stack:
        readers = [await stack.enter_async_context(session(demo)) for _ in range(READERS)]
        witnesses = [await stack.enter_async_context(session(demo)) for _ in range(4)]
        for reader in readers:
            assert (await reader.say(f"EXAMINE {box}"))[-1].startswith(b"OK ")
            reader.reader._transport.pause_reading()  # type: ignore[attr-defined]
        before, most, times = processes.most_mib(demo), 0, []
        for reader in readers:
            await reader.send(f"a FETCH 1:* ({items})\r\n".encode())
        until = time.monotonic() + 4
        while time.monotonic() < until:
            for witness in witnesses:
                began = time.monotonic()
                assert (await witness.say("STATUS INBOX (MESSAGES)"))[-1].startswith(b"OK ")
                times.append(time.monotonic() - began)
            most = max(most, processes.most_mib(demo))
            await asyncio.sleep(0.1)
        assert most - before < 100
        assert sorted(times)[-3] < 1
