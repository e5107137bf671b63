"""What nothing needs any more goes; what something needs stays."""

from __future__ import annotations

import base64
import random
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from mail.mailbox import SpecialUse, index
from mail.mailbox.upkeep import EXPUNGED_KEPT_FOR, Swept
from tests.mail.parts import TEXT, data, leaf, lines, mixed

if TYPE_CHECKING:
    from comgov.db import Database
    from mail.mailbox import Mailbox
    from tests.mail.post import Clock, Post

LARGE = b"Subject: large\r\n\r\n" + base64.encodebytes(random.Random(1).randbytes(200_000)).replace(b"\n", b"\r\n")


@pytest.fixture
async def inbox(post: Post) -> Mailbox:
    return await post.mailboxes.standard(post.claire.account_id, SpecialUse.INBOX)


async def test_what_was_expunged_stays_a_while_and_then_goes_with_its_bytes(
    post: Post, clock: Clock, inbox: Mailbox, db: Database
) -> None:
    message = await post.mailboxes.append(inbox.id, LARGE)
    await post.mailboxes.expunge(inbox.id, [message.uid])
    clock.advance(EXPUNGED_KEPT_FOR - timedelta(hours=1))
    assert await post.mailboxes.sweep() == Swept(expunged=0, bodies=0, blobs=0)
    clock.advance(timedelta(hours=2))
    assert await post.mailboxes.sweep() == Swept(expunged=1, bodies=1, blobs=1)
    assert [blob async for blob in post.blobs.list()] == []
    assert await db.pool.fetchval("SELECT count(*) FROM mail.body") == 0
    assert await db.pool.fetchval("SELECT count(*) FROM mail.unindexed") == 0


async def test_a_body_stays_as_long_as_anyone_has_it(post: Post, clock: Clock, inbox: Mailbox) -> None:
    archive = await post.mailboxes.standard(post.claire.account_id, SpecialUse.ARCHIVE)
    message = await post.mailboxes.append(inbox.id, LARGE)
    await post.mailboxes.copy(inbox.id, [message.uid], archive.id)
    await post.mailboxes.expunge(inbox.id, [message.uid])
    clock.advance(EXPUNGED_KEPT_FOR + timedelta(days=1))
    assert await post.mailboxes.sweep() == Swept(expunged=1, bodies=0, blobs=0)
    assert await post.read(await post.mailboxes.get(archive.id, 1)) == LARGE


async def test_an_attachment_stays_as_long_as_any_message_has_it(post: Post, clock: Clock, inbox: Mailbox) -> None:
    file = leaf(lines(data(80_000)))
    first = await post.mailboxes.append(inbox.id, mixed(TEXT, file))
    second = await post.mailboxes.append(inbox.id, content := mixed(file, TEXT, leaf(lines(data(70_000, 1)))))
    assert len([blob async for blob in post.blobs.list()]) == 2
    await post.mailboxes.expunge(inbox.id, [first.uid])
    clock.advance(EXPUNGED_KEPT_FOR + timedelta(days=2))
    assert await post.mailboxes.sweep() == Swept(expunged=1, bodies=1, blobs=0)
    assert await post.read(second) == content
    await post.mailboxes.expunge(inbox.id, [second.uid])
    clock.advance(EXPUNGED_KEPT_FOR + timedelta(days=2))
    assert await post.mailboxes.sweep() == Swept(expunged=1, bodies=1, blobs=2)


async def test_what_was_just_written_is_left_alone(post: Post, inbox: Mailbox) -> None:
    box = await post.mailboxes.create(post.claire.account_id, "passing")
    await post.mailboxes.append(box.id, LARGE)
    await post.mailboxes.delete(box.id)
    assert (await post.mailboxes.sweep()).bodies == 0
    assert len([blob async for blob in post.blobs.list()]) == 1


async def test_a_job_gives_bodies_their_words(post: Post, inbox: Mailbox, db: Database) -> None:
    for _ in range(60):
        await post.mailboxes.append(inbox.id, b"Subject: mots\r\n\r\nBonjour\r\n")
    assert await post.mailboxes.index_pending() == 60
    assert await db.pool.fetchval("SELECT count(*) FROM mail.unindexed") == 0
    assert await db.pool.fetchval("SELECT count(*) FROM mail.words WHERE words @@ 'bonjour'") == 60


async def test_a_body_that_cannot_be_read_holds_up_no_other(
    post: Post, inbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    await post.mailboxes.append(inbox.id, LARGE)
    await post.mailboxes.append(inbox.id, b"Subject: petit\r\n\r\nBonjour\r\n")
    with monkeypatch.context() as patched:
        patched.setattr(post.blobs, "read", None)
        assert (await post.mailboxes.search(inbox.id, "bonjour")).total == 1
        assert (await post.mailboxes.search(inbox.id, "large")).total == 0
    assert (await post.mailboxes.search(inbox.id, "large")).total == 1


async def test_a_body_whose_words_cannot_be_cut_holds_up_no_other(
    post: Post, inbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = index.words

    def words(body: index.PendingBody, *texts: Any) -> index.Words:
        if b"large" in body.header:
            raise ValueError
        return honest(body, *texts)

    monkeypatch.setattr(index, "words", words)
    await post.mailboxes.append(inbox.id, LARGE)
    await post.mailboxes.append(inbox.id, b"Subject: petit\r\n\r\nBonjour\r\n")
    assert await post.mailboxes.index_pending() == 1
    assert (await post.mailboxes.search(inbox.id, "bonjour")).total == 1


async def test_a_message_of_a_million_words_is_indexed_within_the_limits(post: Post, inbox: Mailbox) -> None:
    words = b"\r\n".join(b" ".join(b"%048d" % (line * 10 + word) for word in range(10)) for line in range(4000))
    await post.mailboxes.append(inbox.id, b"Subject: mots\r\n\r\n" + words + b"\r\n")
    assert (await post.mailboxes.search(inbox.id, "mots")).total == 1
