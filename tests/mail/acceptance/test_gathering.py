"""A batch waits for clients who have announced themselves, and for nobody for long."""

from __future__ import annotations

import asyncio

import pytest

from mail.acceptance import commit
from mail.acceptance.commit import Expected, gathered


@pytest.fixture
def expected() -> Expected:
    return Expected()


def test_who_announced_itself_is_expected_until_it_came(expected: Expected) -> None:
    assert not expected
    expected.add("anna")
    expected.add("eric")
    expected.remove("anna")
    assert expected
    expected.remove("eric")
    expected.remove("eric")
    assert not expected


def test_who_is_late_is_expected_no_more(expected: Expected, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(commit, "monotonic", lambda: now)
    expected.add("late")
    now += 0.04
    expected.add("fresh")
    assert expected
    now += 0.04
    assert expected
    now += 0.04
    assert not expected
    expected.add("late")
    assert expected


async def test_a_batch_waits_for_the_expected(expected: Expected, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commit, "_AWAITED_SECONDS", 60.0)
    monkeypatch.setattr(commit, "_EXPECTED_FOR_SECONDS", 60.0)
    expected.add("anna")
    gathering = asyncio.create_task(gathered(expected))
    await asyncio.sleep(0.1)
    assert not gathering.done()
    expected.remove("anna")
    await asyncio.wait_for(gathering, 10)


async def test_a_batch_does_not_wait_for_long(expected: Expected, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commit, "_EXPECTED_FOR_SECONDS", 60.0)
    expected.add("anna")
    await asyncio.wait_for(gathered(expected), 10)
    assert expected
