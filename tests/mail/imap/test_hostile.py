"""What hostile clients do who have signed in: they get an answer, and others get theirs within a second meanwhile."""

from __future__ import annotations

import asyncio
import socket
import time
import zlib
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from mail.imap.config import Config
from mail.mailbox import SpecialUse
from tests.mail.imap import grammar

if TYPE_CHECKING:
    from tests.mail.imap.client import Client
    from tests.mail.imap.conftest import House, Open

PLAIN = b"From: Eric <eric@finances.gov.test>\r\nTo: claire@sante.gov.test\r\nSubject: Budget\r\n\r\nBonjour.\r\n"
WITHIN_SECONDS = 1.0


@pytest.fixture
def config() -> Config:
    """Of a server that forgives, so that its answers are seen."""
    return Config(error_limit=10_000)


@asynccontextmanager
async def others_are_answered(open_session: Open) -> AsyncIterator[None]:
    """Another client's commands are answered in time for as long as the block lasts."""
    witness = await open_session()
    worst = 0.0
    is_over = False

    async def ask() -> None:
        nonlocal worst
        while not is_over:
            began = time.monotonic()
            assert (await witness.say("STATUS Drafts (MESSAGES UIDNEXT)"))[-1].startswith(b"OK ")
            worst = max(worst, time.monotonic() - began)
            await asyncio.sleep(0.02)

    asking = asyncio.create_task(ask())
    try:
        yield
    finally:
        is_over = True
        await asyncio.gather(asking, return_exceptions=True)
    asking.result()
    assert worst < WITHIN_SECONDS


async def fill(house: House, count: int, content: bytes = PLAIN) -> None:
    """So many messages in Claire's Inbox."""
    await house.put(content)
    box = await house.mailboxes.standard(house.claire.account_id, SpecialUse.INBOX)
    there = 1
    while there < count:
        there += len(await house.mailboxes.copy(box.id, range(1, min(there, count - there) + 1), box.id))


@pytest.mark.parametrize(
    "key",
    [
        " ".join(["OR NOT HEADER X-A a HEADER X-B b"] * 240),
        " ".join(["OR BODY bonj TEXT a"] * 330),
        " ".join(["OR SUBJECT a FROM b"] * 330),
        " ".join(["1:*"] * 900),
        " ".join(["NOT UID 1:*"] * 450),
        "NOT " * 48 + "TEXT a",
        " ".join(["KEYWORD x"] * 900),
    ],
    ids=["headers", "words", "columns", "sets", "not sets", "depth", "keywords"],
)
async def test_a_search_that_asks_too_much_holds_nobody_up(house: House, open_session: Open, key: str) -> None:
    await fill(house, 3000)
    claire = await open_session()
    await claire.say("SELECT INBOX")
    async with others_are_answered(open_session):
        assert (await claire.say(f"SEARCH {key}"))[-1][:3] in (b"OK ", b"NO ")


