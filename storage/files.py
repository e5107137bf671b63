"""What the disk store and the spool share of the system's files. Called in threads."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from storage.errors import MissingError, StoreFullError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def translated(sha256: bytes = b"") -> Iterator[None]:
    """The system's errors in our words. sha256: of the blob that is missing when its file is."""
    try:
        yield
    except FileNotFoundError as error:
        raise (MissingError(sha256) if sha256 else UnreachableError(str(error))) from error
    except OSError as error:
        raise (StoreFullError if error.errno in _FULL else UnreachableError)(str(error)) from error


def write_all(file: int, pieces: Sequence[bytes]) -> None:
    """Write every byte: near the end of the room a system call takes fewer than it is given, and the next one fails."""
    written = os.writev(file, pieces)
    rest = memoryview(b"".join(pieces))[written:] if written < sum(map(len, pieces)) else memoryview(b"")
    while rest:
        rest = rest[os.write(file, rest) :]


def require_room(folder: Path, size_bytes: int, *, reserve_bytes: int) -> None:
    """StoreFullError unless the file system of `folder` can take these bytes and keep its reserve."""
    with translated():
        found = os.statvfs(folder)
    if (left := found.f_bavail * found.f_frsize - reserve_bytes) < size_bytes:
        raise StoreFullError(f"{folder} has {left} bytes left above its reserve, {size_bytes} were to come")
