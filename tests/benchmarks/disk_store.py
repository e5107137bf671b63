"""The disk store against tools that do less.

`dd` neither hashes nor renames; `openssl dgst` reads and hashes alone; the bare loop is a thread pool that writes,
syncs and renames without hashing.
"""

from __future__ import annotations

import asyncio
import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from storage import DiskStore, open_disk_store
from tests.benchmarks.harness import Contest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

MIB = 1 << 20
GIB = 1 << 30
CHUNK = os.urandom(128 * 1024)  # what one read of a socket gives
SMALL = 10_000
SMALL_COUNT = 1000
AT_ONCE = 32


@asynccontextmanager
async def contests(folder: Path) -> AsyncIterator[Sequence[Contest]]:
    async with open_disk_store(folder / "blobs") as store:
        blob = await store.write(_gibibyte())
        file = store.path(blob.sha256)
        yield [
            Contest(
                name="write 1 GiB, durable",
                unit="s",
                contestants={
                    "disk store (hashed)": partial(_write, store),
                    "dd conv=fsync (not hashed)": partial(_dd, file, folder / "dd"),
                },
            ),
            Contest(
                name="read 1 GiB, verified",
                unit="s",
                contestants={
                    "disk store": partial(_read, store, blob.sha256),
                    "openssl dgst -sha256": partial(_timed, "openssl", "dgst", "-sha256", str(file)),
                },
            ),
            Contest(
                name=f"write blobs of 10 kB, durable, {AT_ONCE} at once",
                unit="/s",
                contestants={
                    "disk store": partial(_write_small, store),
                    "bare write, fsync, rename": partial(_write_bare, folder / "bare"),
                },
            ),
        ]


async def _gibibyte() -> AsyncIterator[bytes]:
    for _ in range(GIB // len(CHUNK)):
        yield CHUNK
        await asyncio.sleep(0)


async def _write(store: DiskStore) -> float:
    async def chunks() -> AsyncIterator[bytes]:
        yield os.urandom(16)
        async for chunk in _gibibyte():
            yield chunk

    began = time.perf_counter()
    blob = await store.write(chunks())
    took = time.perf_counter() - began
    await store.delete(blob.sha256)
    return took


async def _read(store: DiskStore, sha256: bytes) -> float:
    began = time.perf_counter()
    async for _ in store.read(sha256):
        pass
    return time.perf_counter() - began


async def _dd(source: Path, target: Path) -> float:
    took = await _timed("dd", f"if={source}", f"of={target}", "bs=1M", "conv=fsync", "status=none")
    target.unlink()
    return took


async def _timed(*command: str) -> float:
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL)
    if await process.wait():
        raise RuntimeError(f"{command[0]} failed")
    return time.perf_counter() - began


async def _write_small(store: DiskStore) -> float:
    contents = iter([os.urandom(SMALL) for _ in range(SMALL_COUNT)])

    async def once(content: bytes) -> AsyncIterator[bytes]:
        yield content

    async def writer() -> None:
        for content in contents:
            await store.write(once(content))

    began = time.perf_counter()
    await asyncio.gather(*(writer() for _ in range(AT_ONCE)))
    return SMALL_COUNT / (time.perf_counter() - began)


async def _write_bare(folder: Path) -> float:
    def write(content: bytes) -> None:
        name = content[:16].hex()
        with (folder / f"{name}.new").open("wb") as file:
            file.write(content)
            file.flush()
            os.fdatasync(file.fileno())
        (folder / f"{name}.new").rename(folder / name)
        opened = os.open(folder, os.O_RDONLY)
        os.fsync(opened)
        os.close(opened)

    folder.mkdir(exist_ok=True)
    contents = [os.urandom(SMALL) for _ in range(SMALL_COUNT)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        began = time.perf_counter()
        await asyncio.to_thread(list, pool.map(write, contents))
        return SMALL_COUNT / (time.perf_counter() - began)
