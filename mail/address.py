"""A mail address: parsed once at the border, compared by its key ever after.

Syntax of RFC 5321 §4.1.2 with the UTF-8 of RFC 6531 §3.3; domains are IDNA 2008 A-labels in lower case.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

import idna

_LOCAL_LIMIT_BYTES = 64  # RFC 5321 §4.5.3.1.1
_DOMAIN_LIMIT_BYTES = 255  # §4.5.3.1.2
_PATH_LIMIT_BYTES = 256  # §4.5.3.1.3, the angle brackets included
_ATEXT = r"[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~\u0080-\U0010ffff]"
_DOT_STRING = re.compile(rf"{_ATEXT}+(?:\.{_ATEXT}+)*")
_QUOTED_STRING = re.compile(r'"((?:[ !#-\[\]-~\u0080-\U0010ffff]|\\[ -~])*)"')
_UP_TO_BRACKET = re.compile(r'(?:[^">]|"(?:[^"\\]|\\.)*")*>')
_SOURCE_ROUTE = re.compile(r"@[^\s,:<>@]+(?:,@[^\s,:<>@]+)*:")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


class AddressError(ValueError):
    """Not an address; the message says in a few words what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Address:
    """local: without quotes, NFC, as it was written. domain: A-labels in lower case, or an address literal.

    Two addresses are the same mailbox to this server when their `key` is the same. Only the host of a domain may
    fold the case of its local parts (RFC 5321 §2.4): what is sent elsewhere keeps `local` as written.
    """

    local: str
    domain: str

    def __str__(self) -> str:
        return f"{self._written_local}@{self.domain}"

    @property
    def key(self) -> str:
        """The address with its local part in lower case: not case-folded, which would make a long s (ſ) an s."""
        return f"{self.local.lower()}@{self.domain}"

    @property
    def needs_smtputf8(self) -> bool:
        """Whether only a server with SMTPUTF8 can be given it."""
        return not self.local.isascii()

    @property
    def _written_local(self) -> str:
        if _DOT_STRING.fullmatch(self.local):
            return self.local
        return '"' + re.sub(r'([\\"])', r"\\\1", self.local) + '"'

    @classmethod
    def parse(cls, text: str) -> Address:
        """The address written as `local@domain`, without angle brackets. Raises AddressError."""
        return _parse(text)


def parse_path(text: str) -> tuple[str, str]:
    """Split what follows `MAIL FROM:` or `RCPT TO:` into the inside of `<…>` and the parameters after it.

    A source route is dropped, as RFC 5321 §4.1.2 has it. Raises AddressError.
    """
    text = text.strip(" ")
    if not text.startswith("<"):
        raise AddressError("angle brackets are missing")
    end = _closing_bracket(text)
    inside, rest = text[1:end], text[end + 1 :]
    if rest and not rest.startswith(" "):
        raise AddressError("a space is missing after the address")
    if route := _SOURCE_ROUTE.match(inside):
        inside = inside[route.end() :]
    return inside, rest.strip(" ")


def parse_domain(text: str) -> str:
    """A domain as A-labels in lower case, or an address literal such as `[192.0.2.1]`. Raises AddressError."""
    if text.startswith("["):
        return _parse_literal(text)
    domain = text.lower() if text.isascii() else _to_a_labels(text)
    if len(domain) > _DOMAIN_LIMIT_BYTES:
        raise AddressError("the domain is too long")
    if not all(_LABEL.fullmatch(label) for label in domain.split(".")):
        raise AddressError("the domain is malformed")
    return domain


@lru_cache(maxsize=4096)
def _parse(text: str) -> Address:
    local, at, domain = text.rpartition("@")
    if not at:
        raise AddressError("a domain is missing")
    if len(text.encode("utf-8", "surrogatepass")) + 2 > _PATH_LIMIT_BYTES:
        raise AddressError("the address is too long")
    return Address(_parse_local(local), parse_domain(domain))


def _parse_local(text: str) -> str:
    try:
        size_bytes = len(text.encode())
    except UnicodeEncodeError:
        raise AddressError("the address is not UTF-8") from None
    if size_bytes > _LOCAL_LIMIT_BYTES:
        raise AddressError("the part before @ is too long")
    if _DOT_STRING.fullmatch(text):
        local = text
    elif quoted := _QUOTED_STRING.fullmatch(text):
        local = re.sub(r"\\(.)", r"\1", quoted[1])
    else:
        raise AddressError("the part before @ is malformed")
    if any(unicodedata.category(character) in {"Cc", "Cf", "Zl", "Zp"} for character in local if character > "\x7f"):
        raise AddressError("the part before @ holds an invisible character")
    return unicodedata.normalize("NFC", local)


def _to_a_labels(text: str) -> str:
    try:
        return idna.encode(text, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError) as error:
        raise AddressError("the domain is malformed") from error


def _parse_literal(text: str) -> str:
    inside = text[1:-1] if text.endswith("]") else ""
    try:
        if inside[:5].upper() == "IPV6:":
            return f"[IPv6:{ipaddress.IPv6Address(inside[5:])}]"
        return f"[{ipaddress.IPv4Address(inside)}]"
    except ValueError:
        raise AddressError("the address literal is malformed") from None


def _closing_bracket(text: str) -> int:
    """Where the `<` at the start closes, quoted strings skipped."""
    found = _UP_TO_BRACKET.match(text, 1)
    if found is None:
        raise AddressError("the closing angle bracket is missing")
    return found.end() - 1
