"""Where a domain's mail goes: as configured, else as its MX records say (RFC 5321 §5.1).

domain ─┬─ a static route names it, or a parent of it ──┐
        ├─ a smarthost takes everything else ───────────┼─▶ hosts with addresses, in the order to try them
        └─ MX records, without ourselves; else A, AAAA ─┘
"""

from __future__ import annotations

import asyncio
import ipaddress
import random
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from pydantic import BaseModel, BeforeValidator, Field

from mail.outbound.outcome import Deferred, Failed
from mail.outbound.resolver import Exchanger, ResolverError, UnknownNameError

if TYPE_CHECKING:
    from mail.outbound.resolver import Resolver

HOSTS_LIMIT = 5  # exchangers tried for one domain; RFC 5321 §5.1 asks for two at least
ADDRESSES_LIMIT = 4  # addresses tried for one host


class Tls(StrEnum):
    """How far a connection to another server is protected."""

    OPPORTUNISTIC = "opportunistic"
    """Encrypted when the other side offers it, in clear otherwise; certificates are not checked (RFC 7435)."""
    REQUIRED = "required"
    """Encrypted or not at all; certificates are not checked."""
    VERIFIED = "verified"
    """Encrypted, and the certificate must be valid for the host's name."""


class Hop(BaseModel, frozen=True, extra="forbid"):
    """A server that takes mail for others. Written `"host:port"`, or as a table to say more."""

    host: str = Field(min_length=1, max_length=255, description="a name or an address")
    port: int = Field(25, ge=1, le=65535, description="where it takes mail from other servers")
    tls: Tls = Field(Tls.OPPORTUNISTIC, description="opportunistic, required or verified")


def _as_hop(value: Any) -> Any:
    """`"relay.example:2525"` and `"[::1]:25"` as tables; the port may be left out. An empty text is no hop."""
    if not isinstance(value, str):
        return value
    host, colon, port = value.rpartition(":")
    if not value:
        return None
    if not colon or value.endswith("]"):
        return {"host": value.strip("[]")}
    return {"host": host.strip("[]"), "port": port}


HopText: TypeAlias = Annotated[Hop, BeforeValidator(_as_hop)]


class Config(BaseModel, frozen=True, extra="forbid"):
    """Where mail for other servers goes."""

    routes: Mapping[str, HopText] = Field(
        default_factory=dict,
        description='by domain: "example.org" = "10.0.0.5:2525"; ".example.org" means every domain below it; '
        'to say more: {host = "10.0.0.5", port = 2525, tls = "verified"}',
    )
    smarthost: Annotated[Hop | None, BeforeValidator(_as_hop)] = Field(
        None, description="host:port of the server that takes what no route names; empty: MX records decide"
    )
    mx_port: int = Field(25, ge=1, le=65535, description="the port of servers that MX records name")
    mx_tls: Tls = Field(
        Tls.OPPORTUNISTIC, description="for servers that MX records name: opportunistic, required or verified"
    )


@dataclass(frozen=True)
class Host:
    """One server to try, its addresses in order."""

    name: str
    port: int
    tls: Tls
    addresses: tuple[str, ...]


@dataclass(frozen=True)
class Route:
    """The servers to try for a domain, best first; never empty."""

    hosts: tuple[Host, ...]


