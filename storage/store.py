"""What every store of bytes does, wherever it keeps them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from storage.blob import Blob

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
    from datetime import datetime
    from pathlib import Path

SWEEP_AFTER = timedelta(hours=24)
"""How old a blob that nothing refers to must be before it may be swept: longer than any upload's last transaction."""


class Store(Protocol):
    """Keeps blobs under the digest of their bytes; the same bytes are kept once.

    Errors are those of `storage.errors`; any method may raise UnreachableError.

    Sweeping what nothing refers to: take `list(written_before=t)` and `delete(…, written_before=t)`, with `t` at
    least SWEEP_AFTER ago. Bytes written again in the meantime count as new, so a row that is about to refer to them
    finds them.
    """

    async def write(self, chunks: AsyncIterable[bytes], *, size_bytes: int | None = None) -> Blob:
        """Keep these bytes; durable once this returns.

        size_bytes: what was declared; IncompleteError if the bytes are fewer or more, and nothing is kept.
        Raises StoreFullError when there is no room. Whatever `chunks` raises passes through; nothing is kept then.
        """
        ...

    def read(self, sha256: bytes, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes, None]:
        """The bytes from `start` up to `stop` (None: the end), in chunks; closing it early is fine (`aclosing`).

        Bounds are those of a slice of non-negative numbers: beyond the end there is nothing.
        Raises MissingError at the first step when there is no such blob. A whole blob is hashed on its way and its
        last chunk is withheld until the digest agrees, else CorruptError; a range is given as it is found.
        """
        ...

    async def stat(self, sha256: bytes) -> Blob:
        """Its digest and size; MissingError when there is no such blob."""
        ...

    async def delete(self, sha256: bytes, *, written_before: datetime | None = None) -> None:
        """Forget it; already gone is fine.

        written_before: an aware instant; a blob written since, or written again, stays.
        """
        ...

    def list(self, *, written_before: datetime | None = None) -> AsyncIterator[Blob]:
        """Every blob, in no order that one may rely on.

        written_before: an aware instant; leave out what was written since.
        """
        ...

    async def drawer(self, name: str) -> Store:
        """The store of that name inside this one: it shares nothing with it but the room.

        name: 3 to 20 lower-case letters. Each room of the platform keeps its blobs in a drawer of its own and sweeps
        only that one, so that none has to know what the others refer to.
        """
        ...


@runtime_checkable
class LocalFiles(Protocol):
    """A store whose blobs are files of this machine, which the kernel can send by itself (sendfile)."""

    def path(self, sha256: bytes) -> Path:
        """Where its bytes are, if they are kept; they are never changed in place. Nothing is checked."""
        ...


async def verify(store: Store, sha256: bytes) -> Blob:
    """Read a blob whole and compare: CorruptError or MissingError, else what it is."""
    size_bytes = 0
    async for chunk in store.read(sha256):
        size_bytes += len(chunk)
    return Blob(sha256, size_bytes)
