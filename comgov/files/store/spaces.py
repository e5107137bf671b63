"""Spaces, what they hold, and who was granted what in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from comgov.files.model import Grant, Space, SpaceRole

if TYPE_CHECKING:
    from collections.abc import Iterable

    from comgov.db import Connection, Record

_SPACE = """
SELECT s.id, root.id AS root_id, s.institution_id, i.code AS institution_code, i.name_fr, i.name_en,
       s.owner_id, p.name AS owner_name, s.default_role, s.quota_bytes, s.size_bytes, s.files, g.role AS granted
  FROM comgov.space s
  JOIN comgov.institution i ON i.id = s.institution_id
  JOIN comgov.node root ON root.space_id = s.id AND root.parent_id IS NULL
  LEFT JOIN comgov.account p ON p.id = s.owner_id
  LEFT JOIN comgov.space_grant g ON g.space_id = s.id AND g.person_id = $1
"""


def _from_row(row: Record) -> tuple[Space, SpaceRole | None]:
    granted = row["granted"]
    return (
        Space(
            id=row["id"],
            root_id=row["root_id"],
            institution_id=row["institution_id"],
            institution_code=row["institution_code"],
            institution_name_fr=row["name_fr"],
            institution_name_en=row["name_en"],
            owner_id=row["owner_id"],
            owner_name=row["owner_name"],
            default_role=SpaceRole.of(row["default_role"]),
            quota_bytes=row["quota_bytes"],
            size_bytes=row["size_bytes"],
            files=row["files"],
        ),
        None if granted is None else SpaceRole.of(granted),
    )


GET = _SPACE + " WHERE s.id = $2"


async def get(connection: Connection, person_id: int, space_id: int) -> tuple[Space, SpaceRole | None] | None:
    """The space and what was granted there to that person."""
    row = await connection.fetchrow(GET, person_id, space_id)
    return _from_row(row) if row else None


OF_PERSON = _SPACE + " WHERE s.owner_id = $1"


async def of_person(connection: Connection, person_id: int) -> Space | None:
    """A person's own space, once there is one."""
    row = await connection.fetchrow(OF_PERSON, person_id)
    return _from_row(row)[0] if row else None


OF_INSTITUTION = _SPACE + " WHERE s.owner_id IS NULL AND s.institution_id = $2"


async def of_institution(
    connection: Connection, person_id: int, institution_id: int
) -> tuple[Space, SpaceRole | None] | None:
    """The space of an institution, once there is one, and what was granted there to that person."""
    row = await connection.fetchrow(OF_INSTITUTION, person_id, institution_id)
    return _from_row(row) if row else None


OPEN_INSTITUTION = "INSERT INTO comgov.files_institution (institution_id) VALUES ($1) ON CONFLICT DO NOTHING"

OPEN = """
WITH space AS (
    INSERT INTO comgov.space (institution_id, owner_id, default_role) VALUES ($1, $2, $3)
    ON CONFLICT DO NOTHING RETURNING id
)
INSERT INTO comgov.node (space_id, is_file, name, name_key, sort_key, plain_name)
SELECT id, false, '', '', '', '' FROM space
"""


async def open_space(connection: Connection, institution_id: int, owner_id: int | None) -> None:
    """Make the space of a person or, without one, of the institution, unless it is there.

    Members of an institution are contributors of its space until its managers say otherwise.
    """
    await connection.execute(OPEN_INSTITUTION, institution_id)
    default = SpaceRole.CONTRIBUTOR if owner_id is None else SpaceRole.NONE
    await connection.execute(OPEN, institution_id, owner_id, default.code)


LOCK = "SELECT id FROM comgov.space WHERE id = ANY($1::bigint[]) ORDER BY id FOR NO KEY UPDATE"


async def lock(connection: Connection, space_ids: Iterable[int]) -> None:
    """Let nobody else change these trees until the transaction ends; always in the order of their ids."""
    await connection.execute(LOCK, sorted(set(space_ids)))


@dataclass(frozen=True)
class Charge:
    """What a space and its institution hold now, and their quotas; None where the configured one holds."""

    space_bytes: int
    space_quota_bytes: int | None
    institution_bytes: int
    institution_quota_bytes: int


USE = """
SELECT s.size_bytes, s.quota_bytes, held.size_bytes, i.quota_bytes
  FROM comgov.space s
  JOIN comgov.files_institution held USING (institution_id)
  JOIN comgov.institution i ON i.id = s.institution_id
 WHERE s.id = $1
"""


async def use(connection: Connection, space_id: int) -> Charge:
    """What a space and its institution hold."""
    row = await connection.fetchrow(USE, space_id)
    assert row is not None
    return Charge(*row)


CHARGE = """
WITH space AS (
    UPDATE comgov.space SET size_bytes = size_bytes + $2, files = files + $3 WHERE id = $1
    RETURNING institution_id, size_bytes, quota_bytes
)
UPDATE comgov.files_institution held
   SET size_bytes = held.size_bytes + $2, files = held.files + $3
  FROM space JOIN comgov.institution i ON i.id = space.institution_id
 WHERE held.institution_id = space.institution_id
RETURNING space.size_bytes, space.quota_bytes, held.size_bytes, i.quota_bytes
"""


