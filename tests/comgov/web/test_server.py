"""The HTTP server itself: who says nothing is hung up on, who talks is heard out."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from aiohttp import web as http
from structlog.testing import capture_logs

from comgov import web

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from comgov.feature import Platform


HEAD = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
HEALTHY = b'{"status": "ok"}'
MUCH_BYTES = 64 << 20  # more than both kernels buffer for one connection
PIECE = bytes(1 << 18)


async def show_much(request: http.Request) -> http.StreamResponse:
    """Much, in the three ways that bytes go out."""
    if request.query["way"] == "whole":
        return http.Response(body=bytes(MUCH_BYTES))
    if request.query["way"] == "file":
        return http.FileResponse(request.app[MUCH])
    return await web.stream(request, http.StreamResponse(), pieces())


async def pieces() -> AsyncGenerator[bytes, None]:
    for _ in range(MUCH_BYTES // len(PIECE)):
        yield PIECE


MUCH: http.AppKey[Path] = http.AppKey("much", Path)


@pytest.fixture
async def port(platform: Platform, tmp_path: Path) -> AsyncIterator[int]:
    """A server that waits half a second for a head and a second for a reader."""
    impatient = web.Config(header_timeout=timedelta(seconds=0.5), write_timeout=timedelta(seconds=1))
    app = web.application(replace(platform, configs={**platform.configs, web.Config: impatient}), [])
    app.add_routes([http.get("/much", show_much)])
    app[MUCH] = tmp_path / "much"
    with app[MUCH].open("wb") as file:
        file.truncate(MUCH_BYTES)
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setblocking(False)
    async with web.serve(app, listening, goodbye_seconds=2):
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


@pytest.mark.parametrize("requests_before", [0, 1, 3])
async def test_a_head_that_trickles_in_is_cut_at_the_limit_on_a_kept_connection_too(
    port: int, requests_before: int
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(requests_before):
        writer.write(HEAD)
        async with asyncio.timeout(5):
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
            await reader.readexactly(len(HEALTHY))
        await asyncio.sleep(0.6)  # longer than a head may take: waiting between two requests is no fault
    loop = asyncio.get_running_loop()
    began = loop.time()
    with contextlib.suppress(ConnectionError):
        while loop.time() - began < 5 and not reader.at_eof():
            writer.write(b"GET / HTTP/1.1\r\nX: " if loop.time() - began < 0.1 else b"y")
            await writer.drain()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.1):
                    assert await reader.read() == b""
    assert 0.4 < loop.time() - began < 2
    writer.close()


async def test_a_head_sent_while_the_one_before_is_answered_is_cut_too(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(HEAD + b"GET / HT")
    loop = asyncio.get_running_loop()
    began = loop.time()
    with contextlib.suppress(ConnectionError):
        while loop.time() - began < 5 and not reader.at_eof():
            writer.write(b"T")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.1):
                    await reader.read()
    assert loop.time() - began < 2
    writer.close()


async def test_a_long_body_is_not_taken_for_a_slow_head(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST /language HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n")
    writer.write(b"Content-Length: 9\r\n\r\n")
    for letter in b"language=":
        await asyncio.sleep(0.1)
        writer.write(bytes([letter]))
    async with asyncio.timeout(5):
        assert (await reader.readline()).startswith(b"HTTP/1.1 403")
    writer.close()


@pytest.mark.parametrize("way", ["whole", "stream", "file"])
async def test_whoever_stops_reading_is_hung_up_on(port: int, way: str) -> None:
    client = socket.create_connection(("127.0.0.1", port))
    client.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(client, f"GET /much?way={way} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert (await loop.sock_recv(client, 100)).startswith(b"HTTP/1.1 200")
    handling = {task for task in asyncio.all_tasks() if "RequestHandler.start" in repr(task)}
    assert len(handling) == 1
    async with asyncio.timeout(10):
        await asyncio.wait(handling)
    client.close()


async def test_whoever_reads_slowly_gets_everything(port: int) -> None:
    client = socket.create_connection(("127.0.0.1", port))
    client.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(client, b"GET /much?way=stream HTTP/1.0\r\nHost: x\r\n\r\n")
    received, began = 0, loop.time()
    while chunk := await loop.sock_recv(client, 1 << 22):
        received += len(chunk)
        if loop.time() - began < 3:  # three times what a reader may do nothing at all
            await asyncio.sleep(0.4)
    assert received > MUCH_BYTES
    client.close()


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


@pytest.mark.parametrize(
    "noise", [b"GET / HTTP/1.1\r\nHost: x\r\nX-Null: \0\r\n\r\n", b"\x16\x03\x01\x02\0\x01\0\r\n\r\n", b"GET\r\n\r\n"]
)
async def test_what_is_no_http_gets_a_sentence_and_a_line_in_the_log(
    port: int, noise: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with capture_logs() as logs:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(noise)
        async with asyncio.timeout(5):
            answer = await reader.read()
        writer.close()
    assert b" 400 " in answer.partition(b"\r\n")[0]
    assert answer.endswith(b"(RFC 9112).\n")
    assert [entry["event"] for entry in logs] == ["http.malformed"]
    assert not caplog.records
