"""What every store of bytes does, wherever it keeps them."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from typing import Protocol

from storage.blob import Blob


class Store(Protocol):
    """Keeps blobs under the digest of their bytes; the same bytes are kept once.

    Errors are those of `storage.errors`.
    """

    async def write(self, chunks: AsyncIterable[bytes], *, size_bytes: int | None = None) -> Blob:
        """Keep these bytes; durable once this returns.

        size_bytes: what was declared; IncompleteError if the bytes are fewer or more, and nothing is kept.
        Raises StoreFullError when there is no room.
        """
        ...

    def read(self, sha256: bytes, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from `start` up to `stop` (None: the end), in chunks; closing the iterator early is fine.

        Raises MissingError at the first step when there is no such blob, CorruptError when what is there is not it.
        """
        ...

    async def stat(self, sha256: bytes) -> Blob:
        """Its digest and size; MissingError when there is no such blob."""
        ...

    async def delete(self, sha256: bytes) -> None:
        """Forget it; already gone is fine."""
        ...

    def list(self) -> AsyncIterator[Blob]:
        """Every blob, in no order that one may rely on."""
        ...

    def drawer(self, name: str) -> Store:
        """A store of its own inside this one: what one room deletes, no other room misses.

        name: lower-case letters. Each room of the platform keeps its blobs in a drawer and sweeps only that one; the
        same bytes in two drawers are kept twice. On disk a folder, on S3 a prefix of the key.
        """
        ...
