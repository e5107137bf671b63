"""The trees: folders and files, where they lie, and what was thrown away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from comgov.files.model import Crumb, Listing, Node, Rows, Sort, Trashed
from comgov.files.names import name_key, plain, sort_key

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from comgov.db import Connection, Record
    from storage import Blob

_COLUMNS = """
n.id, n.space_id, n.parent_id, n.is_file, n.name, n.version, n.versions_made, n.sha256, n.size_bytes, n.created_at,
n.changed_at, changer.name AS changed_by, n.trashed_at
"""
_NODE = f"SELECT {_COLUMNS} FROM comgov.node n LEFT JOIN comgov.account changer ON changer.id = n.changed_by"  # noqa: S608


def _from_row(row: Record) -> Node:
    return Node(**{key: row[key] for key in Node.__dataclass_fields__})


GET = f"{_NODE} WHERE n.id = $1"


async def get(connection: Connection, node_id: int) -> Node | None:
    """A node, wherever it lies, the trash included."""
    row = await connection.fetchrow(GET, node_id)
    return _from_row(row) if row else None


CHILD = f"{_NODE} WHERE n.parent_id = $1 AND n.name_key = $2 AND n.trashed_at IS NULL"


async def child(connection: Connection, folder_id: int, name: str) -> Node | None:
    """What bears that name in a folder, whatever its case."""
    row = await connection.fetchrow(CHILD, folder_id, name_key(name))
    return _from_row(row) if row else None


ABOVE = """
WITH RECURSIVE up AS (
    SELECT parent_id, 0 AS step FROM comgov.node WHERE id = $1
    UNION ALL
    SELECT n.parent_id, up.step + 1 FROM up JOIN comgov.node n ON n.id = up.parent_id
)
SELECT n.id, n.name, n.trashed_at IS NOT NULL AS is_trashed
  FROM up JOIN comgov.node n ON n.id = up.parent_id
 ORDER BY up.step DESC
"""


async def above(connection: Connection, node_id: int) -> tuple[tuple[Crumb, ...], bool]:
    """The folders above a node, from the root on, and whether one of them lies in the trash."""
    rows = await connection.fetch(ABOVE, node_id)
    return tuple(Crumb(row["id"], row["name"]) for row in rows), any(row["is_trashed"] for row in rows)


IS_TRASHED = """
WITH RECURSIVE up AS (
    SELECT parent_id, trashed_at FROM comgov.node WHERE id = $1
    UNION ALL
    SELECT n.parent_id, n.trashed_at FROM up JOIN comgov.node n ON n.id = up.parent_id
)
SELECT bool_or(trashed_at IS NOT NULL) FROM up
"""


async def is_trashed(connection: Connection, node_id: int) -> bool:
    """Whether a node lies in the trash, by itself or with a folder above."""
    return bool(await connection.fetchval(IS_TRASHED, node_id))


WALK = """
WITH RECURSIVE walk AS (
    SELECT $1::bigint AS id, 0 AS step
    UNION ALL
    SELECT n.id, walk.step + 1
      FROM walk JOIN comgov.node n ON n.parent_id = walk.id AND n.name_key = ($2::text[])[walk.step + 1]
                                  AND n.trashed_at IS NULL
)
SELECT id FROM walk WHERE step = cardinality($2::text[])
"""


async def walk(connection: Connection, root_id: int, names: Sequence[str]) -> int | None:
    """The node at the end of a path from a root; None if there is nothing."""
    found: int | None = await connection.fetchval(WALK, root_id, [name_key(name) for name in names])
    return found


HEIGHT = """
WITH RECURSIVE down AS (
    SELECT id, 0 AS step FROM comgov.node WHERE id = $1
    UNION ALL
    SELECT n.id, down.step + 1 FROM down JOIN comgov.node n ON n.parent_id = down.id
)
SELECT max(step) FROM down
"""


async def height(connection: Connection, node_id: int) -> int:
    """How many levels lie beneath a node: 0 for a file or an empty folder."""
    return int(await connection.fetchval(HEIGHT, node_id))


INSERT = """
INSERT INTO comgov.node (space_id, parent_id, is_file, name, name_key, sort_key, plain_name, version, versions_made,
                         sha256, size_bytes, changed_by, created_at, changed_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, CASE WHEN $3 THEN 1 END, CASE WHEN $3 THEN 1 ELSE 0 END, $8, $9, $10, $11, $11)
