"""What a session of IMAP is told, command by command."""

from __future__ import annotations

import asyncio
import imaplib
import secrets
import zlib
from contextlib import nullcontext, suppress
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from mail.directory import Account
from mail.errors import SystemDown
from mail.imap.config import Config
from mail.mailbox import Flag, SpecialUse, store, sync
from storage import MemoryStore
from tests.mail.imap.client import connect
from tests.mail.parts import TEXT, data, leaf, lines, mixed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from comgov.db import Database
    from mail.mailbox import Mailbox
    from mail.mailbox.sync import Snapshot
    from tests.mail.imap.client import Client
    from tests.mail.imap.conftest import House, Open

PLAIN = b"From: Eric <eric@finances.gov.test>\r\nTo: claire@sante.gov.test\r\nSubject: Budget\r\n\r\nBonjour.\r\n"


async def test_a_mail_is_read_byte_for_byte(house: House, claire: Client) -> None:
    await house.put(PLAIN)
    selected = await claire.say("SELECT INBOX")
    assert b"* 1 EXISTS" in selected
    assert selected[-1] == b"OK [READ-WRITE] SELECT is done"
    fetched = await claire.say("FETCH 1 (UID RFC822.SIZE BODY.PEEK[])")
    assert fetched == [
        b"* 1 FETCH (UID 1 RFC822.SIZE %d BODY[] {%d}\r\n%b)" % (len(PLAIN), len(PLAIN), PLAIN),
        b"OK FETCH is done",
    ]


async def test_reading_marks_as_seen_and_peeking_does_not(house: House, claire: Client) -> None:
    await house.put(PLAIN)
    await claire.say("SELECT INBOX")
    await claire.say("FETCH 1 BODY.PEEK[TEXT]")
    assert await claire.say("FETCH 1 FLAGS") == [b"* 1 FETCH (FLAGS (\\Recent))", b"OK FETCH is done"]
    assert await claire.say("FETCH 1 BODY[TEXT]") == [
        b"* 1 FETCH (BODY[TEXT] {10}\r\nBonjour.\r\n)",
        b"* 1 FETCH (UID 1 FLAGS (\\Seen \\Recent))",
        b"OK FETCH is done",
    ]
    assert await claire.say("FETCH 1 FLAGS") == [b"* 1 FETCH (FLAGS (\\Seen \\Recent))", b"OK FETCH is done"]


async def test_another_session_hears_of_everything(house: House, open_session: Open) -> None:
    await house.put(PLAIN, PLAIN)
    one, other = await open_session(), await open_session()
    await one.say("SELECT INBOX")
    await other.say("SELECT INBOX")
    await other.send(b"i IDLE\r\n")
    assert (await other.line()).startswith(b"+ ")
    await one.say("STORE 1 +FLAGS (\\Deleted $Forwarded)")
    assert (await other.line()).startswith(b"* FLAGS (")
    assert await other.line() == b"* 1 FETCH (UID 1 FLAGS (\\Deleted $Forwarded))"
    assert await one.say("EXPUNGE") == [b"* 1 EXPUNGE", b"OK EXPUNGE is done"]
    assert await other.line() == b"* 1 EXPUNGE"
    await house.put(PLAIN)
    assert [await other.line(), (await other.line())[:4]] == [b"* 2 EXISTS", b"* 1 "]
    await other.send(b"DONE\r\n")
    assert (await other.replies(b"i"))[-1].startswith(b"OK ")


async def test_a_copy_a_move_and_an_append_tell_the_new_uids(house: House, claire: Client) -> None:
    await house.put(PLAIN, PLAIN, PLAIN)
    await claire.say("SELECT INBOX")
    assert b"[COPYUID " in (await claire.say("COPY 1:2 Archive"))[-1]
    moved = await claire.say("UID MOVE 3 Archive")
    assert b"[COPYUID " in moved[0]
    assert b" 3 3]" in moved[0]
    assert moved[1:] == [b"* 3 EXPUNGE", b"OK MOVE is done"]
    appended = await claire.say("APPEND Archive (\\Seen) {}", PLAIN)
    assert b"[APPENDUID " in appended[-1]
    assert b" 4]" in appended[-1]
    assert (await claire.say("COPY 1 Nowhere"))[-1].startswith(b"NO [TRYCREATE] ")


