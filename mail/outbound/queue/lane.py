"""One connection's worth of deliveries to one site: claim, deliver, hand over to settlement, until nothing is due."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import structlog

from mail.errors import MailError, TryLater
from mail.outbound.courier.remote import Attempt
from mail.outbound.outcome import Deferred, Delivered
from mail.outbound.queue import store
from mail.outbound.queue.model import judge, parcel, transactions
from mail.postgres import connected

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime
    from uuid import UUID

    from mail.outbound.courier import Budget, Courier, Visit
    from mail.outbound.queue.leases import Leases
    from mail.outbound.queue.letter import Letters
    from mail.outbound.queue.model import Config, Entry
    from mail.outbound.queue.settlement import Settlement
    from mail.postgres import Connection, Pool

    _Claim: TypeAlias = Callable[[Connection, str, datetime, int, UUID, datetime], Awaitable[list[Entry]]]

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Worker:
    """What the lanes of a process share. stopping: set when they are to end. more: called when one alone is too few."""

    pool: Pool
    courier: Courier
    letters: Letters
    leases: Leases
    settlement: Settlement
    clock: Callable[[], datetime]
    config: Config
    stopping: asyncio.Event
    more: Callable[[], None]


class Lane:
    """Runs once."""

    def __init__(self, site: str, worker: Worker, budget: Budget, *, takes_large: bool) -> None:
        self._site = site
        self._worker = worker
        self._budget = budget
        self._claims = (store.claim_small, store.claim_large) if takes_large else (store.claim_small,)

    async def run(self) -> None:
        """Deliver what is due: all small mail, then one large message, and so on; what is left is given back."""
        try:
            async with self._worker.courier.visit(self._site, self._budget) as visit:
                while await self._round(visit):
                    pass
        except TryLater as error:
            log.warning("queue.lane_stopped", site=self._site, reason=error.reason)

    async def _round(self, visit: Visit) -> bool:
        """Whether anything was found to deliver."""
        found = False
        for claim in self._claims:
            if self._worker.stopping.is_set():
                return False
            entries = await self._claim(claim)
            found = found or bool(entries)
            await self._deliver(visit, entries)
        return found

    async def _claim(self, claim: _Claim) -> list[Entry]:
        worker = self._worker
        limit, until = worker.config.batch, worker.leases.end()
        async with connected(worker.pool) as connection:
            entries = await claim(connection, self._site, worker.clock(), limit, worker.leases.id, until)
        worker.leases.add(entries, until)
        if len(entries) == limit:
            worker.more()
        return entries

    async def _deliver(self, visit: Visit, entries: Sequence[Entry]) -> None:
        left = transactions(entries)
        try:
            while left and not self._worker.stopping.is_set() and self._worker.leases.hold(left[0]):
                attempts = await self._attempt(visit, left[0])
                tried = left.pop(0)
                self._hand_over(tried, attempts)
                await self._hasten(tried, attempts)
        finally:
            await self._worker.leases.give_back([entry for group in left for entry in group])

    async def _attempt(self, visit: Visit, entries: Sequence[Entry]) -> list[Attempt]:
        """What became of each; whatever one message brings about, the next is not to suffer from it."""
        try:
            letter = await self._worker.letters.open(entries[0].body_id)
            one = parcel(entries, letter.header, letter.size_bytes)
            return await visit.deliver(one, partial(self._worker.letters.read, letter))
        except MailError as error:
            reply = f"The message cannot be read here for now: {error.public}"
        except Exception:  # a fault of ours; tried again by the calendar, until the sender is told
            log.exception("queue.attempt_failed", site=self._site, body_id=str(entries[0].body_id))
            reply = "This server failed to send the message"
        return [Attempt(Deferred(status="4.3.0", reply=reply), "")] * len(entries)

    def _hand_over(self, entries: Sequence[Entry], attempts: Sequence[Attempt]) -> None:
        now, config = self._worker.clock(), self._worker.config
        pairs = list(zip(entries, attempts, strict=True))
        self._worker.settlement.put([judge(entry, attempt, now, config) for entry, attempt in pairs])
        for entry, attempt in pairs:
            _log(entry, attempt)

    async def _hasten(self, entries: Sequence[Entry], attempts: Sequence[Attempt]) -> None:
        """When a silent site answers again, what waits only because it did not need not wait any longer."""
        answers = any(attempt.has_answer for attempt in attempts)
        if answers and any(entry.was_unreachable for entry in entries):
            async with connected(self._worker.pool) as connection:
                await store.hasten(connection, self._site, self._worker.clock())


def _log(entry: Entry, attempt: Attempt) -> None:
    outcome = attempt.outcome
    status = "2.0.0" if isinstance(outcome, Delivered) else outcome.status
    log.info(
        "queue.attempted",
        outcome=type(outcome).__name__.lower(),
        body_id=str(entry.body_id),
        recipient=entry.recipient,
        attempts=entry.attempts,
        status=status,
        server=attempt.remote_mta,
        reply=outcome.reply,
    )
