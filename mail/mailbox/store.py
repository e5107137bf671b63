"""The SQL of mailboxes: one query, one function. Writers lock the mailbox rows first, in the order of their ids."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from mail.body.store import REST_COLUMNS, to_rest
from mail.errors import NoSuchMailbox, TooMany
from mail.mailbox.model import KEYWORDS_LIMIT, Content, Flag, Mailbox, Message, SpecialUse
from mail.message import Part

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    import asyncpg

    from mail.body.after_header import Rest
    from mail.postgres import Connection

_ENSURE_STANDARD = """
INSERT INTO mail.mailbox (account_id, name, special_use)
SELECT account_id, name, special_use
FROM unnest($1::bigint[]) AS account_id
CROSS JOIN (VALUES ('INBOX', 'Inbox'), ('Drafts', 'Drafts'), ('Sent', 'Sent'), ('Trash', 'Trash'), ('Junk', 'Junk'),
                   ('Archive', 'Archive')) AS standard (name, special_use)
ORDER BY account_id, name
ON CONFLICT DO NOTHING
"""


async def ensure_standard(connection: Connection, account_ids: Sequence[int]) -> None:
    """Make the standard mailboxes that these accounts lack."""
    await connection.execute(_ENSURE_STANDARD, account_ids)


_INBOXES = """
SELECT account_id, id FROM mail.mailbox WHERE account_id = ANY($1::bigint[]) AND special_use = 'Inbox'
"""


async def inboxes(connection: Connection, account_ids: Sequence[int]) -> dict[int, int]:
    """Inbox ids by account, of those that have one."""
    return {row["account_id"]: row["id"] for row in await connection.fetch(_INBOXES, account_ids)}


async def ensure_inboxes(connection: Connection, account_ids: Sequence[int]) -> dict[int, int]:
    """Inbox ids by account, of all of them; in a transaction."""
    found = await inboxes(connection, account_ids)
    if missing := sorted(set(account_ids) - found.keys()):
        await ensure_standard(connection, missing)
        found |= await inboxes(connection, missing)
    return found


_MAILBOX_COLUMNS = """
id, account_id, name, uidvalidity, uidnext, modseq, special_use, subscribed, messages, unseen, size_bytes,
recent_uid
"""

_MAILBOXES = f"""
SELECT {_MAILBOX_COLUMNS} FROM mail.mailbox WHERE account_id = $1
ORDER BY array_position('{{Inbox,Drafts,Sent,Archive,Junk,Trash}}', special_use), name
"""


async def mailboxes(connection: Connection, account_id: int) -> tuple[Mailbox, ...]:
    """An account's, the standard ones first."""
    return tuple(_to_mailbox(row) for row in await connection.fetch(_MAILBOXES, account_id))


_MAILBOXES_FOR = f"""
SELECT {
    _MAILBOX_COLUMNS.replace(
        "subscribed",
        '''
    CASE WHEN account_id = $2 THEN subscribed
    ELSE NOT EXISTS (SELECT FROM mail.unsubscribed AS u WHERE u.account_id = $2 AND u.mailbox_id = mailbox.id)
    END AS subscribed''',
    )
}
FROM mail.mailbox WHERE account_id = ANY($1::bigint[]) ORDER BY name, id
"""


async def mailboxes_for(connection: Connection, reader_id: int, account_ids: Sequence[int]) -> tuple[Mailbox, ...]:
    """Those of several accounts, `subscribed` being the reader's choice."""
    return tuple(_to_mailbox(row) for row in await connection.fetch(_MAILBOXES_FOR, account_ids, reader_id))


_MAILBOX = f"SELECT {_MAILBOX_COLUMNS} FROM mail.mailbox WHERE id = $1"


async def mailbox(connection: Connection, mailbox_id: int) -> Mailbox:
    """One. Raises NoSuchMailbox."""
    row = await connection.fetchrow(_MAILBOX, mailbox_id)
    if row is None:
        raise NoSuchMailbox
    return _to_mailbox(row)


_NAMED = f"SELECT {_MAILBOX_COLUMNS} FROM mail.mailbox WHERE account_id = $1 AND name = $2"