RETURNING id
"""


async def insert(
    connection: Connection,
    space_id: int,
    parent_id: int,
    name: str,
    blob: Blob | None,
    person_id: int,
    now: datetime,
) -> int:
    """A new node: a file at its version 1 with that blob, or without one a folder. The space is locked."""
    found: int = await connection.fetchval(
        INSERT,
        space_id,
        parent_id,
        blob is not None,
        name,
        name_key(name),
        sort_key(name),
        plain(name),
        blob.sha256 if blob else None,
        blob.size_bytes if blob else 0,
        person_id,
        now,
    )
    return found


PLACE = """
UPDATE comgov.node
   SET parent_id = $2, name = $3, name_key = $4, sort_key = $5, plain_name = $6, trashed_at = NULL, trashed_by = NULL
 WHERE id = $1
"""


async def place(connection: Connection, node_id: int, parent_id: int, name: str) -> None:
    """Put a node there under that name, out of the trash if it was in it. The space is locked."""
    await connection.execute(PLACE, node_id, parent_id, name, name_key(name), sort_key(name), plain(name))


_BENEATH = """
WITH RECURSIVE beneath AS (
    SELECT id FROM comgov.node WHERE id = ANY($1::bigint[])
    UNION
    SELECT n.id FROM beneath JOIN comgov.node n ON n.parent_id = beneath.id
)
"""

CHANGE_SPACE = _BENEATH + "UPDATE comgov.node n SET space_id = $2 FROM beneath WHERE n.id = beneath.id"  # noqa: S608


async def change_space(connection: Connection, node_id: int, space_id: int) -> None:
    """Say of a node and all beneath that it lies in that space. Both spaces are locked."""
    await connection.execute(CHANGE_SPACE, [node_id], space_id)


@dataclass(frozen=True)
class Weight:
    """What nodes hold with all that lies beneath, every version of every file."""

    size_bytes: int
    files: int


WEIGHT = (
    _BENEATH
    + """
SELECT coalesce(sum(v.size_bytes), 0)::bigint, count(DISTINCT v.node_id)
  FROM beneath JOIN comgov.version v ON v.node_id = beneath.id
"""
)


async def weight(connection: Connection, node_ids: Sequence[int]) -> Weight:
    """What these nodes hold, the trashed beneath them included."""
    row = await connection.fetchrow(WEIGHT, node_ids)
    assert row is not None
    return Weight(*row)


_COPIED = """
WITH RECURSIVE copied AS (
    SELECT id, parent_id, 0 AS step FROM comgov.node WHERE id = $1
    UNION ALL
    SELECT n.id, n.parent_id, copied.step + 1
      FROM copied JOIN comgov.node n ON n.parent_id = copied.id AND n.trashed_at IS NULL
)
"""

COPY_WEIGHT = (
    _COPIED
    + """
SELECT coalesce(sum(n.size_bytes), 0)::bigint, count(*) FILTER (WHERE n.is_file), count(*)
  FROM copied JOIN comgov.node n USING (id)
