"""Uploads and downloads of 1 GiB: the whole server against nginx, by curl.

Ours checks who asks, hashes, syncs, and writes the version, the quota and the journal to the database before it
answers 201. nginx's WebDAV does none of that; "and synced" adds the one thing without which a power cut loses the file.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from comgov.demo.clients import wait_until_ready
from comgov.demo.government import PASSWORD, full
from comgov.demo.process import DemoProcess
from comgov.demo.setting import free_ports
from tests.benchmarks.harness import Contest, Measure, cpu_seconds
from tests.peers import nginx

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from tests.peers.nginx import Nginx

MIB = 1 << 20
GIB = 1 << 30
USER = f"{full('claire@sante')}:{PASSWORD}"
PATH = "/api/files/me/benchmark.bin"


@asynccontextmanager
async def contests(folder: Path) -> AsyncIterator[Sequence[Contest]]:
    source = folder / "source"
    await asyncio.to_thread(_make, source)
    async with nginx.running(folder / "nginx") as peer, _comgov(folder / "comgov") as (url, pid):
        ours, theirs = f"{url}{PATH}", f"{peer.url}/benchmark.bin"
        await _agree(ours, theirs, source, folder)
        own_time, peer_time = partial(cpu_seconds, pid), peer.cpu_seconds
        yield [
            Contest(
                name="upload 1 GiB",
                unit="s",
                contestants={
                    "comgov (hashed, durable)": partial(_put, ours, source, own_time),
                    "nginx WebDAV": partial(_put, theirs, source, peer_time),
                    "nginx WebDAV, and synced": partial(_put_and_sync, peer, theirs, source),
                },
            ),
            Contest(
                name="download 1 GiB",
                unit="s",
                contestants={"comgov": partial(_get, ours, own_time), "nginx": partial(_get, theirs, peer_time)},
            ),
        ]


def _make(source: Path) -> None:
    with source.open("wb") as file:
        for _ in range(GIB // MIB):
            file.write(os.urandom(MIB))


@asynccontextmanager
async def _comgov(folder: Path) -> AsyncIterator[tuple[str, int]]:
    """The sample government served with a quota that holds every round; gives its URL and its process."""
    ports = free_ports()
    demo = DemoProcess(folder, ports)
    await demo.start()
    demo.stop()
    configuration = folder / "comgov.toml"
    with configuration.open("a") as file:
        file.write(f"\n[files]\npersonal_quota_bytes = {1 << 40}\n")
    with (folder / "serve.log").open("wb") as log:
        command = [sys.executable, "-m", "comgov", "serve", "--config", str(configuration)]
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        await wait_until_ready(ports, 60.0)
        yield f"http://127.0.0.1:{ports.http}", process.pid
    finally:
        process.terminate()
        process.wait()


async def _agree(ours: str, theirs: str, source: Path, folder: Path) -> None:
    """Both give back what they were given, before anything is timed."""
    expected = await asyncio.to_thread(_digest, source)
    for url in (ours, theirs):
        await _curl("--upload-file", str(source), url)
        await _curl("--output", str(folder / "back"), url)
        if await asyncio.to_thread(_digest, folder / "back") != expected:
            raise RuntimeError(f"{url} gives back other bytes than it was given")
    (folder / "back").unlink()


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


async def _put(url: str, source: Path, cpu: Callable[[], float]) -> Measure:
    await asyncio.to_thread(os.sync)  # nobody pays for what another left unwritten
    before = cpu()
    took = await _curl("--upload-file", str(source), url)
    return Measure(took, (cpu() - before) * 1000)


async def _put_and_sync(peer: Nginx, url: str, source: Path) -> Measure:
    put = await _put(url, source, peer.cpu_seconds)
    began = time.perf_counter()
    with peer.file("benchmark.bin").open("rb") as file:
        await asyncio.to_thread(os.fsync, file.fileno())
    return Measure(put.figure + time.perf_counter() - began, put.cpu_milliseconds)


async def _get(url: str, cpu: Callable[[], float]) -> Measure:
    before = cpu()
    took = await _curl("--output", os.devnull, url)
    return Measure(took, (cpu() - before) * 1000)


async def _curl(*arguments: str) -> float:
    """Seconds that one request took, by curl's own clock; RuntimeError unless it was answered with 2xx."""
    process = await asyncio.create_subprocess_exec(
        *("curl", "--silent", "--show-error", "--fail", "--user", USER, "--header", "Expect:"),
        *("--write-out", "%{stderr}%{time_total}", *arguments),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"curl: {said.decode(errors='replace')}")
    return float(said)
