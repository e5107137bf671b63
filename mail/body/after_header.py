"""What follows a message's header: where it is kept, and how any range of it is read again.

Small, it lies in the row; large, in the object store, and the attachments in it decoded, each a blob of its own: what
ten people forward is there once.
"""

from __future__ import annotations

import asyncio
import json
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import zstandard

from mail.body import attachments
from mail.body.attachments import Attached
from mail.errors import SystemDown, SystemFull
from mail.message.text import decoded
from mail.octets import Spool, chunks
from mail.postgres import is_full

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from mail.body.blobs import Blobs
    from mail.message import Part, Structure
    from mail.octets import Octets

INLINE_LIMIT_BYTES = 64 * 1024
THREAD_FROM_BYTES = 256 * 1024  # the loop is held for less than 10 ms by what is smaller
_COMPRESS_FROM_BYTES = 1024
_COMPRESS_UP_TO_BYTES = 1 << 20  # beyond, hardly anything would fit the limit above
_APART_FROM_BYTES = INLINE_LIMIT_BYTES  # of an attachment, decoded; a blob costs 0.6 ms of processor time, and a sync
_WRITTEN_AT_ONCE = 4  # blobs of one message


@dataclass(frozen=True, slots=True)
class Rest:
    """What follows the header, as it is kept.

    layout: the attachments that lie apart, in the order of their places. All that is in none of them, joined, is in
    the row (`inline`) or in the object store (`blob_key`).
    """

    inline: bytes | None
    is_compressed: bool
    blob_key: bytes | None
    layout: tuple[Attached, ...] = ()

    @property
    def is_at_hand(self) -> bool:
        """Whether all of it lies in the row."""
        return self.inline is not None and not self.layout

    @property
    def layout_json(self) -> str | None:
        """The layout as arrays in the order of Attached's fields; None for an empty one."""
        return json.dumps([one.to_row() for one in self.layout]) if self.layout else None


def to_layout(text: str | None) -> tuple[Attached, ...]:
    """What `layout_json` was made from."""
    return tuple(Attached.from_row(row) for row in json.loads(text)) if text else ()


def in_row(content: Octets, structure: Structure) -> Rest | None:
    """What follows the header as it goes into the row; None when it, or an attachment in it, is too large."""
    if len(content) - structure.header_size > _COMPRESS_UP_TO_BYTES or _candidates(structure):
        return None
    return _inline(content[structure.header_size :])


def _candidates(structure: Structure) -> list[Part]:
    """Parts that may lie apart."""
    least = _APART_FROM_BYTES * 4 // 3
    return [part for part in structure.parts if part.encoding == "base64" and part.stop - part.start >= least]


class _Zstandard(threading.local):
    """What compresses, for each thread: to make it anew takes longer than a small message."""

    def __init__(self) -> None:
        self.compressor = zstandard.ZstdCompressor(level=1)
        self.decompressor = zstandard.ZstdDecompressor()


_ZSTANDARD = _Zstandard()


def _inline(own: bytes) -> Rest | None:
    """Compressed when that saves a tenth."""
    if len(own) >= _COMPRESS_FROM_BYTES:
        compressed = _ZSTANDARD.compressor.compress(own)
        if len(compressed) <= min(INLINE_LIMIT_BYTES, len(own) * 9 // 10):
            return Rest(compressed, True, None)
    return Rest(own, False, None) if len(own) <= INLINE_LIMIT_BYTES else None


async def keep(content: Octets, structure: Structure, blobs: Blobs) -> Rest:
    """Put what follows the header in the object store, its attachments apart; durable once this returns.

    What is left besides them goes into the row when it is small. Raises SystemFull, SystemDown.
    """
    try:
        if len(content) < THREAD_FROM_BYTES:
            parted = _part(content, structure)
        else:
            parted = await asyncio.to_thread(_part, content, structure)
        keys = await _write_all(blobs, parted.decoded if parted.rest else [*parted.decoded, parted.own])
    except Exception as error:  # the host's store has its own errors, unknown to mail
        full = is_full(error)
        raise (SystemFull if full else SystemDown)(reason=f"object store: {error!r}") from error
    layout = tuple(one._replace(key=key) for one, key in zip(parted.layout, keys, strict=False))
    return replace(parted.rest or Rest(None, False, keys[-1]), layout=layout)


class _Slices(NamedTuple):
    """Bytes that become one blob."""

    octets: Octets
    spans: Sequence[tuple[int, int]]

    @property
    def size_bytes(self) -> int:
        return sum(stop - start for start, stop in self.spans)

    def chunks(self) -> Iterator[bytes]:
        for start, stop in self.spans:
            yield from chunks(self.octets, start, stop)

    async def stream(self) -> AsyncIterator[bytes]:
        for chunk in self.chunks():
            yield chunk


class _Parted(NamedTuple):
    """A rest taken apart: attachments, their keys still empty, the decoded bytes of each, and all that is besides.

    rest: what is besides, when it is small enough for the row.
    """

    layout: Sequence[Attached]
    decoded: Sequence[_Slices]
    own: _Slices
    rest: Rest | None


def _part(content: Octets, structure: Structure) -> _Parted:
    found, spans, octets = _decoded(content, _candidates(structure))
    at = structure.header_size
    between = []
    for one in found:
        between.append((at, one.start))
        at = one.stop
    own = _Slices(content, [*between, (at, len(content))])
    return _Parted(
        layout=[one._replace(start=one.start - structure.header_size) for one in found],
        decoded=[_Slices(octets, [span]) for span in spans],
        own=own,
        rest=_inline(b"".join(own.chunks())) if found and own.size_bytes <= _COMPRESS_UP_TO_BYTES else None,
    )


def _decoded(content: Octets, parts: Sequence[Part]) -> tuple[list[Attached], list[tuple[int, int]], Octets]:
    """Attachments by their places in the content, and where among these octets the bytes of each lie.

    All share one spool, so that memory is bounded whatever their number.
    """
    found, spans = [], []
    spool = Spool()
    try:
        for part in parts:
            before = spool.size_bytes
            if one := attachments.decode(content, part.start, part.stop, spool):
                found.append(one)
                spans.append((before, spool.size_bytes))
        return found, spans, spool.finish()
    finally:
        spool.discard()


async def _write_all(blobs: Blobs, slices: Sequence[_Slices]) -> list[bytes]:
    """Keep each as a blob, some side by side, and give their keys."""
    if len(slices) == 1:
        return [await _write(blobs, slices[0])]
    turns = asyncio.Semaphore(_WRITTEN_AT_ONCE)

    async def write(one: _Slices) -> bytes:
        async with turns:
            return await _write(blobs, one)

    try:
        async with asyncio.TaskGroup() as group:
            writing = [group.create_task(write(one)) for one in slices]
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in writing]


