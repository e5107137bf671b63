"""What a file or folder may be called, and how names compare.

Names keep their case and are unique in a folder without regard to it, as on the machines of those who will open them.
A name is made of what one can read: composed (NFC), no control, no separator of paths, nothing that reverses or hides
the text around it (Unicode TR36 §2.5: `annexe` + U+202E + `fdp.exe` reads `annexeexe.pdf`).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from comgov.errors import Invalid
from comgov.language import N_

NAME_LIMIT_BYTES = 255
"""In UTF-8: what the file systems that will receive a copy can take (POSIX NAME_MAX)."""

_PATH_LIMIT_BYTES = 16_384
_SORT_KEY_LIMIT = 400  # characters: an index row must hold it
_FORBIDDEN_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})
_BIDI_CONTROLS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_INVISIBLE = frozenset("\u200b\u2060\ufeff")


def check_name(name: str) -> str:
    """The name as it will be kept: composed, without spaces around it or dots and spaces at its end.

    Raises Invalid for a name that cannot be taken.
    """
    kept = unicodedata.normalize("NFC", name).strip().rstrip(". ")
    if not kept:
        raise Invalid(N_("A name cannot be empty or made of dots. Please choose another one."))
    if any(_is_forbidden(character) for character in kept):
        raise Invalid(
            N_("A name cannot hold “/”, “\\”, line breaks or invisible characters. Please choose another one."),
            reason=ascii(kept)[:300],
        )
    if len(kept.encode()) > NAME_LIMIT_BYTES:
        raise Invalid(N_("This name is too long (at most {limit} bytes). Please shorten it."), limit=NAME_LIMIT_BYTES)
    return kept


def _is_forbidden(character: str) -> bool:
    return (
        character in "/\\"
        or character in _BIDI_CONTROLS
        or character in _INVISIBLE
        or unicodedata.category(character) in _FORBIDDEN_CATEGORIES
    )


def uploaded_name(filename: str) -> str:
    """The name for a file as a browser sent it; some send the path on their own disk, of which the last part counts.

    Raises Invalid as check_name does.
    """
    return check_name(re.split(r"[/\\]", filename)[-1])


def split_path(path: str, depth_limit: int) -> tuple[str, ...]:
    """The names along a path such as `Rapports/2026/bilan.pdf`, each checked; none for the root.

    Raises Invalid for an empty part, `.`, `..`, a name that cannot be taken, or more than `depth_limit` parts.
    """
    if len(path.encode(errors="surrogatepass")) > _PATH_LIMIT_BYTES:
        raise Invalid(N_("This path is too long."))
    trimmed = path.strip("/")
    parts = trimmed.split("/") if trimmed else []
    if len(parts) > depth_limit:
        raise too_deep(depth_limit)
    return tuple(check_name(part) for part in parts)


def too_deep(limit: int) -> Invalid:
    """Something would lie beneath too many folders."""
    return Invalid(N_("Folders can lie in one another at most {limit} deep. Nothing was changed."), limit=limit)


def name_key(name: str) -> str:
    """What is unique in a folder: the name without its case (Unicode default caseless matching, composed again)."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())


def plain(text: str) -> str:
    """A text without accents and case, as one searches it."""
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c)).casefold()


def sort_key(name: str) -> str:
    """How people sort: `été 2` before `Ete 10`; compared by code point."""
    return re.sub(r"[0-9]+", _by_value, plain(name))[:_SORT_KEY_LIMIT]


def _by_value(digits: re.Match[str]) -> str:
    value = digits[0].lstrip("0")
    return f"{len(value):03d}{value}"


def free_names(name: str) -> Iterator[str]:
    """Names to try until one is free: `name`, `name (2)`, `name (3)` … up to 1000; an extension stays at the end."""
    stem, dot, extension = name.rpartition(".")
    if not stem or len(extension) > 10:
        stem, dot, extension = name, "", ""
    yield name
    for number in range(2, 1001):
        yield _numbered(stem, number, dot + extension)


def _numbered(stem: str, number: int, extension: str) -> str:
    tail = f" ({number}){extension}"
    room = NAME_LIMIT_BYTES - len(tail.encode())
    return stem.encode()[:room].decode(errors="ignore").rstrip() + tail
