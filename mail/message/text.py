"""The words of a message: its parts decoded, HTML stripped; for the preview and for search."""

from __future__ import annotations

import binascii
import html
import re
import unicodedata
from typing import TYPE_CHECKING

from mail.message.header import decode_base64, decode_bytes, on_one_line

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from mail.message.part import Part
    from mail.octets import Octets

_PREVIEW_CHARACTERS = 200
_PREVIEW_BYTES = 1536  # encoded bytes that are looked at for it
_HTML_LEAD_BYTES = 32 * 1024  # a style sheet often stands first
_HIDDEN = ("style", "script", "head", "title")
_BLANKS_AT_END = re.compile(rb"(?<![ \t])[ \t]+(?=\r?\n)")
_NO_BASE64 = re.compile(rb"[^A-Za-z0-9+/=]")
_LINE_LIMIT = 64 * 1024
_NO_REFERENCE = re.compile(r"&#[xX]?[0-9a-fA-F]{9,}")  # more digits than any letter has, and than int() takes
_MARK = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)|<!--")


def decode_part(raw: bytes, encoding: str) -> bytes:
    """The bytes of a part, its content transfer encoding undone."""
    if encoding == "base64":
        return decode_base64(raw)
    if encoding == "quoted-printable":
        return binascii.a2b_qp(_BLANKS_AT_END.sub(b"", raw))  # RFC 2045 §6.7, rule 3
    return raw


async def decoded(chunks: AsyncIterator[bytes], encoding: str) -> AsyncIterator[bytes]:
    """The same bytes with their content transfer encoding undone, as they come."""
    if encoding not in {"base64", "quoted-printable"}:
        async for chunk in chunks:
            yield chunk
        return
    left = b""
    async for chunk in chunks:
        ready, left = _CUTS[encoding](left + chunk)
        if ready:
            yield decode_part(ready, encoding)
    if left:
        yield decode_part(left, encoding)


def _cut_base64(raw: bytes) -> tuple[bytes, bytes]:
    """Whole groups of four, and what is left over."""
    letters = _NO_BASE64.sub(b"", raw)
    whole = len(letters) // 4 * 4
    return letters[:whole], letters[whole:]


def _cut_lines(raw: bytes) -> tuple[bytes, bytes]:
    """Whole lines, and what is left over; of an endless line, what surely cuts no escape in two."""
    whole = raw.rfind(b"\n") + 1
    if not whole and len(raw) > _LINE_LIMIT:
        whole = raw.rfind(b"=", len(raw) - 3)
        whole = len(raw) if whole < 0 else whole
    return raw[:whole], raw[whole:]


_CUTS = {"base64": _cut_base64, "quoted-printable": _cut_lines}


def preview(content: Octets, parts: Sequence[Part]) -> str:
    """The first words of the first text, at most 200 characters; empty when there is none."""
    texts = [part for part in parts if not part.is_attachment]
    for wanted in ("text/plain", "text/"):
        for part in texts:
            if part.type.startswith(wanted):
                lead = _PREVIEW_BYTES if part.type == "text/plain" else _HTML_LEAD_BYTES
                return readable(content[part.start : min(part.stop, part.start + lead)], part)[:_PREVIEW_CHARACTERS]
    return ""


class _Unmarked(dict[int, int | None]):
    """For str.translate: takes accents away. It remembers what real text uses, and not all that a hostile one can."""

    def __missing__(self, code: int) -> int | None:
        kept = None if all(map(unicodedata.combining, unicodedata.normalize("NFKD", chr(code)))) else code
        if len(self) < _REMEMBERED_LETTERS:
            self[code] = kept
        return kept


_REMEMBERED_LETTERS = 4096
_UNMARKED = _Unmarked()


def fold(text: str) -> str:
    """Without case and accents, so that `Décision` and `decision` are the same word.

    Accents that stand alone go first: to put a million of them in order takes minutes.
    """
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKD", text.translate(_UNMARKED)).translate(_UNMARKED).casefold()


def collation_key(text: str) -> str:
    """What to compare in its stead, byte by byte: case and accents aside, capitals before signs such as `_`.

    So does i;unicode-casemap (RFC 5051) order texts, except that accents count there.
    """
    return fold(text).upper()


def readable(raw: bytes, part: Part) -> str:
    """The text of a part, from its encoded bytes: decoded, HTML stripped, blanks folded."""
    text = decode_bytes(decode_part(raw, part.encoding), part.charset)
    if part.type == "text/html":
        text = strip_html(text)
    return on_one_line(text)


def strip_html(text: str) -> str:
    """The text between the tags, style sheets and scripts left out. For words only: never shown as HTML."""
    kept = []
    position = 0
    while (found := _MARK.search(text, position)) is not None:
        kept.append(text[position : found.start()])
        position = _end_of_mark(text, found)
        kept.append(" ")
    kept.append(text[position:])
    return html.unescape(_NO_REFERENCE.sub("\ufffd", "".join(kept)))


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
