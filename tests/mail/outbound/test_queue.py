"""The queue from claim to settlement, against real servers and a real database; only the other side is scripted."""

from __future__ import annotations

import asyncio
import email.policy
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from comgov.db import Database
from mail.envelope import SYSTEM, Client, Envelope
from mail.errors import MailboxFull, SystemDown, UnknownMailbox
from mail.outbound.courier import Courier
from mail.outbound.queue import Config, Queue, store, summarise
from mail.outbound.route import Config as RouteConfig
from mail.outbound.route import Hop, Router
from tests.mail.outbound.sink import Sink, serve
from tests.mail.outbound.test_courier import QUICK, NoDns

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
HEADER = b"From: claire@sante.gov.test\r\nSubject: Bordereau\r\nMessage-ID: <1@sante.gov.test>\r\n\r\n"
TRACE = b"Received: by mail.gov.test\r\n"


@dataclass
class VirtualClock:
    """Stands still until it is put forward."""

    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now

    def forward(self, by: timedelta) -> None:
        self.now += by


@dataclass
class Notices:
    """Takes notifications in the relay's stead; `error` is what it raises instead."""

    taken: list[tuple[Envelope, bytes]] = field(default_factory=list)
    error: Exception | None = None

    async def accept(self, envelope: Envelope, content: bytes, client: Client) -> None:
        assert client is SYSTEM
        if self.error is not None:
            raise self.error
        self.taken.append((envelope, content))

    @property
    def parsed(self) -> list[EmailMessage]:
        return [email.message_from_bytes(content, policy=email.policy.default) for _, content in self.taken]  # type: ignore[misc]


