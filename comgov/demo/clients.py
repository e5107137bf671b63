"""The tour's own clients: plain SMTP and HTTP, as any program elsewhere would speak them."""

from __future__ import annotations

import asyncio
import hashlib
import imaplib
import io
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import aiosmtplib

from comgov.demo.expectation import TourError
from comgov.demo.government import PASSWORD


@dataclass(frozen=True, kw_only=True)
class Ports:
    """Where the demo listens on 127.0.0.1; all from one base number."""

    base: int

    @property
    def http(self) -> int:
        """Web, API and downloads."""
        return self.base + 80

    @property
    def relay(self) -> int:
        """SMTP from other servers."""
        return self.base + 25

    @property
    def submission(self) -> int:
        """SMTP from people, STARTTLS."""
        return self.base + 587

    @property
    def submissions(self) -> int:
        """SMTP from people, TLS from the first byte."""
        return self.base + 465

    @property
    def imap(self) -> int:
        """People's mail programs, STARTTLS."""
        return self.base + 143

    @property
    def imaps(self) -> int:
        """People's mail programs, TLS from the first byte."""
        return self.base + 993


@dataclass(frozen=True)
class Reply:
    """What an HTTP request gave: the status, and the whole body, which the tour knows to be small."""

    status: int
    body: bytes
    headers: Mapping[str, str]


class RefusedError(TourError):
    """An HTTP request did not give what it should; the message says what it gave."""


class Api:
    """HTTP as one person, with Basic authentication."""

    def __init__(self, session: aiohttp.ClientSession, address: str | None) -> None:
        self.address = address
        self._session = session
        self._headers = {"Authorization": aiohttp.encode_basic_auth(address, PASSWORD, "utf-8")} if address else {}

    async def request(self, method: str, path: str, *, expect: int = 200, **options: Any) -> Reply:
        """One request; RefusedError when its status is not the expected one."""
        headers = {**self._headers, **options.pop("headers", {})}
        if isinstance(content := options.get("data"), bytes):
            options["data"] = io.BytesIO(content)  # in pieces: a large one would hold up the loop
        async with self._session.request(method, path, headers=headers, **options) as response:
            reply = Reply(response.status, await response.read(), dict(response.headers))
        if reply.status != expect:
            text = reply.body[:300].decode(errors="replace")
            raise RefusedError(f"{method} {path} gave {reply.status} instead of {expect}: {text}")
        return reply

    async def json(self, method: str, path: str, *, expect: int = 200, **options: Any) -> Any:
        """The same, its body read as JSON."""
        reply = await self.request(method, path, expect=expect, **options)
        return json.loads(reply.body)


def trusting(directory: Path) -> ssl.SSLContext:
    """What believes the certificates of the demo in that directory."""
    return ssl.create_default_context(cafile=directory / "pki" / "root.pem")


class Clients:
    """Everything the tour speaks with; one for each run of the server."""

    def __init__(self, ports: Ports, directory: Path, session: aiohttp.ClientSession) -> None:
        """directory: the demo's, where its root certificate stands for anyone to fetch."""
        self.ports = ports
        self.directory = directory
        self.root = directory / "pki" / "root.pem"
        self.trust = directory / "pki" / "root+crls.pem"
        self.tls = trusting(directory)
        self._session = session

    def api(self, address: str | None = None) -> Api:
        """HTTP as that person; as nobody without an address."""
        return Api(self._session, address)

    async def submit(self, sender: str, recipients: list[str], message: bytes) -> None:
        """Submit as a mail program does: STARTTLS verified against the demo's root, then AUTH."""
        client = aiosmtplib.SMTP(
            hostname="127.0.0.1", port=self.ports.submission, start_tls=True, tls_context=self.tls, timeout=30
        )
        async with client:
            await client.login(sender, PASSWORD)
            await client.sendmail(sender, recipients, message)

    async def read(self, reader: str, message_id: str) -> list[bytes]:
        """Every message with that id in the reader's Inbox, as a mail program reads it: IMAP, STARTTLS verified."""
        return await asyncio.to_thread(self._read, reader, message_id)

    def _read(self, reader: str, message_id: str) -> list[bytes]:
        with imaplib.IMAP4("127.0.0.1", self.ports.imap, timeout=30) as client:
            client.starttls(self.tls)
            client.login(reader, PASSWORD)
            client.select("INBOX", readonly=True)
            _, (numbers,) = client.search(None, "HEADER", "Message-ID", f'"{message_id}"')
            fetched = [client.fetch(number.decode(), "(BODY.PEEK[])")[1][0] for number in numbers.split()]
            return [one[1] for one in fetched if isinstance(one, tuple)]

    async def relay(self, sender: str, recipient: str, message: bytes) -> int:
        """Bring a message as another server would; gives the SMTP code that decided."""
        client = aiosmtplib.SMTP(
            hostname="127.0.0.1", port=self.ports.relay, start_tls=False, use_tls=False, timeout=30
        )
        async with client:
            try:
                await client.sendmail(sender, [recipient], message)
            except aiosmtplib.SMTPRecipientsRefused as error:
                return int(error.recipients[0].code)
            except aiosmtplib.SMTPResponseException as error:
                return int(error.code)
        return 250


@asynccontextmanager
async def connect(ports: Ports, directory: Path) -> AsyncIterator[Clients]:
    """Clients of the server that listens there."""
    timeout = aiohttp.ClientTimeout(total=60)
    async with aiohttp.ClientSession(f"http://127.0.0.1:{ports.http}", timeout=timeout) as session:
        yield Clients(ports, directory, session)


async def wait_until_ready(ports: Ports, patience_seconds: float) -> None:
    """Return once `/readyz` says yes; TimeoutError when it does not within the patience."""
    async with asyncio.timeout(patience_seconds), aiohttp.ClientSession() as session:
        while True:
            try:
                async with session.get(f"http://127.0.0.1:{ports.http}/readyz") as response:
                    if response.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.05)


def sha256(data: bytes) -> str:
    """In hexadecimal."""
    return hashlib.sha256(data).hexdigest()
