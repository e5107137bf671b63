"""The queue at work: finds the sites that have mail due, opens a lane to each, and sees them out at the end."""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING
from uuid import uuid4

import structlog

from mail.errors import TryLater
from mail.outbound.queue import store
from mail.outbound.queue.lane import Lane, Worker
from mail.outbound.queue.leases import Leases
from mail.outbound.queue.letter import Letters
from mail.outbound.queue.settlement import Settlement
from mail.outbound.queue.slots import Slots
from mail.postgres import connected

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from datetime import datetime

    from mail.body.blobs import Blobs
    from mail.outbound.courier import Courier
    from mail.outbound.queue.model import Config, DueSite, Summary
    from mail.outbound.queue.settlement import Accept
    from mail.postgres import Connection, Pool

CHANNEL = "mail_queue"
"""`NOTIFY mail_queue` says that something was enqueued."""

_PAUSE = 1.0  # seconds before trying again when the database does not answer

log = structlog.get_logger()


async def summarise(pool: Pool, sites: int = 50) -> Summary:
    """What waits, and for which `sites` sites the most. Raises SystemDown."""
    async with connected(pool) as connection:
        return await store.summary(connection, sites)


class Queue:
    """The worker that delivers mail to other servers. One per process."""

    def __init__(
        self,
        *,
        pool: Pool,
        blobs: Blobs,
        courier: Courier,
        accept: Accept,
        hostname: str,
        clock: Callable[[], datetime],
        config: Config,
    ) -> None:
        """accept: takes notifications (`Relay.accept`). hostname: this server's name in them."""
        self._pool = pool
        self._courier = courier
        self.clock = clock
        self._config = config
        self._slots = Slots(config.connections_per_site, config.site_bytes_per_second)
        self._leases = Leases(pool, uuid4(), config.lease, clock)
        letters = Letters(pool, blobs)
        self._settlement = Settlement(
            pool=pool,
            lease=self._leases.id,
            letters=letters,
            accept=accept,
            hostname=hostname,
            clock=clock,
            settled=self._leases.drop,
        )
        self._stopping = asyncio.Event()
        self._wake = asyncio.Event()
        self._worker = Worker(
            pool=pool,
            courier=courier,
            letters=letters,
            leases=self._leases,
            settlement=self._settlement,
            clock=clock,
            config=config,
            stopping=self._stopping,
            more=self._wake.set,
        )
        self._lanes: dict[asyncio.Task[None], tuple[str, int]] = {}

    async def run(self) -> None:
        """Deliver until cancelled; then end what is under way, within `finish_within`; lanes give the rest back."""
        dispatching = asyncio.create_task(self._dispatch(), name="queue dispatch")
        keeping = [
            asyncio.create_task(self._settlement.run(), name="queue settlement"),
            asyncio.create_task(self._leases.run(), name="queue leases"),
        ]
        try:
            done, _ = await asyncio.wait([dispatching, *keeping], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            self._stopping.set()
            await _end(dispatching)
            await self._end_lanes()
            await _end(*keeping)

    async def deliver_due(self) -> None:
        """Deliver what is due now, and return once all of it is settled: one round of `run`."""
        settling = asyncio.create_task(self._settlement.run())
        try:
            async with connected(self._pool) as connection:
                while await self._open_lanes(connection):
                    await asyncio.wait(self._lanes)
                    await self._settlement.wait_idle()
                    await self._close_lanes(connection)
        finally:
            settling.cancel()

    async def _end_lanes(self) -> None:
        if self._lanes:
            _, late = await asyncio.wait(self._lanes, timeout=self._config.finish_within.total_seconds())
            await _end(*late)
        with suppress(TimeoutError):
            async with asyncio.timeout(_PAUSE):
                await self._settlement.wait_idle()

    async def _dispatch(self) -> None:
        while True:
            try:
                async with self._listening() as connection:
                    await self._dispatch_on(connection)
            except TryLater as error:
                log.warning("queue.database_down", reason=error.reason)
            await asyncio.sleep(_PAUSE)

    @asynccontextmanager
    async def _listening(self) -> AsyncIterator[Connection]:
        """The database session that hears of new mail and holds our slots; its end wakes the dispatcher too."""

        def wake(*_: object) -> None:
            self._wake.set()

        self._slots.forget()
        async with connected(self._pool) as connection:
            connection.add_termination_listener(wake)
            await connection.add_listener(CHANNEL, wake)
            try:
                yield connection
            finally:
                if not connection.is_closed():
                    await store.leave_all_slots(connection)
                    await connection.remove_listener(CHANNEL, wake)
                    connection.remove_termination_listener(wake)

    async def _dispatch_on(self, connection: Connection) -> None:
        while not connection.is_closed():
            self._wake.clear()
            await self._close_lanes(connection)
            await self._open_lanes(connection)
            with suppress(TimeoutError):
                async with asyncio.timeout(await self._pause(connection)):
                    await self._wake.wait()

    async def _pause(self, connection: Connection) -> float:
        """Seconds until something becomes due, as far as is known now."""
        now = self.clock()
        look_every = self._config.look_every.total_seconds()
        due = await store.next_due(connection, now)
        return look_every if due is None else min(look_every, (due - now).total_seconds())

    async def _open_lanes(self, connection: Connection) -> int:
        """Open a lane to each site with mail due, as far as slots go; gives how many are open."""
        due = await store.due_sites(connection, self.clock())
        random.shuffle(due)  # so that no site is always first
        for site in due:
            if len(self._lanes) >= self._config.connections:
                break
            await self._open_lane(connection, site)
        return len(self._lanes)

    async def _open_lane(self, connection: Connection, due: DueSite) -> None:
        destination = self._courier.destination(due.site)
        slot = await self._slots.take(connection, destination, due)
        if slot is None:
            return
        lane = Lane(due.site, self._worker, self._slots.budget(), takes_large=self._slots.takes_large(slot))
        task = asyncio.create_task(lane.run(), name=f"queue lane to {due.site}")
        task.add_done_callback(lambda _: self._wake.set())
        self._lanes[task] = (destination, slot)

    async def _close_lanes(self, connection: Connection) -> None:
        """Free the slots of lanes that ended."""
        for task in [task for task in self._lanes if task.done()]:
            destination, slot = self._lanes.pop(task)
            await self._slots.leave(connection, destination, slot)
            if not task.cancelled() and (error := task.exception()) is not None:
                log.error("queue.lane_failed", lane=task.get_name(), exc_info=error)


async def _end(*tasks: asyncio.Task[None]) -> None:
    """Cancel tasks and wait until they have put away their things."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
