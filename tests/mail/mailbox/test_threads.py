"""Messages are put in threads as RFC 5256 says, in time that hostile claims cannot stretch."""

from __future__ import annotations

import gc
import time
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mail.imap.searching import threads_text
from mail.mailbox import threads
from mail.mailbox.threads import Node, Threaded, by_references, by_subject
from mail.message.subject import base_subject

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

START = datetime(2026, 11, 22, tzinfo=UTC)


def digest(name: str) -> bytes:
    return blake2b(name.encode(), digest_size=8).digest()


def message(uid: int, name: str = "", subject: str = "", *ancestors: str, after: float = 0) -> Threaded:
    """One whose Message-ID is `name`. after: minutes, its UID's unless told."""
    base = base_subject(subject)
    lineage = b"".join(map(digest, (*ancestors, name or f"unnamed {uid}")))
    return Threaded(uid, START + timedelta(minutes=after or uid), base.text.upper(), base.is_reply, lineage)


def shown(nodes: list[Node]) -> str:
    return threads_text(nodes, lambda uid: uid).decode()


@pytest.mark.parametrize(
    ("messages", "text"),
    [
        ([], ""),
        ([message(1, "a"), message(2, "b")], "(1)(2)"),
        ([message(1, "a"), message(2, "b", "", "a"), message(3, "c", "", "a", "b")], "(1 2 3)"),
        ([message(1, "a"), message(2, "b", "", "a"), message(3, "c", "", "a")], "(1 (2)(3))"),
        # RFC 5256 §4: (2)(3 6 (4 23)(44 7 96))
        (
            [
                message(2, "two"),
                message(3, "three"),
                message(4, "four", "", "three", "six"),
                message(6, "six", "", "three"),
                message(7, "seven", "", "three", "six", "fortyfour"),
                message(23, "x", "", "three", "six", "four"),
                message(44, "fortyfour", "", "three", "six"),
                message(96, "y", "", "three", "six", "fortyfour", "seven"),
            ],
            "(2)(3 6 (4 23)(44 7 96))",
        ),
        # RFC 5256 §4: the first message is not there
        ([message(3, "a", "", "gone"), message(5, "b", "", "gone")], "((3)(5))"),
        ([message(3, "a", "", "gone")], "(3)"),
        ([message(1, "a"), message(2, "b", "", "a", "gone"), message(3, "c", "", "a", "gone")], "(1 (2)(3))"),
        # Parents that come later
        ([message(1, "c", "", "a", "b"), message(2, "b", "", "a"), message(3, "a")], "(3 2 1)"),
        # What a message says of itself counts for more than what others say of it
        ([message(1, "c", "", "x", "b"), message(2, "b", "", "a"), message(3, "a"), message(4, "x")], "(3 2 1)(4)"),
        # Circles
        ([message(1, "a", "", "a")], "(1)"),
        ([message(1, "a", "", "b"), message(2, "b", "", "a")], "(2 1)"),
        # Two messages of one Message-ID
        ([message(1, "a"), message(2, "a"), message(3, "b", "", "a")], "(1 3)(2)"),
        # Subjects
        ([message(1, "a", "Budget"), message(2, "b", "Re: budget")], "(1 2)"),
        ([message(1, "a", "Budget"), message(2, "b", "budget")], "((1)(2))"),
        ([message(1, "a", "Re: Budget"), message(2, "b", "budget")], "(2 1)"),
        ([message(1, "a", "Budget"), message(2, "b", "Budget"), message(3, "c", "Re: budget")], "((1)(2)(3))"),
        (
            [message(1, "a", "Budget", "gone"), message(2, "b", "Budget", "gone"), message(3, "c", "Budget")],
            "((1)(2)(3))",
        ),
        (
            [message(n, f"m{n}", "Budget", "gone" if n < 3 else "lost") for n in range(1, 5)],
            "((1)(2)(3)(4))",
        ),
        ([message(1, "a", "Re:"), message(2, "b", "")], "(1)(2)"),
        # By date
        ([message(1, "a", after=9), message(2, "b", after=3), message(3, "c", "", "b", after=20)], "(2 3)(1)"),
        (
            [message(1, "a", "", "gone", after=9), message(2, "b", "", "gone", after=3), message(3, "c", after=5)],
            "((2)(1))(3)",
        ),
    ],
)
def test_threads_follow_references(messages: list[Threaded], text: str) -> None:
    assert shown(by_references(messages)) == text