async def test_many_long_searches_leave_others_their_connections(
    house: House, open_session: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that would not end by itself."""
    monkeypatch.setattr("mail.mailbox.mailboxes._SEARCH_PATIENCE", 0.5)
    monkeypatch.setattr("mail.mailbox.finding.find", lambda connection, *_: connection.fetch("SELECT pg_sleep(30)"))
    clients = [await open_session() for _ in range(10)]
    for client in clients:
        await client.say("SELECT INBOX")
    async with others_are_answered(open_session):
        told = await asyncio.gather(*(client.say("SEARCH ALL") for client in clients))
    assert {lines[-1][:11] for lines in told} == {b"NO [LIMIT] "}


async def test_many_patterns_and_wildcards_hold_nobody_up(house: House, open_session: Open) -> None:
    claire = await open_session()
    for number in range(990):
        await house.mailboxes.create(house.claire.account_id, f"{'a' * 90}/{'a' * 90}/{number}")
    async with others_are_answered(open_session):
        for command in (
            'LIST "" ' + "".join("*" + "a" * length for length in range(1, 16)) + "*b",
            'LIST (SUBSCRIBED RECURSIVEMATCH) "" ' + "%a" * 19,
            'LSUB "" ' + "%a" * 19,
        ):
            assert (await claire.say(command))[-1].startswith(b"OK ")
        assert (await claire.say(f'LIST "" ({" ".join(["%a*"] * 20)})'))[-1].startswith(b"BAD ")


async def test_thousands_of_header_lists_hold_nobody_up(house: House, open_session: Open) -> None:
    many = b"".join(b"X-%d: b\r\n" % number for number in range(20_000))
    await fill(house, 10, many + PLAIN)
    claire = await open_session()
    await claire.say("SELECT INBOX")
    lists = [f"BODY.PEEK[HEADER.FIELDS ({' '.join(f'X-{at + one}' for one in range(190))})]" for at in range(20)]
    assert (await claire.say(f"FETCH 1:* ({' '.join(lists)})"))[-1].startswith(b"BAD ")
    async with others_are_answered(open_session):
        assert (await claire.say(f"FETCH 1:* ({' '.join(lists[:10])})"))[-1].startswith(b"OK ")


async def test_copies_of_copies_hold_nobody_up(house: House, open_session: Open) -> None:
    await fill(house, 5000)
    claire = await open_session()
    await claire.say("SELECT INBOX")
    async with others_are_answered(open_session):
        for _ in range(3):
            assert (await claire.say("COPY 1:* INBOX"))[-1].startswith(b"OK [COPYUID ")


async def test_too_many_at_once_are_not_copied(house: House, claire: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mail.imap.reading._COPIED_AT_ONCE", 2)
    await fill(house, 3)
    await claire.say("SELECT INBOX")
    assert (await claire.say("COPY 1:* Archive"))[-1].startswith(b"NO [LIMIT] ")
    assert (await claire.say("MOVE 1:* Archive"))[-1].startswith(b"NO [LIMIT] ")
    assert (await claire.say("COPY 1:2 Archive"))[-1].startswith(b"OK ")


async def test_deflated_commands_by_the_million_hold_nobody_up(open_session: Open) -> None:
    claire = await open_session()
    await claire.say("COMPRESS DEFLATE")
    deflater, inflater = zlib.compressobj(9, wbits=-15), zlib.decompressobj(-15)
    claire.writer.write(deflater.compress(b"a NOOP\r\n" * 2_000_000) + deflater.flush(zlib.Z_SYNC_FLUSH))
    answered = 0
    async with others_are_answered(open_session), asyncio.timeout(60):
        while answered < 30_000:
            answered += inflater.decompress(await claire.reader.read(65536)).count(b"\n")


async def test_keywords_have_a_bound_for_a_message_and_for_a_mailbox(house: House, claire: Client) -> None:
    await fill(house, 20)
    await claire.say("SELECT INBOX")
    for number in range(20):
        keywords = " ".join(f"k{number}-{one}" for one in range(60 if number < 8 else 20))
        told = await claire.say(f"STORE {number + 1} +FLAGS ({keywords})")
        assert told[-1].startswith(b"OK " if number < 9 else b"NO [LIMIT] "), number
    assert (await claire.say("STORE 1 +FLAGS (k1-0)"))[-1].startswith(b"NO [LIMIT] ")
    assert (await claire.say("STORE 1 -FLAGS (k0-0)"))[-1].startswith(b"OK ")
    assert (await claire.say("STORE 1 +FLAGS (k1-0)"))[-1].startswith(b"OK ")
    assert (await claire.say(f"STORE 1 +FLAGS ({' '.join(['x'] * 61)})"))[-1].startswith(b"BAD ")


async def test_mailboxes_have_a_bound_and_so_have_subscriptions(house: House, claire: Client) -> None:
    for number in range(994):
        await house.mailboxes.create(house.claire.account_id, f"{number}")
    assert (await claire.say("CREATE more"))[-1].startswith(b"NO [LIMIT] ")
    await claire.say("SUBSCRIBE more")
    assert len(await claire.say('LSUB "" *')) == 1001


async def test_a_client_that_vanishes_in_append_leaves_nothing(house: House, open_session: Open) -> None:
    claire, other = await open_session(), await open_session()
    await claire.send(b"a APPEND INBOX {1000000+}\r\n" + b"x" * 400_000)
    await asyncio.sleep(0.05)
    claire.writer.transport.abort()
    another = await open_session()
    await another.send(b"a APPEND INBOX {10+}\r\n0123456789 {20+}\r\n")
    another.writer.write_eof() if another.writer.can_write_eof() else another.writer.close()
    await asyncio.sleep(0.05)
    assert (await other.say("STATUS INBOX (MESSAGES UIDNEXT SIZE)"))[0] == (
        b'* STATUS "INBOX" (MESSAGES 0 UIDNEXT 1 SIZE 0)'
    )


async def test_messages_of_one_append_are_together_no_larger_than_one_may_be(claire: Client) -> None:
    message = b"Subject: x\r\n\r\n" + b"x" * 250_000 + b"\r\n"
    assert (await claire.say("APPEND INBOX" + " {}" * 5, *[message] * 5))[-1].startswith(b"NO [TOOBIG] ")
    assert (await claire.say("APPEND INBOX" + " {}" * 4, *[message] * 4))[-1].startswith(b"OK [APPENDUID ")


@pytest.mark.parametrize("utf8", [False, True])
async def test_a_mailbox_name_may_hold_any_byte_and_is_taken_or_refused(claire: Client, utf8: bool) -> None:
    if utf8:
        await claire.say("ENABLE UTF8=ACCEPT")
    taken = set()
    for byte in range(256):
        for name in (b"a%cb" % byte, b"&%c-" % byte, b"%c" % byte):
            status = (await claire.say("CREATE {}", name))[-1].partition(b" ")[0]
            assert status in (b"OK", b"NO", b"BAD")
            if status == b"OK":
                taken.add(name)
    listed = [grammar.read(line.removeprefix(b"* LIST "))[2] for line in (await claire.say('LIST "" *'))[:-1]]
    assert {b"a!b", b"a b", b'a"b', b"a\\b", b"a*b"} <= set(listed)
    for name in listed:
        assert isinstance(name, bytes)
        assert (await claire.say("STATUS {} (MESSAGES)", name))[-1].startswith(b"OK ")


@pytest.mark.parametrize(
    "name",
    [
        b"&",
        b"&Jjo",
        b"&Jjo!",
        b"&AGE-",
        b"&AOk-&AOk-",
        b"&2AA-",
        b"&3AA-",
        b"&AAAAAAA-",
        b"\xff",
        b"&AOl-x&",
        b"a" * 1001,
    ],
)
async def test_a_name_that_is_no_modified_utf_7_is_refused(claire: Client, name: bytes) -> None:
    for command in ("CREATE {}", "SELECT {}", "SUBSCRIBE {}", 'LIST "" {}', "STATUS {} (MESSAGES)", "RENAME INBOX {}"):
        assert (await claire.say(command, name))[-1].startswith((b"BAD ", b"NO [CANNOT] ")), command


@pytest.mark.parametrize("count", [20_000, 200_000])
async def test_a_set_of_many_uids_is_answered_or_ends_the_session(house: House, claire: Client, count: int) -> None:
    await fill(house, 3)
    await claire.say("SELECT INBOX")
    named = ",".join(str(1 + 2 * number) for number in range(count))[: 60_000 if count == 20_000 else 1_000_000]
    await claire.send(f"a UID FETCH {named.rstrip(',')} UID\r\n".encode())
    told = await claire.line()
    assert told.startswith(b"* 1 FETCH (UID 1)" if count == 20_000 else b"* BYE ")


@pytest.mark.parametrize("command", ["FETCH 1 ", "SEARCH ", "STORE 1 FLAGS ", "LIST ", "ID ", "SELECT INBOX "])
async def test_parentheses_without_end_are_refused_at_once(house: House, claire: Client, command: str) -> None:
    await house.put(PLAIN)
    await claire.say("SELECT INBOX")
    began = time.monotonic()
    assert (await claire.say(command + "(" * 60_000))[-1].startswith(b"BAD ")
    assert time.monotonic() - began < WITHIN_SECONDS
    await claire.send(command.encode() + b"(" * 100_000 + b"\r\n")
    assert (await claire.line()).startswith(b"* BYE ")


async def test_a_flood_from_one_address_leaves_room_for_others(house: House) -> None:
    with ExitStack() as stack:
        for _ in range(550):
            stack.enter_context(socket.create_connection(("127.0.0.1", house.tls_port)))
        await asyncio.sleep(0.5)
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", house.tls_port, ssl=house.context, server_hostname="localhost", local_addr=("127.0.0.2", 0)
        )
        assert (await asyncio.wait_for(reader.readline(), WITHIN_SECONDS)).startswith(b"* OK ")
        writer.close()
