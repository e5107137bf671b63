"""What a server says, taken apart by the grammar of RFC 9051 §9 alone: nothing of the server's own code is used."""

from __future__ import annotations

import re
from typing import TypeAlias

Value: TypeAlias = "str | bytes | list[Value] | None"
"""An atom (`str`, in capitals where it names something), a quoted string or literal (`bytes`), NIL, or a list."""

_LITERAL = re.compile(rb"~?\{(\d+)\}\r\n")
_QUOTED = re.compile(rb'"((?:[^"\\\r\n\x00]|\\["\\])*)"')
_ATOM = re.compile(rb'[^\x00-\x20\x7f-\xff(){"\[\]]+(?:\[[^\]\r\n]*\](?:<\d+>)?)?')
_ESCAPE = re.compile(rb'\\(["\\])')


class NotImap(AssertionError):
    """What the server said is none of the grammar."""


def read(text: bytes) -> list[Value]:
    """The values of a reply or of a part of one, apart by single spaces. Raises NotImap.

    As in BODYSTRUCTURE, lists may follow each other without a space.
    """
    open_lists: list[list[Value]] = [[]]
    at = 0
    before = b"("
    while at < len(text):
        now = text[at : at + 1]
        if now == b" ":
            if before in b" (":
                raise NotImap(f"a space too many at {at} of {text!r}")
        elif now == b")":
            if len(open_lists) == 1 or before == b" ":
                raise NotImap(f"a parenthesis too many at {at} of {text!r}")
            open_lists.pop()
        elif now == b"(":
            _check_apart(text, at, before, b" ()")
            open_lists[-1].append(inner := [])
            open_lists.append(inner)
        else:
            _check_apart(text, at, before, b" (")
            value, at = _word(text, at)
            open_lists[-1].append(value)
            before = b"word"
            continue
        before = now
        at += 1
    if len(open_lists) != 1 or before == b" ":
        raise NotImap(f"{text!r} ends too early")
    return open_lists[0]


def _check_apart(text: bytes, at: int, before: bytes, wanted: bytes) -> None:
    if before not in wanted:
        raise NotImap(f"no space before {at} of {text!r}")


def _word(text: bytes, at: int) -> tuple[Value, int]:
    if found := _QUOTED.match(text, at):
        return _ESCAPE.sub(rb"\1", found[1]), found.end()
    if found := _LITERAL.match(text, at):
        end = found.end() + int(found[1])
        if end > len(text):
            raise NotImap(f"a literal is cut short in {text!r}")
        return text[found.end() : end], end
    if found := _ATOM.match(text, at):
        atom = found[0].decode("ascii")
        return (None if atom.upper() == "NIL" else atom), found.end()
    raise NotImap(f"no word at {at} of {text!r}")


def fetched(values: list[Value]) -> dict[str, Value]:
    """The items of a FETCH reply, by name in capitals."""
    names, found = values[::2], values[1::2]
    if len(names) != len(found) or not all(isinstance(name, str) for name in names):
        raise NotImap(f"no items of FETCH: {values!r}")
    items = {str(name).upper(): value for name, value in zip(names, found, strict=True)}
    if len(items) != len(names):
        raise NotImap(f"an item is there twice: {names!r}")
    return items


def numbers(text: str) -> list[int]:
    """The numbers of a set such as `1:3,7`."""
    found: list[int] = []
    for piece in text.split(","):
        first, _, last = piece.partition(":")
        low, high = sorted((int(first), int(last or first)))
        found += range(low, high + 1)
    return found


def check_envelope(value: Value) -> None:
    """An ENVELOPE (RFC 9051 §7.5.2): ten fields, addresses of four. Raises NotImap."""
    if not isinstance(value, list) or len(value) != 10:
        raise NotImap(f"no envelope: {value!r}")
    for place, field in enumerate(value):
        if place in range(2, 8):
            _check_addresses(field)
        elif isinstance(field, str | list):
            raise NotImap(f"field {place} of an envelope is no string: {field!r}")


def _check_addresses(value: Value) -> None:
    if value is None:
        return
    if not isinstance(value, list) or not value:
        raise NotImap(f"no addresses: {value!r}")
    for address in value:
        if not isinstance(address, list) or len(address) != 4 or any(isinstance(one, str | list) for one in address):
            raise NotImap(f"no address: {address!r}")


def check_structure(value: Value, *, depth: int = 0) -> int:
    """A BODYSTRUCTURE (RFC 9051 §7.5.2), with its extensions; gives how many leaves it has. Raises NotImap."""
    if not isinstance(value, list) or not value or depth > 250:
        raise NotImap(f"no structure: {value!r:.200}")
    if isinstance(value[0], list):
        children = [one for one in value if isinstance(one, list)]
        count = next((place for place, one in enumerate(value) if not isinstance(one, list)), len(value))
        subtype, *extensions = value[count:]
        if not isinstance(subtype, bytes):
            raise NotImap(f"a multipart without subtype: {value!r:.200}")
        _check_pairs(extensions[0])
        _check_extensions(extensions[1:])
        return sum(check_structure(one, depth=depth + 1) for one in children[:count])
    kind, subtype, parameters, content_id, description, encoding, size, *more = value
    for one, may_be_nil in (
        (kind, False),
        (subtype, False),
        (content_id, True),
        (description, True),
        (encoding, False),
    ):
        if not isinstance(one, bytes) and not (may_be_nil and one is None):
            raise NotImap(f"no string: {one!r} in {value!r:.200}")
    _check_pairs(parameters)
    _check_number(size)
    leaves = 1
    if isinstance(kind, bytes) and isinstance(subtype, bytes):
        if (kind.upper(), subtype.upper()) in ((b"MESSAGE", b"RFC822"), (b"MESSAGE", b"GLOBAL")):
            envelope, structure, lines, *more = more
            check_envelope(envelope)
            leaves = check_structure(structure, depth=depth + 1)
            _check_number(lines)
        elif kind.upper() == b"TEXT":
            lines, *more = more
            _check_number(lines)
    md5, *extensions = more
    if isinstance(md5, str | list):
        raise NotImap(f"no MD5: {md5!r}")
    _check_extensions(extensions)
    return leaves


def _check_extensions(extensions: list[Value]) -> None:
    """Disposition, language, location."""
    disposition, language, location = extensions
    if disposition is not None:
        if not isinstance(disposition, list) or len(disposition) != 2 or not isinstance(disposition[0], bytes):
            raise NotImap(f"no disposition: {disposition!r}")
        _check_pairs(disposition[1])
    for one in [*(language if isinstance(language, list) else [language]), location]:
        if one is not None and not isinstance(one, bytes):
            raise NotImap(f"no language or location: {one!r}")


def _check_pairs(value: Value) -> None:
    if value is None:
        return
    if not isinstance(value, list) or not value or len(value) % 2 or not all(isinstance(one, bytes) for one in value):
        raise NotImap(f"no parameters: {value!r}")


def _check_number(value: Value) -> None:
    if not isinstance(value, str) or not value.isdigit():
        raise NotImap(f"no number: {value!r}")
