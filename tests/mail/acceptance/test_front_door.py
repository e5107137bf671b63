"""What the front door takes, stamps, refuses and writes."""

from __future__ import annotations

import asyncio
import base64
import random
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import asyncpg
import pytest

from comgov.db import open_database
from mail.address import Address
from mail.config import Config
from mail.directory import MailingList
from mail.envelope import SYSTEM, Client, Envelope, Origin
from mail.errors import (
    Looping,
    MailboxFull,
    MailError,
    Malformed,
    MessageTooLarge,
    NotPermitted,
    RelayDenied,
    SystemDown,
    SystemFull,
    UnknownMailbox,
)
from mail.mailbox import Flag, SpecialUse
from mail.traffic import traffic
from tests.mail.post import make_post

if TYPE_CHECKING:
    from comgov.db import Database
    from mail.directory import Identity
    from tests.mail.post import Clock, Post

OUTSIDE = Client(origin=Origin.OUTSIDE, ip="192.0.2.7", helo="mx.example.org", protocol="ESMTPS", tls="TLSv1.3 X")
MESSAGE = b"From: Anna <anna@example.org>\r\nTo: eric@finances.gov.test\r\nSubject: Budget\r\n\r\nBonjour.\r\n"
ANNA = "anna@example.org"


def submission(identity: Identity) -> Client:
    return Client(origin=Origin.SUBMISSION, ip="192.0.2.9", helo="pc", protocol="ESMTPSA", identity=identity)


def envelope(sender: str, *recipients: str) -> Envelope:
    return Envelope(
        sender=Address.parse(sender) if sender else None,
        recipients=tuple(Address.parse(recipient) for recipient in recipients),
    )


async def test_a_message_is_read_byte_for_byte_after_its_stamps(post: Post) -> None:
    accepted = await post.relay.accept(envelope(ANNA, "eric@finances.gov.test"), MESSAGE, OUTSIDE)
    [message] = await post.inbox(post.eric.account_id)
    content = await post.read(message)
    assert content.endswith(MESSAGE)
    assert len(content) == message.size_bytes
    assert content.removesuffix(MESSAGE).decode() == (
        "Return-Path: <anna@example.org>\r\n"
        "Received: from mx.example.org ([192.0.2.7])\r\n"
        "\tby mail.gov.test\r\n"
        f"\twith ESMTPS id {accepted.body_id.hex} (TLSv1.3 X)\r\n"
        "\tfor <eric@finances.gov.test>;\r\n"
        "\tSun, 22 Nov 2026 09:30:15 +0000\r\n"
    )
    assert (message.subject, message.from_text, message.preview) == ("Budget", "Anna <anna@example.org>", "Bonjour.")


async def test_a_message_given_again_under_its_id_is_accepted_once(post: Post) -> None:
    body_id, addressed = uuid4(), envelope(ANNA, "eric@finances.gov.test")
    again = [post.relay.accept(addressed, MESSAGE, OUTSIDE, body_id=body_id) for _ in range(3)]
    assert {accepted.body_id for accepted in await asyncio.gather(*again)} == {body_id}
    await post.relay.accept(addressed, MESSAGE, OUTSIDE, body_id=body_id)
    assert len(await post.inbox(post.eric.account_id)) == 1


