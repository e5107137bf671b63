"""What one may configure of mail."""

from __future__ import annotations

from datetime import timedelta

from pydantic import BaseModel, Field, field_validator

from mail.address import Address
from mail.imap.config import Config as ImapConfig
from mail.outbound.courier.session import Config as CourierConfig
from mail.outbound.queue.model import Config as QueueConfig
from mail.outbound.route import Config as RouteConfig

_PORT = "0 turns the service off"


class Listener(BaseModel, frozen=True, extra="forbid"):
    """Where one of the services listens."""

    host: str = Field("127.0.0.1", description="address to listen on; 0.0.0.0 for all of IPv4, :: for all")
    port: int = Field(0, ge=0, le=65535, description=_PORT)


class RelayListener(Listener):
    """Mail from other servers, for addresses of this one."""

    port: int = Field(25, ge=0, le=65535, description=_PORT)


class SubmissionListener(Listener):
    """People's own mail programs, STARTTLS required."""

    port: int = Field(587, ge=0, le=65535, description=_PORT)


class SubmissionsListener(Listener):
    """The same, in TLS from the first byte."""

    port: int = Field(465, ge=0, le=65535, description=_PORT)


class ImapsListener(Listener):
    """The same as `mail.imap`, in TLS from the first byte."""

    port: int = Field(993, ge=0, le=65535, description=_PORT)


class Config(RouteConfig, frozen=True, extra="forbid"):
    """Mail by SMTP and IMAP: where clients are listened for, what is refused, and where mail for other servers goes."""

    relay: RelayListener = RelayListener()
    submission: SubmissionListener = SubmissionListener()
    submissions: SubmissionsListener = SubmissionsListener()
    imap: ImapConfig = ImapConfig()
    imaps: ImapsListener = ImapsListener()
    postmaster: str = Field(
        "",
        description="address here that gets mail for <postmaster> without a domain (RFC 5321 §4.5.1); "
        "empty: postmaster at the server's hostname",
    )
    message_limit_bytes: int = Field(
        50 << 20, ge=64 << 10, le=1 << 30, description="the largest message taken; told to clients by SIZE"
    )
    header_limit_bytes: int = Field(1 << 20, ge=16 << 10, le=8 << 20, description="the largest header taken")
    line_limit_bytes: int = Field(
        65_536, ge=1000, description="the longest line of a message taken, CRLF included; RFC 5321 promises 1000"
    )
    recipient_limit: int = Field(1000, ge=100, description="recipients of one message; RFC 5321 asks for 100")
    hop_limit: int = Field(50, ge=20, description="Received fields at which a message is taken to be looping")
    connection_limit: int = Field(1000, ge=1, description="connections at once, for each worker and service")
    connection_limit_per_ip: int = Field(100, ge=1, description="connections at once from one address, likewise")
    error_limit: int = Field(20, ge=3, description="refused commands after which a session is closed")
    command_timeout: timedelta = Field(timedelta(minutes=5), description="how long a session may stay silent")
    data_timeout: timedelta = Field(timedelta(minutes=30), description="how long one message may take to arrive")
    queue: QueueConfig = QueueConfig()
    courier: CourierConfig = CourierConfig()

    @field_validator("postmaster")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        if value:
            Address.parse(value)
        return value
