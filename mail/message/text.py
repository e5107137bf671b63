"""The words of a message: its parts decoded, HTML stripped; for the preview and for search."""

from __future__ import annotations

import binascii
import html
import re
import unicodedata
from typing import TYPE_CHECKING

from mail.message.header import decode_base64, decode_bytes, showable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mail.message.structure import Part

_PREVIEW_CHARACTERS = 200
_PREVIEW_BYTES = 4096  # encoded bytes that are looked at for it
_HTML_LEAD_BYTES = 32 * 1024  # a style sheet often stands first
_BLANKS = re.compile(r"\s+")
_HIDDEN = ("style", "script", "head", "title")
_MARK = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)|<!--")


def decode_part(raw: bytes, encoding: str) -> bytes:
    """The bytes of a part, its content transfer encoding undone."""
    if encoding == "base64":
        return decode_base64(raw)
    if encoding == "quoted-printable":
        return binascii.a2b_qp(raw)
    return raw


def preview(content: bytes, parts: Sequence[Part]) -> str:
    """The first words of the first text, at most 200 characters; empty when there is none."""
    texts = [part for part in parts if not part.is_attachment]
    for wanted in ("text/plain", "text/"):
        for part in texts:
            if part.type.startswith(wanted):
                lead = _PREVIEW_BYTES if part.type == "text/plain" else _HTML_LEAD_BYTES
                return _text(content[part.start : min(part.stop, part.start + lead)], part)[:_PREVIEW_CHARACTERS]
    return ""


def words(content: bytes, parts: Sequence[Part], limit: int) -> Iterator[str]:
    """What search finds in the parts: their text and their file names, some `limit` characters in all."""
    for part in parts:
        if part.filename:
            yield part.filename
        if part.type.startswith("text/") and limit > 0:
            text = _text(content[part.start : min(part.stop, part.start + 2 * limit)], part)[:limit]
            limit -= len(text)
            yield text


def fold(text: str) -> str:
    """Without case and accents, so that `Décision` and `decision` are the same word."""
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter)).casefold()


def _text(raw: bytes, part: Part) -> str:
    text = decode_bytes(decode_part(raw, part.encoding), part.charset)
    if part.type == "text/html":
        text = strip_html(text)
    return _BLANKS.sub(" ", showable(text)).strip()


def strip_html(text: str) -> str:
    """The text between the tags, style sheets and scripts left out. For words only: never shown as HTML."""
    kept = []
    position = 0
    while (found := _MARK.search(text, position)) is not None:
        kept.append(text[position : found.start()])
        position = _end_of_mark(text, found)
        kept.append(" ")
    kept.append(text[position:])
    return html.unescape("".join(kept))


def _end_of_mark(text: str, found: re.Match[str]) -> int:
    """Where the text goes on after that tag, comment or hidden element; the end when it never closes."""
    if found[0] == "<!--":
        closing = "-->"
    elif not found[1] and found[2].lower() in _HIDDEN:
        after = re.compile(rf"</{found[2]}\s*>", re.IGNORECASE).search(text, found.end())
        return after.end() if after else len(text)
    else:
        closing = ">"
    end = text.find(closing, found.end())
    return end + len(closing) if end >= 0 else len(text)
