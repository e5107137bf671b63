"""What attempts lead to, written down: recipients done with, put back for later, or given up and their senders told.

Whatever comes in while one round is being written is written together in the next; there is no timer. Until then the
recipient stays claimed, so a crash means that it is delivered again, never that it is lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeAlias

import structlog

from mail.address import Address
from mail.envelope import SYSTEM, Client, Envelope
from mail.errors import MailError, TryLater
from mail.outbound.dsn import Original, compose
from mail.outbound.queue import store
from mail.outbound.queue.model import Bounce, Done, Retry, Verdict
from mail.postgres import transaction

if TYPE_CHECKING:
    from uuid import UUID

    from mail.outbound.dsn import Report
    from mail.outbound.queue.letter import Letters
    from mail.outbound.queue.model import Entry
    from mail.postgres import Pool

Accept: TypeAlias = Callable[[Envelope, bytes, Client], Awaitable[object]]
"""`Relay.accept`: takes a notification, and returns once it is durable."""

_PAUSE = 1.0  # seconds before trying again when the database does not answer
_UNTOLD_RETRY = timedelta(minutes=30)
_UNTOLD_LIMIT = timedelta(days=10)  # after acceptance; a sender who cannot be told by then never will be

log = structlog.get_logger()


class Settlement:
    """One per process; `run` does the work."""

    def __init__(
        self,
        *,
        pool: Pool,
        lease: UUID,
        letters: Letters,
        accept: Accept,
        hostname: str,
        clock: Callable[[], datetime],
        settled: Callable[[Sequence[int]], None],
    ) -> None:
        """lease: under which the entries were claimed. settled: told the ids that no longer are."""
        self._pool = pool
        self._lease = lease
        self._letters = letters
        self._accept = accept
        self._hostname = hostname
        self._clock = clock
        self._settled = settled
        self._waiting: list[Verdict] = []
        self._arrived = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def put(self, verdicts: Iterable[Verdict]) -> None:
        """Have these written soon."""
        self._waiting.extend(verdicts)
        self._idle.clear()
        self._arrived.set()

    async def wait_idle(self) -> None:
        """Return once all that was put is written."""
        await self._idle.wait()

    async def run(self) -> None:
        """Write what is put, for ever; waits out a database that does not answer."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            verdicts, self._waiting = self._waiting, []
            told = await self._tell_senders(verdicts)
            try:
                await self._write(told)
            except TryLater as error:
                log.warning("queue.unwritten", recipients=len(told), reason=error.reason)
                await asyncio.sleep(_PAUSE)
                self.put(told)
            if not self._waiting:
                self._idle.set()

    async def _write(self, verdicts: Sequence[Done | Retry]) -> None:
        gone = [verdict.entry.id for verdict in verdicts if isinstance(verdict, Done)]
        late = [verdict for verdict in verdicts if isinstance(verdict, Retry)]
        async with transaction(self._pool) as connection:
            await store.remove(connection, gone, self._lease)
            await store.defer(connection, late, self._lease, self._clock())
        self._settled([verdict.entry.id for verdict in verdicts])

    async def _tell_senders(self, verdicts: Sequence[Verdict]) -> list[Done | Retry]:
        """What remains to be written once the senders concerned were told, or could not be."""
        now = self._clock()
        bounces = [(one.entry, one.report) for one in verdicts if isinstance(one, Bounce)]
        warnings = [(one.entry, one.warning) for one in verdicts if isinstance(one, Retry) and one.warning]
        untold = await self._tell(bounces, now) | await self._tell(warnings, now)
        return [_once_told(verdict, now, told=verdict.entry.id not in untold) for verdict in verdicts]

    async def _tell(self, reports: Sequence[tuple[Entry, Report]], now: datetime) -> set[int]:
        """Notify senders, once for each message; gives the ids of entries whose sender could not be told for now."""
        by_message: dict[tuple[UUID, str], list[tuple[Entry, Report]]] = {}
        for entry, report in reports:
            if entry.sender:
                by_message.setdefault((entry.body_id, entry.sender), []).append((entry, report))
        untold: set[int] = set()
        for group in by_message.values():
            if not await self._notify(group, now):
                untold.update(entry.id for entry, _ in group)
        return untold

    async def _notify(self, group: Sequence[tuple[Entry, Report]], now: datetime) -> bool:
        """Whether the matter is closed: the sender was told, or never can be."""
        entry = group[0][0]
        try:
            letter = await self._letters.open(entry.body_id)
            original = Original(
                sender=entry.sender, accepted=entry.accepted_at, header=letter.header, message_id=letter.message_id
            )
            content = compose(original, [report for _, report in group], reporting_mta=self._hostname, now=now)
            sender = Address.parse(entry.sender)
            envelope = Envelope(sender=None, recipients=(sender,), smtputf8=sender.needs_smtputf8)
            await self._accept(envelope, content, SYSTEM)
        except TryLater as error:
            log.warning("queue.sender_not_told", body_id=str(entry.body_id), reason=str(error))
            return False
        except MailError as error:  # a notification that bounces is dropped (RFC 5321 §6.1)
            log.warning("queue.sender_unreachable", body_id=str(entry.body_id), reason=str(error))
        return True


def _once_told(verdict: Verdict, now: datetime, *, told: bool) -> Done | Retry:
    if isinstance(verdict, Retry):
        return replace(verdict, warning=None, is_warned=verdict.warning is not None and told)
    if isinstance(verdict, Done) or told or now >= verdict.entry.accepted_at + _UNTOLD_LIMIT:
        return Done(verdict.entry)
    return Retry(verdict.entry, now + _UNTOLD_RETRY, verdict.report.status, verdict.report.text)
