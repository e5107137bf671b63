"""Links, and the tickets of downloads that are counted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from comgov.files.model import Link

if TYPE_CHECKING:
    from comgov.db import Connection, Record

_LINK = """
SELECT l.id, l.token, l.node_id, n.space_id, s.institution_id, n.name, n.size_bytes,
       l.password_hash IS NOT NULL AS has_password, l.institution_only, l.downloads_max, l.downloads, l.created_at,
       l.created_by, p.name AS creator, l.expires_at, l.revoked_at, l.last_download_at,
       i.state = 'suspended' AS is_suspended
  FROM comgov.link l
  JOIN comgov.node n ON n.id = l.node_id
  JOIN comgov.space s ON s.id = n.space_id
  JOIN comgov.institution i ON i.id = s.institution_id
  JOIN comgov.account p ON p.id = l.created_by
"""


def _from_row(row: Record) -> Link:
    return Link(**row)


INSERT = """
INSERT INTO comgov.link (node_id, token, password_hash, institution_only, downloads_max, created_at, created_by,
                         expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id
"""


async def insert(
    connection: Connection,
    node_id: int,
    token: str,
    password_hash: str | None,
    institution_only: bool,
    downloads_max: int | None,
    now: datetime,
    person_id: int,
    expires_at: datetime,
) -> int:
    """A new link."""
    found: int = await connection.fetchval(
        INSERT, node_id, token, password_hash, institution_only, downloads_max, now, person_id, expires_at
    )
    return found


GET = _LINK + " WHERE l.id = $1"


async def get(connection: Connection, link_id: int) -> Link | None:
    """A link by its id, whatever became of it."""
    row = await connection.fetchrow(GET, link_id)
    return _from_row(row) if row else None


BY_TOKEN = _LINK + " WHERE l.token = $1"


async def by_token(connection: Connection, token: str) -> Link | None:
    """A link by what stands in its address."""
    row = await connection.fetchrow(BY_TOKEN, token)
    return _from_row(row) if row else None


_OF_PERSON = """
l.created_by = $1 AND ($2::timestamptz IS NULL OR l.revoked_at IS NULL AND l.expires_at > $2
                                              AND (l.downloads_max IS NULL OR l.downloads < l.downloads_max))
"""

OF_PERSON = f"{_LINK} WHERE {_OF_PERSON} AND l.id < $3 ORDER BY l.id DESC LIMIT $4"


async def of_person(
    connection: Connection, person_id: int, open_at: datetime | None, before: int, limit: int
) -> list[Link]:
    """The links that a person made, latest first, of those with ids below `before`.

    open_at: those alone that are open at that instant; None for all.
    """
    return [_from_row(row) for row in await connection.fetch(OF_PERSON, person_id, open_at, before, limit)]


OF_PERSON_COUNT = f"SELECT count(*) FROM comgov.link l WHERE {_OF_PERSON}"  # noqa: S608


async def of_person_count(connection: Connection, person_id: int, open_at: datetime | None) -> int:
    """How many links a person made, or how many of them are open at that instant."""
    return int(await connection.fetchval(OF_PERSON_COUNT, person_id, open_at))


OF_NODE = _LINK + " WHERE l.node_id = $1 AND l.revoked_at IS NULL AND l.expires_at > $2 ORDER BY l.id DESC LIMIT $3"


async def of_node(connection: Connection, node_id: int, now: datetime, limit: int) -> list[Link]:
    """The links of a file that are neither revoked nor expired, latest first."""
    return [_from_row(row) for row in await connection.fetch(OF_NODE, node_id, now, limit)]


REVOKE = "UPDATE comgov.link SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL"


async def revoke(connection: Connection, link_id: int, now: datetime) -> None:
    """Close a link; its tickets end too."""
    await connection.execute(REVOKE, link_id, now)
    await connection.execute(DROP_TICKETS, link_id)


DROP_TICKETS = "DELETE FROM comgov.link_ticket WHERE link_id = $1"

COUNT = """
UPDATE comgov.link SET downloads = downloads + 1, last_download_at = $2
 WHERE id = $1 AND revoked_at IS NULL AND expires_at > $2 AND (downloads_max IS NULL OR downloads < downloads_max)
RETURNING downloads
"""


async def count(connection: Connection, link_id: int, now: datetime) -> bool:
    """Count a download; False if the link closed meanwhile or all its downloads are spent."""
    return await connection.fetchval(COUNT, link_id, now) is not None


INSERT_TICKET = "INSERT INTO comgov.link_ticket (token, link_id, expires_at) VALUES ($1, $2, $3)"


async def insert_ticket(connection: Connection, token: str, link_id: int, expires_at: datetime) -> None:
    """Let the holder of that token fetch the file, and resume, until then."""
    await connection.execute(INSERT_TICKET, token, link_id, expires_at)


HAS_TICKET = "SELECT EXISTS (SELECT FROM comgov.link_ticket WHERE token = $1 AND link_id = $2 AND expires_at > $3)"


async def has_ticket(connection: Connection, token: str, link_id: int, now: datetime) -> bool:
    """Whether that ticket is of that link and has not expired."""
    return bool(await connection.fetchval(HAS_TICKET, token, link_id, now))


DROP_EXPIRED_TICKETS = "DELETE FROM comgov.link_ticket WHERE expires_at <= $1"


async def drop_expired_tickets(connection: Connection, now: datetime) -> None:
    """Forget tickets that no longer open anything."""
    await connection.execute(DROP_EXPIRED_TICKETS, now)


@dataclass(frozen=True)
class Lock:
    """What stands between a visitor and a link. locked_until: after too many wrong passwords."""

    password_hash: str | None
    locked_until: datetime | None


LOCK = "SELECT password_hash, locked_until FROM comgov.link WHERE id = $1"


async def lock(connection: Connection, link_id: int) -> Lock:
    """The password of a link, hashed, and whether it may be tried."""
    row = await connection.fetchrow(LOCK, link_id)
    return Lock(*row) if row else Lock(None, None)


WRONG = """
UPDATE comgov.link
   SET wrong_passwords = (wrong_passwords + 1) % $2,
       locked_until = CASE WHEN wrong_passwords + 1 >= $2 THEN $3::timestamptz ELSE locked_until END
 WHERE id = $1
"""


async def wrong_password(connection: Connection, link_id: int, limit: int, until: datetime) -> None:
    """Count a wrong password; every `limit` of them lock the link until then."""
    await connection.execute(WRONG, link_id, limit, until)
