"""The queue's table: one query, one function. Every write names the lease, so a worker that lost it changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mail.outbound.courier.remote import UNREACHABLE
from mail.outbound.queue.model import DueSite, Entry, Retry, SiteSummary, Summary

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    import asyncpg

    from mail.postgres import Connection


# The walk leaps from site to site along the index, however much waits for each.
DUE_SITES = """
WITH RECURSIVE walk AS (
    (SELECT site FROM mail.queue ORDER BY site LIMIT 1)
    UNION ALL
    SELECT (SELECT following.site FROM mail.queue AS following
            WHERE following.site > walk.site ORDER BY following.site LIMIT 1)
    FROM walk WHERE walk.site IS NOT NULL
), due AS (
    SELECT walk.site,
           EXISTS (SELECT FROM mail.queue AS small
                   WHERE small.site = walk.site AND NOT small.is_large AND small.next_attempt_at <= $1
                     AND (small.lease_until IS NULL OR small.lease_until <= $1)) AS has_small,
           EXISTS (SELECT FROM mail.queue AS large
                   WHERE large.site = walk.site AND large.is_large AND large.next_attempt_at <= $1
                     AND (large.lease_until IS NULL OR large.lease_until <= $1)) AS has_large
    FROM walk WHERE walk.site IS NOT NULL
)
SELECT site, has_small, has_large FROM due WHERE has_small OR has_large
"""


async def due_sites(connection: Connection, now: datetime) -> list[DueSite]:
    """The sites with mail that is due and in nobody's hands."""
    return [DueSite(**dict(row)) for row in await connection.fetch(DUE_SITES, now)]


NEXT_DUE = "SELECT min(next_attempt_at) FROM mail.queue WHERE next_attempt_at > $1"


async def next_due(connection: Connection, now: datetime) -> datetime | None:
    """When the next recipient becomes due; None when none waits for its time."""
    found: datetime | None = await connection.fetchval(NEXT_DUE, now)
    return found


CLAIM_SMALL = """
WITH due AS (
    SELECT id FROM mail.queue
    WHERE site = $1 AND NOT is_large AND next_attempt_at <= $2 AND (lease_until IS NULL OR lease_until <= $2)
    ORDER BY next_attempt_at, body_id LIMIT $3 FOR UPDATE SKIP LOCKED
)
UPDATE mail.queue AS q SET lease = $4, lease_until = $5, attempts = attempts + 1, last_attempt_at = $2
FROM due WHERE q.id = due.id
RETURNING q.id, body_id, sender, recipient, site, size_bytes, smtputf8, is_8bit, attempts, accepted_at, warned_at,
          last_status
"""


async def claim_small(
    connection: Connection, site: str, now: datetime, limit: int, lease: UUID, until: datetime
) -> list[Entry]:
    """Take up to `limit` small recipients of a site, longest due first, recipients of one message together."""
    return _in_order(await connection.fetch(CLAIM_SMALL, site, now, limit, lease, until))


CLAIM_LARGE = """
WITH first AS (
    SELECT body_id FROM mail.queue
    WHERE site = $1 AND is_large AND next_attempt_at <= $2 AND (lease_until IS NULL OR lease_until <= $2)
    ORDER BY next_attempt_at, body_id LIMIT 1 FOR UPDATE SKIP LOCKED
), due AS (
    SELECT q.id FROM mail.queue AS q, first
    WHERE q.body_id = first.body_id AND q.site = $1
      AND q.next_attempt_at <= $2 AND (q.lease_until IS NULL OR q.lease_until <= $2)
    LIMIT $3 FOR UPDATE OF q SKIP LOCKED
)
UPDATE mail.queue AS q SET lease = $4, lease_until = $5, attempts = attempts + 1, last_attempt_at = $2
FROM due WHERE q.id = due.id
RETURNING q.id, q.body_id, sender, recipient, site, size_bytes, smtputf8, is_8bit, attempts, accepted_at, warned_at,
          last_status
"""


async def claim_large(
    connection: Connection, site: str, now: datetime, limit: int, lease: UUID, until: datetime
) -> list[Entry]:
    """Take up to `limit` recipients of the large message of a site that has been due the longest."""
    return _in_order(await connection.fetch(CLAIM_LARGE, site, now, limit, lease, until))