def test_threads_follow_ordered_subjects() -> None:
    messages = [
        message(1, "", "Budget", after=30),
        message(2, "", "Mission", after=10),
        message(3, "", "Re: budget", after=20),
        message(4, "", "Re: Mission", after=40),
        message(5, "", "[Fwd: mission]", after=50),
        message(6, "", "Autre", after=60),
    ]
    assert shown(by_subject(messages)) == "(2 (4)(5))(3 1)(6)"


@given(
    st.lists(
        st.tuples(
            st.integers(0, 6),
            st.lists(st.integers(0, 9), max_size=4),
            st.sampled_from(["", "a", "Re: a", "b"]),
            st.integers(1, 5),
        ),
        max_size=12,
    )
)
def test_every_message_is_in_one_thread_once(drawn: list[tuple[int, list[int], str, int]]) -> None:
    messages = [
        message(uid, f"m{own}", subject, *(f"m{ancestor}" for ancestor in ancestors), after=after)
        for uid, (own, ancestors, subject, after) in enumerate(drawn, 1)
    ]
    for nodes in (by_references(messages), by_subject(messages)):
        assert sorted(node.uid for node in nodes if node.uid) == [one.uid for one in messages]
        assert all(node.depth == 0 for node in nodes if not node.uid)
        for before, node in zip([Node(0, -1), *nodes], nodes, strict=False):
            assert 0 <= node.depth <= before.depth + 1
        absent_above = [place for place, node in enumerate(nodes) if not node.uid]
        for place in absent_above:
            below = nodes[place + 1 :]
            end = next((at for at, node in enumerate(below) if not node.depth), len(below))
            assert sum(node.depth == 1 for node in below[:end]) > 1
        text = shown(nodes)
        assert text.count("(") == text.count(")")


@given(st.lists(st.lists(st.integers(0, 9), max_size=4), max_size=9), st.randoms())
def test_who_is_absent_and_named_once_makes_no_difference(drawn: list[list[int]], random: Random) -> None:
    names = random.choices(range(10), k=len(drawn))
    messages = [
        message(uid, f"m{own}", "", *(f"m{ancestor}" for ancestor in ancestors))
        for uid, (own, ancestors) in enumerate(zip(names, drawn, strict=True), 1)
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threads, "_SLOTS", 1)  # everybody is taken for named more than once
        all_kept = by_references(messages)
    assert by_references(messages) == all_kept


def in_a_chain(count: int) -> list[Threaded]:
    return [message(n + 1, f"m{n}", "", f"m{n - 1}") for n in range(count)]


def backwards(count: int) -> list[Threaded]:
    return [message(n + 1, f"m{count - n}", "", f"m{count - n - 1}") for n in range(count)]


def odd_ones_last(count: int) -> list[Threaded]:
    order = [*range(0, count, 2), *range(1, count, 2)]
    return [message(uid, f"m{n}", "", f"m{n - 1}") for uid, n in enumerate(order, 1)]


def in_branches(count: int) -> list[Threaded]:
    """Each message has an answer that nobody answers, and one that goes on."""
    return [message(n + 1, f"m{n}", "", f"m{(n - 1) // 2 * 2}") for n in range(count)]


def naming_many(count: int) -> list[Threaded]:
    return [message(n + 1, f"m{n}", "", *(f"x{(n * 7 + k) % (count * 3)}" for k in range(16))) for n in range(count)]


def naming_others_each(count: int) -> list[Threaded]:
    return [message(n + 1, f"m{n}", "", *(f"x{n * 16 + k}" for k in range(16))) for n in range(count)]


def of_one_subject(count: int) -> list[Threaded]:
    return [message(n + 1, f"m{n}", "Re: same" if n % 3 else "same", f"gone{n % 97}") for n in range(count)]


@pytest.mark.parametrize(
    "hostile", [in_a_chain, backwards, odd_ones_last, in_branches, naming_many, naming_others_each, of_one_subject]
)
def test_hostile_claims_cost_time_in_proportion(hostile: Callable[[int], list[Threaded]]) -> None:
    def seconds(count: int) -> float:
        messages = hostile(count)
        gc.disable()  # what other tests left behind is not for this one to walk through
        try:
            start = time.process_time()
            text = shown(by_references(messages))
            spent = time.process_time() - start
        finally:
            gc.enable()
        assert sum(map(str.isdigit, text)) >= count
        return spent

    seconds(500)
    few, many = (min(seconds(count) for _ in range(3)) for count in (1000, 10_000))
    assert many < 40 * max(few, 0.002)
