"""The SMTP services, spoken to over real sockets by well-meaning and by hostile clients."""

from __future__ import annotations

import asyncio
import gc
import logging
import smtplib
import socket
import ssl
import struct
from contextlib import AsyncExitStack
from datetime import timedelta
from email.message import EmailMessage
from typing import TYPE_CHECKING

import pytest

from mail.config import Config
from mail.errors import SystemDown
from mail.smtp import Service, serve
from mail.smtp.session import Session
from tests.mail.post import make_post
from tests.mail.smtp.talk import Talk, connect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from comgov.db import Database
    from tests.mail.post import Clock, Post

    Start = Callable[..., Awaitable[int]]


@pytest.fixture
async def start(post: Post, server_context: ssl.SSLContext) -> AsyncIterator[Start]:
    """Start a service; gives its port."""
    async with AsyncExitStack() as stack:

        async def start(service: Service = Service.RELAY, at: Post = post) -> int:
            listening = socket.create_server(("127.0.0.1", 0))
            await stack.enter_async_context(serve(at.relay, service, [listening], tls_context=server_context))
            port: int = listening.getsockname()[1]
            return port

        yield start


@pytest.fixture
async def talk(start: Start) -> AsyncIterator[Talk]:
    """A conversation with the relay, past EHLO."""
    async with connect(await start()) as talk:
        await talk.hello()
        yield talk


async def subjects(post: Post, account_id: int | None = None) -> list[str]:
    """What arrived in Eric's Inbox."""
    return [message.subject for message in await post.inbox(account_id or post.eric.account_id)]


def sessions() -> list[Session]:
    """Those that are in memory."""
    gc.collect()
    return [found for found in gc.get_objects() if isinstance(found, Session)]


# What each service offers


async def test_the_relay_offers_tls_and_its_limits_but_no_sign_in(start: Start) -> None:
    async with connect(await start()) as talk:
        offered = (await talk.hello()).split("\n")
    assert [line[4:] for line in offered[1:]] == [
        "SIZE 52428800",
        "PIPELINING",
        "8BITMIME",
        "SMTPUTF8",
        "ENHANCEDSTATUSCODES",
        "STARTTLS",
    ]


async def test_sign_in_is_offered_in_tls_only(start: Start, client_context: ssl.SSLContext) -> None:
    async with connect(await start(Service.SUBMISSION)) as talk:
        assert "AUTH" not in await talk.hello()
        assert (await talk.sign_in("claire@sante.gov.test", "secret")).startswith("538 5.7.11 ")
        assert (await talk.say("MAIL FROM:<claire@sante.gov.test>")).startswith("530 5.7.0 ")
        assert (await talk.say("STARTTLS")).startswith("220 ")
        await talk.writer.start_tls(client_context, server_hostname="localhost")
        offered = await talk.say("EHLO x")
        assert "AUTH PLAIN LOGIN" in offered
        assert "STARTTLS" not in offered


async def test_nobody_signs_in_on_the_relay_even_in_tls(start: Start, client_context: ssl.SSLContext) -> None:
    async with connect(await start()) as talk:
        await talk.hello()
        await talk.start_tls(client_context)
        assert (await talk.sign_in("claire@sante.gov.test", "secret")).startswith("502 5.5.1 ")


async def test_starttls_makes_the_client_begin_anew(start: Start, client_context: ssl.SSLContext) -> None:
    async with connect(await start()) as talk:
        await talk.hello()
        await talk.say("MAIL FROM:<anna@example.org>")
        assert (await talk.say("STARTTLS")).startswith("220 ")
        await talk.writer.start_tls(client_context, server_hostname="localhost")
        assert (await talk.say("RCPT TO:<eric@finances.gov.test>")).startswith("503 ")
        assert (await talk.say("MAIL FROM:<anna@example.org>")).startswith("503 5.5.1 Say EHLO")


