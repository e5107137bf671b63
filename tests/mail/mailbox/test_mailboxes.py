"""Reading, flagging, moving, searching; counters that stay exact."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from mail.address import Address
from mail.envelope import Client, Envelope, Origin
from mail.errors import AlreadyKept, MailboxExists, Malformed, NoSuchMailbox, NoSuchMessage, NotPermitted
from mail.mailbox import Flag, SpecialUse
from mail.outbound.queue.letter import Letters
from tests.mail.parts import data, leaf, lines, mixed

if TYPE_CHECKING:
    from comgov.db import Database
    from mail.mailbox import Mailbox
    from tests.mail.post import Post

SYSTEM = Client(origin=Origin.SYSTEM, ip="127.0.0.1", helo="here")


def text(subject: str, body: str) -> bytes:
    head = f"From: a@b.test\r\nSubject: {subject}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
    return f"{head}{body}\r\n".encode()


@pytest.fixture
async def inbox(post: Post) -> Mailbox:
    return await post.mailboxes.standard(post.claire.account_id, SpecialUse.INBOX)


async def check_counters(post: Post, mailbox_id: int) -> None:
    """The mailbox row says what its messages say."""
    box = await post.mailboxes.mailbox(mailbox_id)
    messages = (await post.mailboxes.page(mailbox_id, limit=1000)).messages
    assert box.messages == len(messages)
    assert box.unseen == sum(not message.is_seen for message in messages)
    assert box.size_bytes == sum(message.size_bytes for message in messages)
    assert all(message.modseq <= box.modseq and message.uid < box.uidnext for message in messages)


async def test_a_new_account_finds_its_standard_mailboxes(post: Post) -> None:
    boxes = await post.mailboxes.mailboxes(77)
    assert [box.name for box in boxes] == ["INBOX", "Drafts", "Sent", "Archive", "Junk", "Trash"]
    assert await post.mailboxes.mailboxes(77) == boxes


async def test_a_mailbox_is_made_renamed_and_deleted(post: Post) -> None:
    made = await post.mailboxes.create(1, "Projets/Santé")
    with pytest.raises(MailboxExists):
        await post.mailboxes.create(1, "Projets/Santé")
    await post.mailboxes.rename(1, "Projets/Santé", "Archives 2026")
    assert (await post.mailboxes.mailbox(made.id)).name == "Archives 2026"
    await post.mailboxes.append(made.id, text("a", "b"))
    await post.mailboxes.delete(made.id)
    with pytest.raises(NoSuchMailbox):
        await post.mailboxes.page(made.id)


async def test_a_standard_mailbox_stays(post: Post, inbox: Mailbox) -> None:
    with pytest.raises(NotPermitted):
        await post.mailboxes.delete(inbox.id)
    with pytest.raises(NotPermitted):
        await post.mailboxes.rename(inbox.account_id, "Trash", "autre")


async def test_all_that_stands_below_a_name_is_renamed_with_it(post: Post) -> None:
    for name in ("a", "a/b", "a/b/c", "ab", "x"):
        await post.mailboxes.create(1, name)
    await post.mailboxes.rename(1, "a", "z")
    await post.mailboxes.rename(1, "z/b", "y/x")
    made = {box.name for box in await post.mailboxes.mailboxes(1) if box.special_use is None}
    assert made == {"z", "y/x", "y/x/c", "ab", "x"}
    for name, new_name in (("y", "y/below"), ("nowhere", "somewhere"), ("y", "x"), ("z", "Trash"), ("y/x", "inbox")):
        with pytest.raises((Malformed, NoSuchMailbox, MailboxExists)):
            await post.mailboxes.rename(1, name, new_name)
    await post.mailboxes.rename(1, "y", "w")  # which is none itself
    assert (await post.mailboxes.named(1, "w/x/c")).name == "w/x/c"


async def test_the_inbox_is_renamed_by_moving_its_messages(post: Post, inbox: Mailbox) -> None:
    for body in ("first", "second"):
        await post.mailboxes.append(inbox.id, text("a", body))
    await post.mailboxes.create(inbox.account_id, "INBOX/below")
    await post.mailboxes.rename(inbox.account_id, "INBOX", "kept")
    kept = await post.mailboxes.named(inbox.account_id, "kept")
    assert (kept.messages, kept.unseen) == (2, 2)
    left = await post.mailboxes.mailbox(inbox.id)
    assert (left.name, left.messages, left.uidnext) == ("INBOX", 0, 3)
    await post.mailboxes.named(inbox.account_id, "INBOX/below")
    with pytest.raises(MailboxExists):
        await post.mailboxes.rename(inbox.account_id, "INBOX", "kept")


@pytest.mark.parametrize("name", ["", " ", " a", "a//b", "/a", "a/", "x" * 201, "a\x00b", "a\u202eb"])
async def test_a_name_that_cannot_be_is_refused(post: Post, name: str) -> None:
    with pytest.raises(Malformed):
        await post.mailboxes.create(1, name)


async def test_pages_go_by_key_and_count_exactly(post: Post, inbox: Mailbox) -> None:
    for index in range(7):
        flags = Flag.SEEN if index % 2 else Flag.NONE
        await post.mailboxes.append(inbox.id, text(f"n{index}", "x"), flags=flags)
    first = await post.mailboxes.page(inbox.id, limit=3)
    assert ([m.uid for m in first.messages], first.total, first.next_before_uid) == ([7, 6, 5], 7, 5)
    second = await post.mailboxes.page(inbox.id, limit=4, before_uid=first.next_before_uid)
    assert ([m.uid for m in second.messages], second.next_before_uid) == ([4, 3, 2, 1], None)
    unseen = await post.mailboxes.page(inbox.id, limit=3, unseen_only=True)
    assert ([m.uid for m in unseen.messages], unseen.total, unseen.next_before_uid) == ([7, 5, 3], 4, 3)


async def test_an_empty_mailbox_has_an_empty_page(post: Post, inbox: Mailbox) -> None:
    page = await post.mailboxes.page(inbox.id)
    assert (page.messages, page.total, page.next_before_uid) == ((), 0, None)


async def test_what_was_appended_comes_back_byte_for_byte(post: Post, inbox: Mailbox) -> None:
    content = text("Brouillon", "à relire")
    message = await post.mailboxes.append(inbox.id, content, flags=Flag.DRAFT | Flag.SEEN, keywords=["$Forwarded"])
    assert await post.read(message) == content
    assert (message.flags, message.keywords) == (Flag.DRAFT | Flag.SEEN, ("$Forwarded",))
    assert await post.mailboxes.get(inbox.id, message.uid) == message
    await check_counters(post, inbox.id)


async def test_what_is_kept_again_under_its_id_is_kept_once(post: Post, inbox: Mailbox) -> None:
    body_id = uuid4()
    await post.mailboxes.append(inbox.id, text("Copie", "x"), body_id=body_id)
    with pytest.raises(AlreadyKept):
        await post.mailboxes.append(inbox.id, text("Copie", "x"), body_id=body_id)
    assert (await post.mailboxes.page(inbox.id)).total == 1
    await check_counters(post, inbox.id)


async def test_a_draft_with_bare_line_ends_is_refused(post: Post, inbox: Mailbox) -> None:
    with pytest.raises(Malformed):
        await post.mailboxes.append(inbox.id, b"A: b\n\nx\n")


async def test_flags_move_the_unseen_counter_and_modseq_once(post: Post, inbox: Mailbox) -> None:
    uids = [(await post.mailboxes.append(inbox.id, text("a", "b"))).uid for _ in range(3)]
    before = (await post.mailboxes.mailbox(inbox.id)).modseq
    await post.mailboxes.store(inbox.id, [*uids, 99], action="+", flags=Flag.SEEN | Flag.FLAGGED)
    await post.mailboxes.store(inbox.id, uids, action="+", flags=Flag.SEEN)
    assert (await post.mailboxes.mailbox(inbox.id)).modseq == before + 1
    await post.mailboxes.store(inbox.id, uids[:1], action="-", flags=Flag.SEEN)
    assert (await post.mailboxes.mailbox(inbox.id)).unseen == 1
    assert (await post.mailboxes.get(inbox.id, uids[0])).flags == Flag.FLAGGED
    await check_counters(post, inbox.id)


async def test_moving_takes_new_uids_and_keeps_the_bytes(post: Post, inbox: Mailbox) -> None:
    trash = await post.mailboxes.standard(post.claire.account_id, SpecialUse.TRASH)
    await post.mailboxes.append(trash.id, text("before", "x"))
    for index in range(3):
        await post.mailboxes.append(inbox.id, text(f"m{index}", "x"))
    assert await post.mailboxes.move(inbox.id, [3, 1, 50], trash.id) == {1: 2, 3: 3}
    moved = await post.mailboxes.get(trash.id, 3)
    assert await post.read(moved) == text("m2", "x")
    with pytest.raises(NoSuchMessage):
        await post.mailboxes.get(inbox.id, 1)
    await check_counters(post, inbox.id)
    await check_counters(post, trash.id)


async def test_copies_share_their_bytes(post: Post, inbox: Mailbox) -> None:
    archive = await post.mailboxes.standard(post.claire.account_id, SpecialUse.ARCHIVE)
    message = await post.mailboxes.append(inbox.id, text("a", "b"))
    assert await post.mailboxes.copy(inbox.id, [message.uid], archive.id) == {1: 1}
    copy = await post.mailboxes.get(archive.id, 1)
    assert copy.body_id == message.body_id
    assert await post.mailboxes.copy(inbox.id, [1], inbox.id) == {1: 2}
    await check_counters(post, inbox.id)
    await check_counters(post, archive.id)


async def test_what_is_expunged_is_gone_and_its_uid_is_not_given_again(post: Post, inbox: Mailbox) -> None:
    for _ in range(2):
        await post.mailboxes.append(inbox.id, text("a", "b"))
    assert await post.mailboxes.expunge(inbox.id, [2, 9]) == (2,)
    assert (await post.mailboxes.append(inbox.id, text("a", "b"))).uid == 3
    await check_counters(post, inbox.id)


async def test_search_finds_what_has_just_arrived_without_case_or_accents(post: Post, inbox: Mailbox) -> None:
    await post.mailboxes.append(inbox.id, text("Décision n° 12", "Le comité s'est réuni à Ngozi."))
    await post.mailboxes.append(inbox.id, text("Autre", "Rien à signaler"))
    for words, expected in {
        "decision": [1],
        "COMITÉ reuni": [1],
        "comite signaler": [],
        "ngoz*": [1],
        "ngoz": [],
        "rien": [2],
        "12": [1],
        "' | ! & (": [],
    }.items():
        page = await post.mailboxes.search(inbox.id, words)
        assert [message.uid for message in page.messages] == expected, words
        assert page.total == len(expected)


async def test_search_reads_html_and_file_names_and_pages_by_key(post: Post, inbox: Mailbox) -> None:
    html = base64.encodebytes(b"<style>invisible{}</style><p>B&eacute;n&eacute;fice</p>").replace(b"\n", b"\r\n")
    content = (
        b"From: a@b.test\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n" + html + b"--b\r\nContent-Type: application/pdf\r\n"
        b"Content-Disposition: attachment; filename=rapport-2026.pdf\r\n\r\nx\r\n--b--\r\n"
    )
    for _ in range(3):
        await post.mailboxes.append(inbox.id, content)
    page = await post.mailboxes.search(inbox.id, "benefice rapport", limit=2)
    assert ([m.uid for m in page.messages], page.total, page.next_before_uid) == ([3, 2], 3, 2)
    assert (await post.mailboxes.search(inbox.id, "invisible")).total == 0
    rest = await post.mailboxes.search(inbox.id, "benefice", before_uid=2)
    assert [message.uid for message in rest.messages] == [1]


async def test_parts_come_decoded(post: Post, inbox: Mailbox) -> None:
    data = bytes(range(256)) * 4000
    encoded = base64.encodebytes(data).replace(b"\n", b"\r\n")
    content = (
        b"From: a@b.test\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n"
        b"Content-Transfer-Encoding: quoted-printable\r\n\r\nd=C3=A9j=C3=\r\n=A0\r\n--b\r\nContent-Type: image/png\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n" + encoded + b"--b--\r\n"
    )
    message = await post.mailboxes.append(inbox.id, content)
    first, second = (await post.mailboxes.content(message)).parts
    assert b"".join([chunk async for chunk in post.mailboxes.part(message, first)]) == "déjà".encode()
    assert b"".join([chunk async for chunk in post.mailboxes.part(message, second)]) == data
    assert [part.is_attachment for part in (first, second)] == [False, True]


async def test_a_file_that_ten_messages_bring_is_kept_once_and_read_from_each(post: Post, db: Database) -> None:
    file = data(500_000)
    recipients = tuple(map(Address.parse, ("eric@finances.gov.test", "claire@sante.gov.test", "far@example.org")))
    sent = []
    for number in range(10):
        words = leaf(b"Message %d, le rapport\r\n" % number, encoding=b"8bit", kind=b"text/plain")
        sent.append(mixed(words, leaf(lines(file)), boundary=b"boundary%d" % number))
        await post.relay.accept(Envelope(sender=None, recipients=recipients), sent[-1], SYSTEM)
    assert [blob.size_bytes async for blob in post.blobs.list()] == [len(file)]

    inbox = await post.mailboxes.standard(post.eric.account_id, SpecialUse.INBOX)
    messages = await post.inbox(post.eric.account_id)
    letters = Letters(db.pool, post.blobs)
    for content, message in zip(sent, messages, strict=True):
        whole = await post.read(message)
        assert whole.endswith(content)
        leaving = b"".join([chunk async for chunk in letters.read(await letters.open(message.body_id))])
        assert leaving.endswith(content) and whole.endswith(leaving)
        _, part = (await post.mailboxes.content(message)).parts
        assert b"".join([chunk async for chunk in post.mailboxes.part(message, part)]) == file
        for start, stop in ((0, 300), (700, 200_000), (1000, 1001), (len(whole) - 150, len(whole))):
            found = b"".join([chunk async for chunk in post.mailboxes.read(message, start, stop)])
            assert found == whole[start:stop]
    assert (await post.mailboxes.search(inbox.id, "rapport")).total == 10


async def test_words_are_found_in_a_text_that_lies_apart(post: Post, inbox: Mailbox) -> None:
    text = " ".join(f"mot{number}" for number in range(20_000))
    part = leaf(lines(text.encode()), kind=b"text/plain; charset=utf-8")
    await post.mailboxes.append(inbox.id, mixed(part, leaf(lines(data(80_000)))))
    assert len([blob async for blob in post.blobs.list()]) == 2
    for word in ("mot0", "mot19999"):
        assert (await post.mailboxes.search(inbox.id, word)).total == 1


async def test_usage_sums_every_mailbox_of_an_account(post: Post, inbox: Mailbox) -> None:
    archive = await post.mailboxes.standard(post.claire.account_id, SpecialUse.ARCHIVE)
    sizes = [(await post.mailboxes.append(box.id, text("a", "b"))).size_bytes for box in (inbox, archive)]
    assert await post.mailboxes.usage([post.claire.account_id, 12345]) == {post.claire.account_id: (2, sum(sizes))}


async def test_what_lies_below_the_inbox_does_so_however_it_is_written(post: Post, inbox: Mailbox) -> None:
    assert (await post.mailboxes.create(inbox.account_id, "Inbox/Suivi")).name == "INBOX/Suivi"
    with pytest.raises(MailboxExists):
        await post.mailboxes.create(inbox.account_id, "INBOX/Suivi")