class Router:
    """Finds routes. own_names: the names that this server answers to, which mail must never be sent back to."""

    def __init__(self, config: Config, resolver: Resolver, own_names: frozenset[str]) -> None:
        self._config = config
        self._resolver = resolver
        self._own_names = own_names

    def destination(self, domain: str) -> str:
        """The configured server that takes the domain's mail, as `host:port`, or the domain itself."""
        hop = configured_hop(self._config, domain)
        return domain if hop is None else f"{hop.host}:{hop.port}"

    async def find(self, domain: str) -> Route | Deferred | Failed:
        """The way to a domain; Deferred when it cannot be known now, Failed when there is none."""
        hop = configured_hop(self._config, domain)
        if hop is not None:
            return await self._to_hop(hop)
        if domain.startswith("["):
            return Failed(status="5.1.2", reply=f"Mail to the address literal {domain} is not sent: no route names it")
        return await self._by_exchangers(domain)

    async def _to_hop(self, hop: Hop) -> Route | Deferred:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(hop.host, hop.port, type=socket.SOCK_STREAM)
        except OSError as error:
            return Deferred(status="4.4.3", reply=f"The configured server {hop.host} has no address now: {error}")
        addresses = tuple(dict.fromkeys(str(entry[4][0]) for entry in found))
        return Route((Host(hop.host, hop.port, hop.tls, addresses[:ADDRESSES_LIMIT]),))

    async def _by_exchangers(self, domain: str) -> Route | Deferred | Failed:
        try:
            found = await self._resolver.exchangers(domain)
        except UnknownNameError:
            return Failed(status="5.1.2", reply=f"The domain {domain} does not exist")
        except ResolverError as error:
            return Deferred(status="4.4.3", reply=f"The domain name system does not answer: {error}")
        if is_null(found):
            return Failed(status="5.1.10", reply=f"The domain {domain} accepts no mail (null MX)")
        exchangers = in_order(found or [Exchanger(0, domain)], self._own_names)
        if not exchangers:
            return Failed(status="5.4.6", reply=f"Mail for {domain} loops back to this server")
        return await self._resolve(domain, exchangers[:HOSTS_LIMIT])

    async def _resolve(self, domain: str, exchangers: Sequence[Exchanger]) -> Route | Deferred | Failed:
        hosts: list[Host] = []
        silent: ResolverError | None = None
        for exchanger in exchangers:
            try:
                found = await self._resolver.addresses(exchanger.host)
            except UnknownNameError:
                continue
            except ResolverError as error:
                silent = error
                continue
            if addresses := tuple(address for address in found if is_elsewhere(address)):
                hosts.append(self._host(exchanger, addresses))
        if hosts:
            return Route(tuple(hosts))
        if silent is not None:
            return Deferred(status="4.4.3", reply=f"The domain name system does not answer: {silent}")
        return Failed(status="5.4.4", reply=f"No mail server of {domain} has an address that can be reached")

    def _host(self, exchanger: Exchanger, addresses: tuple[str, ...]) -> Host:
        return Host(exchanger.host, self._config.mx_port, self._config.mx_tls, addresses[:ADDRESSES_LIMIT])


def configured_hop(config: Config, domain: str) -> Hop | None:
    """The static route of that domain, of its nearest parent written with a leading dot, or the smarthost."""
    if (hop := config.routes.get(domain)) is not None:
        return hop
    labels = domain.split(".")
    for start in range(1, len(labels)):
        if (hop := config.routes.get("." + ".".join(labels[start:]))) is not None:
            return hop
    return config.smarthost


def is_null(exchangers: Sequence[Exchanger]) -> bool:
    """Whether the domain says that it takes no mail (RFC 7505)."""
    return len(exchangers) == 1 and not exchangers[0].host


def in_order(exchangers: Sequence[Exchanger], own_names: frozenset[str]) -> list[Exchanger]:
    """Best first, equals shuffled to share the load; from ourselves on, nobody: that is how loops are cut.

    RFC 5321 §5.1: when we are an exchanger ourselves, all of our preference and worse are discarded.
    """
    ours = [exchanger.preference for exchanger in exchangers if exchanger.host.lower() in own_names]
    limit = min(ours, default=None)
    usable = [e for e in exchangers if e.host and (limit is None or e.preference < limit)]
    random.shuffle(usable)
    return sorted(usable, key=lambda exchanger: exchanger.preference)


def is_elsewhere(address: str) -> bool:
    """Whether that is an address of some other machine; a public record must not lead to our own services."""
    found = ipaddress.ip_address(address)
    mapped = getattr(found, "ipv4_mapped", None) or found
    return not (mapped.is_loopback or mapped.is_unspecified or mapped.is_multicast or mapped.is_link_local)
