"""What a part says of itself in its Content- fields (RFC 2045, 2183 and 2231).

Most say the same as thousands before: what is told of given values is remembered, as it depends on nothing else.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from mail.message import imap
from mail.message.header import joined, parameter, parse_parameters, without_comments
from mail.message.strings import string

if TYPE_CHECKING:
    from mail.message.header import Fields

_REMEMBERED = 2048  # declarations
_REMEMBERED_LIMIT_BYTES = 512  # of each
_FIELD_LIMIT = 16 * 1024  # bytes of a Content-Type or Content-Disposition that are looked at
BOUNDARY_LIMIT_BYTES = 200  # RFC 2046 §5.1.1 allows 70
_DEFAULT_CHARSET = (b"charset", b"us-ascii")  # RFC 2045 §5.2
_TYPE = re.compile(rb"([^\x00-\x20\x7f()<>@,;:\\\"/\[\]?=]+)[ \t]*/[ \t]*([^\x00-\x20\x7f()<>@,;:\\\"/\[\]?=]+)")
_TOKEN = re.compile(rb"[^\x00-\x20\x7f()<>@,;:\\\"/\[\]?=]+")


class Declaration(NamedTuple):
    """kind: type and subtype in lower case. boundary: of a multipart, empty when none is told.

    type, encoding, charset, filename, disposition: as `Part` has them. shown_type, shown_subtype, shown_parameters,
    shown_encoding, shown_disposition: as BODYSTRUCTURE has them.
    """

    kind: tuple[bytes, bytes]
    boundary: bytes
    type: str
    encoding: str
    charset: str
    filename: str
    disposition: str
    shown_type: bytes
    shown_subtype: bytes
    shown_parameters: bytes
    shown_encoding: bytes
    shown_disposition: bytes


def declaration_of(fields: Fields, *, in_digest: bool = False, as_bytes: bool = False) -> Declaration:
    """in_digest: the part lies in a multipart/digest, where an untold type is a message (RFC 2046 §5.1.5).

    as_bytes: its type is not believed, it is taken whole.
    """
    values = (
        b"application/octet-stream" if as_bytes else _first(fields, b"content-type"),
        _first(fields, b"content-transfer-encoding"),
        _first(fields, b"content-disposition"),
        in_digest,
    )
    is_short = len(values[0] or b"") + len(values[1] or b"") + len(values[2] or b"") <= _REMEMBERED_LIMIT_BYTES
    return _remembered(*values) if is_short else _declaration(*values)


def _first(fields: Fields, name: bytes) -> bytes | None:
    """The first value, cut to what is looked at; None when the field is absent."""
    return fields[name][0][:_FIELD_LIMIT] if name in fields else None


def _declaration(
    content_type: bytes | None, content_encoding: bytes | None, content_disposition: bytes | None, in_digest: bool
) -> Declaration:
    shown, parameters = _content_type(content_type, in_digest)
    kind = (shown[0].lower(), shown[1].lower())
    encoding = _encoding(content_encoding)
    disposition, about_file = _disposition(content_disposition)
    shown_disposition = b"NIL"
    if content_disposition is not None:
        shown_disposition = b"(%b %b)" % (string(disposition), imap.parameters(joined(about_file)))
    return Declaration(
        kind=kind,
        boundary=_boundary(parameters) if kind[0] == b"multipart" else b"",
        type=b"/".join(kind).decode("ascii", "replace"),
        encoding=encoding.decode("ascii", "replace").lower()[:40],
        charset=parameter(parameters, b"charset").lower()[:40],
        filename=(parameter(about_file, b"filename") or parameter(parameters, b"name"))[:255],
        disposition={b"inline": "inline", b"": ""}.get(disposition.lower(), "attachment"),
        shown_type=string(shown[0]),
        shown_subtype=string(shown[1]),
        shown_parameters=imap.parameters(parameters),
        shown_encoding=string(encoding),
        shown_disposition=shown_disposition,
    )


_remembered = lru_cache(maxsize=_REMEMBERED)(_declaration)


def _content_type(value: bytes | None, in_digest: bool) -> tuple[tuple[bytes, bytes], list[tuple[bytes, bytes]]]:
    """Type and subtype, and parameters; what stands there by default when it is absent or senseless."""
    head, parameters = parse_parameters(value or b"")
    if found := _TYPE.fullmatch(head):
        is_bare_text = found[1].lower() == b"text" and all(name.lower() != b"charset" for name, _ in parameters)
        return (found[1], found[2]), [*joined(parameters), *([_DEFAULT_CHARSET] if is_bare_text else [])]
    if in_digest:
        return (b"message", b"rfc822"), []
    return (b"text", b"plain"), [_DEFAULT_CHARSET]


def _boundary(parameters: list[tuple[bytes, bytes]]) -> bytes:
    """What divides the parts of a multipart; empty when none is told."""
    named = {name.lower(): value for name, value in reversed(parameters)}
    boundary = named.get(b"boundary") or parameter(parameters, b"boundary").encode()
    return boundary.rstrip(b" \t")[:BOUNDARY_LIMIT_BYTES]


def _encoding(value: bytes | None) -> bytes:
    """The content transfer encoding as written; 7bit when none is told."""
    found = _TOKEN.match(without_comments(value or b"").strip())
    return found[0] if found else b"7bit"


def _disposition(value: bytes | None) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """Type and parameters of the Content-Disposition as written; the type is empty when none is told."""
    head, parameters = parse_parameters(value or b"")
    found = _TOKEN.match(head)
    return found[0] if found else b"", parameters
