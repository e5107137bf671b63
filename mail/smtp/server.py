"""A listening SMTP service: its sessions, its limits, its end."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack, asynccontextmanager
from enum import Enum
from typing import TYPE_CHECKING

from mail.connections import Door, GuardedTls
from mail.smtp.session import Session

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import AsyncIterator, Sequence

    from mail.acceptance.front_door import Relay
    from mail.config import Config


class Service(Enum):
    """RELAY: mail from other servers, for addresses of this one; nobody signs in.

    SUBMISSION: people's mail programs, who sign in after STARTTLS. SUBMISSIONS: the same, in TLS from the first byte.
    """

    RELAY = "relay"
    SUBMISSION = "submission"
    SUBMISSIONS = "submissions"


class Server(Door):
    """What the sessions of one service share."""

    def __init__(self, relay: Relay, service: Service, tls_context: ssl.SSLContext | None) -> None:
        super().__init__(limit=relay.config.connection_limit, limit_per_ip=relay.config.connection_limit_per_ip)
        self.relay = relay
        self.service = service
        self.tls_context = tls_context

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
        if self.service is not Service.SUBMISSIONS:
            return session
        assert self.tls_context is not None
        return GuardedTls(
            session,
            self.tls_context,
            is_admitted=session.is_admitted,
            dismiss=lambda: self.dismiss(session, session.ip),
        )


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
