"""A thread is never left running behind a coroutine that was cancelled."""

from __future__ import annotations

import asyncio
import statistics
import time
from typing import TYPE_CHECKING

import pytest

from storage.stream import BATCH_BYTES, pour
from storage.threads import Threads

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence


@pytest.fixture
def threads() -> Iterator[Threads]:
    threads = Threads(2)
    yield threads
    threads.close()


async def test_a_cancelled_call_is_waited_for_however_often_it_is_cancelled(threads: Threads) -> None:
    ended = []

    def slow() -> None:
        time.sleep(0.2)
        ended.append(True)

    running = asyncio.create_task(threads.run(slow))
    for _ in range(3):
        await asyncio.sleep(0.02)
        running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert ended == [True]


async def test_what_a_call_raises_is_raised(threads: Threads) -> None:
    def failing() -> None:
        raise ZeroDivisionError("in a thread")

    with pytest.raises(ZeroDivisionError, match="in a thread"):
        await threads.run(failing)


async def chunks_of(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def test_batches_hold_a_megabyte_or_a_bounded_number_of_pieces(threads: Threads) -> None:
    pieces = [b"x"] * 2000 + [bytes(BATCH_BYTES // 2)] * 5 + [b""]
    found: list[Sequence[bytes]] = []
    found.append(await pour(chunks_of(*pieces), found.append, threads))
    assert b"".join(map(b"".join, found)) == b"".join(pieces)
    assert max(map(len, found)) <= 1024
    assert max(sum(map(len, batch)) for batch in found) < 2 * BATCH_BYTES
    assert all(found)


async def test_a_slow_client_has_little_waiting_and_a_fast_one_fills_batches(threads: Threads) -> None:
    sizes: list[int] = []

    def append(batch: Sequence[bytes]) -> None:
        sizes.append(sum(map(len, batch)))
        time.sleep(0.005)

    async def client(pause: float) -> AsyncIterator[bytes]:
        for _ in range(64):
            yield bytes(64 * 1024)
            await asyncio.sleep(pause)

    assert not await pour(client(0.01), append, threads)
    assert statistics.median(sizes) == 256 * 1024
    sizes.clear()
    await pour(client(0), append, threads)
    assert max(sizes) == BATCH_BYTES


async def test_the_last_batch_failing_is_not_overlooked(threads: Threads) -> None:
    def failing(_batch: Sequence[bytes]) -> None:
        raise ZeroDivisionError("at the last")

    with pytest.raises(ZeroDivisionError):
        await pour(chunks_of(bytes(BATCH_BYTES)), failing, threads)


async def test_a_fast_client_is_held_back_while_the_disk_is_slow(threads: Threads) -> None:
    given, appended, ahead = 0, 0, []

    def append(batch: Sequence[bytes]) -> None:
        nonlocal appended
        time.sleep(0.005)
        appended += sum(map(len, batch))

    async def client() -> AsyncIterator[bytes]:
        nonlocal given
        for _ in range(32):
            yield bytes(BATCH_BYTES // 2)
            given += BATCH_BYTES // 2
            ahead.append(given - appended)

    rest = await pour(client(), append, threads)
    assert appended + sum(map(len, rest)) == given
    assert 2 * BATCH_BYTES <= max(ahead) <= 4 * BATCH_BYTES


async def test_whoever_leaves_leaves_no_batch_behind(threads: Threads) -> None:
    appended = []

    def append(batch: Sequence[bytes]) -> None:
        time.sleep(0.05)
        appended.append(batch)

    async def client() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield bytes(BATCH_BYTES)
        await asyncio.sleep(60)

    pouring = asyncio.create_task(pour(client(), append, threads))
    await asyncio.sleep(0.02)
    pouring.cancel()
    with pytest.raises(asyncio.CancelledError):
        await pouring
    await asyncio.sleep(0.2)
    assert len(appended) == 1


async def test_a_batch_that_fails_ends_the_pouring(threads: Threads) -> None:
    appended = []

    def append(batch: Sequence[bytes]) -> None:
        appended.append(batch)
        if len(appended) == 2:
            raise ZeroDivisionError("at the second")

    async def client() -> AsyncIterator[bytes]:
        for _ in range(1000):
            yield bytes(BATCH_BYTES)
            await asyncio.sleep(0)

    with pytest.raises(ZeroDivisionError, match="at the second"):
        await pour(client(), append, threads)
    assert len(appended) == 2
