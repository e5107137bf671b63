"""A listening IMAP service: its sessions, its limits, its end."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from mail.connections import Door, GuardedTls
from mail.imap.session import Session

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import AsyncIterator, Sequence

    from mail.directory import Directory
    from mail.imap.config import Config
    from mail.imap.notices import Notices
    from mail.imap.renderings import Renderings
    from mail.mailbox import Mailboxes
    from mail.mailbox.quota import Quotas


class Server(Door):
    """What the sessions of one port share. message_limit_bytes: of APPEND. quotas: of accounts."""

    def __init__(
        self,
        *,
        hostname: str,
        mailboxes: Mailboxes,
        directory: Directory,
        notices: Notices,
        quotas: Quotas,
        renderings: Renderings,
        config: Config,
        message_limit_bytes: int,
        tls_context: ssl.SSLContext,
        is_tls: bool,
    ) -> None:
        """is_tls: in TLS from the first byte; otherwise STARTTLS comes before signing in."""
        super().__init__(limit=config.connection_limit, limit_per_ip=config.connection_limit_per_ip)
        self.hostname = hostname
        self.mailboxes = mailboxes
        self.directory = directory
        self.notices = notices
        self.quotas = quotas
        self.renderings = renderings
        self.config = config
        self.message_limit_bytes = message_limit_bytes
        self.tls_context = tls_context
        self._is_tls = is_tls

    def protocol(self) -> asyncio.BaseProtocol:
        """What speaks on a new connection."""
        session = Session(self)
        if not self._is_tls:
            return session.connection
        return GuardedTls(
            session.connection,
            self.tls_context,
            is_admitted=session.is_admitted,
            dismiss=lambda: self.dismiss(session, session.ip),
        )


@asynccontextmanager
async def serve(server: Server, sockets: Sequence[socket.socket]) -> AsyncIterator[None]:
    """Serve on these listening sockets for as long as the block lasts."""
    async with AsyncExitStack() as stack:
        stack.push_async_callback(server.close)
        for listening in sockets:
            opened = await asyncio.get_running_loop().create_server(server.protocol, sock=listening, backlog=1024)
            stack.callback(opened.close)
        yield