async def named(connection: Connection, account_id: int, name: str) -> Mailbox | None:
    """An account's mailbox of that name; None when there is none."""
    row = await connection.fetchrow(_NAMED, account_id, name)
    return None if row is None else _to_mailbox(row)


_LOCK_TREE = f"""
SELECT {_MAILBOX_COLUMNS} FROM mail.mailbox WHERE account_id = $1 AND (name = $2 OR starts_with(name, $2 || '/'))
ORDER BY id FOR UPDATE
"""


async def lock_tree(connection: Connection, account_id: int, name: str) -> tuple[Mailbox, ...]:
    """Hold the mailbox of that name and all below it until the transaction ends."""
    return tuple(_to_mailbox(row) for row in await connection.fetch(_LOCK_TREE, account_id, name))


_INSERT_MAILBOX = f"""
INSERT INTO mail.mailbox (account_id, name) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING {_MAILBOX_COLUMNS}
"""


async def insert_mailbox(connection: Connection, account_id: int, name: str) -> Mailbox | None:
    """The new one; None when the name is taken."""
    row = await connection.fetchrow(_INSERT_MAILBOX, account_id, name)
    return None if row is None else _to_mailbox(row)


_COUNT_MAILBOXES = "SELECT count(*) FROM mail.mailbox WHERE account_id = $1"


async def count_mailboxes(connection: Connection, account_id: int) -> int:
    """How many mailboxes an account has."""
    count: int = await connection.fetchval(_COUNT_MAILBOXES, account_id)
    return count


_LOCK = f"SELECT {_MAILBOX_COLUMNS} FROM mail.mailbox WHERE id = ANY($1::bigint[]) ORDER BY id FOR UPDATE"


async def lock(connection: Connection, *mailbox_ids: int) -> dict[int, Mailbox]:
    """Hold these until the transaction ends. Raises NoSuchMailbox when one is gone."""
    rows = await connection.fetch(_LOCK, sorted(set(mailbox_ids)))
    found = {row["id"]: _to_mailbox(row) for row in rows}
    if found.keys() != set(mailbox_ids):
        raise NoSuchMailbox
    return found


_GROW = """
UPDATE mail.mailbox
SET uidnext = uidnext + $2, modseq = modseq + 1, messages = messages + $3, unseen = unseen + $4,
    size_bytes = size_bytes + $5
WHERE id = $1
"""


async def grow(
    connection: Connection, mailbox_id: int, *, uids: int = 0, messages: int = 0, unseen: int = 0, size_bytes: int = 0
) -> None:
    """Add to a locked mailbox's counters (less than nothing takes away) and take its next MODSEQ."""
    await connection.execute(_GROW, mailbox_id, uids, messages, unseen, size_bytes)


MESSAGE_COLUMNS = """
m.mailbox_id, m.uid, m.body_id, m.internal_date, m.flags, m.keywords, m.modseq, m.size_bytes, b.subject, b.from_text,
b.to_text, b.preview, b.attachments, b.sent_at, b.message_id, b.submitter, b.on_behalf
"""

_PAGE = f"""
SELECT box.messages AS total, found.*
FROM mail.mailbox AS box
LEFT JOIN LATERAL (
    SELECT {MESSAGE_COLUMNS}
    FROM mail.message AS m JOIN mail.body AS b ON b.id = m.body_id
    WHERE m.mailbox_id = box.id AND m.uid < $2
    ORDER BY m.uid DESC LIMIT $3
) AS found ON true
WHERE box.id = $1
ORDER BY found.uid DESC
"""

_UNSEEN_PAGE = _PAGE.replace("box.messages AS total", "box.unseen AS total").replace(
    "m.uid < $2", "m.uid < $2 AND m.flags & 1 = 0"
)


async def page(
    connection: Connection, mailbox_id: int, before_uid: int, limit: int, *, unseen_only: bool
) -> tuple[list[Message], int]:
    """At most `limit` messages below that UID, newest first, and how many there are in all. Raises NoSuchMailbox."""
    rows = await connection.fetch(_UNSEEN_PAGE if unseen_only else _PAGE, mailbox_id, before_uid, limit)
    if not rows:
        raise NoSuchMailbox
    return [to_message(row) for row in rows if row["uid"] is not None], rows[0]["total"]


