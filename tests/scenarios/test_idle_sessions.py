"""What mail programs that are open all day cost a node: each keeps a session or five, and says nothing."""

from __future__ import annotations

import asyncio
import zlib
from contextlib import AsyncExitStack

import pytest

from comgov.demo.clients import trusting
from comgov.demo.government import PASSWORD, full
from comgov.demo.process import DemoProcess
from tests.mail.imap.client import Client, connect
from tests.scenarios import processes
from tests.scenarios.letters import letters
from tests.scenarios.sides import Account

pytestmark = pytest.mark.xdist_group("idle sessions")

FIRST, MORE = 20, 100


async def test_an_idle_session_that_has_read_much_holds_200_kb_at_most(
    demo: DemoProcess, accounts: tuple[Account, Account]
) -> None:
    """TLS, deflated, and a mailbox open: memory after some sessions, and after many more."""
    await accounts[0].add("INBOX", list(letters(100)))
    context = trusting(demo.directory)
    async with AsyncExitStack() as stack:
        held = []
        for count in (FIRST, MORE):
            for _ in range(count):
                await _idle(await stack.enter_async_context(connect(demo.ports.imaps, context)))
            await asyncio.sleep(0.5)
            held.append(sum(map(processes.pss_bytes, processes.workers(demo.pid))))
    each = (held[1] - held[0]) / MORE
    print(f"{each / 1000:.0f} kB each")
    assert each <= 200_000


async def _idle(client: Client) -> None:
    """Read 400 kB, then wait."""
    await client.say(f"LOGIN {full('jean@sante')} {PASSWORD}")
    await client.say("SELECT INBOX")
    await client.say("COMPRESS DEFLATE")
    deflater, inflater = zlib.compressobj(wbits=-15), zlib.decompressobj(-15)
    command = deflater.compress(b"a FETCH 1:* BODY.PEEK[]\r\nb IDLE\r\n") + deflater.flush(zlib.Z_SYNC_FLUSH)
    await client.send(command)
    told = b""
    while b"\r\n+ " not in told:
        piece = await asyncio.wait_for(client.reader.read(65536), 20)
        assert piece
        told = told[-10:] + inflater.decompress(piece)
