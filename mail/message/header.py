"""Header fields: found, unfolded, decoded. Every function takes hostile bytes and time linear in their number."""

from __future__ import annotations

import binascii
import codecs
import re
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_tz
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, TypeAlias
from urllib.parse import unquote_to_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator


Fields: TypeAlias = dict[bytes, list[bytes]]
"""Values by lower-case name, in order, unfolded and stripped."""

_KEPT = frozenset(
    b"subject from sender reply-to to cc bcc date message-id in-reply-to references received delivered-to return-path "
    b"content-type content-transfer-encoding content-disposition content-id content-description content-language "
    b"content-location content-md5".split()
)
VALUE_LIMIT_BYTES = 64 * 1024  # bytes of a value that are looked at
_SHOWN_LIMIT = 1000  # characters of a decoded value
_PARAMETERS_LIMIT = 100
_DAY_SECONDS = 24 * 60 * 60
_CHARSETS = re.compile(
    r"ascii|utf-(?:8|7|16(?:-[lb]e)?|32(?:-[lb]e)?)|iso8859-\d+|iso2022_\w+|cp\d+|koi8-\w|mac-\w+"
    r"|gb2312|gbk|gb18030|hz|big5\w*|euc_\w+|shift_jis\w*|johab|tis-620|hp-roman8|ptcp154|kz1048"
)
_UNSHOWABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_ENCODED_WORD = re.compile(rb"=\?([^?\s*]{1,40})(?:\*[^?\s]{0,40})?\?([bBqQ])\?([^?\s]*)\?=")
_PARAMETER = re.compile(rb';\s*([^\s=;"]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)(?:"|\Z)|([^\s;]*))', re.DOTALL)
_COMMENT_OR_QUOTED = re.compile(rb'\(|"(?:[^"\\]|\\.)*(?:"|\Z)', re.DOTALL)
_COMMENT_EDGE = re.compile(rb"[()]|\\.", re.DOTALL)
_CONTINUED = re.compile(rb"([^*]+)(?:\*(\d{1,3}))?(\*)?")
_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)


def split_fields(header: bytes) -> Fields:
    """The fields that this server looks at; lines that are no field are passed over."""
    found: list[tuple[bytes, list[bytes]]] = []
    pieces: list[bytes] | None = None
    for line in header.split(b"\r\n"):
        if line[:1] in (b" ", b"\t"):
            if pieces is not None:
                pieces.append(line)
            continue
        name, colon, value = line.partition(b":")
        name = name.rstrip(b" \t").lower()
        if colon and name in _KEPT:
            pieces = [value]
            found.append((name, pieces))
        else:
            pieces = None
    fields: Fields = {}
    for name, pieces in found:
        fields.setdefault(name, []).append(b"".join(pieces).strip()[:VALUE_LIMIT_BYTES])
    return fields


def lines(header: bytes) -> Iterator[tuple[str, str]]:
    """Every field of a header, in order: its name in lower case, its value decoded."""
    pieces: list[list[bytes]] = []
    for line in header.split(b"\r\n"):
        if line[:1] not in (b" ", b"\t"):
            pieces.append([line])
        elif pieces:
            pieces[-1].append(line)
    for line in map(b"".join, pieces):
        name, colon, value = line.partition(b":")
        if colon:
            yield name.rstrip(b" \t").decode("ascii", "replace").lower(), decode(value, limit=VALUE_LIMIT_BYTES)


def first(fields: Fields, name: bytes) -> bytes:
    """The first value of that field; empty when it is absent."""
    return fields[name][0] if name in fields else b""


def last(fields: Fields, name: bytes) -> bytes | None:
    """The last value of that field, the one that a signature covers (RFC 6376 §5.4.2); None when it is absent."""
    return fields[name][-1] if name in fields else None


def without(header: bytes, name: bytes) -> bytes:
    """The header with every field of that (lower-case) name taken out, folded lines and all."""
    kept = []
    is_cut = False
    for line in header.splitlines(keepends=True):
        if line[:1] not in (b" ", b"\t"):
            is_cut = line.partition(b":")[0].rstrip(b" \t").lower() == name
        if not is_cut:
            kept.append(line)
    return b"".join(kept)


