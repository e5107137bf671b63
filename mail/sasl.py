"""PLAIN, the one way in which people's programs sign in, in SMTP and IMAP alike (RFC 4616)."""

from __future__ import annotations

from base64 import b64decode


def decode(text: str) -> str:
    """A response as it goes on the wire; `=` stands for an empty one (RFC 4954 §4). Raises ValueError."""
    return b64decode("" if text == "=" else text, validate=True).decode()


def split_plain(response: str) -> tuple[str, str]:
    """Login and password; nobody signs in as somebody else. Raises ValueError."""
    pieces = response.split("\0")
    if len(pieces) != 3 or pieces[0] not in ("", pieces[1]):
        raise ValueError("no response of PLAIN")
    return pieces[1], pieces[2]
