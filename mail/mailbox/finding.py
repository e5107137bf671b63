"""SEARCH: keys become SQL wherever the database can tell, and only what is left is looked at one by one.

Texts are looked for without case and accents. SUBJECT, FROM, TO and fields of the header hold them anywhere; TEXT and
BODY ask the index of words: every word must be there, the last one may be the beginning of one.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import singledispatch
from typing import TYPE_CHECKING

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
    Uids,
)
from mail.message.header import decode, values
from mail.message.text import fold

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date

    from mail.mailbox.criteria import Key
    from mail.postgres import Connection

_HEADERS_AT_ONCE = 500
_IN_COLUMNS = {Field.SUBJECT: "b.subject", Field.FROM: "b.from_text", Field.TO: "b.to_text"}
_IN_WORDS = {Field.TEXT, Field.BODY}


def uses_words(key: Key) -> bool:
    """Whether the index of words is asked, which must then be up to date."""
    if isinstance(key, And):
        return any(map(uses_words, key.keys))
    if isinstance(key, Or):
        return uses_words(key.left) or uses_words(key.right)
    return uses_words(key.key) if isinstance(key, Not) else isinstance(key, Contains) and key.field in _IN_WORDS


async def find(
    connection: Connection, mailbox_id: int, key: Key, now: datetime, within: Sequence[int] | None = None
) -> list[int]:
    """The UIDs of what matches, ascending; of these alone when `within` is given."""
    if _is_sql(key):
        return await _select(connection, mailbox_id, key, now, within)
    if isinstance(key, And):
        plain = And(tuple(one for one in key.keys if _is_sql(one)))
        within = await _select(connection, mailbox_id, plain, now, within)
        for one in key.keys:
            if not _is_sql(one):
                within = await find(connection, mailbox_id, one, now, within)
        return list(within)
    if within is None:
        within = await _select(connection, mailbox_id, And(()), now, None)
    if isinstance(key, Or):
        left = set(await find(connection, mailbox_id, key.left, now, within))
        right = set(await find(connection, mailbox_id, key.right, now, within))
        return sorted(left | right)
    if isinstance(key, Not):
        without = set(await find(connection, mailbox_id, key.key, now, within))
        return [uid for uid in within if uid not in without]
    assert isinstance(key, Header | Contains)
    return await _look(connection, mailbox_id, _header_test(key), within)


def _is_sql(key: Key) -> bool:
    if isinstance(key, And):
        return all(map(_is_sql, key.keys))
    if isinstance(key, Or):
        return _is_sql(key.left) and _is_sql(key.right)
    if isinstance(key, Not):
        return _is_sql(key.key)
    if isinstance(key, Header):
        return key.name == "message-id"
    return not isinstance(key, Contains) or key.field in _IN_WORDS or key.field in _IN_COLUMNS


_FIND = """
SELECT m.uid
FROM mail.message AS m JOIN mail.body AS b ON b.id = m.body_id
WHERE m.mailbox_id = $1 AND ($2::bigint[] IS NULL OR m.uid = ANY($2::bigint[])) AND {condition}
ORDER BY m.uid
"""


async def _select(
    connection: Connection, mailbox_id: int, key: Key, now: datetime, within: Sequence[int] | None
) -> list[int]:
    values: list[object] = [mailbox_id, within]

    def value(one: object, kind: str) -> str:
        values.append(one)
        return f"${len(values)}::{kind}"

    condition = _Sql(value, now).of(key)
    return [row["uid"] for row in await connection.fetch(_FIND.format(condition=condition), *values)]


class _Sql:
    """Conditions; every value of the client's is a parameter."""

    def __init__(self, value: Callable[[object, str], str], now: datetime) -> None:
        self._value = value
        self._now = now

    def of(self, key: Key) -> str:
        """The condition that a key is."""
        return _condition(key, self)

    def value(self, one: object, kind: str) -> str:
        """A parameter of that type."""
        return self._value(one, kind)

    def since(self, seconds: int) -> str:
        """The moment so many seconds ago."""
        return self._value(self._now - timedelta(seconds=min(seconds, 10**10)), "timestamptz")

    def holds(self, column: str, text: str) -> str:
        """Whether a column holds a text, case aside."""
        return f"strpos(lower({column}), lower({self._value(text.replace(chr(0), ''), 'text')})) > 0"

    def day(self, column: str, compare: Compare, day: date) -> str:
        """A moment compared with a day, in UTC."""
        begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
        first = self._value(begin, "timestamptz")
        if compare is Compare.BEFORE:
            return f"{column} < {first}"
        if compare is Compare.SINCE:
            return f"{column} >= {first}"
        return f"({column} >= {first} AND {column} < {first} + interval '1 day')"


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
    return f"lower({sql.value(key.keyword, 'text')}) = ANY (lower(m.keywords::text)::text[])"


@_condition.register
def _(key: Uids, sql: _Sql) -> str:
    return f"m.uid = ANY({sql.value(list(key.uids), 'bigint[]')})"


@_condition.register
def _(key: Contains, sql: _Sql) -> str:
    if key.field in _IN_COLUMNS:
        return sql.holds(_IN_COLUMNS[key.field], key.text)
    query = index.to_query(f"{key.text}*")
    if not query:
        return "true"
    words = "SELECT FROM mail.words AS w WHERE w.body_id = m.body_id AND w.words @@"
    return f"EXISTS ({words} {sql.value(query, 'text')}::tsquery)"


@_condition.register
def _(key: Header, sql: _Sql) -> str:
    return sql.holds("b.message_id", key.text)


@_condition.register
def _(key: Internal, sql: _Sql) -> str:
    return sql.day("m.internal_date", key.compare, key.day)


@_condition.register
def _(key: Sent, sql: _Sql) -> str:
    return sql.day("coalesce(b.sent_at, m.internal_date)", key.compare, key.day)


@_condition.register
def _(key: Age, sql: _Sql) -> str:
    return f"m.internal_date {'>=' if key.is_younger else '<'} {sql.since(key.seconds)}"


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


def _header_test(key: Header | Contains) -> Callable[[bytes], bool]:
    name = (key.name if isinstance(key, Header) else key.field.value).encode("ascii", "replace")
    wanted = fold(key.text)
    return lambda header: any(wanted in fold(decode(value)) for value in values(header, name))


_HEADERS = """
SELECT m.uid, m.trace || b.trace || b.header AS header
FROM mail.message AS m JOIN mail.body AS b ON b.id = m.body_id
WHERE m.mailbox_id = $1 AND m.uid = ANY($2::bigint[])
ORDER BY m.uid
"""


async def _look(
    connection: Connection, mailbox_id: int, test: Callable[[bytes], bool], within: Sequence[int]
) -> list[int]:
    """Those whose header passes."""
    found = []
    for at in range(0, len(within), _HEADERS_AT_ONCE):
        rows = await connection.fetch(_HEADERS, mailbox_id, within[at : at + _HEADERS_AT_ONCE])
        found += [row["uid"] for row in rows if test(row["header"])]
    return found
