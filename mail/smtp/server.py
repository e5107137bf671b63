"""A listening SMTP service: its sessions, its limits, its end."""

from __future__ import annotations

import asyncio
import logging
from asyncio import sslproto
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from enum import Enum
from typing import TYPE_CHECKING, Any

from mail.smtp.session import Session

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import AsyncIterator, Sequence

    from mail.config import Config
    from mail.relay import Relay

_GRACE_SECONDS = 6.0  # for messages that are on their way in when the service ends


class Service(Enum):
    """RELAY: mail from other servers, for addresses of this one; nobody signs in.

    SUBMISSION: people's mail programs, who sign in after STARTTLS. SUBMISSIONS: the same, in TLS from the first byte.
    """

    RELAY = "relay"
    SUBMISSION = "submission"
    SUBMISSIONS = "submissions"


class Server:
    """What the sessions of one service share."""

    def __init__(self, relay: Relay, service: Service, tls_context: ssl.SSLContext | None) -> None:
        self.relay = relay
        self.service = service
        self.tls_context = tls_context
        self.is_closing = False
        self._sessions: set[Session] = set()
        self._by_ip: Counter[str] = Counter()
        self._emptied = asyncio.Event()

    @property
    def config(self) -> Config:
        """The limits."""
        return self.relay.config

    @property
    def is_for_people(self) -> bool:
        """Whether senders sign in here, and only they may send."""
        return self.service is not Service.RELAY

    def protocol(self) -> asyncio.BaseProtocol:
        """What speaks on a new connection: a session, in TLS from the first byte for SUBMISSIONS."""
        session = Session(self)
        return _Tls(self, session) if self.service is Service.SUBMISSIONS else session

    def admit(self, session: Session, ip: str) -> bool:
        """Count a session in; False when there are too many, in all or from that address."""
        if self.is_closing or len(self._sessions) >= self.config.connection_limit:
            return False
        if self._by_ip[ip] >= self.config.connection_limit_per_ip:
            return False
        self._sessions.add(session)
        self._by_ip[ip] += 1
        return True

    def dismiss(self, session: Session, ip: str) -> None:
        """Count a session out, if it was counted in."""
        if session in self._sessions:
            self._sessions.remove(session)
            self._by_ip[ip] -= 1
            if not self._by_ip[ip]:
                del self._by_ip[ip]
        if not self._sessions:
            self._emptied.set()

    async def close(self) -> None:
        """Let what is on its way in arrive, for a few seconds; tell the others to come back later."""
        self.is_closing = True
        for session in list(self._sessions):
            session.end_when_idle()
        if self._sessions:
            self._emptied.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._emptied.wait(), _GRACE_SECONDS)
        for session in list(self._sessions):
            session.abort()


class _Tls(sslproto.SSLProtocol):
    """TLS around a session. A client is admitted before the handshake: one that never ends would hold memory unseen."""

    max_size = 32 * 1024  # of what is read at once, kept by every connection: asyncio would keep 256 KiB

    def __init__(self, server: Server, session: Session) -> None:
        assert server.tls_context is not None
        nobody_waits: Any = None
        super().__init__(asyncio.get_running_loop(), session, server.tls_context, nobody_waits, server_side=True)
        self._server = server
        self._session = session

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A new connection, nothing said yet."""
        assert isinstance(transport, asyncio.Transport)
        if self._session.is_admitted(transport):
            super().connection_made(transport)
        else:
            transport.abort()

    def connection_lost(self, error: BaseException | None) -> None:
        """The connection is gone. The session hears of it only if the handshake had ended."""
        self._server.dismiss(self._session, self._session.ip)
        super().connection_lost(error)


@asynccontextmanager
async def serve(
    relay: Relay, service: Service, sockets: Sequence[socket.socket], *, tls_context: ssl.SSLContext | None
) -> AsyncIterator[Server]:
    """Serve on these listening sockets for as long as the block lasts.

    tls_context: None offers no STARTTLS, which only RELAY can do without (ValueError).
    """
    if tls_context is None and service is not Service.RELAY:
        raise ValueError(f"{service.value} needs a certificate")
    logging.getLogger("mail.log").setLevel(logging.ERROR)  # aiosmtpd's own, which repeats what clients send
    server = Server(relay, service, tls_context)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(server.close)
        for listening in sockets:
            opened = await asyncio.get_running_loop().create_server(
                server.protocol,
                sock=listening,
                backlog=1024,
            )
            stack.callback(opened.close)
        yield server