async def test_what_is_injected_before_tls_is_never_obeyed(
    start: Start, post: Post, client_context: ssl.SSLContext
) -> None:
    async with connect(await start()) as talk:
        await talk.hello()
        await talk.send(b"STARTTLS\r\nMAIL FROM:<mallory@example.org>\r\nRCPT TO:<eric@finances.gov.test>\r\n")
        assert (await talk.reply()).startswith("220 ")
        await talk.writer.start_tls(client_context, server_hostname="localhost")
        await talk.say("EHLO x")
        assert (await talk.say("DATA")).startswith("503 ")


async def test_rubbish_instead_of_tls_ends_the_connection_quietly(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    async with connect(await start()) as talk:
        await talk.hello()
        await talk.say("STARTTLS")
        await talk.send(b"MAIL FROM:<a@b.test>\r\n" * 10)
        assert await talk.reader.read() is not None
    await asyncio.sleep(0.05)
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


# Submission


@pytest.mark.parametrize("service", [Service.SUBMISSION, Service.SUBMISSIONS])
async def test_a_person_submits_with_a_standard_client(
    start: Start, post: Post, client_context: ssl.SSLContext, service: Service
) -> None:
    port = await start(service)
    message = EmailMessage()
    message["From"], message["To"] = "claire@sante.gov.test", "eric@finances.gov.test"
    message["Subject"] = "Réunion"
    message.set_content("À demain.")
    message.add_attachment(bytes(range(256)) * 2000, maintype="application", subtype="pdf", filename="ordre.pdf")
    message.set_boundary("boundary")

    def submit() -> None:
        if service is Service.SUBMISSION:
            client: smtplib.SMTP = smtplib.SMTP("localhost", port)
            client.starttls(context=client_context)
        else:
            client = smtplib.SMTP_SSL("localhost", port, context=client_context)
        client.login("claire@sante.gov.test", "secret")
        client.send_message(message)
        client.quit()

    await asyncio.to_thread(submit)
    [received] = await post.inbox(post.eric.account_id)
    assert (received.subject, received.attachments, received.preview) == ("Réunion", 1, "À demain.")
    content = await post.read(received)
    assert b"with ESMTPSA id " in content
    assert content.endswith(message.as_bytes().replace(b"\n", b"\r\n"))


async def test_sign_in_by_login_and_its_refusals(start: Start, client_context: ssl.SSLContext) -> None:
    async with connect(await start(Service.SUBMISSIONS), client_context) as talk:
        await talk.hello()
        assert (await talk.sign_in("claire@sante.gov.test", "wrong")).startswith("535 5.7.8 ")
        assert (await talk.sign_in("nobody@sante.gov.test", "secret")).startswith("535 5.7.8 ")
        assert (await talk.say("AUTH CRAM-MD5")).startswith("504 5.5.4 ")
        assert (await talk.say("AUTH PLAIN ???")).startswith("501 5.5.2 ")
        assert (await talk.say("AUTH PLAIN " + "AAAA")).startswith("501 5.5.2 ")
        assert await talk.say("AUTH LOGIN") == "334 VXNlcm5hbWU6"
        assert (await talk.say("*")).startswith("501 5.7.0 ")
        assert (await talk.say("AUTH LOGIN Y2xhaXJlQHNhbnRlLmdvdi50ZXN0")).startswith("334 ")
        assert (await talk.say("c2VjcmV0")).startswith("235 2.7.0 ")
        assert (await talk.say("AUTH LOGIN")).startswith("503 ")


async def test_a_password_never_reaches_the_log(
    start: Start, client_context: ssl.SSLContext, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    async with connect(await start(Service.SUBMISSIONS), client_context) as talk:
        await talk.hello()
        await talk.sign_in("claire@sante.gov.test", "hunter2")
        await talk.say("AUTH LOGIN Y2xhaXJlQHNhbnRlLmdvdi50ZXN0")
        await talk.say("aHVudGVyMg==")
        await talk.say("aHVudGVyMg==")
    written = caplog.text + "".join(capfd.readouterr())
    assert "hunter2" not in written
    assert "aHVudGVyMg" not in written


async def test_submission_is_for_those_who_signed_in_and_in_their_own_name(
    start: Start, client_context: ssl.SSLContext
) -> None:
    async with connect(await start(Service.SUBMISSIONS), client_context) as talk:
        await talk.hello()
        assert (await talk.say("MAIL FROM:<claire@sante.gov.test>")).startswith("530 5.7.0 ")
        await talk.sign_in("claire@sante.gov.test", "secret")
        assert (await talk.say("MAIL FROM:<eric@finances.gov.test>")).startswith("550 5.7.1 ")
        assert (await talk.say("MAIL FROM:<>")).startswith("550 5.7.1 ")
        assert (await talk.say("MAIL FROM:<claire@sante.gov.test> AUTH=<>")).startswith("250 ")
        assert (await talk.say("RCPT TO:<bob@example.org>")).startswith("250 ")


# The relay's refusals


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("RCPT TO:<nobody@sante.gov.test>", "550 5.1.1 "),
        ("RCPT TO:<bob@example.org>", "550 5.7.1 "),
        ("RCPT TO:<bob%example.org@sante.gov.test>", "550 5.1.1 "),
        ("RCPT TO:<@sante.gov.test:bob@example.org>", "550 5.7.1 "),
        ('RCPT TO:<"bob@example.org"@sante.gov.test>', "550 5.1.1 "),
        ("RCPT TO:<eric>", "553 5.1.3 "),
        ("RCPT TO:<>", "553 5.1.3 "),
        ("RCPT TO:eric@finances.gov.test", "553 5.1.3 "),
        ("RCPT TO:<eric@finances.gov.test> NOTIFY=NEVER", "555 5.5.4 "),
        ("RCPT TO:<éric@finances.gov.test>", "553 5.6.7 "),
        ("RCPT FROM:<eric@finances.gov.test>", "501 5.5.4 "),
        ("MAIL FROM:<b@c.test>", "503 5.5.1 "),
        ("DATA", "503 5.5.1 "),
        ("RCPT TO:<ERIC@Finances.GOV.test>", "250 2.1.5 "),
        ("rcpt to:<eric@finances.gov.test>", "250 2.1.5 "),
        ("VRFY eric", "252 "),
        ("EXPN tous", "502 5.5.1 "),
        ("NOOP whatever", "250 "),
        ("BDAT 10 LAST", "502 5.5.1 "),
        ("", "502 5.5.1 "),
        ("x" * 20_000, "500 5.5.2 "),
    ],
)
async def test_a_command_within_a_message_is_answered(talk: Talk, line: str, reply: str) -> None:
    await talk.say("MAIL FROM:<anna@example.org>")
    assert (await talk.say(line)).startswith(reply)


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("MAIL FROM:<>", "250 "),
        ("MAIL FROM:<anna@example.org> SIZE=1000 BODY=8BITMIME SMTPUTF8", "250 "),
        ("MAIL FROM:<éric@exämple.org> SMTPUTF8", "250 "),
        ("MAIL FROM:<éric@example.org>", "553 5.6.7 "),
        ("MAIL FROM:<anna@example.org> SIZE=99999999999", "552 5.3.4 "),
        ("MAIL FROM:<anna@example.org> SIZE=-1", "501 5.5.4 "),
        ("MAIL FROM:<anna@example.org> BODY=BINARYMIME", "555 5.5.4 "),
        ("MAIL FROM:<anna@example.org> AUTH=<>", "555 5.5.4 "),
        ("MAIL FROM:<anna@" + "x" * 300 + ".org>", "553 5.1.3 "),
        ("MAIL FROM:<a@b..c>", "553 5.1.3 "),
        ("RCPT TO:<eric@finances.gov.test>", "503 5.5.1 "),
        ("EHLO", "501 5.5.4 "),
        ("DATA now", "501 5.5.4 "),
        ("QUIT now", "501 5.5.4 "),
    ],
)
async def test_a_command_after_the_greeting_is_answered(talk: Talk, line: str, reply: str) -> None:
    assert (await talk.say(line)).startswith(reply)


