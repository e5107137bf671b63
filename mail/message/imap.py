"""IMAP's ENVELOPE and BODYSTRUCTURE (RFC 9051 §7.5.2), written once so that FETCH never parses mail."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mail.message.header import last, without_comments
from mail.message.people import people_of
from mail.message.strings import nstring, string, words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mail.message.header import Fields

_TOKEN_OF_LIST = re.compile(rb"[^\s,;]+")


def envelope(fields: Fields) -> bytes:
    """The ENVELOPE; Sender and Reply-To are those of From when absent. Of a field that stands twice the last counts."""
    sender = people_of(fields, b"from").listed or b"NIL"
    return b"(%b)" % b" ".join(
        (
            nstring(last(fields, b"date")),
            words(last(fields, b"subject")),
            sender,
            people_of(fields, b"sender").listed or sender,
            people_of(fields, b"reply-to").listed or sender,
            people_of(fields, b"to").listed or b"NIL",
            people_of(fields, b"cc").listed or b"NIL",
            people_of(fields, b"bcc").listed or b"NIL",
            nstring(last(fields, b"in-reply-to")),
            nstring(last(fields, b"message-id")),
        )
    )


def parameters(pairs: Sequence[tuple[bytes, bytes]]) -> bytes:
    """A parenthesised list of names and values, NIL for none."""
    if not pairs:
        return b"NIL"
    return b"(%b)" % b" ".join(b"%b %b" % (string(name), string(value)) for name, value in pairs)


def languages(value: bytes) -> bytes:
    """A parenthesised list of the tags of a Content-Language, NIL for none."""
    found = _TOKEN_OF_LIST.findall(without_comments(value))
    return b"(%b)" % b" ".join(map(string, found)) if found else b"NIL"


_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|\{(\d+)\}\r\n|[()]|[^ ()"{]+', re.DOTALL)
_TEXT = re.compile(rb'"TEXT" ', re.IGNORECASE)
_MESSAGE = re.compile(rb'"MESSAGE" "(?:RFC822|GLOBAL)" ', re.IGNORECASE)


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
