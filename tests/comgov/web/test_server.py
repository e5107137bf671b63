"""The HTTP server itself: who says nothing is hung up on, who talks is heard out."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from comgov import web
from comgov.feature import Platform

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def port(platform: Platform) -> AsyncIterator[int]:
    """A server that waits half a second for the first head of a connection."""
    impatient = web.Config(header_timeout=timedelta(seconds=0.5))
    patient: dict[Any, Any] = dict(platform.configs) | {web.Config: impatient}
    here = Platform(
        db=platform.db,
        blobs=platform.blobs,
        clock=platform.clock,
        configs=patient,
        relay=platform.relay,
        mailboxes=platform.mailboxes,
    )
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setblocking(False)
    async with web.serve(web.application(here, []), listening, goodbye_seconds=2):
        yield listening.getsockname()[1]


@pytest.mark.parametrize("dribble", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "])
async def test_a_connection_without_a_request_is_closed(port: int, dribble: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(dribble)
    async with asyncio.timeout(5):
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
    writer.close()


async def test_a_connection_that_was_heard_stays_for_the_next_request(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for pause in (0, 1):
        await asyncio.sleep(pause)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        async with asyncio.timeout(5):
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
            await reader.readexactly(len(b'{"status": "ok"}'))
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 9000 + b"\r\n\r\n",
        b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"GET / HTTP/1.1\nHost: x\n\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
async def test_a_head_that_is_too_long_or_malformed_is_refused(port: int, head: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head)
    async with asyncio.timeout(5):
        answer = await reader.read()
    assert answer == b"" or answer.startswith((b"HTTP/1.1 400", b"HTTP/1.0 400"))
    assert b"Traceback" not in answer
    writer.close()