async def test_commands_end_in_crlf_alone(talk: Talk) -> None:
    for line in (b"NOOP\n", b"NOOP\rNOOP\r\n", b"NO\0OP\r\n", b"NOOP \xff\r\n"):
        await talk.send(line)
        assert (await talk.reply()).startswith("50")
    assert (await talk.say("NOOP")).startswith("250 ")


async def test_a_browser_is_shown_the_door(start: Start) -> None:
    async with connect(await start()) as talk:
        await talk.reply()
        await talk.send(b"POST / HTTP/1.1\r\nHost: x\r\n\r\nMAIL FROM:<a@b.test>\r\n")
        assert (await talk.reply()).startswith("502 ")
        assert (await talk.reply()).startswith("421 4.7.0 ")
        assert await talk.reply() == ""


# DATA


async def test_pipelined_commands_are_answered_in_order(start: Start, post: Post) -> None:
    async with connect(await start()) as talk:
        await talk.reply()
        await talk.send(
            b"EHLO x\r\nMAIL FROM:<anna@example.org>\r\nRCPT TO:<nobody@sante.gov.test>\r\n"
            b"RCPT TO:<eric@finances.gov.test>\r\nDATA\r\nSubject: one\r\n\r\nx\r\n.\r\n"
            b"MAIL FROM:<anna@example.org>\r\nRCPT TO:<eric@finances.gov.test>\r\nDATA\r\n.\r\nQUIT\r\n"
        )
        talk.writer.write_eof()
        codes = [(await talk.reply())[:3] for _ in range(11)]
        assert codes == ["250", "250", "550", "250", "354", "250", "250", "250", "354", "250", "221"]
    assert await subjects(post) == ["one", ""]


