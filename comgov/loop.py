"""The event loop of a worker: asyncio's own, with a selector that says at once what it does not watch."""

from __future__ import annotations

import asyncio
from selectors import EpollSelector, SelectorKey
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike


class Selector(EpollSelector):
    """epoll, for asyncio, which asks at each connection that comes or goes for descriptors that are not watched.

    Python 3.11 words and raises two errors for each answer, 4 % of a worker's time while mail pours in (3.13 does not).
    """

    _fd_to_key: dict[int, SelectorKey]

    def get_key(self, fileobj: FileDescriptorLike) -> SelectorKey:
        """Raises KeyError for what is not watched."""
        return self._fd_to_key[fileobj] if isinstance(fileobj, int) else super().get_key(fileobj)


def new_loop() -> asyncio.AbstractEventLoop:
    """For `asyncio.Runner`."""
    return asyncio.SelectorEventLoop(Selector())
