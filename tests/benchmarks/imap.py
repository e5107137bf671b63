"""Reading a mailbox of 10,000 messages over IMAP, in TLS, against Dovecot.

Both hold the same messages, 5 kB each as people write them, and answer the same command of the same client, which takes
what it is sent and looks at nothing but the last line. "Cold" is the first time that anybody asks: ours was started
anew, and Dovecot has lost what it cached; the files themselves are in the system's memory either way.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
import time
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Self

from comgov.demo.government import PASSWORD, full
from comgov.demo.process import DemoProcess
from comgov.demo.setting import free_ports
from tests.benchmarks.harness import Contest, Measure, cpu_seconds
from tests.peers import dovecot
from tests.scenarios.letters import letters

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

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
PATIENCE = 300.0  # seconds
_TAIL_BYTES = 2000  # more than the longest last line


@asynccontextmanager
async def contests(folder: Path) -> AsyncIterator[Sequence[Contest]]:
    async with dovecot.running(folder / "dovecot", ["claire"]) as peer:
        ours, theirs = Ours(DemoProcess(folder / "demo", free_ports())), Theirs(peer)
        await ours.start()
        try:
            for side in (ours, theirs):
                await asyncio.to_thread(_fill, side)
            yield [
                *(_contest(f"{name}, cold", COMMANDS[name], ours, theirs, is_cold=True) for name in COLD),
                *(_contest(name, command, ours, theirs) for name, command in COMMANDS.items()),
            ]
        finally:
            ours.stop()


def _contest(name: str, command: str, ours: Ours, theirs: Theirs, *, is_cold: bool = False) -> Contest:
    return Contest(
        name=name,
        unit="s",
        contestants={side.name: partial(_round, side, command, is_cold=is_cold) for side in (ours, theirs)},
    )


async def _round(side: Ours | Theirs, command: str, *, is_cold: bool) -> Measure:
    if is_cold:
        await side.forget()
    return await asyncio.to_thread(_timed, side, command)


def _timed(side: Ours | Theirs, command: str) -> Measure:
    with side.client() as client:
        client.say("SELECT Archive")
        cpu_before, began = side.cpu_seconds(), time.perf_counter()
        client.say(command)
        seconds = time.perf_counter() - began
        return Measure(seconds, (side.cpu_seconds() - cpu_before) * 1000 / MESSAGES)


def _fill(side: Ours | Theirs) -> None:
    with side.client() as client:
        for letter in letters(MESSAGES):
            client.send(b"APPEND Archive {%d+}\r\n%b" % (len(letter), letter))
        client.finish()


class Ours:
    """`comgov demo`, Claire's mailbox."""

    name = "comgov"

    def __init__(self, demo: DemoProcess) -> None:
        self._demo = demo

    async def start(self) -> None:
        await self._demo.start()

    def stop(self) -> None:
        self._demo.stop()

    async def forget(self) -> None:
        """Start anew."""
        self._demo.stop()
        await self._demo.start()

    def cpu_seconds(self) -> float:
        return cpu_seconds(self._demo.pid)

    def client(self) -> Client:
        return Client(self._demo.ports.imaps, f"{full('claire@sante')} {PASSWORD}")


class Theirs:
    """Dovecot, with the mailbox format that is its own."""

    name = "dovecot"

    def __init__(self, peer: Dovecot) -> None:
        self._peer = peer

    async def forget(self) -> None:
        """Without its cache."""
        for file in self._peer.folder.glob("mail/**/dovecot.index.cache*"):
            file.unlink()

    def cpu_seconds(self) -> float:
        return self._peer.cpu_seconds()

    def client(self) -> Client:
        return Client(self._peer.tls_port, f"claire {dovecot.PASSWORD}")


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

    def say(self, command: str) -> int:
        """Send a command and wait for its end; gives how many bytes came meanwhile."""
        self.send(command.encode())
        return self.finish()

    def send(self, command: bytes) -> None:
        """Send a command, at most 200 before those that wait for their answers."""
        self._sent += 1
        self._socket.sendall(b"b%d %b\r\n" % (self._sent, command))
        if self._sent % 200 == 0:
            self.finish()

    def finish(self) -> int:
        """Wait until every command sent is answered."""
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
