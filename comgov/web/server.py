"""The HTTP server: aiohttp's, which answers no limit to how long a client may take over its first request.

Whoever opens connections and sends nothing, or a byte now and then, would hold them for ever (slowloris): here a
connection whose first head has not arrived in time is closed. Between requests aiohttp's own keep-alive does it.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp import web

from comgov.feature import PLATFORM
from comgov.web.config import Config

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator

    from aiohttp.web_protocol import RequestHandler

_BACKLOG = 512

UNHEARD: web.AppKey[set[RequestHandler]] = web.AppKey("unheard")
"""Connections from which no request has come yet; the first middleware takes them out."""


@asynccontextmanager
async def serve(app: web.Application, listening: socket.socket, *, goodbye_seconds: float) -> AsyncIterator[None]:
    """Serve an application on a listening socket for as long as the block lasts.

    goodbye_seconds: what requests under way are given to finish.
    """
    config = app[PLATFORM].config(Config)
    runner = web.AppRunner(
        app,
        access_log=None,
        keepalive_timeout=config.keepalive.total_seconds(),
        shutdown_timeout=goodbye_seconds,
    )
    await runner.setup()
    await _ImpatientSite(runner, listening, config.header_timeout.total_seconds()).start()
    try:
        yield
    finally:
        await runner.cleanup()


class _ImpatientSite(web.BaseSite):
    """A listening socket whose connections are closed when no request has come after a while."""

    def __init__(self, runner: web.AppRunner, listening: socket.socket, patience_seconds: float) -> None:
        super().__init__(runner, backlog=_BACKLOG)
        self._listening = listening
        self._patience_seconds = patience_seconds
        self._unheard = runner.app[UNHEARD]

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
        protocol = self._runner.server()
        self._unheard.add(protocol)
        asyncio.get_running_loop().call_later(self._patience_seconds, self._hang_up, protocol)
        return protocol

    def _hang_up(self, protocol: RequestHandler) -> None:
        if protocol in self._unheard:
            self._unheard.discard(protocol)
            if protocol.transport is not None:
                protocol.transport.abort()
