"""The directory that everyone may read: open accounts, posts before people, each by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from comgov.people.model import Entry

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from comgov.db import Connection, Record


@dataclass(frozen=True)
class Count:
    """How many there are of each."""

    posts: int
    people: int


_ENTRY = "SELECT id, kind, institution_id, name, address FROM comgov.account WHERE disabled_at IS NULL"

_AFTER = """
  AND (kind = 'person', comgov.plain(name) COLLATE "C", id)
      > (coalesce((SELECT kind = 'person' FROM comgov.account WHERE id = $2), false),
         coalesce((SELECT comgov.plain(name) FROM comgov.account WHERE id = $2), ''), $2)
ORDER BY kind = 'person', comgov.plain(name) COLLATE "C", id LIMIT $3
"""

PAGE = f"{_ENTRY} AND institution_id = $1 {_AFTER}"


async def page(connection: Connection, institution_id: int, after: int, limit: int, now: datetime) -> Sequence[Entry]:
    """Entries of an institution after the one of that id; from the beginning when there is none."""
    return await _tied(connection, await connection.fetch(PAGE, institution_id, after, limit), now)


_FOUND = "AND words @@ comgov.beginnings($1)"

FOUND = f"{_ENTRY} {_FOUND} {_AFTER}"

FOUND_IN = f"{_ENTRY} {_FOUND} AND institution_id = $4 {_AFTER}"


async def found(
    connection: Connection, text: str, institution_id: int | None, after: int, limit: int, now: datetime
) -> Sequence[Entry]:
    """Entries with a word, in name or address, that begins like each word of `text`; of one institution or of all."""
    rows = (
        await connection.fetch(FOUND, text, after, limit)
        if institution_id is None
        else await connection.fetch(FOUND_IN, text, after, limit, institution_id)
    )
    return await _tied(connection, rows, now)


_COUNT = """
SELECT count(*) FILTER (WHERE kind = 'post') AS posts, count(*) FILTER (WHERE kind = 'person') AS people
FROM comgov.account WHERE disabled_at IS NULL
"""

COUNT = f"{_COUNT} AND institution_id = $1"


async def count(connection: Connection, institution_id: int) -> Count:
    """How many entries an institution has."""
    return _count(await connection.fetchrow(COUNT, institution_id))


COUNT_FOUND = f"{_COUNT} {_FOUND}"

COUNT_FOUND_IN = f"{_COUNT} {_FOUND} AND institution_id = $2"


async def count_found(connection: Connection, text: str, institution_id: int | None) -> Count:
    """How many `found` would give in all."""
    if institution_id is None:
        return _count(await connection.fetchrow(COUNT_FOUND, text))
    return _count(await connection.fetchrow(COUNT_FOUND_IN, text, institution_id))


TIES = """
SELECT post_id, post.name AS title, person_id, person.name
FROM comgov.holding
JOIN comgov.account AS post ON post.id = post_id AND post.disabled_at IS NULL
JOIN comgov.account AS person ON person.id = person_id AND person.disabled_at IS NULL
WHERE (post_id = ANY ($1::bigint[]) OR person_id = ANY ($1::bigint[]))
  AND held_from <= $2 AND (held_until IS NULL OR held_until > $2)
ORDER BY held_from, holding.id
"""


async def _tied(connection: Connection, rows: Sequence[Record], now: datetime) -> Sequence[Entry]:
    """Entries of their rows, with what the holdings of now say of them."""
    ties: dict[int, dict[str, None]] = {row["id"]: {} for row in rows}
    for row in await connection.fetch(TIES, list(ties), now):
        ties.get(row["post_id"], {})[row["name"]] = None
        ties.get(row["person_id"], {})[row["title"]] = None
    return [Entry(**dict(row), ties=tuple(ties[row["id"]])) for row in rows]


def _count(row: Record | None) -> Count:
    assert row is not None
    return Count(posts=row["posts"], people=row["people"])