_MESSAGES = f"""
SELECT {MESSAGE_COLUMNS}
FROM mail.message AS m JOIN mail.body AS b ON b.id = m.body_id
WHERE m.mailbox_id = $1 AND m.uid = ANY($2::bigint[])
ORDER BY m.uid
"""


async def messages(connection: Connection, mailbox_id: int, uids: Sequence[int]) -> list[Message]:
    """Those that are there, in the order of their UIDs."""
    return [to_message(row) for row in await connection.fetch(_MESSAGES, mailbox_id, uids)]


_CONTENT = """
SELECT m.trace || b.trace AS trace, b.header, b.size_bytes, b.envelope, b.bodystructure, b.parts
FROM mail.message AS m JOIN mail.body AS b ON b.id = m.body_id
WHERE m.mailbox_id = $1 AND m.uid = $2 AND b.id = $3
"""


async def content(connection: Connection, message: Message) -> Content | None:
    """Header and structure; None when the message is gone."""
    row = await connection.fetchrow(_CONTENT, message.mailbox_id, message.uid, message.body_id)
    if row is None:
        return None
    return Content(
        body_id=message.body_id,
        trace=row["trace"],
        header=row["header"],
        size_bytes=row["size_bytes"],
        envelope=row["envelope"],
        bodystructure=row["bodystructure"],
        parts=tuple(Part(*part) for part in json.loads(row["parts"])),
    )


_REST = f"SELECT {REST_COLUMNS} FROM mail.body AS b WHERE b.id = $1"


async def rest(connection: Connection, body_id: UUID) -> Rest | None:
    """Where what follows the header of a body lies; None when there is no such body."""
    row = await connection.fetchrow(_REST, body_id)
    return None if row is None else to_rest(row)


_INSERT_MESSAGE = """
INSERT INTO mail.message (mailbox_id, uid, body_id, internal_date, flags, keywords, modseq, size_bytes)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""


async def insert_message(
    connection: Connection,
    box: Mailbox,
    uid: int,
    body_id: UUID,
    *,
    internal_date: datetime,
    flags: Flag,
    keywords: Sequence[str],
    size_bytes: int,
) -> None:
    """A message at the end of a locked mailbox, its UID `uidnext` or above; `grow` is the caller's."""
    await connection.execute(
        _INSERT_MESSAGE,
        box.id,
        uid,
        body_id,
        internal_date,
        int(flags),
        keywords,
        box.modseq + 1,
        size_bytes,
    )


_SET_FLAGS = """
WITH chosen AS (
    SELECT uid, flags, keywords, modseq FROM mail.message WHERE mailbox_id = $1 AND uid = ANY($2::bigint[])
), wanted AS (
    SELECT uid, flags, keywords,
           CASE $3 WHEN '' THEN $4::smallint WHEN '+' THEN flags | $4::smallint ELSE flags & ~$4::smallint END
               AS new_flags,
           CASE $3 WHEN '' THEN $5::text[]
                   WHEN '+' THEN keywords || ARRAY(
                       SELECT k FROM unnest($5::text[]) WITH ORDINALITY AS n (k, place)
                       WHERE lower(k) <> ALL (ARRAY(SELECT lower(o) FROM unnest(keywords) AS o)) ORDER BY place)
                   ELSE ARRAY(
                       SELECT k FROM unnest(keywords) WITH ORDINALITY AS o (k, place)
                       WHERE lower(k) <> ALL (ARRAY(SELECT lower(n) FROM unnest($5::text[]) AS n)) ORDER BY place)
           END AS new_keywords
    FROM chosen WHERE modseq <= $6
), changed AS (
    UPDATE mail.message AS m SET flags = new_flags, keywords = new_keywords, modseq = $7
    FROM wanted AS w
    WHERE m.mailbox_id = $1 AND m.uid = w.uid AND (w.flags, w.keywords) IS DISTINCT FROM (new_flags, new_keywords)
    RETURNING (w.flags & 1) - (m.flags & 1) AS unseen
)
SELECT (SELECT count(*) FROM changed) AS changed, (SELECT coalesce(sum(unseen), 0) FROM changed)::int AS unseen,
       (SELECT coalesce(max(cardinality(new_keywords)), 0) FROM wanted) AS keywords,
       ARRAY(SELECT uid FROM chosen WHERE modseq > $6 ORDER BY uid) AS refused
"""


