"""One client's connection: bytes in and out, in clear or in TLS (STARTTLS), plain or deflated (RFC 4978).

What comes in is held back once 64 KiB wait; what goes out is collected and leaves in pieces of 64 KiB, each once the
client has taken most of the last. Deflated bytes are inflated only as they are asked for, so that a bomb stays small.
"""

from __future__ import annotations

import asyncio
import zlib
from typing import TYPE_CHECKING

from mail.connections import start_tls

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

_READ_AHEAD_BYTES = 64 * 1024
_WRITE_BYTES = 64 * 1024
_INFLATED_BYTES = 16 * 1024  # at a step
_RECORD_BYTES = 16 * 1024  # of TLS; OpenSSL keeps a buffer for the largest piece that it was ever given
_LEVEL = 5
_DEFLATER_SECONDS = 3.0  # that 256 KiB are kept for; what is said later begins without memory of what was said before


class Disconnected(Exception):
    """The client is gone, or is as good as gone."""


class LineTooLong(Exception):
    """A line over its limit; nothing after it can be told from it."""


class Connection(asyncio.Protocol):
    """The bytes of a session. Reading raises Disconnected once the client is gone."""

    def __init__(
        self, *, begin: Callable[[asyncio.Transport], None], end: Callable[[], None], patience_seconds: float
    ) -> None:
        """begin, end: called once, when the client is there and when it is gone.

        patience_seconds: how long a client may take nothing of what it is sent.
        """
        self._begin = begin
        self._end = end
        self._patience_seconds = patience_seconds
        self._transport: asyncio.Transport | None = None
        self._pending = bytearray()
        self._arrived: asyncio.Future[None] | None = None
        self._may_write = asyncio.Event()
        self._may_write.set()
        self._is_paused = False
        self._is_over = False
        self._out: list[bytes] = []
        self._out_bytes = 0
        self._deflated = bytearray()
        self._inflater: zlib._Decompress | None = None  # once the bytes are deflated, both ways
        self._deflater: zlib._Compress | None = None
        self._abandoning: asyncio.TimerHandle | None = None

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A new connection."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._begin(transport)

    def data_received(self, data: bytes) -> None:
        """More from the client."""
        waiting = self._deflated if self._inflater else self._pending
        waiting += data
        if len(waiting) > _READ_AHEAD_BYTES and not self._is_paused and self._transport is not None:
            self._is_paused = True
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> bool:
        """The client says no more; what it has said is still answered, but not over TLS, which knows no such half."""
        self._is_over = True
        self._wake()
        return not self.is_encrypted

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        del exc
        self._is_over = True
        self._transport = None
        self._deflater = None
        if self._abandoning is not None:
            self._abandoning.cancel()
        self._wake()
        self._may_write.set()
        self._end()

    def pause_writing(self) -> None:
        """The client is slow to take what it is sent."""
        self._may_write.clear()

    def resume_writing(self) -> None:
        """It has taken most of it."""
        self._may_write.set()

    def _wake(self) -> None:
        if self._arrived is not None and not self._arrived.done():
            self._arrived.set_result(None)

    # Facts

    @property
    def is_encrypted(self) -> bool:
        """Whether TLS is up."""
        return self._transport is not None and self._transport.get_extra_info("cipher") is not None

    @property
    def is_compressed(self) -> bool:
        """Whether bytes are deflated."""
        return self._inflater is not None

    @property
    def has_more(self) -> bool:
        """Whether something of the client's waits to be read."""
        return bool(self._pending or self._deflated)

    @property
    def is_gone(self) -> bool:
        """Whether nothing can be said any more."""
        return self._transport is None or self._transport.is_closing()

    @property
    def is_lost(self) -> bool:
        """Whether asyncio has told its end; one that is closing may still wait for the client."""
        return self._transport is None

    # Reading

    async def line(self, limit_bytes: int) -> bytes:
        """The next line, without its end. Raises LineTooLong."""
        start = 0
        while (end := self._pending.find(b"\n", start)) < 0:
            start = len(self._pending)
            if start > limit_bytes:
                raise LineTooLong
            await self._receive()
        if end > limit_bytes:
            raise LineTooLong
        line = bytes(self._pending[:end])
        del self._pending[: end + 1]
        return line.removesuffix(b"\r")

    async def take(self, size_bytes: int) -> bytes:
        """So many bytes."""
        while len(self._pending) < size_bytes:
            await self._receive()
        taken = bytes(self._pending[:size_bytes])
        del self._pending[:size_bytes]
        return taken

    async def some(self, limit_bytes: int) -> bytes:
        """Whatever there is, at least one byte and at most so many."""
        while not self._pending:
            await self._receive()
        return await self.take(min(limit_bytes, len(self._pending)))

    async def _receive(self) -> None:
        """Wait until there is more in `_pending` than before."""
        size_bytes = len(self._pending)
        while True:
            if self._inflater:
                self._inflate(self._inflater)
            if len(self._pending) > size_bytes:
                await asyncio.sleep(0)  # few deflated bytes may hold many: others have their turn
                return
            if self._is_paused and self._transport is not None:
                self._is_paused = False
                self._transport.resume_reading()
            if self._is_over:
                raise Disconnected
            self._arrived = asyncio.get_running_loop().create_future()
            try:
                await self._arrived
            finally:
                self._arrived = None
            if not self._inflater and len(self._pending) > size_bytes:
                return

    def _inflate(self, inflater: zlib._Decompress) -> None:
        if not self._deflated:
            return
        try:
            self._pending += inflater.decompress(bytes(self._deflated), _INFLATED_BYTES)
        except zlib.error as error:
            raise Disconnected from error
        self._deflated[:] = inflater.unconsumed_tail
        if inflater.eof:  # a deflated stream has no end while the connection stands
            raise Disconnected

    # Writing

    def write(self, *pieces: bytes) -> None:
        """Say this; it leaves at the next `flush`."""
        self._out += pieces
        self._out_bytes += sum(map(len, pieces))

    @property
    def is_full(self) -> bool:
        """Whether enough is written to be worth a `flush`."""
        return self._out_bytes >= _WRITE_BYTES

    async def flush(self) -> None:
        """Send what is written. Raises Disconnected when the client does not take it."""
        if self._out:
            self._send()
        if not self._may_write.is_set():
            try:
                await asyncio.wait_for(self._may_write.wait(), self._patience_seconds)
            except TimeoutError:
                self.abort()
        if self.is_gone:
            raise Disconnected

    def _send(self) -> None:
        content = b"".join(self._out)
        self._out.clear()
        self._out_bytes = 0
        if self._inflater:
            content = self._deflate(content)
        if self._transport is not None:
            for at in range(0, len(content), _RECORD_BYTES):
                self._transport.write(content[at : at + _RECORD_BYTES])

    def _deflate(self, content: bytes) -> bytes:
        """Up to a byte's end, so that another deflater may go on after it."""
        if self._deflater is None:
            self._deflater = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
            asyncio.get_running_loop().call_later(_DEFLATER_SECONDS, self.rest)
        return self._deflater.compress(content) + self._deflater.flush(zlib.Z_SYNC_FLUSH)

    def rest(self) -> None:
        """Let go of what takes memory between one answer and the next; nothing is lost but some of the deflating."""
        self._deflater = None

    # Changes

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """Go on in TLS. What came in clear before is forgotten (RFC 9051 §6.2.1). Raises Disconnected."""
        if self._transport is None:
            raise Disconnected
        self._pending.clear()
        try:
            self._transport = await start_tls(self._transport, self, context)
        except (OSError, asyncio.CancelledError) as error:
            self._transport = None
            if isinstance(error, asyncio.CancelledError):
                raise
            raise Disconnected from error

    async def start_compression(self) -> None:
        """Go on deflated, both ways (RFC 4978); what was written before must have been flushed."""
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        self._deflated, self._pending = self._pending, bytearray()

    def close(self) -> None:
        """Send what is written and close; a client that does not take it is given up in time."""
        if self._out:
            self._send()
        if self._transport is not None and not self._transport.is_closing():
            self._transport.close()
            self._abandoning = asyncio.get_running_loop().call_later(self._patience_seconds, self.abort)

    def abort(self) -> None:
        """Close, whatever is going on."""
        if self._transport is not None:
            self._transport.abort()
