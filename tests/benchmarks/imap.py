"""Reading a mailbox of 10,000 messages over IMAP, in TLS, against Dovecot.

Both hold the same messages, 5 kB each as people write them, and answer the same command of the same client, which takes
what it is sent and looks at nothing but the last line; mbsync copies 5,000 of them. "Cold" is the first time that
anybody asks: ours was started anew, and Dovecot has lost what it cached; the files themselves are in the system's
memory either way.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import smtplib
import socket
import ssl
import statistics
import time
from abc import ABC, abstractmethod
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Literal, Self

from comgov.demo.government import full
from comgov.demo.process import DemoProcess
from comgov.demo.setting import free_ports
from tests.benchmarks.harness import Contest, Measure, cpu_seconds, memory_mebibytes
from tests.peers import dovecot
from tests.scenarios.letters import letters
from tests.scenarios.programs import Mbsync, Server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path

    from tests.benchmarks.harness import Round
    from tests.peers.dovecot import Dovecot

MESSAGES = 10_000
THUNDERBIRD = (
    "BODY.PEEK[HEADER.FIELDS (From To Cc Bcc Subject Date Message-ID Priority X-Priority References Newsgroups "
    "In-Reply-To Content-Type Reply-To)]"
)
COMMANDS = {
    "flags": "UID FETCH 1:* (FLAGS)",
    "headers as Thunderbird asks": f"UID FETCH 1:* (UID RFC822.SIZE FLAGS {THUNDERBIRD})",
    "envelopes": "UID FETCH 1:* (FLAGS ENVELOPE)",
    "bodies": "UID FETCH 1:* (BODY.PEEK[])",
    "a rare word in the text": "UID SEARCH TEXT notifor",
    "a common word in the text": "UID SEARCH TEXT finances",
}
COLD = ("headers as Thunderbird asks",)
READER, SYNCHRONISER = "claire", "jean"
SYNCHRONISED = 5_000
IDLE_SESSIONS = 200
NOTICES = 50
RESYNCHRONISATIONS = 15
PATIENCE = 300.0  # seconds
_TAIL_BYTES = 2000  # more than the longest last line


@asynccontextmanager
async def contests(folder: Path) -> AsyncIterator[Sequence[Contest]]:
    async with dovecot.running(folder / "dovecot", [READER, SYNCHRONISER]) as peer:
        ours, theirs = Ours(DemoProcess(folder / "demo", free_ports())), Theirs(peer)
        await ours.start()
        try:
            for side in (ours, theirs):
                await asyncio.to_thread(_fill, side)
            copies = {side: Copies(folder / f"copy-{side.name}", side) for side in (ours, theirs)}
            yield [
                *(_contest(name, COMMANDS[name], ours, theirs, is_cold=True) for name in COLD),
                *(_contest(name, command, ours, theirs) for name, command in COMMANDS.items()),
                _each("mbsync, 5,000 for the first time", "s", {side: copies[side].first for side in copies}),
                _each("mbsync, nothing new", "s", {side: copies[side].again for side in copies}),
                _each("from delivery to IDLE's notice", "ms", {side: partial(_notice, side) for side in copies}),
                _each("an idle session", "KiB", {side: partial(_idle_memory, side) for side in copies}),
            ]
        finally:
            ours.stop()


def _contest(name: str, command: str, ours: Ours, theirs: Theirs, *, is_cold: bool = False) -> Contest:
    rounds = {side: partial(_round, side, command, is_cold=is_cold) for side in (ours, theirs)}
    return _each(f"{name}, cold" if is_cold else name, "ms", rounds)


def _each(name: str, unit: Literal["s", "ms", "KiB"], rounds: Mapping[Side, Round]) -> Contest:
    return Contest(name=name, unit=unit, contestants={side.name: work for side, work in rounds.items()})


async def _round(side: Side, command: str, *, is_cold: bool) -> Measure:
    if is_cold:
        await side.forget()
    return await asyncio.to_thread(_timed, side, command)


def _timed(side: Side, command: str) -> Measure:
    with side.client(READER) as client:
        client.say("SELECT Archive")
        cpu_before, began = side.cpu_seconds(), time.perf_counter()
        client.say(command)
        seconds = time.perf_counter() - began
        return Measure(seconds * 1000, (side.cpu_seconds() - cpu_before) * 1000 / MESSAGES)


def _fill(side: Side) -> None:
    for user, mailbox, count in ((READER, "Archive", MESSAGES), (SYNCHRONISER, "INBOX", SYNCHRONISED)):
        with side.client(user) as client:
            some = letters(count)
            while batch := list(islice(some, 100)):  # MULTIAPPEND
                literals = b"".join(b" {%d+}\r\n%b" % (len(letter), letter) for letter in batch)
                client.send(b"APPEND %b%b" % (mailbox.encode(), literals))
                client.finish()
            client.say(f"SELECT {mailbox}")
            client.say("SEARCH TEXT x")  # ours returns once every message has its words


class Copies:
    """What mbsync keeps of a mailbox."""

    def __init__(self, folder: Path, side: Side) -> None:
        self._folder = folder
        self._server = side.server(SYNCHRONISER)

    async def first(self) -> float:
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)
        self._folder.mkdir()
        self._program = Mbsync(self._folder, self._server)
        return await self._program.run()

    async def again(self) -> float:
        """The median of some, for each is over in less than a tenth of a second."""
        return statistics.median([await self._program.run() for _ in range(RESYNCHRONISATIONS)])


async def _notice(side: Side) -> float:
    """The median of some deliveries, each by a connection of its own that was open before."""
    return await asyncio.to_thread(_timed_notices, side)


def _timed_notices(side: Side) -> float:
    with side.client(READER) as client, side.delivery() as delivery:
        client.say("SELECT INBOX")
        client.idle()
        seconds = []
        for number in range(NOTICES):
            began = delivery.hand_over(f"Subject: {number}\r\n\r\nBonjour.\r\n")
            client.wait_for(b" EXISTS")
            seconds.append(time.perf_counter() - began)
            time.sleep(0.02)
        return statistics.median(seconds) * 1000


async def _idle_memory(side: Side) -> float:
    """What each of many sessions adds, all with the same mailbox of 10,000 messages open."""
    await side.forget()
    async with AsyncExitStack() as stack:
        await _idle(side, stack, IDLE_SESSIONS // 10)  # what the first ones bring with them is not theirs alone
        before = side.memory_mebibytes()
        await _idle(side, stack, IDLE_SESSIONS)
        return (side.memory_mebibytes() - before) * 1024 / IDLE_SESSIONS


async def _idle(side: Side, stack: AsyncExitStack, count: int) -> None:
    for _ in range(count):
        client = stack.enter_context(await asyncio.to_thread(side.client, READER))
        await asyncio.to_thread(client.say, "SELECT Archive")
        await asyncio.to_thread(client.idle)
    await asyncio.sleep(2)


class Side(ABC):
    """A server and how to reach it."""

    name: str

    @abstractmethod
    async def forget(self) -> None:
        """What it keeps ready, so that the next to ask is the first."""

    @abstractmethod
    def cpu_seconds(self) -> float: ...

    @abstractmethod
    def memory_mebibytes(self) -> float: ...

    @abstractmethod
    def server(self, user: str) -> Server: ...

    @abstractmethod
    def delivery(self) -> Delivery:
        """A connection by which mail comes in, to READER."""

    def client(self, user: str) -> Client:
        server = self.server(user)
        return Client(server.port, f"{server.address} {server.password}")


class Ours(Side):
    """`comgov demo`."""

    name = "comgov"

    def __init__(self, demo: DemoProcess) -> None:
        self._demo = demo

    async def start(self) -> None:
        await self._demo.start()

    def stop(self) -> None:
        self._demo.stop()

    async def forget(self) -> None:
        self._demo.stop()
        await self._demo.start()

    def cpu_seconds(self) -> float:
        return cpu_seconds(self._demo.pid)

    def memory_mebibytes(self) -> float:
        return memory_mebibytes(self._demo.pid)

    def server(self, user: str) -> Server:
        root = self._demo.directory / "pki" / "root.pem"
        return Server(port=self._demo.ports.imaps, address=full(f"{user}@sante"), root=root)

    def delivery(self) -> Delivery:
        return Delivery(smtplib.SMTP("127.0.0.1", self._demo.ports.relay), full(f"{READER}@sante"))


class Theirs(Side):
    """Dovecot, with the mailbox format that is its own."""

    name = "dovecot"

    def __init__(self, peer: Dovecot) -> None:
        self._peer = peer

    async def forget(self) -> None:
        for file in self._peer.folder.glob("mail/**/dovecot.index.cache*"):
            file.unlink()

    def cpu_seconds(self) -> float:
        return self._peer.cpu_seconds()

    def memory_mebibytes(self) -> float:
        return memory_mebibytes(self._peer.pid)

    def server(self, user: str) -> Server:
        return Server(port=self._peer.tls_port, address=user, root=self._peer.certificate, password=dovecot.PASSWORD)

    def delivery(self) -> Delivery:
        return Delivery(smtplib.LMTP("127.0.0.1", self._peer.lmtp_port), f"{READER}@bench.test")


class Delivery:
    """A connection of SMTP or LMTP that stays."""

    def __init__(self, connection: smtplib.SMTP, recipient: str) -> None:
        self._connection = connection
        self._recipient = recipient
        connection.ehlo_or_helo_if_needed()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.quit()

    def hand_over(self, message: str) -> float:
        """A message; gives the moment when its last byte left."""
        self._connection.mail("sender@outside.test")
        self._connection.rcpt(self._recipient)
        self._connection.docmd("DATA")
        began = time.perf_counter()
        self._connection.send(f"{message}.\r\n")
        code, said = self._connection.getreply()
        if code != 250:
            raise RuntimeError(f"refused: {code} {said!r}")
        return began


class Client:
    """A connection that is signed in. Replies are received and, but for the last line, not looked at."""

    def __init__(self, port: int, credentials: str) -> None:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self._socket = context.wrap_socket(socket.create_connection(("127.0.0.1", port), PATIENCE))
        self._buffer = bytearray(1 << 20)
        self._sent = 0
        self._tail = b""
        self.say(f"LOGIN {credentials}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def idle(self) -> None:
        """Wait for news from now on."""
        self._socket.sendall(b"i IDLE\r\n")
        self.wait_for(b"+ ")

    def wait_for(self, text: bytes) -> None:
        """Take replies until one holds that."""
        while text not in self._socket.recv(65536):
            pass

    def say(self, command: str) -> int:
        self.send(command.encode())
        return self.finish()

    def send(self, command: bytes) -> None:
        self._sent += 1
        self._socket.sendall(b"b%d %b\r\n" % (self._sent, command))

    def finish(self) -> int:
        """Wait until the last command is answered; gives how many bytes came meanwhile."""
        last = re.compile(rb"(?:^|\r\n)b%d (OK|NO|BAD)[^\r\n]*\r\n\Z" % self._sent)
        received = 0
        while (found := last.search(self._tail)) is None:
            count = self._socket.recv_into(self._buffer)
            if not count:
                raise RuntimeError(f"the connection was closed after {self._tail!r}")
            received += count
            self._tail = (self._tail + bytes(self._buffer[max(0, count - _TAIL_BYTES) : count]))[-_TAIL_BYTES:]
        if found[1] != b"OK":
            raise RuntimeError(f"refused: {self._tail!r}")
        return received
