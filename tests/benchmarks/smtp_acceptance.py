"""SMTP acceptance, driven by Postfix's smtp-source: the whole server, to the inbox, against Postfix, to its queue.

Both sync each message to disk before they say 250. At ours it is then in the recipient's inbox, its structure known and
its quota and traffic counted; at Postfix it is in the queue, and leaves it for a transport that throws it away. Time
runs until smtp-source has its last 250, so that what Postfix does after its own is not held against it, except in the
column of processor time, which counts all its processes until the queue is empty. TLS, milters, DKIM: none on either.

Each session has a recipient of its own, and each message a connection of its own, as smtp-source does it by default;
"kept" means that a session sends all its messages over one.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import time
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import asyncpg

from comgov.demo.government import full
from comgov.demo.process import DemoProcess
from comgov.demo.setting import free_ports
from comgov.postgres import borrowed_postgres_server
from tests.benchmarks.harness import Contest, Measure, cpu_seconds
from tests.peers import postfix

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from tests.peers.postfix import Postfix

    Connection = asyncpg.Connection[asyncpg.Record]

RECIPIENTS = tuple(full(f"bench{number}@sante") for number in range(32))
MESSAGES = {5_000: {1: 400, 8: 1600, 32: 3200}, 100_000: {1: 100, 8: 400, 32: 640}}
"""How many messages a round has, by their size in bytes and the number of sessions."""


@asynccontextmanager
async def contests(folder: Path) -> AsyncIterator[Sequence[Contest]]:
    async with postfix.running(folder / "postfix") as peer, ours(folder) as node:
        yield [
            _contest(node, peer, sessions, size_bytes, kept=kept)
            for size_bytes, rounds in MESSAGES.items()
            for sessions in rounds
            for kept in (False, True)
        ]


@asynccontextmanager
async def ours(folder: Path) -> AsyncIterator[Ours]:
    """`comgov demo` with mailboxes for RECIPIENTS."""
    if shutil.which("smtp-source") is None:
        raise RuntimeError("this benchmark needs Postfix's smtp-source: apt-get install postfix")
    demo = DemoProcess(folder / "demo", free_ports())
    await demo.start()
    try:
        await _add_people(demo.directory, folder / "people.csv")
        with borrowed_postgres_server(demo.directory / "data" / "postgres") as url:
            database = await asyncpg.connect(url)
            yield Ours(demo, database)
            await database.close()
    finally:
        demo.stop()


async def _add_people(demo: Path, file: Path) -> None:
    file.write_text("address,name\n" + "".join(f"{address},Bench\n" for address in RECIPIENTS))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "comgov", "person", "import", str(file), "--config", str(demo / "comgov.toml")),
        stdout=asyncio.subprocess.DEVNULL,
    )
    if await process.wait():
        raise RuntimeError("the recipients could not be added")


def _contest(node: Ours, peer: Postfix, sessions: int, size_bytes: int, *, kept: bool) -> Contest:
    load = Load(sessions, size_bytes, MESSAGES[size_bytes][sessions], kept=kept)
    return Contest(
        name=f"{size_bytes // 1000} kB, {sessions} session{'s' * (sessions > 1)}{', kept' * kept}",
        unit="/s",
        contestants={
            "comgov, to the inbox": partial(node.take, load),
            "postfix, to its queue": partial(_theirs, peer, load),
        },
    )


class Ours:
    """A node that takes mail."""

    def __init__(self, demo: DemoProcess, database: Connection) -> None:
        self._demo = demo
        self._database = database

    async def take(self, load: Load) -> Measure:
        """Until every message is acknowledged; checked to be in the mailboxes."""
        await asyncio.to_thread(os.sync)
        before, cpu_before = await self._in_mailboxes(), cpu_seconds(self._demo.pid)
        seconds = await load.send(self._demo.ports.relay, RECIPIENTS)
        cpu = cpu_seconds(self._demo.pid) - cpu_before
        if (arrived := await self._in_mailboxes() - before) != load.messages:
            raise RuntimeError(f"{arrived} of {load.messages} messages are in the mailboxes")
        return Measure(load.messages / seconds, cpu * 1000 / load.messages)

    async def _in_mailboxes(self) -> int:
        return int(await self._database.fetchval("SELECT coalesce(sum(messages), 0) FROM mail.mailbox"))


async def _theirs(peer: Postfix, load: Load) -> Measure:
    await asyncio.to_thread(os.sync)
    cpu_before = peer.cpu_seconds()
    seconds = await load.send(peer.port, tuple(f"user{number}@bench.test" for number in range(len(RECIPIENTS))))
    await peer.drained()
    return Measure(load.messages / seconds, (peer.cpu_seconds() - cpu_before) * 1000 / load.messages)


class Load:
    """So many messages of that size over so many sessions at once."""

    def __init__(self, sessions: int, size_bytes: int, messages: int, *, kept: bool) -> None:
        self.messages = messages
        self._sessions = sessions
        self.size_bytes = size_bytes
        self._options = ("-d",) if kept else ()

    async def send(self, port: int, recipients: Sequence[str]) -> float:
        """Send them; gives the seconds until the last was acknowledged."""
        used = recipients[: self._sessions]
        began = time.perf_counter()
        sources = [
            await asyncio.create_subprocess_exec(
                *("smtp-source", *self._options, "-s", str(sessions), "-m", str(messages)),
                *("-l", str(self.size_bytes), "-f", "sender@outside.test", "-t", recipient, f"127.0.0.1:{port}"),
            )
            for recipient, sessions, messages in zip(
                used, _shares(self._sessions, len(used)), _shares(self.messages, len(used)), strict=True
            )
        ]
        codes = [await source.wait() for source in sources]
        if any(codes):
            raise RuntimeError("smtp-source was refused")
        return time.perf_counter() - began


def _shares(whole: int, parts: int) -> list[int]:
    return [whole // parts + (number < whole % parts) for number in range(parts)]