async def test_many_pipelined_commands_are_answered_in_order(
    talk: Talk, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(post.relay, "recall_recipient", lambda _address: None)  # each RCPT has to wait
    assert (await talk.say("MAIL FROM:<anna@example.org>")).startswith("250 ")
    counts = range(95, 106)  # others have their turn after a hundred
    said = b"".join(b"NOOP\r\n" * count + b"RCPT TO:<eric@finances.gov.test>\r\n" for count in counts)
    await talk.send(said + b"RCPT TO:<nobody@sante.gov.test>\r\n")
    for count in counts:
        assert [(await talk.reply())[:9] for _ in range(count)] == ["250 2.0.0"] * count
        assert (await talk.reply()).startswith("250 2.1.5 ")
    assert (await talk.reply()).startswith("550 ")


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 64])
async def test_a_message_in_small_pieces_arrives_unstuffed(talk: Talk, post: Post, size: int) -> None:
    assert (await talk.begin()).startswith("354 ")
    wire = b"..Subject: odd\r\n\r\n..\r\n.x\r\n...\r\n\r\n.\r\nNOOP\r\n"
    for start in range(0, len(wire), size):
        await talk.send(wire[start : start + size])
        await asyncio.sleep(0)
    assert (await talk.reply()).startswith("250 2.0.0 ")
    assert (await talk.reply()).startswith("250 ")
    [message] = await post.inbox(post.eric.account_id)
    assert (await post.read(message)).endswith(b"+0000\r\n.Subject: odd\r\n\r\n.\r\nx\r\n..\r\n\r\n")


async def test_an_empty_message_is_a_message(talk: Talk, post: Post) -> None:
    assert (await talk.begin()).startswith("354 ")
    assert (await talk.say(".")).startswith("250 ")
    assert await subjects(post) == [""]


SMUGGLED = b"MAIL FROM:<admin@setic.gov.test>\r\nRCPT TO:<eric@finances.gov.test>\r\nDATA\r\nSubject: smuggled\r\n\r\nx"