async def charge(connection: Connection, space_id: int, size_bytes: int, files: int) -> Charge:
    """Add to (or with negative figures take from) the counters of a locked space and of its institution."""
    row = await connection.fetchrow(CHARGE, space_id, size_bytes, files)
    assert row is not None
    return Charge(*row)


RECOUNT = """
WITH held AS (
    SELECT s.id, coalesce(sum(v.size_bytes), 0)::bigint AS size_bytes, count(DISTINCT n.id) AS files
      FROM comgov.space s
      LEFT JOIN comgov.node n ON n.space_id = s.id AND n.is_file
      LEFT JOIN comgov.version v ON v.node_id = n.id
     GROUP BY s.id
), space AS (
    UPDATE comgov.space s SET size_bytes = held.size_bytes, files = held.files FROM held
     WHERE held.id = s.id AND (s.size_bytes, s.files) IS DISTINCT FROM (held.size_bytes, held.files)
    RETURNING s.id
), institution AS (
    UPDATE comgov.files_institution i SET size_bytes = total.size_bytes, files = total.files
      FROM (SELECT institution_id, sum(held.size_bytes)::bigint AS size_bytes, sum(held.files)::bigint AS files
              FROM comgov.space JOIN held USING (id) GROUP BY institution_id) total
     WHERE total.institution_id = i.institution_id
       AND (i.size_bytes, i.files) IS DISTINCT FROM (total.size_bytes, total.files)
    RETURNING i.institution_id
)
SELECT (SELECT count(*) FROM space) + (SELECT count(*) FROM institution)
"""


async def recount(connection: Connection) -> int:
    """Count everything anew; gives how many counters were wrong. The caller has locked every space."""
    return int(await connection.fetchval(RECOUNT))


ALL_IDS = "SELECT id FROM comgov.space ORDER BY id"


async def all_ids(connection: Connection) -> list[int]:
    """Every space."""
    return [row["id"] for row in await connection.fetch(ALL_IDS)]


@dataclass(frozen=True)
class InstitutionUse:
    """What all spaces of an institution hold, and the quota that its mailboxes count towards too."""

    institution_id: int
    code: str
    size_bytes: int
    files: int
    quota_bytes: int


USAGE = """
SELECT i.id, i.code, coalesce(f.size_bytes, 0), coalesce(f.files, 0), i.quota_bytes
  FROM comgov.institution i LEFT JOIN comgov.files_institution f ON f.institution_id = i.id
 WHERE $1::bigint IS NULL OR i.id = $1
 ORDER BY i.code
"""


async def usage(connection: Connection, institution_id: int | None = None) -> list[InstitutionUse]:
    """What each institution holds, or that one alone."""
    return [InstitutionUse(*row) for row in await connection.fetch(USAGE, institution_id)]


SET_QUOTA = "UPDATE comgov.space SET quota_bytes = $2 WHERE id = $1"


async def set_quota(connection: Connection, space_id: int, quota_bytes: int | None) -> None:
    """Give a space its own quota, or the configured one again."""
    await connection.execute(SET_QUOTA, space_id, quota_bytes)


SET_DEFAULT_ROLE = "UPDATE comgov.space SET default_role = $2 WHERE id = $1"


async def set_default_role(connection: Connection, space_id: int, role: SpaceRole) -> None:
    """What members are when nothing else was granted."""
    await connection.execute(SET_DEFAULT_ROLE, space_id, role.code)


GRANT = """
INSERT INTO comgov.space_grant (space_id, person_id, role)
SELECT s.id, p.id, $3
  FROM comgov.space s JOIN comgov.account p ON p.institution_id = s.institution_id AND p.kind = 'person'
 WHERE s.id = $1 AND p.id = $2
ON CONFLICT (space_id, person_id) DO UPDATE SET role = excluded.role
RETURNING person_id
"""


async def grant(connection: Connection, space_id: int, person_id: int, role: SpaceRole) -> bool:
    """Say what a member of the institution is in its space; False if that person is no member."""
    return await connection.fetchval(GRANT, space_id, person_id, role.code) is not None


GRANTS = """
SELECT g.person_id, p.name, p.address, g.role
  FROM comgov.space_grant g JOIN comgov.account p ON p.id = g.person_id
 WHERE g.space_id = $1 AND p.address > $2 ORDER BY p.address LIMIT $3
"""


async def grants(connection: Connection, space_id: int, after: str, limit: int) -> list[Grant]:
    """Who was granted a role of their own in a space, by address, of those after `after`."""
    return [
        Grant(row["person_id"], row["name"], row["address"], SpaceRole.of(row["role"]))
        for row in await connection.fetch(GRANTS, space_id, after, limit)
    ]


GRANTS_COUNT = "SELECT count(*) FROM comgov.space_grant WHERE space_id = $1"


async def grants_count(connection: Connection, space_id: int) -> int:
    """How many were granted a role of their own."""
    return int(await connection.fetchval(GRANTS_COUNT, space_id))


UNGRANT = "DELETE FROM comgov.space_grant WHERE space_id = $1 AND person_id = $2"


async def ungrant(connection: Connection, space_id: int, person_id: int) -> None:
    """Let the default hold for that person again."""
    await connection.execute(UNGRANT, space_id, person_id)
