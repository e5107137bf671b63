"""The words of messages: cut and folded here alone, for the index and for the question alike.

A lexeme is a run of letters and digits without case and accents, at most 48 characters. PostgreSQL's own parser and
dictionaries have no part in it, so that the two sides cannot disagree, whatever extensions are there.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mail.mailbox.store import MESSAGE_COLUMNS, to_message
from mail.message import Part
from mail.message.text import fold, readable
from mail.store import REST_COLUMNS, to_rest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from uuid import UUID

    from mail.mailbox.model import Message
    from mail.postgres import Connection
    from mail.rest import Rest

PART_LIMIT_BYTES = 1 << 20  # encoded bytes of one part that are looked at
_PARTS_LIMIT = 20
_WORDS_LIMIT_BYTES = 512 * 1024  # of a message's distinct ones together; a tsvector holds 1 MiB
_WORD = re.compile(r"[^\W_]+")
_WORD_LIMIT = 48  # characters
_ASKED = re.compile(r"([^\W_]+)(\*?)")
_ASKED_LIMIT = 32  # words
_BATCH = 50


@dataclass(frozen=True, kw_only=True)
class PendingBody:
    """A body that waits for its words, and where its bytes lie."""

    id: UUID
    header_size: int
    rest: Rest
    lines: tuple[str, ...]
    parts: tuple[Part, ...]

    @property
    def text_parts(self) -> list[Part]:
        """Those that are read."""
        return [part for part in self.parts if part.type.startswith("text/")][:_PARTS_LIMIT]


def words(body: PendingBody, texts: Sequence[bytes]) -> list[str]:
    """The distinct lexemes of a message: of its subject and people, file names and texts.

    texts: encoded bytes, one for each of `text_parts`.
    """
    names = [part.filename for part in body.parts]
    decoded = (readable(raw, part) for raw, part in zip(texts, body.text_parts, strict=True))
    return lexemes((*body.lines, *names, *decoded))


def lexemes(texts: Iterable[str]) -> list[str]:
    """The distinct lexemes, up to a limit."""
    found: dict[str, None] = {}
    left_bytes = _WORDS_LIMIT_BYTES
    for text in texts:
        for word in dict.fromkeys(_WORD.findall(fold(text))):
            lexeme = word[:_WORD_LIMIT]
            if lexeme not in found:
                found[lexeme] = None
                left_bytes -= len(lexeme.encode())
                if left_bytes < 0:
                    return list(found)
    return list(found)


def to_query(text: str) -> str:
    """A tsquery that wants every word of `text`, `word*` by prefix; empty when there is no word in it."""
    asked = _ASKED.findall(fold(text[:1000]))[:_ASKED_LIMIT]
    return " & ".join(f"'{word[:_WORD_LIMIT]}'" + (":*" if star else "") for word, star in asked)


_PENDING = f"""
SELECT b.id, length(b.header) AS header_size, {REST_COLUMNS}, b.subject, b.from_text, b.to_text, b.parts
FROM mail.unindexed AS u JOIN mail.body AS b ON b.id = u.body_id
WHERE b.id <> ALL($3::uuid[])
    AND ($1::bigint IS NULL OR EXISTS (SELECT FROM mail.message AS m WHERE m.body_id = b.id AND m.mailbox_id = $1))
LIMIT $2
"""


async def pending(connection: Connection, mailbox_id: int | None, besides: Collection[UUID]) -> list[PendingBody]:
    """Some bodies that wait: those of a mailbox, or any (None). besides: those that are not wanted."""
    return [
        PendingBody(
            id=row["id"],
            header_size=row["header_size"],
            rest=to_rest(row),
            lines=(row["subject"], row["from_text"], row["to_text"]),
            parts=tuple(Part.from_row(part) for part in json.loads(row["parts"])),
        )
        for row in await connection.fetch(_PENDING, mailbox_id, _BATCH, list(besides))
    ]


_WRITE = """
WITH ready AS (
    DELETE FROM mail.unindexed WHERE body_id = ANY($1::uuid[]) RETURNING body_id
)
INSERT INTO mail.words (body_id, words)
SELECT body_id, array_to_tsvector(ARRAY(SELECT jsonb_array_elements_text(lexemes::jsonb)))
FROM unnest($1::uuid[], $2::text[]) AS found (body_id, lexemes) JOIN ready USING (body_id)
ON CONFLICT DO NOTHING
"""


async def write(connection: Connection, found: Sequence[tuple[UUID, list[str]]]) -> None:
    """Keep the words of these bodies; those that another worker has done meanwhile are passed over."""
    await connection.execute(_WRITE, [body_id for body_id, _ in found], [json.dumps(lexemes) for _, lexemes in found])


_SEARCH = f"""
SELECT {MESSAGE_COLUMNS}
FROM mail.message AS m JOIN mail.body AS b ON b.id = m.body_id JOIN mail.words AS w ON w.body_id = m.body_id
WHERE m.mailbox_id = $1 AND w.words @@ $2::text::tsquery AND m.uid < $3
ORDER BY m.uid DESC LIMIT $4
"""


async def search(connection: Connection, mailbox_id: int, query: str, before_uid: int, limit: int) -> list[Message]:
    """Messages that match, newest first. query: as `to_query` gives it."""
    return [to_message(row) for row in await connection.fetch(_SEARCH, mailbox_id, query, before_uid, limit)]


_COUNT = """
SELECT count(*) FROM mail.message AS m JOIN mail.words AS w ON w.body_id = m.body_id
WHERE m.mailbox_id = $1 AND w.words @@ $2::text::tsquery
"""


async def count(connection: Connection, mailbox_id: int, query: str) -> int:
    """How many match."""
    total: int = await connection.fetchval(_COUNT, mailbox_id, query)
    return total
