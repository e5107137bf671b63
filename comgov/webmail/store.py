"""Drafts and their files, one query a function."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comgov.webmail.model import Answered, Draft, DraftFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime
    from uuid import UUID

    from comgov.db import Connection, Record

_COLUMNS = """id, person_id, sender_id, to_text, cc_text, bcc_text, subject, text, answers_how, answers_mailbox,
    answers_uid, in_reply_to, thread, saved_at, sent_at"""


def _draft(row: Record, files: Iterable[DraftFile] = ()) -> Draft:
    answered = None
    if row["answers_how"] is not None:
        answered = Answered(how=row["answers_how"], mailbox_id=row["answers_mailbox"], uid=row["answers_uid"])
    return Draft(
        id=row["id"],
        person_id=row["person_id"],
        sender_id=row["sender_id"],
        to=row["to_text"],
        cc=row["cc_text"],
        bcc=row["bcc_text"],
        subject=row["subject"],
        text=row["text"],
        answered=answered,
        in_reply_to=row["in_reply_to"],
        thread=row["thread"],
        saved_at=row["saved_at"],
        sent_at=row["sent_at"],
        files=tuple(files),
    )


SAVE = """
INSERT INTO comgov.draft (id, person_id, sender_id, to_text, cc_text, bcc_text, subject, text, answers_how,
                          answers_mailbox, answers_uid, in_reply_to, thread, created_at, saved_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $14)
ON CONFLICT (id) DO UPDATE
SET sender_id = $3, to_text = $4, cc_text = $5, bcc_text = $6, subject = $7, text = $8, saved_at = $14
WHERE comgov.draft.person_id = $2 AND comgov.draft.sent_at IS NULL
RETURNING id
"""


async def save(connection: Connection, draft: Draft, now: datetime) -> bool:
    """Keep it, new or again; False if it was sent already, or is another person's."""
    answered = draft.answered
    found = await connection.fetchval(
        SAVE,
        draft.id,
        draft.person_id,
        draft.sender_id,
        draft.to,
        draft.cc,
        draft.bcc,
        draft.subject,
        draft.text,
        answered.how if answered else None,
        answered.mailbox_id if answered else None,
        answered.uid if answered else None,
        draft.in_reply_to,
        draft.thread,
        now,
    )
    return found is not None


GET = f"SELECT {_COLUMNS} FROM comgov.draft WHERE id = $1 AND person_id = $2"


async def get(connection: Connection, draft_id: UUID, person_id: int) -> Draft | None:
    """That person's draft with its files, sent or not."""
    row = await connection.fetchrow(GET, draft_id, person_id)
    return _draft(row, await files(connection, draft_id)) if row is not None else None


FILES = """
SELECT id, filename, content_type, sha256, size_bytes FROM comgov.draft_file WHERE draft_id = $1 ORDER BY id
"""


async def files(connection: Connection, draft_id: UUID) -> list[DraftFile]:
    """Files of a draft, in the order in which they were added."""
    return [DraftFile(**row) for row in await connection.fetch(FILES, draft_id)]


UNSENT = f"""
SELECT {_COLUMNS} FROM comgov.draft
WHERE person_id = $1 AND sent_at IS NULL AND ($2::timestamptz IS NULL OR saved_at < $2)
ORDER BY saved_at DESC, id LIMIT $3
"""


async def unsent(connection: Connection, person_id: int, before: datetime | None, limit: int) -> list[Draft]:
    """That person's unsent drafts saved before that instant (None: all), the latest first, without their files."""
    return [_draft(row) for row in await connection.fetch(UNSENT, person_id, before, limit)]


COUNT_UNSENT = "SELECT count(*) FROM comgov.draft WHERE person_id = $1 AND sent_at IS NULL"


async def count_unsent(connection: Connection, person_id: int) -> int:
    """How many unsent drafts that person has."""
    found: int = await connection.fetchval(COUNT_UNSENT, person_id)
    return found


LOCK = "SELECT sent_at FROM comgov.draft WHERE id = $1 AND person_id = $2 FOR UPDATE"


async def lock(connection: Connection, draft_id: UUID, person_id: int) -> bool:
    """Hold a draft while its files change; False if there is none or it was sent."""
    row = await connection.fetchrow(LOCK, draft_id, person_id)
    return row is not None and row["sent_at"] is None


INSERT_FILE = """
INSERT INTO comgov.draft_file (draft_id, filename, content_type, sha256, size_bytes) VALUES ($1, $2, $3, $4, $5)
"""


async def insert_file(
    connection: Connection, draft_id: UUID, filename: str, content_type: str, sha256: bytes, size_bytes: int
) -> None:
    """A file more."""
    await connection.execute(INSERT_FILE, draft_id, filename, content_type, sha256, size_bytes)


DELETE_FILE = """
DELETE FROM comgov.draft_file AS f USING comgov.draft AS d
WHERE f.id = $1 AND f.draft_id = $2 AND d.id = f.draft_id AND d.person_id = $3
"""


async def delete_file(connection: Connection, file_id: int, draft_id: UUID, person_id: int) -> None:
    """A file less; already gone is fine."""
    await connection.execute(DELETE_FILE, file_id, draft_id, person_id)


DELETE = "DELETE FROM comgov.draft WHERE id = $1 AND person_id = $2 AND sent_at IS NULL"


async def delete(connection: Connection, draft_id: UUID, person_id: int) -> None:
    """Away with an unsent draft and its files; already gone is fine."""
    await connection.execute(DELETE, draft_id, person_id)


MARK_SENT = """
UPDATE comgov.draft SET sent_at = $2, text = '', to_text = '', cc_text = '', bcc_text = ''
WHERE id = $1 AND sent_at IS NULL
"""


async def mark_sent(connection: Connection, draft_id: UUID, now: datetime) -> None:
    """It went; what it said is in the mailbox now."""
    await connection.execute(MARK_SENT, draft_id, now)
    await connection.execute("DELETE FROM comgov.draft_file WHERE draft_id = $1", draft_id)


FORGET = "DELETE FROM comgov.draft WHERE sent_at < $1"


async def forget_sent(connection: Connection, before: datetime) -> None:
    """Forget drafts sent before that instant."""
    await connection.execute(FORGET, before)


REFERRED = "SELECT DISTINCT sha256 FROM comgov.draft_file WHERE sha256 = ANY($1::bytea[])"


async def referred(connection: Connection, digests: Sequence[bytes]) -> set[bytes]:
    """Which of these blobs some draft still needs."""
    return {row["sha256"] for row in await connection.fetch(REFERRED, digests)}