async def test_mailboxes_are_listed_made_and_told_of(claire: Client) -> None:
    assert (await claire.say("CREATE D&AOk-cisions"))[-1].startswith(b"OK ")
    listed = await claire.say('LIST "" *')
    assert b'* LIST (\\HasNoChildren) "/" "INBOX"' in listed
    assert b'* LIST (\\HasNoChildren) "/" "D&AOk-cisions"' in listed
    assert b'* LIST (\\Trash \\HasNoChildren) "/" "Trash"' in listed
    assert (await claire.say("STATUS INBOX (MESSAGES UNSEEN RECENT DELETED)"))[0] == (
        b'* STATUS "INBOX" (MESSAGES 0 UNSEEN 0 RECENT 0 DELETED 0)'
    )
    assert (await claire.say("DELETE D&AOk-cisions"))[-1] == b"OK DELETE is done"
    assert (await claire.say("SELECT D&AOk-cisions"))[-1].startswith(b"NO [NONEXISTENT] ")


async def test_nobody_signs_in_without_tls(house: House) -> None:
    async with connect(house.port) as client:
        assert (await client.say("LOGIN claire@sante.gov.test secret"))[-1].startswith(b"NO [PRIVACYREQUIRED] ")


def program(house: House) -> bytes:
    with imaplib.IMAP4("localhost", house.port) as client:
        client.starttls(ssl_context=house.context)
        client.login("claire@sante.gov.test", "secret")
        client.select("INBOX")
        _, data = client.fetch("1", "(RFC822)")
        assert data[0] is not None
        assert isinstance(data[0], tuple)
        return data[0][1]


async def test_a_mail_program_reads_after_starttls(house: House) -> None:
    await house.put(PLAIN)
    assert await asyncio.to_thread(program, house) == PLAIN


@pytest.mark.parametrize("command", ["FETCH 1 FLAGS", "SELECT INBOX", "IDLE", "NAMESPACE"])
async def test_nothing_is_done_before_signing_in(house: House, command: str) -> None:
    async with connect(house.tls_port, house.context) as client:
        assert (await client.say(command))[-1].startswith(b"BAD ")


async def test_what_is_searched_is_found(house: House, claire: Client) -> None:
    other = PLAIN.replace(b"Budget", b"=?utf-8?q?D=C3=A9cision?=").replace(b"Eric <eric", b"Grace <grace")
    other = other.replace(b"\r\n\r\n", b"\r\nCc: jean@sante.gov.test\r\nX-Room: 12\r\n\r\n").replace(
        b"Bonjour", b"Salut"
    )
    await house.put(PLAIN, other, PLAIN)
    await claire.say("SELECT INBOX")
    await claire.say("STORE 3 +FLAGS (\\Flagged $Later)")
    for key, found in {
        "ALL": [1, 2, 3],
        "FLAGGED": [3],
        "UNFLAGGED": [1, 2],
        "KEYWORD $later": [3],
        'SUBJECT "décision"': [2],
        "FROM grace": [2],
        "NOT FROM grace": [1, 3],
        "CC jean": [2],
        "HEADER X-Room 1": [2],
        "NOT HEADER X-Room 1": [1, 3],
        "OR HEADER X-Room 1 FLAGGED": [2, 3],
        "NOT HEADER X-Room 1 UNFLAGGED": [1],
        "BODY salut": [2],
        "TEXT bonj": [1, 3],
        "UID 2:3 1:2": [2],
        "RECENT": [1, 2, 3],
        "OLD": [],
        "LARGER 100": [2],
        "SINCE 22-Nov-2026": [1, 2, 3],
        "BEFORE 22-Nov-2026": [],
        "YOUNGER 60": [1, 2, 3],
        "1:*": [1, 2, 3],
    }.items():
        expected = b" ".join([b"* SEARCH", *(b"%d" % number for number in found)])
        assert await claire.say(f"SEARCH {key}") == [expected, b"OK SEARCH is done"], key


async def test_a_search_returns_what_is_asked_and_is_remembered(house: House, claire: Client) -> None:
    await house.put(PLAIN, PLAIN, PLAIN, PLAIN)
    await claire.say("SELECT INBOX")
    told = await claire.say("UID SEARCH RETURN (MIN MAX COUNT ALL) 1:2,4")
    assert told[0] == b'* ESEARCH (TAG "t3") UID MIN 1 MAX 4 ALL 1:2,4 COUNT 3'
    await claire.say("SEARCH RETURN (SAVE) 2:3")
    assert (await claire.say("SEARCH $"))[0] == b"* SEARCH 2 3"
    fetched = await claire.say("FETCH $ UID")
    assert fetched[:2] == [b"* 2 FETCH (UID 2)", b"* 3 FETCH (UID 3)"]


