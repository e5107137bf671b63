"""The running server under attack by mail: what is refused is refused alone, and memory stays what it was."""

from __future__ import annotations

import asyncio
import resource
from contextlib import AsyncExitStack

import pytest

from comgov.demo.clients import connect as connect_clients
from comgov.demo.clients import trusting
from comgov.demo.government import full
from comgov.demo.messages import compose, find_mail
from comgov.demo.process import DemoProcess
from tests.mail.smtp.talk import Talk, connect
from tests.scenarios import processes

pytestmark = pytest.mark.xdist_group("hostile mail")

MIB = 1 << 20
LINE = b"x" * 998 + b"\r\n"


async def test_mail_for_postmaster_reaches_the_administrator(demo: DemoProcess) -> None:
    message = compose("agent@exterieur.example", ["postmaster"])
    async with connect(demo.ports.relay) as talk:
        await talk.hello()
        assert (await talk.begin("postmaster", "agent@exterieur.example")).startswith("354 ")
        await talk.send(bytes(message) + b".\r\n")
        assert (await talk.reply()).startswith("250 ")
    async with connect_clients(demo.ports, demo.directory) as clients:
        assert len(await find_mail(clients.api(full("admin@setic")), {message["Message-ID"]})) == 1


@pytest.mark.parametrize(
    ("flood", "reply"),
    [
        ([LINE * 1000] * 200, "552 5.3.4 "),  # 200 MB, of which SIZE said nothing
        ([b"x" * MIB] * 100, "550 5.6.0 "),  # one line
        ([b"Subject: large\r\n\r\n", *[LINE * 1000] * 50], "250 2.0.0 "),
        ([b"X-A: b\r\n" * 500_000], "552 5.3.4 "),
        ([b"Content-Type: multipart/mixed; boundary=b\r\n\r\n", *[b"--b\r\n\r\nx\r\n" * 10_000] * 100], "250 2.0.0 "),
    ],
    ids=["200 MB", "one line of 100 MB", "50 MB", "500,000 headers", "a million parts"],
)
async def test_memory_stays_flat(demo: DemoProcess, flood: list[bytes], reply: str) -> None:
    before = processes.most_mib(demo)
    async with connect(demo.ports.relay) as talk:
        await talk.hello()
        assert (await talk.begin()).startswith("354 ")
        for piece in flood:
            await talk.send(piece)
        await talk.send(b"\r\n.\r\n")
        assert (await _patient_reply(talk)).startswith(reply)
        assert (await talk.say("NOOP")).startswith("250 ")
    assert processes.most_mib(demo) - before < 40


async def test_silent_connections_neither_fill_the_memory_nor_keep_others_out(demo: DemoProcess) -> None:
    """On each port as many as this process may open; the door closes on most of them."""
    before = processes.most_mib(demo)
    ports = (demo.ports.relay, demo.ports.submission, demo.ports.submissions, demo.ports.imap, demo.ports.imaps)
    each = min(600, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // (len(ports) + 2))
    async with AsyncExitStack() as stack:
        for port in ports:
            for _ in range(each):
                await stack.enter_async_context(connect(port))
        await asyncio.sleep(0.5)
        assert processes.most_mib(demo) - before < 40
        async with connect_clients(demo.ports, demo.directory) as clients:
            await clients.api(full("eric@finances")).request("GET", "/api/mail/mailboxes")


async def test_nobody_writes_in_anothers_name(demo: DemoProcess) -> None:
    context = trusting(demo.directory)
    claire, eric = full("claire@sante"), full("eric@finances")
    async with connect(demo.ports.submissions, context) as talk:
        await talk.hello()
        assert (await talk.sign_in(claire, "comgov-demo")).startswith("235 ")
        for sender in (eric, full("tous@sante"), full("courrier@finances"), ""):
            assert (await talk.say(f"MAIL FROM:<{sender}>")).startswith("550 5.7.1 ")
        for header in (
            f"From: {eric}",
            f"From: {claire}, {eric}",
            f"From: {claire}\r\nFrom: {eric}",
            f"From: {claire}\r\nSender: {eric}",
            f"From : {eric}",
            f"From: <{claire}> <{eric}>",
            "From: tous@sante.gov.test",
        ):
            assert (await talk.begin(eric, claire)).startswith("354 ")
            await talk.send(header.encode() + b"\r\n\r\nx\r\n.\r\n")
            assert (await talk.reply()).startswith("550 5."), header


async def _patient_reply(talk: Talk) -> str:
    """Of a machine that is busy with other tests."""
    return (await asyncio.wait_for(talk.reader.readline(), 60)).decode()
