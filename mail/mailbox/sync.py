"""What a mailbox holds and what changed in it since: the SQL under every view that must stay true (RFC 7162).

Each question is one statement, so that its answer is of one moment: a change is in it or comes with the next, never
half. UIDs and MODSEQ grow under the mailbox row's lock, hence in the order in which they become visible.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mail.errors import NoSuchMailbox
from mail.mailbox.model import Flag

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from mail.postgres import Connection


@dataclass(frozen=True, slots=True)
class Changed:
    """A message whose flags changed, or that is new. keywords: as IMAP's."""

    uid: int
    flags: Flag
    keywords: tuple[str, ...]
    modseq: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """A mailbox at one moment. uids: ascending. unseen_uid: the first that is unseen, 0 for none."""

    uidvalidity: int
    uidnext: int
    modseq: int
    uids: array[int]
    unseen_uid: int
    keywords: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Changes:
    """What happened after some MODSEQ, up to `modseq`. changed: by UID; vanished: ascending.

    is_complete: false when some of what vanished is forgotten.
    """

    uidnext: int
    modseq: int
    is_complete: bool
    changed: tuple[Changed, ...]
    vanished: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class DeepCounts:
    r"""How many messages have \Deleted, and their bytes; how many no session was told of as recent."""

    deleted: int
    deleted_bytes: int
    recent: int


_SNAPSHOT = """
SELECT b.uidvalidity, b.uidnext, b.modseq,
       ARRAY(SELECT uid FROM mail.message WHERE mailbox_id = b.id ORDER BY uid) AS uids,
       coalesce((SELECT min(uid) FROM mail.message WHERE mailbox_id = b.id AND flags & 1 = 0), 0) AS unseen_uid,
       ARRAY(SELECT DISTINCT unnest(keywords) FROM mail.message WHERE mailbox_id = b.id AND keywords <> '{}' LIMIT 500)
           AS keywords
FROM mail.mailbox AS b WHERE b.id = $1
"""


async def snapshot(connection: Connection, mailbox_id: int) -> Snapshot:
    """All of it. Raises NoSuchMailbox."""
    row = await connection.fetchrow(_SNAPSHOT, mailbox_id)
    if row is None:
        raise NoSuchMailbox
    return Snapshot(
        uidvalidity=row["uidvalidity"],
        uidnext=row["uidnext"],
        modseq=row["modseq"],
        uids=array("I", row["uids"]),
        unseen_uid=row["unseen_uid"],
        keywords=tuple(sorted(row["keywords"])),
    )


_CHANGES = """
SELECT b.uidnext, b.modseq, b.forgotten_modseq <= $2 AS is_complete,
       c.uid, c.flags, c.keywords, c.modseq AS changed_at, c.is_gone
FROM mail.mailbox AS b
LEFT JOIN LATERAL (
    SELECT m.uid, m.flags, m.keywords, m.modseq, false AS is_gone
    FROM mail.message AS m WHERE m.mailbox_id = b.id AND m.modseq > $2 AND b.modseq > $2
    UNION ALL
    SELECT e.uid, e.flags, e.keywords, e.modseq, true
    FROM mail.expunged AS e WHERE e.mailbox_id = b.id AND e.modseq > $2 AND b.modseq > $2
) AS c ON true
WHERE b.id = $1
ORDER BY c.uid
"""


async def changes(connection: Connection, mailbox_id: int, since: int) -> Changes:
    """What happened after that MODSEQ. Raises NoSuchMailbox."""
    rows = await connection.fetch(_CHANGES, mailbox_id, since)
    if not rows:
        raise NoSuchMailbox
    return Changes(
        uidnext=rows[0]["uidnext"],
        modseq=rows[0]["modseq"],
        is_complete=rows[0]["is_complete"],
        changed=tuple(to_changed(row) for row in rows if row["is_gone"] is False),
        vanished=tuple(row["uid"] for row in rows if row["is_gone"]),
    )


_CLAIM_RECENT = """
UPDATE mail.mailbox AS b SET recent_uid = $2
FROM (SELECT id, recent_uid FROM mail.mailbox WHERE id = $1 FOR UPDATE) AS was
WHERE b.id = was.id AND was.recent_uid < $2
RETURNING was.recent_uid
"""


async def claim_recent(connection: Connection, mailbox_id: int, uidnext: int) -> int:
    """The first UID that no session was told of as recent; `uidnext` when there is none. The caller tells."""
    found: int | None = await connection.fetchval(_CLAIM_RECENT, mailbox_id, uidnext)
    return uidnext if found is None else found


_DEEP_COUNTS = """
SELECT b.id, count(*) FILTER (WHERE m.flags & 8 <> 0) AS deleted,
       coalesce(sum(m.size_bytes) FILTER (WHERE m.flags & 8 <> 0), 0)::bigint AS deleted_bytes,
       count(*) FILTER (WHERE m.uid >= b.recent_uid) AS recent
FROM mail.mailbox AS b LEFT JOIN mail.message AS m ON m.mailbox_id = b.id
WHERE b.id = ANY($1::bigint[]) GROUP BY b.id
"""


async def deep_counts(connection: Connection, mailbox_ids: Sequence[int]) -> dict[int, DeepCounts]:
    """By mailbox. Every message of them is looked at."""
    rows = await connection.fetch(_DEEP_COUNTS, mailbox_ids)
    return {row["id"]: DeepCounts(row["deleted"], row["deleted_bytes"], row["recent"]) for row in rows}


def to_changed(row: asyncpg.Record) -> Changed:
    """A row with `uid`, `flags`, `keywords`, `changed_at`."""
    return Changed(row["uid"], Flag(row["flags"]), tuple(row["keywords"]), row["changed_at"])
