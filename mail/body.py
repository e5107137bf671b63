"""A message's bytes on their way to where they are kept: small ones in the database, large ones in the object store."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

import zstandard

from mail.errors import MailError, SystemDown, SystemFull
from mail.message import Structure, scan
from mail.postgres import is_full

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    from mail.blobs import Blobs

INLINE_LIMIT_BYTES = 64 * 1024
_COMPRESS_FROM_BYTES = 1024
_COMPRESS_UP_TO_BYTES = 1 << 20  # beyond, hardly anything would fit the limit above
_THREAD_FROM_BYTES = 256 * 1024  # the loop is held for less than 10 ms by what is smaller
_CHUNK_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Rest:
    """What follows the header, as it is kept: in the row (`inline`) or in the object store (`blob_key`)."""

    inline: bytes | None
    is_compressed: bool
    blob_key: bytes | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Body:
    """A row of mail.body, ready to insert: see the migration for each column."""

    id: UUID
    sha256: bytes
    size_bytes: int
    trace: bytes
    header: bytes
    rest: Rest
    is_8bit: bool
    structure: Structure
    accepted_at: datetime
    sender: str
    submitter: str
    on_behalf: bool

    @property
    def parts_json(self) -> str:
        """The leaves as arrays, in the order of Part's fields."""
        return json.dumps([part.to_row() for part in self.structure.parts], ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Examined:
    """structure: of the content. sha256: of the content. rest: None when it is for the object store."""

    structure: Structure
    sha256: bytes
    rest: Rest | None


async def examine(content: bytes) -> Examined:
    """Structure, digest and what is kept in the row; large ones in a thread, so that the loop goes on."""
    if len(content) < _THREAD_FROM_BYTES:
        return _examine(content)
    return await asyncio.to_thread(_examine, content)


def _examine(content: bytes) -> Examined:
    structure = scan(content)
    return Examined(structure, hashlib.sha256(content).digest(), _inline(content[structure.header_size :]))


def _inline(rest: bytes) -> Rest | None:
    """Compressed when that saves a tenth; None when it is too large either way."""
    if _COMPRESS_FROM_BYTES <= len(rest) <= _COMPRESS_UP_TO_BYTES:
        compressed = zstandard.ZstdCompressor(level=1).compress(rest)
        if len(compressed) <= min(INLINE_LIMIT_BYTES, len(rest) * 9 // 10):
            return Rest(compressed, True, None)
    return Rest(rest, False, None) if len(rest) <= INLINE_LIMIT_BYTES else None


def restore(inline: bytes, *, is_compressed: bool) -> bytes:
    """What `inline` was made from."""
    if not is_compressed:
        return inline
    return zstandard.ZstdDecompressor().decompress(inline, max_output_size=_COMPRESS_UP_TO_BYTES)


async def keep(rest: bytes, blobs: Blobs) -> Rest:
    """Put it in the object store; durable once this returns. Raises SystemFull, SystemDown."""
    try:
        blob = await blobs.write(_chunks(rest), size_bytes=len(rest))
    except MailError:
        raise
    except Exception as error:  # the host's store has its own errors, unknown to mail
        full = is_full(error)
        raise (SystemFull if full else SystemDown)(reason=f"object store: {error!r}") from error
    return Rest(None, False, blob.sha256)


async def _chunks(rest: bytes) -> AsyncIterator[bytes]:
    view = memoryview(rest)
    for start in range(0, len(rest), _CHUNK_BYTES):
        yield bytes(view[start : start + _CHUNK_BYTES])


def new_body_id(now: datetime) -> UUID:
    """A UUID of version 7 (RFC 9562 §5.7): in the order of time, so that the index grows at its end."""
    milliseconds = int(now.timestamp() * 1000)
    noise = int.from_bytes(os.urandom(10), "big")
    value = (milliseconds & (2**48 - 1)) << 80 | noise
    value = value & ~(0xF << 76) | 0x7 << 76
    return UUID(int=value & ~(0x3 << 62) | 0x2 << 62)