def _in_order(rows: Sequence[asyncpg.Record]) -> list[Entry]:
    return sorted((Entry.from_row(row) for row in rows), key=lambda entry: entry.id)


RENEW = "UPDATE mail.queue SET lease_until = $3 WHERE lease = $2 AND id = ANY($1::bigint[]) RETURNING id"


async def renew(connection: Connection, ids: Sequence[int], lease: UUID, until: datetime) -> set[int]:
    """Keep what one holds for longer; gives the ids that are still held."""
    return {row["id"] for row in await connection.fetch(RENEW, ids, lease, until)}


GIVE_BACK = """
UPDATE mail.queue SET lease = NULL, lease_until = NULL, attempts = attempts - 1
WHERE lease = $2 AND id = ANY($1::bigint[])
"""


async def give_back(connection: Connection, ids: Sequence[int], lease: UUID) -> None:
    """Let others take what was claimed and not attempted."""
    await connection.execute(GIVE_BACK, ids, lease)


REMOVE = "DELETE FROM mail.queue WHERE lease = $2 AND id = ANY($1::bigint[])"


async def remove(connection: Connection, ids: Sequence[int], lease: UUID) -> None:
    """Forget recipients that were delivered or given up."""
    await connection.execute(REMOVE, ids, lease)


DEFER = """
UPDATE mail.queue AS q
SET next_attempt_at = late.at, last_status = late.status, last_reply = late.reply,
    warned_at = CASE WHEN late.warned THEN $7 ELSE q.warned_at END, lease = NULL, lease_until = NULL
FROM unnest($1::bigint[], $2::timestamptz[], $3::text[], $4::text[], $5::boolean[])
     AS late (id, at, status, reply, warned)
WHERE q.lease = $6 AND q.id = late.id
"""


async def defer(connection: Connection, retries: Sequence[Retry], lease: UUID, now: datetime) -> None:
    """Put recipients back for later."""
    columns: tuple[list[Any], ...] = (
        [retry.entry.id for retry in retries],
        [retry.at for retry in retries],
        [retry.status for retry in retries],
        [retry.reply for retry in retries],
        [retry.is_warned for retry in retries],
    )
    await connection.execute(DEFER, *columns, lease, now)


HASTEN = """
UPDATE mail.queue SET next_attempt_at = $2
WHERE site = $1 AND next_attempt_at > $2 AND last_status = ANY($3::text[]) AND lease IS NULL
"""


async def hasten(connection: Connection, site: str, now: datetime) -> None:
    """Make due what waits only because the site could not be reached."""
    await connection.execute(HASTEN, site, now, UNREACHABLE)


TOTAL = """
SELECT count(*) AS waiting, coalesce(sum(size_bytes), 0)::bigint AS size_bytes, min(accepted_at) AS oldest
FROM mail.queue
"""
BY_SITE = """
SELECT site, count(*) AS waiting, sum(size_bytes)::bigint AS size_bytes, min(accepted_at) AS oldest,
       min(next_attempt_at) AS next_attempt_at,
       coalesce((array_agg(last_reply ORDER BY last_attempt_at DESC NULLS LAST))[1], '') AS last_reply
FROM mail.queue GROUP BY site ORDER BY waiting DESC, site LIMIT $1
"""


async def summary(connection: Connection, sites: int) -> Summary:
    """What waits, and for which `sites` sites the most."""
    total = await connection.fetchrow(TOTAL)
    assert total is not None
    fullest = await connection.fetch(BY_SITE, sites)
    return Summary(**dict(total), sites=tuple(SiteSummary(**dict(row)) for row in fullest))


TAKE_SLOT = "SELECT pg_try_advisory_lock($1)"
LEAVE_SLOT = "SELECT pg_advisory_unlock($1)"


async def take_slot(connection: Connection, key: int) -> bool:
    """Whether this database session now holds that lock; no other session does then."""
    taken: bool = await connection.fetchval(TAKE_SLOT, key)
    return taken


async def leave_slot(connection: Connection, key: int) -> None:
    """Let go of a lock."""
    await connection.execute(LEAVE_SLOT, key)


LEAVE_ALL_SLOTS = "SELECT pg_advisory_unlock_all()"


async def leave_all_slots(connection: Connection) -> None:
    """Let go of every lock of this session, before somebody else uses it."""
    await connection.execute(LEAVE_ALL_SLOTS)
