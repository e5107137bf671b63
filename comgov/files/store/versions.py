"""The versions of files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comgov.files.model import Version

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from comgov.db import Connection
    from storage import Blob

INSERT = """
INSERT INTO comgov.version (node_id, number, sha256, size_bytes, created_by, created_at) VALUES ($1, $2, $3, $4, $5, $6)
"""


async def insert(connection: Connection, node_id: int, number: int, blob: Blob, person_id: int, now: datetime) -> None:
    """A new version. The space is locked, so that `number` is free."""
    await connection.execute(INSERT, node_id, number, blob.sha256, blob.size_bytes, person_id, now)


ADD = """
UPDATE comgov.node
   SET version = versions_made + 1, versions_made = versions_made + 1, sha256 = $2, size_bytes = $3,
       changed_at = $4, changed_by = $5
 WHERE id = $1
RETURNING version
"""


async def add(connection: Connection, node_id: int, blob: Blob, person_id: int, now: datetime) -> int:
    """Make these bytes the next version of a file and show it; gives its number. The space is locked."""
    number: int = await connection.fetchval(ADD, node_id, blob.sha256, blob.size_bytes, now, person_id)
    await insert(connection, node_id, number, blob, person_id, now)
    return number


SHOW = """
UPDATE comgov.node n
   SET version = v.number, sha256 = v.sha256, size_bytes = v.size_bytes, changed_at = $3, changed_by = $4
  FROM comgov.version v
 WHERE n.id = $1 AND v.node_id = n.id AND v.number = $2
RETURNING n.id
"""


async def show(connection: Connection, node_id: int, number: int, person_id: int, now: datetime) -> bool:
    """Show that version of a file from now on; False if there is none. The space is locked."""
    return await connection.fetchval(SHOW, node_id, number, now, person_id) is not None


_VERSION = """
SELECT v.number, v.sha256, v.size_bytes, v.created_at, p.name AS created_by, v.number = n.version AS is_shown
  FROM comgov.version v JOIN comgov.node n ON n.id = v.node_id LEFT JOIN comgov.account p ON p.id = v.created_by
 WHERE v.node_id = $1
"""

GET = _VERSION + " AND v.number = $2"


async def get(connection: Connection, node_id: int, number: int) -> Version | None:
    """One version of a file."""
    row = await connection.fetchrow(GET, node_id, number)
    return Version(**row) if row else None


HISTORY = _VERSION + " AND v.number < $2 ORDER BY v.number DESC LIMIT $3"


async def history(connection: Connection, node_id: int, before: int, limit: int) -> list[Version]:
    """The versions of a file, latest first, of those numbered below `before`."""
    return [Version(**row) for row in await connection.fetch(HISTORY, node_id, before, limit)]


COUNT = "SELECT count(*) FROM comgov.version WHERE node_id = $1"


async def count(connection: Connection, node_id: int) -> int:
    """How many versions of a file are kept."""
    return int(await connection.fetchval(COUNT, node_id))


OLDEST = """
SELECT v.number FROM comgov.version v JOIN comgov.node n ON n.id = v.node_id
 WHERE v.node_id = $1 AND v.number <> n.version ORDER BY v.number
 LIMIT greatest(0, (SELECT count(*) FROM comgov.version WHERE node_id = $1) - $2)
"""


async def beyond(connection: Connection, node_id: int, kept: int) -> list[int]:
    """The oldest versions of a file beyond the `kept` ones; never the one shown."""
    return [row["number"] for row in await connection.fetch(OLDEST, node_id, kept)]


DELETE = """
WITH gone AS (
    DELETE FROM comgov.version v USING comgov.node n
     WHERE v.node_id = $1 AND v.number = ANY($2::int[]) AND n.id = v.node_id AND v.number <> n.version
    RETURNING v.size_bytes
)
SELECT coalesce(sum(size_bytes), 0)::bigint FROM gone
"""


async def delete(connection: Connection, node_id: int, numbers: list[int]) -> int:
    """Delete versions for good, never the one shown; gives the bytes freed. The space is locked."""
    return int(await connection.fetchval(DELETE, node_id, numbers))


REFERRED = "SELECT DISTINCT sha256 FROM comgov.version WHERE sha256 = ANY($1::bytea[])"


async def referred(connection: Connection, digests: Collection[bytes]) -> set[bytes]:
    """Those of these digests that some version has."""
    return {row["sha256"] for row in await connection.fetch(REFERRED, digests)}