def decode(value: bytes, *, limit: int = _SHOWN_LIMIT) -> str:
    """A value as text: encoded words undone (RFC 2047), 8-bit bytes taken as UTF-8 or else Windows-1252.

    limit: characters that are kept.
    """
    if not value:
        return ""
    value = value[:VALUE_LIMIT_BYTES]
    if value.isascii() and b"=?" not in value:
        text = value.decode("ascii")
        if text.isprintable() and "  " not in text:
            return text.strip()[:limit]
    text = _decode_words(value) if b"=?" in value else decode_bytes(value, "")
    return on_one_line(text)[:limit]


def _decode_words(value: bytes) -> str:
    """Neighbouring words of one charset are joined before decoding: some mailers cut characters in two."""
    pieces: list[tuple[str, bytes]] = []
    end = 0
    for word in _ENCODED_WORD.finditer(value):
        between = value[end : word.start()]
        charset = word[1].decode("ascii", "replace").lower()
        if between.strip() or not pieces:
            pieces.append(("", between))
        raw = _decode_word(word[2], word[3])
        if pieces and pieces[-1][0] == charset:
            pieces[-1] = (charset, pieces[-1][1] + raw)
        else:
            pieces.append((charset, raw))
        end = word.end()
    pieces.append(("", value[end:]))
    return "".join(decode_bytes(raw, charset) for charset, raw in pieces)


def _decode_word(encoding: bytes, text: bytes) -> bytes:
    if encoding in b"qQ":
        return binascii.a2b_qp(text.replace(b"_", b" "))
    return decode_base64(text)


def decode_base64(text: bytes) -> bytes:
    """What base64 can be made out; the rest is dropped."""
    try:
        return binascii.a2b_base64(text + b"==")
    except binascii.Error:
        whole = len(re.sub(rb"[^A-Za-z0-9+/]", b"", text)) // 4 * 4
        return binascii.a2b_base64(re.sub(rb"[^A-Za-z0-9+/]", b"", text)[:whole])


def decode_bytes(raw: bytes, charset: str) -> str:
    """Text of that charset; of an unknown or wrong one, UTF-8 if it is valid, else Windows-1252."""
    if raw.isascii() and charset[:3] not in {"utf", "iso", "hz", "unicode"}:
        return raw.decode("ascii")
    known = known_charset(charset)
    for candidate in (known, "utf-8") if known else ("utf-8",):
        try:
            return raw.decode(candidate)
        except UnicodeError:
            continue
    return raw.decode(known or "cp1252", "replace")


def known_charset(charset: str) -> str:
    """Its Python name, for charsets that mail uses; Python's own codecs such as unicode_escape are none."""
    try:
        name = codecs.lookup(charset).name if charset and charset.isascii() and "\0" not in charset else ""
    except LookupError:
        return ""
    return name if _CHARSETS.fullmatch(name) else ""


def showable(text: str) -> str:
    """Without control characters and halves of characters, which neither a page nor the database takes."""
    return _UNSHOWABLE.sub("", text)


def on_one_line(text: str) -> str:
    """What can be shown of it, its blanks and line ends each made one space."""
    return " ".join(showable(text).split())


def parse_date(value: bytes) -> datetime | None:
    """The instant a Date field tells, in the zone it is written in; None if it tells none.

    A time of day that cannot be is midnight, a zone that cannot be is UTC (RFC 5256 §2.2).
    """
    try:
        found = parsedate_tz(value[:100].decode("ascii", "replace"))
        if found is None:
            return None
        year, month, day, hour, minute, second = found[:6]
        offset_seconds = found[9] or 0
        if not (0 <= hour < 24 and 0 <= minute < 60 and 0 <= second <= 60):
            hour = minute = second = 0
        zone = timezone(timedelta(seconds=offset_seconds)) if abs(offset_seconds) < _DAY_SECONDS else UTC
        instant = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=zone)
        instant.astimezone(UTC)  # it can be told in UTC too
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return instant