async def _write(blobs: Blobs, one: _Slices) -> bytes:
    return (await blobs.write(one.stream(), size_bytes=one.size_bytes)).sha256


async def read(rest: Rest, blobs: Blobs, start: int, stop: int) -> AsyncIterator[bytes]:
    """The bytes from `start` to `stop`, in chunks; of the object store no more is read than these need.

    stop: at most where the rest ends. Raises SystemDown when the object store does not give them.
    """
    inline: bytes | None = None
    for one, first, last in attachments.pieces(rest.layout, start, stop):
        if one is not None:
            async for chunk in _encoded(one, blobs, first, last):
                yield chunk
        elif rest.blob_key is not None:
            async for chunk in _blob(blobs, rest.blob_key, first, last):
                yield chunk
        else:
            inline = restored(rest) if inline is None else inline
            for chunk in chunks(inline, first, last):
                yield chunk


async def read_part(rest: Rest, blobs: Blobs, part: Part, header_size: int) -> AsyncIterator[bytes]:
    """The bytes of a part with its encoding undone, in chunks; of one that lies apart, as they are kept.

    Raises SystemDown when the object store does not give them.
    """
    start, stop = part.start - header_size, part.stop - header_size
    apart = next((one for one in rest.layout if one.start == start), None)
    if apart is not None:
        source = _blob(blobs, apart.key, 0, apart.size_bytes)
    else:
        source = decoded(read(rest, blobs, start, stop), part.encoding)
    async for chunk in source:
        yield chunk


def restored(rest: Rest) -> bytes:
    """What lies in the row, as it came."""
    assert rest.inline is not None
    if not rest.is_compressed:
        return rest.inline
    return _ZSTANDARD.decompressor.decompress(rest.inline, max_output_size=_COMPRESS_UP_TO_BYTES)


async def _encoded(one: Attached, blobs: Blobs, start: int, stop: int) -> AsyncIterator[bytes]:
    """A range of an attachment's lines, from no more of its bytes than the lines that it touches."""
    per_line = attachments.decoded_length(one.line_length)
    first_line, ahead = divmod(start, one.line_length + 2)
    last_line = -(-stop // (one.line_length + 2))
    left = ahead + stop - start
    decoded = _blob(blobs, one.key, first_line * per_line, min(last_line * per_line, one.size_bytes))
    async for block in _blocks(decoded, attachments.lines_of(attachments.BLOCK_BYTES, one.line_length) * per_line):
        text = attachments.encode(block, one.line_length)[:left]
        left -= len(text)
        yield text[ahead:]
        ahead = 0


async def _blocks(source: AsyncIterator[bytes], size_bytes: int) -> AsyncIterator[bytes]:
    """The same bytes in blocks of that size, the last one shorter."""
    kept = b""
    async for chunk in source:
        kept += chunk
        whole = len(kept) // size_bytes * size_bytes
        for at in range(0, whole, size_bytes):
            yield kept[at : at + size_bytes]
        kept = kept[whole:]
    if kept:
        yield kept


async def _blob(blobs: Blobs, key: bytes, start: int, stop: int) -> AsyncIterator[bytes]:
    """All of these bytes of a blob. Raises SystemDown."""
    if start >= stop:
        return
    given = 0
    try:
        async for chunk in blobs.read(key, start, stop):
            given += len(chunk)
            yield chunk
    except Exception as error:  # the host's store has its own errors, unknown to mail
        raise SystemDown(reason=f"object store: {error!r}") from error
    if given != stop - start:
        raise SystemDown(reason=f"object store: blob {key.hex()} gave {given} bytes of {stop - start}")
