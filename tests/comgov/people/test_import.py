"""Adding many people from a file, good or hostile."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from comgov.actor import Role, console
from comgov.errors import Conflict, TooLarge
from comgov.institutions.actions import add
from comgov.people.actions import (
    Imported,
    actor_of,
    add_person,
    add_post,
    authenticate,
    change_person,
    get_person,
    import_people,
)
from comgov.people.passwords import generate_password
from comgov.people.roster import LARGEST_BYTES, MOST_ROWS, read

if TYPE_CHECKING:
    from comgov.actor import Actor
    from comgov.feature import Platform

CONSOLE = console("root")
JEAN = "jean@sante.gov.test"


@pytest.fixture(autouse=True)
async def government(platform: Platform) -> None:
    await add(platform, CONSOLE, code="sante", name_fr="Santé")
    await add(platform, CONSOLE, code="finances", name_fr="Finances")


async def import_text(platform: Platform, text: str, actor: Actor = CONSOLE) -> Imported:
    roster = read(text.encode())
    assert not roster.faults
    return await import_people(platform, actor, roster.rows)


def faults(content: bytes | str) -> list[tuple[int, str]]:
    found = read(content if isinstance(content, bytes) else content.encode()).faults
    return [(fault.line, str(fault)) for fault in found]


GOOD = '''address,name,roles,language,quota_bytes,password
claire@sante.gov.test,Claire Niyonzima,,fr,,quatre chevaux blancs
AlINE@sante.gov.test,"Aline, ""la directrice""",signatory registry-clerk,en,1000,