async def set_flags(
    connection: Connection,
    box: Mailbox,
    uids: Sequence[int],
    *,
    action: str,
    flags: Flag,
    keywords: Sequence[str],
    unchanged_since: int,
) -> tuple[int, int, list[int]]:
    """How many messages of a locked mailbox changed, how many more are unseen, and which had changed since before.

    action: `+` adds, `-` removes, empty replaces. Keywords compare without case. Raises TooMany of them.
    """
    row = await connection.fetchrow(
        _SET_FLAGS, box.id, uids, action, int(flags), keywords, unchanged_since, box.modseq + 1
    )
    assert row is not None
    if row["keywords"] > KEYWORDS_LIMIT:
        raise TooMany(f"A message may have {KEYWORDS_LIMIT} keywords")
    return row["changed"], row["unseen"], row["refused"]


_DELETED = """
SELECT uid FROM mail.message
WHERE mailbox_id = $1 AND flags & 8 <> 0 AND ($2::bigint[] IS NULL OR uid = ANY($2::bigint[]))
ORDER BY uid
"""


async def deleted(connection: Connection, mailbox_id: int, uids: Sequence[int] | None) -> list[int]:
    r"""Those that have the flag \Deleted: among some, or all (None)."""
    return [row["uid"] for row in await connection.fetch(_DELETED, mailbox_id, uids)]


_SUBSCRIBE = """
WITH own AS (
    UPDATE mail.mailbox SET subscribed = $3 WHERE id = $2 AND account_id = $1
), again AS (
    DELETE FROM mail.unsubscribed WHERE account_id = $1 AND mailbox_id = $2 AND $3
)
INSERT INTO mail.unsubscribed (account_id, mailbox_id)
SELECT $1, id FROM mail.mailbox WHERE id = $2 AND account_id <> $1 AND NOT $3 ON CONFLICT DO NOTHING
"""


async def subscribe(connection: Connection, reader_id: int, mailbox_id: int, *, subscribed: bool) -> None:
    """Whether mail programs show it to that reader by default, whose own it is or not."""
    await connection.execute(_SUBSCRIBE, reader_id, mailbox_id, subscribed)


_COPY = """
WITH chosen AS (
    SELECT uid, $4::bigint - 1 + row_number() OVER (ORDER BY uid) AS new_uid, body_id, internal_date, flags, keywords,
           size_bytes, trace
    FROM mail.message WHERE mailbox_id = $1 AND uid = ANY($2::bigint[])
), copied AS (
    INSERT INTO mail.message (mailbox_id, uid, body_id, internal_date, flags, keywords, modseq, size_bytes, trace)
    SELECT $3, new_uid, body_id, internal_date, flags, keywords, $5, size_bytes, trace FROM chosen
)
SELECT uid, new_uid, flags & 1 = 0 AS unseen, size_bytes FROM chosen ORDER BY uid
"""


async def copy(connection: Connection, source_id: int, uids: Sequence[int], target: Mailbox) -> list[asyncpg.Record]:
    """Copy to the end of a locked mailbox: `uid`, `new_uid`, `unseen`, `size_bytes` of each that was there."""
    return await connection.fetch(_COPY, source_id, uids, target.id, target.uidnext, target.modseq + 1)


_EXPUNGE = """
WITH gone AS (
    DELETE FROM mail.message WHERE mailbox_id = $1 AND uid = ANY($2::bigint[]) RETURNING *
), kept AS (
    INSERT INTO mail.expunged (mailbox_id, uid, body_id, internal_date, flags, keywords, modseq, size_bytes, trace,
                               gone_at)
    SELECT mailbox_id, uid, body_id, internal_date, flags, keywords, $3, size_bytes, trace, $4 FROM gone
)
SELECT uid, flags & 1 = 0 AS unseen, size_bytes FROM gone ORDER BY uid
"""


async def expunge(connection: Connection, box: Mailbox, uids: Sequence[int], now: datetime) -> list[asyncpg.Record]:
    """Remove from a locked mailbox: `uid`, `unseen`, `size_bytes` of each that was there."""
    return await connection.fetch(_EXPUNGE, box.id, uids, box.modseq + 1, now)