async def test_a_large_message_lies_in_the_object_store_and_comes_back_whole(post: Post) -> None:
    noise = b"".join(b"%064x\r\n" % (index * 2**250 // 997) for index in range(20_000))
    content = MESSAGE + noise
    await post.relay.accept(envelope(ANNA, "eric@finances.gov.test", "claire@sante.gov.test"), content, OUTSIDE)
    for account_id in (post.eric.account_id, post.claire.account_id):
        [message] = await post.inbox(account_id)
        assert (await post.read(message)).endswith(content)
    kept = [blob async for blob in post.blobs.list()]
    assert [blob.size_bytes for blob in kept] == [len(content) - MESSAGE.index(b"\r\n\r\n") - 4]


async def test_any_range_of_a_message_can_be_read(post: Post) -> None:
    await post.relay.accept(envelope(ANNA, "eric@finances.gov.test"), MESSAGE + b"x" * 3000 + b"\r\n", OUTSIDE)
    [message] = await post.inbox(post.eric.account_id)
    whole = await post.read(message)
    for start, stop in ((0, 10), (5, 400), (250, 260), (len(whole) - 5, None), (300, 10**6), (50, 50)):
        found = b"".join([chunk async for chunk in post.mailboxes.read(message, start, stop)])
        assert found == whole[start:stop]


async def test_recipients_here_and_elsewhere_share_one_body(post: Post, db: Database) -> None:
    accepted = await post.relay.accept(
        envelope("claire@sante.gov.test", "eric@finances.gov.test", "bob@example.org", "Bob@Example.ORG"),
        b"From: claire@sante.gov.test\r\n\r\nx\r\n",
        submission(post.claire),
    )
    assert (accepted.inboxes, accepted.queued) == (1, 2)
    rows = await db.pool.fetch("SELECT body_id, sender, recipient, site FROM mail.queue ORDER BY id")
    assert [tuple(row) for row in rows] == [
        (accepted.body_id, "claire@sante.gov.test", "bob@example.org", "example.org"),
        (accepted.body_id, "claire@sante.gov.test", "Bob@example.org", "example.org"),
    ]
    assert await db.pool.fetchval("SELECT count(*) FROM mail.body") == 1


async def test_one_account_gets_one_copy_however_often_it_is_reached(post: Post) -> None:
    post.directory.add_list(
        MailingList(
            address=Address.parse("tous@sante.gov.test"),
            owner=Address.parse("tous-owner@sante.gov.test"),
            accounts=(await _account(post, "eric@finances.gov.test"), post.secretariat),
        )
    )
    accepted = await post.relay.accept(
        envelope(ANNA, "tous@sante.gov.test", "eric@finances.gov.test", "ERIC@finances.gov.test"), MESSAGE, OUTSIDE
    )
    assert accepted.inboxes == 2
    [direct] = await post.inbox(post.eric.account_id)
    [listed] = await post.inbox(post.secretariat.account_id)
    assert (await post.read(direct)).startswith(b"Return-Path: <anna@example.org>\r\n")
    assert (await post.read(listed)).startswith(b"Return-Path: <tous-owner@sante.gov.test>\r\n")


async def _account(post: Post, address: str):  # type: ignore[no-untyped-def]
    return await post.directory.lookup(Address.parse(address))


async def _closed_list(post: Post) -> None:
    post.directory.add_list(
        MailingList(
            address=Address.parse("tous@sante.gov.test"),
            owner=Address.parse("owner@sante.gov.test"),
            accounts=(post.secretariat,),
            remote=(Address.parse("partner@example.org"),),
            posters=frozenset({"claire@sante.gov.test", "partner@example.org"}),
        )
    )


async def test_members_post_to_a_closed_list_and_its_owner_sends(post: Post, db: Database) -> None:
    await _closed_list(post)
    content = b"From: claire@sante.gov.test\r\n\r\nx\r\n"
    await post.relay.accept(envelope("claire@sante.gov.test", "tous@sante.gov.test"), content, submission(post.claire))
    await post.relay.accept(envelope("partner@example.org", "tous@sante.gov.test"), MESSAGE, OUTSIDE)
    assert len(await post.inbox(post.secretariat.account_id)) == 2
    senders = await db.pool.fetch("SELECT sender, recipient FROM mail.queue")
    assert {tuple(row) for row in senders} == {("owner@sante.gov.test", "partner@example.org")}


@pytest.mark.parametrize("sender", ["anna@example.org", "", "claire@sante.gov.test", "eric@finances.gov.test"])
async def test_a_closed_list_refuses_others_and_unauthenticated_names_of_ours(post: Post, sender: str) -> None:
    await _closed_list(post)
    with pytest.raises(NotPermitted) as refused:
        await post.relay.accept(envelope(sender, "tous@sante.gov.test"), MESSAGE, OUTSIDE)
    assert refused.value.reply.startswith("550 5.7.1 ")


@pytest.mark.parametrize(
    ("recipient", "error"),
    [("nobody@sante.gov.test", UnknownMailbox), ("bob@example.org", RelayDenied)],
)
async def test_one_bad_recipient_refuses_the_whole_and_nothing_is_kept(
    post: Post, db: Database, recipient: str, error: type[MailError]
) -> None:
    with pytest.raises(error):
        await post.relay.accept(envelope(ANNA, "eric@finances.gov.test", recipient), MESSAGE, OUTSIDE)
    assert await db.pool.fetchval("SELECT count(*) FROM mail.body") == 0


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"A: b\n\nx\r\n", Malformed),
        (b"A: b\r\n\r\nx\ry\r\n", Malformed),
        (b"A: b\r\n\r\nx\r", Malformed),
        (b"A: b\r\n\r\nx\0y\r\n", Malformed),
        (b"A: b\r\n\r\n" + b"x" * 70_000, MessageTooLarge),
        (b"A: " + b"x" * 20_000 + b"\r\n\r\n", MessageTooLarge),
        (b"Received: a\r\n" * 20 + b"\r\n", Looping),
    ],
)
async def test_bytes_that_no_message_may_hold_are_refused(
    db: Database, clock: Clock, content: bytes, error: type[MailError]
) -> None:
    config = Config(message_limit_bytes=64 << 10, header_limit_bytes=16 << 10, hop_limit=20)
    post = make_post(db.pool, clock, config)
    with pytest.raises(error):
        await post.relay.accept(envelope(ANNA, "eric@finances.gov.test"), content, OUTSIDE)


