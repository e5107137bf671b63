"""Bytes on their way between the loop and the threads, a megabyte at a time."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from storage.digest import Digest
from storage.threads import finish, settle

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, Callable, Sequence

    from storage.threads import Threads

BATCH_BYTES = 1 << 20
"""How many bytes go to a thread at once, at most: 1 MiB takes about a millisecond there, some twenty times the trip."""

_WORTH_A_TRIP_BYTES = 256 * 1024  # enough when the thread is idle: a thousand slow clients then hold 256 MiB, not 1 GiB
_BATCHES_WAITING = 2  # for a thread that is at work: the loop may be busy with others for two milliseconds
_BATCH_PIECES = 512  # below IOV_MAX (1024), and a bound on what many tiny pieces cost


class Batch:
    """Pieces on their way to a thread; nothing is copied."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.size_bytes = 0

    def add(self, piece: bytes) -> None:
        """Take a piece; an empty one is left out."""
        if piece:
            self.pieces.append(piece)
            self.size_bytes += len(piece)

    @property
    def is_full(self) -> bool:
        """No more should be added."""
        return self.size_bytes >= BATCH_BYTES or len(self.pieces) >= _BATCH_PIECES

    @property
    def is_worth_a_trip(self) -> bool:
        """Enough for a thread that has nothing else to do."""
        return self.size_bytes >= _WORTH_A_TRIP_BYTES or self.is_full


class _Line:
    """Batches in line for `append`: a thread takes one after the other, without coming back to the loop in between."""

    def __init__(self, append: Callable[[Sequence[bytes]], None], threads: Threads) -> None:
        self._append = append
        self._threads = threads
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[Sequence[bytes]] = deque()
        self._appending: asyncio.Future[None] | None = None
        self._moved = asyncio.Event()

    @property
    def is_idle(self) -> bool:
        """No thread is at work."""
        return self._appending is None or self._appending.done()

    async def put(self, pieces: Sequence[bytes]) -> None:
        """Stand in line, once there is room. Raises what `append` raised."""
        while len(self._waiting) >= _BATCHES_WAITING and not self.is_idle:
            self._moved.clear()
            await self._moved.wait()
        self._waiting.append(pieces)
        if self.is_idle:
            self._start()

    async def drain(self) -> None:
        """Wait until all are appended. Raises what `append` raised."""
        if self._appending:
            await finish(self._appending)
        if self._waiting:  # they came while the thread was leaving
            await finish(self._start())

    async def leave(self) -> None:
        """Drop what waits; when this ends, no `append` is under way."""
        self._waiting.clear()
        if self._appending:
            await settle(self._appending)

    def _start(self) -> asyncio.Future[None]:
        if self._appending:
            self._appending.result()
        self._appending = self._threads.start(self._take)
        self._appending.add_done_callback(lambda _ended: self._moved.set())
        return self._appending

    def _take(self) -> None:
        while self._waiting:
            pieces = self._waiting.popleft()  # IndexError if `leave` came in between, and nobody asks any more
            self._loop.call_soon_threadsafe(self._moved.set)
            self._append(pieces)


async def pour(
    chunks: AsyncIterable[bytes], append: Callable[[Sequence[bytes]], None], threads: Threads
) -> Sequence[bytes]:
    """Give the bytes to `append` in a thread, in batches; gives back the last, for whoever finishes to take along.

    A small blob so is one trip. What arrives while a thread appends makes up the next batches: a fast client fills
    them, so that neither it nor the thread waits, a slow one has no more than 256 KiB waiting. However this ends, no
    `append` is under way any more.
    """
    batch = Batch()
    line = _Line(append, threads)
    try:
        async for chunk in chunks:
            batch.add(chunk)
            if batch.is_full or (batch.is_worth_a_trip and line.is_idle):
                await line.put(batch.pieces)
                batch = Batch()
        await line.drain()
        return batch.pieces
    finally:
        await line.leave()


async def verified(chunks: AsyncIterable[bytes], sha256: bytes, threads: Threads) -> AsyncGenerator[bytes, None]:
    """The same bytes, hashed on their way; CorruptError instead of the last chunk if they are not those of `sha256`."""
    digest = Digest()
    held = b""
    batch = Batch()
    async for chunk in chunks:
        batch.add(chunk)
        if batch.is_full:
            if held:
                yield held
            await threads.run(digest.update, batch.pieces)
            held, batch = b"".join(batch.pieces), Batch()
    await threads.run(digest.update, batch.pieces)
    digest.require(sha256)
    if last := held + b"".join(batch.pieces):
        yield last
