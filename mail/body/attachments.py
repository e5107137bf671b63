"""Attachments kept decoded: base64 lines that encode again to the very bytes that came.

Lines of one length, a multiple of four, map exactly: so many characters, three quarters as many bytes, a CRLF. Whatever
is not so, to the last bit of the last letter, is not kept decoded.
"""

from __future__ import annotations

import binascii
import struct
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mail.octets import Octets, Spool

LINE_LIMIT = 64 * 1024  # characters; RFC 2045 §6.8 allows 76
BLOCK_BYTES = 192 * 1024  # decoded at once, or encoded: what a line leaves over apart, 256 KiB of text
_LINE_LEAST = 16  # characters; in shorter ones the line ends are what is stored


class Attached(NamedTuple):
    """Base64 lines of a message whose bytes lie decoded under a key of their own.

    key: of the blob. start: where the lines begin, in what follows the header. size_bytes: decoded. line_length:
    characters of every line but the last, which may be shorter and whose CRLF does not belong to them.
    """

    key: bytes
    start: int
    size_bytes: int
    line_length: int

    @property
    def stop(self) -> int:
        """Where the lines end."""
        letters = -(-self.size_bytes // 3) * 4
        return self.start + letters + 2 * max(0, -(-letters // self.line_length) - 1)

    def to_row(self) -> tuple[str | int, ...]:
        """The fields in their order: what `from_row` takes."""
        return self.key.hex(), self.start, self.size_bytes, self.line_length

    @classmethod
    def from_row(cls, row: Sequence[Any]) -> Attached:
        """One as it was kept."""
        key, *numbers = row
        return cls(bytes.fromhex(key), *numbers)


def pieces(layout: Sequence[Attached], start: int, stop: int) -> Iterator[tuple[Attached | None, int, int]]:
    """What a range of the rest is made of, in order: whose it is, and from where to where there.

    Of an attachment the offsets count in its encoded lines; None stands for all that is in none, offsets counted in
    that alone.
    """
    passed = 0  # encoded bytes of the attachments before
    for attached in layout:
        if start >= stop:
            return
        if start < attached.start:
            yield None, start - passed, min(stop, attached.start) - passed
            start = attached.start
        if start < min(stop, attached.stop):
            yield attached, start - attached.start, min(stop, attached.stop) - attached.start
            start = attached.stop
        passed += attached.stop - attached.start
    if start < stop:
        yield None, start - passed, stop - passed


def decoded_length(line_length: int) -> int:
    """How many bytes a full line stands for."""
    return line_length // 4 * 3


def lines_of(size_bytes: int, line_length: int) -> int:
    """How many full lines stand for at most so many bytes; at least one."""
    return max(1, size_bytes // decoded_length(line_length))


def encode(content: bytes, line_length: int) -> bytes:
    """Base64 in lines of that length, each with its CRLF."""
    letters = binascii.b2a_base64(content, newline=False)
    whole, left = divmod(len(letters), line_length)
    return b"\r\n".join(struct.unpack(f"{line_length}s" * whole + f"{left}s" * (left > 0) + "0s", letters))


def decode(content: Octets, start: int, stop: int, spool: Spool) -> Attached | None:
    """Base64 lines from `start` on, decoded into the spool; None when `encode` would not give the same bytes.

    They end at `stop`, or before the line ends there. Gives their place in `content`, the key still empty; what went
    into the spool before a None is of no use.
    """
    found = content.find(b"\r\n", start, min(stop, start + LINE_LIMIT + 2))
    length = (stop if found < 0 else found) - start
    if length % 4 or not _LINE_LEAST <= length <= LINE_LIMIT:
        return None
    stop = _without_line_ends(content, start, stop)
    lines = lines_of(BLOCK_BYTES, length)
    block = lines * (length + 2)
    size_bytes = 0
    for at in range(start, stop, block):
        decoded = _decoded(content[at : min(at + block, stop)], length)
        if decoded is None or (at + block < stop and len(decoded) != lines * decoded_length(length)):
            return None
        spool.write(decoded)
        size_bytes += len(decoded)
    return Attached(b"", start, size_bytes, length)


def _decoded(text: bytes, line_length: int) -> bytes | None:
    """Whole lines, the last perhaps short and without its CRLF; None when they are not as `encode` gives them.

    That is so if the line ends stand where they must, every other character gave its six bits, and the last four, of
    which some may be padding, come back the same.
    """
    returns, feeds = text[line_length :: line_length + 2], text[line_length + 1 :: line_length + 2]
    if returns.strip(b"\r") or feeds.strip(b"\n"):
        return None
    try:
        decoded = binascii.a2b_base64(text)
    except binascii.Error:
        return None
    letters = text[-6:].rstrip(b"\r\n")
    padding = letters[-2:].count(b"=")
    if len(decoded) + padding != (len(text) - len(returns) - len(feeds)) / 4 * 3:
        return None
    return decoded if binascii.b2a_base64(decoded[-3 + padding :], newline=False) == letters[-4:] else None


def _without_line_ends(content: Octets, start: int, stop: int) -> int:
    """Where the last line ends."""
    while stop > start:
        tail = content[max(start, stop - 1024) : stop]
        kept = len(tail.rstrip(b"\r\n"))
        if kept:
            return stop - len(tail) + kept
        stop -= len(tail)
    return stop
