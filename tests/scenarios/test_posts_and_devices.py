"""A post's mailbox in mail programs, and a device with a password of its own, on a node of two workers."""

from __future__ import annotations

import asyncio
import re
import smtplib
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

from comgov.demo.clients import trusting
from comgov.demo.government import PASSWORD, full
from comgov.demo.process import DemoProcess
from comgov.people.directory import ACCESS_REMEMBERED_FOR
from tests.mail.imap.client import Client, connect
from tests.scenarios.programs import Mbsync, Server

pytestmark = pytest.mark.xdist_group("posts and devices")

CLAIRE, POST = full("claire@sante"), full("secretariat@sante")
SHARED = f"Other Users/{POST}"
LETTER = f"From: {POST}\r\nTo: {POST}\r\nSubject: Registre\r\n\r\nBonjour.\r\n".encode()


class Pages:
    """Claire's browser."""

    def __init__(self, session: aiohttp.ClientSession, demo: DemoProcess) -> None:
        self._session = session
        self._url = f"http://127.0.0.1:{demo.ports.http}"

    async def send(self, page: str, form: dict[str, str], *, to: str = "") -> str:
        """Fill in the form of a page and send it; gives the page that came."""
        async with self._session.get(self._url + page) as response:
            token = re.search(r'name="csrf" value="([^"]+)"', await response.text())
        assert token is not None
        async with self._session.post(self._url + (to or page), data={"csrf": token[1], **form}) as response:
            assert response.status == 200, await response.text()
            return await response.text()


def administer(demo: DemoProcess, *arguments: str) -> None:
    """A command of the administrator's, while the node serves."""
    command = [sys.executable, "-m", "comgov", *arguments, "--config", str(demo.directory / "comgov.toml")]
    subprocess.run(command, check=True, capture_output=True, timeout=60)


async def until_bye(client: Client, *, patience: float = 10.0) -> None:
    """Say NOOP until the server says BYE, which it must soon."""
    async with asyncio.timeout(patience):
        while True:
            await client.send(b"again NOOP\r\n")
            if (line := await client.line()).startswith(b"* BYE "):
                return
            assert line.startswith(b"again OK"), line
            await asyncio.sleep(ACCESS_REMEMBERED_FOR.total_seconds() / 4)


def submit(demo: DemoProcess, password: str) -> None:
    """Write to the post in the post's name, as a mail program does; raises what smtplib raises."""
    with smtplib.SMTP("localhost", demo.ports.submission, timeout=20) as session:
        session.starttls(context=trusting(demo.directory))
        session.login(CLAIRE, password)
        session.sendmail(POST, [POST], LETTER)


async def test_a_device_reads_and_writes_with_a_password_of_its_own_until_it_is_revoked(demo: DemoProcess) -> None:
    jar = aiohttp.CookieJar(unsafe=True)
    async with (
        aiohttp.ClientSession(cookie_jar=jar) as session,
        connect(demo.ports.imaps, trusting(demo.directory)) as telephone,
    ):
        pages = Pages(session, demo)
        await pages.send("/sign-in", {"address": CLAIRE, "password": PASSWORD})
        shown = await pages.send("/account/app-passwords", {"name": "Téléphone", "password_current": PASSWORD})
        password = re.findall(r"<code>([a-z0-9-]{29})</code>", shown)[0]

        assert (await telephone.say(f"LOGIN {CLAIRE} {password}"))[-1].startswith(b"OK ")
        await asyncio.to_thread(submit, demo, password)
        assert (await telephone.say(f'SELECT "{SHARED}"'))[-1].startswith(b"OK [READ-WRITE] ")
        found = await telephone.say("SEARCH SUBJECT Registre")
        assert found[0] != b"* SEARCH"
        page = await pages.send("/account", {"language": "fr"}, to="/account/language")
        assert "1 appareil lit votre courrier" in page

        async with session.get(f"http://127.0.0.1:{demo.ports.http}/account/app-passwords") as response:
            revoke = re.findall(r'action="(/account/app-passwords/\d+/revoke)"', await response.text())[0]
        await pages.send("/account/app-passwords", {}, to=revoke)

        await until_bye(telephone)
        async with connect(demo.ports.imaps, trusting(demo.directory)) as again:
            assert (await again.say(f"LOGIN {CLAIRE} {password}"))[-1].startswith(b"NO [AUTHENTICATIONFAILED] ")
        with pytest.raises(smtplib.SMTPAuthenticationError):
            await asyncio.to_thread(submit, demo, password)


async def test_mbsync_keeps_a_copy_of_the_mail_of_a_post(demo: DemoProcess, tmp_path: Path) -> None:
    async with connect(demo.ports.imaps, trusting(demo.directory)) as client:
        await client.say(f"LOGIN {CLAIRE} {PASSWORD}")
        await client.say(f'APPEND "{SHARED}" (\\Flagged) {{}}', LETTER)
        root = demo.directory / "pki" / "root.pem"
        program = Mbsync(tmp_path, Server(port=demo.ports.imaps, address=CLAIRE, root=root))
        await program.run()
        there = await program.near.state()
        assert any("\\Flagged" in marks for _, marks in there[SHARED])
        await program.near.add(f"{SHARED}/Archive", [LETTER], ["\\Seen"])
        await program.run()
        [told, _] = await client.say(f'STATUS "{SHARED}/Archive" (MESSAGES UNSEEN)')
        assert told.endswith(b" (MESSAGES 1 UNSEEN 0)")


async def test_who_no_longer_holds_a_post_is_out_of_its_mailbox(demo: DemoProcess) -> None:
    async with (
        connect(demo.ports.imaps, trusting(demo.directory)) as inside,
        connect(demo.ports.imaps, trusting(demo.directory)) as waiting,
    ):
        for client in (inside, waiting):
            await client.say(f"LOGIN {CLAIRE} {PASSWORD}")
            assert (await client.say(f'SELECT "{SHARED}"'))[-1].startswith(b"OK ")
        await waiting.send(b"idle IDLE\r\n")
        assert (await waiting.line()).startswith(b"+ ")
        await asyncio.to_thread(administer, demo, "post", "release", POST, CLAIRE)
        try:
            await until_bye(inside)
            await asyncio.sleep(ACCESS_REMEMBERED_FOR.total_seconds())
            with smtplib.SMTP("localhost", demo.ports.relay, timeout=20) as session:
                session.sendmail("anna@example.org", [POST], b"From: anna@example.org\r\nSubject: secret\r\n\r\nx\r\n")
            assert (await waiting.line()).startswith(b"* BYE ")
            async with connect(demo.ports.imaps, trusting(demo.directory)) as later:
                await later.say(f"LOGIN {CLAIRE} {PASSWORD}")
                assert not [line for line in await later.say('LIST "" *') if b"Other Users" in line]
                assert (await later.say(f'EXAMINE "{SHARED}"'))[-1].startswith(b"NO [NONEXISTENT] ")
        finally:
            await asyncio.to_thread(administer, demo, "post", "hold", POST, CLAIRE)
