"""What goes over the wire, counted by somebody in between who cannot read it: TLS is the ends' own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass


@dataclass
class Counted:
    """Bytes of TCP's payload, handshakes and records of TLS among them, on all connections to `port` so far."""

    port: int = 0
    up_bytes: int = 0
    down_bytes: int = 0

    @property
    def total_bytes(self) -> int:
        """Both ways."""
        return self.up_bytes + self.down_bytes

    def count_up(self, size_bytes: int) -> None:
        """From the client."""
        self.up_bytes += size_bytes

    def count_down(self, size_bytes: int) -> None:
        """From the server."""
        self.down_bytes += size_bytes


@asynccontextmanager
async def counting(port: int) -> AsyncIterator[Counted]:
    """Another way to that port of this machine, for as long as the block lasts."""
    counted = Counted()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            await asyncio.gather(
                _pass_on(reader, far_writer, counted.count_up), _pass_on(far_reader, writer, counted.count_down)
            )
        finally:
            writer.close()
            far_writer.close()

    server = await asyncio.start_server(relay, "127.0.0.1", 0)
    counted.port = server.sockets[0].getsockname()[1]
    try:
        yield counted
    finally:
        server.close()
        await server.wait_closed()


async def _pass_on(source: asyncio.StreamReader, target: asyncio.StreamWriter, count: Callable[[int], None]) -> None:
    with suppress(ConnectionError):
        while chunk := await source.read(65536):
            count(len(chunk))
            target.write(chunk)
            await target.drain()
        target.write_eof()
