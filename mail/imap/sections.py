"""Where sections of a message lie, and the fields of a header that a client wants (RFC 9051 §6.4.5.1)."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from mail.imap.commands import Text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mail.imap.commands import Section
    from mail.mailbox.rows import Row
    from mail.message import Place


def bounds_of(row: Row, section: Section, places: Mapping[str, Place]) -> tuple[int, int] | None:
    """First byte and end of a section in the message as it is read; None when there is none. places: of its parts."""
    size = len(row.trace) + len(row.header)
    if not section.part:
        if section.text is Text.ALL:
            return 0, row.size_bytes
        return (size, row.size_bytes) if section.text is Text.TEXT else (0, size)
    place = places.get(section.part)
    bounds = None if place is None else _of_place(place, section.text)
    if bounds is None:
        return None
    start, stop = bounds
    return (start + len(row.trace) if start else 0), stop + len(row.trace)


def _of_place(place: Place, text: Text) -> tuple[int, int] | None:
    if text is Text.ALL:
        return place.start, place.stop
    if text is Text.MIME:
        return place.header, place.start
    if not place.text:
        return None
    return (place.text, place.stop) if text is Text.TEXT else (place.start, place.text)


def narrowed(start: int, stop: int, span: tuple[int, int] | None) -> tuple[int, int]:
    """The part of a range that `<first.count>` names."""
    if span is None:
        return start, stop
    first = min(start + span[0], stop)
    return first, min(first + span[1], stop)


def header_fields(header: bytes, names: frozenset[bytes], *, besides: bool) -> bytes:
    """The fields of these lower-case names byte for byte, or all others, and the empty line (RFC 9051 §6.4.5.1).

    A header without an empty line, that of a message without a body, has none here either.
    """
    has_end = header.endswith(b"\r\n\r\n") or header == b"\r\n"
    kept = bytearray()
    is_kept = besides
    for line in BytesIO(header[:-2] if has_end else header):  # no list of a megabyte of lines
        if line[0] not in b" \t":
            name, colon, _ = line.partition(b":")
            is_kept = (bool(colon) and name.rstrip(b" \t").lower() in names) is not besides
        if is_kept:
            kept += line
    return bytes(kept + b"\r\n" if has_end else kept)
