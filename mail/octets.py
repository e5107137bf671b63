"""A message's bytes: in memory while it is small, in an unlinked file mapped into memory once it is not.

`Octets` are read alike either way: slices give bytes, `len` and `find` work. What `mmap` lacks stands here.
"""

from __future__ import annotations

import mmap
import tempfile
from typing import IO, TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

Octets: TypeAlias = bytes | mmap.mmap
"""The bytes of a message."""

CHUNK_BYTES = 256 * 1024
_MEMORY_LIMIT_BYTES = 256 * 1024


def chunks(octets: Octets, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
    """The bytes from `start` to `stop`, in pieces of 256 KiB."""
    stop = len(octets) if stop is None else stop
    for at in range(start, stop, CHUNK_BYTES):
        yield octets[at : min(at + CHUNK_BYTES, stop)]


def count(octets: Octets, byte: bytes, start: int = 0, stop: int | None = None) -> int:
    """How often that byte stands there."""
    if isinstance(octets, bytes):
        return octets.count(byte, start, stop)
    return sum(chunk.count(byte) for chunk in chunks(octets, start, stop))


def is_ascii(octets: Octets) -> bool:
    """Whether no byte is above 127."""
    return octets.isascii() if isinstance(octets, bytes) else all(chunk.isascii() for chunk in chunks(octets))


def has_clean_lines(octets: Octets) -> bool:
    """Whether every CR and LF stands in a CRLF."""
    if isinstance(octets, bytes):
        lone = octets.replace(b"\r\n", b"")  # three times as fast as counting
        return b"\r" not in lone and b"\n" not in lone
    pairs, last = 0, b""
    for chunk in chunks(octets):
        pairs += chunk.count(b"\r\n") + (last == b"\r" and chunk.startswith(b"\n"))
        last = chunk[-1:]
    return count(octets, b"\n") == count(octets, b"\r") == pairs


class Spool:
    """Takes the bytes of a message as they arrive; `finish` gives them as Octets.

    Writing raises OSError when the disk is full. The file has no name and goes with its last user.
    """

    def __init__(self) -> None:
        self._memory = bytearray()
        self._file: IO[bytes] | None = None
        self.size_bytes = 0

    def write(self, piece: bytes) -> None:
        """Add to the end."""
        self.size_bytes += len(piece)
        if self._file is not None:
            self._file.write(piece)
            return
        self._memory += piece
        if len(self._memory) > _MEMORY_LIMIT_BYTES:
            self._file = tempfile.TemporaryFile(prefix="comgov-mail-")  # noqa: SIM115 -- finish or discard closes it
            self._file.write(self._memory)
            self._memory = bytearray()

    def finish(self) -> Octets:
        """All that was written."""
        if self._file is None:
            return bytes(self._memory)
        self._file.flush()
        return mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)

    def discard(self) -> None:
        """Give back what it holds; what `finish` gave stays."""
        self._memory = bytearray()
        if self._file is not None:
            self._file.close()
