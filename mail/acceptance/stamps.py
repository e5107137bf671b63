"""What a server stamps on a message that passes: Received, Return-Path, and what a submission lacks."""

from __future__ import annotations

import re
from email.header import Header
from email.utils import format_datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from mail.envelope import Origin

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from mail.address import Address
    from mail.directory import Identity
    from mail.envelope import Client, Envelope

_UNSAFE = re.compile(r"[^A-Za-z0-9.:_\[\]-]")


def received(hostname: str, client: Client, envelope: Envelope, body_id: UUID, now: datetime) -> bytes:
    """The Received field (RFC 5321 §4.4), folded, with its CRLF. A lone recipient is named, several are not."""
    lines = [f"Received: {_from(client)}by {hostname}"]
    how = f"with {_protocol(client, envelope)} id {body_id.hex}"
    lines.append(how + (f" ({client.tls})" if client.tls else ""))
    if len(envelope.recipients) == 1:
        lines.append(f"for <{envelope.recipients[0]}>")
    return ("\r\n\t".join(lines) + f";\r\n\t{_date_time(now.replace(microsecond=0))}\r\n").encode()


@lru_cache(maxsize=8)
def _date_time(second: datetime) -> str:
    """RFC 5322 §3.3; remembered, since many messages arrive within a second."""
    return format_datetime(second)


def _from(client: Client) -> str:
    if client.origin is Origin.SYSTEM:
        return ""
    helo = _UNSAFE.sub("?", client.helo)[:255] or "unknown"
    literal = f"IPv6:{client.ip}" if ":" in client.ip else client.ip
    return f"from {helo} ([{literal}])\r\n\t"


def _protocol(client: Client, envelope: Envelope) -> str:
    """The `with` word; RFC 6531 §4.3 has its own for internationalised mail."""
    if envelope.smtputf8 and client.protocol.startswith("ESMTP"):
        return client.protocol.replace("ESMTP", "UTF8SMTP", 1)
    return client.protocol


def return_path(sender: Address | None) -> bytes:
    """The Return-Path field (RFC 5321 §4.4), with its CRLF."""
    return f"Return-Path: <{sender or ''}>\r\n".encode()


def date(now: datetime) -> bytes:
    """A Date field for a submission that lacks it."""
    return f"Date: {_date_time(now.replace(microsecond=0))}\r\n".encode()


def message_id(body_id: UUID, hostname: str) -> bytes:
    """A Message-ID field for a submission that lacks it."""
    return f"Message-ID: <{body_id.hex}@{hostname}>\r\n".encode()


def sender(identity: Identity) -> bytes:
    """A Sender field: the person who sends in another's name (RFC 5322 §3.6.2)."""
    name = identity.name.translate(dict.fromkeys(range(32), " "))
    if name.isascii():
        shown = '"' + re.sub(r'([\\"])', r"\\\1", name) + '"'
    else:
        shown = Header(name, "utf-8", maxlinelen=998).encode(linesep="\r\n")
    return f"Sender: {shown} <{identity.address}>\r\n".encode()
