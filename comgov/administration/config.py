"""What one may configure about administration."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path

from pydantic import BaseModel, Field


class Config(BaseModel, frozen=True, extra="forbid"):
    """Administration."""

    metrics_from: tuple[IPv4Network | IPv6Network, ...] = Field(
        (ip_network("127.0.0.0/8"), ip_network("::1/128")),
        description="networks from which /metrics may be read without more, over a connection of one's own. What a "
        "proxy forwards is never taken for that, if it says so (X-Forwarded-For, Forwarded, Via) or is among "
        "web.trusted_proxies; empty: nobody",
    )
    metrics_token_file: Path | None = Field(
        None,
        description="a file with a token of 16 characters or more that opens /metrics from anywhere, sent as "
        "Authorization: Bearer",
    )
