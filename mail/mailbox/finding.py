"""SEARCH and SORT in SQL: a walk through the mailbox that looks at no more of each message than the keys need.

A search reads the messages of its mailbox, never an index of all mailboxes: what it costs is known beforehand, whether
a word is rare or common. Texts are looked for without case and accents, anywhere, also within words.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import singledispatch
from typing import TYPE_CHECKING

import asyncpg

from mail.mailbox import index
from mail.mailbox.criteria import (
    Age,
    And,
    Compare,
    Contains,
    EmailId,
    Field,
    Flagged,
    Header,
    Internal,
    Keyword,
    Larger,
    ModSeq,
    Not,
    Or,
    Sent,
    Smaller,
    SortBy,
    ThreadId,
    Uids,
)
from mail.mailbox.threads import Threaded
from mail.message.header import showable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from mail.mailbox.criteria import Key
    from mail.postgres import Connection

ON_TEXTS = (Contains, Header)
"""Keys that look into the texts of messages, which must then all be there."""

ON_ORDER = (Sent, ThreadId)
"""Keys that look at what messages are sorted and threaded by."""

_LONG_AGO_SECONDS = 10**10
_SORTED_BY = {
    SortBy.ARRIVAL: "m.internal_date",
    SortBy.CC: 'b.sort_cc COLLATE "C"',
    SortBy.DATE: "coalesce(b.sent_at, m.internal_date)",
    SortBy.DISPLAYFROM: 'b.from_name COLLATE "C"',
    SortBy.DISPLAYTO: 'b.to_name COLLATE "C"',
    SortBy.FROM: 'b.sort_from COLLATE "C"',
    SortBy.SIZE: "m.size_bytes",
    SortBy.SUBJECT: 'b.sort_subject COLLATE "C"',
    SortBy.TO: 'b.sort_to COLLATE "C"',
}


async def find(
    connection: Connection,
    mailbox_id: int,
    key: Key,
    now: datetime,
    sort_by: Sequence[tuple[SortBy, bool]] = (),
) -> dict[int, int]:
    """UIDs of what matches, each with its MODSEQ. sort_by: what first, with whether it is reversed; then UIDs."""
    order = [f"{_SORTED_BY[by]} {'DESC' if is_reversed else 'ASC'}" for by, is_reversed in sort_by]
    rows = await _select(connection, mailbox_id, key, now, "m.uid, m.modseq", [*order, "m.uid"])
    return {row["uid"]: row["modseq"] for row in rows}


async def threaded(connection: Connection, mailbox_id: int, key: Key, now: datetime) -> list[Threaded]:
    """What matches, with what it is threaded by, in the order of UIDs."""
    columns = "m.uid, coalesce(b.sent_at, m.internal_date), b.sort_subject, b.is_reply, b.lineage"
    return [Threaded(*row) for row in await _select(connection, mailbox_id, key, now, columns, ["m.uid"])]


_WALK = "SELECT {columns} FROM mail.message AS m {joins} WHERE m.mailbox_id = $1 AND {condition} ORDER BY {order}"

# OFFSET 0 keeps the planner from turning the walk round: to read what all mailboxes hold, and then what of it is here.
_BODY = """
JOIN LATERAL (
    SELECT sent_at, sent_on, sort_subject, is_reply, sort_from, sort_to, sort_cc, from_name, to_name, lineage
    FROM mail.body WHERE id = m.body_id OFFSET 0
) AS b ON true
"""
_WORDS = """
LEFT JOIN LATERAL (
    SELECT header, terms, body FROM mail.words WHERE body_id = m.body_id OFFSET 0
) AS w ON true
"""


async def _select(
    connection: Connection, mailbox_id: int, key: Key, now: datetime, columns: str, order: Sequence[str]
) -> list[asyncpg.Record]:
    sql = _Sql(now=now, values=[mailbox_id])
    condition = sql.of(key)
    body = _BODY if "b." in f"{condition} {columns} {order}" else ""
    words = _WORDS if "w." in condition else ""
    query = _WALK.format(columns=columns, joins=body + words, condition=condition, order=", ".join(order))
    return await connection.fetch(query, *sql.values)


@dataclass
class _Sql:
    """Conditions; every value of the client's is a parameter, and the same runs of UIDs are one."""

    now: datetime
    values: list[object]
    runs: dict[int, str] = field(default_factory=dict)

    def of(self, key: Key) -> str:
        """The condition that a key is."""
        return _condition(key, self)

    def value(self, one: object, kind: str) -> str:
        """A parameter of that type."""
        self.values.append(one)
        return f"${len(self.values)}::{kind}"

    def day(self, column: str, compare: Compare, day: date) -> str:
        """A moment compared with a day, in UTC."""
        begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
        first = self.value(begin, "timestamptz")
        if compare is Compare.BEFORE:
            return f"{column} < {first}"
        if compare is Compare.SINCE:
            return f"{column} >= {first}"
        return f"({column} >= {first} AND {column} < {first} + interval '24 hours')"

    def in_header(self, text: str) -> str:
        """Whether the header holds a text."""
        wanted = self.value(index.needle(text), "text")
        return f"(strpos(w.header, {wanted}) > 0 OR strpos({_RETURN_PATH}, {wanted}) > 0)"

    def in_field(self, name: str, text: str) -> str:
        """Whether a field of that name holds a text. The whole is looked at before its lines are cut."""
        start, wanted = self.value(f"{showable(name).lower()}: ", "text"), self.value(index.needle(text), "text")
        line = f"starts_with(line, {start}) AND strpos(substr(line, length({start}) + 1), {wanted}) > 0"
        lines = f"SELECT FROM string_to_table({_RETURN_PATH} || w.header, E'\\n') AS line WHERE {line}"
        return f"({self.in_header(text)} AND EXISTS ({lines}))"

    def in_body(self, text: str) -> str:
        """Whether the body holds a text: its words tell, unless there is more to it than one."""
        folded = index.needle(text)
        words = index.whole_words(folded)
        conditions = [f"strpos(w.terms, {self.value(word, 'text')}) > 0" for word in words]
        if words != [folded]:
            conditions.append(f"strpos(w.body, {self.value(folded, 'text')}) > 0")
        return f"({' AND '.join(conditions)})"