async def test_a_person_who_sends_for_a_post_is_recorded(post: Post) -> None:
    content = b"From: secretariat@sante.gov.test\r\n\r\nx\r\n"
    await post.relay.accept(
        envelope("secretariat@sante.gov.test", "eric@finances.gov.test"), content, submission(post.claire)
    )
    [message] = await post.inbox(post.eric.account_id)
    assert (message.submitter, message.on_behalf) == ("claire@sante.gov.test", True)
    assert b'\r\nSender: "Claire N." <claire@sante.gov.test>\r\n' in await post.read(message)


async def test_a_submission_gains_what_it_lacks_and_loses_its_bcc(post: Post, db: Database) -> None:
    content = b"From: claire@sante.gov.test\r\nBcc: a@b.test,\r\n\tc@d.test\r\nSubject: s\r\n\r\nBcc: kept\r\n"
    accepted = await post.relay.accept(
        envelope("claire@sante.gov.test", "eric@finances.gov.test"), content, submission(post.claire)
    )
    [message] = await post.inbox(post.eric.account_id)
    stamped, _, rest = (await post.read(message)).partition(b"From: ")
    assert f"Message-ID: <{accepted.body_id.hex}@mail.gov.test>\r\n".encode() in stamped
    assert b"Date: Sun, 22 Nov 2026 09:30:15 +0000\r\n" in stamped
    assert rest == b"claire@sante.gov.test\r\nSubject: s\r\n\r\nBcc: kept\r\n"
    assert not message.on_behalf
    told = await db.pool.fetchval("SELECT envelope FROM mail.body")  # what it gained is told like the rest
    assert told.startswith(b'("Sun, 22 Nov 2026 09:30:15 +0000" "s" ')
    assert told.endswith(f' "<{accepted.body_id.hex}@mail.gov.test>")'.encode())


async def test_what_a_submission_has_is_left_alone(post: Post) -> None:
    content = b"From: claire@sante.gov.test\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\nMessage-Id: <a@b>\r\n\r\nx\r\n"
    await post.relay.accept(
        envelope("claire@sante.gov.test", "eric@finances.gov.test"), content, submission(post.claire)
    )
    [message] = await post.inbox(post.eric.account_id)
    received = await post.read(message)
    assert received.endswith(content)
    assert received.lower().count(b"message-id:") == 1


@pytest.mark.parametrize(
    "header",
    [
        b"From: eric@finances.gov.test\r\n",
        b"From: claire@sante.gov.test, eric@finances.gov.test\r\n",
        b"From: claire@sante.gov.test\r\nSender: eric@finances.gov.test\r\n",
        b"From: claire@sante.gov.test\r\nFrom: eric@finances.gov.test\r\n",
        b"Subject: nobody\r\n",
        b"From: nobody\r\n",
        b'From: "claire@sante.gov.test" <eric@finances.gov.test>\r\n',
        pytest.param(b"From: claire@sante.gov.test" + b"\r\n " * 70_000 + b",eric@finances.gov.test\r\n", id="blanks"),
        pytest.param(
            b"From: " + b"claire@sante.gov.test,\r\n " * 1_000 + b"eric@finances.gov.test\r\n", id="the thousandth"
        ),
    ],
)
async def test_a_submission_in_anothers_name_is_refused(post: Post, header: bytes) -> None:
    with pytest.raises((NotPermitted, Malformed)):
        await post.relay.accept(
            envelope("claire@sante.gov.test", "eric@finances.gov.test"), header + b"\r\nx\r\n", submission(post.claire)
        )


async def test_an_envelope_in_anothers_name_is_refused(post: Post) -> None:
    content = b"From: claire@sante.gov.test\r\n\r\nx\r\n"
    with pytest.raises(NotPermitted):
        await post.relay.accept(
            envelope("eric@finances.gov.test", "eric@finances.gov.test"), content, submission(post.claire)
        )


