"""SMTP by hand: raw bytes on a real socket, replies read one by one."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator


class Talk:
    """A client that says exactly what it is told to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def reply(self) -> str:
        """The next reply, its lines joined by newlines; empty when the server has closed."""
        lines = []
        while True:
            line = (await asyncio.wait_for(self.reader.readline(), 10)).decode()
            lines.append(line.rstrip("\r\n"))
            if line[3:4] != "-":
                return "\n".join(lines)

    async def send(self, data: bytes) -> None:
        """Bytes, as they are."""
        self.writer.write(data)
        await self.writer.drain()

    async def say(self, line: str) -> str:
        """A command line, and the reply to it."""
        await self.send(f"{line}\r\n".encode())
        return await self.reply()

    async def hello(self) -> str:
        """The greeting and EHLO; its reply."""
        await self.reply()
        return await self.say("EHLO client.example.org")

    async def begin(self, recipient: str = "eric@finances.gov.test", sender: str = "anna@example.org") -> str:
        """MAIL, RCPT and DATA, up to the 354."""
        assert (await self.say(f"MAIL FROM:<{sender}>")).startswith("250 ")
        assert (await self.say(f"RCPT TO:<{recipient}>")).startswith("250 ")
        return await self.say("DATA")

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """STARTTLS, and EHLO again."""
        assert (await self.say("STARTTLS")).startswith("220 ")
        await self.writer.start_tls(context, server_hostname="localhost")
        await self.say("EHLO client.example.org")

    async def sign_in(self, login: str, password: str) -> str:
        """AUTH PLAIN; the reply."""
        return await self.say("AUTH PLAIN " + b64encode(f"\0{login}\0{password}".encode()).decode())


@asynccontextmanager
async def connect(port: int, context: ssl.SSLContext | None = None) -> AsyncIterator[Talk]:
    """A connection to the server, in TLS from the first byte when a context is given."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=context, server_hostname="localhost" if context else None
    )
    try:
        yield Talk(reader, writer)
    finally:
        writer.transport.abort()