# It stands on each copy, the rest of the header on the message.
_RETURN_PATH = "lower(convert_from(m.trace, 'UTF8'))"


@singledispatch
def _condition(key: Key, sql: _Sql) -> str:
    raise TypeError(f"no SQL for {key!r}, {sql!r}")


@_condition.register
def _(key: And, sql: _Sql) -> str:
    return "(" + " AND ".join(map(sql.of, key.keys)) + ")" if key.keys else "true"


@_condition.register
def _(key: Or, sql: _Sql) -> str:
    return f"({sql.of(key.left)} OR {sql.of(key.right)})"


@_condition.register
def _(key: Not, sql: _Sql) -> str:
    return f"({sql.of(key.key)}) IS NOT TRUE"


@_condition.register
def _(key: Flagged, sql: _Sql) -> str:
    return f"m.flags & {sql.value(int(key.flag), 'smallint')} <> 0"


@_condition.register
def _(key: Keyword, sql: _Sql) -> str:
    keyword = sql.value(key.keyword, "text")
    return f"(m.keywords <> '{{}}' AND lower({keyword}) = ANY (lower(m.keywords::text)::text[]))"


@_condition.register
def _(key: Uids, sql: _Sql) -> str:
    if not key.runs:
        return "false"
    first, last = sql.value(key.runs[0][0], "bigint"), sql.value(key.runs[-1][1], "bigint")
    between = f"m.uid BETWEEN {first} AND {last}"
    if len(key.runs) == 1:
        return between
    if id(key.runs) not in sql.runs:
        ranges = [asyncpg.Range(first, last, upper_inc=True) for first, last in key.runs]
        sql.runs[id(key.runs)] = sql.value(ranges, "int8multirange")
    return f"({between} AND m.uid <@ {sql.runs[id(key.runs)]})"


@_condition.register
def _(key: Contains, sql: _Sql) -> str:
    if key.field is Field.BODY:
        return sql.in_body(key.text)
    if key.field is Field.TEXT:
        return f"({sql.in_header(key.text)} OR {sql.in_body(key.text)})"
    return sql.in_field(key.field.value, key.text)


@_condition.register
def _(key: Header, sql: _Sql) -> str:
    return sql.in_field(key.name, key.text)


@_condition.register
def _(key: Internal, sql: _Sql) -> str:
    return sql.day("m.internal_date", key.compare, key.day)


@_condition.register
def _(key: Sent, sql: _Sql) -> str:
    return f"b.sent_on {key.compare.value} {sql.value(key.day, 'date')}"


@_condition.register
def _(key: Age, sql: _Sql) -> str:
    since = sql.value(sql.now - timedelta(seconds=min(key.seconds, _LONG_AGO_SECONDS)), "timestamptz")
    return f"m.internal_date {'>=' if key.is_younger else '<'} {since}"


@_condition.register
def _(key: Larger, sql: _Sql) -> str:
    return f"m.size_bytes > {sql.value(key.size_bytes, 'bigint')}"


@_condition.register
def _(key: Smaller, sql: _Sql) -> str:
    return f"m.size_bytes < {sql.value(key.size_bytes, 'bigint')}"


@_condition.register
def _(key: ModSeq, sql: _Sql) -> str:
    return f"m.modseq >= {sql.value(key.modseq, 'bigint')}"


@_condition.register
def _(key: EmailId, sql: _Sql) -> str:
    return f"replace(m.body_id::text, '-', '') = {sql.value(key.email_id, 'text')}"


@_condition.register
def _(key: ThreadId, sql: _Sql) -> str:
    return f"'T' || encode(substr(b.lineage, 1, 8), 'hex') = {sql.value(key.thread_id, 'text')}"
