"""`comgov space`, as an operator types it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import typer
from typer.testing import CliRunner

from comgov import files
from comgov.db import open_database
from comgov.errors import Full, NotFound
from comgov.files.actions.upload import upload

from .conftest import chunks

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from comgov.actor import Actor
    from comgov.feature import Platform
    from comgov.files.model import Space

    from .conftest import Put


class Terminal:
    """Types commands against the database of the test."""

    def __init__(self, platform: Platform, url: str) -> None:
        self._platform, self._url = platform, url
        self._program = typer.Typer()
        for commands in files.feature.commands:
            self._program.add_typer(commands)

    async def type(self, *words: str) -> tuple[int, str]:
        """The exit code and what was printed."""
        done = await asyncio.to_thread(CliRunner().invoke, self._program, words, obj=self._open)
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.exit_code, done.output

    def _open(self, _config: Path, work: Callable[[Platform], Awaitable[Any]]) -> Any:
        async def run() -> Any:
            async with open_database(self._url) as db:
                return await work(replace(self._platform, db=db))

        return asyncio.run(run())


@pytest.fixture
def terminal(platform: Platform, db_url: str) -> Terminal:
    return Terminal(platform, db_url)


async def test_a_space_is_shown_and_given_a_quota(
    platform: Platform, claire: Actor, own: Space, put: Put, terminal: Terminal
) -> None:
    await put(claire, own.root_id, "bilan.pdf", b"12345")
    _, shown = await terminal.type("space", "show", claire.address)
    assert "files: 1\n" in shown and "used: 5\u00a0B\n" in shown and "quota: 5.0\u00a0GB\n" in shown
    await terminal.type("space", "quota", claire.address, "6")
    with pytest.raises(Full):
        await upload(platform, claire, own.root_id, "b.pdf", chunks(b"12"))
    _, shown = await terminal.type("space", "quota", claire.address, "usual")
    assert "quota: 5.0\u00a0GB\n" in shown


async def test_the_space_of_an_institution_is_made_when_asked_for(ministries: None, terminal: Terminal) -> None:
    code, shown = await terminal.type("space", "show", "sante")
    assert (code, "files: 0\n" in shown) == (0, True)


async def test_what_is_not_there_is_said(ministries: None, terminal: Terminal) -> None:
    for owner in ("nobody@sante.gov.test", "nowhere"):
        with pytest.raises(NotFound):
            await terminal.type("space", "show", owner)
    code, said = await terminal.type("space", "quota", "sante", "much")
    assert (code, "not a size" in said) == (2, True)
