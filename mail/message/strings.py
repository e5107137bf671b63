"""IMAP's strings (RFC 9051 §4.3)."""

from __future__ import annotations

import re

_QUOTABLE = re.compile(rb"[ !#-\[\]-~]*")
_QUOTABLE_ESCAPED = re.compile(rb"[ -~]*")
_ESCAPED = re.compile(rb'(["\\])')
_BLANKS = re.compile(rb"[ \t]+")


def string(value: bytes) -> bytes:
    """A quoted string, or a literal when it holds what quotes cannot."""
    if _QUOTABLE.fullmatch(value):
        return b'"%b"' % value
    if _QUOTABLE_ESCAPED.fullmatch(value):
        return b'"%b"' % _ESCAPED.sub(rb"\\\1", value)
    return b"{%d}\r\n%b" % (len(value), value)


def nstring(value: bytes | None) -> bytes:
    """A string, NIL for None."""
    return b"NIL" if value is None else string(value)


def words(value: bytes | None) -> bytes:
    """A string for people: one blank between words, however they were folded; NIL for None."""
    if value is not None and (b"  " in value or b"\t" in value):
        value = _BLANKS.sub(b" ", value)
    return nstring(value and value.strip(b" "))
