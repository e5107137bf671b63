"""Every SQL statement of every store is one that PostgreSQL takes; those asked most often walk an index."""

from __future__ import annotations

import importlib
import json
import pkgutil
from typing import TYPE_CHECKING

import pytest

import comgov
from comgov.people.store import app_passwords, directory, entries, people, sign_in
from comgov.people.store import posts as posts_store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from comgov.db import Database

_VERBS = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")


def statements() -> Iterator[tuple[str, str]]:
    """Module and name, and the SQL, of each public upper-case constant in a store."""
    for module in pkgutil.walk_packages(comgov.__path__, "comgov."):
        if ".store" in module.name:
            found = vars(importlib.import_module(module.name))
            for name, value in found.items():
                if name.isupper() and not name.startswith("_") and isinstance(value, str):
                    yield f"{module.name}.{name}", value.strip()


async def test_every_statement_can_be_prepared(db: Database) -> None:
    found = dict(statements())
    assert len(found) > 60
    async with db.connection() as connection:
        for name, sql in found.items():
            assert sql.startswith(_VERBS), name
            try:
                await connection.prepare(sql)
            except Exception as error:
                raise AssertionError(f"{name}: {error}") from error


@pytest.fixture
async def filled(db: Database) -> Database:
    """A country's directory in small: 20 institutions, 20,000 people, 1,000 posts, as many sessions and devices."""
    async with db.connection() as connection:
        await connection.execute(
            """
            INSERT INTO comgov.institution (code, domain, name_fr, name_en, kind, province, state, quota_bytes)
            SELECT 'i' || n, 'i' || n || '.gov.test', 'I', 'I', 'ministry', '', 'active', 0
            FROM generate_series(1, 20) AS n;
            INSERT INTO comgov.account (kind, institution_id, address, name, quota_bytes, created_at)
            SELECT CASE WHEN n % 21 = 0 THEN 'post' ELSE 'person' END, 1 + n % 20,
                   'p' || n || '@i' || 1 + n % 20 || '.gov.test', 'P ' || n, 0, now()
            FROM generate_series(1, 21000) AS n;
            INSERT INTO comgov.address (address, account_id) SELECT address, id FROM comgov.account;
            INSERT INTO comgov.person (id, language, roles)
            SELECT id, 'fr', '{civil-servant}' FROM comgov.account WHERE kind = 'person';
            INSERT INTO comgov.post (id) SELECT id FROM comgov.account WHERE kind = 'post';
            INSERT INTO comgov.holding (post_id, person_id, rights, held_from)
            SELECT id, id + 1, 'sender', now() FROM comgov.post WHERE id + 1 IN (SELECT id FROM comgov.person);
            INSERT INTO comgov.mailing_list (institution_id, address, name, posting, owner_id, created_at)
            SELECT 1 + n % 20, 'l' || n || '@i' || 1 + n % 20 || '.gov.test', 'L', 'members', 1, now()
            FROM generate_series(1, 2000) AS n;
            INSERT INTO comgov.address (address, list_id) SELECT address, id FROM comgov.mailing_list;
            INSERT INTO comgov.session (token_sha256, person_id, created_at, seen_at, expires_at, ip, agent)
            SELECT sha256(id::text::bytea), id, now(), now(), now() + '1 hour', '', '' FROM comgov.person;
            INSERT INTO comgov.app_password (person_id, name, sha256, created_at)
            SELECT id, 'x', sha256(id::text::bytea), now() FROM comgov.person;
            """
        )
        await connection.execute("ANALYZE")
    return db


_ASKED_OFTEN: tuple[tuple[str, tuple[str, ...]], ...] = (
    (directory.DESTINATION, ("'p7@i8.gov.test'", "'i8.gov.test'")),
    (directory.REACH, ("22", "7")),
    (app_passwords.HOLDER, ("sha256('7')", "'p7@i8.gov.test'")),
    (app_passwords.OF_PERSON, ("7",)),
    (app_passwords.REVOKE, ("7", "NULL", "now()")),
    (sign_in.BY_ADDRESS, ("'p7@i8.gov.test'", "now()")),
    (sign_in.BY_SESSION, ("sha256('7')", "now()", "now() - interval '2 hours'")),
    (people.BY_ADDRESS, ("'p7@i8.gov.test'",)),
    (people.PAGE, ("8", "'p5'", "''", "50")),
    (people.ACCOUNTS, ("ARRAY['p7@i8.gov.test']",)),
    (posts_store.HOLDINGS, ("ARRAY[21]",)),
    (entries.PAGE, ("8", "7", "50")),
    (entries.COUNT, ("8",)),
    (entries.FOUND, ("'p7123'", "7", "50")),
    (entries.FOUND_IN, ("'p7123'", "7", "50", "8")),
    (entries.COUNT_FOUND, ("'p7123'",)),
    (entries.COUNT_FOUND_IN, ("'p7123'", "8")),
    (entries.TIES, ("ARRAY[21]", "now()")),
    (directory.OPEN_HOLDERS, ("21",)),
)


async def test_what_is_asked_often_reads_no_large_table_from_end_to_end(filled: Database) -> None:
    async with filled.connection() as connection:
        for asked, arguments in _ASKED_OFTEN:
            sql = asked
            for place, argument in reversed(list(enumerate(arguments, start=1))):
                sql = sql.replace(f"${place}", argument)
            plan = json.loads(await connection.fetchval(f"EXPLAIN (FORMAT json) {sql}"))
            assert _scanned(plan[0]["Plan"]) <= {"institution"}, sql


def _scanned(node: dict[str, object]) -> set[object]:
    """Tables that the plan reads from end to end."""
    below = node.get("Plans", [])
    assert isinstance(below, list)
    here = {node["Relation Name"]} if node["Node Type"] == "Seq Scan" else set()
    return here.union(*(_scanned(child) for child in below))
