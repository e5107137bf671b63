"""A message on its way to where it is kept: what a walk over its bytes tells, and the row that it becomes."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from mail.body.after_header import THREAD_FROM_BYTES, Rest, in_row
from mail.message import Structure, scan
from mail.octets import has_clean_lines, is_ascii

if TYPE_CHECKING:
    from datetime import datetime

    from mail.octets import Octets

_json = json.JSONEncoder(ensure_ascii=False).encode


class Body(NamedTuple):
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
        return _json(self.structure.parts)

    @property
    def sections_json(self) -> str | None:
        """The places of the parts by number, as arrays in the order of Place's fields."""
        return _json(self.structure.sections) if self.structure.sections else None


class Examined(NamedTuple):
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
    if len(content) < THREAD_FROM_BYTES:
        return _examine(content)
    return await asyncio.to_thread(_examine, content)


def _examine(content: Octets) -> Examined:
    structure = scan(content)
    return Examined(
        structure=structure,
        sha256=hashlib.sha256(content).digest(),
        rest=in_row(content, structure),
        has_clean_lines=has_clean_lines(content),
        has_nul=content.find(b"\0") >= 0,
        is_8bit=not is_ascii(content),
    )


def new_body_id(now: datetime) -> UUID:
    """A UUID of version 7 (RFC 9562 §5.7): in the order of time, so that the index grows at its end."""
    milliseconds = int(now.timestamp() * 1000)
    noise = int.from_bytes(os.urandom(10), "big")
    value = (milliseconds & (2**48 - 1)) << 80 | noise
    value = value & ~(0xF << 76) | 0x7 << 76
    return UUID(int=value & ~(0x3 << 62) | 0x2 << 62)
