"""Who is inside a listening service, and who may still come in; and TLS that keeps little memory."""

from __future__ import annotations

import asyncio
from asyncio import sslproto
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

_GRACE_SECONDS = 6.0  # for what is on its way in when the service ends


class Guest(Protocol):
    """A client's session. It lets itself out with `Door.dismiss`."""

    def end_when_idle(self) -> None:
        """Close now if nothing is being worked on, otherwise after it."""
        ...

    def abort(self) -> None:
        """Close, whatever is going on."""
        ...


class Door:
    """Counts the sessions of one service, in all and by address."""

    def __init__(self, *, limit: int, limit_per_ip: int) -> None:
        self.is_closing = False
        self._limit = limit
        self._limit_per_ip = limit_per_ip
        self._guests: set[Guest] = set()
        self._by_ip: Counter[str] = Counter()
        self._emptied = asyncio.Event()

    def admit(self, guest: Guest, ip: str) -> bool:
        """Count a session in; False when there are too many, in all or from that address."""
        if self.is_closing or len(self._guests) >= self._limit or self._by_ip[ip] >= self._limit_per_ip:
            return False
        self._guests.add(guest)
        self._by_ip[ip] += 1
        return True

    def dismiss(self, guest: Guest, ip: str) -> None:
        """Count a session out, if it was counted in."""
        if guest in self._guests:
            self._guests.remove(guest)
            self._by_ip[ip] -= 1
            if not self._by_ip[ip]:
                del self._by_ip[ip]
        if not self._guests:
            self._emptied.set()

    async def close(self) -> None:
        """Let what is on its way in arrive, for a few seconds; tell the others to come back later."""
        self.is_closing = True
        for guest in list(self._guests):
            guest.end_when_idle()
        if self._guests:
            self._emptied.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._emptied.wait(), _GRACE_SECONDS)
        for guest in list(self._guests):
            guest.abort()


class Tls(sslproto.SSLProtocol):
    """TLS around a session, which keeps 32 KiB for what is read at once: asyncio's own would keep 256."""

    max_size = 32 * 1024

    def __init__(
        self,
        session: asyncio.Protocol,
        context: ssl.SSLContext,
        *,
        is_begun: bool = False,
        waiter: asyncio.Future[None] | None = None,
    ) -> None:
        """is_begun: the session has spoken in clear before. waiter: of the end of the handshake."""
        nobody_waits: Any = waiter
        super().__init__(
            asyncio.get_running_loop(),
            session,
            context,
            nobody_waits,
            server_side=True,
            call_connection_made=not is_begun,
        )


class GuardedTls(Tls):
    """TLS from the first byte. A client is admitted before the handshake: one without end would hold memory unseen."""

    def __init__(
        self,
        session: asyncio.Protocol,
        context: ssl.SSLContext,
        *,
        is_admitted: Callable[[asyncio.Transport], bool],
        dismiss: Callable[[], None],
    ) -> None:
        super().__init__(session, context)
        self._is_admitted = is_admitted
        self._dismiss = dismiss

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A new connection, nothing said yet."""
        assert isinstance(transport, asyncio.Transport)
        if self._is_admitted(transport):
            super().connection_made(transport)
        else:
            transport.abort()

    def connection_lost(self, error: BaseException | None) -> None:
        """The connection is gone. The session hears of it only if the handshake had ended."""
        self._dismiss()
        super().connection_lost(error)


async def start_tls(
    transport: asyncio.Transport, session: asyncio.Protocol, context: ssl.SSLContext
) -> asyncio.Transport:
    """Go on in TLS on a connection in clear; gives the transport to speak through from now on.

    Raises ssl.SSLError, ConnectionError.
    """
    loop = asyncio.get_running_loop()
    waiter: asyncio.Future[None] = loop.create_future()
    tls = Tls(session, context, is_begun=True, waiter=waiter)
    transport.pause_reading()
    transport.set_protocol(tls)
    connecting = loop.call_soon(tls.connection_made, transport)
    resuming = loop.call_soon(transport.resume_reading)
    try:
        await waiter
    except BaseException:
        connecting.cancel()
        resuming.cancel()
        transport.abort()
        raise
    return tls._app_transport  # as asyncio's own start_tls does
