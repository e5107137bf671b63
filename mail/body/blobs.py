"""Where the rest of a large message lies: the object store, as mail sees it. `storage.Store` has this shape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator
    from datetime import datetime


class KeptBlob(Protocol):
    """What `write` gives back."""

    @property
    def sha256(self) -> bytes:
        """The digest, which is also the key to read it by: 32 bytes."""
        ...


class Blobs(Protocol):
    """Keeps bytes under the digest of their bytes; the same bytes are kept once."""

    async def write(self, chunks: AsyncIterable[bytes], *, size_bytes: int | None = None) -> KeptBlob:
        """Keep these bytes; durable once this returns. Raises when there is no room or it does not answer."""
        ...

    def read(self, sha256: bytes, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from `start` up to `stop` (None: the end), in chunks."""
        ...

    async def delete(self, sha256: bytes, *, written_before: datetime | None = None) -> None:
        """Forget it, unless it was written since `written_before`; already gone is fine."""
        ...

    def list(self) -> AsyncIterator[KeptBlob]:
        """Every blob, in no order that one may rely on."""
        ...