_RENAME = "UPDATE mail.mailbox SET name = $3 || substr(name, $2 + 1) WHERE id = ANY($1::bigint[])"


async def rename(connection: Connection, mailbox_ids: Sequence[int], length: int, new_name: str) -> None:
    """Put this in the place of so many characters that the names of locked mailboxes begin with.

    Raises UniqueViolationError when a name is taken.
    """
    await connection.execute(_RENAME, mailbox_ids, length, new_name)


_DELETE_MAILBOX = "DELETE FROM mail.mailbox WHERE id = $1"


async def delete_mailbox(connection: Connection, mailbox_id: int) -> None:
    """Delete a locked mailbox and all that is in it."""
    await connection.execute(_DELETE_MAILBOX, mailbox_id)


_USED = "SELECT coalesce(sum(size_bytes), 0)::bigint FROM mail.mailbox WHERE account_id = $1"


async def used_bytes(connection: Connection, account_id: int) -> int:
    """What all mailboxes of an account hold."""
    used: int = await connection.fetchval(_USED, account_id)
    return used


_USED_BY_ACCOUNT = """
SELECT account_id, sum(messages)::bigint AS messages, sum(size_bytes)::bigint AS size_bytes
FROM mail.mailbox WHERE account_id = ANY($1::bigint[]) GROUP BY account_id
"""


async def used_by_account(connection: Connection, account_ids: Sequence[int]) -> dict[int, tuple[int, int]]:
    """Messages and bytes by account, of those that have mailboxes."""
    rows = await connection.fetch(_USED_BY_ACCOUNT, account_ids)
    return {row["account_id"]: (row["messages"], row["size_bytes"]) for row in rows}


_LOCK_NEXT = "SELECT id FROM mail.mailbox WHERE id > $1 ORDER BY id LIMIT $2 FOR UPDATE"


async def lock_next(connection: Connection, after_id: int, limit: int) -> list[int]:
    """Lock the mailboxes that follow that id; gives their ids, in order."""
    return [row["id"] for row in await connection.fetch(_LOCK_NEXT, after_id, limit)]


_RECOUNT = """
UPDATE mail.mailbox SET messages = c.messages, unseen = c.unseen, size_bytes = c.size_bytes
FROM (
    SELECT id, count(m.uid) AS messages, count(m.uid) FILTER (WHERE m.flags & 1 = 0) AS unseen,
           coalesce(sum(m.size_bytes), 0) AS size_bytes
    FROM unnest($1::bigint[]) AS id LEFT JOIN mail.message AS m ON m.mailbox_id = id GROUP BY id
) AS c
WHERE mailbox.id = c.id
  AND (mailbox.messages, mailbox.unseen, mailbox.size_bytes) IS DISTINCT FROM (c.messages, c.unseen, c.size_bytes)
RETURNING mailbox.id
"""


async def recount(connection: Connection, mailbox_ids: Sequence[int]) -> int:
    """Count locked mailboxes anew from their messages; gives how many counters were wrong."""
    return len(await connection.fetch(_RECOUNT, mailbox_ids))


_NOTIFY = "SELECT pg_notify('mail_mailbox', $1)"


async def notify(connection: Connection, *mailbox_ids: int) -> None:
    """Tell who listens to `mail_mailbox`, once the transaction commits, that these changed."""
    await connection.execute(_NOTIFY, ",".join(map(str, mailbox_ids)))


def _to_mailbox(row: asyncpg.Record) -> Mailbox:
    values = dict(row)
    use = values.pop("special_use")
    return Mailbox(**values, special_use=use and SpecialUse(use))


def to_message(row: asyncpg.Record) -> Message:
    """A row with MESSAGE_COLUMNS."""
    return Message(
        mailbox_id=row["mailbox_id"],
        uid=row["uid"],
        body_id=row["body_id"],
        internal_date=row["internal_date"],
        flags=Flag(row["flags"]),
        keywords=tuple(row["keywords"]),
        modseq=row["modseq"],
        size_bytes=row["size_bytes"],
        subject=row["subject"],
        from_text=row["from_text"],
        to_text=row["to_text"],
        preview=row["preview"],
        attachments=row["attachments"],
        sent_at=row["sent_at"],
        message_id=row["message_id"],
        submitter=row["submitter"],
        on_behalf=row["on_behalf"],
    )