"""
)


async def copy_weight(connection: Connection, node_id: int) -> tuple[Weight, int]:
    """What a copy would hold, the shown versions alone and nothing trashed, and how many nodes it would make."""
    row = await connection.fetchrow(COPY_WEIGHT, node_id)
    assert row is not None
    return Weight(row[0], row[1]), row[2]


COPY = f"""{_COPIED}
, numbered AS MATERIALIZED (
    SELECT id, parent_id, nextval(pg_get_serial_sequence('comgov.node', 'id')) AS new_id FROM copied
), made AS (
    INSERT INTO comgov.node (id, space_id, parent_id, is_file, name, name_key, sort_key, plain_name, version,
                             versions_made, sha256, size_bytes, changed_by, created_at, changed_at)
    SELECT c.new_id, $2, coalesce(above.new_id, $3), n.is_file,
           CASE n.id WHEN $1 THEN $4 ELSE n.name END, CASE n.id WHEN $1 THEN $5 ELSE n.name_key END,
           CASE n.id WHEN $1 THEN $6 ELSE n.sort_key END, CASE n.id WHEN $1 THEN $7 ELSE n.plain_name END,
           CASE WHEN n.is_file THEN 1 END, CASE WHEN n.is_file THEN 1 ELSE 0 END, n.sha256, n.size_bytes, $8, $9, $9
      FROM numbered c JOIN comgov.node n USING (id) LEFT JOIN numbered above ON above.id = c.parent_id
), versions AS (
    INSERT INTO comgov.version (node_id, number, sha256, size_bytes, created_by, created_at)
    SELECT c.new_id, 1, n.sha256, n.size_bytes, $8, $9
      FROM numbered c JOIN comgov.node n USING (id) WHERE n.is_file
)
SELECT new_id FROM numbered WHERE id = $1
"""  # noqa: S608


async def copy(
    connection: Connection,
    node_id: int,
    space_id: int,
    parent_id: int,
    name: str,
    person_id: int,
    now: datetime,
) -> int:
    """Copy a node with all that lies beneath, each file at its shown version; gives the copy. Spaces are locked."""
    found: int = await connection.fetchval(
        COPY, node_id, space_id, parent_id, name, name_key(name), sort_key(name), plain(name), person_id, now
    )
    return found


TRASH = "UPDATE comgov.node SET trashed_at = $2, trashed_by = $3 WHERE id = $1"


async def trash(connection: Connection, node_id: int, now: datetime, person_id: int) -> None:
    """Throw away a node; what lies beneath goes with it."""
    await connection.execute(TRASH, node_id, now, person_id)


PURGE = _BENEATH + "DELETE FROM comgov.node n USING beneath WHERE n.id = beneath.id"  # noqa: S608


async def purge(connection: Connection, node_ids: Sequence[int]) -> None:
    """Delete nodes for good with all beneath, versions and links; blobs await the sweeper. The space is locked."""
    await connection.execute(PURGE, node_ids)


_SORT_KEYS = {
    Sort.NAME: ("n.is_file", "n.sort_key", "n.id"),
    Sort.CHANGED: ("n.changed_at", "n.id"),
    Sort.SIZE: ("n.size_bytes", "n.id"),
}


def _listing(sort: Sort, *, descending: bool, continued: bool) -> str:
    keys = _SORT_KEYS[sort]
    order = ", ".join(f"{key} {'DESC' if descending else 'ASC'}" for key in keys)
    after = ", ".join(f"${4 + number}" for number in range(len(keys)))
    condition = f"AND ({', '.join(keys)}) {'<' if descending else '>'} ({after})" if continued else ""
    return f"""{_NODE}
 WHERE n.parent_id = $1 AND n.trashed_at IS NULL AND ($2 = '' OR strpos(n.plain_name, $2) > 0) {condition}
 ORDER BY {order} LIMIT $3"""


LISTINGS = {
    (sort, descending, continued): _listing(sort, descending=descending, continued=continued)
    for sort in Sort
    for descending in (False, True)
    for continued in (False, True)
}

COUNT = """
SELECT count(*) FROM comgov.node WHERE parent_id = $1 AND trashed_at IS NULL AND ($2 = '' OR strpos(plain_name, $2) > 0)
"""

KEY = "SELECT is_file, sort_key, changed_at, size_bytes, id FROM comgov.node WHERE id = $1"


async def listing(connection: Connection, folder_id: int, wish: Listing) -> Rows:
    """A page of what lies in a folder, and how many rows there are in all."""
    words = plain(wish.matching).replace("\0", "\ufffd")
    total = await connection.fetchval(COUNT, folder_id, words)
    query = LISTINGS[wish.sort, wish.descending, wish.after is not None]
    found = await connection.fetch(query, folder_id, words, wish.limit + 1, *(wish.after or ()))
    shown = tuple(_from_row(row) for row in found[: wish.limit])
    following = await _sort_key_of(connection, shown[-1].id, wish.sort) if len(found) > wish.limit else None
    return Rows(shown, total, following)


async def _sort_key_of(connection: Connection, node_id: int, sort: Sort) -> tuple[object, ...]:
    row = await connection.fetchrow(KEY, node_id)
    assert row is not None
    return tuple(row[key.removeprefix("n.")] for key in _SORT_KEYS[sort])


FOLDERS = (
    f"{_NODE} WHERE n.parent_id = $1 AND NOT n.is_file AND n.trashed_at IS NULL ORDER BY n.sort_key, n.id LIMIT $2"
)


async def folders(connection: Connection, folder_id: int, limit: int) -> list[Node]:
    """The first folders in a folder, by name."""
    return [_from_row(row) for row in await connection.fetch(FOLDERS, folder_id, limit)]


TRASHED = f"""
SELECT {_COLUMNS}, trasher.name AS trashed_by,
       (WITH RECURSIVE up AS (
            SELECT n.parent_id AS id, 0 AS step
            UNION ALL
            SELECT a.parent_id, up.step + 1 FROM up JOIN comgov.node a ON a.id = up.id
        )
        SELECT string_agg(a.name, '/' ORDER BY up.step DESC) FROM up JOIN comgov.node a ON a.id = up.id
         WHERE a.parent_id IS NOT NULL) AS path
  FROM comgov.node n
  LEFT JOIN comgov.account changer ON changer.id = n.changed_by
  LEFT JOIN comgov.account trasher ON trasher.id = n.trashed_by
 WHERE n.space_id = $1 AND n.trashed_at IS NOT NULL AND (n.trashed_at, n.id) < ($2, $3)
 ORDER BY n.trashed_at DESC, n.id DESC LIMIT $4
