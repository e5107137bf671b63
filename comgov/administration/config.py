"""What one may configure about administration."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network

from pydantic import BaseModel, Field


class Config(BaseModel, frozen=True, extra="forbid"):
    """Administration."""

    metrics_from: tuple[IPv4Network | IPv6Network, ...] = Field(
        (ip_network("127.0.0.0/8"), ip_network("::1/128")),
        description="networks whose clients may read /metrics; behind a proxy, name it in web.trusted_proxies",
    )
