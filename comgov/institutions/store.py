"""The institutions' table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import asyncpg

from comgov.errors import Conflict
from comgov.institutions.model import Institution, Kind, State
from comgov.language import N_

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from comgov.db import Connection, Record

INSERT = """
INSERT INTO comgov.institution (code, domain, name_fr, name_en, kind, province, parent_id, state, quota_bytes,
                                created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, 'active', $8, $9)
RETURNING *
"""


async def insert(connection: Connection, **columns: Any) -> Institution:
    """Add one; raises Conflict when its code or its domain is taken.

    columns: those of the table, without id and state.
    """
    order = ("code", "domain", "name_fr", "name_en", "kind", "province", "parent_id", "quota_bytes", "created_at")
    try:
        row = await connection.fetchrow(INSERT, *(columns[name] for name in order))
    except asyncpg.UniqueViolationError as error:
        raise Conflict(N_("There is already an institution {code} or {domain}."), **columns) from error
    assert row is not None
    return _institution(row)


UPDATE = """
UPDATE comgov.institution
SET name_fr = $2, name_en = $3, kind = $4, province = $5, parent_id = $6, state = $7, quota_bytes = $8
WHERE id = $1
RETURNING *
"""


async def update(connection: Connection, institution: Institution) -> Institution:
    """Write all that may change; code and domain never do."""
    row = await connection.fetchrow(
        UPDATE,
        institution.id,
        institution.name_fr,
        institution.name_en,
        institution.kind,
        institution.province,
        institution.parent_id,
        institution.state,
        institution.quota_bytes,
    )
    assert row is not None
    return _institution(row)


BY_CODE = "SELECT * FROM comgov.institution WHERE code = $1"


async def by_code(connection: Connection, code: str) -> Institution | None:
    """The institution of that code."""
    row = await connection.fetchrow(BY_CODE, code)
    return _institution(row) if row else None


BY_IDS = "SELECT * FROM comgov.institution WHERE id = ANY ($1::bigint[])"


async def by_ids(connection: Connection, institution_ids: Iterable[int]) -> dict[int, Institution]:
    """Those institutions, by id."""
    return {row["id"]: _institution(row) for row in await connection.fetch(BY_IDS, list(institution_ids))}


FOLLOWING = """
SELECT * FROM comgov.institution WHERE id <> $1 AND state = 'active' ORDER BY id < $1, id LIMIT $2
"""


async def following(connection: Connection, institution_id: int, limit: int) -> list[Institution]:
    """The active ones after it in the order of their ids, round and round."""
    return [_institution(row) for row in await connection.fetch(FOLLOWING, institution_id, limit)]


BY_CODE_LOCKED = "SELECT * FROM comgov.institution WHERE code = $1 FOR NO KEY UPDATE"


async def by_code_locked(connection: Connection, code: str) -> Institution | None:
    """The institution of that code, for this transaction alone to change."""
    row = await connection.fetchrow(BY_CODE_LOCKED, code)
    return _institution(row) if row else None


BY_ID = "SELECT * FROM comgov.institution WHERE id = $1"


async def by_id(connection: Connection, institution_id: int) -> Institution | None:
    """The institution of that id."""
    row = await connection.fetchrow(BY_ID, institution_id)
    return _institution(row) if row else None


BY_DOMAIN = "SELECT * FROM comgov.institution WHERE domain = $1"


async def by_domain(connection: Connection, domain: str) -> Institution | None:
    """The institution of that mail domain, in lower case."""
    row = await connection.fetchrow(BY_DOMAIN, domain)
    return _institution(row) if row else None


IDS_OF_DOMAINS = "SELECT domain, id FROM comgov.institution WHERE domain = ANY ($1::text[])"


async def ids_of_domains(connection: Connection, domains: Iterable[str]) -> dict[str, int]:
    """The institutions of those mail domains."""
    return {row["domain"]: row["id"] for row in await connection.fetch(IDS_OF_DOMAINS, list(domains))}


ALL = "SELECT * FROM comgov.institution ORDER BY code"


async def everyone(connection: Connection) -> list[Institution]:
    """All of them, by code: a country has some 3,000."""
    return [_institution(row) for row in await connection.fetch(ALL)]


LOCK_TREE = "SELECT pg_advisory_xact_lock($1)"

_TREE = 0x74726565  # "tree": one change of parent at a time, or two could make a ring together


async def lock_tree(connection: Connection) -> None:
    """Become the only one to move institutions until the transaction ends."""
    await connection.execute(LOCK_TREE, _TREE)


ANCESTORS = """
WITH RECURSIVE above (id, parent_id, height) AS (
    SELECT id, parent_id, 1 FROM comgov.institution WHERE id = $1
    UNION ALL
    SELECT institution.id, institution.parent_id, above.height + 1
    FROM comgov.institution JOIN above ON institution.id = above.parent_id
    WHERE above.height < 100
)
SELECT id FROM above ORDER BY height
"""


async def line(connection: Connection, institution_id: int) -> Sequence[int]:
    """Ids from that institution up to the top, itself first."""
    return [row["id"] for row in await connection.fetch(ANCESTORS, institution_id)]


HEIGHT = """
WITH RECURSIVE below (id, depth) AS (
    SELECT $1::bigint, 1
    UNION ALL
    SELECT institution.id, below.depth + 1
    FROM comgov.institution JOIN below ON institution.parent_id = below.id
    WHERE below.depth < 100
)
SELECT max(depth) FROM below
"""


async def height(connection: Connection, institution_id: int) -> int:
    """Levels of the tree from that institution down, itself counted."""
    levels: int = await connection.fetchval(HEIGHT, institution_id)
    return levels


def _institution(row: Record) -> Institution:
    values = dict(row)
    return Institution(**{**values, "kind": Kind(values["kind"]), "state": State(values["state"])})
