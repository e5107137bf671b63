"""Bytes on their way between the loop and the threads, a megabyte at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storage.digest import Digest
from storage.threads import finish, settle

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable

    from storage.threads import Threads

BATCH_BYTES = 1 << 20
"""How many bytes go to a thread at once: 1 MiB takes about a millisecond there, some twenty times the trip."""

_BATCH_PIECES = 512  # below IOV_MAX (1024), and a bound on what many tiny pieces cost


async def batches(chunks: AsyncIterable[bytes]) -> AsyncIterator[list[bytes]]:
    """The same bytes in lists of about BATCH_BYTES, none empty; nothing is copied."""
    batch: list[bytes] = []
    size = 0
    async for chunk in chunks:
        if not chunk:
            continue
        batch.append(chunk)
        size += len(chunk)
        if size >= BATCH_BYTES or len(batch) >= _BATCH_PIECES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


async def pour(chunks: AsyncIterable[bytes], append: Callable[[list[bytes]], None], threads: Threads) -> None:
    """Give every batch to `append` in a thread; meanwhile the loop gathers the next one.

    However this ends, no `append` is under way any more.
    """
    appending = None
    try:
        async for batch in batches(chunks):
            if appending:
                await finish(appending)
            appending = threads.start(append, batch)
    finally:
        if appending:
            await settle(appending)
    if appending:
        appending.result()


async def verified(chunks: AsyncIterable[bytes], sha256: bytes, threads: Threads) -> AsyncGenerator[bytes, None]:
    """The same bytes, hashed on their way; CorruptError instead of the last chunk if they are not those of `sha256`."""
    digest = Digest()
    held = b""
    async for batch in batches(chunks):
        if held:
            yield held
        await threads.run(digest.update, batch)
        held = b"".join(batch)
    digest.require(sha256)
    if held:
        yield held
