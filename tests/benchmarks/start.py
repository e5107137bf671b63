"""From nothing to the first answer, the next time, after a power cut, and the memory held at rest.

Ours is `comgov demo` with its two workers, until `/readyz` says yes: on an empty directory it makes the database, the
keys of an authority and a sample government. The peer is what no such server does without: its PostgreSQL alone, until
it answers a query. Memory is proportional set size, summed over every process.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

import asyncpg

from comgov.demo.process import DemoProcess
from comgov.demo.setting import free_ports
from comgov.postgres import embedded_postgres_server
from tests.benchmarks.harness import Contest, memory_mebibytes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence
    from pathlib import Path

REST = 15.0  # seconds, after which the work that follows a start is done


@asynccontextmanager
async def contests(folder: Path) -> AsyncIterator[Sequence[Contest]]:
    ours, theirs = Ours(folder / "demo"), Theirs(folder / "postgres")
    yield [
        Contest(name="first start", unit="s", contestants={Ours.name: ours.first, Theirs.name: theirs.first}),
        Contest(name="next start", unit="s", contestants={Ours.name: ours.next, Theirs.name: theirs.next}),
        Contest(name="after a power cut", unit="s", contestants={Ours.name: ours.cut, Theirs.name: theirs.next}),
        Contest(name="memory at rest", unit="MiB", contestants={Ours.name: ours.rest, Theirs.name: theirs.rest}),
    ]


class Ours:
    """`comgov demo` on one directory."""

    name = "comgov demo"

    def __init__(self, folder: Path) -> None:
        self._demo = DemoProcess(folder, free_ports())

    async def first(self) -> float:
        await asyncio.to_thread(shutil.rmtree, self._demo.directory, ignore_errors=True)
        return await self.next()

    async def next(self) -> float:
        seconds = await self._start()
        self._demo.stop()
        return seconds

    async def cut(self) -> float:
        await self._start()
        self._demo.kill()
        return await self.next()

    async def rest(self) -> float:
        await self._start()
        await asyncio.sleep(REST)
        found = memory_mebibytes(self._demo.pid)
        self._demo.stop()
        return found

    async def _start(self) -> float:
        began = time.perf_counter()
        await self._demo.start()
        return time.perf_counter() - began


class Theirs:
    """PostgreSQL of the same wheel with the same settings, and nothing else."""

    name = "PostgreSQL alone"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def first(self) -> float:
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)
        return await self.next()

    async def next(self) -> float:
        began = time.perf_counter()
        with self._running() as url:
            await _ask(url)
            return time.perf_counter() - began

    async def rest(self) -> float:
        with self._running() as url:
            await _ask(url)
            await asyncio.sleep(REST)
            pid = (self._folder / "data" / "postmaster.pid").read_text().split("\n", 1)[0]
            return memory_mebibytes(int(pid))

    @contextmanager
    def _running(self) -> Iterator[str]:
        with embedded_postgres_server(self._folder) as server:
            yield server.url


async def _ask(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.fetchval("SELECT 1")
    await connection.close()