eric@finances.gov.test,  Éric   ,auditor,,,
'''


async def test_a_file_adds_everyone_it_names(platform: Platform) -> None:
    done = await import_text(platform, GOOD)
    assert done.added == ("claire@sante.gov.test", "aline@sante.gov.test", "eric@finances.gov.test")
    aline = await get_person(platform, "aline@sante.gov.test")
    assert (aline.name, aline.language, aline.quota_bytes) == ('Aline, "la directrice"', "en", 1000)
    assert aline.roles == {Role.CIVIL_SERVANT, Role.SIGNATORY, Role.REGISTRY_CLERK}
    assert not aline.has_password
    assert await authenticate(platform, "claire@sante.gov.test", "quatre chevaux blancs", ip="192.0.2.1")


async def test_a_second_time_changes_nothing_and_a_corrected_file_changes_what_differs(platform: Platform) -> None:
    await import_text(platform, GOOD)
    again = await import_text(platform, GOOD)
    assert (again.added, again.changed, len(again.unchanged)) == ((), (), 3)
    corrected = await import_text(platform, GOOD.replace("Claire Niyonzima", "Claire N.").replace("auditor", ""))
    assert corrected.changed == ("claire@sante.gov.test",)
    assert (await get_person(platform, "eric@finances.gov.test")).roles == {Role.CIVIL_SERVANT, Role.AUDITOR}


async def test_the_password_of_someone_known_is_left_alone(platform: Platform) -> None:
    await import_text(platform, GOOD)
    await import_text(platform, GOOD.replace("quatre chevaux blancs", "trois moutons noirs"))
    assert await authenticate(platform, "claire@sante.gov.test", "quatre chevaux blancs", ip="192.0.2.1")


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffadresse;nom;rôles\r\nclaire@sante.gov.test;Claire;signatory+auditor\r\n",
        "NOM\tAdresse\tRÔLES\nClaire\tclaire@sante.gov.test\tauditor signatory\n",
    ],
)
async def test_what_spreadsheets_write_is_read(platform: Platform, text: str) -> None:
    await import_text(platform, text)
    person = await get_person(platform, "claire@sante.gov.test")
    assert (person.name, Role.SIGNATORY in person.roles, Role.AUDITOR in person.roles) == ("Claire", True, True)


def test_every_fault_is_told_with_its_line() -> None:
    found = faults(
        "address,name,roles,language,quota_bytes,password\n"
        "not an address,Claire,,,,\n"
        "a@sante.gov.test,,,,,\n"
        "b@sante.gov.test,B,king,,,\n"
        "\n"
        '"c@sante.gov.test","C\nC",,de,,\n'
        "d@sante.gov.test,D,,,a lot,\n"
        "e@sante.gov.test,E,,,,short\n"
        "f@sante.gov.test,F\n"
        "g@sante.gov.test,G,,,,\n"
        "G@SANTE.gov.test,G,,,,\n"
    )
    assert [line for line, _ in found] == [2, 3, 4, 6, 8, 9, 10, 12]
    assert "line 11" in found[-1][1]
    assert "king" in found[2][1] and "registry-clerk" in found[2][1]


@pytest.mark.parametrize(
    ("content", "line", "said"),
    [
        (b"", 1, "missing"),
        (b"name\nClaire\n", 1, "address"),
        (b"address,name,shoe size\n", 1, "shoe size"),
        (b"address,name,nom\n", 1, "twice"),
        ("address,name\nclaire@sante.gov.test,\u00c9ric\n".encode("cp1252"), 2, "UTF-8"),
        (b'address,name\na@sante.gov.test,A\nb@sante.gov.test,"B\n\n\n', 3, "CSV"),
        (b'address,name\na@sante.gov.test,"A"x\n', 2, "CSV"),
        (b"address,name\na@sante.gov.test," + b"x" * 200_000, 2, "CSV"),
        (b"address,name\na@sante.gov.test,A\0B\n", 2, "visible"),
        (b"address,name\n=cmd|'/c calc'!A1,A\n", 2, "cannot be an address"),
    ],
)
def test_a_hostile_file_is_answered_with_a_line_and_a_reason(content: bytes, line: int, said: str) -> None:
    found = faults(content)
    assert (found[0][0], said in found[0][1]) == (line, True), found


def test_a_file_too_large_is_refused_before_it_is_read() -> None:
    with pytest.raises(TooLarge):
        read(b"x" * (LARGEST_BYTES + 1))
    with pytest.raises(TooLarge):
        read(b"address,name\n" + b"a@sante.gov.test,A\n" * (MOST_ROWS + 1))


async def test_what_only_the_directory_knows_is_told_with_its_line_too_and_nothing_is_done(
    platform: Platform,
) -> None:
    await add_post(platform, CONSOLE, "courrier@sante.gov.test", "Courrier")
    done = await import_text(
        platform,
        "address,name\na@sante.gov.test,A\nb@nowhere.gov.test,B\ncourrier@sante.gov.test,C\nd@sante.gov.test,D\n",
    )
    assert [fault.line for fault in done.faults] == [3, 4]
    assert done.added == ()
    async with platform.db.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM comgov.person") == 0


async def test_a_focal_point_imports_into_their_own_institution_only(platform: Platform) -> None:
    await add_person(platform, CONSOLE, JEAN, "Jean", roles={Role.INSTITUTION_ADMINISTRATOR})
    await add_person(platform, CONSOLE, "chef@sante.gov.test", "Chef", roles={Role.PLATFORM_ADMINISTRATOR})
    jean = await actor_of(platform, JEAN)
    done = await import_text(
        platform,
        "address,name,roles\na@sante.gov.test,A,\nb@finances.gov.test,B,\n"
        "c@sante.gov.test,C,platform-administrator\nchef@sante.gov.test,Chef,civil-servant\n",
        jean,
    )
    assert [fault.line for fault in done.faults] == [3, 4, 5]


async def test_an_import_that_would_remove_the_last_administrator_does_nothing(platform: Platform) -> None:
    await add_person(platform, CONSOLE, JEAN, "Jean", roles={Role.PLATFORM_ADMINISTRATOR})
    with pytest.raises(Conflict):
        await import_text(platform, f"address,name,roles\na@sante.gov.test,A,\n{JEAN},Jean,civil-servant\n")
    assert (await get_person(platform, JEAN)).roles == {Role.CIVIL_SERVANT, Role.PLATFORM_ADMINISTRATOR}
    async with platform.db.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM comgov.person") == 1


async def test_imports_of_the_same_people_at_once_in_any_order_add_each_person_once(platform: Platform) -> None:
    lines = [f"p{number}@sante.gov.test,P {number}\n" for number in range(200)]
    rosters = ["".join(["address,name\n", *order]) for order in (lines, lines[::-1], lines[100:] + lines[:100])]
    answers = await asyncio.gather(*(import_text(platform, text) for text in rosters), return_exceptions=True)
    assert all(isinstance(answer, Imported | Conflict) for answer in answers), answers
    assert len((await import_text(platform, rosters[0])).unchanged) == 200


async def test_changes_of_the_same_people_at_once_in_any_order_are_all_made(platform: Platform) -> None:
    lines = [f"p{number}@sante.gov.test,P {number}" for number in range(100)]
    await import_text(platform, "\n".join(["address,name", *lines]))
    rosters = [
        "\n".join(["address,name", *(f"{line} {name}" for line in order)])
        for name, order in (("a", lines), ("b", lines[::-1]), ("c", lines[50:] + lines[:50]))
    ]
    answers = await asyncio.gather(*(import_text(platform, text) for text in rosters))
    assert [len(answer.changed) for answer in answers] == [100] * 3
    assert (await get_person(platform, "p7@sante.gov.test")).name in ("P 7 a", "P 7 b", "P 7 c")


async def test_progress_counts_every_row(platform: Platform) -> None:
    await change_person(
        platform, CONSOLE, (await add_person(platform, CONSOLE, "p0@sante.gov.test", "P")).address, name="Q"
    )
    text = "address,name,password\n" + "".join(
        f"p{number}@sante.gov.test,P {number},password number {number}\n" for number in range(150)
    )
    counted: list[int] = []
    await import_people(platform, CONSOLE, read(text.encode()).rows, counted.append)
    assert sum(counted) == 150


def test_a_password_made_here_is_long_and_never_the_same() -> None:
    made = {generate_password() for _ in range(100)}
    assert len(made) == 100 and all(len(password) == 21 for password in made)
