"""The queue's vocabulary and its rules. No await here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeAlias

from pydantic import BaseModel, Field

from mail.outbound.courier.remote import UNREACHABLE
from mail.outbound.courier.session import Parcel
from mail.outbound.dsn import Action, Report
from mail.outbound.outcome import Deferred, Delivered
from mail.outbound.retry import is_warning_due, next_attempt

if TYPE_CHECKING:
    from uuid import UUID

    import asyncpg

    from mail.outbound.courier.remote import Attempt

RECIPIENTS_LIMIT = 100  # of one transaction: every server takes that many (RFC 5321 §4.5.3.1.8)


class Config(BaseModel, frozen=True, extra="forbid"):
    """Mail that waits for other servers."""

    give_up_after: timedelta = Field(
        timedelta(days=5), gt=timedelta(0), description="a recipient not reached by then fails, and the sender is told"
    )
    warn_after: timedelta = Field(
        timedelta(hours=4), ge=timedelta(0), description="the sender is told of a delay by then; zero: never"
    )
    connections: int = Field(20, ge=1, le=1000, description="to all sites together, for each worker")
    connections_per_site: int = Field(
        2, ge=1, le=100, description="of all workers and nodes together; from two on, one is kept for small mail"
    )
    site_bytes_per_second: int = Field(
        0, ge=0, description="how fast mail may leave for one site, of all workers and nodes together; 0: no limit"
    )
    batch: int = Field(50, ge=1, le=1000, description="recipients claimed at once")
    lease: timedelta = Field(
        timedelta(seconds=60), ge=timedelta(seconds=3), description="a worker silent for so long loses what it claimed"
    )
    look_every: timedelta = Field(
        timedelta(seconds=30), gt=timedelta(0), description="for what no notification told of: leases of dead workers"
    )
    finish_within: timedelta = Field(
        timedelta(seconds=8), description="at a stop, deliveries under way have so long to end"
    )


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One recipient elsewhere, claimed. Instants are aware UTC; `sender` is empty for `<>`.

    attempts: this one included. last_status: of the attempt before, empty if there was none.
    """

    id: int
    body_id: UUID
    sender: str
    recipient: str
    site: str
    size_bytes: int
    smtputf8: bool
    is_8bit: bool
    attempts: int
    accepted_at: datetime
    warned_at: datetime | None
    last_status: str

    @classmethod
    def from_row(cls, row: asyncpg.Record) -> Entry:
        """From a row with these names."""
        return cls(**dict(row))

    @property
    def was_unreachable(self) -> bool:
        """Whether the attempt before found nobody, or lost the connection."""
        return self.last_status in UNREACHABLE


@dataclass(frozen=True, kw_only=True)
class DueSite:
    """A site for which mail waits that nobody is delivering."""

    site: str
    has_small: bool
    has_large: bool


@dataclass(frozen=True, kw_only=True)
class SiteSummary:
    """What waits for one site. last_reply: of the latest attempt, empty when there was none."""

    site: str
    waiting: int
    size_bytes: int
    oldest: datetime
    next_attempt_at: datetime
    last_reply: str


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What waits in all: recipients, bytes to send, the instant of the oldest; and the fullest sites."""

    waiting: int
    size_bytes: int
    oldest: datetime | None
    sites: tuple[SiteSummary, ...]


@dataclass(frozen=True)
class Done:
    """Delivered: nothing remains to be done."""

    entry: Entry


@dataclass(frozen=True)
class Retry:
    """Deferred. warning: what the sender is to be told now, if it is time. is_warned: it was told just now."""

    entry: Entry
    at: datetime
    status: str
    reply: str
    warning: Report | None = None
    is_warned: bool = False


@dataclass(frozen=True)
class Bounce:
    """Failed, or out of time: the sender is to be told, unless there is none."""

    entry: Entry
    report: Report


Verdict: TypeAlias = Done | Retry | Bounce


def judge(entry: Entry, attempt: Attempt, now: datetime, config: Config) -> Verdict:
    """What follows from an attempt that ended now."""
    outcome = attempt.outcome
    if isinstance(outcome, Delivered):
        return Done(entry)
    if not isinstance(outcome, Deferred):
        return Bounce(entry, _report(entry, attempt, Action.FAILED, outcome.status, outcome.reply, now))
    at = next_attempt(entry.attempts, entry.accepted_at, now, config.give_up_after)
    if at is None:
        return Bounce(entry, _report(entry, attempt, Action.FAILED, "5.4.7", outcome.reply, now))
    warning = None
    if entry.warned_at is None and is_warning_due(entry.accepted_at, now, config.warn_after):
        until = entry.accepted_at + config.give_up_after
        warning = _report(entry, attempt, Action.DELAYED, outcome.status, outcome.reply, now, until)
    return Retry(entry, at, outcome.status, outcome.reply, warning)


def _report(
    entry: Entry,
    attempt: Attempt,
    action: Action,
    status: str,
    text: str,
    now: datetime,
    retry_until: datetime | None = None,
) -> Report:
    return Report(
        recipient=entry.recipient,
        action=action,
        status=status,
        text=text,
        remote_mta=attempt.remote_mta,
        last_attempt=now,
        retry_until=retry_until,
    )


def transactions(entries: Iterable[Entry]) -> list[Sequence[Entry]]:
    """Entries of one site, gathered by message and sender in the order of their first, at most RECIPIENTS_LIMIT each.

    Recipients that need SMTPUTF8 travel apart, so that a server without it costs the others nothing.
    """
    groups: dict[tuple[object, ...], list[Entry]] = {}
    for entry in entries:
        groups.setdefault((entry.body_id, entry.sender, entry.recipient.isascii()), []).append(entry)
    return [
        group[start : start + RECIPIENTS_LIMIT]
        for group in groups.values()
        for start in range(0, len(group), RECIPIENTS_LIMIT)
    ]


def parcel(entries: Sequence[Entry], header: bytes, size_bytes: int) -> Parcel:
    """What one transaction carries; header: of the message, size_bytes: of all that is sent."""
    first = entries[0]
    has_global_address = not (first.sender.isascii() and first.recipient.isascii())
    return Parcel(
        sender=first.sender,
        recipients=tuple(entry.recipient for entry in entries),
        size_bytes=size_bytes,
        is_8bit=first.is_8bit,
        smtputf8=has_global_address or (first.smtputf8 and not header.isascii()),
    )
