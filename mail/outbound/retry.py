"""When a deferred recipient is tried again, and when its sender is told. Pure: no clock, no database."""

from __future__ import annotations

from datetime import datetime, timedelta

WAITS = (
    timedelta(minutes=30),
    timedelta(hours=1),
    timedelta(hours=2),
    timedelta(hours=4),
)
"""The pause after the first, second, … attempt; the last repeats."""


def next_attempt(tries: int, accepted: datetime, now: datetime, give_up_after: timedelta) -> datetime | None:
    """When to try a recipient again; None once its time is spent.

    tries: attempts already made, 1 or more; instants are aware UTC.
    Waits run from 30 min to 4 h, the last repeating (RFC 5321 §4.5.4.1). The last attempt falls on the very
    end of the time given, so that a wait never shortens it.
    """
    assert tries >= 1, "a recipient that was never tried is due at once"
    end = accepted + give_up_after
    if now >= end:
        return None
    return min(now + WAITS[min(tries, len(WAITS)) - 1], end)


def is_warning_due(accepted: datetime, now: datetime, warn_after: timedelta) -> bool:
    """Whether the sender should by now have been told that a recipient is late (RFC 3464 action "delayed").

    warn_after: 4 h is the habit; zero or less means never.
    """
    return warn_after > timedelta(0) and now - accepted >= warn_after
