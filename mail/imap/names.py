"""Mailbox names on the wire: modified UTF-7 (RFC 3501 §5.1.3), and the patterns of LIST (RFC 9051 §6.3.9)."""

from __future__ import annotations

import binascii
import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

DELIMITER = "/"
INBOX = "INBOX"

_PLAIN = re.compile(r"[\x20-\x25\x27-\x7e]+")
_SHIFTED = re.compile(rb"&([A-Za-z0-9+,]*)-")
_WILDCARDS = re.compile(r"[*%]{2,}")


def encode(name: str) -> bytes:
    """A name in modified UTF-7."""
    pieces = []
    end = 0
    for plain in _PLAIN.finditer(name):
        pieces.append(_shift(name[end : plain.start()]))
        pieces.append(plain[0].encode("ascii"))
        end = plain.end()
    pieces.append(_shift(name[end:]))
    return b"".join(pieces)


def _shift(text: str) -> bytes:
    """A run of what is not plain ASCII; `&` among it stands as `&-`."""
    return b"&-".join(
        b"&" + binascii.b2a_base64(run.encode("utf-16-be"), newline=False).rstrip(b"=").replace(b"/", b",") + b"-"
        if run
        else b""
        for run in text.split("&")
    )


def decode(raw: bytes) -> str:
    """A name from modified UTF-7. Raises ValueError for what `encode` would never give: one name has one form."""
    pieces = []
    end = 0
    for shifted in _SHIFTED.finditer(raw):
        pieces.append(raw[end : shifted.start()].decode("ascii"))
        pieces.append(_unshift(shifted[1]))
        end = shifted.end()
    pieces.append(raw[end:].decode("ascii"))
    name = "".join(pieces)
    if encode(name) != raw:
        raise ValueError("no modified UTF-7")
    return name


def _unshift(text: bytes) -> str:
    if not text:
        return "&"
    padded = text.replace(b",", b"/") + b"=" * (-len(text) % 4)
    return binascii.a2b_base64(padded, strict_mode=True).decode("utf-16-be")


def canonical(name: str) -> str:
    """The name in Net-Unicode (RFC 5198 §2), with INBOX, however it was written, in capitals."""
    name = unicodedata.normalize("NFC", name)
    first, delimiter, rest = name.partition(DELIMITER)
    return INBOX + delimiter + rest if first.upper() == INBOX else name


def matcher(reference: str, patterns: Sequence[str]) -> Callable[[str], bool]:
    """Whether a name is one that LIST asks for: `*` stands for anything, `%` for anything within a level.

    The time is that of the name's length times the number of wildcards, at most.
    """
    wanted = [_pieces(canonical(reference + pattern)) for pattern in patterns]
    for_inbox = [[piece.upper() for piece in pieces] for pieces in wanted]
    return lambda name: any(_matches(name, pieces) for pieces in (for_inbox if name == INBOX else wanted))


def _pieces(pattern: str) -> list[str]:
    """Runs of characters and wildcards, neighbouring wildcards made one: `*%` is `*`."""
    pattern = _WILDCARDS.sub(lambda run: "*" if "*" in run[0] else "%", pattern)
    return re.findall(r"[*%]|[^*%]+", pattern)


def _matches(name: str, pieces: list[str]) -> bool:
    """By the places, as bits, at which what was read of the pattern may end."""
    end = 1 << len(name)
    places = 1
    for piece in pieces:
        if piece == "*":
            places = _from_lowest(places, end)
        elif piece == "%":
            places = _spread(name, places)
        else:
            places = (places & _starts(name, piece, places)) << len(piece)
        if not places:
            return False
    return bool(places & end)


def _from_lowest(places: int, last: int) -> int:
    """All bits from the lowest of these to the last."""
    return (last << 1) - (places & -places)


def _spread(name: str, places: int) -> int:
    """Every place of a level that follows one of these within it, the level's end included."""
    spread, start = 0, 0
    while start <= len(name):
        end = name.find(DELIMITER, start)
        end = len(name) if end < 0 else end
        level = places & ((2 << end) - (1 << start))
        if level:
            spread |= _from_lowest(level, 1 << end)
        start = end + 1
    return spread


def _starts(name: str, piece: str, places: int) -> int:
    """Where that piece stands in the name, from the lowest of these places on."""
    found = 0
    at = name.find(piece, (places & -places).bit_length() - 1)
    while at >= 0:
        found |= 1 << at
        at = name.find(piece, at + 1)
    return found