class Blobs:
    """Large bodies, by their key."""

    def __init__(self) -> None:
        self.kept: dict[bytes, bytes] = {}

    async def write(self, chunks: Any, *, size_bytes: int | None = None) -> Any:
        raise NotImplementedError

    async def read(self, sha256: bytes, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        yield self.kept[sha256][start:stop]


@dataclass
class Office:
    """A server with mail to send: what its tests arrange and look at."""

    db: Database
    clock: VirtualClock
    notices: Notices
    blobs: Blobs
    ports: dict[str, int] = field(default_factory=dict)

    def queue(self, **config: Any) -> Queue:
        """A worker of its own."""
        routes = {site: Hop(host="127.0.0.1", port=port) for site, port in self.ports.items()}
        router = Router(RouteConfig(routes=routes), NoDns(), frozenset())
        courier = Courier(hostname="mail.gov.test", own_names=frozenset(), router=router, config=QUICK)
        return Queue(
            pool=self.db.pool,
            blobs=self.blobs,
            courier=courier,
            accept=self.notices.accept,
            hostname="mail.gov.test",
            clock=self.clock,
            config=Config(**config),
        )

    async def enqueue(
        self, *recipients: str, sender: str = "claire@sante.gov.test", rest: bytes = b"Bonjour\r\n"
    ) -> UUID:
        """One message for these recipients, as the relay's commit leaves it."""
        body_id = uuid4()
        is_inline = len(rest) <= 64 * 1024
        key = None if is_inline else body_id.bytes * 2
        if key is not None:
            self.blobs.kept[key] = rest
        async with self.db.transaction() as connection:
            await connection.execute(
                "INSERT INTO mail.body (id, sha256, size_bytes, trace, header, inline, blob_key, message_id, envelope,"
                " bodystructure, parts, accepted_at) VALUES ($1, '', $2, $3, $4, $5, $6, $7, '', '', '[]', $8)",
                *(body_id, len(HEADER + rest), TRACE, HEADER, rest if is_inline else None, key),
                *("<1@sante.gov.test>", self.clock()),
            )
            await connection.executemany(
                "INSERT INTO mail.queue (body_id, sender, recipient, site, size_bytes, accepted_at, next_attempt_at)"
                " VALUES ($1, $2, $3, $4, $5, $6, $6)",
                [(body_id, sender, one, one.rpartition("@")[2], len(rest), self.clock()) for one in recipients],
            )
            await connection.execute("NOTIFY mail_queue")
        return body_id

    async def waiting(self) -> list[asyncpg.Record]:
        """The rows that are left."""
        async with self.db.connection() as connection:
            return list(await connection.fetch("SELECT * FROM mail.queue ORDER BY id"))


@pytest.fixture
def office(db: Database) -> Office:
    return Office(db, VirtualClock(), Notices(), Blobs())


@pytest.fixture
async def sink(office: Office) -> AsyncIterator[Sink]:
    """The server of example.org."""
    async with serve(Sink()) as running:
        office.ports["example.org"] = running.port
        yield running


async def until(condition: Callable[[], bool | Awaitable[bool]], seconds: float = 5) -> None:
    """Wait for something that happens on its own."""
    async with asyncio.timeout(seconds):
        while True:
            found = condition()
            if found if isinstance(found, bool) else await found:
                return
            await asyncio.sleep(0.01)


async def test_what_waits_is_delivered_and_forgotten(office: Office, sink: Sink) -> None:
    await office.enqueue("eric@example.org", "grace@example.org")

    await office.queue().deliver_due()

    [envelope] = sink.taken
    assert envelope.rcpt_tos == ["eric@example.org", "grace@example.org"]
    assert envelope.content == TRACE + HEADER + b"Bonjour\r\n"
    assert await office.waiting() == []
    assert office.notices.taken == []


async def test_a_large_body_streams_from_the_object_store(office: Office, sink: Sink) -> None:
    rest = (b"." + b"x" * 76 + b"\r\n") * 8000
    await office.enqueue("eric@example.org", rest=rest)

    await office.queue().deliver_due()

    assert sink.taken[0].content == TRACE + HEADER + rest


async def test_messages_for_one_site_share_a_connection(office: Office, sink: Sink) -> None:
    for number in range(20):
        await office.enqueue(f"person{number}@example.org")

    await office.queue().deliver_due()

    assert len(sink.taken) == 20
    assert sink.connections == 1


async def test_each_recipient_has_its_own_fate(office: Office, sink: Sink) -> None:
    sink.replies = {"gone@example.org": "550 5.1.1 No such user", "full@example.org": "452 4.2.2 Mailbox full"}
    await office.enqueue("eric@example.org", "gone@example.org", "full@example.org")

    await office.queue().deliver_due()

    [row] = await office.waiting()
    assert sink.received == [("claire@sante.gov.test", "eric@example.org")]
    assert (row["recipient"], row["attempts"], row["last_status"]) == ("full@example.org", 1, "4.2.2")
    assert row["last_reply"] == "452 4.2.2 Mailbox full"
    assert row["next_attempt_at"] == NOON + timedelta(minutes=30)
    assert row["lease"] is None
    [notice] = office.notices.parsed
    assert "gone@example.org" in notice.as_string()
    assert "full@example.org" not in notice.as_string()


async def test_a_deferred_recipient_is_tried_again_when_its_time_comes(office: Office, sink: Sink) -> None:
    sink.data_reply = "451 4.7.1 Greylisted"
    await office.enqueue("eric@example.org")
    queue = office.queue()
    await queue.deliver_due()
    sink.data_reply = "250 2.0.0 Taken"

    office.clock.forward(timedelta(minutes=29))
    await queue.deliver_due()
    assert sink.taken == []

    office.clock.forward(timedelta(minutes=1))
    await queue.deliver_due()
    assert sink.received == [("claire@sante.gov.test", "eric@example.org")]
    assert await office.waiting() == []


async def test_the_sender_is_warned_once_of_a_delay_and_told_at_the_end(office: Office, sink: Sink) -> None:
    sink.data_reply = "451 4.3.0 Later"
    await office.enqueue("eric@example.org")
    queue = office.queue(give_up_after=timedelta(days=1), warn_after=4 * HOUR)

    for _ in range(24 * 4 + 2):
        await queue.deliver_due()
        office.clock.forward(HOUR / 4)

    delayed, failed = (status_fields(notice) for notice in office.notices.parsed)
    assert (delayed["Action"], delayed["Status"]) == ("delayed", "4.3.0")
    assert "Tue, 03 Mar 2026 12:00:00 +0000" in str(delayed["Will-Retry-Until"])
    assert (failed["Action"], failed["Status"]) == ("failed", "5.4.7")
    assert await office.waiting() == []


def status_fields(notice: EmailMessage) -> Any:
    """The first recipient's fields of a notification."""
    _, report, _ = notice.iter_parts()
    payload = report.get_payload()
    assert isinstance(payload, list)
    return payload[1]


async def test_one_notification_tells_of_all_recipients_of_a_message(office: Office, sink: Sink) -> None:
    sink.replies = dict.fromkeys(("a@example.org", "b@example.org"), "550 5.1.1 No such user")
    await office.enqueue("a@example.org", "b@example.org")

    await office.queue().deliver_due()

    [(envelope, content)] = office.notices.taken
    assert envelope.sender is None
    assert [str(one) for one in envelope.recipients] == ["claire@sante.gov.test"]
    assert content.count(b"Final-Recipient:") == 2
    assert HEADER.strip() in content


async def test_nobody_is_told_of_a_notification_that_fails(office: Office, sink: Sink) -> None:
    sink.data_reply = "550 5.7.1 No"
    await office.enqueue("eric@example.org", sender="")

    await office.queue().deliver_due()

    assert office.notices.taken == []
    assert await office.waiting() == []


@pytest.mark.parametrize("error", [MailboxFull(), SystemDown()])
async def test_a_recipient_stays_until_its_sender_could_be_told(office: Office, sink: Sink, error: Exception) -> None:
    sink.data_reply = "550 5.7.1 No"
    await office.enqueue("eric@example.org")
    queue = office.queue()
    office.notices.error = error
    await queue.deliver_due()
    [row] = await office.waiting()
    assert row["next_attempt_at"] == NOON + timedelta(minutes=30)

    office.notices.error = None
    office.clock.forward(timedelta(minutes=30))
    await queue.deliver_due()

    assert len(office.notices.taken) == 1
    assert await office.waiting() == []


async def test_a_sender_who_does_not_exist_is_given_up_with_the_message(office: Office, sink: Sink) -> None:
    sink.data_reply = "550 5.7.1 No"
    office.notices.error = UnknownMailbox()
    await office.enqueue("eric@example.org")

    await office.queue().deliver_due()

    assert await office.waiting() == []


async def test_workers_that_claim_at_once_never_deliver_twice(office: Office, sink: Sink) -> None:
    for number in range(120):
        await office.enqueue(f"a{number}@example.org", f"b{number}@example.org")
    workers = [office.queue(batch=7, connections_per_site=6) for _ in range(3)]

    await asyncio.gather(*(worker.deliver_due() for worker in workers))
    await workers[0].deliver_due()

    assert len(sink.received) == len(set(sink.received)) == 240
    assert await office.waiting() == []


async def test_a_dead_worker_holds_its_mail_until_its_lease_ends(office: Office, sink: Sink) -> None:
    await office.enqueue("eric@example.org")
    async with office.db.connection() as connection:  # claims, then dies: nobody renews this lease
        claimed = await store.claim_small(connection, "example.org", NOON, 50, uuid4(), NOON + timedelta(seconds=60))
    survivor = office.queue()

    await survivor.deliver_due()
    assert len(claimed) == 1
    assert sink.taken == []

    office.clock.forward(timedelta(seconds=60))
    await survivor.deliver_due()
    assert sink.received == [("claire@sante.gov.test", "eric@example.org")]
    assert await office.waiting() == []


async def test_a_worker_that_lost_its_lease_changes_nothing(office: Office, sink: Sink) -> None:
    await office.enqueue("eric@example.org")
    lost, kept = uuid4(), uuid4()
    async with office.db.connection() as connection:
        [entry] = await store.claim_small(connection, "example.org", NOON, 50, lost, NOON)
        await store.claim_small(connection, "example.org", NOON, 50, kept, NOON + HOUR)
        await store.remove(connection, [entry.id], lost)
        await store.give_back(connection, [entry.id], lost)
        renewed = await store.renew(connection, [entry.id], lost, NOON + HOUR)

    [row] = await office.waiting()
    assert renewed == set()
    assert (row["lease"], row["attempts"]) == (kept, 2)


async def test_at_most_so_many_connections_go_to_one_site_whatever_the_workers(office: Office) -> None:
    at_once, most = 0, 0

    async def count(_server: Any) -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.01)
        at_once -= 1

    async with serve(Sink(during_data=count)) as sink:
        office.ports["example.org"] = sink.port
        for number in range(40):
            await office.enqueue(f"person{number}@example.org")
        workers = [office.queue(batch=5, connections_per_site=2) for _ in range(3)]
        await asyncio.gather(*(worker.deliver_due() for worker in workers))
        await workers[0].deliver_due()

    assert len(sink.taken) == 40
    assert most <= 2


