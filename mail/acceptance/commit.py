"""Group commit: messages that arrive together share one transaction, one statement, one round trip.

The committer takes whatever came while its last commit ran, what comes while the process is busy with other things, and
what clients who have just announced themselves bring, for some milliseconds at most; a lone message does not wait. A
batch that fails is committed again one by
one, so that a bad message harms no other. A commit whose answer is lost is tried again under the same ids until it is
known to hold or not, so that an acknowledged message is there exactly once.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Any

import asyncpg

from mail.body.store import INSERT_BODIES, INSERT_UNINDEXED, body_columns
from mail.errors import MailError, SystemDown
from mail.mailbox import store as mailbox_store
from mail.postgres import connected, transaction

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from mail.address import Address
    from mail.body.examination import Body
    from mail.postgres import Connection, Pool

_BATCH_LIMIT = 256  # messages
_BATCH_LIMIT_BYTES = 4 << 20  # of bodies in rows
_GATHERING_SECONDS = 0.02
_IDLE_PASS_SECONDS = 50e-6  # a pass of the loop that had nothing to do takes a fifth of it
_EXPECTED_FOR_SECONDS = 0.05  # after a client has announced itself
_AWAITED_SECONDS = 0.01  # what a batch waits for the expected at most
_LOOK_SECONDS = 0.002
_RECONNECT_PATIENCE = 20.0  # seconds of trying to learn what became of a commit; a restart of PostgreSQL is shorter
_RECONNECT_PAUSE = 0.2
_KEYS_OF_A_BODY = {"body_pkey", "unindexed_pkey"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """One copy for an account's Inbox. trace: its Return-Path."""

    account_id: int
    trace: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Departure:
    """One recipient elsewhere. sender: empty for `<>`."""

    sender: str
    recipient: Address
    smtputf8: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Passage:
    """What the traffic counters are told: copies of a message by domain; direction: `in`, `out` or `internal`."""

    domain: str
    direction: str
    messages: int


@dataclass(kw_only=True, slots=True)
class Acceptance:
    """All that becomes durable together: a body and every row that points to it. At least one delivery or departure."""

    body: Body
    deliveries: Sequence[Delivery]
    departures: Sequence[Departure]
    passages: Sequence[Passage]
    done: asyncio.Future[None] = field(init=False)

    @property
    def size_bytes(self) -> int:
        """Of the message as its readers get it, Return-Path aside."""
        return len(self.body.trace) + self.body.size_bytes


class Expected:
    """Who is about to bring a message. Whoever does not within a moment is not waited for."""

    def __init__(self) -> None:
        self._since: dict[object, float] = {}

    def add(self, giver: object) -> None:
        """It has announced itself."""
        self._since[giver] = monotonic()

    def remove(self, giver: object) -> None:
        """It has brought its message, or is gone."""
        self._since.pop(giver, None)

    def __bool__(self) -> bool:
        """Whether anyone is expected."""
        while self._since:
            giver, since = next(iter(self._since.items()))
            if since > monotonic() - _EXPECTED_FOR_SECONDS:
                return True
            del self._since[giver]
        return False


