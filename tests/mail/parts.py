"""Messages of several parts, put together another way than the code under test takes them apart."""

from __future__ import annotations

import base64
import random

CRLF = b"\r\n"


def data(size_bytes: int, seed: int = 0) -> bytes:
    """Bytes that do not compress, the same for the same seed."""
    return random.Random(seed).randbytes(size_bytes)


def lines(content: bytes, length: int = 76) -> bytes:
    """Base64 in lines of that length, the last without its CRLF."""
    letters = base64.b64encode(content)
    return CRLF.join(letters[at : at + length] for at in range(0, len(letters), length))


def leaf(body: bytes, *, encoding: bytes = b"base64", kind: bytes = b"application/pdf") -> bytes:
    """A part: its header and its body."""
    return b"Content-Type: %b\r\nContent-Transfer-Encoding: %b\r\n\r\n%b" % (kind, encoding, body)


def mixed(*parts: bytes, boundary: bytes = b"b0", header: bytes = b"Subject: x\r\n") -> bytes:
    """A message of several parts."""
    inner = b"".join(b"--%b\r\n%b\r\n" % (boundary, part) for part in parts)
    return b"%bContent-Type: multipart/mixed; boundary=%b\r\n\r\n%b--%b--\r\n" % (header, boundary, inner, boundary)


TEXT = leaf(b"Bonjour.\r\n", encoding=b"7bit", kind=b"text/plain")
