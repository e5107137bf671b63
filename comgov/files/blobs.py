"""The bytes of files: their drawer of the store, and its errors in our words."""

from __future__ import annotations

from contextlib import aclosing, contextmanager
from typing import TYPE_CHECKING

from comgov.errors import Full, Invalid, Unavailable
from storage import IncompleteError, LocalFiles, StorageError, StoreFullError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, Iterator
    from pathlib import Path

    from comgov.feature import Platform
    from storage import Blob, Store

_DRAWER = "files"


async def drawer(platform: Platform) -> Store:
    """Where the bytes of files are kept, and of nothing else."""
    with translated():
        return await platform.blobs.drawer(_DRAWER)


async def write(platform: Platform, chunks: AsyncIterable[bytes], declared_bytes: int | None) -> Blob:
    """Keep these bytes; durable once this returns. Raises Full, Invalid (cut or other than declared), Unavailable."""
    store = await drawer(platform)
    with translated():
        return await store.write(chunks, size_bytes=declared_bytes)


async def read(platform: Platform, sha256: bytes, start: int, stop: int) -> AsyncGenerator[bytes, None]:
    """The bytes from `start` up to `stop`. Raises Unavailable when they are missing or damaged."""
    store = await drawer(platform)
    with translated():
        async with aclosing(store.read(sha256, start, stop)) as chunks:
            async for chunk in chunks:
                yield chunk


async def file(platform: Platform, sha256: bytes) -> tuple[Path, int] | None:
    """The file of this machine that holds these bytes, and where they begin in it; None if the store has no files."""
    store = await drawer(platform)
    return (store.path(sha256), 0) if isinstance(store, LocalFiles) else None


@contextmanager
def translated() -> Iterator[None]:
    """The store's errors become those of the platform."""
    try:
        yield
    except StoreFullError as error:
        raise Full(error.public, reason=error.reason) from error
    except IncompleteError as error:
        raise Invalid(error.public, reason=error.reason) from error
    except StorageError as error:
        raise Unavailable(error.public, reason=error.reason) from error
