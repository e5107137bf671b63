"""Every statement of the way in is one that the migrated database takes, and leans on an index."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import pytest

from mail import traffic
from mail.acceptance import commit
from mail.body import store
from mail.mailbox import index, ordering, rows, sync, upkeep
from mail.mailbox import store as mailbox_store

if TYPE_CHECKING:
    from types import ModuleType

    from comgov.db import Database

_FRAGMENTS = {
    "INSERT_BODIES",
    "MESSAGE_COLUMNS",
    "REST_COLUMNS",
    "_MAILBOX_COLUMNS",
    "_FIND",
}  # parts of other statements


def _statements(module: ModuleType) -> dict[str, str]:
    return {
        f"{module.__name__}.{name}": value
        for name, value in inspect.getmembers(module, lambda value: isinstance(value, str))
        if name.isupper() and name not in _FRAGMENTS and value.split()[:1] and value.split()[0].isupper()
    }


STATEMENTS = {
    name: sql
    for module in (commit, store, traffic, index, ordering, rows, sync, upkeep, mailbox_store)
    for name, sql in _statements(module).items()
} | {f"{rows.__name__}.{wanted}": sql for wanted, sql in rows._STATEMENTS.items()}


def test_statements_are_found() -> None:
    assert len(STATEMENTS) > 25


@pytest.mark.parametrize("name", STATEMENTS)
async def test_a_statement_can_be_prepared(db: Database, name: str) -> None:
    async with db.pool.acquire() as connection:
        await connection.prepare(STATEMENTS[name])


_FILL = """
INSERT INTO mail.mailbox (account_id, name) SELECT n, 'INBOX' FROM generate_series(1, 2000) AS n;
INSERT INTO mail.body (id, sha256, size_bytes, trace, header, inline, envelope, bodystructure, parts, accepted_at)
SELECT md5(n::text)::uuid, '', 1, '', '', '', '', '', '[]', now() FROM generate_series(1, 20000) AS n;
INSERT INTO mail.message (mailbox_id, uid, body_id, internal_date, flags, modseq, size_bytes)
SELECT 1 + n % 50, n, md5(n::text)::uuid, now(), (n % 20 > 0)::int, 1, 1 FROM generate_series(1, 20000) AS n;
INSERT INTO mail.words SELECT id, 'word' FROM mail.body;
INSERT INTO mail.unindexed SELECT id FROM mail.body LIMIT 3;
INSERT INTO mail.traffic
SELECT now() - n * interval '1 minute', 'x.test', 'in', 1, 1 FROM generate_series(1, 50000) AS n;
ANALYZE;
"""


@pytest.mark.parametrize(
    ("sql", "arguments", "table"),
    [
        (mailbox_store._PAGE, (7, 1 << 62, 51), "message"),
        (mailbox_store._UNSEEN_PAGE, (7, 1 << 62, 51), "message"),
        (mailbox_store._MESSAGES, (7, [106, 156]), "message"),
        (mailbox_store._MAILBOXES, (7,), "mailbox"),
        (mailbox_store._MAILBOXES_FOR, ([7, 8], 7), "mailbox"),
        (mailbox_store._USED, (7,), "mailbox"),
        (index._SEARCH, (7, "'word'", 1 << 62, 51), "message"),
        (index._PENDING, (None, 50, []), "body"),
        (upkeep._NAMED, ([b"x"],), "body"),
    ],
)
async def test_no_reader_walks_a_whole_table(db: Database, sql: str, arguments: tuple[object, ...], table: str) -> None:
    async with db.pool.acquire() as connection:
        await connection.execute(_FILL)
        plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {sql}", *arguments))
    assert f"Seq Scan on {table} " not in plan, plan
