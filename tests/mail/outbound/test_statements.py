"""Every statement of the outbound half is one that PostgreSQL understands on the migrated database."""

from __future__ import annotations

import pytest

from comgov.db import Database
from mail.outbound.queue import letter, store

STATEMENTS = {
    f"{module.__name__}.{name}": sql
    for module in (store, letter)
    for name, sql in vars(module).items()
    if name.isupper() and isinstance(sql, str) and name != "REST_COLUMNS"  # part of another statement
}


@pytest.mark.parametrize("name", STATEMENTS)
async def test_a_statement_can_be_prepared(db: Database, name: str) -> None:
    async with db.connection() as connection:
        await connection.prepare(STATEMENTS[name])


def test_the_statements_are_found() -> None:
    assert len(STATEMENTS) >= 15