async def test_small_mail_overtakes_large(office: Office, sink: Sink) -> None:
    large = b"x" * 76 + b"\r\n"
    await office.enqueue("large@example.org", rest=large * 5000)
    office.clock.forward(timedelta(seconds=1))
    await office.enqueue("large2@example.org", rest=large * 5000)
    await office.enqueue("small@example.org")

    await office.queue(connections_per_site=1).deliver_due()

    assert [recipient for _, recipient in sink.received] == [
        "small@example.org",
        "large@example.org",
        "large2@example.org",
    ]


async def test_small_mail_passes_while_every_other_connection_carries_large_mail(office: Office) -> None:
    gate = asyncio.Event()

    async def hold_large(server: Any) -> None:
        if len(server.envelope.content) > 200_000:
            await gate.wait()

    async with serve(Sink(during_data=hold_large), data_size_limit=None) as sink:
        office.ports["example.org"] = sink.port
        for number in range(3):
            await office.enqueue(f"large{number}@example.org", rest=(b"x" * 76 + b"\r\n") * 5000)
        working = asyncio.create_task(office.queue(connections_per_site=2, look_every=timedelta(seconds=0.05)).run())
        await until(lambda: sink.connections >= 1)
        await office.enqueue("small@example.org")
        await until(lambda: [one for _, one in sink.received] == ["small@example.org"])
        gate.set()
        await until(lambda: len(sink.taken) == 4)
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


