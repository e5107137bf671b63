"""Forgetting for good: what was expunged long ago, bodies that nothing points to, blobs that no body names."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from mail.postgres import connected, transaction

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from mail.body.blobs import Blobs
    from mail.postgres import Connection, Pool

EXPUNGED_KEPT_FOR = timedelta(days=30)
"""How long IMAP clients may stay away and still be told what is gone (RFC 7162), and a person may have regrets."""

_UNUSED_AFTER = timedelta(days=1)  # bodies and blobs younger than this may belong to something under way
_BATCH = 2000


@dataclass(frozen=True, kw_only=True)
class Swept:
    """What went: rows of expunged, bodies, blobs."""

    expunged: int
    bodies: int
    blobs: int


async def sweep(pool: Pool, blobs: Blobs, now: datetime) -> Swept:
    """Do all of it, in small transactions; harmless when done twice or cut short. Raises SystemDown."""
    expunged = await _forget_expunged(pool, now - EXPUNGED_KEPT_FOR)
    bodies = await _delete_unused_bodies(pool, now - _UNUSED_AFTER)
    return Swept(expunged=expunged, bodies=bodies, blobs=await _delete_unused_blobs(pool, blobs, now - _UNUSED_AFTER))


_FORGET = """
WITH old AS (
    SELECT mailbox_id, uid, modseq FROM mail.expunged WHERE gone_at < $1 LIMIT $2
), locked AS MATERIALIZED (
    SELECT id FROM mail.mailbox WHERE id IN (SELECT mailbox_id FROM old) ORDER BY id FOR UPDATE
), told AS (
    UPDATE mail.mailbox AS m SET forgotten_modseq = greatest(m.forgotten_modseq, o.modseq)
    FROM (SELECT mailbox_id, max(modseq) AS modseq FROM old GROUP BY mailbox_id) AS o
    JOIN locked ON locked.id = o.mailbox_id
    WHERE m.id = o.mailbox_id
), gone AS (
    DELETE FROM mail.expunged AS e USING old WHERE e.mailbox_id = old.mailbox_id AND e.uid = old.uid RETURNING 1
)
SELECT count(*) FROM gone
"""


async def _forget_expunged(pool: Pool, before: datetime) -> int:
    forgotten = 0
    while True:
        async with connected(pool) as connection:
            done: int = await connection.fetchval(_FORGET, before, _BATCH)
        forgotten += done
        if done < _BATCH:
            return forgotten


_NEXT_BODIES = """
SELECT id, accepted_at < $3 AND NOT EXISTS (SELECT FROM mail.message AS m WHERE m.body_id = b.id)
           AND NOT EXISTS (SELECT FROM mail.expunged AS e WHERE e.body_id = b.id)
           AND NOT EXISTS (SELECT FROM mail.queue AS q WHERE q.body_id = b.id) AS is_unused
FROM mail.body AS b WHERE id > $1 ORDER BY id LIMIT $2
"""

# The conditions again, on a snapshot of the statement's own: a foreign key stops what slips between.
_DELETE_BODIES = """
WITH gone AS (
    DELETE FROM mail.body AS b WHERE id = ANY($1::uuid[])
        AND NOT EXISTS (SELECT FROM mail.message AS m WHERE m.body_id = b.id)
        AND NOT EXISTS (SELECT FROM mail.expunged AS e WHERE e.body_id = b.id)
        AND NOT EXISTS (SELECT FROM mail.queue AS q WHERE q.body_id = b.id)
    RETURNING id
), waiting AS (
    DELETE FROM mail.unindexed WHERE body_id IN (SELECT id FROM gone)
)
SELECT count(*) FROM gone
"""


async def _delete_unused_bodies(pool: Pool, before: datetime) -> int:
    deleted = 0
    last: UUID | str = "00000000-0000-0000-0000-000000000000"
    while True:
        async with transaction(pool) as connection:
            rows = await connection.fetch(_NEXT_BODIES, last, _BATCH, before)
            unused = [row["id"] for row in rows if row["is_unused"]]
            if unused:
                deleted += await connection.fetchval(_DELETE_BODIES, unused)
        if len(rows) < _BATCH:
            return deleted
        last = rows[-1]["id"]


async def _delete_unused_blobs(pool: Pool, blobs: Blobs, before: datetime) -> int:
    deleted = 0
    batch: list[bytes] = []
    async for blob in blobs.list():
        batch.append(blob.sha256)
        if len(batch) == _BATCH:
            deleted += await _delete_unnamed(pool, blobs, batch, before)
            batch = []
    return deleted + await _delete_unnamed(pool, blobs, batch, before)


async def _delete_unnamed(pool: Pool, blobs: Blobs, keys: list[bytes], before: datetime) -> int:
    """The store itself keeps what was written since `before`, so that a row on its way keeps its bytes."""
    async with connected(pool) as connection:
        named = await _named(connection, keys)
    unnamed = [key for key in keys if key not in named]
    for key in unnamed:
        await blobs.delete(key, written_before=before)
    return len(unnamed)


# The second half leans on the index body_layout, which holds the same expression: counted, not asked whether there is
# any, since for that PostgreSQL walks the table in the hope of an early one.
_NAMED = """
SELECT b.blob_key AS key FROM mail.body AS b WHERE b.blob_key = ANY($1::bytea[])
UNION
SELECT key FROM unnest($1::bytea[]) AS key
WHERE (SELECT count(*) FROM mail.body AS b
       WHERE jsonb_path_query_array(b.layout, '$[*][0]') ? encode(key, 'hex')) > 0
"""


async def _named(connection: Connection, keys: list[bytes]) -> set[bytes]:
    """Those among these that some body names."""
    return {row["key"] for row in await connection.fetch(_NAMED, keys)}
