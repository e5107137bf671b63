"""Who a message goes to and where it came from: what SMTP says about it outside its bytes."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mail.address import Address
    from mail.directory import Identity


@dataclass(frozen=True, kw_only=True)
class Envelope:
    """sender: None for `<>`, which gets no notification of failure (RFC 5321 §4.5.5). recipients: one or more.

    is_8bit: BODY=8BITMIME was said. smtputf8: SMTPUTF8 was said (RFC 6531), so headers may be UTF-8.
    """

    sender: Address | None
    recipients: tuple[Address, ...]
    is_8bit: bool = False
    smtputf8: bool = False


class Origin(Enum):
    """What a message's giver may do: OUTSIDE reaches local recipients only, the others anyone."""

    OUTSIDE = "another server, on the relay port"
    SUBMISSION = "a person who signed in"
    SYSTEM = "this server itself: notifications, alerts"


@dataclass(frozen=True, kw_only=True)
class Client:
    """Facts of the session in which a message was given.

    ip: textual, empty for SYSTEM. helo: what it called itself. protocol: the `with` word of Received (RFC 3848).
    tls: such as `TLSv1.3 TLS_AES_256_GCM_SHA384`, empty in clear. identity: who signed in, with SUBMISSION only.
    """

    origin: Origin
    ip: str = ""
    helo: str = ""
    protocol: str = "ESMTP"
    tls: str = ""
    identity: Identity | None = field(default=None)


SYSTEM = Client(origin=Origin.SYSTEM, protocol="local")
"""This server, sending something of its own."""
