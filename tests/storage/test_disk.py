"""What the disk store promises beyond the contract: durable, bounded, never half a blob, never in the loop's way."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import tracemalloc
from contextlib import aclosing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from storage import (
    DiskStore,
    LocalFiles,
    MemoryStore,
    StoreFullError,
    UnreachableError,
    open_disk_store,
    verify,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

MIB = 1 << 20


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "blobs"


@pytest.fixture
async def store(root: Path) -> AsyncIterator[DiskStore]:
    async with open_disk_store(root) as store:
        yield store


async def chunked(size_bytes: int, fill: bytes = b"x") -> AsyncIterator[bytes]:
    while size_bytes > 0:
        yield fill * min(64 * 1024, size_bytes)
        size_bytes -= 64 * 1024


def incoming(root: Path) -> list[Path]:
    return list((root / "incoming").iterdir())


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_a_blob_is_a_file_named_by_its_digest_in_a_folder_of_its_first_byte(store: DiskStore, root: Path) -> None:
    blob = await store.write(chunked(3))
    name = hashlib.sha256(b"xxx").hexdigest()
    assert store.path(blob.sha256) == root / name[:2] / name
    assert store.path(blob.sha256).read_bytes() == b"xxx"
    assert incoming(root) == []


def test_only_a_store_of_files_tells_paths(root: Path) -> None:
    assert not isinstance(MemoryStore(), LocalFiles)
    assert issubclass(DiskStore, LocalFiles)


async def test_bytes_are_synced_before_their_name_and_the_name_before_the_answer(
    store: DiskStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    real_fdatasync, real_fsync, real_rename = os.fdatasync, os.fsync, Path.rename

    def fdatasync(file: int) -> None:
        calls.append(f"fdatasync {os.fstat(file).st_size}")
        real_fdatasync(file)

    def rename(path: Path, target: Path) -> Path:
        calls.append("rename")
        return real_rename(path, target)

    def fsync(file: int) -> None:
        calls.append(f"fsync {Path(f'/proc/self/fd/{file}').readlink().name}")
        real_fsync(file)

    monkeypatch.setattr(os, "fdatasync", fdatasync)
    monkeypatch.setattr(Path, "rename", rename)
    monkeypatch.setattr(os, "fsync", fsync)
    blob = await store.write(chunked(2 * MIB))
    assert calls == [f"fdatasync {2 * MIB}", "rename", f"fsync {blob.sha256.hex()[:2]}"]


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of 4 MiB."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    with tempfile.TemporaryDirectory() as folder:
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", folder], check=False).returncode:
            pytest.skip("mounting is not permitted here")
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("declared", [None, 5 * MIB], ids=["undeclared", "declared"])
async def test_a_full_disk_is_told_leaves_nothing_and_service_goes_on(small_disk: Path, declared: int | None) -> None:
    async with open_disk_store(small_disk) as store:
        before = await store.write(chunked(MIB))
        for _ in range(3):
            with pytest.raises(StoreFullError):
                await store.write(chunked(5 * MIB, b"y"), size_bytes=declared)
            assert incoming(small_disk) == []
        after = await store.write(chunked(2 * MIB, b"z"))
        assert {blob async for blob in store.list()} == {before, after}
        assert await verify(store, after.sha256) == after


async def test_a_disk_filled_by_others_meanwhile_is_told_too(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_disk_store(small_disk) as store:
        monkeypatch.setattr("storage.disk.require_room", lambda *_, **__: None)  # a look that comes too early
        with pytest.raises(StoreFullError, match="No space left"):
            await store.write(chunked(5 * MIB, b"y"))
        assert incoming(small_disk) == []
        await store.write(chunked(2 * MIB))


@pytest.mark.parametrize("call", ["writev", "fdatasync"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
async def test_room_that_ends_at_any_step_is_told(
    store: DiskStore, root: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    def full(*_arguments: object) -> int:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, full)
        with pytest.raises(StoreFullError):
            await store.write(chunked(3 * MIB))
    assert incoming(root) == []
    assert [blob async for blob in store.list()] == []
    await store.write(chunked(3 * MIB))


async def test_a_short_write_is_continued(store: DiskStore, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.writev
    monkeypatch.setattr(os, "writev", lambda file, pieces: real(file, [pieces[0][:10]]))
    blob = await store.write(chunked(3 * MIB))
    assert await verify(store, blob.sha256) == blob
    assert blob.size_bytes == 3 * MIB


async def test_a_failing_disk_is_not_a_full_one(store: DiskStore, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(_file: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", failing)
    with pytest.raises(UnreachableError, match="Input/output"):
        await store.write(chunked(10))
    assert incoming(root) == []


async def test_what_is_declared_beyond_the_reserve_is_refused_before_a_byte_is_taken(root: Path) -> None:
    taken = 0

    async def client() -> AsyncIterator[bytes]:
        nonlocal taken
        taken += 1
        yield b"x"

    free = os.statvfs(root.parent)
    async with open_disk_store(root, reserve_bytes=free.f_bavail * free.f_frsize // 2) as store:
        with pytest.raises(StoreFullError):
            await store.write(client(), size_bytes=free.f_bavail * free.f_frsize)
        assert taken == 0
        assert (await store.write(client())).size_bytes == 1


async def test_the_reserve_stops_an_undeclared_write_too(root: Path) -> None:
    async with open_disk_store(root, reserve_bytes=1 << 60) as store:
        with pytest.raises(StoreFullError):
            await store.write(chunked(1))
    assert incoming(root) == []


async def test_a_place_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(UnreachableError):
        async with open_disk_store(tmp_path / "file" / "blobs"):
            pass


async def test_a_start_sweeps_what_a_crash_left(root: Path) -> None:
    async with open_disk_store(root) as store:
        blob = await store.write(chunked(10))
    (root / "incoming" / "0123456789abcdef").write_bytes(b"half a file")
    async with open_disk_store(root) as store:
        assert incoming(root) == []
        assert await verify(store, blob.sha256) == blob


async def test_a_start_leaves_what_another_is_writing(store: DiskStore, root: Path) -> None:
    may_end = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"first " * 100_000
        await may_end.wait()
        yield b"second"

    writing = asyncio.create_task(store.write(slow()))
    async with asyncio.timeout(30):
        while not incoming(root):
            await asyncio.sleep(0.01)
    async with open_disk_store(root):
        assert len(incoming(root)) == 1
        may_end.set()
        blob = await writing
    assert store.path(blob.sha256).read_bytes() == b"first " * 100_000 + b"second"


async def test_what_is_written_again_while_a_sweep_looks_at_it_stays(
    store: DiskStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the lock, the sweep would see an old file and remove the new one."""
    blob = await store.write(chunked(10))
    os.utime(store.path(blob.sha256), (0, 0))
    is_looking = threading.Event()
    real = os.fdatasync

    def slow_look(found: os.stat_result, instant: datetime | None) -> bool:
        is_looking.set()
        time.sleep(0.3)
        return instant is None or found.st_mtime < instant.timestamp()

    def after_the_look(file: int) -> None:
        real(file)
        is_looking.wait()

    monkeypatch.setattr("storage.disk._is_older", slow_look)
    monkeypatch.setattr(os, "fdatasync", after_the_look)
    sweep_at = datetime.now(UTC) - timedelta(hours=1)
    await asyncio.gather(store.write(chunked(10)), store.delete(blob.sha256, written_before=sweep_at))
    assert await store.stat(blob.sha256) == blob


