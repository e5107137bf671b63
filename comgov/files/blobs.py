"""The bytes of files: their drawer of the store, and its errors in our words."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from comgov.errors import Full, Invalid, Unavailable
from storage import IncompleteError, StorageError, StoreFullError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, Iterator

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


async def read(platform: Platform, sha256: bytes, span: range) -> AsyncGenerator[bytes, None]:
    """The bytes at these positions. Raises Unavailable when they are missing or damaged."""
    store = await drawer(platform)
    with translated():
        async for chunk in store.read(sha256, span.start, span.stop):
            yield chunk


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