@pytest.mark.parametrize(
    "end",
    [
        b"\n.\n",
        b"\n.\r\n",
        b"\r\n.\n",
        b"\r.\r",
        b"\r\n.\r",
        b"\r.\r\n",
        b"\n.\r",
        b"\r\n\0.\r\n",
        b"\r\n.\0\r\n",
        b"\r\r\n.\r\r\n",
        b"\0\r\n.\n",
    ],
)
async def test_a_malformed_end_of_data_smuggles_nothing(talk: Talk, post: Post, end: bytes) -> None:
    assert (await talk.begin()).startswith("354 ")
    await talk.send(b"Subject: first\r\n\r\nhello" + end + SMUGGLED + b"\r\n.\r\n")
    assert (await talk.reply()).startswith("550 5.6.0 ")
    assert (await talk.say("NOOP")).startswith("250 2.0.0 ")
    assert (await talk.begin()).startswith("354 ")
    await talk.send(b"Subject: second\r\n\r\nx\r\n.\r\n")
    assert (await talk.reply()).startswith("250 2.0.0 ")
    assert await subjects(post) == ["second"]


async def test_a_message_over_the_limit_is_refused_at_its_end(db: Database, clock: Clock, start: Start) -> None:
    post = make_post(db.pool, clock, Config(message_limit_bytes=64 << 10, line_limit_bytes=1000))
    async with connect(await start(at=post)) as talk:
        await talk.hello()
        assert (await talk.begin()).startswith("354 ")
        await talk.send((b"x" * 98 + b"\r\n") * 20_000 + b".\r\n")
        assert (await talk.reply()).startswith("552 5.3.4 ")
        assert (await talk.begin()).startswith("354 ")
        await talk.send(b"x" * 999 + b"\r\n.\r\n")
        assert (await talk.reply()).startswith("550 5.6.0 ")
        assert (await talk.begin()).startswith("354 ")
        await talk.send(b"x" * 998 + b"\r\n.\r\n")
        assert (await talk.reply()).startswith("250 ")


async def test_a_large_message_goes_through_a_file_and_comes_back_whole(talk: Talk, post: Post) -> None:
    lines = b"".join(b".%09d" % index + b"y" * 60 + b"\r\n" for index in range(50_000))
    content = b"Subject: large\r\n\r\n" + lines
    assert (await talk.begin()).startswith("354 ")
    await talk.send(content.replace(b"\r\n.", b"\r\n..") + b".\r\n")
    assert (await talk.reply()).startswith("250 ")
    [message] = await post.inbox(post.eric.account_id)
    assert (await post.read(message)).endswith(b"+0000\r\n" + content)


async def test_one_endless_line_is_refused_and_the_session_goes_on(talk: Talk, post: Post) -> None:
    assert (await talk.begin()).startswith("354 ")
    await talk.send(b"Subject: " + b"x" * 3_000_000 + b"\r\n\r\n.\r\n")
    assert (await talk.reply()).startswith("550 5.6.0 ")
    assert (await talk.say("NOOP")).startswith("250 ")
    assert await subjects(post) == []


HOSTILE = {
    "100,000 headers": b"X-A: b\r\n" * 100_000 + b"\r\nx",
    "1,000 multiparts deep": b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (level, level) for level in range(1000)
    ),
    "8-bit headers": b"Subject: caf\xe9 \xff\xfe\r\nFrom: \xe9ric <\xe9@b>\r\n\r\nx",
    "broken boundaries": b"Content-Type: multipart/mixed; boundary=\r\n\r\n--\r\n----\r\n--x--\r\n",
    "no header": b"just words",
    "no end of header": b"Subject: x",
    "broken encodings": b"Subject: =?utf-8?b?!!!?= =?nope?q?=ZZ?=\r\nContent-Transfer-Encoding: base64\r\n\r\n%%%",
    "NULs in disguise": b"Subject: =?utf-8?q?a=00b?=\r\nContent-Type: text/plain; charset=utf-16\r\n\r\nx",
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_mime_is_taken_whole(talk: Talk, post: Post, name: str) -> None:
    assert (await talk.begin()).startswith("354 ")
    await talk.send(HOSTILE[name] + b"\r\n.\r\n")
    assert (await talk.reply()).startswith("250 ")
    [message] = await post.inbox(post.eric.account_id)
    assert (await post.read(message)).endswith(b"+0000\r\n" + HOSTILE[name] + b"\r\n")