def comment_end(value: bytes, start: int) -> tuple[int, bytes]:
    """Where the comment that begins at `start` ends (at the end of all if it never does), and what it says."""
    depth = 0
    for edge in _COMMENT_EDGE.finditer(value, start):
        depth += {b"(": 1, b")": -1}.get(edge[0], 0)
        if depth == 0:
            return edge.end(), _ESCAPE.sub(rb"\1", value[start + 1 : edge.start()])
    return len(value), b""


def without_comments(value: bytes) -> bytes:
    """The value with a blank for every comment (RFC 5322 §3.2.2)."""
    if b"(" not in value:
        return value
    pieces = []
    end = 0
    while (found := _COMMENT_OR_QUOTED.search(value, end)) is not None:
        if found[0] == b"(":
            pieces += [value[end : found.start()], b" "]
            end, _ = comment_end(value, found.start())
        else:
            pieces.append(value[end : found.end()])
            end = found.end()
    pieces.append(value[end:])
    return b"".join(pieces)


def parse_parameters(value: bytes) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """A value such as `text/plain; charset=utf-8`: what stands before the first `;`, and the parameters, as written."""
    value = without_comments(value)
    head, semicolon, _ = value.partition(b";")
    parameters: list[tuple[bytes, bytes]] = []
    if not semicolon:
        return head.strip(), parameters
    for found in islice(_PARAMETER.finditer(value, len(head)), _PARAMETERS_LIMIT):
        quoted = found[2]
        parameters.append((found[1], found[3] if quoted is None else _ESCAPE.sub(rb"\1", quoted)))
    return head.strip(), parameters


def joined(parameters: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The same with those that came in pieces made one (RFC 2231 §3): `a*0`, `a*1` are `a`; `a*0*`, `a*1` are `a*`.

    Pieces of which one is missing stay as they are. What came in pieces stands last.
    """
    if not any(b"*" in name for name, _ in parameters):
        return parameters
    whole: list[tuple[bytes, bytes]] = []
    pieces: dict[bytes, list[_Piece]] = {}
    for name, value in parameters:
        found = _CONTINUED.fullmatch(name)
        if found is None or found[2] is None:
            whole.append((name, value))
        else:
            piece = _Piece(int(found[2]), found[3] is not None, name, value)
            pieces.setdefault(found[1].lower(), []).append(piece)
    for found_pieces in pieces.values():
        whole += _one(sorted(found_pieces))
    return whole


class _Piece(NamedTuple):
    place: int
    is_encoded: bool
    name: bytes
    value: bytes


def _one(pieces: list[_Piece]) -> list[tuple[bytes, bytes]]:
    if [piece.place for piece in pieces] != list(range(len(pieces))):
        return [(piece.name, piece.value) for piece in pieces]
    name = pieces[0].name.partition(b"*")[0]
    if not any(piece.is_encoded for piece in pieces):
        return [(name, b"".join(piece.value for piece in pieces))]
    value = b"".join(piece.value if piece.is_encoded else piece.value.replace(b"%", b"%25") for piece in pieces)
    return [(name + b"*", value if pieces[0].is_encoded else b"''" + value)]


def parameter(parameters: list[tuple[bytes, bytes]], name: bytes) -> str:
    """One parameter as text, its pieces joined and decoded (RFC 2231; also the encoded words of older mailers)."""
    if not parameters:
        return ""
    named = {key.lower(): value for key, value in reversed(joined(parameters))}
    encoded = named.get(name + b"*")
    if encoded is None:
        return decode(named.get(name, b""))
    charset, _, text = encoded.split(b"'", 2) if encoded.count(b"'") > 1 else (b"", b"", encoded)
    raw = unquote_to_bytes(text)
    return on_one_line(decode_bytes(raw, charset.decode("ascii", "replace").lower()))[:_SHOWN_LIMIT]
