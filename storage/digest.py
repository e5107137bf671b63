"""Counting and hashing bytes as they pass."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from storage.blob import Blob
from storage.errors import CorruptError, IncompleteError

if TYPE_CHECKING:
    from collections.abc import Sequence


class Digest:
    """The SHA-256 and the size of bytes given piece by piece, held to the size that was declared, if any."""

    __slots__ = ("_declared_bytes", "_sha256", "size_bytes")

    def __init__(self, declared_bytes: int | None = None) -> None:
        self._sha256 = hashlib.sha256()
        self._declared_bytes = declared_bytes
        self.size_bytes = 0

    def update(self, pieces: Sequence[bytes]) -> None:
        """Take these bytes; IncompleteError as soon as they are more than declared."""
        for piece in pieces:
            self._sha256.update(piece)
            self.size_bytes += len(piece)
        if self._declared_bytes is not None and self.size_bytes > self._declared_bytes:
            raise IncompleteError(self._declared_bytes, received_bytes=self.size_bytes)

    def blob(self) -> Blob:
        """What the bytes were; IncompleteError if they were fewer than declared."""
        if self._declared_bytes is not None and self.size_bytes != self._declared_bytes:
            raise IncompleteError(self._declared_bytes, received_bytes=self.size_bytes)
        return Blob(self._sha256.digest(), self.size_bytes)

    def require(self, sha256: bytes) -> None:
        """CorruptError if the bytes were not those of this digest."""
        if (found := self._sha256.digest()) != sha256:
            raise CorruptError(sha256, found_sha256=found, found_bytes=self.size_bytes)
