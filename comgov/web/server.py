"""The HTTP server: aiohttp's, held to two limits that it does not know.

A client has `header_timeout` for the head of a request, counted from the connection's beginning or, on a connection
that is kept, from the head's first byte: whoever sends a byte now and then would else hold it for ever (slowloris).

A client that takes nothing of what it is sent for `write_timeout` is hung up on by the kernel (RFC 5482), which alone
sees it whichever way the bytes go: from memory, from a stream or by sendfile.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import structlog
from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from comgov.feature import PLATFORM
from comgov.web.config import Config

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_BACKLOG = 512
_BUFFER_BYTES = 256 * 1024  # what asyncio takes from a socket at once: with less, each read would stop the next one

log = structlog.get_logger()


@asynccontextmanager
async def serve(app: web.Application, listening: socket.socket, *, goodbye_seconds: float) -> AsyncIterator[None]:
    """Serve an application on a listening socket for as long as the block lasts.

    goodbye_seconds: what requests under way are given to finish.
    """
    config = app[PLATFORM].config(Config)
    write_timeout_ms = round(1000 * config.write_timeout.total_seconds())
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, write_timeout_ms)  # its connections inherit it
    options: dict[str, Any] = {
        "access_log": None,
        "keepalive_timeout": config.keepalive.total_seconds(),
        "read_bufsize": _BUFFER_BYTES,
    }
    runner = web.AppRunner(app, shutdown_timeout=goodbye_seconds, **options)
    await runner.setup()
    await _Site(runner, listening, options, config.header_timeout.total_seconds()).start()
    try:
        yield
    finally:
        await runner.cleanup()


class _Site(web.BaseSite):
    """A listening socket whose connections are those below."""

    def __init__(
        self, runner: web.AppRunner, listening: socket.socket, options: dict[str, Any], patience_seconds: float
    ) -> None:
        super().__init__(runner, backlog=_BACKLOG)
        self._listening = listening
        self._options = options
        self._patience_seconds = patience_seconds

    @property
    def name(self) -> str:
        """Where it listens, for logs."""
        return str(self._listening.getsockname())

    async def start(self) -> None:
        """Begin to listen."""
        await super().start()
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._greet, sock=self._listening, backlog=self._backlog)

    def _greet(self) -> RequestHandler:
        assert self._runner.server is not None
        return _Connection(self._runner.server, self._options, self._patience_seconds)


class _Connection(RequestHandler):
    """aiohttp's connection, closed when a head does not become whole in time.

    Its `_waiter` is pending exactly while it waits for one. What has come of the next head while a request is still
    carried out is timed from the first byte that follows; the keep-alive ends that connection at the latest.
    """

    __slots__ = ("_hanging_up", "_patience_seconds")

    def __init__(self, server: web.Server, options: dict[str, Any], patience_seconds: float) -> None:
        super().__init__(server, loop=asyncio.get_running_loop(), **options)
        self._patience_seconds = patience_seconds
        self._hanging_up: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._begin_to_wait()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._waiter is not None and not self._waiter.done():
            if self._hanging_up is None:
                self._begin_to_wait()
        else:
            self._end_waiting()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._end_waiting()
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """What is no HTTP gets a sentence, and a line in the log: any scanner can send as much of it as it likes."""
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR or request.writer.output_size > 0:
            return super().handle_error(request, status, exc, message)
        log.warning("http.malformed", ip=request.remote, status=status, reason=type(exc).__name__)
        response = web.Response(status=status, text="This is no request that HTTP knows (RFC 9112).\n")
        response.force_close()
        return response

    def _begin_to_wait(self) -> None:
        self._hanging_up = asyncio.get_running_loop().call_later(self._patience_seconds, self._hang_up)

    def _end_waiting(self) -> None:
        if self._hanging_up is not None:
            self._hanging_up.cancel()
            self._hanging_up = None

    def _hang_up(self) -> None:
        if self.transport is not None:
            self.transport.abort()