async def test_a_site_that_answers_again_gets_all_that_waited_for_it(office: Office) -> None:
    async with serve(Sink()) as gone:
        office.ports["example.org"] = gone.port
    queue = office.queue()
    await office.enqueue("eric@example.org")
    await queue.deliver_due()
    office.clock.forward(timedelta(minutes=20))
    await office.enqueue("grace@example.org")
    await queue.deliver_due()

    async with serve(Sink(port=gone.port)) as back:
        office.clock.forward(timedelta(minutes=10))  # eric's time, and not yet grace's
        await queue.deliver_due()

    assert sorted(one for _, one in back.received) == ["eric@example.org", "grace@example.org"]


async def test_an_unreachable_site_does_not_hold_up_another(office: Office, sink: Sink) -> None:
    async with serve(Sink()) as gone:
        office.ports["gone.example"] = gone.port
    await office.enqueue("paul@gone.example", "eric@example.org")

    await office.queue().deliver_due()

    assert sink.received == [("claire@sante.gov.test", "eric@example.org")]
    [row] = await office.waiting()
    assert (row["recipient"], row["last_status"]) == ("paul@gone.example", "4.4.1")


async def test_a_running_worker_hears_of_new_mail_at_once(office: Office, sink: Sink) -> None:
    working = asyncio.create_task(office.queue(look_every=HOUR).run())
    await asyncio.sleep(0.2)

    await office.enqueue("eric@example.org")
    await until(lambda: len(sink.taken) == 1)
    await office.enqueue("grace@example.org")
    await until(lambda: len(sink.taken) == 2)

    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    assert await office.waiting() == []


async def test_a_worker_listens_again_after_its_session_was_cut(office: Office, sink: Sink) -> None:
    working = asyncio.create_task(office.queue(look_every=HOUR).run())
    await asyncio.sleep(0.2)
    async with office.db.connection() as connection:
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )

    await office.enqueue("eric@example.org")
    await until(lambda: len(sink.taken) == 1)

    working.cancel()
    await asyncio.gather(working, return_exceptions=True)


