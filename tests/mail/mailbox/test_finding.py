"""A search walks through its mailbox, however much the others hold."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, cast

import pytest

from mail.mailbox import finding
from mail.mailbox.criteria import And, Compare, Contains, Field, Flagged, Header, Sent, SortBy, ThreadId, Uids
from mail.mailbox.model import Flag

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from comgov.db import Database
    from mail.mailbox.criteria import Key
    from mail.postgres import Connection

NOW = datetime(2026, 11, 23, tzinfo=UTC)
FILL = """
INSERT INTO mail.mailbox (account_id, name) SELECT n, 'INBOX' FROM generate_series(1, 20) AS n;
INSERT INTO mail.body (id, sha256, size_bytes, trace, header, inline, envelope, bodystructure, parts, accepted_at,
                       sort_subject, is_reply, sort_from, sort_to, sort_cc, from_name, to_name, lineage, sent_on)
SELECT md5(n::text)::uuid, '', 1, '', convert_to(repeat('x', 500), 'UTF8'), '', '', '', '[]', now(),
       'S' || n, false, 'F' || n % 7, '', '', '', '', decode(md5(n::text), 'hex'), '2026-11-01'::date + n % 30
FROM generate_series(1, 20000) AS n;
INSERT INTO mail.message (mailbox_id, uid, body_id, internal_date, flags, modseq, size_bytes)
SELECT 1 + n % 20, n, md5(n::text)::uuid, now(), (n % 20 > 0)::int, 1, 1 FROM generate_series(1, 20000) AS n;
INSERT INTO mail.words (body_id, words, header, terms, body)
SELECT id, 'word', 'subject: budget', 'budget mission', 'budget mission' FROM mail.body;
ANALYZE;
"""
KEYS: dict[str, Key] = {
    "a common word": Contains(Field.TEXT, "budget"),
    "a rare word": Contains(Field.TEXT, "zzz"),
    "a phrase": Contains(Field.BODY, "budget mission"),
    "a field": Header("x-room", "1"),
    "a day": Sent(Compare.SINCE, date(2026, 11, 20)),
    "a thread": ThreadId("T0000000000000000"),
}


class Explaining:
    """A connection that tells the plans of what it is asked."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.plans: list[str] = []

    async def fetch(self, query: str, *values: object) -> list[Any]:
        rows = await self._connection.fetch(f"EXPLAIN {query}", *values)
        self.plans.append("\n".join(row[0] for row in rows))
        return []


async def plan(db: Database, ask: Callable[[Connection], Awaitable[object]]) -> str:
    async with db.pool.acquire() as connection:
        explaining = Explaining(cast("Connection", connection))
        await ask(cast("Connection", explaining))
    return explaining.plans[0]


@pytest.fixture
async def filled(db: Database) -> Database:
    await db.pool.execute(FILL)
    return db


@pytest.mark.parametrize("what", KEYS)
async def test_a_search_reads_the_messages_of_its_mailbox_alone(filled: Database, what: str) -> None:
    found = await plan(filled, lambda connection: finding.find(connection, 7, KEYS[what], NOW))
    assert "Seq Scan" not in found
    assert "words_words" not in found


async def test_a_search_for_flags_reads_no_texts(filled: Database) -> None:
    key = And((Flagged(Flag.SEEN), Uids(((1, 5), (7, 9)))))
    found = await plan(filled, lambda connection: finding.find(connection, 7, key, NOW))
    assert "Seq Scan" not in found
    assert "on body" not in found
    assert "on words" not in found


@pytest.mark.parametrize("by", SortBy)
async def test_a_sort_reads_the_messages_of_its_mailbox_alone(filled: Database, by: SortBy) -> None:
    found = await plan(filled, lambda connection: finding.find(connection, 7, And(()), NOW, [(by, True)]))
    assert "Seq Scan" not in found


async def test_threads_read_the_messages_of_their_mailbox_alone(filled: Database) -> None:
    found = await plan(filled, lambda connection: finding.threaded(connection, 7, And(()), NOW))
    assert "Seq Scan" not in found


async def test_the_same_runs_of_uids_are_sent_once(filled: Database) -> None:
    runs = tuple((uid, uid) for uid in range(7, 20000, 40))
    async with filled.pool.acquire() as connection:
        found = await finding.find(cast("Connection", connection), 8, And((Uids(runs),) * 900), NOW)
    assert list(found) == [uid for uid, _ in runs]
