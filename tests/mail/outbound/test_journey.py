"""From the relay's door to another server, and back to the sender: every piece real but the other side."""

from __future__ import annotations

import asyncio
import email.policy
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from email.message import EmailMessage

import pytest

from comgov.db import Database
from mail.acceptance.front_door import Relay
from mail.address import Address
from mail.config import Config
from mail.directory import Identity
from mail.envelope import Client, Envelope, Origin
from mail.mailbox import Mailboxes, SpecialUse
from mail.memory import MemoryDirectory
from mail.outbound.courier import Courier
from mail.outbound.queue import Queue, summarise
from mail.outbound.route import Hop, Router
from storage import MemoryStore
from tests.mail.outbound.sink import Sink, serve
from tests.mail.outbound.test_courier import QUICK, NoDns
from tests.mail.outbound.test_queue import VirtualClock, until

MESSAGE = (
    b"From: claire@sante.gov.test\r\nTo: eric@example.org\r\nSubject: =?utf-8?q?Bordereau_n=C2=B0_12?=\r\n"
    b"Message-ID: <12@sante.gov.test>\r\nDate: Mon, 02 Mar 2026 12:00:00 +0000\r\n\r\n"
)


@dataclass
class Server:
    """One server of ours."""

    db: Database
    claire: Identity
    relay: Relay
    mailboxes: Mailboxes
    queue: Queue

    async def submit(self, content: bytes, *recipients: str, sender: str = "claire@sante.gov.test") -> None:
        """Claire sends this."""
        envelope = Envelope(
            sender=Address.parse(sender), recipients=tuple(Address.parse(recipient) for recipient in recipients)
        )
        client = Client(origin=Origin.SUBMISSION, ip="10.0.0.9", helo="pc", identity=self.claire)
        await self.relay.accept(envelope, content, client)

    async def inbox(self) -> list[bytes]:
        """Whole messages that Claire received."""
        box = await self.mailboxes.standard(self.claire.account_id, SpecialUse.INBOX)
        page = await self.mailboxes.page(box.id)
        return [b"".join([chunk async for chunk in self.mailboxes.read(message)]) for message in page.messages]


@pytest.fixture
async def sink() -> AsyncIterator[Sink]:
    """The server of example.org."""
    async with serve(Sink()) as running:
        yield running


@pytest.fixture
def server(db: Database, sink: Sink) -> Server:
    clock, blobs = VirtualClock(), MemoryStore()
    directory = MemoryDirectory("sante.gov.test")
    claire = directory.add_person(Address.parse("claire@sante.gov.test"), "secret")
    config = Config(routes={"example.org": Hop(host="127.0.0.1", port=sink.port)})
    relay = Relay(hostname="mail.gov.test", pool=db.pool, blobs=blobs, directory=directory, clock=clock, config=config)
    router = Router(config, NoDns(), frozenset({"mail.gov.test"}))
    queue = Queue(
        pool=db.pool,
        blobs=blobs,
        courier=Courier(hostname="mail.gov.test", own_names=frozenset(), router=router, config=QUICK),
        accept=relay.accept,
        hostname="mail.gov.test",
        clock=clock,
        config=config.queue,
    )
    return Server(db, claire, relay, Mailboxes(pool=db.pool, blobs=blobs, clock=clock), queue)


@pytest.mark.parametrize("rest", [b"Bonjour\r\n", b"compressible line\r\n" * 5000], ids=["small", "compressed"])
async def test_what_is_submitted_arrives_byte_for_byte_under_our_stamp(server: Server, sink: Sink, rest: bytes) -> None:
    await server.submit(MESSAGE + rest, "eric@example.org")

    await server.queue.deliver_due()

    [envelope] = sink.taken
    stamp, _, received = envelope.content.partition(MESSAGE[:20])
    assert stamp.startswith(b"Received: ")
    assert MESSAGE[:20] + received == MESSAGE + rest
    assert envelope.rcpt_tos == ["eric@example.org"]


async def test_a_large_attachment_is_sent_once_for_all_its_recipients(server: Server, sink: Sink) -> None:
    rest = b"".join(b"%076d\r\n" % number**9 for number in range(6000))
    await server.submit(MESSAGE + rest, *(f"person{number}@example.org" for number in range(40)))

    await server.queue.deliver_due()

    [envelope] = sink.taken
    assert len(envelope.rcpt_tos) == 40
    assert envelope.content.endswith(rest)


async def test_the_sender_finds_the_notification_of_a_failure_in_the_inbox(server: Server, sink: Sink) -> None:
    sink.replies = {"gone@example.org": "550 5.1.1 No such user"}
    await server.submit(MESSAGE + b"Bonjour\r\n", "gone@example.org")

    await server.queue.deliver_due()

    [content] = await server.inbox()
    notice = email.message_from_bytes(content, policy=email.policy.default)
    assert isinstance(notice, EmailMessage)
    assert notice["Return-Path"] == "<>"
    assert notice.get_content_type() == "multipart/report"
    assert notice["In-Reply-To"] == "<12@sante.gov.test>"
    assert (await summarise(server.db.pool)).waiting == 0


async def test_a_running_queue_takes_up_what_the_relay_commits(server: Server, sink: Sink) -> None:
    working = asyncio.create_task(server.queue.run())
    await asyncio.sleep(0.2)

    for number in range(10):
        await server.submit(MESSAGE + b"Bonjour\r\n", f"person{number}@example.org")
    await until(lambda: len(sink.taken) == 10, seconds=3)

    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    assert (await summarise(server.db.pool)).waiting == 0


async def test_mail_to_an_address_beyond_ascii_travels_by_smtputf8(server: Server, sink: Sink) -> None:
    await server.submit(MESSAGE + b"Bonjour\r\n", "éric@example.org", "eric@example.org")

    await server.queue.deliver_due()

    by_recipient = {envelope.rcpt_tos[0]: envelope.mail_options for envelope in sink.taken}
    assert "SMTPUTF8" in by_recipient["éric@example.org"]
    assert "SMTPUTF8" not in by_recipient["eric@example.org"]


async def test_a_sender_is_told_of_an_address_beyond_ascii_that_cannot_be_reached(server: Server, sink: Sink) -> None:
    sink.without = ("SMTPUTF8",)
    await server.submit(MESSAGE + b"Bonjour\r\n", "éric@example.org", "eric@example.org")

    await server.queue.deliver_due()

    [notice] = await server.inbox()
    assert b"Status: 5.6.7" in notice
    assert b"message/global-delivery-status" in notice
    assert sink.received == [("claire@sante.gov.test", "eric@example.org")]


async def test_a_site_that_stays_away_costs_the_sender_a_warning_and_then_a_failure(server: Server, sink: Sink) -> None:
    sink.data_reply = "451 4.3.0 Later"
    await server.submit(MESSAGE + b"Bonjour\r\n", "eric@example.org")
    clock = server.queue.clock
    assert isinstance(clock, VirtualClock)

    for _ in range(6 * 24):
        await server.queue.deliver_due()
        clock.forward(timedelta(hours=1))

    newest_first = await server.inbox()
    assert [b"Action: failed" in notice for notice in newest_first] == [True, False]
    assert b"Action: delayed" in newest_first[1]
