"""What mail learns of people, posts and lists."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from comgov.actor import Role, console
from comgov.institutions.actions import add, suspend
from comgov.people.actions import (
    add_list,
    add_members,
    add_person,
    add_post,
    change_list,
    disable_person,
    enable_person,
    get_person,
    hold_post,
    release_post,
    remove_members,
    set_password,
    set_post_disabled,
)
from comgov.people.directory import ACCESS_REMEMBERED_FOR, REMEMBERED_FOR, RIGHTS, PeopleDirectory
from comgov.people.model import Posting, Rights
from mail.address import Address
from mail.directory import Account, Directory, Identity, MailingList, NotHere
from mail.errors import SystemDown

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from comgov.actor import Actor
    from comgov.feature import Platform

CONSOLE = console("root")
PASSWORD = "quatre chevaux blancs"
CLAIRE, JEAN, ERIC = "claire@sante.gov.test", "jean@sante.gov.test", "eric@finances.gov.test"
SECRETARIAT, TOUS = "secretariat@sante.gov.test", "tous@sante.gov.test"


@pytest.fixture
async def directory(platform: Platform) -> Directory:
    await add(platform, CONSOLE, code="sante", name_fr="Ministère de la Santé")
    await add(platform, CONSOLE, code="finances", name_fr="Ministère des Finances")
    for address, name in ((CLAIRE, "Claire"), (JEAN, "Jean"), (ERIC, "Éric")):
        await add_person(platform, CONSOLE, address, name, password=PASSWORD, quota_bytes=1 << 20)
    await add_post(platform, CONSOLE, SECRETARIAT, "Secrétariat")
    await add_list(platform, CONSOLE, TOUS, "Tous", owner=JEAN, members=[CLAIRE, JEAN, SECRETARIAT])
    return PeopleDirectory(platform)


async def look_up(directory: Directory, address: str) -> object:
    return await directory.lookup(Address.parse(address))


async def sign_in(directory: Directory) -> Identity:
    found = await directory.authenticate(CLAIRE, PASSWORD, ip="192.0.2.7", service="IMAP")
    assert found is not None
    return found


async def identity(platform: Platform, address: str) -> Identity:
    person = await get_person(platform, address)
    return Identity(account_id=person.id, address=Address.parse(address), name=person.name)


async def test_people_and_posts_receive_whatever_the_case_of_their_address(directory: Directory) -> None:
    claire = await look_up(directory, "CLAIRE@Sante.Gov.Test")
    assert isinstance(claire, Account)
    assert (str(claire.address), claire.quota_bytes) == (CLAIRE, 1 << 20)
    assert isinstance(await look_up(directory, SECRETARIAT), Account)


@pytest.mark.parametrize(
    ("address", "answer"),
    [
        ("nobody@sante.gov.test", NotHere.UNKNOWN),
        ('"claire "@sante.gov.test', NotHere.UNKNOWN),
        ("сlaire@sante.gov.test", NotHere.UNKNOWN),  # a Cyrillic с
        ("cla\u0131re@sante.gov.test", NotHere.UNKNOWN),  # a dotless i
        ("claire@sante.gov.test.evil.test", NotHere.REMOTE),
        ("claire@gov.test", NotHere.REMOTE),
        ("someone@example.org", NotHere.REMOTE),
        ("someone@[192.0.2.1]", NotHere.REMOTE),
    ],
)
async def test_others_do_not(directory: Directory, address: str, answer: NotHere) -> None:
    assert await look_up(directory, address) is answer


async def test_a_list_opens_to_its_open_members_and_only_they_may_post(
    platform: Platform, directory: Directory
) -> None:
    await disable_person(platform, CONSOLE, CLAIRE)
    found = await look_up(directory, TOUS)
    assert isinstance(found, MailingList)
    assert {str(account.address) for account in found.accounts} == {JEAN, SECRETARIAT}
    assert found.posters == {JEAN, SECRETARIAT}
    assert str(found.owner) == JEAN


@pytest.mark.parametrize(
    ("posting", "may", "may_not"),
    [
        (Posting.MEMBERS, {JEAN}, {CLAIRE, ERIC, "spam@example.org"}),
        (Posting.INSTITUTION, {JEAN, CLAIRE, SECRETARIAT}, {ERIC, "spam@example.org"}),
    ],
)
async def test_who_may_post_is_the_lists_to_say(
    platform: Platform, directory: Directory, posting: Posting, may: set[str], may_not: set[str]
) -> None:
    await remove_members(platform, CONSOLE, TOUS, [CLAIRE])
    await change_list(platform, CONSOLE, TOUS, posting=posting)
    found = await look_up(directory, TOUS)
    assert isinstance(found, MailingList) and found.posters is not None
    assert may <= found.posters
    assert not may_not & found.posters


async def test_a_list_open_to_anyone_names_no_poster(platform: Platform, directory: Directory) -> None:
    await change_list(platform, CONSOLE, TOUS, posting=Posting.ANYONE)
    found = await look_up(directory, TOUS)
    assert isinstance(found, MailingList) and found.posters is None


async def test_what_is_closed_is_unknown_until_it_opens_again(platform: Platform, directory: Directory) -> None:
    await disable_person(platform, CONSOLE, CLAIRE)
    await set_post_disabled(platform, CONSOLE, SECRETARIAT, True)
    await change_list(platform, CONSOLE, TOUS, disabled=True)
    for address in (CLAIRE, SECRETARIAT, TOUS):
        assert await look_up(directory, address) is NotHere.UNKNOWN
    await enable_person(platform, CONSOLE, CLAIRE)
    assert isinstance(await look_up(directory, CLAIRE), Account)


async def test_a_suspended_institution_still_receives(platform: Platform, directory: Directory) -> None:
    await suspend(platform, CONSOLE, "sante")
    assert isinstance(await look_up(directory, CLAIRE), Account)


async def test_an_answer_is_trusted_for_two_seconds_and_an_unknown_address_never(
    platform: Platform, directory: Directory, clock
) -> None:
    assert isinstance(await look_up(directory, TOUS), MailingList)
    await remove_members(platform, CONSOLE, TOUS, [CLAIRE, SECRETARIAT])
    clock.advance(REMEMBERED_FOR)
    found = await look_up(directory, TOUS)
    assert isinstance(found, MailingList) and [str(account.address) for account in found.accounts] == [JEAN]

    assert await look_up(directory, "new@sante.gov.test") is NotHere.UNKNOWN
    await add_person(platform, CONSOLE, "new@sante.gov.test", "New")
    assert isinstance(await look_up(directory, "new@sante.gov.test"), Account)


async def test_postmaster_reaches_who_answers_for_the_domain(platform: Platform, directory: Directory) -> None:
    assert await look_up(directory, "postmaster@sante.gov.test") is NotHere.UNKNOWN
    await add_person(platform, CONSOLE, "chef@finances.gov.test", "Chef", roles={Role.PLATFORM_ADMINISTRATOR})
    found = await look_up(directory, "Postmaster@sante.gov.test")
    assert isinstance(found, MailingList)
    assert [str(account.address) for account in found.accounts] == ["chef@finances.gov.test"]

    await add_person(platform, CONSOLE, "focal@sante.gov.test", "Focal", roles={Role.INSTITUTION_ADMINISTRATOR})
    found = await PeopleDirectory(platform).lookup(Address.parse("abuse@sante.gov.test"))
    assert isinstance(found, MailingList) and found.posters is None
    assert [str(account.address) for account in found.accounts] == ["focal@sante.gov.test"]


async def test_one_sends_with_ones_own_address_and_that_of_a_post_held_as_sender(
    platform: Platform, directory: Directory
) -> None:
    claire, eric = await identity(platform, CLAIRE), await identity(platform, ERIC)
    own, post = Address.parse("Claire@sante.gov.test"), Address.parse(SECRETARIAT)
    assert await directory.may_send_as(claire, own)
    assert not await directory.may_send_as(eric, own)
    assert not await directory.may_send_as(claire, post)
    assert not await directory.may_send_as(claire, Address.parse(TOUS))
    assert not await directory.may_send_as(claire, Address.parse("claire@example.org"))
    await hold_post(platform, CONSOLE, SECRETARIAT, CLAIRE, Rights.SENDER)
    assert await directory.may_send_as(claire, post)
    await set_post_disabled(platform, CONSOLE, SECRETARIAT, True)
    assert not await directory.may_send_as(claire, post)


@pytest.mark.parametrize(("rights", "may"), [("viewer", False), ("editor", False), ("sender", True), ("manager", True)])
async def test_the_rights_over_a_post_say_who_sends(
    platform: Platform, directory: Directory, rights: str, may: bool
) -> None:
    await hold_post(platform, CONSOLE, SECRETARIAT, CLAIRE, Rights(rights))
    claire = await identity(platform, CLAIRE)
    assert await directory.may_send_as(claire, Address.parse(SECRETARIAT)) is may


async def test_a_post_that_changes_hands_is_the_new_holders_from_that_instant(
    platform: Platform, directory: Directory, clock
) -> None:
    claire, jean = await identity(platform, CLAIRE), await identity(platform, JEAN)
    post = Address.parse(SECRETARIAT)
    tomorrow = clock() + timedelta(days=1)
    await hold_post(platform, CONSOLE, SECRETARIAT, CLAIRE, held_until=tomorrow)
    await hold_post(platform, CONSOLE, SECRETARIAT, JEAN, held_from=tomorrow)
    assert [await directory.may_send_as(who, post) for who in (claire, jean)] == [True, False]
    clock.advance(timedelta(days=1))
    assert [await directory.may_send_as(who, post) for who in (claire, jean)] == [False, True]
    await release_post(platform, CONSOLE, SECRETARIAT, JEAN)
    assert not await directory.may_send_as(jean, post)


async def test_signing_in_for_mail_gives_an_identity_or_nothing(platform: Platform, directory: Directory) -> None:
    found, claire = await sign_in(directory), await identity(platform, CLAIRE)
    assert (found.account_id, found.address, found.name) == (claire.account_id, claire.address, claire.name)
    assert await directory.authenticate(CLAIRE, "wrong password", ip="192.0.2.7", service="SMTP") is None
    assert await directory.authenticate("nobody@sante.gov.test", PASSWORD, ip="192.0.2.7", service="SMTP") is None
    await disable_person(platform, CONSOLE, CLAIRE)
    assert await directory.authenticate(CLAIRE, PASSWORD, ip="192.0.2.7", service="SMTP") is None


async def test_a_client_that_fails_too_often_is_told_to_come_back_later(directory: Directory) -> None:
    for _ in range(10):
        assert await directory.authenticate(CLAIRE, "guess guess guess", ip="192.0.2.7", service="SMTP") is None
    with pytest.raises(SystemDown, match="Too many"):
        await directory.authenticate(CLAIRE, PASSWORD, ip="192.0.2.7", service="SMTP")


async def test_when_the_database_is_down_mail_is_told_so(platform: Platform, directory: Directory) -> None:
    await platform.db.pool.close()
    with pytest.raises(SystemDown):
        await look_up(directory, CLAIRE)
    with pytest.raises(SystemDown):
        await directory.authenticate(CLAIRE, PASSWORD, ip="192.0.2.7", service="SMTP")
    claire = Identity(account_id=1, address=Address.parse(CLAIRE), name="Claire")
    with pytest.raises(SystemDown):
        await directory.may_send_as(claire, Address.parse(CLAIRE))


async def test_adding_members_twice_is_fine(platform: Platform, directory: Directory) -> None:
    await add_members(platform, CONSOLE, TOUS, [CLAIRE, CLAIRE.upper(), ERIC])
    found = await look_up(directory, TOUS)
    assert isinstance(found, MailingList)
    assert sorted(str(account.address) for account in found.accounts) == sorted([CLAIRE, JEAN, ERIC, SECRETARIAT])


async def addresses(directory: Directory, identity: Identity) -> list[str]:
    return [str(access.account.address) for access in await directory.accesses(identity)]


async def test_what_a_holder_opens_follows_the_holding_within_a_second(
    platform: Platform, directory: Directory, clock
) -> None:
    claire = await sign_in(directory)
    assert await addresses(directory, claire) == [CLAIRE]
    await hold_post(platform, CONSOLE, SECRETARIAT, CLAIRE, Rights.VIEWER, held_until=clock() + timedelta(days=1))
    clock.advance(ACCESS_REMEMBERED_FOR)
    assert await addresses(directory, claire) == [CLAIRE, SECRETARIAT]
    await set_post_disabled(platform, CONSOLE, SECRETARIAT, True)
    clock.advance(ACCESS_REMEMBERED_FOR)
    assert await addresses(directory, claire) == [CLAIRE]
    await set_post_disabled(platform, CONSOLE, SECRETARIAT, False)
    clock.advance(ACCESS_REMEMBERED_FOR)
    assert await addresses(directory, claire) == [CLAIRE, SECRETARIAT]
    clock.advance(timedelta(days=1))
    assert await addresses(directory, claire) == [CLAIRE]


@pytest.mark.parametrize("rights", Rights)
async def test_the_rights_over_a_post_are_those_over_its_mail(
    platform: Platform, directory: Directory, rights: Rights
) -> None:
    await hold_post(platform, CONSOLE, SECRETARIAT, CLAIRE, rights)
    _, post = await directory.accesses(await sign_in(directory))
    assert post.rights.name == rights.name
    assert await directory.holders(post.account) == {Address.parse(CLAIRE): post.rights}


@pytest.mark.parametrize(("close", "what"), [(suspend, "sante"), (disable_person, CLAIRE)])
async def test_who_cannot_sign_in_is_no_holder(
    platform: Platform, directory: Directory, close: Callable[[Platform, Actor, str], Awaitable[object]], what: str
) -> None:
    await hold_post(platform, CONSOLE, SECRETARIAT, CLAIRE, Rights.EDITOR)
    _, post = await directory.accesses(await sign_in(directory))
    assert await directory.holders(post.account)
    await close(platform, CONSOLE, what)
    assert await directory.holders(post.account) == {}


def test_each_level_of_rights_includes_those_before_it() -> None:
    levels = [set(RIGHTS[rights]) for rights in Rights]
    assert all(less < more for less, more in pairwise(levels))
    assert all(more.includes(less) for less, more in pairwise(Rights))


async def test_a_closed_account_opens_nothing_more(platform: Platform, directory: Directory, clock) -> None:
    claire = await sign_in(directory)
    assert await addresses(directory, claire) == [CLAIRE]
    await disable_person(platform, CONSOLE, CLAIRE)
    clock.advance(ACCESS_REMEMBERED_FOR)
    assert await addresses(directory, claire) == []
    assert not await directory.may_send_as(claire, claire.address)


async def test_a_changed_password_ends_what_was_signed_in_with_the_old_one(
    platform: Platform, directory: Directory, clock
) -> None:
    claire, vouched_for = await sign_in(directory), await identity(platform, CLAIRE)
    await set_password(platform, CONSOLE, CLAIRE, "cinq chevaux blancs")
    clock.advance(ACCESS_REMEMBERED_FOR)
    assert await addresses(directory, claire) == []
    assert await addresses(directory, vouched_for) == [CLAIRE]
