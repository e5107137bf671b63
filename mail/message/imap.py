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


_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|\{(\d+)\}\r\n|[()]|[^ ()"{]+', re.DOTALL)
_TEXT = re.compile(rb'"TEXT" ', re.IGNORECASE)
_MESSAGE = re.compile(rb'"MESSAGE" "RFC822" ', re.IGNORECASE)


def without_extensions(bodystructure: bytes) -> bytes:
    """BODY, from a BODYSTRUCTURE that this server wrote: the same without what came later (RFC 9051 §7.5.2)."""
    return _without_extensions(bodystructure, 0)[0]


def _without_extensions(text: bytes, at: int) -> tuple[bytes, int]:
    """The body that begins at `at`, and where it ends."""
    kept = []
    at += 1
    if text[at : at + 1] == b"(":
        while text[at : at + 1] == b"(":
            child, at = _without_extensions(text, at)
            kept.append(child)
        end = _value_end(text, at + 1)
        body = b"(%b%b)" % (b"".join(kept), text[at:end])
    else:
        is_text, is_message = _TEXT.match(text, at) is not None, _MESSAGE.match(text, at) is not None
        end = at - 1
        for _ in range(8 if is_text else 7):
            end = _value_end(text, end + 1)
        kept.append(text[at:end])
        if is_message and text[end : end + 2] == b" (":
            after = _value_end(text, end + 1)
            nested, stop = _without_extensions(text, after + 1)
            lines = _value_end(text, stop + 1)
            kept += [text[end : after + 1], nested, text[stop:lines]]
            end = lines
        body = b"(%b)" % b"".join(kept)
    while text[end : end + 1] == b" ":
        end = _value_end(text, end + 1)
    return body, end + 1


def _value_end(text: bytes, at: int) -> int:
    """Where the value that begins at `at` ends: a string, a number, NIL or a list."""
    depth = 0
    while (token := _TOKEN.match(text, at)) is not None:
        at = token.end() + int(token[1] or 0)
        depth += (token[0] == b"(") - (token[0] == b")")
        if not depth:
            return at
        at += text[at : at + 1] == b" "
    return len(text)
