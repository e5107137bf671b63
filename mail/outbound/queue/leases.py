"""What this worker has claimed, and until when."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from mail.errors import TryLater
from mail.outbound.queue import store
from mail.postgres import connected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime, timedelta
    from uuid import UUID

    from mail.outbound.queue.model import Entry
    from mail.postgres import Pool

log = structlog.get_logger()


class Leases:
    """One per process. A worker that dies renews nothing, and others take over when its leases end."""

    def __init__(self, pool: Pool, lease_id: UUID, length: timedelta, clock: Callable[[], datetime]) -> None:
        self.id = lease_id
        self._pool = pool
        self._length = length
        self._clock = clock
        self._until: dict[int, datetime] = {}

    def end(self) -> datetime:
        """When a lease taken now ends."""
        return self._clock() + self._length

    def add(self, entries: Iterable[Entry], until: datetime) -> None:
        """These were claimed."""
        self._until.update((entry.id, until) for entry in entries)

    def drop(self, ids: Iterable[int]) -> None:
        """These are settled."""
        for one in ids:
            self._until.pop(one, None)

    def hold(self, entries: Iterable[Entry]) -> bool:
        """Whether all of these are still ours: nobody else delivers them now."""
        now = self._clock()
        return all(self._until.get(entry.id, now) > now for entry in entries)

    async def run(self) -> None:
        """Renew what is held, for ever, three times in the length of a lease."""
        while True:
            await asyncio.sleep(self._length.total_seconds() / 3)
            try:
                await self._renew()
            except TryLater as error:
                log.warning("queue.leases_not_renewed", held=len(self._until), reason=error.reason)

    async def give_back(self, entries: Sequence[Entry]) -> None:
        """Let others have these; leases end by themselves if the database does not answer."""
        ids = [entry.id for entry in entries if entry.id in self._until]
        self.drop(ids)
        if not ids:
            return
        try:
            async with connected(self._pool) as connection:
                await store.give_back(connection, ids, self.id)
        except TryLater as error:
            log.warning("queue.leases_not_given_back", held=len(ids), reason=error.reason)

    async def _renew(self) -> None:
        if not self._until:
            return
        until = self.end()
        ids = list(self._until)
        async with connected(self._pool) as connection:
            held = await store.renew(connection, ids, self.id, until)
        self._until.update((one, until) for one in held if one in self._until)
        self.drop(set(ids) - held)
