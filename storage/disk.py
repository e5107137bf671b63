"""Blobs as files of this machine, each named by its digest.

    ROOT/incoming/<random>      being written; locked by its writer, so what is not locked is a crash's leftover
    ROOT/<2 hex>/<64 hex>       kept; never changed in place
    ROOT/<drawer>/…             the same again

A write goes: incoming file → fdatasync → rename into its folder → fsync of the folder → acknowledged. A crash
before the rename leaves a leftover that the next start sweeps; there is no moment with half a blob under its name.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from storage.blob import Blob
from storage.digest import Digest
from storage.drawer import check_drawer
from storage.files import require_room, translated, write_all
from storage.stream import BATCH_BYTES, pour
from storage.threads import Threads, finish, settle

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterator, Sequence
    from datetime import datetime

_THREADS = 16  # calls waiting on the disk at once; fsyncs under way together share a commit of the journal
_WRITE_OUT_BYTES = 8 << 20
_CACHED_BYTES = 64 << 20  # of a file being written
_NAME = re.compile(r"[0-9a-f]{64}")


@asynccontextmanager
async def open_disk_store(root: Path, *, reserve_bytes: int = 0) -> AsyncIterator[DiskStore]:
    """A store in `root`, made if needed, for as long as the block lasts; several processes may share it.

    reserve_bytes: room on the file system that writes leave alone.
    Raises UnreachableError when the folders cannot be made.
    """
    threads = Threads(_THREADS)
    try:
        await threads.run(_prepare, root)
        yield DiskStore(root, threads, reserve_bytes=reserve_bytes)
    finally:
        threads.close()


class DiskStore:
    """Blobs as files under a root that `open_disk_store` prepared. See Store for what each method promises."""

    def __init__(self, root: Path, threads: Threads, *, reserve_bytes: int = 0) -> None:
        self._root = root
        self._threads = threads
        self._reserve_bytes = reserve_bytes
        self._drawers: dict[str, DiskStore] = {}

    async def write(self, chunks: AsyncIterable[bytes], *, size_bytes: int | None = None) -> Blob:
        """See Store.write. A large declared size that has no room is refused before the first byte is taken."""
        incoming = _Incoming(self._root, self._reserve_bytes, size_bytes)
        try:
            if size_bytes and size_bytes > BATCH_BYTES:
                await self._threads.run(incoming.open)
            rest = await pour(chunks, incoming.append, self._threads)
            return await self._threads.run(incoming.keep, rest)
        finally:
            if not incoming.is_closed:
                await self._threads.run(incoming.close)

    async def read(self, sha256: bytes, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes, None]:
        """See Store.read. A thread is one chunk ahead of the reader."""
        outgoing = _Outgoing(self.path(sha256), sha256, start, stop)
        taking = self._threads.start(outgoing.take)
        try:
            while chunk := await finish(taking):
                if outgoing.is_spent:
                    yield chunk
                    return
                taking = self._threads.start(outgoing.take)
                yield chunk
        finally:
            try:
                await settle(taking)
            finally:
                if not outgoing.is_spent:
                    await self._threads.run(outgoing.close)

    async def stat(self, sha256: bytes) -> Blob:
        """See Store.stat."""
        return await self._threads.run(self._stat, sha256)

    async def delete(self, sha256: bytes, *, written_before: datetime | None = None) -> None:
        """See Store.delete. Not synced: after a crash it may be back, as bytes that nothing refers to."""
        await self._threads.run(self._delete, sha256, written_before)

    async def list(self, *, written_before: datetime | None = None) -> AsyncIterator[Blob]:
        """See Store.list. One folder at a time is held in memory."""
        for folder in _folders(self._root):
            for blob in await self._threads.run(_list, folder, written_before):
                yield blob

    async def drawer(self, name: str) -> DiskStore:
        """See Store.drawer. Made at the first call."""
        if name not in self._drawers:
            root = self._root / check_drawer(name)
            await self._threads.run(_prepare, root)
            self._drawers[name] = DiskStore(root, self._threads, reserve_bytes=self._reserve_bytes)
        return self._drawers[name]

    def path(self, sha256: bytes) -> Path:
        """See LocalFiles.path."""
        return _path(self._root, sha256)

    def _stat(self, sha256: bytes) -> Blob:
        with translated(sha256):
            return Blob(sha256, self.path(sha256).stat().st_size)

    def _delete(self, sha256: bytes, written_before: datetime | None) -> None:
        path = self.path(sha256)
        with translated(), _opened(path.parent) as folder, _locked(folder):
            try:
                if _is_older(path.stat(), written_before):
                    path.unlink()
            except FileNotFoundError:
                return


class _Incoming:
    """A file being written: open if need be, append …, then keep or close. Called in threads, one call at a time."""

    def __init__(self, root: Path, reserve_bytes: int, declared_bytes: int | None) -> None:
        self._root = root
        self._reserve_bytes = reserve_bytes
        self._declared_bytes = declared_bytes
        self._digest = Digest(declared_bytes)
        self._file: int | None = None
        self._path: Path | None = None
        self._written_out = 0
        self.is_closed = False

    def open(self) -> None:
        require_room(self._root, self._declared_bytes or 0, reserve_bytes=self._reserve_bytes)
        with translated():
            self._file, self._path = _create_locked(self._root / "incoming")

    def append(self, pieces: Sequence[bytes]) -> None:
        self._digest.update(pieces)
        if self._file is None:
            self.open()
        assert self._file is not None
        require_room(self._root, sum(map(len, pieces)), reserve_bytes=self._reserve_bytes)
        with translated():
            write_all(self._file, pieces)
            self._write_out()

    def keep(self, rest: Sequence[bytes]) -> Blob:
        self.append(rest)
        assert self._file is not None and self._path is not None
        blob = self._digest.blob()
        path = _path(self._root, blob.sha256)
        with translated(), _opened(path.parent) as folder:
            os.fdatasync(self._file)
            with _locked(folder):
                self._path.rename(path)
            self._path = None
            os.fsync(folder)
        self.close()
        return blob

    def _write_out(self) -> None:
        """Have the kernel begin writing now what it would leave to the fsync, which then has little to wait for.

        What it does with "not needed" is to start writing what is dirty and to drop what is written. So a large file
        takes no memory from others, and goes through pages that the machine has at hand: new ones cost up to twice all
        the rest of the way.
        """
        end = self._digest.size_bytes
        if end - self._written_out >= _WRITE_OUT_BYTES and self._file is not None:
            first = max(0, self._written_out - _CACHED_BYTES)
            os.posix_fadvise(self._file, first, end - first, os.POSIX_FADV_DONTNEED)
            self._written_out = end

    def close(self) -> None:
        """Leave nothing behind of what was not kept."""
        self.is_closed = True
        with translated():
            try:
                if self._path:
                    self._path.unlink(missing_ok=True)
            finally:
                if self._file is not None:
                    os.close(self._file)


class _Outgoing:
    """A file being read: take … until it is spent, or close. Called in threads, one call at a time.

    It opens at the first take and closes by itself after the last, so that a small blob is one trip to a thread.
    """

    def __init__(self, path: Path, sha256: bytes, start: int, stop: int | None) -> None:
        self._path = path
        self._sha256 = sha256
        self._bounds = (start, stop)
        self._left = range(0)
        self._file: int | None = None
        self._digest: Digest | None = None
        self.is_spent = False

    def take(self) -> bytes:
        """The next chunk, empty at the end; of a whole blob, the last only if the digest agrees."""
        with translated(self._sha256):
            if self._file is None:
                self._open()
            assert self._file is not None
            chunk = os.pread(self._file, len(self._left[:BATCH_BYTES]), self._left.start)
        self._left = self._left[len(chunk) :]
        if self._digest:
            self._digest.update([chunk])
        if not chunk or not self._left:
            if self._digest:
                self._digest.require(self._sha256)
            self.close()
            self.is_spent = True
        return chunk

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _open(self) -> None:
        self._file = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        blob = Blob(self._sha256, os.fstat(self._file).st_size)
        self._left = blob.span(*self._bounds)
        if len(self._left) == blob.size_bytes:
            self._digest = Digest()


def _path(root: Path, sha256: bytes) -> Path:
    name = sha256.hex()
    return root / name[:2] / name


def _folders(root: Path) -> list[Path]:
    return [root / f"{first:02x}" for first in range(256)]


def _prepare(root: Path) -> None:
    """Make what is missing of the folders, durably, and sweep what a crash left."""
    incoming = root / "incoming"
    with translated():
        for folder in (incoming, *_folders(root)):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in (root, root.parent):
            with _opened(folder) as opened:
                os.fsync(opened)
        for path in incoming.iterdir():
            _sweep(path)


def _sweep(path: Path) -> None:
    """Remove an incoming file that no process is writing."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink(missing_ok=True)
    except BlockingIOError:
        return
    finally:
        os.close(file)


def _create_locked(folder: Path) -> tuple[int, Path]:
    """A new file, locked until it is closed; made again if a sweep came between its making and its locking."""
    while True:
        path = folder / secrets.token_hex(16)
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(file, fcntl.LOCK_EX)
        if os.fstat(file).st_nlink:
            return file, path
        os.close(file)


def _list(folder: Path, written_before: datetime | None) -> list[Blob]:
    blobs = []
    with translated(), os.scandir(folder) as entries:
        for entry in entries:
            if not _NAME.fullmatch(entry.name):
                continue
            try:
                found = entry.stat()
            except FileNotFoundError:
                continue
            if _is_older(found, written_before):
                blobs.append(Blob(bytes.fromhex(entry.name), found.st_size))
    return blobs


def _is_older(found: os.stat_result, instant: datetime | None) -> bool:
    return instant is None or found.st_mtime < instant.timestamp()


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield opened
    finally:
        os.close(opened)


@contextmanager
def _locked(folder: int) -> Iterator[None]:
    """Alone in a folder, among all processes: no blob is renamed into it between a look at its age and its removal."""
    fcntl.flock(folder, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(folder, fcntl.LOCK_UN)