"""  # noqa: S608


async def trashed(connection: Connection, space_id: int, before: tuple[datetime, int], limit: int) -> list[Trashed]:
    """What was thrown away in a space, last thing first. before: the instant and id of the last row seen."""
    return [
        Trashed(node=_from_row(row), path=row["path"] or "", trashed_by=row["trashed_by"])
        for row in await connection.fetch(TRASHED, space_id, *before, limit)
    ]


TRASHED_COUNT = "SELECT count(*) FROM comgov.node WHERE space_id = $1 AND trashed_at IS NOT NULL"


async def trashed_count(connection: Connection, space_id: int) -> int:
    """How many things lie in the trash of a space."""
    return int(await connection.fetchval(TRASHED_COUNT, space_id))


TRASHED_IDS = """
SELECT id FROM comgov.node WHERE space_id = $1 AND trashed_at IS NOT NULL AND trashed_at <= $2
 ORDER BY trashed_at, id LIMIT $3
"""


async def trashed_ids(connection: Connection, space_id: int, until: datetime, limit: int) -> list[int]:
    """The oldest things in the trash of a space, thrown away at `until` or before."""
    return [row["id"] for row in await connection.fetch(TRASHED_IDS, space_id, until, limit)]


EXPIRED_SPACES = """
SELECT DISTINCT space_id FROM comgov.node WHERE trashed_at IS NOT NULL AND trashed_at <= $1 ORDER BY space_id
"""


async def spaces_with_expired_trash(connection: Connection, until: datetime) -> list[int]:
    """The spaces whose trash holds something thrown away at `until` or before."""
    return [row["space_id"] for row in await connection.fetch(EXPIRED_SPACES, until)]
