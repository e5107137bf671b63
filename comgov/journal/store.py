"""The journal's table."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from comgov.journal.model import START, Entry, Head

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from comgov.actor import Actor
    from comgov.db import Connection, Record

_LINKING = 0x6A6F75726E616C  # "journal": one linker at a time, whatever the worker

INSERT = """
INSERT INTO comgov.journal (actor_id, actor, institution_id, ip, verb, kind, thing, details)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""


async def insert(
    connection: Connection, actor: Actor, verb: str, kind: str, thing: str, details: Mapping[str, Any]
) -> None:
    """Write one entry, still outside the chain; its instant is the transaction's, by the database's clock."""
    await connection.execute(
        INSERT,
        actor.person_id,
        actor.address,
        actor.institution_id,
        actor.ip,
        verb,
        kind,
        thing,
        json.dumps(details, ensure_ascii=False),
    )


LOCK = "SELECT pg_try_advisory_xact_lock($1)"


async def lock(connection: Connection) -> bool:
    """Become the one linker until the transaction ends; False when there is one already."""
    return bool(await connection.fetchval(LOCK, _LINKING))


HEAD = "SELECT number, digest FROM comgov.journal WHERE number IS NOT NULL ORDER BY number DESC LIMIT 1"


async def head(connection: Connection) -> Head:
    """The end of the chain."""
    row = await connection.fetchrow(HEAD)
    return Head(row["number"], row["digest"]) if row else START


WAITING = """
SELECT id, at, actor_id, actor, institution_id, ip, verb, kind, thing, details, number, digest
FROM comgov.journal WHERE number IS NULL ORDER BY id LIMIT $1
"""


async def waiting(connection: Connection, limit: int) -> list[Entry]:
    """Committed entries that are not yet in the chain, oldest first."""
    return [_entry(row) for row in await connection.fetch(WAITING, limit)]


COUNT_WAITING = "SELECT count(*) FROM comgov.journal WHERE number IS NULL"


async def count_waiting(connection: Connection) -> int:
    """How many entries are not yet in the chain."""
    count: int = await connection.fetchval(COUNT_WAITING)
    return count


LINK = """
UPDATE comgov.journal SET number = link.number, digest = link.digest
FROM unnest($1::bigint[], $2::bigint[], $3::bytea[]) AS link (id, number, digest)
WHERE journal.id = link.id
"""


async def link(connection: Connection, entries: Sequence[Entry], heads: Sequence[Head]) -> None:
    """Give each entry its place in the chain."""
    ids = [entry.id for entry in entries]
    await connection.execute(LINK, ids, [head.number for head in heads], [head.digest for head in heads])


PAGE = """
SELECT id, at, actor_id, actor, institution_id, ip, verb, kind, thing, details, number, digest
FROM comgov.journal WHERE number > $1 ORDER BY number LIMIT $2
"""


async def page(connection: Connection, after: int, limit: int) -> list[Entry]:
    """Linked entries after that number, in the order of the chain."""
    return [_entry(row) for row in await connection.fetch(PAGE, after, limit)]


DIGEST = "SELECT digest FROM comgov.journal WHERE number = $1"


async def digest(connection: Connection, number: int) -> bytes | None:
    """The digest kept for that number."""
    found: bytes | None = await connection.fetchval(DIGEST, number)
    return found


def _entry(row: Record) -> Entry:
    values = dict(row)
    return Entry(**{**values, "details": json.loads(values["details"])})
