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
    """What happened after some MODSEQ, up to `modseq`. changed: by UID; vanished: ascending."""

    uidnext: int
    modseq: int
    changed: tuple[Changed, ...]
    vanished: tuple[int, ...]


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
SELECT b.uidnext, b.modseq, c.uid, c.flags, c.keywords, c.modseq AS changed_at, c.is_gone
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
        changed=tuple(to_changed(row) for row in rows if row["is_gone"] is False),
        vanished=tuple(row["uid"] for row in rows if row["is_gone"]),
    )


def to_changed(row: asyncpg.Record) -> Changed:
    """A row with `uid`, `flags`, `keywords`, `changed_at`."""
    return Changed(row["uid"], Flag(row["flags"]), tuple(row["keywords"]), row["changed_at"])
