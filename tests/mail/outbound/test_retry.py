"""The calendar of attempts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mail.outbound.retry import WAITS, is_warning_due, next_attempt

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
FIVE_DAYS = timedelta(days=5)


@pytest.mark.parametrize(
    ("tries", "wait"),
    [
        (1, timedelta(minutes=30)),
        (2, timedelta(hours=1)),
        (3, timedelta(hours=2)),
        (4, timedelta(hours=4)),
        (5, timedelta(hours=4)),
        (500, timedelta(hours=4)),
    ],
)
def test_waits_grow_from_half_an_hour_to_four_hours_and_the_last_repeats(tries: int, wait: timedelta) -> None:
    assert next_attempt(tries, NOON, NOON, FIVE_DAYS) == NOON + wait


def test_the_last_attempt_falls_on_the_end_of_the_time_given() -> None:
    now = NOON + FIVE_DAYS - timedelta(hours=1)

    assert next_attempt(9, NOON, now, FIVE_DAYS) == NOON + FIVE_DAYS


def test_a_recipient_whose_time_is_spent_has_no_further_attempt() -> None:
    assert next_attempt(9, NOON, NOON + FIVE_DAYS, FIVE_DAYS) is None


@given(tries=st.integers(1, 10_000), late=st.timedeltas(timedelta(0), timedelta(days=30)))
def test_an_attempt_is_always_later_than_now_and_never_after_the_end(tries: int, late: timedelta) -> None:
    following = next_attempt(tries, NOON, NOON + late, FIVE_DAYS)

    assert (following is None) == (late >= FIVE_DAYS)
    assert following is None or NOON + late < following <= NOON + FIVE_DAYS


def test_a_recipient_that_never_answers_is_tried_for_five_days_and_no_more() -> None:
    attempts, now, following = 0, NOON, NOON
    while following is not None:
        attempts, now = attempts + 1, following
        following = next_attempt(attempts, NOON, now, FIVE_DAYS)

    assert now == NOON + FIVE_DAYS
    assert attempts == 1 + len(WAITS) + (FIVE_DAYS - sum(WAITS, timedelta(0))) // WAITS[-1] + 1


def test_the_sender_is_warned_once_four_hours_have_passed() -> None:
    four_hours = timedelta(hours=4)

    assert not is_warning_due(NOON, NOON + four_hours - timedelta(seconds=1), four_hours)
    assert is_warning_due(NOON, NOON + four_hours, four_hours)


def test_no_delay_means_no_warning() -> None:
    assert not is_warning_due(NOON, NOON + timedelta(days=4), timedelta(0))