async def test_a_deflated_session_says_the_same(house: House, claire: Client) -> None:
    """Also after IDLE, for which the server lets go of its deflater and goes on with another."""
    await house.put(PLAIN * 100)
    assert (await claire.say("COMPRESS DEFLATE"))[-1].startswith(b"OK ")
    inflater, deflater = zlib.decompressobj(-15), zlib.compressobj(wbits=-15)
    text, wire = b"", 0
    for command, end in (
        (b"a SELECT INBOX\r\n", b"\r\na OK "),
        (b"b IDLE\r\n", b"\r\n+ Waiting\r\n"),
        (b"DONE\r\n", b"\r\nb OK "),
        (b"c FETCH 1 BODY.PEEK[]\r\n", b"\r\nc OK "),
    ):
        await claire.send(deflater.compress(command) + deflater.flush(zlib.Z_SYNC_FLUSH))
        while end not in text:
            piece = await asyncio.wait_for(claire.reader.read(65536), 10)
            assert piece
            wire += len(piece)
            text += inflater.decompress(piece)
    assert PLAIN * 100 in text
    assert wire < len(PLAIN) * 10


MULTIPART = (
    b"From: a@b\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n"
    b"--x\r\nContent-Type: text/plain\r\n\r\nhi\r\n--x\r\n"
    b"Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\ninside\r\n--x\r\nContent-Type: image/png\r\n"
    b"Content-Transfer-Encoding: base64\r\n\r\nAAEC\r\n--x--\r\n"
)


@pytest.mark.parametrize(
    ("item", "reply"),
    [
        ("rfc822.peek", b"RFC822 {%d}\r\n%b" % (len(MULTIPART), MULTIPART)),
        ("BODY.PEEK[1]", b"BODY[1] {2}\r\nhi"),
        ("BODY.PEEK[1.MIME]", b"BODY[1.MIME] {28}\r\nContent-Type: text/plain\r\n\r\n"),
        ("BODY.PEEK[2]", b"BODY[2] {24}\r\nSubject: inner\r\n\r\ninside"),
        ("BODY.PEEK[2.HEADER]", b"BODY[2.HEADER] {18}\r\nSubject: inner\r\n\r\n"),
        ("BODY.PEEK[2.TEXT]", b"BODY[2.TEXT] {6}\r\ninside"),
        ("BODY.PEEK[2.1]<2.3>", b"BODY[2.1]<2> {3}\r\nsid"),
        ("BODY.PEEK[2.HEADER.FIELDS (subject)]", b"BODY[2.HEADER.FIELDS (subject)] {18}\r\nSubject: inner\r\n\r\n"),
        (
            "BODY.PEEK[HEADER.FIELDS.NOT (Content-Type)]",
            b"BODY[HEADER.FIELDS.NOT (Content-Type)] {13}\r\nFrom: a@b\r\n\r\n",
        ),
        ("BODY.PEEK[3]", b"BODY[3] {4}\r\nAAEC"),
        ("BINARY.PEEK[3]", b"BINARY[3] ~{3}\r\n\x00\x01\x02"),
        ("BINARY.SIZE[3]", b"BINARY.SIZE[3] 3"),
        ("BODY.PEEK[4]", b"BODY[4] NIL"),
        ("BODY.PEEK[1.HEADER]", b"BODY[1.HEADER] NIL"),
        ("INTERNALDATE", b'INTERNALDATE "22-Nov-2026 09:30:15 +0000"'),
        ("PREVIEW", b'PREVIEW "hi"'),
    ],
)
async def test_a_part_is_given_alone(house: House, claire: Client, item: str, reply: bytes) -> None:
    await house.put(MULTIPART)
    await claire.say("SELECT INBOX")
    assert await claire.say(f"FETCH 1 {item}") == [b"* 1 FETCH (%b)" % reply, b"OK FETCH is done"]


@pytest.mark.parametrize("number", ["1", "2", "2.1"])
async def test_a_part_is_found_too_in_a_message_kept_before_its_sections_were_written_down(
    house: House, db: Database, claire: Client, number: str
) -> None:
    await house.put(MULTIPART, PLAIN)
    await claire.say("SELECT INBOX")
    known = await claire.say(f"FETCH 1:2 BODY.PEEK[{number}]")
    assert b"NIL" not in known[0]
    await db.pool.execute("UPDATE mail.body SET sections = NULL")
    assert await claire.say(f"FETCH 1:2 BODY.PEEK[{number}]") == known


