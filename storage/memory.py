"""A store that forgets: for tests, and the reference of what the others do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from storage.blob import Blob
from storage.digest import Digest
from storage.drawer import check_drawer
from storage.errors import MissingError
from storage.stream import BATCH_BYTES

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable


@dataclass(frozen=True)
class _Kept:
    content: bytes
    written_at: datetime


class MemoryStore:
    """Keeps blobs in a dictionary. clock: gives the present instant, aware."""

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._clock = clock
        self._kept: dict[bytes, _Kept] = {}
        self._drawers: dict[str, MemoryStore] = {}

    async def write(self, chunks: AsyncIterable[bytes], *, size_bytes: int | None = None) -> Blob:
        """See Store.write."""
        digest = Digest(size_bytes)
        content = bytearray()
        async for chunk in chunks:
            digest.update([chunk])
            content += chunk
        blob = digest.blob()
        self._kept[blob.sha256] = _Kept(bytes(content), self._clock())
        return blob

    async def read(self, sha256: bytes, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes, None]:
        """See Store.read."""
        content = self._find(sha256).content
        span = Blob(sha256, len(content)).span(start, stop)
        if len(span) == len(content):
            digest = Digest()
            digest.update([content])
            digest.require(sha256)
        for position in span[::BATCH_BYTES]:
            yield content[position : min(position + BATCH_BYTES, span.stop)]

    async def stat(self, sha256: bytes) -> Blob:
        """See Store.stat."""
        return Blob(sha256, len(self._find(sha256).content))

    async def delete(self, sha256: bytes, *, written_before: datetime | None = None) -> None:
        """See Store.delete."""
        kept = self._kept.get(sha256)
        if kept and (written_before is None or kept.written_at < written_before):
            del self._kept[sha256]

    async def list(self, *, written_before: datetime | None = None) -> AsyncIterator[Blob]:
        """See Store.list."""
        for sha256, kept in tuple(self._kept.items()):
            if written_before is None or kept.written_at < written_before:
                yield Blob(sha256, len(kept.content))

    async def drawer(self, name: str) -> MemoryStore:
        """See Store.drawer."""
        return self._drawers.setdefault(check_drawer(name), MemoryStore(self._clock))

    def damage(self, sha256: bytes, content: bytes) -> None:
        """Put other bytes in its place, as a failing disk would."""
        self._kept[sha256] = _Kept(content, self._find(sha256).written_at)

    def _find(self, sha256: bytes) -> _Kept:
        try:
            return self._kept[sha256]
        except KeyError:
            raise MissingError(sha256) from None
