"""Threads for calls that wait on a disk, and no way to leave one running unnoticed."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")


class Threads:
    """A pool of our own: a slow disk then holds up neither name look-ups nor anything else of the loop's pool.

    Cancelling a coroutine cannot stop a thread, and closing a file under a thread would let it write into whatever
    file gets the same number next. So a cancelled `run` first waits for its call to return: one batch, or one fsync.
    """

    def __init__(self, count: int) -> None:
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="storage")

    def start(self, call: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> asyncio.Future[T]:
        """Begin the call; hand what this gives to `finish` or to `settle`."""
        return asyncio.wrap_future(self._pool.submit(call, *arguments, **options))

    async def run(self, call: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
        """What the call gives."""
        return await finish(self.start(call, *arguments, **options))

    def close(self) -> None:
        """Wait for the calls under way."""
        self._pool.shutdown()


async def finish(future: asyncio.Future[T]) -> T:
    """What the call gave or raised; if cancelled meanwhile, CancelledError once the call has returned."""
    if cancelled := await _outlast(future):
        raise cancelled
    return future.result()


async def settle(future: asyncio.Future[T]) -> None:
    """Wait for the call to return; what it gave or raised no longer matters."""
    if cancelled := await _outlast(future):
        raise cancelled


async def _outlast(future: asyncio.Future[T]) -> asyncio.CancelledError | None:
    cancelled = None
    while not future.done():
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError as error:
            cancelled = error
    future.exception()  # seen, so that asyncio does not report it as forgotten
    return cancelled
