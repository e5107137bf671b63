"""What the domain name system says about a mail domain."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

import dns.asyncresolver
import dns.exception
import dns.name
import dns.resolver

_LIFETIME = 20.0  # seconds for one question, all servers and repetitions together
_CACHED_ANSWERS = 10_000


class ResolverError(Exception):
    """No answer now: servers silent, or failing. Ask again later."""


class UnknownNameError(Exception):
    """The name does not exist, or cannot: asking again is of no use."""


@dataclass(frozen=True, order=True)
class Exchanger:
    """An MX record. preference: the smaller, the sooner it is tried. host: without final dot, empty for a null MX."""

    preference: int
    host: str


class Resolver(Protocol):
    """Answers two questions. Both raise ResolverError for "not now" and UnknownNameError for "never"."""

    async def exchangers(self, domain: str) -> list[Exchanger]:
        """The MX records in no order; empty when the domain exists without any."""
        ...

    async def addresses(self, host: str) -> list[str]:
        """Its addresses, IPv6 and IPv4; empty when the name exists without any."""
        ...


class DnsResolver:
    """The resolver that the machine is configured with; answers are kept for as long as they say."""

    def __init__(self, nameservers: list[str] | None = None, port: int = 53, *, lifetime: float = _LIFETIME) -> None:
        """nameservers: addresses to ask at `port` instead of those of /etc/resolv.conf. lifetime: seconds."""
        self._lifetime = lifetime
        self._resolver = dns.asyncresolver.Resolver(configure=False)
        if nameservers is not None:
            self._resolver.nameservers = list(nameservers)
            self._resolver.port = port
        else:
            with suppress(dns.resolver.NoResolverConfiguration):  # every question is then a ResolverError
                self._resolver.read_resolv_conf("/etc/resolv.conf")
        self._resolver.cache = dns.resolver.LRUCache(_CACHED_ANSWERS)

    async def exchangers(self, domain: str) -> list[Exchanger]:
        """See Resolver."""
        answer = await self._ask(domain, "MX")
        return [Exchanger(record.preference, record.exchange.to_text().rstrip(".").lower()) for record in answer]

    async def addresses(self, host: str) -> list[str]:
        """See Resolver."""
        return [record.address for kind in ("AAAA", "A") for record in await self._ask(host, kind)]

    async def _ask(self, name: str, kind: str) -> list:  # type: ignore[type-arg]
        try:
            absolute = dns.name.from_text(name, idna_codec=dns.name.IDNA_2008)
            answer = await self._resolver.resolve(absolute, kind, lifetime=self._lifetime, search=False)
        except (dns.resolver.NXDOMAIN, dns.name.LabelTooLong, dns.name.NameTooLong, dns.name.EmptyLabel) as error:
            raise UnknownNameError(name) from error
        except dns.resolver.NoAnswer:
            return []
        except (dns.exception.DNSException, OSError) as error:
            raise ResolverError(f"{name}: {error}") from error
        return list(answer)
