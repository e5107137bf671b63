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

from mail.errors import SystemDown, SystemFull
from mail.message import Structure, scan
from mail.octets import chunks, has_clean_lines, is_ascii
from mail.postgres import is_full

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    from mail.blobs import Blobs
    from mail.octets import Octets

INLINE_LIMIT_BYTES = 64 * 1024
_COMPRESS_FROM_BYTES = 1024
_COMPRESS_UP_TO_BYTES = 1 << 20  # beyond, hardly anything would fit the limit above
_THREAD_FROM_BYTES = 256 * 1024  # the loop is held for less than 10 ms by what is smaller


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

    @property
    def sections_json(self) -> str | None:
        """The places of the parts by number, as arrays in the order of Place's fields."""
        return json.dumps(self.structure.sections) if self.structure.sections else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Examined:
    """All that takes a walk over the content. rest: None when it is for the object store.

    has_clean_lines: every CR and LF stands in a CRLF. is_8bit: some byte is above 127.
    """

    structure: Structure
    sha256: bytes
    rest: Rest | None
    has_clean_lines: bool
    has_nul: bool
    is_8bit: bool


async def examine(content: Octets) -> Examined:
    """Structure, digest and what is kept in the row; large ones in a thread, so that the loop goes on."""
    if len(content) < _THREAD_FROM_BYTES:
        return _examine(content)
    return await asyncio.to_thread(_examine, content)


def _examine(content: Octets) -> Examined:
    structure = scan(content)
    return Examined(
        structure=structure,
        sha256=hashlib.sha256(content).digest(),
        rest=_inline(content, structure.header_size),
        has_clean_lines=has_clean_lines(content),
        has_nul=content.find(b"\0") >= 0,
        is_8bit=not is_ascii(content),
    )


def _inline(content: Octets, start: int) -> Rest | None:
    """Compressed when that saves a tenth; None when it is too large either way."""
    if len(content) - start > _COMPRESS_UP_TO_BYTES:
        return None
    rest = content[start:]
    if len(rest) >= _COMPRESS_FROM_BYTES:
        compressed = zstandard.ZstdCompressor(level=1).compress(rest)
        if len(compressed) <= min(INLINE_LIMIT_BYTES, len(rest) * 9 // 10):
            return Rest(compressed, True, None)
    return Rest(rest, False, None) if len(rest) <= INLINE_LIMIT_BYTES else None


def restore(inline: bytes, *, is_compressed: bool) -> bytes:
    """What `inline` was made from."""
    if not is_compressed:
        return inline
    return zstandard.ZstdDecompressor().decompress(inline, max_output_size=_COMPRESS_UP_TO_BYTES)


async def keep(content: Octets, start: int, blobs: Blobs) -> Rest:
    """Put what follows the header, from `start` on, in the object store; durable once this returns.

    Raises SystemFull, SystemDown.
    """
    try:
        blob = await blobs.write(_pieces(content, start), size_bytes=len(content) - start)
    except Exception as error:  # the host's store has its own errors, unknown to mail
        full = is_full(error)
        raise (SystemFull if full else SystemDown)(reason=f"object store: {error!r}") from error
    return Rest(None, False, blob.sha256)


async def _pieces(content: Octets, start: int) -> AsyncIterator[bytes]:
    for piece in chunks(content, start):
        yield piece


def new_body_id(now: datetime) -> UUID:
    """A UUID of version 7 (RFC 9562 §5.7): in the order of time, so that the index grows at its end."""
    milliseconds = int(now.timestamp() * 1000)
    noise = int.from_bytes(os.urandom(10), "big")
    value = (milliseconds & (2**48 - 1)) << 80 | noise
    value = value & ~(0xF << 76) | 0x7 << 76
    return UUID(int=value & ~(0x3 << 62) | 0x2 << 62)
