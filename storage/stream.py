"""Bytes on their way between the loop and the threads, a megabyte at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storage.digest import Digest
from storage.threads import finish, settle

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncGenerator, AsyncIterable, Callable, Sequence

    from storage.threads import Threads

BATCH_BYTES = 1 << 20
"""How many bytes go to a thread at once, at most: 1 MiB takes about a millisecond there, some twenty times the trip."""

_WORTH_A_TRIP_BYTES = 256 * 1024  # enough when the thread is idle: a thousand slow clients then hold 256 MiB, not 1 GiB
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


async def pour(
    chunks: AsyncIterable[bytes], append: Callable[[Sequence[bytes]], None], threads: Threads
) -> Sequence[bytes]:
    """Give the bytes to `append` in a thread, in batches; gives back the last, for whoever finishes to take along.

    A small blob so is one trip. What arrives while a thread appends one batch makes up the next: a fast client fills
    batches of BATCH_BYTES, a slow one has no more than 256 KiB waiting. However this ends, no `append` is under way
    any more.
    """
    batch = Batch()
    appending: asyncio.Future[None] | None = None
    try:
        async for chunk in chunks:
            batch.add(chunk)
            if batch.is_full and appending:
                await finish(appending)
            if batch.is_worth_a_trip and (appending is None or appending.done()):
                if appending:
                    appending.result()
                appending = threads.start(append, batch.pieces)
                batch = Batch()
        if appending:
            await finish(appending)
        return batch.pieces
    finally:
        if appending:
            await settle(appending)


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
