"""What one may configure of IMAP."""

from __future__ import annotations

from datetime import timedelta

from pydantic import BaseModel, Field


class Config(BaseModel, frozen=True, extra="forbid"):
    """People's own mail programs, who read and file their mail: where they are listened for, and their limits."""

    host: str = Field("127.0.0.1", description="address to listen on; 0.0.0.0 for all of IPv4, :: for all")
    port: int = Field(143, ge=0, le=65535, description="STARTTLS required; 0 turns the service off")
    connection_limit: int = Field(4000, ge=1, description="connections at once, for each worker and port")
    connection_limit_per_ip: int = Field(
        500, ge=1, description="connections at once from one address, likewise; an institution may have only one"
    )
    error_limit: int = Field(20, ge=3, description="commands not understood after which a session is closed")
    sign_in_timeout: timedelta = Field(timedelta(minutes=1), description="how long a client may take to sign in")
    idle_timeout: timedelta = Field(
        timedelta(minutes=31),
        ge=timedelta(minutes=30),
        description="how long a session may stay silent (RFC 9051 §5.4)",
    )
    write_timeout: timedelta = Field(
        timedelta(minutes=5), description="how long a client may take nothing of what it is sent"
    )
    cache_bytes: int = Field(
        24 << 20, ge=0, description="what a worker remembers of what FETCH says, in bytes: envelopes, fields of headers"
    )
