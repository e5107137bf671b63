"""Another server, scripted: a real aiosmtpd on a port of its own that answers as a test wants it to."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiosmtpd.smtp import SMTP


@dataclass
class Sink:
    """replies: by recipient, else `250 2.1.5 Ok`. data_reply: to the end of a message.

    extensions: EHLO lines to add; without: keywords not to offer.
    """

    port: int = 0
    replies: dict[str, str] = field(default_factory=dict)
    data_reply: str = "250 2.0.0 Taken"
    sender_reply: str = "250 2.1.0 Ok"
    extensions: tuple[str, ...] = ("PIPELINING",)
    without: tuple[str, ...] = ()
    during_data: Callable[[Any], Awaitable[None]] | None = None
    taken: list[Any] = field(default_factory=list)
    connections: int = 0

    @property
    def received(self) -> list[tuple[str, str]]:
        """(sender, recipient) of each delivery, one for each recipient."""
        return [(envelope.mail_from, one) for envelope in self.taken for one in envelope.rcpt_tos]

    async def handle_EHLO(  # noqa: N802  # aiosmtpd's name
        self, server: Any, session: Any, _envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        kept = [line for line in responses[:-1] if line[4:].split()[0] not in self.without]
        last = [line for line in responses[-1:] if line[4:].split()[0] not in self.without] or ["250 HELP"]
        return [*kept, *(f"250-{line}" for line in self.extensions), *last]

    async def handle_MAIL(  # noqa: N802
        self, _server: Any, _session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if self.sender_reply.startswith("2"):
            envelope.mail_from = address
            envelope.mail_options.extend(options)
        return self.sender_reply

    async def handle_RCPT(  # noqa: N802
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: list[str]
    ) -> str:
        reply = self.replies.get(address, "250 2.1.5 Ok")
        if reply.startswith("2"):
            envelope.rcpt_tos.append(address)
        return reply

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        if self.during_data is not None:
            await self.during_data(server)
        if self.data_reply.startswith("2"):
            envelope.tls = session.ssl is not None
            self.taken.append(envelope)
        return self.data_reply


@asynccontextmanager
async def serve(sink: Sink, *, tls: ssl.SSLContext | None = None, **options: Any) -> AsyncIterator[Sink]:
    """The sink on a free port of 127.0.0.1; options are aiosmtpd's."""
    loop = asyncio.get_running_loop()

    open_ones: list[SMTP] = []

    def connection() -> SMTP:
        sink.connections += 1
        made = SMTP(sink, hostname="sink.test", enable_SMTPUTF8=True, loop=loop, tls_context=tls, **options)
        open_ones.append(made)
        return made

    server = await loop.create_server(connection, "127.0.0.1", sink.port)
    sink.port = server.sockets[0].getsockname()[1]
    try:
        yield sink
    finally:
        for one in open_ones:
            if one.transport is not None and not one.transport.is_closing():
                one.transport.abort()
        await asyncio.sleep(0)
        server.close()
        await server.wait_closed()


@asynccontextmanager
async def script(*replies: bytes) -> AsyncIterator[int]:
    """A server that says these lines, one for each line it is told, then closes; gives its port.

    Leaving waits for its clients to be gone.
    """

    ended: list[asyncio.Event] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ended.append(end := asyncio.Event())
        for reply in replies:
            writer.write(reply)
            if not await reader.readline():
                break
        writer.close()
        end.set()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
        await asyncio.gather(*(end.wait() for end in ended))
    finally:
        server.close()
        await server.wait_closed()
