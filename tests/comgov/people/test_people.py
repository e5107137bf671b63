"""People: adding them, changing them, finding them, and who may."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from comgov.actor import Actor, Role, console
from comgov.errors import Conflict, Forbidden, Invalid, NotFound
from comgov.institutions.actions import add
from comgov.people.actions import (
    accounts,
    actor_of,
    add_first_administrator,
    add_list,
    add_person,
    add_post,
    authenticate,
    change_person,
    choose_language,
    disable_person,
    enable_person,
    get_person,
    people,
    set_password,
)
from comgov.people.model import address_of, check_address, may_grant

if TYPE_CHECKING:
    from comgov.feature import Platform

CONSOLE = console("root")
PASSWORD = "quatre chevaux blancs"
CLAIRE, JEAN, ADMIN = "claire@sante.gov.test", "jean@sante.gov.test", "admin@setic.gov.test"


@pytest.fixture(autouse=True)
async def institutions(platform: Platform) -> None:
    for code in ("setic", "sante", "finances"):
        await add(platform, CONSOLE, code=code, name_fr=f"Institution {code}")
    await add_person(platform, CONSOLE, JEAN, "Jean", roles={Role.INSTITUTION_ADMINISTRATOR})
    await add_person(platform, CONSOLE, CLAIRE, "Claire Niyonzima")
    await add_person(platform, CONSOLE, ADMIN, "Admin", roles={Role.PLATFORM_ADMINISTRATOR})


async def the(platform: Platform, address: str) -> Actor:
    return await actor_of(platform, address)


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("Claire@Sante.Gov.Test", "claire@sante.gov.test"),
        ("  claire@sante.gov.test\n", "claire@sante.gov.test"),
        ("\u212alaire@sante.gov.test", None),
        ("clai\u0280e@sante.gov.test", None),
        ("a b\0@x", None),
        ("a" * 300, None),
    ],
)
def test_an_address_is_kept_in_small_ascii_letters(written: str, kept: str | None) -> None:
    assert address_of(written) == kept


@pytest.mark.parametrize(
    "address",
    [
        "", "@", "claire", "claire@", "@sante.gov.test", ".claire@sante.gov.test", "claire.@sante.gov.test",
        "cl..aire@sante.gov.test", "claire niyonzima@sante.gov.test", "élodie@sante.gov.test", "-x@sante.gov.test",
        "clаire@sante.gov.test", "claire+x@sante.gov.test", '"claire"@sante.gov.test', "a@b@sante.gov.test",
        "claire\r\nRCPT TO:<x>@sante.gov.test", "x" * 65 + "@sante.gov.test", "../x@sante.gov.test",
        "a/b@sante.gov.test",
    ],
)  # fmt: skip
async def test_what_cannot_be_an_address_is_refused(platform: Platform, address: str) -> None:
    with pytest.raises(Invalid):
        check_address(address)
    with pytest.raises((Invalid, NotFound)):
        await add_person(platform, CONSOLE, address, "Somebody")


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("  Élodie   Ndayishimiye ", "Élodie Ndayishimiye"),
        ("E\u0301lodie", "Élodie"),
        ("Nguyễn Văn An", "Nguyễn Văn An"),
        ("محمد", "محمد"),
        ("O'Brien-Müller, Jr.", "O'Brien-Müller, Jr."),
    ],
)
async def test_names_of_every_script_are_kept_in_one_form(platform: Platform, given: str, kept: str) -> None:
    person = await add_person(platform, CONSOLE, "new@sante.gov.test", given)
    assert person.name == kept
    assert (await get_person(platform, "new@sante.gov.test")).name == kept


@pytest.mark.parametrize("name", ["", "   ", "x" * 201, "a\0b", "a\u202eb", "a\u200bb", "a\x1bb", "\ud800"])
async def test_a_name_that_hides_something_is_refused(platform: Platform, name: str) -> None:
    with pytest.raises(Invalid):
        await add_person(platform, CONSOLE, "new@sante.gov.test", name)


async def test_of_two_who_add_the_same_address_at_once_one_is_told(platform: Platform) -> None:
    answers = await asyncio.gather(
        *(add_person(platform, CONSOLE, address, "New") for address in ("new@sante.gov.test", "NEW@Sante.gov.test")),
        add_post(platform, CONSOLE, "new@sante.gov.test", "New"),
        add_list(platform, CONSOLE, "new@sante.gov.test", "New", owner=JEAN),
        return_exceptions=True,
    )
    refused = [answer for answer in answers if isinstance(answer, Conflict)]
    assert len(refused) == 3
    assert all("new@sante.gov.test" in str(refusal) for refusal in refused)
    async with platform.db.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM comgov.address WHERE address LIKE 'new@%'") == 1


async def test_a_domain_of_nobody_is_named(platform: Platform) -> None:
    with pytest.raises(NotFound, match=r"nowhere\.gov\.test"):
        await add_person(platform, CONSOLE, "new@nowhere.gov.test", "New")


ALL = frozenset({1, 2})
PERSON = {"person_id": 7, "name": "x", "address": "x@sante.gov.test"}
CLERK = Actor(**PERSON, institution_id=1, roles=frozenset({Role.REGISTRY_CLERK, Role.AUDITOR}))
FOCAL = Actor(**PERSON, institution_id=1, roles=frozenset({Role.INSTITUTION_ADMINISTRATOR}))
PLATFORM = Actor(**PERSON, institution_id=2, roles=frozenset({Role.PLATFORM_ADMINISTRATOR}))


@pytest.mark.parametrize(
    ("actor", "institution_id", "role", "may"),
    [
        (CLERK, 1, Role.CIVIL_SERVANT, False),
        (FOCAL, 1, Role.CIVIL_SERVANT, True),
        (FOCAL, 1, Role.SIGNATORY, True),
        (FOCAL, 1, Role.INSTITUTION_ADMINISTRATOR, True),
        (FOCAL, 1, Role.PLATFORM_ADMINISTRATOR, False),
        (FOCAL, 2, Role.CIVIL_SERVANT, False),
        (PLATFORM, 1, Role.PLATFORM_ADMINISTRATOR, True),
        (PLATFORM, 2, Role.SIGNATORY, True),
    ],
)
def test_who_gives_which_role_where(actor: Actor, institution_id: int, role: Role, may: bool) -> None:
    assert may_grant(actor, institution_id, {role}) is may


async def test_a_focal_point_runs_their_own_institution_and_no_other(platform: Platform) -> None:
    jean = await the(platform, JEAN)
    await add_person(platform, jean, "new@sante.gov.test", "New", roles={Role.SIGNATORY})
    await change_person(platform, jean, "new@sante.gov.test", name="Newer")
    await disable_person(platform, jean, "new@sante.gov.test")
    await enable_person(platform, jean, "new@sante.gov.test")
    for refused in (
        add_person(platform, jean, "new@finances.gov.test", "New"),
        add_person(platform, jean, "boss@sante.gov.test", "Boss", roles={Role.PLATFORM_ADMINISTRATOR}),
        change_person(platform, jean, CLAIRE, roles={Role.PLATFORM_ADMINISTRATOR}),
        change_person(platform, jean, JEAN, roles={Role.PLATFORM_ADMINISTRATOR}),
        disable_person(platform, jean, ADMIN),
        set_password(platform, jean, ADMIN, "trois moutons noirs"),
    ):
        with pytest.raises(Forbidden):
            await refused


async def test_a_focal_point_cannot_take_over_a_platform_administrator_of_their_own_institution(
    platform: Platform,
) -> None:
    await change_person(platform, CONSOLE, CLAIRE, roles={Role.PLATFORM_ADMINISTRATOR})
    jean = await the(platform, JEAN)
    for refused in (
        set_password(platform, jean, CLAIRE, "trois moutons noirs"),
        change_person(platform, jean, CLAIRE, roles=()),
        change_person(platform, jean, CLAIRE, name="Someone else"),
        disable_person(platform, jean, CLAIRE),
    ):
        with pytest.raises(Forbidden):
            await refused


async def test_a_civil_servant_runs_nothing(platform: Platform) -> None:
    claire = await the(platform, CLAIRE)
    for refused in (
        add_person(platform, claire, "new@sante.gov.test", "New"),
        change_person(platform, claire, CLAIRE, roles={Role.SIGNATORY}),
        set_password(platform, claire, JEAN, "trois moutons noirs"),
        disable_person(platform, claire, JEAN),
    ):
        with pytest.raises(Forbidden):
            await refused


async def test_the_last_platform_administrator_stays(platform: Platform) -> None:
    with pytest.raises(Conflict):
        await change_person(platform, CONSOLE, ADMIN, roles=())
    with pytest.raises(Conflict):
        await disable_person(platform, CONSOLE, ADMIN)
    await change_person(platform, CONSOLE, CLAIRE, roles={Role.PLATFORM_ADMINISTRATOR})
    await change_person(platform, CONSOLE, ADMIN, roles=())
    assert (await get_person(platform, ADMIN)).roles == {Role.CIVIL_SERVANT}


async def test_two_administrators_cannot_remove_each_other_at_once(platform: Platform) -> None:
    await change_person(platform, CONSOLE, CLAIRE, roles={Role.PLATFORM_ADMINISTRATOR})
    admin, claire = await the(platform, ADMIN), await the(platform, CLAIRE)
    answers = await asyncio.gather(
        disable_person(platform, admin, CLAIRE), disable_person(platform, claire, ADMIN), return_exceptions=True
    )
    assert sum(isinstance(answer, Conflict) for answer in answers) == 1


async def test_nobody_closes_their_own_account(platform: Platform) -> None:
    with pytest.raises(Conflict):
        await disable_person(platform, await the(platform, JEAN), JEAN)


async def test_changing_what_is_given_leaves_the_rest(platform: Platform) -> None:
    before = await get_person(platform, CLAIRE)
    await change_person(platform, CONSOLE, CLAIRE, roles={Role.SIGNATORY}, quota_bytes=5)
    await choose_language(platform, await the(platform, CLAIRE), "en")
    after = await get_person(platform, CLAIRE)
    roles = frozenset({Role.CIVIL_SERVANT, Role.SIGNATORY})
    assert after == replace(before, roles=roles, quota_bytes=5, language="en")
    assert (await the(platform, CLAIRE)).language == "en"


@pytest.mark.parametrize("quota_bytes", [-1, 2**63])
async def test_a_quota_that_is_none_is_refused(platform: Platform, quota_bytes: int) -> None:
    with pytest.raises(Invalid):
        await change_person(platform, CONSOLE, CLAIRE, quota_bytes=quota_bytes)


async def test_a_refused_password_leaves_no_account(platform: Platform) -> None:
    with pytest.raises(Invalid):
        await add_person(platform, CONSOLE, "new@sante.gov.test", "New", password="short")
    with pytest.raises(NotFound):
        await get_person(platform, "new@sante.gov.test")


async def test_people_are_paged_by_address_and_found_by_any_part_of_their_name(platform: Platform) -> None:
    for number in range(7):
        await add_person(platform, CONSOLE, f"p{number}@finances.gov.test", f"Émile {number}")
    institution_id = (await get_person(platform, "p0@finances.gov.test")).institution_id
    first = await people(platform, institution_id, text="ÉMILE", limit=5)
    assert [person.address[:2] for person in first.people] == ["p0", "p1", "p2", "p3", "p4"]
    assert first.total == 7 and first.after is not None
    second = await people(platform, institution_id, text="ÉMILE", after=first.after, limit=5)
    assert [person.address[:2] for person in second.people] == ["p5", "p6"]
    assert second.after is None
    assert (await people(platform, institution_id, text="p3@")).total == 1
    for hostile in ("%", "_", "'", "\\", "\0%"):
        assert (await people(platform, institution_id, text=hostile)).total == 0


async def test_people_and_posts_share_one_sequence_of_accounts(platform: Platform) -> None:
    post = await add_post(platform, CONSOLE, "secretariat@sante.gov.test", "Secrétariat")
    claire = await get_person(platform, CLAIRE)
    found = await accounts(platform, {post.id, claire.id, 999_999})
    assert {account.kind for account in found.values()} == {"person", "post"}


async def test_a_post_does_not_sign_in_and_is_no_person(platform: Platform) -> None:
    await add_post(platform, CONSOLE, "secretariat@sante.gov.test", "Secrétariat")
    with pytest.raises(NotFound):
        await actor_of(platform, "secretariat@sante.gov.test")
    with pytest.raises(NotFound):
        await set_password(platform, CONSOLE, "secretariat@sante.gov.test", PASSWORD)


async def test_the_first_administrator_comes_with_their_institution_and_there_is_only_one_first(
    platform: Platform,
) -> None:
    given = {"address": "root@anssi.gov.test", "name": "Root", "password": PASSWORD, "institution": "Agence"}
    with pytest.raises(Conflict):
        await add_first_administrator(platform, CONSOLE, **given)
    async with platform.db.connection() as connection:
        await connection.execute("UPDATE comgov.person SET roles = '{civil-servant}'")
    await add_first_administrator(platform, CONSOLE, **given)
    actor = await authenticate(platform, "root@anssi.gov.test", PASSWORD, ip="192.0.2.1")
    assert actor.has(Role.PLATFORM_ADMINISTRATOR) and actor.institution_code == "anssi"


async def test_what_is_done_to_people_is_in_the_journal_without_their_passwords(platform: Platform) -> None:
    await set_password(platform, CONSOLE, CLAIRE, PASSWORD)
    async with platform.db.connection() as connection:
        kept = await connection.fetch("SELECT verb, kind, actor, journal::text AS text FROM comgov.journal ORDER BY id")
    assert [row["verb"] for row in kept if row["kind"] == "person"] == ["add", "add", "add", "set password of"]
    assert kept[-1]["actor"] == "console:root"
    assert not any(PASSWORD in row["text"] or "argon2" in row["text"] for row in kept)


async def test_choosing_a_language_gives_no_role_back_that_is_being_taken(platform: Platform) -> None:
    jean = await the(platform, JEAN)
    async with platform.db.transaction() as connection:
        await connection.execute("UPDATE comgov.person SET roles = '{civil-servant}' WHERE id = $1", jean.person_id)
        choosing = asyncio.create_task(choose_language(platform, jean, "en"))
        await asyncio.sleep(0.2)  # it now waits for the row

    await choosing

    person = await get_person(platform, JEAN)
    assert (person.language, person.roles) == ("en", {Role.CIVIL_SERVANT})