WRITER = """
import asyncio, hashlib, sys
from pathlib import Path
from storage import open_disk_store

async def content(number):
    for part in range(number % 40):
        yield hashlib.sha256(f"{number} {part}".encode()).digest() * 4096
        await asyncio.sleep(0)

async def writer(store, first):
    for number in range(first, 1_000_000, 4):
        blob = await store.write(content(number))
        print(blob.sha256.hex(), flush=True)

async def main():
    async with open_disk_store(Path(sys.argv[1])) as store:
        await asyncio.gather(*(writer(store, first) for first in range(4)))

asyncio.run(main())
"""


async def test_what_was_acknowledged_survives_a_kill_and_nothing_is_half_there(root: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(root)], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    acknowledged = [process.stdout.readline().strip() for _ in range(60)]
    process.send_signal(signal.SIGKILL)
    acknowledged += [line for line in process.stdout.read().split("\n")[:-1] if len(line) == 64]
    process.wait()
    process.stdout.close()
    async with open_disk_store(root) as store:
        assert incoming(root) == []
        for sha256 in acknowledged:
            await verify(store, bytes.fromhex(sha256))
        for blob in [blob async for blob in store.list()]:
            assert await verify(store, blob.sha256) == blob


async def test_the_loop_goes_on_while_the_disk_is_slow(store: DiskStore, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.fdatasync

    def slow(file: int) -> None:
        time.sleep(0.5)
        real(file)

    monkeypatch.setattr(os, "fdatasync", slow)
    writing = asyncio.create_task(store.write(chunked(100_000)))
    ticks = 0
    while not writing.done():
        await asyncio.sleep(0.01)
        ticks += 1
    assert ticks > 15
    await writing


async def test_a_large_blob_passes_through_little_memory(store: DiskStore) -> None:
    await store.write(chunked(MIB))
    tracemalloc.start()
    try:
        blob = await store.write(chunked(64 * MIB))
        async for _ in store.read(blob.sha256):
            pass
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * MIB


async def test_cut_writes_and_reads_leave_no_file_open(store: DiskStore, root: Path) -> None:
    blob = await store.write(chunked(5 * MIB))
    before = open_files()
    for delay in (0, 0, 0.001, 0.002, 0.005, 0.01):
        writing = asyncio.create_task(store.write(chunked(20 * MIB, b"y")))
        await asyncio.sleep(delay)
        writing.cancel()
        writing.cancel()
        with suppress(asyncio.CancelledError):
            await writing
        async with aclosing(store.read(blob.sha256)) as chunks:
            await anext(chunks)
    assert open_files() == before
    assert incoming(root) == []


async def test_files_of_others_are_not_blobs(store: DiskStore, root: Path) -> None:
    (root / "ab" / "notes.txt").write_text("by hand")
    (root / "ab" / ("AB" * 32)).write_text("upper case")
    assert [blob async for blob in store.list()] == []
