"""IMAP's ENVELOPE and BODYSTRUCTURE (RFC 9051 §7.5.2), written once so that FETCH never parses mail."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mail.message.addresses import parse_addresses
from mail.message.header import first

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mail.message.header import Fields

_QUOTABLE = re.compile(rb"[ !#-\[\]-~]*")
_QUOTABLE_ESCAPED = re.compile(rb"[ -~]*")
_ESCAPED = re.compile(rb'(["\\])')
_STRING_LIMIT = 10_000  # bytes of a string in a structure; the whole stands in the header


def string(value: bytes) -> bytes:
    """A quoted string, or a literal when it holds what quotes cannot."""
    value = value[:_STRING_LIMIT]
    if _QUOTABLE.fullmatch(value):
        return b'"%b"' % value
    if _QUOTABLE_ESCAPED.fullmatch(value):
        return b'"%b"' % _ESCAPED.sub(rb"\\\1", value)
    return b"{%d}\r\n%b" % (len(value), value)


def nstring(value: bytes | None) -> bytes:
    """A string, NIL for nothing."""
    return string(value) if value else b"NIL"


def envelope(fields: Fields) -> bytes:
    """The ENVELOPE; Sender and Reply-To are those of From when absent."""
    sender = _addresses(fields, b"from")
    return b"(%b)" % b" ".join(
        (
            nstring(first(fields, b"date")),
            nstring(first(fields, b"subject")),
            sender,
            _addresses(fields, b"sender", sender),
            _addresses(fields, b"reply-to", sender),
            _addresses(fields, b"to"),
            _addresses(fields, b"cc"),
            _addresses(fields, b"bcc"),
            nstring(first(fields, b"in-reply-to")),
            nstring(first(fields, b"message-id")),
        )
    )


def _addresses(fields: Fields, name: bytes, otherwise: bytes = b"NIL") -> bytes:
    found = parse_addresses(first(fields, name))
    if not found:
        return otherwise
    return b"(%b)" % b"".join(
        b"(%b NIL %b %b)"
        % (
            nstring(mailbox.name),
            b"NIL" if mailbox.local is None else string(mailbox.local),
            b"NIL" if mailbox.host is None else string(mailbox.host),
        )
        for mailbox in found
    )


def parameters(pairs: Sequence[tuple[bytes, bytes]]) -> bytes:
    """A parenthesised list of names and values, NIL for none."""
    if not pairs:
        return b"NIL"
    return b"(%b)" % b" ".join(b"%b %b" % (string(name.upper()), string(value)) for name, value in pairs)


def disposition(value: tuple[bytes, list[tuple[bytes, bytes]]] | None) -> bytes:
    """A Content-Disposition, NIL for none."""
    if value is None:
        return b"NIL"
    return b"(%b %b)" % (string(value[0].upper()), parameters(value[1]))
