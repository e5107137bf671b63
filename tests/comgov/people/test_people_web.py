"""Signing in and out by the pages, and one's own account."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web as http

from comgov import people
from comgov.actor import console
from comgov.errors import Unauthenticated
from comgov.feature import Feature
from comgov.institutions.actions import add
from comgov.people.actions import (
    actor_of,
    add_person,
    add_post,
    app_passwords,
    authenticate_for_mail,
    disable_person,
    hold_post,
    sessions,
)
from comgov.people.model import browser_named
from comgov.people.web import _server, actor

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from comgov.feature import Platform

    Browser = Any

CONSOLE = console("root")
CLAIRE, PASSWORD = "claire@sante.gov.test", "quatre chevaux blancs"


@pytest.fixture
async def browser(platform: Platform, open_browser: Callable[..., Awaitable[Browser]]) -> Browser:
    await add(platform, CONSOLE, code="sante", name_fr="Ministère de la Santé", name_en="Ministry of Health")
    await add_person(platform, CONSOLE, CLAIRE, "Claire Niyonzima", password=PASSWORD)
    await add_post(platform, CONSOLE, "secretariat@sante.gov.test", "Secrétariat")
    await hold_post(platform, CONSOLE, "secretariat@sante.gov.test", CLAIRE)
    return await open_browser(platform)


async def test_signing_in_leads_to_the_page_that_was_asked_for(browser: Browser) -> None:
    answer = await browser.get("/account")
    assert answer.location == "/sign-in?next=/account"
    answer = await browser.sign_in(CLAIRE, PASSWORD, "/account")
    assert (answer.status, answer.location) == (303, "/account")
    page = (await browser.get("/account")).text
    assert "Claire Niyonzima" in page
    assert "Ministère de la Santé" in page
    assert "Secrétariat" in page


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        (
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0 Safari/537.36",
            "Chrome, Linux",
        ),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/143.0 Safari/537.36 Edg/143.0", "Edge, Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1", "Safari, iOS"),
        ("Mozilla/5.0 (Android 14; Mobile; rv:133.0) Gecko/133.0 Firefox/133.0", "Firefox, Android"),
        ("curl/8.5", ""),
    ],
)
def test_a_browser_is_called_as_its_owner_calls_it(agent: str, name: str) -> None:
    assert browser_named(agent) == name


async def test_a_wrong_password_keeps_the_address_and_not_the_password(browser: Browser) -> None:
    answer = await browser.sign_in(CLAIRE, "quatre chevaux noirs")
    assert answer.status == 401
    assert f'value="{CLAIRE}"' in answer.text
    assert "chevaux noirs" not in answer.text
    assert browser.cookie("session") is None


async def test_guessing_is_stopped_and_says_when_to_try_again(browser: Browser) -> None:
    for _ in range(20):
        answer = await browser.sign_in(CLAIRE, "quatre chevaux noirs")
        if answer.status == 429:
            break
    assert answer.status == 429
    assert answer.headers["Retry-After"] == "900"
    assert (await browser.sign_in(CLAIRE, PASSWORD)).status == 429


async def test_a_closed_account_is_told_so_only_with_the_right_password(browser: Browser, platform: Platform) -> None:
    await disable_person(platform, CONSOLE, CLAIRE)
    assert (await browser.sign_in(CLAIRE, "quatre chevaux noirs")).status == 401
    assert (await browser.sign_in(CLAIRE, PASSWORD)).status == 403


async def test_a_planted_session_is_not_taken_up(browser: Browser) -> None:
    browser.client.session.cookie_jar.update_cookies({"session": "planted"}, browser.client.make_url("/"))
    await browser.sign_in(CLAIRE, PASSWORD)
    assert browser.cookie("session") != "planted"


async def test_signing_in_again_ends_the_former_session(browser: Browser, platform: Platform) -> None:
    await browser.sign_in(CLAIRE, PASSWORD)
    former = browser.cookie("session")
    token = await browser.token("/account")
    form = {"csrf": token, "address": CLAIRE, "password": PASSWORD}
    await browser.send("/sign-in", form)
    assert browser.cookie("session") not in (former, None)
    browser.client.session.cookie_jar.update_cookies({"session": former}, browser.client.make_url("/"))
    assert (await browser.get("/account")).status == 303


async def test_signing_out_ends_the_session_and_clears_what_the_browser_kept(browser: Browser) -> None:
    await browser.sign_in(CLAIRE, PASSWORD)
    token = browser.cookie("session")
    answer = await browser.fill("/account", to="/sign-out")
    assert answer.headers["Clear-Site-Data"] == '"cache", "storage"'
    assert browser.cookie("session") is None
    browser.client.session.cookie_jar.update_cookies({"session": token}, browser.client.make_url("/"))
    assert (await browser.get("/account")).status == 303


@pytest.mark.parametrize("way_on", ["//evil.test", "https://evil.test/", "/\\evil.test", "javascript:alert(1)", ""])
async def test_signing_in_never_leads_to_another_site(browser: Browser, way_on: str) -> None:
    assert (await browser.sign_in(CLAIRE, PASSWORD, way_on)).location == "/"


async def test_sign_in_needs_the_forms_token(browser: Browser) -> None:
    answer = await browser.send("/sign-in", {"address": CLAIRE, "password": PASSWORD})
    assert answer.status == 403
    assert browser.cookie("session") is None


async def test_the_language_chosen_follows_the_person(browser: Browser) -> None:
    await browser.sign_in(CLAIRE, PASSWORD)
    assert 'lang="fr"' in (await browser.get("/account")).text
    answer = await browser.fill("/account", {"language": "en"}, to="/account/language")
    assert answer.location == "/account"
    page = (await browser.get("/account")).text
    assert '<html lang="en">' in page
    assert "Ministry of Health" in page
    assert (await browser.fill("/account", {"language": "xx"}, to="/account/language")).status == 400


async def test_a_new_password_ends_every_other_session(browser: Browser, platform: Platform, open_browser: Any) -> None:
    other = await open_browser(platform)
    await other.sign_in(CLAIRE, PASSWORD)
    await browser.sign_in(CLAIRE, PASSWORD)
    new = {"password_current": PASSWORD, "password": "cinq ânes gris", "password_again": "cinq ânes gris"}
    assert (await browser.fill("/account", new, to="/account/password")).location == "/account"
    assert "cinq ânes" not in (await browser.get("/account")).text
    assert (await other.get("/account")).status == 303
    assert (await other.sign_in(CLAIRE, "cinq ânes gris")).status == 303


@pytest.mark.parametrize(
    "changed",
    [
        {"password_current": "wrong"},
        {"password_again": "something else"},
        {"password": "short", "password_again": "short"},
    ],
)
async def test_a_password_that_cannot_be_changed_says_why_and_signs_nobody_out(
    browser: Browser, changed: dict[str, str]
) -> None:
    await browser.sign_in(CLAIRE, PASSWORD)
    new = {"password_current": PASSWORD, "password": "cinq ânes gris", "password_again": "cinq ânes gris"} | changed
    answer = await browser.fill("/account", new, to="/account/password")
    assert answer.status == 400
    assert 'role="alert"' in answer.text
    assert (await browser.get("/account")).status == 200


def shown_password(page: str) -> str:
    found = re.search(r"<code>([a-z0-9-]{29})</code>", page)
    assert found, page
    return found[1]


DEVICE = {"name": "Mon téléphone", "password_current": PASSWORD}


async def test_an_app_password_is_shown_once_and_revoked(browser: Browser, platform: Platform) -> None:
    await browser.sign_in(CLAIRE, PASSWORD)
    answer = await browser.fill("/account/app-passwords", DEVICE)
    password = shown_password(answer.text)
    assert answer.headers["Cache-Control"] == "no-store"
    assert f"{platform.relay.hostname}, port 993, SSL/TLS" in answer.text
    assert f"{platform.relay.hostname}, port 465, SSL/TLS" in answer.text
    assert await authenticate_for_mail(platform, CLAIRE, password, ip="192.0.2.1", service="IMAP")
    page = (await browser.get("/account/app-passwords")).text
    assert "Mon téléphone" in page and password not in page
    assert "1 appareil lit votre courrier" in (await browser.get("/account")).text
    (made,) = await app_passwords(platform, await actor_of(platform, CLAIRE))
    revoke = f"/account/app-passwords/{made.id}/revoke"
    answer = await browser.fill("/account/app-passwords", to=revoke)
    assert answer.location == "/account/app-passwords"
    assert "« Mon téléphone » est révoqué" in (await browser.get("/account/app-passwords")).text
    assert (await browser.fill("/account/app-passwords", to=revoke)).status == 404
    with pytest.raises(Unauthenticated):
        await authenticate_for_mail(platform, CLAIRE, password, ip="192.0.2.1", service="IMAP")


@pytest.mark.parametrize(
    ("tls_port", "starttls_port", "told"), [(993, 143, (993, "SSL/TLS")), (0, 143, (143, "STARTTLS")), (0, 0, None)]
)
def test_a_mail_program_is_told_the_safest_way_that_there_is(
    tls_port: int, starttls_port: int, told: tuple[int, str] | None
) -> None:
    found = _server("mail.gov.test", tls_port, starttls_port)
    assert (found and (found["port"], found["security"])) == told


async def test_a_second_click_shows_the_same_app_password(browser: Browser, platform: Platform) -> None:
    await browser.sign_in(CLAIRE, PASSWORD)
    form = DEVICE | {"csrf": await browser.token("/account/app-passwords")}
    answers = [await browser.send("/account/app-passwords", form) for _ in range(2)]
    assert shown_password(answers[0].text) == shown_password(answers[1].text)
    assert len(await app_passwords(platform, await actor_of(platform, CLAIRE))) == 1


@pytest.mark.parametrize("changed", [{"password_current": "wrong"}, {"name": "  "}, {"name": "x" * 61}])
async def test_an_app_password_that_cannot_be_made_says_why_and_keeps_the_name(
    browser: Browser, changed: dict[str, str]
) -> None:
    await browser.sign_in(CLAIRE, PASSWORD)
    answer = await browser.fill("/account/app-passwords", DEVICE | changed)
    assert answer.status == 400
    assert 'role="alert"' in answer.text
    assert f'value="{changed.get("name", "Mon téléphone")}"' in answer.text


async def test_app_passwords_are_for_who_is_signed_in(browser: Browser) -> None:
    answer = await browser.get("/account/app-passwords")
    assert answer.location == "/sign-in?next=/account/app-passwords"


async def test_a_new_password_of_ones_own_says_what_still_works(browser: Browser) -> None:
    await browser.sign_in(CLAIRE, PASSWORD)
    await browser.fill("/account/app-passwords", DEVICE)
    new = {"password_current": PASSWORD, "password": "cinq ânes gris", "password_again": "cinq ânes gris"}
    await browser.fill("/account", new, to="/account/password")
    assert "vos mots de passe d’application restent valables" in (await browser.get("/account")).text


async def test_one_ends_a_session_of_ones_own_and_of_nobody_else(
    browser: Browser, platform: Platform, open_browser: Any
) -> None:
    await add_person(platform, CONSOLE, "jean@sante.gov.test", "Jean", password=PASSWORD)
    jean = await open_browser(platform)
    await jean.sign_in("jean@sante.gov.test", PASSWORD)
    await browser.sign_in(CLAIRE, PASSWORD)

    (mine,) = await sessions(platform, await actor_of(platform, CLAIRE))
    assert (await jean.fill("/account", to=f"/account/sessions/{mine.id}/end")).status == 404
    assert (await browser.get("/account")).status == 200
    assert (await browser.fill("/account", to=f"/account/sessions/{mine.id}/end")).status == 303
    assert (await browser.get("/account")).status == 303


async def tell_who(request: http.Request) -> http.StreamResponse:
    return http.Response(text=(await actor(request)).address)


@pytest.mark.parametrize(
    ("credentials", "status"),
    [(f"{CLAIRE}:{PASSWORD}", 200), (f"{CLAIRE}:no", 401), (CLAIRE, 401), ("\0:\0", 401), (":", 401)],
)
async def test_programs_sign_in_with_basic(
    browser: Browser, platform: Platform, open_browser: Any, credentials: str, status: int
) -> None:
    probe = Feature(name="probe", folder=Path(__file__).parent, routes=[http.post("/api/probe", tell_who)])
    program = await open_browser(platform, [people.feature, probe])
    encoded = base64.b64encode(credentials.encode()).decode()
    answer = await program.send("/api/probe", b"", Authorization=f"Basic {encoded}")
    assert answer.status == status
    assert (answer.text == CLAIRE) == (status == 200)
    assert program.cookie("session") is None
