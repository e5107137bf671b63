"""How often one may fail to sign in: leaky buckets, one for an address, one for a client, one for both together.

The pair is the tightest: a stranger who guesses from one place soon stops there, while the person still signs in from
elsewhere. An address guessed from everywhere stops for all; a client that tries every address stops for all of them.
"""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, timedelta

    from comgov.people.config import Config


@dataclass(frozen=True)
class Bucket:
    """key: 32 bytes. most: failures it holds. window: the time in which a full one empties."""

    key: bytes
    most: int
    window: timedelta

    @property
    def leak(self) -> float:
        """Failures forgotten in a second."""
        return self.most / self.window.total_seconds()

    def level(self, kept: float, at: datetime, now: datetime) -> float:
        """What a level noted at some instant has become by now."""
        return max(0.0, kept - max(0.0, (now - at).total_seconds()) * self.leak)


def buckets(config: Config, address: str, ip: str, *, for_apps: bool = False) -> tuple[Bucket, Bucket, Bucket]:
    """Of the pair, of the address and of the client, in this order.

    for_apps: of app passwords, counted apart: a forgotten telephone with a revoked one shuts nobody out of the web.
    """
    client = client_of(ip)
    window = config.failures_window
    kind = ("app",) if for_apps else ()
    return (
        Bucket(_key("pair", address, client, *kind), config.failures_of_pair, window),
        Bucket(_key("address", address, *kind), config.failures_of_address, window),
        Bucket(_key("client", client, *kind), config.failures_of_client, window),
    )


def is_full(bucket: Bucket, levels: Mapping[bytes, tuple[float, datetime]], now: datetime) -> bool:
    """Whether one more failure would be too many."""
    kept, at = levels.get(bucket.key, (0.0, now))
    return bucket.level(kept, at, now) > bucket.most - 1


def client_of(ip: str) -> str:
    """What counts as one client: an IPv4 address, or the /64 that a subscriber of IPv6 has for themselves."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return ip
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def _key(*parts: str) -> bytes:
    return hashlib.sha256("\0".join(parts).encode(errors="replace")).digest()
