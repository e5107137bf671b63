"""Sets of UIDs and of message sequence numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mail.mailbox.sequence import SequenceSet, compress


def uids(text: bytes, known: list[int]) -> list[int]:
    return SequenceSet.parse(text).uids(known)


def numbers(text: bytes, count: int) -> list[int] | None:
    return SequenceSet.parse(text).numbers(count)


def test_uids_that_are_not_there_are_passed_over() -> None:
    assert uids(b"1:4,9,7", [2, 4, 5, 7]) == [2, 4, 7]
    assert uids(b"1:*", []) == []


def test_a_star_is_the_last_message_whichever_side_it_stands_on() -> None:
    assert uids(b"*", [2, 4, 7]) == [7]
    assert uids(b"9:*", [2, 4, 7]) == [7]
    assert uids(b"*:4", [2, 4, 7]) == [4, 7]
    assert numbers(b"*:2", 3) == [2, 3]


def test_numbers_come_once_and_ascending() -> None:
    assert numbers(b"3,1:2,2:3", 3) == [1, 2, 3]
    assert uids(b"5,1:6,5", [1, 5]) == [1, 5]


@pytest.mark.parametrize(("text", "count"), [(b"4", 3), (b"1:4", 3), (b"*", 0), (b"1", 0), (b"5:*", 3)])
def test_a_number_that_is_not_there_is_refused(text: bytes, count: int) -> None:
    assert numbers(text, count) is None


@pytest.mark.parametrize(
    "text", [b"", b"0", b"1,", b",1", b"1::2", b"1:2:3", b"a", b"-1", b"1 2", b"4294967296", b"99999999999", b"\xb2"]
)
def test_what_is_no_set_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"no sequence set|beyond 32 bits"):
        SequenceSet.parse(text)


def test_the_whole_range_costs_no_more_than_what_is_there() -> None:
    assert uids(b",".join([b"1:4294967295"] * 5000), [1, 2]) == [1, 2]


@given(st.sets(st.integers(1, 60)))
def test_what_is_printed_is_read_back(members: set[int]) -> None:
    text = compress(sorted(members))
    assert members == set(SequenceSet.parse(text).uids(range(1, 61)) if text else ())


def test_runs_are_printed_short() -> None:
    assert compress([1, 2, 3, 5, 7, 8]) == b"1:3,5,7:8"
    assert compress([]) == b""