class Committer:
    """One per process. It needs no start and no stop: it runs while something waits."""

    def __init__(self, pool: Pool) -> None:
        self.expected = Expected()
        self._pool = pool
        self._waiting: list[Acceptance] = []
        self._runner: asyncio.Task[None] | None = None
        self._inboxes: dict[int, int] = {}

    async def commit(self, acceptance: Acceptance) -> None:
        """Returns once it is durable. Raises SystemFull or SystemDown when it is not, and nothing of it is kept."""
        acceptance.done = asyncio.get_running_loop().create_future()
        self._waiting.append(acceptance)
        if self._runner is None or self._runner.done():
            self._runner = asyncio.create_task(self._run(), name="mail committer")
        await acceptance.done

    async def _run(self) -> None:
        while self._waiting:
            await gathered(self.expected)
            batch = self._take()
            try:
                await self._commit_batch(batch)
            except Exception as error:  # noqa: BLE001 -- the waiting sessions must each get an answer
                for acceptance in batch:
                    _fail(acceptance, error)

    def _take(self) -> list[Acceptance]:
        count, size_bytes = 0, 0
        for acceptance in self._waiting[:_BATCH_LIMIT]:
            size_bytes += len(acceptance.body.rest.inline or b"") + len(acceptance.body.header)
            if count and size_bytes > _BATCH_LIMIT_BYTES:
                break
            count += 1
        batch, self._waiting = self._waiting[:count], self._waiting[count:]
        return batch

    async def _commit_batch(self, batch: list[Acceptance]) -> None:
        try:
            await self._write(batch)
        except (MailError, asyncpg.PostgresError):
            self._inboxes.clear()
            deadline = asyncio.get_running_loop().time() + _RECONNECT_PATIENCE
            for acceptance in batch:
                await self._commit_alone(acceptance, deadline)
        else:
            for acceptance in batch:
                _succeed(acceptance)

    async def _commit_alone(self, acceptance: Acceptance, deadline: float) -> None:
        """Settle one, whatever happened to the batch it was in; try until `deadline` (of the loop's clock) when
        PostgreSQL does not answer."""
        while True:
            try:
                await self._write_once(acceptance)
            except SystemDown as error:
                if asyncio.get_running_loop().time() < deadline:
                    await asyncio.sleep(_RECONNECT_PAUSE)
                    continue
                _fail(acceptance, error)
            except (MailError, asyncpg.PostgresError) as error:
                _fail(acceptance, error)
            else:
                _succeed(acceptance)
            return

    async def _write_once(self, acceptance: Acceptance) -> None:
        """Its body's id is its own: if that is there already, an attempt whose answer was lost did commit."""
        try:
            await self._write([acceptance])
        except asyncpg.UniqueViolationError as error:
            if error.constraint_name not in _KEYS_OF_A_BODY:
                raise

    async def _write(self, batch: Sequence[Acceptance]) -> None:
        await self._know_inboxes(batch)
        columns = _columns(batch, self._inboxes)
        async with connected(self._pool) as connection:
            await _write(connection, columns)

    async def _know_inboxes(self, batch: Sequence[Acceptance]) -> None:
        """Fill in the Inbox ids of accounts not seen before; makes the standard mailboxes of new accounts."""
        wanted = {delivery.account_id for acceptance in batch for delivery in acceptance.deliveries}
        if missing := sorted(wanted - self._inboxes.keys()):
            async with transaction(self._pool) as connection:
                self._inboxes.update(await mailbox_store.ensure_inboxes(connection, missing))


async def gathered(expected: Expected) -> None:
    """Returns once the loop has nothing else to do and nobody is expected, or this takes too long.

    Another message may come of either, and ten in a batch cost hardly more than one: with 32 sessions on two
    processors, batches of five rather than three save a fifth of the processor time, and batches of ten rather than
    seven a tenth.
    """
    began = now = monotonic()
    while now < began + _GATHERING_SECONDS:
        await asyncio.sleep(0)
        before, now = now, monotonic()
        if now < before + _IDLE_PASS_SECONDS:
            break
    until = monotonic() + _AWAITED_SECONDS
    while expected and monotonic() < until:  # noqa: ASYNC110 -- nobody tells when an announcement is stale
        await asyncio.sleep(_LOOK_SECONDS)


def _succeed(acceptance: Acceptance) -> None:
    if not acceptance.done.done():
        acceptance.done.set_result(None)


def _fail(acceptance: Acceptance, error: Exception) -> None:
    if not acceptance.done.done():
        cause = error if isinstance(error, MailError) else SystemDown(reason=f"{type(error).__name__}: {error}")
        acceptance.done.set_exception(cause)


def _columns(batch: Sequence[Acceptance], inboxes: dict[int, int]) -> list[object]:
    """The statement's parameters: one list for each column of each table."""
    deliveries = [
        (acceptance, delivery, inboxes[delivery.account_id])
        for acceptance in batch
        for delivery in acceptance.deliveries
    ]
    sizes = [acceptance.size_bytes + len(delivery.trace) for acceptance, delivery, _ in deliveries]
    offsets, counts, totals = _places([mailbox_id for _, _, mailbox_id in deliveries], sizes)
    departures = [(acceptance, departure) for acceptance in batch for departure in acceptance.departures]
    return [
        *body_columns([acceptance.body for acceptance in batch]),
        list(counts),
        list(counts.values()),
        [totals[mailbox_id] for mailbox_id in counts],
        [mailbox_id for _, _, mailbox_id in deliveries],
        offsets,
        [acceptance.body.id for acceptance, _, _ in deliveries],
        [acceptance.body.accepted_at for acceptance, _, _ in deliveries],
        sizes,
        [delivery.trace for _, delivery, _ in deliveries],
        [acceptance.body.id for acceptance, _ in departures],
        [departure.sender for _, departure in departures],
        [str(departure.recipient) for _, departure in departures],
        [departure.recipient.domain for _, departure in departures],
        [acceptance.size_bytes for acceptance, _ in departures],
        [departure.smtputf8 for _, departure in departures],
        [acceptance.body.is_8bit for acceptance, _ in departures],
        [acceptance.body.accepted_at for acceptance, _ in departures],
        *_traffic_columns(batch),
        *_notification_columns(list(counts), is_queued=bool(departures)),
    ]


_NOTIFIED_LIMIT = 380  # mailbox ids of up to 19 digits, with commas, in the 7,999 bytes of a notification


