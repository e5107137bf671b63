"""What messages are searched by: their words for the index, their texts for what is no whole word.

Both are cut and folded here alone, for what is kept and for the question alike. A lexeme is a run of letters and digits
without case and accents, at most 48 characters. PostgreSQL's own parser and dictionaries have no part in it, so that
the two sides cannot disagree, whatever extensions are there.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import TYPE_CHECKING

from mail.body.store import REST_COLUMNS, to_rest
from mail.mailbox.store import MESSAGE_COLUMNS, to_message
from mail.message import Part, Place
from mail.message.header import lines, showable
from mail.message.text import fold, readable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from uuid import UUID

    from mail.body.after_header import Rest
    from mail.mailbox.model import Message
    from mail.postgres import Connection

PART_LIMIT_BYTES = 1 << 20  # encoded bytes of one part that are looked at
_PARTS_LIMIT = 20
_WORDS_LIMIT_BYTES = 512 * 1024  # of a message's distinct ones together; a tsvector holds 1 MiB
_HEADER_LIMIT = 256 * 1024  # characters
_BODY_LIMIT = 1 << 20  # characters
_WORD = re.compile(r"[^\W_]+")
_WORD_LIMIT = 48  # characters
_ASKED = re.compile(r"([^\W_]+)(\*?)")
_ASKED_LIMIT = 32  # words
_BLANKS = re.compile(r"\s+")
_BATCH = 50


@dataclass(frozen=True, kw_only=True)
class PendingBody:
    """A body that waits for its words, and where its bytes lie. trace: what this server stamped on it."""

    id: UUID
    trace: bytes
    header: bytes
    rest: Rest
    shown: tuple[str, ...]
    parts: tuple[Part, ...]
    sections: tuple[Place, ...]

    @property
    def text_parts(self) -> list[Part]:
        """Those that are read."""
        return [part for part in self.parts if part.type.startswith("text/")][:_PARTS_LIMIT]

    @property
    def headers_within(self) -> list[tuple[int, int]]:
        """Where the headers of messages within lie that are read; from the first byte of the header."""
        return [(place.start, place.text) for place in self.sections if place.text][:_PARTS_LIMIT]


@dataclass(frozen=True, kw_only=True)
class Words:
    """What a message is found by: see the columns of mail.words."""

    lexemes: list[str]
    header: str
    terms: str
    body: str


def words(body: PendingBody, texts: Sequence[bytes], headers: Sequence[bytes]) -> Words:
    """texts: encoded bytes, one for each of `text_parts`; headers: one for each of `headers_within`."""
    names = [fold(part.filename) for part in body.parts if part.filename]
    read = [*_bounded(chain(_decoded(body, texts), chain.from_iterable(map(_lines, headers))))]
    found = [each_word(one) for one in read]
    header = (*_lines(body.trace), *_lines(body.header), *(f" {name}" for name in names))
    return Words(
        lexemes=_lexemes(chain(map(each_word, (*map(fold, body.shown), *names)), found)),
        header="\n".join(header)[:_HEADER_LIMIT],
        terms=terms(chain.from_iterable(found)),
        body="\n".join(read),
    )


def _decoded(body: PendingBody, texts: Sequence[bytes]) -> Iterator[str]:
    for raw, part in zip(texts, body.text_parts, strict=True):
        yield fold(readable(raw, part))


def _bounded(texts: Iterable[str]) -> Iterator[str]:
    """As much of them as is kept; what lies beyond is not even decoded."""
    left = _BODY_LIMIT
    for text in texts:
        yield text[:left]
        left -= len(text)
        if left <= 0:
            return


def _lines(header: bytes) -> list[str]:
    return [f"{name}: {fold(value)}" for name, value in lines(header)]


def each_word(folded: str) -> Iterable[str]:
    """The words in a folded text, once each."""
    return dict.fromkeys(_WORD.findall(folded))


def _lexemes(texts: Iterable[Iterable[str]]) -> list[str]:
    """The distinct lexemes of the words of texts, up to a limit."""
    found: dict[str, None] = {}
    left_bytes = _WORDS_LIMIT_BYTES
    for word in chain.from_iterable(texts):
        lexeme = word[:_WORD_LIMIT]
        if lexeme not in found:
            found[lexeme] = None
            left_bytes -= len(lexeme.encode())
            if left_bytes < 0:
                break
    return list(found)


def terms(words: Iterable[str]) -> str:
    """The distinct ones, those aside that another begins with: what part of a word is in the one is in the other."""
    found = sorted(set(words))
    return " ".join(word for word, after in pairwise((*found, "")) if not after.startswith(word))


def needle(text: str) -> str:
    """What to look for in the columns of mail.words when this is asked for."""
    return _BLANKS.sub(" ", fold(showable(text)))


def whole_words(folded: str) -> list[str]:
    """The words in it, of which the first and the last may be parts of words."""
    return list(each_word(folded))[:_ASKED_LIMIT]


def to_query(text: str) -> str:
    """A tsquery that wants every word of `text`, `word*` by prefix; empty when there is no word in it."""
    asked = _ASKED.findall(fold(text[:1000]))[:_ASKED_LIMIT]
    return " & ".join(f"'{word[:_WORD_LIMIT]}'" + (":*" if star else "") for word, star in asked)


_PENDING = f"""
SELECT b.id, b.trace, b.header, {REST_COLUMNS}, b.subject, b.from_text, b.to_text, b.parts, b.sections
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
            trace=row["trace"],
            header=row["header"],
            rest=to_rest(row),
            shown=(row["subject"], row["from_text"], row["to_text"]),
            parts=tuple(Part(*part) for part in json.loads(row["parts"])),
            sections=tuple(Place(*place) for place in json.loads(row["sections"] or "{}").values()),
        )
        for row in await connection.fetch(_PENDING, mailbox_id, _BATCH, list(besides))
    ]


_WRITE = """
WITH ready AS (
    DELETE FROM mail.unindexed WHERE body_id = ANY($1::uuid[]) RETURNING body_id
)
INSERT INTO mail.words (body_id, words, header, terms, body)
SELECT body_id, array_to_tsvector(ARRAY(SELECT jsonb_array_elements_text(lexemes::jsonb))), header, terms, body
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[]) AS found (body_id, lexemes, header, terms, body)
JOIN ready USING (body_id)
ON CONFLICT DO NOTHING
"""


async def write(connection: Connection, found: Mapping[UUID, Words]) -> None:
    """Keep the words of these bodies; those that another worker has done meanwhile are passed over."""
    await connection.execute(
        _WRITE,
        list(found),
        [json.dumps(one.lexemes) for one in found.values()],
        [one.header for one in found.values()],
        [one.terms for one in found.values()],
        [one.body for one in found.values()],
    )


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
