"""How sizes, numbers and instants are written, in each language. Pure functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from babel.dates import format_date, format_datetime, format_time
from babel.numbers import format_decimal, format_percent
from markupsafe import Markup

if TYPE_CHECKING:
    from datetime import date, datetime

    from comgov.language import Language

_UNITS: dict[Language, tuple[str, ...]] = {
    "fr": ("o", "ko", "Mo", "Go", "To", "Po"),
    "en": ("B", "kB", "MB", "GB", "TB", "PB"),
}
_NO_BREAK = "\N{NO-BREAK SPACE}"
_YESTERDAY: dict[Language, str] = {"fr": "hier", "en": "yesterday"}
_DAYS_WITH_TIME = 7
_PERCENT: dict[Language, str] = {"fr": "#,##0\N{NARROW NO-BREAK SPACE}%", "en": "#,##0%"}


def filesize(size_bytes: int, language: Language) -> str:
    """A size in decimal units, two significant digits below ten: "1,2 Mo", "1.2 MB", "640 ko"."""
    size, unit = float(size_bytes), 0
    while size >= 999.5 and unit < len(_UNITS[language]) - 1:
        size, unit = size / 1000, unit + 1
    digits = "0.0" if unit and size < 9.95 else "0"
    return f"{format_decimal(size, digits, locale=language)}{_NO_BREAK}{_UNITS[language][unit]}"


def number(value: float, language: Language) -> str:
    """A number with its thousands set apart: by a narrow no-break space in French."""
    return format_decimal(value, locale=language)


def percent(share: float, language: Language) -> str:
    """A share from 0 to 1 in whole hundredths, "80 %" with its narrow no-break space, "80%"; what is not nothing is
    never written as nothing: "< 1 %".
    """
    written = format_percent(max(share, 0.01) if share > 0 else 0, _PERCENT[language], locale=language)
    return f"<{_NO_BREAK}{written}" if 0 < share < 0.005 else written


def day(date: date, language: Language) -> str:
    """A day in words: "4 mars 2027"."""
    return format_date(date, "d MMMM y", locale=language)


def instant(when: datetime, now: datetime, language: Language) -> Markup:
    """An instant in full as `<time>`, for what serves as a proof; shown in the zone of `now`."""
    local = when.astimezone(now.tzinfo)
    return Markup('<time datetime="{}">{}</time>').format(local.isoformat(timespec="seconds"), whole(local, language))


def moment(instant: datetime, now: datetime, language: Language) -> Markup:
    """An instant as `<time>`: short for the eye, whole in `datetime` and on hover.

    Today gives the time, yesterday says so, this year the day, else the date. Both are aware; shown in the
    zone of `now`.
    """
    local = instant.astimezone(now.tzinfo)
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        local.isoformat(timespec="seconds"), whole(local, language), _short(local, now, language)
    )


def whole(local: datetime, language: Language) -> str:
    """An instant in full, to the minute, in its own zone."""
    return format_datetime(local, "d MMMM y HH:mm ZZZZ", locale=language)


def _short(local: datetime, now: datetime, language: Language) -> str:
    days = (now.date() - local.date()).days
    time = format_time(local, "HH:mm", locale=language)
    if days == 0:
        return time
    if days == 1:
        return f"{_YESTERDAY[language]}{_NO_BREAK}{time}"
    day = format_date(local, "d MMM" if local.year == now.year else "d MMM y", locale=language)
    return f"{day}{_NO_BREAK}{time}" if 0 < days < _DAYS_WITH_TIME else day
