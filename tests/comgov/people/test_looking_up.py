"""The directory: institutions, people and posts, found by whoever is signed in."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from comgov.actor import console
from comgov.institutions import actions as institutions
from comgov.institutions.model import Branch, Institution, Kind, State, line_of, named, tree
from comgov.people.actions import (
    add_person,
    add_post,
    change_person,
    disable_person,
    hold_post,
    look_up,
    release_post,
    set_post_disabled,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from comgov.feature import Platform

    Browser = Any

CONSOLE = console("root")
PASSWORD = "quatre chevaux blancs"


@pytest.fixture
async def sante(platform: Platform) -> int:
    """A ministry with a service under it, its people and a post; a second ministry; the id of the first."""
    added = await institutions.add(platform, CONSOLE, code="sante", name_fr="Ministère de la Santé")
    await institutions.add(
        platform, CONSOLE, code="hopital", name_fr="Hôpital de Ngozi", kind=Kind.SERVICE, parent="sante"
    )
    await institutions.add(platform, CONSOLE, code="finances", name_fr="Ministère des Finances")
    await add_person(platform, CONSOLE, "claire@sante.gov.test", "Claire Niyonzima", password=PASSWORD)
    await add_person(platform, CONSOLE, "eric@sante.gov.test", "Éric d’Alembert-Nkurunziza")
    await add_person(platform, CONSOLE, "eric@finances.gov.test", "Éric Bigirimana")
    await add_post(platform, CONSOLE, "secretariat@sante.gov.test", "Secrétariat")
    await hold_post(platform, CONSOLE, "secretariat@sante.gov.test", "claire@sante.gov.test")
    return added.id


def _found(entries: Any) -> list[str]:
    return [one.address for one in entries]


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("eric", ["eric@sante.gov.test", "eric@finances.gov.test"]),
        ("ÉRIC", ["eric@sante.gov.test", "eric@finances.gov.test"]),
        ("eric fin", ["eric@finances.gov.test"]),
        ("alembert", ["eric@sante.gov.test"]),
        ("d'alem nkuru", ["eric@sante.gov.test"]),
        ("secretariat@sante.gov.test", ["secretariat@sante.gov.test"]),
        ("claire eric", []),
        ("laire", []),
        ("' & ! | :* \\", []),
        ("a\0b", []),
        ("éric", ["eric@sante.gov.test", "eric@finances.gov.test"]),
    ],
)
async def test_words_are_found_by_their_beginning_whatever_their_accents(
    platform: Platform, sante: int, text: str, addresses: list[str]
) -> None:
    found = await look_up(platform, text)
    assert set(_found(found.entries)) == set(addresses)
    assert found.posts + found.people == len(addresses)


async def test_an_institution_shows_posts_then_people_by_name_page_by_page(platform: Platform, sante: int) -> None:
    first = await look_up(platform, "", institution_id=sante, limit=2)
    assert _found(first.entries) == ["secretariat@sante.gov.test", "claire@sante.gov.test"]
    assert (first.posts, first.people) == (1, 2)
    assert first.after is not None
    last = await look_up(platform, "", institution_id=sante, after=first.after, limit=2)
    assert _found(last.entries) == ["eric@sante.gov.test"]
    assert (last.posts, last.people, last.after) == (1, 2, None)


async def test_a_search_goes_on_after_the_last_one_shown(platform: Platform, sante: int) -> None:
    seen, after = [], 0
    while True:
        found = await look_up(platform, "gov", after=after, limit=1)
        seen += _found(found.entries)
        if found.after is None:
            break
        after = found.after
    assert seen == [
        "secretariat@sante.gov.test",
        "claire@sante.gov.test",
        "eric@finances.gov.test",
        "eric@sante.gov.test",
    ]


async def test_a_post_names_its_holders_of_now_and_a_person_their_posts(
    platform: Platform, sante: int, clock: Any
) -> None:
    found = await look_up(platform, "", institution_id=sante)
    assert [one.ties for one in found.entries] == [("Claire Niyonzima",), ("Secrétariat",), ()]
    await release_post(platform, CONSOLE, "secretariat@sante.gov.test", "claire@sante.gov.test")
    clock.advance(timedelta(seconds=1))
    found = await look_up(platform, "", institution_id=sante)
    assert [one.ties for one in found.entries] == [(), (), ()]


async def test_what_is_closed_is_not_in_the_directory(platform: Platform, sante: int) -> None:
    await disable_person(platform, CONSOLE, "eric@sante.gov.test")
    found = await look_up(platform, "", institution_id=sante)
    assert (found.posts, found.people) == (1, 1)
    await set_post_disabled(platform, CONSOLE, "secretariat@sante.gov.test", disabled=True)
    (claire,) = (await look_up(platform, "", institution_id=sante)).entries
    assert claire.ties == ()


async def test_a_new_name_is_found_and_the_former_no_more(platform: Platform, sante: int) -> None:
    await change_person(platform, CONSOLE, "claire@sante.gov.test", name="Anne Gahungu")
    assert _found((await look_up(platform, "gahungu")).entries) == ["claire@sante.gov.test"]
    assert (await look_up(platform, "niyonzima")).entries == []


def _institution(number: int, code: str, name: str, parent: int | None = None) -> Institution:
    from datetime import UTC, datetime

    return Institution(
        id=number, code=code, domain=f"{code}.gov.test", name_fr=name, name_en="", kind=Kind.MINISTRY, province="",
        parent_id=parent, state=State.ACTIVE, quota_bytes=0, created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )  # fmt: skip


@pytest.fixture
def branches() -> list[Branch]:
    return tree(
        [
            _institution(1, "etat", "État"),
            _institution(2, "sante", "Ministère de la Santé", 1),
            _institution(3, "hopital", "Hôpital de Ngozi", 2),
            _institution(4, "finances", "Ministère des Finances", 1),
        ]
    )


@pytest.mark.parametrize(
    ("code", "line"),
    [("etat", ["etat"]), ("hopital", ["etat", "sante", "hopital"]), ("finances", ["etat", "finances"]), ("rien", [])],
)
def test_the_line_of_an_institution_goes_from_the_top_down(branches: list[Branch], code: str, line: list[str]) -> None:
    assert [one.code for one in line_of(branches, code)] == line


@pytest.mark.parametrize(
    ("text", "codes"),
    [("minist", ["sante", "finances"]), ("SANTÉ", ["sante"]), ("hop ngo", ["hopital"]), ("gozi", []), ("  …", [])],
)
def test_institutions_are_named_by_the_beginnings_of_words(branches: list[Branch], text: str, codes: list[str]) -> None:
    assert [one.code for one in named(branches, text)] == codes


@pytest.fixture
async def browser(platform: Platform, sante: int, open_browser: Callable[..., Awaitable[Browser]]) -> Browser:
    opened = await open_browser(platform)
    await opened.sign_in("claire@sante.gov.test", PASSWORD)
    return opened


def _text(page: str) -> str:
    return " ".join(html.unescape(re.sub("<[^>]+>", " ", page)).split())


async def test_the_directory_shows_the_tree_to_whoever_is_signed_in(browser: Browser) -> None:
    page = await browser.get("/directory")
    assert page.status == 200
    order = [page.text.index(f'href="/directory/{code}"') for code in ("sante", "hopital", "finances")]
    assert order == sorted(order)
    assert re.search(r'depth-1">\s*<a href="/directory/hopital"', page.text)
    assert "3 institutions." in _text(page.text)


async def test_strangers_are_led_to_the_sign_in_page(
    platform: Platform, sante: int, open_browser: Callable[..., Awaitable[Browser]]
) -> None:
    stranger = await open_browser(platform)
    for path in ("/directory", "/directory/sante"):
        assert (await stranger.get(path)).location == f"/sign-in?next={path}"


async def test_a_search_shows_institutions_people_and_where_to_write(browser: Browser) -> None:
    page = await browser.get("/directory?q=sante")
    assert "1 institution" in _text(page.text)
    assert "1 poste et 2 personnes" in _text(page.text)
    assert 'href="/mail/write?to=secretariat%40sante.gov.test"' in page.text or (
        'href="/mail/write?to=secretariat@sante.gov.test"' in page.text
    )
    assert 'value="sante"' in page.text


async def test_a_search_within_an_institution_stays_there(browser: Browser) -> None:
    page = await browser.get("/directory/finances?q=eric")
    assert "Éric Bigirimana" in page.text
    assert "Alembert" not in page.text


async def test_nothing_found_says_what_to_try(browser: Browser) -> None:
    page = await browser.get("/directory?q=<b>")
    assert page.status == 200
    assert "&lt;b&gt;" in page.text
    assert "<b>" not in page.text.partition("<main")[2].partition("</main>")[0].replace("<b class", "")


async def test_an_institution_stands_below_those_above_it(browser: Browser) -> None:
    page = await browser.get("/directory/hopital")
    trail = page.text[page.text.index('class="trail"') : page.text.index("</nav>", page.text.index('class="trail"'))]
    assert "/directory/sante" in trail
    assert (await browser.get("/directory/nulle-part")).status == 404


async def test_the_tree_goes_on_after_a_code(browser: Browser, platform: Platform) -> None:
    for number in range(110):
        await institutions.add(platform, CONSOLE, code=f"z{number:03}", name_fr=f"Service {number}")
    first = await browser.get("/directory")
    assert "100 sur 113" in _text(first.text)
    following = re.search(r'href="(/directory\?after=[^"]+)"', first.text)
    assert following is not None
    rest = await browser.get(following[1])
    assert "13 sur 113" in _text(rest.text)
    assert (await browser.get("/directory?after=unknown")).status == 200


@pytest.mark.parametrize("after", ["-1", "9" * 30, "x", "%00", "99999999"])
async def test_a_key_that_is_none_begins_or_ends_and_never_fails(browser: Browser, after: str) -> None:
    assert (await browser.get(f"/directory/sante?after={after}")).status == 200
    assert (await browser.get(f"/directory?q=eric&after={after}")).status == 200