async def test_a_worker_told_to_stop_ends_what_is_under_way_and_gives_back_the_rest(office: Office) -> None:
    gate, begun = asyncio.Event(), asyncio.Event()

    async def wait(_server: Any) -> None:
        begun.set()
        await gate.wait()

    async with serve(Sink(during_data=wait)) as sink:
        office.ports["example.org"] = sink.port
        for name in ("first", "second", "third"):
            await office.enqueue(f"{name}@example.org")
        working = asyncio.create_task(office.queue().run())
        await begun.wait()
        working.cancel()
        await asyncio.sleep(0.05)
        gate.set()
        with pytest.raises(asyncio.CancelledError):
            await working

    rows = await office.waiting()
    assert [one for _, one in sink.received] == ["first@example.org"]
    assert [(row["recipient"], row["lease"], row["attempts"]) for row in rows] == [
        ("second@example.org", None, 0),
        ("third@example.org", None, 0),
    ]


async def test_a_stop_does_not_wait_for_a_server_that_dawdles(office: Office) -> None:
    begun = asyncio.Event()

    async def dawdle(_server: Any) -> None:
        begun.set()
        await asyncio.sleep(60)

    async with serve(Sink(during_data=dawdle)) as sink:
        office.ports["example.org"] = sink.port
        await office.enqueue("eric@example.org")
        working = asyncio.create_task(office.queue(finish_within=timedelta(seconds=0.2)).run())
        await begun.wait()
        working.cancel()
        async with asyncio.timeout(3):
            with pytest.raises(asyncio.CancelledError):
                await working

    [row] = await office.waiting()
    assert (row["lease"], row["attempts"]) == (None, 0)


async def test_a_body_that_cannot_be_read_now_is_tried_again_later(office: Office, sink: Sink) -> None:
    await office.enqueue("eric@example.org", rest=b"x" * 100_000 + b"\r\n")
    office.blobs.kept.clear()

    await office.queue().deliver_due()

    [row] = await office.waiting()
    assert (row["last_status"], row["attempts"], row["lease"]) == ("4.3.0", 1, None)
    assert sink.taken == []


async def test_the_summary_counts_what_waits_by_site(office: Office) -> None:
    await office.enqueue("a@example.org", "b@example.org", rest=b"12345")
    office.clock.forward(HOUR)
    await office.enqueue("c@other.example", rest=b"123")

    summary = await summarise(office.db.pool)

    assert (summary.waiting, summary.size_bytes, summary.oldest) == (3, 13, NOON)
    assert [(site.site, site.waiting, site.size_bytes) for site in summary.sites] == [
        ("example.org", 2, 10),
        ("other.example", 1, 3),
    ]


async def test_an_empty_queue_has_an_empty_summary(office: Office) -> None:
    summary = await summarise(office.db.pool)

    assert (summary.waiting, summary.size_bytes, summary.oldest, summary.sites) == (0, 0, None, ())


async def test_finding_and_claiming_reads_no_more_than_is_due(office: Office) -> None:
    async with office.db.transaction() as connection:
        await connection.execute(
            "INSERT INTO mail.body (id, sha256, size_bytes, trace, header, inline, envelope, bodystructure, parts,"
            " accepted_at) VALUES ($1, '', 0, '', '', '', '', '', '[]', now())",
            body_id := uuid4(),
        )
        await connection.execute(
            "INSERT INTO mail.queue (body_id, sender, recipient, site, size_bytes, accepted_at, next_attempt_at)"
            " SELECT $1, '', 'x', 'site' || n % 50, 1000, $2::timestamptz, $2::timestamptz + interval '1 hour'"
            " FROM generate_series(1, 50000) n",
            *(body_id, NOON),
        )
    async with office.db.connection() as connection:
        await connection.execute("ANALYZE mail.queue")
        plans = [
            await connection.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}", *arguments)
            for sql, arguments in (
                (store.DUE_SITES, (NOON,)),
                (store.CLAIM_SMALL, ("site1", NOON, 50, uuid4(), NOON)),
                (store.CLAIM_LARGE, ("site1", NOON, 50, uuid4(), NOON)),
                (store.NEXT_DUE, (NOON,)),
            )
        ]

    assert not any('"Seq Scan"' in plan for plan in plans)
