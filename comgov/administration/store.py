"""What administration reads of the tables of other rooms, and never writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

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


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """How many departure and arrival numbers were given."""

    departures: int
    arrivals: int


NUMBERS = """
SELECT institution_id, count(*) FILTER (WHERE direction = 'D') AS departures,
       count(*) FILTER (WHERE direction = 'A') AS arrivals
FROM comgov.register_entry WHERE direction IS NOT NULL AND at >= $1 AND at < $2 GROUP BY institution_id
"""


async def numbers(connection: Connection, since: datetime, until: datetime) -> Mapping[int, Numbers]:
    """What each register gave from `since` up to, not including, `until`; those that gave none are absent."""
    return {
        row["institution_id"]: Numbers(departures=row["departures"], arrivals=row["arrivals"])
        for row in await connection.fetch(NUMBERS, since, until)
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
