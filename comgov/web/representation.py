"""How HTTP speaks of a file: validator, ranges, digest, name. Pure functions of RFC 9110, 9530, 6266 and 8187."""

from __future__ import annotations

import base64
import binascii
import mimetypes
import re
from enum import Enum
from typing import TYPE_CHECKING
from urllib.parse import quote

from comgov.errors import Invalid
from comgov.language import N_

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiohttp import ETag

OCTETS = "application/octet-stream"

_RANGE = re.compile(r"bytes=\s*(?P<first>[0-9]{0,19})-(?P<last>[0-9]{0,19})\s*", re.IGNORECASE)
_DIGEST = re.compile(r"(?:^|,)\s*sha-256\s*=\s*:?(?P<value>[A-Za-z0-9+/=]+):?\s*(?:;[^,]*)?(?=,|$)", re.IGNORECASE)
_ANNOUNCED = re.compile(r"(?:^|,)\s*sha-256\s*=", re.IGNORECASE)
_VIEWED = {
    "image/gif": "image/gif",
    "image/jpeg": "image/jpeg",
    "image/png": "image/png",
    "image/webp": "image/webp",
    "text/csv": "text/plain; charset=utf-8",
    "text/plain": "text/plain; charset=utf-8",
}
"""What a browser may show in place, and as what: nothing that can act."""

_TYPES = mimetypes.MimeTypes()  # its own table: the machine's files say something else on every machine


class Unsatisfiable(Enum):
    """No byte of the file lies in the range asked for (416)."""

    RANGE = 0


def selected(range_header: str | None, size_bytes: int) -> range | Unsatisfiable | None:
    """The positions that a Range header selects; None for the whole file (RFC 9110 §14.2).

    What is no single range of bytes (another unit, several ranges, nonsense) is ignored, as §14.2 lets a server do.
    """
    found = _RANGE.fullmatch(range_header.strip()) if range_header else None
    if found is None or not (found["first"] or found["last"]):
        return None
    if not found["first"]:
        return range(size_bytes)[-int(found["last"]) :] if int(found["last"]) and size_bytes else Unsatisfiable.RANGE
    first = int(found["first"])
    if found["last"] and int(found["last"]) < first:
        return None
    if first >= size_bytes:
        return Unsatisfiable.RANGE
    return range(first, min(int(found["last"]) + 1, size_bytes) if found["last"] else size_bytes)


def matches(tags: Iterable[ETag], own: str, *, is_weak_enough: bool = False) -> bool:
    """Whether one of the tags is our own, or `*`. is_weak_enough: compare weakly (RFC 9110 §8.8.3.2)."""
    return any(tag.value in ("*", own) and (is_weak_enough or not tag.is_weak) for tag in tags)


def may_resume(if_range: str | None, own: str) -> bool:
    """Whether a Range holds under that If-Range: none was sent, or it names these very bytes (RFC 9110 §13.1.5).

    A date is never believed: two versions may be of the same second.
    """
    return if_range is None or if_range.strip() == f'"{own}"'


def announced_digest(*headers: str | None) -> bytes | None:
    """The SHA-256 that Content-Digest, Repr-Digest or the older Digest announce; None if none does (RFC 9530, 3230).

    Raises Invalid when one is announced that cannot be read, or two differ.
    """
    found = {_digest(header) for header in headers if header is not None and _ANNOUNCED.search(header)}
    if len(found) > 1:
        raise _unreadable()
    return found.pop() if found else None


def _digest(header: str) -> bytes:
    values = [match["value"] for match in _DIGEST.finditer(header)]
    try:
        digests = {base64.b64decode(value, validate=True) for value in values}
    except (binascii.Error, ValueError) as error:
        raise _unreadable() from error
    if len(digests) != 1 or len(digest := digests.pop()) != 32:
        raise _unreadable()
    return digest


def _unreadable() -> Invalid:
    return Invalid(N_("The digest that was announced cannot be read. Nothing was kept."))


def digest_header(sha256: bytes) -> str:
    """The value of Repr-Digest (RFC 9530 §3)."""
    return f"sha-256=:{base64.b64encode(sha256).decode()}:"


def content_disposition(name: str, *, is_inline: bool = False) -> str:
    """How to save it, whatever letters its name has (RFC 6266 appendix D, RFC 8187)."""
    plain = "".join(c if " " <= c <= "~" and c not in '"\\%;' else "_" for c in name)
    kind = "inline" if is_inline else "attachment"
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def media_type(name: str) -> str:
    """What a name's extension promises; octets when it promises nothing."""
    return _TYPES.guess_type(f"x{name[-40:]}", strict=True)[0] or OCTETS


def viewed_as(name: str) -> str | None:
    """The type under which a browser may show it in place; None for what it must save."""
    return _VIEWED.get(media_type(name))
