"""Posts that change hands; lists and who keeps them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from comgov.actor import Role, console
from comgov.errors import Conflict, Forbidden, Invalid, NotFound
from comgov.institutions.actions import add
from comgov.people.actions import (
    actor_of,
    add_list,
    add_members,
    add_person,
    add_post,
    change_list,
    change_post,
    get_list,
    get_post,
    hold_post,
    lists,
    posts,
    posts_of,
    release_post,
    remove_members,
    set_post_disabled,
)
from comgov.people.model import Account, Holding, Posting, Rights, may_open, overlap

if TYPE_CHECKING:
    from comgov.feature import Platform

CONSOLE = console("root")
CLAIRE, JEAN, ERIC = "claire@sante.gov.test", "jean@sante.gov.test", "eric@finances.gov.test"
SECRETARIAT, TOUS = "secretariat@sante.gov.test", "tous@sante.gov.test"
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
async def government(platform: Platform) -> None:
    await add(platform, CONSOLE, code="sante", name_fr="Ministère de la Santé")
    await add(platform, CONSOLE, code="finances", name_fr="Ministère des Finances")
    await add_person(platform, CONSOLE, JEAN, "Jean", roles={Role.INSTITUTION_ADMINISTRATOR})
    await add_person(platform, CONSOLE, CLAIRE, "Claire")
    await add_person(platform, CONSOLE, ERIC, "Éric")
    await add_post(platform, CONSOLE, SECRETARIAT, "Secrétariat")


def holding(rights: Rights, held_from: datetime, held_until: datetime | None, person_id: int = 1) -> Holding:
    return Holding(
        id=1,
        post_id=9,
        person_id=person_id,
        person_name="Claire",
        person_address=CLAIRE,
        rights=rights,
        held_from=held_from,
        held_until=held_until,
    )


def account(kind: str, account_id: int, *, disabled: bool = False) -> Account:
    return Account(
        id=account_id,
        kind="post" if kind == "post" else "person",
        institution_id=1,
        address="x@sante.gov.test",
        name="x",
        quota_bytes=0,
        disabled=disabled,
    )


OWN, OTHER, POST, CLOSED = (
    account("person", 1),
    account("person", 2),
    account("post", 9),
    account("post", 9, disabled=True),
)


@pytest.mark.parametrize(
    ("to", "held", "opens_with"),
    [
        (OWN, [], Rights.MANAGER),
        (account("person", 1, disabled=True), [], None),
        (OTHER, [], None),
        (POST, [], None),
        (POST, [holding(Rights.VIEWER, NOON - DAY, None)], Rights.VIEWER),
        (POST, [holding(Rights.EDITOR, NOON - DAY, None)], Rights.EDITOR),
        (POST, [holding(Rights.SENDER, NOON - DAY, None)], Rights.SENDER),
        (POST, [holding(Rights.MANAGER, NOON - DAY, None)], Rights.MANAGER),
        (POST, [holding(Rights.MANAGER, NOON, NOON + DAY)], Rights.MANAGER),
        (POST, [holding(Rights.MANAGER, NOON - DAY, NOON)], None),
        (POST, [holding(Rights.MANAGER, NOON + DAY, None)], None),
        (POST, [holding(Rights.MANAGER, NOON - DAY, None, person_id=2)], None),
        (POST, [holding(Rights.MANAGER, NOON - DAY, NOON), holding(Rights.VIEWER, NOON, None)], Rights.VIEWER),
        (CLOSED, [holding(Rights.MANAGER, NOON - DAY, None)], None),
    ],
)
def test_what_a_person_may_do_with_a_mailbox_at_noon(
    to: Account, held: list[Holding], opens_with: Rights | None
) -> None:
    assert may_open(1, to, held, NOON) is opens_with


@pytest.mark.parametrize(
    ("begin", "end", "shared"),
    [
        (NOON, None, True),
        (NOON - DAY, None, True),
        (NOON + DAY, None, False),
        (NOON - DAY, NOON, False),
        (NOON - DAY, NOON + DAY / 2, True),
        (NOON + DAY / 2, NOON + DAY / 2 * 1.5, True),
    ],
)
def test_which_times_overlap_a_day(begin: datetime, end: datetime | None, shared: bool) -> None:
    assert overlap(holding(Rights.VIEWER, NOON, NOON + DAY), begin, end) is shared


async def test_a_post_goes_from_hand_to_hand_and_remembers(platform: Platform, clock) -> None:
    await hold_post(platform, CONSOLE, SECRETARIAT, CLAIRE, Rights.MANAGER)
    assert [post.address for post in await posts_of(platform, await actor_of(platform, CLAIRE))] == [SECRETARIAT]
    clock.advance(DAY)
    await release_post(platform, CONSOLE, SECRETARIAT, CLAIRE)
    await hold_post(platform, CONSOLE, SECRETARIAT, JEAN)
    assert await posts_of(platform, await actor_of(platform, CLAIRE)) == []
    assert (await actor_of(platform, JEAN)).posts == {(await get_post(platform, SECRETARIAT)).id}
    held = (await get_post(platform, SECRETARIAT)).holdings
    assert [(one.person_name, one.rights, one.is_held(clock())) for one in held] == [
        ("Claire", Rights.MANAGER, False),
        ("Jean", Rights.SENDER, True),
    ]


async def test_several_hold_a_post_together_but_nobody_twice(platform: Platform) -> None:
    await hold_post(platform, CONSOLE, SECRETARIAT, CLAIRE)
    await hold_post(platform, CONSOLE, SECRETARIAT, JEAN)
    with pytest.raises(Conflict):
        await hold_post(platform, CONSOLE, SECRETARIAT, CLAIRE, Rights.VIEWER)


async def test_held_twice_at_once_is_held_once(platform: Platform) -> None:
    answers = await asyncio.gather(
        *(hold_post(platform, CONSOLE, SECRETARIAT, CLAIRE) for _ in range(4)), return_exceptions=True
    )
    assert sum(isinstance(answer, Conflict) for answer in answers) == 3
    assert len((await get_post(platform, SECRETARIAT)).holdings) == 1


async def test_a_holding_that_has_not_begun_is_taken_back(platform: Platform, clock) -> None:
    await hold_post(platform, CONSOLE, SECRETARIAT, CLAIRE, held_from=clock() + DAY)
    assert (await release_post(platform, CONSOLE, SECRETARIAT, CLAIRE)).holdings == ()
    with pytest.raises(NotFound):
        await release_post(platform, CONSOLE, SECRETARIAT, CLAIRE)


async def test_a_time_that_ends_before_it_begins_is_refused(platform: Platform, clock) -> None:
    for end in (clock(), clock() - DAY):
        with pytest.raises(Invalid):
            await hold_post(platform, CONSOLE, SECRETARIAT, CLAIRE, held_until=end)


async def test_only_people_of_the_institution_hold_its_posts_and_only_its_administrators_give_them(
    platform: Platform,
) -> None:
    with pytest.raises(Invalid):
        await hold_post(platform, CONSOLE, SECRETARIAT, ERIC)
    with pytest.raises(NotFound):
        await hold_post(platform, CONSOLE, SECRETARIAT, "nobody@sante.gov.test")
    claire, jean = await actor_of(platform, CLAIRE), await actor_of(platform, JEAN)
    with pytest.raises(Forbidden):
        await hold_post(platform, claire, SECRETARIAT, CLAIRE)
    with pytest.raises(Forbidden):
        await add_post(platform, jean, "courrier@finances.gov.test", "Courrier")
    await hold_post(platform, jean, SECRETARIAT, CLAIRE)
    await change_post(platform, jean, SECRETARIAT, title="Secrétariat général")
    assert [post.name for post in await posts(platform, jean.institution_id)] == ["Secrétariat général"]


async def test_a_closed_post_is_nobodys_for_now(platform: Platform) -> None:
    await hold_post(platform, CONSOLE, SECRETARIAT, CLAIRE)
    await set_post_disabled(platform, CONSOLE, SECRETARIAT, True)
    assert await posts_of(platform, await actor_of(platform, CLAIRE)) == []
    await set_post_disabled(platform, CONSOLE, SECRETARIAT, False)
    assert len(await posts_of(platform, await actor_of(platform, CLAIRE))) == 1


async def test_a_list_is_kept_by_its_owner_and_its_administrators(platform: Platform) -> None:
    jean, claire, eric = [await actor_of(platform, address) for address in (JEAN, CLAIRE, ERIC)]
    with pytest.raises(Forbidden):
        await add_list(platform, claire, TOUS, "Tous", owner=CLAIRE)
    await add_list(platform, jean, TOUS, "Tous", owner=CLAIRE, members=[JEAN])
    await add_members(platform, claire, TOUS, [CLAIRE, ERIC])
    await remove_members(platform, jean, TOUS, [JEAN, SECRETARIAT])
    found = await change_list(platform, claire, TOUS, name="Toutes et tous", posting=Posting.ANYONE)
    assert [member.address for member in found.members] == [CLAIRE, ERIC]
    for refused in (
        add_members(platform, eric, TOUS, [ERIC]),
        remove_members(platform, eric, TOUS, [ERIC]),
        change_list(platform, eric, TOUS, owner=ERIC),
    ):
        with pytest.raises(Forbidden):
            await refused
    assert await lists(platform, jean.institution_id) == [await get_list(platform, TOUS)]


async def test_a_list_owned_by_a_post_is_kept_by_whoever_holds_it(platform: Platform) -> None:
    await add_list(platform, CONSOLE, TOUS, "Tous", owner=SECRETARIAT)
    with pytest.raises(Forbidden):
        await add_members(platform, await actor_of(platform, CLAIRE), TOUS, [CLAIRE])
    await hold_post(platform, CONSOLE, SECRETARIAT, CLAIRE)
    await add_members(platform, await actor_of(platform, CLAIRE), TOUS, [CLAIRE])


async def test_a_member_or_owner_who_is_not_there_is_named_and_nothing_is_done(platform: Platform) -> None:
    for owner, members in (("nobody@sante.gov.test", [CLAIRE]), (CLAIRE, [JEAN, "nobody@sante.gov.test"])):
        with pytest.raises(NotFound, match="nobody@"):
            await add_list(platform, CONSOLE, TOUS, "Tous", owner=owner, members=members)
    with pytest.raises(NotFound):
        await get_list(platform, TOUS)


def test_rights_include_those_before_them() -> None:
    order = [Rights.VIEWER, Rights.EDITOR, Rights.SENDER, Rights.MANAGER]
    for place, rights in enumerate(order):
        assert [rights.includes(other) for other in order] == [True] * (place + 1) + [False] * (3 - place)
