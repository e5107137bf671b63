"""Sets of UIDs or of message sequence numbers (RFC 9051 §9, sequence-set)."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

STAR = 0
"""Stands for `*`, the last message there is."""

_TEXT = re.compile(rb"(?:[1-9]\d{0,9}|\*)(?::(?:[1-9]\d{0,9}|\*))?(?:,(?:[1-9]\d{0,9}|\*)(?::(?:[1-9]\d{0,9}|\*))?)*")
_LIMIT = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class SequenceSet:
    """As the client wrote it. ranges: first and last, in whichever order; a single number is both.

    Without ranges it is `$`, the result of the last search that was saved (RFC 5182).
    """

    ranges: tuple[tuple[int, int], ...]

    @classmethod
    def parse(cls, text: bytes) -> SequenceSet:
        """Raises ValueError for what is none."""
        if not _TEXT.fullmatch(text):
            raise ValueError("no sequence set")
        ranges = []
        for piece in text.split(b","):
            first, _, last = piece.partition(b":")
            ranges.append((_number(first), _number(last or first)))
        return cls(tuple(ranges))

    def uids(self, known: Sequence[int], *, star: int = 0) -> list[int]:
        """Which of these UIDs, given in ascending order, it names; unknown ones are passed over.

        star: what `*` stands for, when it is not the last of them.
        """
        if not known:
            return []
        spans = self.spans(star or known[-1])
        places = ((bisect_left(known, first), bisect_right(known, last)) for first, last in spans)
        return [known[place] for start, stop in places for place in range(start, stop)]

    def numbers(self, count: int) -> list[int] | None:
        """Which of the message sequence numbers 1 … count it names; None when it names one that is not there."""
        spans = self.spans(count)
        if not count or spans[-1][1] > count:
            return None
        return [number for first, last in spans for number in range(first, last + 1)]

    def spans(self, star: int) -> list[tuple[int, int]]:
        """First and last of each run, ascending and apart. star: what `*` stands for."""
        spans: list[tuple[int, int]] = []
        for first, last in sorted(tuple(sorted((a or star, b or star))) for a, b in self.ranges):
            if spans and first <= spans[-1][1] + 1:
                spans[-1] = (spans[-1][0], max(last, spans[-1][1]))
            else:
                spans.append((first, last))
        return spans


def runs(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """First and last of each run of numbers that follow on one another."""
    first = last = 0
    for number in numbers:
        if first and number == last + 1:
            last = number
            continue
        if first:
            yield first, last
        first = last = number
    if first:
        yield first, last


def compress(numbers: Iterable[int]) -> bytes:
    """Numbers as a client reads them, in their order, such as `1:3,5`; empty for none."""
    return b",".join(_span(*run) for run in runs(numbers))


def _span(first: int, last: int) -> bytes:
    return b"%d" % first if first == last else b"%d:%d" % (first, last)


def _number(text: bytes) -> int:
    if text == b"*":
        return STAR
    number = int(text)
    if number > _LIMIT:
        raise ValueError("a number beyond 32 bits")
    return number