async def test_a_full_mailbox_defers_people_but_takes_notifications(post: Post, db: Database, clock: Clock) -> None:
    address = Address.parse("petit@sante.gov.test")
    account = post.directory.add_account(address, quota_bytes=1000)
    await post.relay.accept(envelope(ANNA, str(address)), MESSAGE + b"x" * 2000 + b"\r\n", OUTSIDE)
    full = make_post(db.pool, clock, Config())
    full.directory.recipients[address.key] = account
    with pytest.raises(MailboxFull) as refused:
        await full.relay.accept(envelope(ANNA, str(address)), MESSAGE, OUTSIDE)
    assert refused.value.reply.startswith("452 4.2.2 ")
    await full.relay.accept(envelope("", str(address)), MESSAGE, SYSTEM)
    assert len(await post.inbox(account.account_id)) == 2


async def test_uids_have_no_gap_and_counters_are_exact_under_two_workers(
    db_url: str, clock: Clock, config: Config
) -> None:
    async with open_database(db_url) as first, open_database(db_url) as second:
        posts = [make_post(first.pool, clock, config), make_post(second.pool, clock, config)]
        targets = ["eric@finances.gov.test", "claire@sante.gov.test", "secretariat@sante.gov.test"]
        await asyncio.gather(
            *(
                posts[index % 2].relay.accept(
                    envelope(ANNA, *(targets if index % 3 else reversed(targets))), MESSAGE, OUTSIDE
                )
                for index in range(120)
            )
        )
        for identity in (posts[0].eric, posts[0].claire):
            messages = await posts[0].inbox(identity.account_id)
            assert [message.uid for message in messages] == list(range(1, 121))
            assert [m.modseq for m in messages] == sorted(m.modseq for m in messages)
            box = await posts[0].mailboxes.standard(identity.account_id, SpecialUse.INBOX)
            assert (box.messages, box.unseen, box.uidnext) == (120, 120, 121)
            assert box.size_bytes == sum(message.size_bytes for message in messages)
            assert box.modseq == messages[-1].modseq


async def test_messages_that_wait_share_a_commit(post: Post, db: Database) -> None:
    await asyncio.gather(
        *(post.relay.accept(envelope(ANNA, "eric@finances.gov.test"), MESSAGE, OUTSIDE) for _ in range(50))
    )
    transactions = await db.pool.fetchval("SELECT count(DISTINCT xmin::text) FROM mail.body")
    assert transactions <= 5


async def test_listeners_are_told_once_a_batch_which_mailboxes_grew(post: Post, db: Database) -> None:
    heard: list[tuple[str, str]] = []
    async with db.pool.acquire() as connection:
        for channel in ("mail_mailbox", "mail_queue"):
            await connection.add_listener(channel, lambda *call: heard.append((call[2], call[3])))
        content = b"From: claire@sante.gov.test\r\n\r\nx\r\n"
        recipients = ("eric@finances.gov.test", "secretariat@sante.gov.test", "bob@example.org", "eve@example.org")
        await post.relay.accept(envelope("claire@sante.gov.test", *recipients), content, submission(post.claire))
        await connection.execute("SELECT 1")
        await asyncio.sleep(0.05)
        await connection.reset()
    boxes = [
        await post.mailboxes.standard(account_id, SpecialUse.INBOX)
        for account_id in (post.eric.account_id, post.secretariat.account_id)
    ]
    assert sorted(heard) == [("mail_mailbox", ",".join(str(box.id) for box in boxes)), ("mail_queue", "")]


async def test_a_list_of_a_thousand_is_one_commit(post: Post, db: Database) -> None:
    accounts = tuple(
        post.directory.add_account(Address.parse(f"agent{number}@sante.gov.test")) for number in range(1000)
    )
    post.directory.add_list(
        MailingList(
            address=Address.parse("tous@sante.gov.test"),
            owner=Address.parse("owner@sante.gov.test"),
            accounts=accounts,
        )
    )
    accepted = await post.relay.accept(envelope(ANNA, "tous@sante.gov.test"), MESSAGE, OUTSIDE)
    assert accepted.inboxes == 1000
    assert await db.pool.fetchval("SELECT count(*) FROM mail.message WHERE uid = 1") == 1000
    assert await db.pool.fetchval("SELECT count(DISTINCT xmin::text) FROM mail.message") == 1
    assert await db.pool.fetchval("SELECT count(*) FROM mail.body") == 1


