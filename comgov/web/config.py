"""What the web floor lets one configure."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network

from babel.dates import get_timezone
from pydantic import BaseModel, Field, field_validator


class Config(BaseModel, frozen=True, extra="forbid"):
    """Limits and trust of the HTTP server."""

    form_limit_bytes: int = Field(
        default=1 << 20, ge=1 << 12, description="the most that the fields of one form may weigh, files apart"
    )
    header_timeout: timedelta = Field(
        default=timedelta(seconds=20),
        gt=timedelta(0),
        description="how long a client may take to send the head of a request before the connection is closed",
    )
    body_timeout: timedelta = Field(
        default=timedelta(seconds=60), description="how long a client may stay silent in the middle of a body"
    )
    write_timeout: timedelta = Field(
        default=timedelta(seconds=60),
        ge=timedelta(seconds=1),
        le=timedelta(days=1),
        description="how long a client may take nothing of what it is sent before the connection is closed",
    )
    keepalive: timedelta = Field(
        default=timedelta(seconds=75), description="how long an idle connection is kept for the next request"
    )
    timezone: str = Field("Africa/Bujumbura", description="the zone in which instants are shown (IANA name)")
    public_url: str = Field(
        "",
        pattern=r"^(https?://[^\s/?#@]+)?$",
        max_length=200,
        description="where people find this server, such as https://comgov.gov.bi: written in links that are sent on. "
        "Needed behind a load balancer; empty: the address that was connected to, whatever name the client claims",
    )
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = Field(
        default=(),
        description="networks of the load balancers whose X-Forwarded-For and X-Forwarded-Proto are believed",
    )

    @field_validator("timezone")
    @classmethod
    def _known(cls, name: str) -> str:
        try:
            get_timezone(name)
        except LookupError as error:
            raise ValueError(f"no time zone is called {name}") from error
        return name
