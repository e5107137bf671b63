"""What an institution uses: people, mail, files, dossiers, over a period and now."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from functools import reduce

from comgov.actor import Actor, Role
from comgov.errors import Forbidden, Invalid
from comgov.institutions.model import Institution
from comgov.language import N_
from comgov.table import Cell

_MONTH = re.compile(r"(\d{4})-(\d{2})", re.ASCII)


@dataclass(frozen=True)
class Period:
    """From `since` up to, not including, `until`; aware."""

    since: datetime
    until: datetime

    def __post_init__(self) -> None:
        if self.until <= self.since:
            raise Invalid(N_("The period ends before it begins."))


def month_of(instant: datetime) -> Period:
    """The calendar month (UTC) in which that instant lies."""
    first = instant.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return Period(first, _next_month(first))


def month_named(text: str) -> Period:
    """The month written such as `2026-11`. Raises Invalid."""
    match = _MONTH.fullmatch(text)
    if match is None or not 1 <= int(match[2]) <= 12 or not 2000 <= int(match[1]) <= 9998:
        raise Invalid(N_("“{month}” is not a month such as 2026-11."), month=text[:20])
    first = datetime(int(match[1]), int(match[2]), 1, tzinfo=UTC)
    return Period(first, _next_month(first))


def month_before(period: Period) -> Period:
    """The month that ends where this one begins."""
    last = period.since.replace(day=1)
    first = last.replace(year=last.year - 1, month=12) if last.month == 1 else last.replace(month=last.month - 1)
    return Period(first, last)


def _next_month(first: datetime) -> datetime:
    return first.replace(year=first.year + 1, month=1) if first.month == 12 else first.replace(month=first.month + 1)


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Exact figures of an institution, or of several together.

    Over the period: mail copies and bytes (in: from elsewhere; out: to elsewhere; internal: within the institution),
    dossiers by their numbers in the registers. Now: open accounts, what mailboxes and files hold, the quota.
    """

    people: int = 0
    posts: int = 0
    mail_in: int = 0
    mail_in_bytes: int = 0
    mail_out: int = 0
    mail_out_bytes: int = 0
    mail_internal: int = 0
    mail_internal_bytes: int = 0
    mailbox_messages: int = 0
    mailbox_bytes: int = 0
    files: int = 0
    files_bytes: int = 0
    dossiers_sent: int = 0
    dossiers_received: int = 0
    quota_bytes: int = 0

    @property
    def stored_bytes(self) -> int:
        """What mailboxes and files hold together: what the quota bounds."""
        return self.mailbox_bytes + self.files_bytes

    def __add__(self, other: Figures) -> Figures:
        names = [field.name for field in fields(self)]
        return Figures(**{name: getattr(self, name) + getattr(other, name) for name in names})


@dataclass(frozen=True)
class Usage:
    """An institution and its figures."""

    institution: Institution
    figures: Figures

    def as_row(self) -> dict[str, Cell]:
        """For CSV and JSON: every figure, exact."""
        found = self.institution
        figures = {field.name: getattr(self.figures, field.name) for field in fields(self.figures)}
        return {"institution": found.code, "domain": found.domain, "state": found.state.value, **figures}


@dataclass(frozen=True)
class Report:
    """The usage of several institutions over one period, by code."""

    period: Period
    usages: tuple[Usage, ...]

    @property
    def total(self) -> Figures:
        """All of them together."""
        return total(usage.figures for usage in self.usages)

    @property
    def heaviest(self) -> Usage | None:
        """The institution that stores the most; None when nobody stores anything."""
        found = max(self.usages, key=lambda usage: usage.figures.stored_bytes, default=None)
        return found if found is not None and found.figures.stored_bytes else None

    @property
    def nearly_full(self) -> tuple[Usage, ...]:
        """Those that have used 80 % of their quota or more, the fullest first."""
        tight = [usage for usage in self.usages if share(usage.figures) >= 0.8]
        return tuple(sorted(tight, key=lambda usage: share(usage.figures), reverse=True))


def total(figures: Iterable[Figures]) -> Figures:
    """All of them together."""
    return reduce(Figures.__add__, figures, Figures())


def share(figures: Figures) -> float:
    """How much of the quota is used: 1.0 is all of it; 0 when nothing is stored."""
    if not figures.stored_bytes:
        return 0.0
    return figures.stored_bytes / figures.quota_bytes if figures.quota_bytes else float("inf")


def must_administer_something(actor: Actor) -> None:
    """Raises Forbidden unless the actor runs the platform or their institution."""
    if not (actor.has(Role.PLATFORM_ADMINISTRATOR) or actor.has(Role.INSTITUTION_ADMINISTRATOR)):
        raise Forbidden(N_("This page is for administrators. The ICT focal point of your institution is one."))