async def test_a_looping_message_is_refused(talk: Talk) -> None:
    assert (await talk.begin()).startswith("354 ")
    await talk.send(b"Received: from a by b\r\n" * 60 + b"\r\nx\r\n.\r\n")
    assert (await talk.reply()).startswith("554 5.4.6 ")


async def test_a_connection_cut_in_data_leaves_nothing(start: Start, post: Post) -> None:
    port = await start()
    for _ in range(3):
        async with connect(port) as talk:
            await talk.hello()
            await talk.begin()
            await talk.send(b"Subject: half\r\n\r\nx\r\n")
    async with connect(port) as talk:
        await talk.hello()
        await talk.begin()
        await talk.send(b"Subject: whole\r\n\r\nx\r\n.\r\n")
        assert (await talk.reply()).startswith("250 ")
    assert await subjects(post) == ["whole"]


# Limits


async def test_too_many_recipients_are_deferred(db: Database, clock: Clock, start: Start) -> None:
    post = make_post(db.pool, clock, Config(recipient_limit=100))
    async with connect(await start(at=post)) as talk:
        await talk.hello()
        await talk.say("MAIL FROM:<anna@example.org>")
        for _ in range(100):
            assert (await talk.say("RCPT TO:<eric@finances.gov.test>")).startswith("250 ")
        for _ in range(50):
            assert (await talk.say("RCPT TO:<eric@finances.gov.test>")).startswith("452 4.5.3 ")
        assert (await talk.say("DATA")).startswith("354 ")
        await talk.send(b"Subject: to the first hundred\r\n\r\n.\r\n")
        assert (await talk.reply()).startswith("250 ")
    assert await subjects(post) == ["to the first hundred"]


async def test_postmaster_needs_no_domain(db: Database, clock: Clock, start: Start) -> None:
    post = make_post(db.pool, clock, Config(postmaster="claire@sante.gov.test"))
    async with connect(await start(at=post)) as talk:
        await talk.hello()
        await talk.say("MAIL FROM:<>")
        assert (await talk.say("RCPT TO:<Postmaster>")).startswith("250 ")


async def test_too_many_connections_are_told_so(db: Database, clock: Clock, start: Start) -> None:
    post = make_post(db.pool, clock, Config(connection_limit_per_ip=2))
    port = await start(at=post)
    async with connect(port) as first, connect(port) as second:
        assert (await first.reply()).startswith("220 ")
        assert (await second.reply()).startswith("220 ")
        async with connect(port) as third:
            assert (await third.reply()).startswith("421 4.7.0 ")
            assert await third.reply() == ""
        await first.say("QUIT")
        await asyncio.sleep(0.05)
        async with connect(port) as fourth:
            assert (await fourth.reply()).startswith("220 ")


async def test_connections_count_before_their_tls_is_up(
    db: Database, clock: Clock, start: Start, client_context: ssl.SSLContext
) -> None:
    """A handshake that never ends holds memory too."""
    port = await start(Service.SUBMISSIONS, make_post(db.pool, clock, Config(connection_limit_per_ip=2)))
    async with connect(port) as silent, connect(port, client_context) as second:
        assert (await second.reply()).startswith("220 ")
        async with connect(port) as third:
            assert await third.reply() == ""
        silent.writer.close()
        await asyncio.sleep(0.05)
        async with connect(port, client_context) as fourth:
            assert (await fourth.reply()).startswith("220 ")


