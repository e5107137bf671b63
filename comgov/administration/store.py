"""What administration reads of the tables of other rooms, and never writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from comgov.db import Connection


@dataclass(frozen=True, kw_only=True)
class Accounts:
    """people, posts: how many are open. ids: all accounts, closed ones too, whose mailboxes still hold mail."""

    people: int
    posts: int
    ids: tuple[int, ...]


ACCOUNTS = """
SELECT institution_id, count(*) FILTER (WHERE kind = 'person' AND disabled_at IS NULL) AS people,
       count(*) FILTER (WHERE kind = 'post' AND disabled_at IS NULL) AS posts, array_agg(id) AS ids
FROM comgov.account WHERE $1::bigint IS NULL OR institution_id = $1 GROUP BY institution_id
"""


async def accounts(connection: Connection, institution_id: int | None) -> Mapping[int, Accounts]:
    """The accounts of each institution, or of that one; those without any are absent."""
    return {
        row["institution_id"]: Accounts(people=row["people"], posts=row["posts"], ids=tuple(row["ids"]))
        for row in await connection.fetch(ACCOUNTS, institution_id)
    }


SESSIONS = "SELECT count(*) FROM comgov.session WHERE expires_at > now()"


async def sessions(connection: Connection) -> int:
    """How many sessions have not expired."""
    found: int = await connection.fetchval(SESSIONS)
    return found


JOURNAL_WAITING = "SELECT count(*) FROM comgov.journal WHERE number IS NULL"


async def journal_waiting(connection: Connection) -> int:
    """How many entries of the journal are not yet linked."""
    found: int = await connection.fetchval(JOURNAL_WAITING)
    return found


DATABASE_BYTES = "SELECT pg_database_size(current_database())"


async def database_bytes(connection: Connection) -> int:
    """What the database fills on its disk."""
    found: int = await connection.fetchval(DATABASE_BYTES)
    return found
