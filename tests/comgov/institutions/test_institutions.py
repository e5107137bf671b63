"""Institutions: adding them, moving them in the tree, suspending them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from comgov.actor import Actor, Role, console
from comgov.errors import Conflict, Forbidden, Invalid, NotFound
from comgov.institutions.actions import add, change, everyone, get, get_by_id, resume, suspend
from comgov.institutions.model import Kind, State

if TYPE_CHECKING:
    from comgov.feature import Platform

CONSOLE = console("root")
FOCAL = Actor(
    person_id=1,
    institution_id=1,
    name="Jean",
    address="jean@sante.gov.test",
    roles=frozenset({Role.INSTITUTION_ADMINISTRATOR}),
)


async def add_all(platform: Platform, *codes: str) -> None:
    """Each under the one before it."""
    parent = None
    for code in codes:
        await add(platform, CONSOLE, code=code, name_fr=f"Institution {code}", parent=parent)
        parent = code


async def test_an_institution_has_a_domain_of_its_code(platform: Platform) -> None:
    added = await add(
        platform,
        CONSOLE,
        code="sante",
        name_fr="Ministère de la Santé  publique",
        name_en="Ministry of Health",
        kind=Kind.MINISTRY,
        province="Bujumbura Mairie",
        quota_bytes=5,
    )
    assert added == await get(platform, "sante") == await get_by_id(platform, added.id)
    assert (added.domain, added.state, added.quota_bytes) == ("sante.gov.test", State.ACTIVE, 5)
    assert (added.name("fr"), added.name("en")) == ("Ministère de la Santé publique", "Ministry of Health")


async def test_one_without_an_english_name_keeps_its_french_one(platform: Platform) -> None:
    added = await add(platform, CONSOLE, code="sante", name_fr="Santé")
    assert added.name("en") == "Santé"


@pytest.mark.parametrize(
    "code", ["", "Sante", "santé", "sa nte", "-sante", "sante-", "sa.nte", "a" * 64, "sante\n", "ѕante", "*"]
)
async def test_a_code_that_is_no_label_is_refused(platform: Platform, code: str) -> None:
    with pytest.raises(Invalid):
        await add(platform, CONSOLE, code=code, name_fr="Santé")


@pytest.mark.parametrize("domain", ["sante", "Sante.gov.test", "sante..test", "san té.test", "x." * 130 + "test"])
async def test_a_domain_that_is_none_is_refused(platform: Platform, domain: str) -> None:
    with pytest.raises(Invalid):
        await add(platform, CONSOLE, code="sante", name_fr="Santé", domain=domain)


async def test_of_two_added_at_once_with_one_code_or_one_domain_one_is_told(platform: Platform) -> None:
    answers = await asyncio.gather(
        *(add(platform, CONSOLE, code="sante", name_fr=f"Santé {number}") for number in range(4)),
        add(platform, CONSOLE, code="sante2", name_fr="Santé", domain="sante.gov.test"),
        return_exceptions=True,
    )
    assert sum(isinstance(answer, Conflict) for answer in answers) == 4


async def test_the_tree_lists_each_after_its_parent(platform: Platform) -> None:
    await add_all(platform, "etat", "sante", "hopital")
    await add(platform, CONSOLE, code="agriculture", name_fr="Agriculture", parent="etat")
    await add(platform, CONSOLE, code="banque", name_fr="Banque")
    found = [(branch.institution.code, branch.depth) for branch in await everyone(platform)]
    assert found == [("banque", 0), ("etat", 0), ("agriculture", 1), ("sante", 1), ("hopital", 2)]


async def test_an_institution_is_never_under_itself(platform: Platform) -> None:
    await add_all(platform, "etat", "sante", "hopital")
    for parent in ("hopital", "sante", "etat"):
        with pytest.raises(Invalid):
            await change(platform, CONSOLE, "etat", parent=parent)
    await change(platform, CONSOLE, "hopital", parent="etat")
    await change(platform, CONSOLE, "sante", parent="")
    assert (await get(platform, "sante")).parent_id is None


@pytest.mark.parametrize("attempt", range(5))
async def test_two_moves_at_once_make_no_ring_and_do_not_wait_for_each_other(platform: Platform, attempt: int) -> None:
    await add_all(platform, "a")
    await add_all(platform, "b")
    moves = [change(platform, CONSOLE, "a", parent="b"), change(platform, CONSOLE, "b", parent="a")]
    answers = await asyncio.gather(*moves, return_exceptions=True)
    assert sorted(type(answer).__name__ for answer in answers) == ["Institution", "Invalid"]
    assert len(await everyone(platform)) == 2


async def test_the_tree_does_not_grow_deeper_than_its_limit_even_by_moving_a_branch(platform: Platform) -> None:
    await add_all(platform, *(f"l{level}" for level in range(8)))
    with pytest.raises(Invalid):
        await add(platform, CONSOLE, code="l8", name_fr="Too deep", parent="l7")
    await add_all(platform, "m0", "m1")
    with pytest.raises(Invalid):
        await change(platform, CONSOLE, "m0", parent="l6")
    await change(platform, CONSOLE, "m0", parent="l5")


async def test_changing_what_is_given_leaves_the_rest(platform: Platform) -> None:
    await add_all(platform, "etat", "sante")
    before = await get(platform, "sante")
    after = await change(platform, CONSOLE, "sante", province="Gitega", kind=Kind.AGENCY, quota_bytes=7)
    assert after == await get(platform, "sante")
    assert (after.name_fr, after.parent_id, after.domain) == (before.name_fr, before.parent_id, before.domain)
    assert (after.province, after.kind, after.quota_bytes) == ("Gitega", Kind.AGENCY, 7)


async def test_an_unknown_one_is_named(platform: Platform) -> None:
    for refused in (
        get(platform, "nowhere"),
        change(platform, CONSOLE, "nowhere", province="x"),
        add(platform, CONSOLE, code="x", name_fr="X", parent="nowhere"),
    ):
        with pytest.raises(NotFound, match="nowhere"):
            await refused


async def test_only_a_platform_administrator_changes_the_tree(platform: Platform) -> None:
    await add_all(platform, "sante")
    for refused in (
        add(platform, FOCAL, code="x", name_fr="X"),
        change(platform, FOCAL, "sante", quota_bytes=1 << 50),
        suspend(platform, FOCAL, "sante"),
        resume(platform, FOCAL, "sante"),
    ):
        with pytest.raises(Forbidden):
            await refused


async def test_suspending_and_resuming_twice_is_fine_and_told_once(platform: Platform) -> None:
    await add_all(platform, "sante")
    for _ in range(2):
        assert (await suspend(platform, CONSOLE, "sante")).state is State.SUSPENDED
    for _ in range(2):
        assert (await resume(platform, CONSOLE, "sante")).state is State.ACTIVE
    async with platform.db.connection() as connection:
        verbs = await connection.fetch("SELECT verb FROM comgov.journal WHERE kind = 'institution' ORDER BY id")
    assert [row["verb"] for row in verbs] == ["add", "suspend", "resume"]


async def test_an_administrator_does_not_lock_themselves_out(platform: Platform) -> None:
    await add_all(platform, "setic")
    admin = Actor(
        person_id=1,
        institution_id=1,
        name="Admin",
        address="admin@setic.gov.test",
        roles=frozenset({Role.PLATFORM_ADMINISTRATOR}),
        institution_code="setic",
    )
    with pytest.raises(Conflict):
        await suspend(platform, admin, "setic")