async def test_rubbish_where_tls_begins_frees_its_place(
    db: Database, clock: Clock, start: Start, client_context: ssl.SSLContext, caplog: pytest.LogCaptureFixture
) -> None:
    port = await start(Service.SUBMISSIONS, make_post(db.pool, clock, Config(connection_limit_per_ip=1)))
    async with connect(port) as browser:
        await browser.send(b"GET / HTTP/1.1\r\n\r\n")
        await browser.reader.read()
    async with connect(port, client_context) as talk:
        assert (await talk.reply()).startswith("220 ")
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00"])
async def test_whoever_leaves_after_starttls_frees_its_place(
    db: Database, clock: Clock, start: Start, caplog: pytest.LogCaptureFixture, said: bytes
) -> None:
    """said: instead of a whole handshake."""
    port = await start(Service.RELAY, make_post(db.pool, clock, Config(connection_limit_per_ip=1)))
    for _ in range(3):
        async with connect(port) as talk:
            assert (await talk.reply()).startswith("220 ")
            await talk.say("EHLO client.test")
            assert (await talk.say("STARTTLS")).startswith("220 ")
            await talk.send(said)
        await asyncio.sleep(0.1)
    async with connect(port) as talk:
        assert (await talk.reply()).startswith("220 ")
    await asyncio.sleep(0.05)
    assert sessions() == []
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_a_reset_at_starttls_is_no_failure_of_ours(
    start: Start, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    port = await start()
    for _ in range(20):
        async with connect(port) as talk:
            await talk.hello()
            await talk.send(b"STARTTLS\r\n")
            talk.writer.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
            talk.writer.transport.abort()
    await asyncio.sleep(0.1)
    assert sessions() == []
    assert "smtp.failed" not in "".join(capsys.readouterr())
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_a_client_too_slow_for_the_reply_to_starttls_goes_on_in_tls(
    start: Start, client_context: ssl.SSLContext
) -> None:
    async with connect(await start()) as talk:
        await talk.hello()
        (session,) = sessions()
        assert session.transport is not None
        session.transport.set_write_buffer_limits(high=64 << 20)
        session.transport.write(b"." * (24 << 20))  # more than both kernels' buffers take
        waiting = session.transport.get_write_buffer_size()
        assert waiting
        session.transport.set_write_buffer_limits(high=waiting + 5, low=1)
        await talk.send(b"STARTTLS\r\n")
        await asyncio.sleep(0.1)
        assert session._is_stalled
        end = b""
        while not end.endswith(b"\r\n"):
            end = end[-100:] + await talk.reader.read(1 << 20)
        assert b"220 " in end
        await talk.writer.start_tls(client_context, server_hostname="localhost")
        assert (await talk.say("EHLO x")).startswith("250")


async def test_a_fault_of_ours_after_something_that_waited_frees_the_place(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Session, reply: str) -> None:
        raise RuntimeError(reply)

    async with connect(await start()) as talk:
        await talk.hello()
        await talk.say("MAIL FROM:<a@elsewhere.test>")
        monkeypatch.setattr(Session, "_answer", fail)
        await talk.send(b"RCPT TO:<nobody@nowhere.test>\r\n")
        assert await asyncio.wait_for(talk.reader.read(), 5) == b""
    await asyncio.sleep(0.05)
    assert sessions() == []


async def test_a_service_that_stops_waits_for_no_handshake(post: Post, server_context: ssl.SSLContext) -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    began = asyncio.get_running_loop().time()
    async with AsyncExitStack() as clients:
        async with serve(post.relay, Service.SUBMISSIONS, [listening], tls_context=server_context):
            silent = await clients.enter_async_context(connect(listening.getsockname()[1]))
            await asyncio.sleep(0.05)
        assert await silent.reply() == ""
    assert asyncio.get_running_loop().time() - began < 3


async def test_too_many_errors_end_the_session(talk: Talk) -> None:
    replies = []
    while not replies or replies[-1]:
        replies.append(await talk.say("NONSENSE") if len(replies) < 20 else await talk.reply())
    assert replies[-2].startswith("421 4.7.0 ")
    assert len(replies) == 22


async def test_silence_ends_the_session(db: Database, clock: Clock, start: Start) -> None:
    post = make_post(db.pool, clock, Config(command_timeout=timedelta(seconds=0.1)))
    async with connect(await start(at=post)) as talk:
        await talk.hello()
        assert (await talk.reply()).startswith("421 4.4.2 ")


@pytest.mark.parametrize("service", [Service.RELAY, Service.SUBMISSIONS])
async def test_a_client_that_reads_no_replies_is_dropped(
    db: Database,
    clock: Clock,
    start: Start,
    monkeypatch: pytest.MonkeyPatch,
    client_context: ssl.SSLContext,
    service: Service,
) -> None:
    monkeypatch.setattr("mail.smtp.connection._GOODBYE_SECONDS", 0.1)
    limits = Config(command_timeout=timedelta(seconds=0.3), connection_limit_per_ip=1)
    port = await start(service, make_post(db.pool, clock, limits))
    context = client_context if service is Service.SUBMISSIONS else None
    async with connect(port, context) as deaf:
        with pytest.raises((TimeoutError, ConnectionError)):  # stuck, or dropped already
            await asyncio.wait_for(_ask_for_help(deaf), 1)
        async with asyncio.timeout(10):
            while not await _is_greeted(port, context):
                await asyncio.sleep(0.05)


async def _is_greeted(port: int, context: ssl.SSLContext | None) -> bool:
    try:
        async with connect(port, context) as talk:
            return (await talk.reply()).startswith("220 ")
    except ConnectionError:
        return False


async def _ask_for_help(talk: Talk) -> None:
    while True:
        await talk.send(b"HELP\r\n" * 10_000)


async def test_a_message_may_not_dribble_for_ever(db: Database, clock: Clock, start: Start) -> None:
    limits = Config(command_timeout=timedelta(seconds=0.2), data_timeout=timedelta(seconds=0.4))
    async with connect(await start(at=make_post(db.pool, clock, limits))) as talk:
        await talk.hello()
        await talk.begin()
        loop = asyncio.get_running_loop()
        began = loop.time()
        reply = asyncio.create_task(talk.reply())
        while not reply.done():
            await talk.send(b"x")
            await asyncio.sleep(0.02)
        assert (await reply).startswith("421 4.4.2 ")
        assert 0.3 < loop.time() - began < 2


# Failures within


async def test_an_unforeseen_failure_tells_the_client_nothing(
    talk: Talk, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise ZeroDivisionError("the secret of the house")

    monkeypatch.setattr(post.directory, "lookup", fail)
    monkeypatch.setattr(post.directory, "recall", lambda _address: None)
    await talk.say("MAIL FROM:<anna@example.org>")
    assert await talk.say("RCPT TO:<eric@finances.gov.test>") == (
        "451 4.3.0 A part of this server is down for now; try again later"
    )


async def test_a_directory_that_is_down_defers(talk: Talk, post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    async def down(*_: object) -> None:
        raise SystemDown(reason="no database")

    monkeypatch.setattr(post.directory, "lookup", down)
    monkeypatch.setattr(post.directory, "recall", lambda _address: None)
    await talk.say("MAIL FROM:<anna@example.org>")
    assert (await talk.say("RCPT TO:<eric@finances.gov.test>")).startswith("451 4.3.0 ")


async def test_a_full_disk_defers_and_service_goes_on(talk: Talk, post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("mail.octets.tempfile.TemporaryFile", full)
        await talk.begin()
        await talk.send((b"x" * 98 + b"\r\n") * 30_000 + b".\r\n")
        assert (await talk.reply()).startswith("452 4.3.1 ")
    await talk.begin()
    await talk.send(b"Subject: after\r\n\r\n.\r\n")
    assert (await talk.reply()).startswith("250 ")
    assert await subjects(post) == ["after"]


# The end


async def test_a_service_that_stops_finishes_what_has_begun(post: Post) -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    async with AsyncExitStack() as clients:
        async with serve(post.relay, Service.RELAY, [listening], tls_context=None):
            port = listening.getsockname()[1]
            idle = await clients.enter_async_context(connect(port))
            busy = await clients.enter_async_context(connect(port))
            await idle.hello()
            await busy.hello()
            await busy.begin()
            await busy.send(b"Subject: in time\r\n\r\n")
            sending = asyncio.create_task(_finish_later(busy))
        assert (await idle.reply()).startswith("421 4.3.2 ")
        assert (await sending).startswith("250 ")
        assert (await busy.reply()).startswith("421 4.3.2 ")
    assert await subjects(post) == ["in time"]


async def _finish_later(talk: Talk) -> str:
    await asyncio.sleep(0.1)
    await talk.send(b".\r\n")
    return await talk.reply()
