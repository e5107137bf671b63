"""`comgov usage`, as someone types it."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import typer
from typer.testing import CliRunner

from comgov.administration.commands import usage as commands
from comgov.administration.model import month_named, month_of
from comgov.errors import ComgovError, Invalid
from comgov.feature import Platform
from comgov.registers.model import Direction

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from .conftest import Government


class Terminal:
    """Types `comgov usage …` in a thread, while the loop of the test runs the work."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._loop = asyncio.get_running_loop()

    def _open(self, config: Path, work: Callable[[Platform], Awaitable[Any]]) -> Any:
        async def run() -> Any:
            return await work(self._platform)

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result()

    async def __call__(self, *words: str) -> Any:
        program = typer.Typer()
        program.add_typer(commands)
        result = await asyncio.to_thread(CliRunner().invoke, program, ["usage", *words], obj=self._open)
        if isinstance(result.exception, ComgovError):
            raise result.exception
        return result


@pytest.fixture
async def comgov(government: Government) -> Terminal:
    await government.receive("claire@sante.gov.test")
    await government.number("sante", Direction.DEPARTURE)
    return Terminal(government.platform)


async def test_people_read_a_table_with_a_line_for_all_together(comgov: Terminal) -> None:
    lines = (await comgov("--month", "2026-11")).stdout.splitlines()
    assert lines[0].split()[:4] == ["institution", "people", "mail", "in"]
    assert [line.split()[0] for line in lines[1:]] == ["sante", "setic", "together"]
    assert len((await comgov("--month", "2026-11", "--institution", "sante")).stdout.splitlines()) == 2


async def test_programs_read_exact_figures(comgov: Terminal) -> None:
    rows = list(
        csv.DictReader(io.StringIO((await comgov("--month", "2026-11", "--format", "csv")).stdout), strict=True)
    )
    found = json.loads((await comgov("--month", "2026-11", "--format", "json")).stdout)
    assert [{key: str(value) for key, value in row.items()} for row in found] == rows
    assert (found[0]["institution"], found[0]["mail_in"], found[0]["dossiers_sent"]) == ("sante", 1, 1)


async def test_a_period_is_a_month_or_two_instants(comgov: Terminal) -> None:
    async def mail_in(*words: str) -> int:
        found = json.loads((await comgov(*words, "--institution", "sante", "--format", "json")).stdout)
        return int(found[0]["mail_in"])

    assert await mail_in() == 1
    assert await mail_in("--month", "2026-10") == 0
    assert await mail_in("--since", "2026-11-23T08:00:00", "--until", "2026-11-23T08:01:00") == 1
    assert await mail_in("--since", "2026-11-23T08:01:00") == 0
    assert (await comgov("--month", "2026-11", "--since", "2026-11-01")).exit_code == 2
    with pytest.raises(Invalid):
        await comgov("--since", "2026-11-23", "--until", "2026-11-22")
    with pytest.raises(Invalid):
        await comgov("--month", "November")


async def test_counting_anew_says_what_it_found(comgov: Terminal) -> None:
    assert "0 mailbox(es), 0 space(s) differed" in (await comgov("--rebuild")).stderr


def test_the_present_month_is_that_of_the_clock_in_utc() -> None:
    assert month_of(datetime(2026, 11, 30, 23, 59, tzinfo=UTC)) == month_named("2026-11")