async def test_a_part_of_a_large_message_is_read_without_the_others(
    house: House, claire: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [data(200_000, seed) for seed in range(2)]
    await house.put(content := mixed(TEXT, *(leaf(lines(file)) for file in files)))
    asked: list[int] = []

    async def read(sha256: bytes, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        async for chunk in MemoryStore.read(house.blobs, sha256, start, stop):
            asked.append(len(chunk))
            yield chunk

    monkeypatch.setattr(house.blobs, "read", read)
    await claire.say("SELECT INBOX")
    encoded = lines(files[1])
    for item, expected, most in (
        ("BODY.PEEK[1]", b"Bonjour.\r\n", 0),
        ("BODY.PEEK[3]<1000.500>", encoded[1000:1500], 500),
        ("BODY.PEEK[3]", encoded, 200_000),
        ("BINARY.PEEK[3]<7.9>", files[1][7:16], 200_000),
        ("BODY.PEEK[]", content, 400_000),
    ):
        asked.clear()
        [fetched, _] = await claire.say(f"FETCH 1 {item}")
        assert fetched.partition(b"}\r\n")[2] == expected + b")"
        assert sum(asked) <= most


async def test_a_store_that_came_too_late_is_told(house: House, claire: Client) -> None:
    await house.put(PLAIN, PLAIN)
    selected = await claire.say("SELECT INBOX (CONDSTORE)")
    modseq = next(line for line in selected if b"HIGHESTMODSEQ" in line).split(b"]")[0].split()[-1].decode()
    await claire.say("STORE 1 +FLAGS.SILENT (\\Seen)")
    late = await claire.say(f"STORE 1:2 (UNCHANGEDSINCE {modseq}) +FLAGS (\\Flagged)")
    assert late[-1] == b"OK [MODIFIED 1] STORE is done for the others"
    assert late[0].startswith(b"* 2 FETCH (UID 2 FLAGS (\\Flagged \\Recent) MODSEQ (")
    changed = await claire.say(f"FETCH 1:* FLAGS (CHANGEDSINCE {modseq})")
    assert [line[:14] for line in changed[:-1]] == [b"* 1 FETCH (FLA", b"* 2 FETCH (FLA"]


# What hostile clients say


@pytest.mark.parametrize(
    "raw",
    [
        b"x" * 70_000,
        b"a LOGIN {300000000+}\r\n",
        b"a LOGIN " + b"(" * 9_000,
        b"a LOGIN {4000+}\r\n" + b"x" * 4000 + b" {1000+}\r\n",
    ],
)
async def test_what_nobody_may_send_before_signing_in_ends_the_session(house: House, raw: bytes) -> None:
    async with connect(house.tls_port, house.context) as client:
        await client.send(raw)
        assert (await client.line()).startswith(b"* BYE ")
        with suppress(ConnectionResetError):
            assert await client.reader.read() == b""


async def test_a_literal_that_is_asked_for_first_is_refused_and_the_session_goes_on(house: House) -> None:
    async with connect(house.tls_port, house.context) as client:
        assert (await client.say("LOGIN {300000000}"))[-1].startswith(b"BAD [TOOBIG] ")
        assert (await client.say("NOOP"))[-1].startswith(b"OK ")


@pytest.mark.parametrize("marker", ["{1048577}", "{1048577+}"])
async def test_a_message_too_large_is_refused_and_the_session_goes_on(claire: Client, marker: str) -> None:
    await claire.send(f"a APPEND INBOX {marker}\r\n".encode())
    if "+" in marker:
        await claire.send(b"x" * 1048577 + b"\r\n")
    assert (await claire.replies(b"a"))[-1].startswith(b"NO [TOOBIG] ")
    assert (await claire.say("NOOP"))[-1].startswith(b"OK ")


async def test_commands_piped_by_thousands_are_answered_each(house: House, claire: Client) -> None:
    await house.put(PLAIN)
    await claire.say("SELECT INBOX")
    sending = asyncio.create_task(claire.send(b"".join(b"p%d FETCH 1 UID\r\n" % number for number in range(3000))))
    for number in range(3000):
        assert (await claire.replies(b"p%d" % number))[-1] == b"OK FETCH is done"
    await sending


async def test_what_came_before_starttls_is_forgotten(house: House) -> None:
    async with connect(house.port) as client:
        await client.send(b"a STARTTLS\r\nb NOOP\r\n")
        assert (await client.line()).startswith(b"a OK ")
        await client.writer.start_tls(house.context, server_hostname="localhost")
        await client.send(b"c NOOP\r\n")
        assert (await client.line()).startswith(b"c OK ")


async def test_too_many_senseless_commands_end_the_session(claire: Client) -> None:
    for _ in range(19):
        assert (await claire.say("NONSENSE"))[-1].startswith(b"BAD ")
    await claire.send(b"a NONSENSE\r\n")
    assert (await claire.line()).startswith(b"a BAD ")
    assert (await claire.line()).startswith(b"* BYE ")


async def test_a_deflate_bomb_is_a_line_too_long(claire: Client) -> None:
    await claire.say("COMPRESS DEFLATE")
    deflater = zlib.compressobj(9, wbits=-15)
    bomb = deflater.compress(b"x" * (200 << 20)) + deflater.flush(zlib.Z_SYNC_FLUSH)
    await claire.send(bomb)
    told = zlib.decompressobj(-15).decompress(await asyncio.wait_for(claire.reader.read(1000), 20))
    assert told.startswith(b"* BYE ")


async def test_a_mailbox_deleted_by_another_session_ends_this_one(house: House, open_session: Open) -> None:
    one, other = await open_session(), await open_session()
    await one.say("CREATE Temporaire")
    await one.say("SELECT Temporaire")
    await other.say("DELETE Temporaire")
    await one.send(b"a NOOP\r\n")
    assert (await one.line()).startswith(b"* BYE ")


async def test_bytes_that_cannot_be_read_end_the_session_rather_than_be_others(house: House, claire: Client) -> None:
    await house.put(b"Subject: large\r\n\r\n" + secrets.token_hex(200_000).encode() + b"\r\n")
    async for blob in house.blobs.list():
        await house.blobs.delete(blob.sha256)
    await claire.say("SELECT INBOX")
    await claire.send(b"a FETCH 1 BODY.PEEK[]\r\n")
    with suppress(ConnectionResetError):
        assert b"a OK" not in await claire.reader.read()


async def test_a_full_account_keeps_nothing_more(house: House, claire: Client) -> None:
    await house.put(PLAIN)
    account = house.directory.recipients[house.claire.address.key]
    assert isinstance(account, Account)
    house.directory.recipients[house.claire.address.key] = replace(account, quota_bytes=1)
    assert (await claire.say("APPEND INBOX {}", PLAIN))[-1].startswith(b"NO [OVERQUOTA] ")


async def test_a_client_that_was_away_is_told_what_changed_and_what_is_gone(house: House, open_session: Open) -> None:
    await house.put(PLAIN, PLAIN, PLAIN, PLAIN)
    one, other = await open_session(), await open_session()
    known = next(line for line in await one.say("SELECT INBOX") if b"HIGHESTMODSEQ" in line)
    validity = next(line for line in await one.say("SELECT INBOX") if b"UIDVALIDITY" in line)
    modseq, uidvalidity = (line.split(b"]")[0].split()[-1].decode() for line in (known, validity))
    await one.say("STORE 2 +FLAGS (\\Seen)")
    await one.say("STORE 3:4 +FLAGS (\\Deleted)")
    await one.say("UID EXPUNGE 3")
    assert (await other.say(f"SELECT INBOX (QRESYNC ({uidvalidity} {modseq}))"))[-1].startswith(b"BAD ")
    assert (await other.say("ENABLE QRESYNC"))[0] == b"* ENABLED QRESYNC"
    told = await other.say(f"SELECT INBOX (QRESYNC ({uidvalidity} {modseq}))")
    assert b"* VANISHED (EARLIER) 3" in told
    changed = [line for line in told if b"FETCH" in line]
    assert [line.partition(b" MODSEQ")[0] for line in changed] == [
        b"* 2 FETCH (UID 2 FLAGS (\\Seen)",
        b"* 3 FETCH (UID 4 FLAGS (\\Deleted)",
    ]
    told = await other.say(f"UID FETCH 1:3 (FLAGS) (CHANGEDSINCE {modseq} VANISHED)")
    assert told[0] == b"* VANISHED (EARLIER) 3"
    assert told[1].startswith(b"* 2 FETCH (UID 2 FLAGS (\\Seen)")
    await one.say("EXPUNGE")
    assert (await other.say("NOOP"))[0] == b"* VANISHED 4"


async def test_a_client_that_keeps_modseqs_is_told_the_latest_where_nothing_else_tells_it(
    house: House, open_session: Open
) -> None:
    await house.put(PLAIN, PLAIN, PLAIN, PLAIN)
    one, other = await open_session(), await open_session()
    await one.say("SELECT INBOX (CONDSTORE)")
    await one.say("STORE 1:2 +FLAGS.SILENT (\\Deleted)")
    assert await one.say("UID EXPUNGE 1") == [b"* 1 EXPUNGE", b"OK [HIGHESTMODSEQ 7] EXPUNGE is done"]
    assert (await one.say("UID EXPUNGE 3"))[-1] == b"OK EXPUNGE is done"
    assert (await one.say("UID MOVE 3 Trash"))[-1] == b"OK [HIGHESTMODSEQ 8] MOVE is done"
    await house.put(PLAIN)
    assert await one.say("NOOP") == [
        b"* 3 EXISTS",
        b"* 3 RECENT",
        b"* OK [HIGHESTMODSEQ 9] The latest change",
        b"OK NOOP is done",
    ]
    assert await one.say("NOOP") == [b"OK NOOP is done"]
    await other.say("SELECT INBOX")
    await other.say("STORE 1 +FLAGS (\\Seen)")
    assert (await one.say("NOOP"))[:-1] == [b"* 1 FETCH (UID 2 FLAGS (\\Deleted \\Seen \\Recent) MODSEQ (10))"]
    assert await other.say("EXPUNGE") == [b"* 1 EXPUNGE", b"OK EXPUNGE is done"]


async def test_what_is_forgotten_is_told_by_what_is_there(house: House, claire: Client) -> None:
    await house.put(PLAIN, PLAIN, PLAIN)
    box = await house.mailboxes.standard(house.claire.account_id, SpecialUse.INBOX)
    await house.mailboxes.expunge(box.id, [1, 3])
    house.clock.now += timedelta(days=31)
    assert (await house.mailboxes.sweep()).expunged == 2
    await claire.say("ENABLE QRESYNC")
    assert b"* VANISHED (EARLIER) 1,3" in await claire.say(f"SELECT INBOX (QRESYNC ({box.uidvalidity} 1))")


# What several sessions are told of one mailbox


async def test_a_silent_store_does_not_hide_what_others_did(house: House, open_session: Open) -> None:
    await house.put(PLAIN, PLAIN)
    one, other = await open_session(), await open_session()
    await one.say("SELECT INBOX")
    await other.say("SELECT INBOX")
    await one.say("STORE 1:2 +FLAGS (\\Flagged)")
    told = await other.say("STORE 1 +FLAGS.SILENT (\\Seen)")
    assert told[:-1] == [b"* 1 FETCH (UID 1 FLAGS (\\Flagged \\Seen))", b"* 2 FETCH (UID 2 FLAGS (\\Flagged))"]
    assert await other.say("STORE 1 +FLAGS.SILENT (\\Answered)") == [b"OK STORE is done"]


async def test_a_modseq_that_is_told_leaves_no_earlier_change_untold(
    house: House, open_session: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client may take all up to it for known (RFC 7162), although the notice is still on its way."""
    await house.put(PLAIN, PLAIN)
    monkeypatch.setattr("mail.imap.notices.Notices.watching", lambda *_: nullcontext(asyncio.Event()))
    one, other = await open_session(), await open_session()
    await one.say("SELECT INBOX")
    await other.say("SELECT INBOX (CONDSTORE)")
    await one.say("STORE 1 +FLAGS (\\Flagged)")
    await one.say("STORE 2 +FLAGS (\\Seen)")
    told = await other.say("UID FETCH 2 (FLAGS MODSEQ)")
    assert [line.partition(b" MODSEQ")[0] for line in told[:-1]] == [
        b"* 2 FETCH (UID 2 FLAGS (\\Seen)",
        b"* 1 FETCH (UID 1 FLAGS (\\Flagged)",
        b"* 2 FETCH (UID 2 FLAGS (\\Seen)",
    ]


async def test_the_inbox_is_there_for_whoever_comes_first_and_for_the_next_at_the_same_moment(
    house: House, claire: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = store.inboxes

    async def inboxes(*arguments: Any) -> dict[int, int]:
        await house.mailboxes.mailboxes(house.claire.account_id)  # the other one was quicker
        return await honest(*arguments)

    monkeypatch.setattr(store, "inboxes", inboxes)
    assert (await claire.say("SELECT INBOX"))[-1].startswith(b"OK ")


async def test_a_resynchronisation_is_of_one_moment(
    house: House, open_session: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What changes between the looks at what is there and at what happened is news, and no reason to keep silent."""
    await house.put(PLAIN)
    claire = await open_session()
    await claire.say("ENABLE QRESYNC")
    box = await house.mailboxes.standard(house.claire.account_id, SpecialUse.INBOX)
    await house.put(PLAIN)
    honest = sync.snapshot

    async def snapshot(*arguments: Any) -> sync.Snapshot:
        found = await honest(*arguments)
        await house.mailboxes.store(box.id, [2], action="+", flags=Flag.SEEN)
        return found

    monkeypatch.setattr(sync, "snapshot", snapshot)
    told = await claire.say(f"SELECT INBOX (QRESYNC ({box.uidvalidity} {box.modseq}))")
    assert b"* 2 FETCH (UID 2 FLAGS (\\Recent) MODSEQ (%d))" % (box.modseq + 1) in told


async def test_a_move_of_what_is_gone_already_tells_that_it_is(house: House, open_session: Open) -> None:
    """Also when a command by numbers had to keep it back."""
    await house.put(PLAIN, PLAIN)
    one, other = await open_session(), await open_session()
    await one.say("SELECT INBOX")
    await other.say("SELECT INBOX")
    await one.say("STORE 1 +FLAGS.SILENT (\\Deleted)")
    await one.say("EXPUNGE")
    await other.say("STORE 2 +FLAGS.SILENT (\\Seen)")
    assert await other.say("MOVE 1 Archive") == [b"* 1 EXPUNGE", b"OK Nothing was there"]


async def test_what_others_did_is_told_although_the_database_was_away_when_it_was_asked(
    house: House, claire: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.put(PLAIN)
    await claire.say("SELECT INBOX")
    await house.put(PLAIN)
    with monkeypatch.context() as away:
        away.setattr(house.mailboxes, "changes", _system_down)
        assert (await claire.say("NOOP"))[-1].startswith(b"NO [UNAVAILABLE] ")
    with monkeypatch.context() as away:
        away.setattr(house.mailboxes, "claim_recent", _system_down)
        assert b"* 2 EXISTS" in await claire.say("FETCH 1 FLAGS")


async def _system_down(*_: object) -> NoReturn:
    raise SystemDown


async def test_what_is_new_is_recent_in_one_session_alone(house: House, open_session: Open) -> None:
    one, other = await open_session(), await open_session()
    for client in (one, other):
        await client.say("SELECT INBOX")
    await house.put(PLAIN)
    assert b"* 1 RECENT" in await one.say("NOOP")
    assert b"* 0 RECENT" in await other.say("NOOP")
    await house.put(PLAIN)
    assert b"* 1 RECENT" in await other.say("NOOP")
    assert b"* 1 RECENT" in await one.say("NOOP")
    flags = rb"* %d FETCH (FLAGS (%b))"
    assert (await one.say("FETCH 1:2 FLAGS"))[:2] == [flags % (1, rb"\Recent"), flags % (2, b"")]
    assert (await other.say("FETCH 1:2 FLAGS"))[:2] == [flags % (1, b""), flags % (2, rb"\Recent")]
    assert (await one.say("SEARCH RECENT"))[0] == b"* SEARCH 1"
    assert (await other.say("SEARCH RECENT"))[0] == b"* SEARCH 2"


async def test_bodies_of_what_changed_mark_nothing_else_as_seen(house: House, claire: Client) -> None:
    await house.put(PLAIN, PLAIN)
    await claire.say("SELECT INBOX (CONDSTORE)")
    told = await claire.say("STORE 2 +FLAGS (\\Flagged)")
    modseq = int(told[0].partition(b"MODSEQ (")[2].rstrip(b")"))
    told = await claire.say(f"FETCH 1:2 (FLAGS BODY[HEADER.FIELDS (SUBJECT)]) (CHANGEDSINCE {modseq - 1})")
    assert [line[:9] for line in told if b"BODY[" in line] == [b"* 2 FETCH"]
    assert (await claire.say("SEARCH SEEN"))[0] == b"* SEARCH 2"


async def test_who_asks_for_modseq_is_told_it_from_then_on(house: House, claire: Client) -> None:
    await house.put(PLAIN)
    await claire.say("SELECT INBOX")
    assert b"MODSEQ" not in (await claire.say("STORE 1 +FLAGS (\\Seen)"))[0]
    await claire.say("FETCH 1 MODSEQ")
    assert b"MODSEQ" in (await claire.say("STORE 1 -FLAGS (\\Seen)"))[0]


async def test_what_comes_while_select_looks_is_told_afterwards(
    house: House, claire: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = house.mailboxes.opened

    async def slow(account_id: int, name: str) -> tuple[Mailbox, Snapshot]:
        found = await opened(account_id, name)
        await house.put(PLAIN)
        await heard.wait()
        return found

    monkeypatch.setattr(house.mailboxes, "opened", slow)
    with house.notices.watching((await house.mailboxes.named(house.claire.account_id, "INBOX")).id) as heard:
        assert b"* 0 EXISTS" in await claire.say("SELECT INBOX")
    await claire.send(b"i IDLE\r\n")
    assert [await claire.line(), await claire.line()] == [b"+ Waiting", b"* 1 EXISTS"]


async def test_a_mailbox_opened_again_is_as_it_is_now(house: House, claire: Client, open_session: Open) -> None:
    await house.put(PLAIN)
    other = await open_session()
    for one in (claire, other):
        assert b"* 1 EXISTS" in await one.say("SELECT INBOX")
    await claire.say("STORE 1 +FLAGS.SILENT (\\Seen a-keyword)")
    found = await claire.say("SELECT INBOX")
    assert not any(b"UNSEEN" in line for line in found)
    assert b"a-keyword" in b"".join(found)
    await house.put(PLAIN)
    found = await claire.say("SELECT INBOX")
    assert b"* 2 EXISTS" in found
    assert any(b"[UNSEEN 2]" in line for line in found)
    await claire.say("STORE 1 +FLAGS.SILENT (\\Deleted)")
    await claire.say("CLOSE")
    assert b"* 1 EXISTS" in await claire.say("SELECT INBOX")
    assert b"* 1 EXPUNGE" in await other.say("NOOP")


async def test_a_mailbox_that_did_not_change_is_not_read_again(
    house: House, claire: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.put(PLAIN)
    first = await claire.say("EXAMINE INBOX")
    monkeypatch.setattr("mail.mailbox.sync.snapshot", None)
    assert (await claire.say("EXAMINE INBOX"))[1:-1] == first[:-1]
    monkeypatch.undo()
    await house.put(PLAIN)
    assert b"* 2 EXISTS" in await claire.say("EXAMINE INBOX")


async def test_close_waits_for_nobody_when_nothing_is_to_go(house: House, db: Database, claire: Client) -> None:
    await house.put(PLAIN)
    await claire.say("SELECT INBOX")
    async with db.pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT FROM mail.mailbox FOR UPDATE")
        assert (await claire.say("CLOSE"))[-1].endswith(b"OK CLOSE is done")


async def test_who_waits_in_a_mailbox_that_is_deleted_is_told(house: House, open_session: Open) -> None:
    one, other = await open_session(), await open_session()
    await one.say("CREATE passing")
    await other.say("SELECT passing")
    await other.send(b"i IDLE\r\n")
    assert (await other.line()).startswith(b"+ ")
    await one.say("DELETE passing")
    assert (await other.line()).startswith(b"* BYE ")


async def test_no_news_are_told_by_commands_that_look_at_no_mailbox(house: House, claire: Client) -> None:
    await claire.say("SELECT INBOX")
    await house.put(PLAIN)
    assert not any(b"EXISTS" in line for line in await claire.say("CAPABILITY"))
    assert not any(b"EXISTS" in line for line in await claire.say("LOGOUT"))


@pytest.mark.parametrize("config", [Config(sign_in_timeout=timedelta(seconds=0.3))])
async def test_whoever_does_not_sign_in_is_sent_away_in_the_end(house: House) -> None:
    async with connect(house.tls_port, house.context) as client, asyncio.timeout(10):
        line = b""
        while not line.startswith(b"* BYE "):
            with suppress(ConnectionError):
                await client.send(b"n NOOP\r\n")
            line = await client.line()
            await asyncio.sleep(0.05)
    async with connect(house.tls_port, house.context) as client:
        await client.send(b"a AUTHENTICATE PLAIN\r\n")
        assert (await client.line()).startswith(b"+ ")
        assert (await client.line()).startswith(b"* BYE ")


async def test_a_nul_in_a_text_is_refused(house: House, claire: Client) -> None:
    await claire.say("SELECT INBOX")
    assert (await claire.say("SEARCH HEADER {} x", b"a\0b"))[-1].startswith(b"BAD ")
    assert (await claire.say("SEARCH CHARSET UTF-7 BODY {}", b"+2AA-"))[-1].startswith(b"BAD ")


async def test_a_moment_of_long_ago_has_four_digits(house: House, claire: Client) -> None:
    await claire.say('APPEND INBOX "01-Jan-0999 00:00:00 +0000" {}', PLAIN)
    await claire.say("SELECT INBOX")
    assert b'"01-Jan-0999 ' in (await claire.say("FETCH 1 INTERNALDATE"))[0].replace(b'" 1-', b'"01-')


async def test_an_unsubscribed_mailbox_above_a_subscribed_one_exists(claire: Client) -> None:
    for name in ("a", "a/b"):
        await claire.say(f"CREATE {name}")
    await claire.say("UNSUBSCRIBE a")
    [told, _] = await claire.say('LIST (SUBSCRIBED RECURSIVEMATCH REMOTE) "" a')
    assert told == b'* LIST (\\HasChildren) "/" "a" ("CHILDINFO" ("SUBSCRIBED"))'


async def test_a_preview_may_be_late_in_any_letters(house: House, claire: Client) -> None:
    await house.put(PLAIN)
    await claire.say("SELECT INBOX")
    assert (await claire.say("FETCH 1 PREVIEW (lazy)"))[:-1] == (await claire.say("FETCH 1 (PREVIEW)"))[:-1]