async def test_a_message_that_cannot_be_written_fails_alone(post: Post, db: Database) -> None:
    await db.pool.execute("ALTER TABLE mail.body ADD CHECK (subject <> 'poison')")
    poison = MESSAGE.replace(b"Budget", b"poison")
    outcomes = await asyncio.gather(
        *(
            post.relay.accept(envelope(ANNA, "eric@finances.gov.test"), poison if index == 7 else MESSAGE, OUTSIDE)
            for index in range(20)
        ),
        return_exceptions=True,
    )
    assert [index for index, outcome in enumerate(outcomes) if isinstance(outcome, Exception)] == [7]
    assert isinstance(outcomes[7], SystemDown)
    assert [message.uid for message in await post.inbox(post.eric.account_id)] == list(range(1, 20))


async def test_a_mailbox_that_was_deleted_meanwhile_is_made_anew(post: Post, db: Database) -> None:
    await post.relay.accept(envelope(ANNA, "eric@finances.gov.test"), MESSAGE, OUTSIDE)
    await db.pool.execute("DELETE FROM mail.mailbox")
    await post.relay.accept(envelope(ANNA, "eric@finances.gov.test"), MESSAGE, OUTSIDE)
    assert [message.uid for message in await post.inbox(post.eric.account_id)] == [1]


async def test_a_commit_whose_answer_was_lost_is_not_done_twice(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    written = post.relay._committer._write
    calls = 0

    async def lose_the_answer(batch):  # type: ignore[no-untyped-def]
        nonlocal calls
        calls += 1
        await written(batch)
        if calls == 1:
            raise SystemDown(reason="the connection was cut after COMMIT")

    monkeypatch.setattr(post.relay._committer, "_write", lose_the_answer)
    await post.relay.accept(envelope(ANNA, "eric@finances.gov.test"), MESSAGE, OUTSIDE)
    assert calls == 2
    assert len(await post.inbox(post.eric.account_id)) == 1


async def test_a_full_object_store_defers(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(post.blobs, "write", full)
    noise = base64.encodebytes(random.Random(1).randbytes(200_000)).replace(b"\n", b"\r\n")
    with pytest.raises(SystemFull) as refused:
        await post.relay.accept(envelope(ANNA, "eric@finances.gov.test"), MESSAGE + noise, OUTSIDE)
    assert refused.value.reply.startswith("452 4.3.1 ")
    await post.relay.accept(envelope(ANNA, "eric@finances.gov.test"), MESSAGE, OUTSIDE)


async def test_a_full_database_defers_and_service_goes_on(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(*_: object) -> None:
        raise asyncpg.DiskFullError("could not extend file: No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("mail.acceptance.commit._write", full)
        with pytest.raises(SystemFull) as refused:
            await post.relay.accept(envelope(ANNA, "eric@finances.gov.test"), MESSAGE, OUTSIDE)
        assert refused.value.reply.startswith("452 4.3.1 ")
    await post.relay.accept(envelope(ANNA, "eric@finances.gov.test"), MESSAGE, OUTSIDE)
    assert len(await post.inbox(post.eric.account_id)) == 1


async def test_traffic_is_counted_by_domain_and_day(post: Post, db: Database, clock: Clock) -> None:
    await post.relay.accept(envelope(ANNA, "eric@finances.gov.test"), MESSAGE, OUTSIDE)
    clock.advance(timedelta(days=1))
    content = b"From: claire@sante.gov.test\r\n\r\nx\r\n"
    recipients = ("eric@finances.gov.test", "secretariat@sante.gov.test", "bob@example.org")
    await post.relay.accept(envelope("claire@sante.gov.test", *recipients), content, submission(post.claire))
    start = clock.now - timedelta(days=2)
    days = await traffic(db.pool, start, clock.now + timedelta(days=1))
    assert [
        (day.day.day, day.domain, day.incoming.messages, day.outgoing.messages, day.internal.messages) for day in days
    ] == [
        (22, "finances.gov.test", 1, 0, 0),
        (23, "finances.gov.test", 1, 0, 0),
        (23, "sante.gov.test", 0, 2, 1),
    ]
    assert days[0].incoming.size_bytes > len(MESSAGE)


async def test_flags_of_what_arrives_are_none(post: Post) -> None:
    await post.relay.accept(envelope(ANNA, "eric@finances.gov.test"), MESSAGE, OUTSIDE)
    [message] = await post.inbox(post.eric.account_id)
    assert (message.flags, message.is_seen) == (Flag.NONE, False)
