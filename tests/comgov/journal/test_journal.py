"""The journal: what is written stays, in a chain that anyone can check."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from comgov import journal
from comgov.actor import Actor, Role, console
from comgov.db import open_database
from comgov.journal.actions import export, link, verify, verify_export
from comgov.journal.model import Head

if TYPE_CHECKING:
    from comgov.db import Connection
    from comgov.feature import Platform

CLAIRE = Actor(
    person_id=7,
    institution_id=3,
    name="Claire",
    address="claire@sante.gov.test",
    roles=frozenset({Role.CIVIL_SERVANT}),
    ip="192.0.2.7",
)


async def record(platform: Platform, count: int = 1, **details: Any) -> None:
    for number in range(count):
        async with platform.db.transaction() as connection:
            await journal.record(connection, CLAIRE, "seal", "dossier", number, **details)


async def exported(platform: Platform, after: int = 0) -> list[dict[str, Any]]:
    return [json.loads(json.dumps(line)) async for line in export(platform, after)]


async def test_an_entry_says_who_did_what_to_which_thing_from_where(platform: Platform) -> None:
    await record(platform, number="2026/D/000123", urgent=True, pieces=["a.pdf", "b.pdf"], reason=None)
    await link(platform)
    [line] = await exported(platform)
    assert (line["actor_id"], line["actor"], line["institution_id"], line["ip"]) == (
        7,
        "claire@sante.gov.test",
        3,
        "192.0.2.7",
    )
    assert (line["verb"], line["kind"], line["thing"], line["number"]) == ("seal", "dossier", "0", 1)
    assert line["details"] == {"number": "2026/D/000123", "urgent": True, "pieces": ["a.pdf", "b.pdf"], "reason": None}


async def test_what_is_rolled_back_is_not_written(platform: Platform) -> None:
    async def fail() -> None:
        async with platform.db.transaction() as connection:
            await journal.record(connection, CLAIRE, "seal", "dossier", 1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert await link(platform) == 0


async def test_a_hostile_detail_is_kept_short_and_harmless(platform: Platform) -> None:
    await record(platform, name="x\0" + "é" * 10_000, emoji="🗂", quote='"\\\u2028', number=2**80)
    await link(platform)
    [line] = await exported(platform)
    assert len(line["details"]["name"]) == 501 and "\0" not in line["details"]["name"]
    assert line["details"]["number"] == 2**80
    assert (await verify(platform)).fault is None
    assert verify_export([line]) is None


async def test_the_chain_holds_with_many_writers_and_linkers_on_several_connections(
    platform: Platform, db_url: str
) -> None:
    async with open_database(db_url, max_size=4) as other_db:
        other = type(platform)(**{**vars(platform), "db": other_db})
        await asyncio.gather(
            *(record(worker, 40, of=number) for number, worker in enumerate([platform, other] * 4)),
            *(link(worker) for worker in [platform, other] * 6),
        )
        await link(platform)
    found = await verify(platform)
    assert (found.head.number, found.waiting, found.fault) == (320, 0, None)


async def test_an_entry_that_commits_late_is_linked_late_and_nothing_is_lost(platform: Platform) -> None:
    async with platform.db.transaction() as slow:
        await journal.record(slow, CLAIRE, "seal", "dossier", "slow")
        await record(platform, 3)
        assert await link(platform) == 3
    assert (await verify(platform)).waiting == 1
    assert await link(platform) == 1
    lines = await exported(platform)
    assert [line["thing"] for line in lines] == ["0", "1", "2", "slow"]
    assert verify_export(lines) is None


async def test_nobody_changes_or_removes_what_is_written(platform: Platform) -> None:
    await record(platform, 2)
    await link(platform)
    await record(platform)
    for statement in (
        "UPDATE comgov.journal SET actor = 'eric'",
        "UPDATE comgov.journal SET number = number + 10",
        "UPDATE comgov.journal SET number = 9, digest = digest, actor = 'eric' WHERE number IS NULL",
        "UPDATE comgov.journal SET number = NULL, digest = NULL",
        "DELETE FROM comgov.journal",
        "TRUNCATE comgov.journal",
    ):
        async with platform.db.connection() as connection:
            with pytest.raises(asyncpg.PostgresError, match=r"append-only|journal_check"):
                await connection.execute(statement)


async def tamper(connection: Connection, statement: str) -> None:
    """What the owner of the database alone can do."""
    await connection.execute("ALTER TABLE comgov.journal DISABLE TRIGGER USER")
    await connection.execute(statement)
    await connection.execute("ALTER TABLE comgov.journal ENABLE TRIGGER USER")


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE comgov.journal SET actor = 'eric' WHERE number = 3", "entry 3 is not"),
        ("UPDATE comgov.journal SET details = '{\"reason\": 1}' WHERE number = 3", "entry 3 is not"),
        ("UPDATE comgov.journal SET at = at + '1 second' WHERE number = 3", "entry 3 is not"),
        ("UPDATE comgov.journal SET digest = sha256('x') WHERE number = 3", "entry 3 is not"),
        ("DELETE FROM comgov.journal WHERE number = 3", "entry 3 is missing"),
        ("DELETE FROM comgov.journal WHERE number = 1", "entry 1 is missing"),
    ],
)
async def test_tampering_shows(platform: Platform, statement: str, said: str) -> None:
    await record(platform, 5)
    await link(platform)
    async with platform.db.connection() as connection:
        await tamper(connection, statement)
    found = await verify(platform)
    assert found.fault is not None and said in found.fault
    lines = await exported(platform)
    assert verify_export(lines) is not None or lines[0]["previous"] != "00" * 32


async def test_a_journal_rewritten_or_cut_does_not_pass_through_a_head_noted_before(platform: Platform) -> None:
    await record(platform, 5)
    await link(platform)
    head = (await verify(platform)).head
    await record(platform)
    await link(platform)
    assert (await verify(platform, head)).fault is None
    async with platform.db.connection() as connection:
        await tamper(connection, "DELETE FROM comgov.journal WHERE number > 3")
    cut = await verify(platform, head)
    assert cut.head.number == 3 and cut.fault is not None
    assert (await verify(platform)).fault is None  # without the head noted, a cut end does not show
    assert (await verify(platform, Head(3, bytes(32)))).fault is not None


async def test_an_export_is_checked_offline_and_from_its_middle(platform: Platform) -> None:
    await record(platform, 5)
    await link(platform)
    whole, end = await exported(platform), await exported(platform, after=3)
    assert whole[3:] == end
    assert verify_export(whole) is None and verify_export(end) is None
    for altered in (
        [*whole[:2], whole[2] | {"verb": "open"}, *whole[3:]],
        [*whole[:2], *whole[3:]],
        [whole[1], whole[0]],
        [whole[0], whole[0]],
    ):
        assert verify_export(altered) is not None


async def test_linking_is_done_by_one_while_others_leave(platform: Platform) -> None:
    await record(platform, 3)
    counts = await asyncio.gather(*(link(platform) for _ in range(5)))
    assert sum(counts) + await link(platform) == 3


def test_the_console_is_named_in_the_journal() -> None:
    assert console("root").address == "console:root"
    assert console("root").person_id == 0
