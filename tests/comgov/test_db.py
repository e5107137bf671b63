"""Migrations go forward, once, and notice what was edited; what the database says becomes our words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from comgov.db import Database, DatabaseDown, DatabaseRefused, MigrationError, Migrations, migrate, once_reachable
from comgov.errors import Full, Invalid

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def package(tmp_path: Path) -> Migrations:
    (tmp_path / "0001_things.sql").write_text("CREATE TABLE comgov.thing (id int)")
    return Migrations(package="things", directory=tmp_path)


async def test_a_migration_is_applied_once(db_url: str, db: Database, package: Migrations) -> None:
    assert await migrate(db_url, [package]) == ["things/0001_things"]
    assert await migrate(db_url, [package]) == []
    async with db.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM comgov.thing") == 0


async def test_an_edited_migration_is_refused(db_url: str, package: Migrations) -> None:
    await migrate(db_url, [package])
    (package.directory / "0001_things.sql").write_text("CREATE TABLE comgov.other (id int)")
    with pytest.raises(MigrationError, match="edited after it was applied"):
        await migrate(db_url, [package])


async def test_a_gap_in_the_numbers_is_refused(db_url: str, package: Migrations) -> None:
    (package.directory / "0003_more.sql").write_text("SELECT 1")
    with pytest.raises(MigrationError, match="without a gap"):
        await migrate(db_url, [package])


async def test_a_migration_that_fails_leaves_nothing(db_url: str, db: Database, package: Migrations) -> None:
    (package.directory / "0002_broken.sql").write_text("CREATE TABLE comgov.half (id int); SELECT nonsense")
    with pytest.raises(Exception, match="nonsense"):
        await migrate(db_url, [package])
    async with db.connection() as connection:
        assert await connection.fetchval("SELECT to_regclass('comgov.half')") is None


async def test_a_disk_without_room_is_told_as_such(db: Database) -> None:
    with pytest.raises(Full):
        async with db.connection() as connection:
            await connection.execute("DO $$ BEGIN RAISE EXCEPTION 'no room' USING ERRCODE = 'disk_full'; END $$")


@pytest.mark.parametrize(
    "url", ["nonsense", "postgresql://u@/nowhere?host={sockets}", "postgresql://nobody@/postgres?host={sockets}"]
)
async def test_a_database_that_says_no_is_not_taken_for_one_that_is_away(postgres_url: str, url: str) -> None:
    _, _, sockets = postgres_url.partition("host=")
    with pytest.raises(DatabaseRefused, match=r"correct database\.url"):
        await migrate(url.format(sockets=sockets), [])


async def test_work_is_begun_again_for_as_long_as_the_database_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("comgov.db._FIRST_PAUSE", 0.0)
    outcomes: list[object] = [DatabaseDown(OSError("away")), DatabaseDown(OSError("still")), "done"]

    async def work() -> object:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    assert await once_reachable(work) == "done"


@pytest.mark.parametrize("text", ["a\0b", "a\ud800b"])
async def test_a_text_that_cannot_be_kept_is_refused(db: Database, text: str) -> None:
    with pytest.raises(Invalid):
        async with db.connection() as connection:
            await connection.fetchval("SELECT $1::text", text)
