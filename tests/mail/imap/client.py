"""A client that sees every byte: commands as they are typed, replies as they come."""

from __future__ import annotations

import asyncio
import re
import ssl
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_LITERAL = re.compile(rb"\{(\d+)\}\r\n\Z")


@dataclass
class Client:
    """One connection. Tags are counted, and left out of what `say` gives."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    commands: int = 0

    async def say(self, command: str | bytes, *literals: bytes) -> list[bytes]:
        """Send a command, its literals after it (`{}` stands for each); gives the replies, the tagged one last."""
        self.commands += 1
        tag = b"t%d" % self.commands
        pieces = (command.encode() if isinstance(command, str) else command).split(b"{}")
        text = tag + b" " + pieces[0]
        for literal, rest in zip(literals, pieces[1:], strict=True):
            text += b"{%d+}\r\n%b%b" % (len(literal), literal, rest)
        await self.send(text + b"\r\n")
        return await self.replies(tag)

    async def send(self, raw: bytes) -> None:
        self.writer.write(raw)
        await self.writer.drain()

    async def replies(self, tag: bytes) -> list[bytes]:
        """Lines up to the tagged one."""
        found = []
        while True:
            line = await self.line()
            if line.startswith(tag + b" "):
                return [*found, line.removeprefix(tag + b" ")]
            found.append(line)

    async def line(self) -> bytes:
        """The next reply, its literals within it, without its CRLF; AssertionError when the connection is closed."""
        async with asyncio.timeout(20):
            whole = b""
            while True:
                line = await self.reader.readline()
                assert line.endswith(b"\n"), f"closed after {whole + line!r}"
                whole += line
                literal = _LITERAL.search(line)
                if literal is None:
                    return whole.removesuffix(b"\r\n")
                whole += await self.reader.readexactly(int(literal[1]))


@asynccontextmanager
async def connect(port: int, context: ssl.SSLContext | None = None) -> AsyncIterator[Client]:
    """A connection past its greeting, in TLS from the first byte when a context is given."""
    name = "localhost" if context else None
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name, limit=1 << 24)
    try:
        client = Client(reader, writer)
        assert (await client.line()).startswith(b"* OK [CAPABILITY ")
        yield client
    finally:
        writer.transport.abort()
