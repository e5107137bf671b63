"""Proof that a form was ours: a token derived from the visitor's own cookie.

The token is a MAC keyed by the session cookie (or, before sign-in, by a random `visit` cookie), so that whoever
cannot read the cookie cannot make one and the server keeps nothing. It is masked anew for each page: a secret that
stands unchanged in compressed pages can be guessed from their length (BREACH).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from urllib.parse import urlsplit

_SIZE = 16  # bytes of MAC, and as many of mask


def token_for(cookie: str) -> str:
    """A fresh token for the holder of that cookie, 43 characters of base64url."""
    mask = secrets.token_bytes(_SIZE)
    return base64.urlsafe_b64encode(mask + _xor(mask, _mac(cookie))).decode().rstrip("=")


def is_token_of(token: str, cookie: str) -> bool:
    """Whether that token was made for the holder of that cookie."""
    try:
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except (binascii.Error, ValueError):
        return False
    if len(raw) != 2 * _SIZE:
        return False
    return hmac.compare_digest(_xor(raw[:_SIZE], raw[_SIZE:]), _mac(cookie))


def once(token: str, cookie: str) -> bytes:
    """A secret of the form that bears this token, 32 bytes: the same however often that very form is sent."""
    return hmac.digest(cookie.encode(), b"comgov once " + token.encode(errors="replace"), hashlib.sha256)


def is_from_elsewhere(fetch_site: str | None, origin: str | None, host: str) -> bool:
    """Whether a browser says that another site sent the request (W3C Fetch Metadata; RFC 6454 Origin).

    fetch_site, origin: the headers, None when absent, as programs other than browsers leave them.
    """
    if fetch_site is not None and fetch_site not in ("same-origin", "none"):
        return True
    return origin is not None and urlsplit(origin).netloc.lower() != host.lower()


def _mac(cookie: str) -> bytes:
    return hmac.digest(cookie.encode(), b"comgov csrf", hashlib.sha256)[:_SIZE]


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))
