"""Every query is one that PostgreSQL understands, and the frequent ones use an index."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from comgov.files.actions.spaces import recount
from comgov.files.actions.tree import list_folder
from comgov.files.model import Listing, Sort
from comgov.files.store import links, nodes, spaces, versions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from comgov.actor import Actor
    from comgov.db import Connection, Database
    from comgov.feature import Platform
    from comgov.files.model import Space

    from .conftest import Put


def queries() -> Iterator[tuple[str, str]]:
    for module in (links, nodes, spaces, versions):
        for name, value in vars(module).items():
            if name.isupper() and not name.startswith("_") and isinstance(value, str):
                yield f"{module.__name__.rpartition('.')[2]}.{name}", value
    for (sort, descending, continued), value in nodes.LISTINGS.items():
        yield f"nodes.LISTINGS[{sort},{descending},{continued}]", value


QUERIES = dict(queries())


async def test_every_query_can_be_prepared(db: Database) -> None:
    assert len(QUERIES) > 60
    async with db.connection() as connection:
        for query in QUERIES.values():
            await connection.prepare(query)


FILL = """
INSERT INTO comgov.node (space_id, parent_id, is_file, name, name_key, sort_key, plain_name, version, versions_made,
                         sha256, size_bytes, changed_at)
SELECT $1, $2, true, 'rapport ' || n, 'rapport ' || n, 'rapport ' || lpad(n::text, 8, '0'), 'rapport ' || n, 1, 1,
       sha256(n::text::bytea), n % 1000, now() - n * interval '1 second'
  FROM generate_series(1, $3) n
"""
FILL_VERSIONS = """
INSERT INTO comgov.version (node_id, number, sha256, size_bytes)
SELECT id, 1, sha256, size_bytes FROM comgov.node WHERE is_file
"""


@pytest.fixture
async def crowd(platform: Platform, claire: Actor, own: Space, put: Put) -> Space:
    """A folder of 100,000 files."""
    await put(claire, own.root_id, "bilan.pdf")
    async with platform.db.transaction() as connection:
        await connection.execute(FILL, own.id, own.root_id, 100_000)
        await connection.execute(FILL_VERSIONS.replace("WHERE is_file", "WHERE is_file AND name <> 'bilan.pdf'"))
        await connection.execute("UPDATE comgov.node SET trashed_at = now() WHERE is_file AND size_bytes = 999")
    async with platform.db.connection() as connection:
        await connection.execute("ANALYZE")
    return own


async def plan(connection: Connection, query: str, *arguments: object) -> dict[str, Any]:
    found = json.loads(await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}", *arguments))
    root: dict[str, Any] = found[0]["Plan"]
    return root


def parts(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", []):
        yield from parts(child)


def scanned(node: dict[str, Any]) -> float:
    """The most rows that one step went through, those it threw away included."""
    return max(
        (part["Actual Rows"] + part.get("Rows Removed by Filter", 0)) * part["Actual Loops"] for part in parts(node)
    )


async def test_a_page_of_a_large_folder_reads_no_more_than_the_page(platform: Platform, crowd: Space) -> None:
    after = {
        Sort.NAME: (True, "rapport 00050000", 0),
        Sort.CHANGED: (None, 0),
        Sort.SIZE: (500, 0),
    }
    async with platform.db.connection() as connection:
        now = await connection.fetchval("SELECT now() - interval '50000 seconds'")
        for (sort, _, continued), query in nodes.LISTINGS.items():
            key = (now, 0) if sort is Sort.CHANGED else after[sort]
            found = await plan(connection, query, crowd.root_id, "", 101, *(key if continued else ()))
            assert scanned(found) <= 500, (sort, continued, found)


OFTEN = {
    "nodes.CHILD": ("root", "rapport 77"),
    "nodes.WALK": ("root", ["rapport 77"]),
    "nodes.TRASHED": ("space", "future", 0, 100),
    "nodes.TRASHED_IDS": ("space", "future", 100),
    "nodes.ABOVE": ("file",),
    "versions.HISTORY": ("file", 2**31 - 1, 100),
    "versions.REFERRED": ("digests",),
    "spaces.GET": ("person", "space"),
}


async def test_what_is_asked_often_reads_little(platform: Platform, claire: Actor, crowd: Space) -> None:
    async with platform.db.connection() as connection:
        known = {
            "root": crowd.root_id,
            "space": crowd.id,
            "person": claire.person_id,
            "file": await connection.fetchval("SELECT max(id) FROM comgov.node"),
            "future": await connection.fetchval("SELECT now() + interval '1 day'"),
            "digests": [bytes(32)],
        }
        for name, arguments in OFTEN.items():
            given = [known.get(one, one) if isinstance(one, str) else one for one in arguments]
            found = await plan(connection, QUERIES[name], *given)
            assert scanned(found) <= 500, (name, found)


async def test_a_large_folder_is_counted_and_its_counters_mended(
    platform: Platform, claire: Actor, crowd: Space
) -> None:
    _, rows = await list_folder(platform, claire, crowd.root_id, Listing(descending=True, limit=10))
    assert rows.total == 99_901
    assert [node.name for node in rows.nodes][:2] == ["rapport 100000", "rapport 99998"]
    _, found = await list_folder(platform, claire, crowd.root_id, Listing(matching="RAPPORT 9999"))
    assert found.total == 9
    assert await recount(platform) == 2
    assert await recount(platform) == 0
