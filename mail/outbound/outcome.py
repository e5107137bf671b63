"""What became of an attempt at one recipient: values, since none of them is a surprise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, kw_only=True)
class Delivered:
    """reply: the last words of the server that took it, such as `250 2.0.0 Ok`; empty for a local mailbox."""

    reply: str = ""


@dataclass(frozen=True, kw_only=True)
class Deferred:
    """Not now: to be tried again. status: enhanced code 4.x.x (RFC 3463). reply: the server's, or what happened."""

    status: str
    reply: str


@dataclass(frozen=True, kw_only=True)
class Failed:
    """Never: the sender is told. status: enhanced code 5.x.x (RFC 3463). reply: the server's, or what happened."""

    status: str
    reply: str


Outcome: TypeAlias = Delivered | Deferred | Failed
