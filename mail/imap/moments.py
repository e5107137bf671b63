"""Days and moments as IMAP writes them (RFC 9051 §9, date and date-time)."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING

from mail.imap.replies import Bad

if TYPE_CHECKING:
    from mail.imap.cursor import Cursor

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_NUMBERS = {name.lower().encode("ascii"): number for number, name in enumerate(_MONTHS, 1)}
_DATE = re.compile(rb'"?(\d{1,2})-([A-Za-z]{3})-(\d{4})"?')
_DATE_TIME = re.compile(rb'"([ 0-3]\d)-([A-Za-z]{3})-(\d{4}) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)"')


def moment_text(moment: datetime) -> bytes:
    """Such as `"22-Nov-2026 09:30:15 +0000"`."""
    return f'"{moment.day:2d}-{_MONTHS[moment.month - 1]}-{moment.year:04d} {moment:%H:%M:%S %z}"'.encode("ascii")


def read_moment(cursor: Cursor) -> datetime:
    """A day, a time of day and how far it is from UTC. Raises Bad."""
    found = cursor.match(_DATE_TIME, "A date and time")
    offset = timedelta(hours=int(found[8]), minutes=int(found[9]))
    hour, minute, second = int(found[4]), int(found[5]), min(int(found[6]), 59)
    try:
        zone = timezone(-offset if found[7] == b"-" else offset)
        return datetime(int(found[3]), _month(found), int(found[1]), hour, minute, second, tzinfo=zone)
    except ValueError:
        raise Bad("A date and time is expected") from None


def read_day(cursor: Cursor) -> date:
    """A day, quoted or not. Raises Bad."""
    found = cursor.match(_DATE, "A date")
    try:
        return date(int(found[3]), _month(found), int(found[1]))
    except ValueError:
        raise Bad("A date is expected") from None


def _month(found: re.Match[bytes]) -> int:
    return _NUMBERS.get(found[2].lower(), 0)
