"""What the courier makes of other servers, against real ones."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mail.errors import SystemDown
from mail.outbound.courier import Attempt, Budget, Config, Content, Courier, Parcel
from mail.outbound.courier.reply import ProtocolError, Reply, final_outcome, parse_line, refusal
from mail.outbound.courier.session import DotStuffing, recipient_outcomes
from mail.outbound.outcome import Deferred, Delivered, Failed
from mail.outbound.resolver import Exchanger
from mail.outbound.route import Config as RouteConfig
from mail.outbound.route import Hop, Router, Tls
from tests.mail.outbound.sink import Sink, script, serve

MESSAGE = b"Subject: Bordereau\r\n\r\nBonjour\r\n.\r\n..deux points\r\n"
QUICK = Config(
    connect_within=timedelta(seconds=2),
    greeting_within=timedelta(seconds=2),
    reply_within=timedelta(seconds=2),
    data_start_within=timedelta(seconds=2),
    data_block_within=timedelta(seconds=2),
    data_end_within=timedelta(seconds=2),
)


class NoDns:
    """A resolver that is never asked: these routes are configured."""

    async def exchangers(self, domain: str) -> list[Exchanger]:
        raise AssertionError(domain)

    async def addresses(self, host: str) -> list[str]:
        raise AssertionError(host)


def content_of(*chunks: bytes) -> Content:
    async def read() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    return read


def courier_to(port: int, *, tls: Tls = Tls.OPPORTUNISTIC, host: str = "127.0.0.1", config: Config = QUICK) -> Courier:
    routes = {"example.org": Hop(host=host, port=port, tls=tls)}
    router = Router(RouteConfig(routes=routes), NoDns(), frozenset())
    return Courier(hostname="mail.gov.test", own_names=frozenset({"gov.test"}), router=router, config=config)


def parcel(*recipients: str, size_bytes: int = len(MESSAGE), **needs: bool) -> Parcel:
    return Parcel(sender="claire@sante.gov.test", recipients=recipients, size_bytes=size_bytes, **needs)


async def deliver(courier: Courier, *parcels: Parcel, content: Content | None = None) -> list[Attempt]:
    async with courier.visit("example.org", Budget(0)) as visit:
        return [attempt for one in parcels for attempt in await visit.deliver(one, content or content_of(MESSAGE))]


async def test_a_message_arrives_byte_for_byte_with_its_dots() -> None:
    async with serve(Sink()) as sink:
        [attempt] = await deliver(courier_to(sink.port), parcel("eric@example.org"))

    assert attempt == Attempt(Delivered(reply="250 2.0.0 Taken"), "127.0.0.1")
    assert sink.taken[0].content == MESSAGE
    assert sink.received == [("claire@sante.gov.test", "eric@example.org")]


async def test_a_message_without_a_last_line_end_gains_one_and_nothing_else() -> None:
    async with serve(Sink()) as sink:
        await deliver(
            courier_to(sink.port), parcel("eric@example.org"), content=content_of(b"Subject: x\r\n", b"\r\nfin")
        )

    assert sink.taken[0].content == b"Subject: x\r\n\r\nfin\r\n"


@pytest.mark.parametrize("extensions", [("PIPELINING",), ()], ids=["pipelined", "one by one"])
async def test_each_recipient_has_an_outcome_of_its_own(extensions: tuple[str, ...]) -> None:
    replies = {
        "gone@example.org": "550 5.1.1 No such user",
        "full@example.org": "452 4.2.2 Mailbox full",
        "many@example.org": "552 too many recipients",
    }
    async with serve(Sink(replies=replies, extensions=extensions)) as sink:
        addresses = ("eric@example.org", "gone@example.org", "full@example.org", "many@example.org", "paul@example.org")
        attempts = await deliver(courier_to(sink.port), parcel(*addresses))

    assert [attempt.outcome for attempt in attempts] == [
        Delivered(reply="250 2.0.0 Taken"),
        Failed(status="5.1.1", reply="550 5.1.1 No such user"),
        Deferred(status="4.2.2", reply="452 4.2.2 Mailbox full"),
        Deferred(status="4.5.3", reply="552 too many recipients"),
        Delivered(reply="250 2.0.0 Taken"),
    ]
    assert [recipient for _, recipient in sink.received] == ["eric@example.org", "paul@example.org"]


@pytest.mark.parametrize("extensions", [("PIPELINING",), ()], ids=["pipelined", "one by one"])
async def test_after_refusals_the_same_connection_takes_the_next_message(extensions: tuple[str, ...]) -> None:
    async with serve(Sink(replies={"gone@example.org": "550 5.1.1 No"}, extensions=extensions)) as sink:
        attempts = await deliver(
            courier_to(sink.port), parcel("gone@example.org"), parcel("eric@example.org"), parcel("paul@example.org")
        )

    assert [type(attempt.outcome) for attempt in attempts] == [Failed, Delivered, Delivered]
    assert sink.connections == 1


@pytest.mark.parametrize("extensions", [("PIPELINING",), ()], ids=["pipelined", "one by one"])
async def test_a_refused_sender_decides_for_every_recipient(extensions: tuple[str, ...]) -> None:
    async with serve(Sink(sender_reply="550 5.7.1 Not from there", extensions=extensions)) as sink:
        attempts = await deliver(courier_to(sink.port), parcel("eric@example.org", "paul@example.org"))

    assert [attempt.outcome for attempt in attempts] == [Failed(status="5.7.1", reply="550 5.7.1 Not from there")] * 2


async def test_the_reply_to_the_end_of_the_message_decides_for_those_who_were_taken() -> None:
    replies = {"gone@example.org": "550 5.1.1 No such user"}
    async with serve(Sink(replies=replies, data_reply="451 4.7.1 Greylisted")) as sink:
        attempts = await deliver(courier_to(sink.port), parcel("eric@example.org", "gone@example.org"))

    assert [attempt.outcome for attempt in attempts] == [
        Deferred(status="4.7.1", reply="451 4.7.1 Greylisted"),
        Failed(status="5.1.1", reply="550 5.1.1 No such user"),
    ]


async def test_a_connection_cut_in_the_message_defers_whom_it_concerns() -> None:
    async def cut(server: Any) -> None:
        server.transport.abort()

    replies = {"gone@example.org": "550 5.1.1 No such user"}
    async with serve(Sink(replies=replies, during_data=cut)) as sink:
        lost, refused = await deliver(courier_to(sink.port), parcel("eric@example.org", "gone@example.org"))

    assert isinstance(lost.outcome, Deferred)
    assert lost.outcome.status == "4.4.2"
    assert refused.outcome == Failed(status="5.1.1", reply="550 5.1.1 No such user")


async def test_a_server_that_goes_silent_is_left_after_the_time_configured() -> None:
    async def dawdle(_server: Any) -> None:
        await asyncio.sleep(5)

    brief = QUICK.model_copy(update={"data_end_within": timedelta(milliseconds=100)})
    async with serve(Sink(during_data=dawdle)) as sink:
        [attempt] = await deliver(courier_to(sink.port, config=brief), parcel("eric@example.org"))

    assert isinstance(attempt.outcome, Deferred)
    assert attempt.outcome.status == "4.4.2"


async def test_a_server_that_closed_an_idle_connection_is_asked_again() -> None:
    async with serve(Sink(), timeout=0.1) as sink, courier_to(sink.port).visit("example.org", Budget(0)) as visit:
        await visit.deliver(parcel("eric@example.org"), content_of(MESSAGE))
        await asyncio.sleep(0.3)
        [attempt] = await visit.deliver(parcel("paul@example.org"), content_of(MESSAGE))

    assert isinstance(attempt.outcome, Delivered)
    assert sink.connections == 2


async def test_a_server_that_cannot_be_reached_is_tried_once_for_all_messages() -> None:
    async with serve(Sink()) as sink:
        port = sink.port
    attempts = await deliver(courier_to(port), parcel("eric@example.org"), parcel("paul@example.org"))

    assert {type(attempt.outcome) for attempt in attempts} == {Deferred}
    assert attempts[0].outcome is attempts[1].outcome
    assert attempts[0].remote_mta == ""
    assert isinstance(attempts[0].outcome, Deferred)
    assert attempts[0].outcome.status == "4.4.1"


@pytest.mark.parametrize(
    ("greeting", "status"),
    [
        (b"554 5.3.2 No service\r\n", "4.3.2"),
        (b"421 4.3.2 Too many connections\r\n", "4.3.2"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "4.3.2"),
        (b"", "4.4.1"),
        (b"2" * 100_000 + b"\r\n", "4.3.2"),
    ],
)
async def test_a_server_that_does_not_welcome_us_is_tried_again_later(greeting: bytes, status: str) -> None:
    async with script(greeting) as port:
        [attempt] = await deliver(courier_to(port), parcel("eric@example.org"))

    assert isinstance(attempt.outcome, Deferred)
    assert attempt.outcome.status == status
    assert len(attempt.outcome.reply) <= 600


@pytest.mark.parametrize(
    "reply",
    [b"nonsense\r\n", b"250-" + b"x" * 10_000 + b"\r\n", b"250-and so on\r\n" * 200, b"250\x00\r\n", b"999 no\r\n"],
)
async def test_replies_that_are_no_smtp_defer_and_end_the_connection(reply: bytes) -> None:
    async with script(b"220 odd.test ESMTP\r\n", b"250 odd.test\r\n", reply) as port:
        [attempt] = await deliver(courier_to(port), parcel("eric@example.org"))

    assert isinstance(attempt.outcome, Deferred)
    assert attempt.outcome.status == "4.4.2"


async def test_a_server_without_ehlo_is_spoken_to_with_helo() -> None:
    replies = (
        b"220 old.test\r\n",
        b"502 what?\r\n",
        b"250 old.test\r\n",
        b"250 ok\r\n",
        b"250 ok\r\n",
        b"451 later\r\n",
    )
    async with script(*replies) as port:
        [attempt] = await deliver(courier_to(port), parcel("eric@example.org"))

    assert attempt.outcome == Deferred(status="4.3.0", reply="451 later")


async def test_a_positive_reply_to_data_itself_is_not_taken_for_a_delivery() -> None:
    replies = (b"220 odd.test\r\n", b"250 odd.test\r\n", b"250 ok\r\n", b"250 ok\r\n", b"250 ok\r\n")
    async with script(*replies) as port:
        [attempt] = await deliver(courier_to(port), parcel("eric@example.org"))

    assert attempt.outcome == Deferred(status="4.5.0", reply="250 ok")


@pytest.mark.parametrize("name", [b"mail.gov.test", b"MAIL.gov.test.", b"gov.test"])
async def test_a_server_that_greets_with_our_name_is_a_loop(name: bytes) -> None:
    async with script(b"220 " + name + b" ESMTP\r\n") as port:
        [attempt] = await deliver(courier_to(port), parcel("eric@example.org"))

    assert isinstance(attempt.outcome, Failed)
    assert attempt.outcome.status == "5.4.6"


async def test_a_message_over_the_announced_size_fails_before_it_is_sent() -> None:
    async with serve(Sink(), data_size_limit=1000) as sink:
        [attempt] = await deliver(courier_to(sink.port), parcel("eric@example.org", size_bytes=1001))

    assert attempt.outcome == Failed(status="5.3.4", reply="127.0.0.1 takes messages of 1000 bytes at most")
    assert sink.taken == []


@pytest.mark.parametrize(
    ("needs", "keyword", "status"), [("smtputf8", "SMTPUTF8", "5.6.7"), ("is_8bit", "8BITMIME", "5.6.3")]
)
async def test_what_a_message_needs_is_asked_for_or_it_fails(needs: str, keyword: str, status: str) -> None:
    async with serve(Sink()) as sink:
        [attempt] = await deliver(courier_to(sink.port), parcel("eric@example.org", **{needs: True}))
    async with serve(Sink(without=(keyword,))) as poorer:
        [refused] = await deliver(courier_to(poorer.port), parcel("eric@example.org", **{needs: True}))

    assert isinstance(attempt.outcome, Delivered)
    assert any(keyword in option for option in sink.taken[0].mail_options)
    assert isinstance(refused.outcome, Failed)
    assert refused.outcome.status == status


async def test_a_message_that_cannot_be_read_here_is_never_ended_there() -> None:
    async def read() -> AsyncIterator[bytes]:
        yield b"Subject: half\r\n\r\n"
        raise SystemDown

    async with serve(Sink()) as sink:
        [attempt] = await deliver(courier_to(sink.port), parcel("eric@example.org"), content=read)
        await asyncio.sleep(0.1)

    assert isinstance(attempt.outcome, Deferred)
    assert attempt.outcome.status == "4.3.0"
    assert sink.taken == []


async def test_a_large_message_streams_within_its_budget() -> None:
    chunks = [b"x" * 998 + b"\r\n"] * 300
    loop = asyncio.get_running_loop()
    async with serve(Sink()) as sink, courier_to(sink.port).visit("example.org", Budget(1_000_000)) as visit:
        begun = loop.time()
        await visit.deliver(parcel("eric@example.org", size_bytes=300_000), content_of(*chunks))
        seconds = loop.time() - begun

    assert sink.taken[0].content == b"".join(chunks)
    assert 0.29 <= seconds < 1.5


class TestTls:
    """STARTTLS as far as each level asks; certificates are those of the `pki` fixture."""

    async def test_it_is_used_when_offered_whatever_the_certificate(self, server_context: ssl.SSLContext) -> None:
        async with serve(Sink(), tls=server_context) as sink:
            [attempt] = await deliver(courier_to(sink.port), parcel("eric@example.org"))

        assert isinstance(attempt.outcome, Delivered)
        assert sink.taken[0].tls
        assert sink.taken[0].content == MESSAGE

    async def test_opportunistic_goes_in_clear_when_the_handshake_fails(self) -> None:
        empty = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)  # no certificate: every handshake fails
        async with serve(Sink(), tls=empty) as sink:
            [attempt] = await deliver(courier_to(sink.port), parcel("eric@example.org"))

        assert isinstance(attempt.outcome, Delivered)
        assert not sink.taken[0].tls
        assert sink.connections == 2

    @pytest.mark.parametrize("level", [Tls.REQUIRED, Tls.VERIFIED])
    async def test_nothing_leaves_in_clear_where_encryption_is_required(self, level: Tls) -> None:
        async with serve(Sink()) as sink:
            [attempt] = await deliver(courier_to(sink.port, tls=level), parcel("eric@example.org"))

        assert isinstance(attempt.outcome, Deferred)
        assert attempt.outcome.status == "4.7.5"
        assert sink.taken == []

    async def test_a_certificate_nobody_vouches_for_is_refused_where_verified(self, server_context: Any) -> None:
        async with serve(Sink(), tls=server_context) as sink:
            [attempt] = await deliver(courier_to(sink.port, tls=Tls.VERIFIED), parcel("eric@example.org"))

        assert isinstance(attempt.outcome, Deferred)
        assert attempt.outcome.status == "4.7.5"
        assert sink.taken == []

    async def test_a_certificate_of_a_trusted_authority_is_accepted(self, server_context: Any, root_pem: Path) -> None:
        trusting = QUICK.model_copy(update={"ca_file": root_pem})
        async with serve(Sink(), tls=server_context) as sink:
            courier = courier_to(sink.port, tls=Tls.VERIFIED, host="localhost", config=trusting)
            [attempt] = await deliver(courier, parcel("eric@example.org"))

        assert isinstance(attempt.outcome, Delivered)
        assert sink.taken[0].tls

    async def test_a_certificate_for_another_name_is_refused_where_verified(
        self, server_context: Any, root_pem: Path
    ) -> None:
        trusting = QUICK.model_copy(update={"ca_file": root_pem})
        async with serve(Sink(), tls=server_context) as sink:
            courier = courier_to(sink.port, tls=Tls.VERIFIED, host="127.0.0.1", config=trusting)
            [attempt] = await deliver(courier, parcel("eric@example.org"))

        assert isinstance(attempt.outcome, Deferred)


class TestReplies:
    """What a reply means."""

    @pytest.mark.parametrize(
        ("reply", "outcome"),
        [
            (Reply(250, "2.0.0 Ok"), Delivered(reply="250 2.0.0 Ok")),
            (Reply(550, "5.2.1 Disabled"), Failed(status="5.2.1", reply="550 5.2.1 Disabled")),
            (Reply(550, "4.2.1 Contradictory"), Failed(status="5.1.0", reply="550 4.2.1 Contradictory")),
            (Reply(554, "No"), Failed(status="5.0.0", reply="554 No")),
            (Reply(450, "Greylisted"), Deferred(status="4.2.0", reply="450 Greylisted")),
            (Reply(354, "Go on"), Deferred(status="4.5.0", reply="354 Go on")),
        ],
    )
    def test_its_class_decides_and_its_status_is_kept_when_it_agrees(self, reply: Reply, outcome: object) -> None:
        assert final_outcome(reply) == outcome

    def test_552_is_final_for_a_message_and_not_for_a_recipient(self) -> None:
        assert isinstance(refusal(Reply(552, "Too big")), Failed)
        assert isinstance(refusal(Reply(552, "Too many"), to_rcpt=True), Deferred)

    @pytest.mark.parametrize("line", [b"", b"\r\n", b"25\r\n", b"2500 x\r\n", b"250_x\r\n", b"250 x", b"250 a\rb\r\n"])
    def test_a_line_that_is_no_reply_is_an_error(self, line: bytes) -> None:
        with pytest.raises(ProtocolError):
            parse_line(line)

    def test_recipients_that_were_never_answered_share_the_end_of_the_transaction(self) -> None:
        lost = Deferred(status="4.4.2", reply="lost")
        replies = [Reply(250, "ok"), Reply(550, "5.1.1 no")]

        assert recipient_outcomes(replies, 3, lost) == [Failed(status="5.1.1", reply="550 5.1.1 no"), lost, lost]


@pytest.mark.parametrize("cut", range(1, 14))
def test_dots_are_doubled_wherever_the_chunks_are_cut(cut: int) -> None:
    message = b".a\r\n.\r\n..\r\nb.\r\n."
    stuffing = DotStuffing()
    chunks = [message[start : start + cut] for start in range(0, len(message), cut)]

    wire = b"".join(stuffing.stuff(chunk) for chunk in chunks) + stuffing.end()

    assert wire == b"..a\r\n..\r\n...\r\nb.\r\n..\r\n.\r\n"