def _notification_columns(mailbox_ids: Sequence[int], *, is_queued: bool) -> list[list[str]]:
    """Channels and payloads: the mailboxes that grew, in as few as they fit in; that the queue has something."""
    payloads = [
        ",".join(map(str, mailbox_ids[at : at + _NOTIFIED_LIMIT])) for at in range(0, len(mailbox_ids), _NOTIFIED_LIMIT)
    ]
    notifications = [("mail_mailbox", payload) for payload in payloads]
    if is_queued:
        notifications.append(("mail_queue", ""))
    return [[channel for channel, _ in notifications], [payload for _, payload in notifications]]


def _places(mailbox_ids: Sequence[int], sizes: Sequence[int]) -> tuple[list[int], dict[int, int], dict[int, int]]:
    """Each row's place among those of its mailbox, and by mailbox how many there are and their bytes."""
    offsets = []
    counts: dict[int, int] = defaultdict(int)
    totals: dict[int, int] = defaultdict(int)
    for mailbox_id, size_bytes in zip(mailbox_ids, sizes, strict=True):
        offsets.append(counts[mailbox_id])
        counts[mailbox_id] += 1
        totals[mailbox_id] += size_bytes
    return offsets, counts, totals


def _traffic_columns(batch: Sequence[Acceptance]) -> list[list[Any]]:
    messages: dict[tuple[datetime, str, str], int] = defaultdict(int)
    size_bytes: dict[tuple[datetime, str, str], int] = defaultdict(int)
    for acceptance in batch:
        minute = acceptance.body.accepted_at.replace(second=0, microsecond=0)
        for passage in acceptance.passages:
            key = (minute, passage.domain, passage.direction)
            messages[key] += passage.messages
            size_bytes[key] += passage.messages * acceptance.size_bytes
    return [
        [minute for minute, _, _ in messages],
        [domain for _, domain, _ in messages],
        [direction for _, _, direction in messages],
        list(messages.values()),
        [size_bytes[key] for key in messages],
    ]


# Rows of mailbox are locked in the order of their ids, so that two workers never wait for each other. The LEFT JOIN
# makes a mailbox that is gone an error (uid NULL) instead of a lost message.
_WRITE = f"""
WITH bodies AS (
    {INSERT_BODIES}
), pending AS (
    {INSERT_UNINDEXED}
), locked AS MATERIALIZED (
    SELECT id FROM mail.mailbox WHERE id = ANY($34::bigint[]) ORDER BY id FOR UPDATE
), grown AS (
    UPDATE mail.mailbox AS m
    SET uidnext = m.uidnext + g.count, modseq = m.modseq + 1, messages = m.messages + g.count,
        unseen = m.unseen + g.count, size_bytes = m.size_bytes + g.size_bytes
    FROM locked JOIN unnest($34::bigint[], $35::int[], $36::bigint[]) AS g(id, count, size_bytes) USING (id)
    WHERE m.id = locked.id
    RETURNING m.id, m.uidnext - g.count AS first_uid, m.modseq
), delivered AS (
    INSERT INTO mail.message (mailbox_id, uid, body_id, internal_date, modseq, size_bytes, trace)
    SELECT d.mailbox_id, grown.first_uid + d.place, d.body_id, d.internal_date, grown.modseq, d.size_bytes, d.trace
    FROM unnest($37::bigint[], $38::int[], $39::uuid[], $40::timestamptz[], $41::bigint[], $42::bytea[])
        AS d(mailbox_id, place, body_id, internal_date, size_bytes, trace)
    LEFT JOIN grown ON grown.id = d.mailbox_id
), queued AS (
    INSERT INTO mail.queue (body_id, sender, recipient, site, size_bytes, smtputf8, is_8bit, accepted_at,
                            next_attempt_at)
    SELECT q.body_id, q.sender, q.recipient, q.site, q.size_bytes, q.smtputf8, q.is_8bit, q.accepted_at, q.accepted_at
    FROM unnest($43::uuid[], $44::text[], $45::text[], $46::text[], $47::bigint[], $48::boolean[], $49::boolean[],
                $50::timestamptz[])
        AS q(body_id, sender, recipient, site, size_bytes, smtputf8, is_8bit, accepted_at)
), counted AS (
    INSERT INTO mail.traffic (minute, domain, direction, messages, size_bytes)
    SELECT * FROM unnest($51::timestamptz[], $52::text[], $53::text[], $54::bigint[], $55::bigint[])
)
SELECT pg_notify(channel, payload) FROM unnest($56::text[], $57::text[]) AS n (channel, payload)
"""


async def _write(connection: Connection, columns: Sequence[object]) -> None:
    await connection.execute(_WRITE, *columns)
