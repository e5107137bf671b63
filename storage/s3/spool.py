"""A blob on its way to a server: on this machine until it is whole and its digest known."""

from __future__ import annotations

import hashlib
import os
import tempfile
from threading import Lock
from typing import TYPE_CHECKING, BinaryIO

from storage.digest import Digest
from storage.files import require_room, translated, write_all
from storage.stream import BATCH_BYTES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from storage.blob import Blob
    from storage.threads import Threads


class Spool:
    """A file without a name: open, append …, finish, read any part, close. A crash leaves nothing.

    Methods that are not coroutines are called in threads. Closing waits for a read under way: the task that aiohttp
    sends a body with may outlive a cancelled request by that much.
    """

    def __init__(self, folder: Path, reserve_bytes: int, declared_bytes: int | None) -> None:
        self._folder = folder
        self._reserve_bytes = reserve_bytes
        self._declared_bytes = declared_bytes
        self._digest = Digest(declared_bytes)
        self._file: BinaryIO | None = None
        self._lock = Lock()

    def open(self) -> None:
        """Raises StoreFullError when what was declared has no room."""
        with translated():
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        require_room(self._folder, self._declared_bytes or 0, reserve_bytes=self._reserve_bytes)
        with translated():
            self._file = tempfile.TemporaryFile(buffering=0, dir=self._folder)  # noqa: SIM115

    def append(self, pieces: Sequence[bytes]) -> None:
        """Take these bytes; StoreFullError when the file system is full."""
        self._digest.update(pieces)
        require_room(self._folder, sum(map(len, pieces)), reserve_bytes=self._reserve_bytes)
        with translated():
            write_all(self._descriptor, pieces)

    def finish(self, rest: Sequence[bytes]) -> Blob:
        """Take these last bytes; gives what was written, IncompleteError if that is not what was declared."""
        self.append(rest)
        return self._digest.blob()

    def md5(self, span: range) -> bytes:
        """The MD5 of a part, which S3 asks for to notice a part damaged on its way (RFC 1864)."""
        md5 = hashlib.md5(usedforsecurity=False)
        for position in span[::BATCH_BYTES]:
            md5.update(self._take(position, span))
        return md5.digest()

    async def read(self, span: range, threads: Threads) -> AsyncIterator[bytes]:
        """The bytes of a part, in chunks."""
        for position in span[::BATCH_BYTES]:
            yield await threads.run(self._take, position, span)

    def close(self) -> None:
        """Forget it all."""
        with self._lock:
            if self._file:
                self._file.close()

    def _take(self, position: int, span: range) -> bytes:
        with translated(), self._lock:
            return os.pread(self._descriptor, min(BATCH_BYTES, span.stop - position), position)

    @property
    def _descriptor(self) -> int:
        assert self._file is not None
        return self._file.fileno()
