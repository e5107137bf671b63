"""The administrators' pages, as they use them."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import re
from dataclasses import replace
from ipaddress import ip_network
from typing import TYPE_CHECKING

import pytest
from aiohttp import encode_basic_auth

from comgov import web
from comgov.administration.config import Config
from comgov.errors import NotFound
from comgov.institutions.actions import get
from comgov.institutions.model import State
from comgov.people.actions import authenticate, get_person

from .conftest import PASSWORD

if TYPE_CHECKING:
    from pathlib import Path

    from comgov.feature import Platform

    from .conftest import Government

ADMIN, JEAN, CLAIRE = "admin@setic.gov.test", "jean@sante.gov.test", "claire@sante.gov.test"


@pytest.fixture
def open_as(open_browser, government: Government):
    async def open_as(address: str):
        browser = await open_browser(government.platform)
        assert (await browser.sign_in(address, PASSWORD)).status == 303
        return browser

    return open_as


async def test_the_usage_page_speaks_in_sentences_before_figures(government: Government, open_as) -> None:
    await government.receive(CLAIRE, size_bytes=9_000)
    page = (await (await open_as(ADMIN)).get("/administration/")).text
    assert page.index('class="lead"') < page.index("<table>")
    assert "novembre 2026" in page
    assert "Ministère de la Santé" in page and "SETIC" in page
    assert "9" in re.search(r"notice warning.*?(\d+)\s%", page, re.DOTALL)[1]
    assert "/administration" in (await (await open_as(ADMIN)).get("/")).text


async def test_mail_that_waits_for_other_servers_is_told_to_who_runs_the_platform(
    government: Government, open_as
) -> None:
    await government.send(government.jean, "someone@example.org", "other@example.org")
    assert "2 courriers attendent d’autres serveurs" in (await (await open_as(ADMIN)).get("/administration")).text
    assert "attendent" not in (await (await open_as(JEAN)).get("/administration")).text


async def test_a_focal_point_sees_their_own_institution_only(open_as) -> None:
    browser = await open_as(JEAN)
    page = (await browser.get("/administration")).text
    assert "SETIC" not in page
    assert (await browser.get("/administration?institution=setic")).status == 403
    assert (await browser.get("/administration/people?institution=setic")).status == 403
    assert (await browser.get("/administration/institutions")).status == 403


@pytest.mark.parametrize(
    "path",
    [
        "/administration",
        "/administration/usage.csv",
        "/administration/people",
        "/administration/institutions",
        "/api/usage",
    ],
)
async def test_others_see_nothing(open_as, open_browser, government: Government, path: str) -> None:
    assert (await (await open_as(CLAIRE)).get(path)).status == 403
    assert (await (await open_browser(government.platform)).get(path)).status in (303, 401)


async def test_exports_hold_the_exact_figures(government: Government, open_as) -> None:
    await government.receive(CLAIRE)
    browser = await open_as(ADMIN)
    answer = await browser.get("/administration/usage.csv?month=2026-11")
    assert "usage-2026-11.csv" in answer.headers["Content-Disposition"]
    rows = {row["institution"]: row for row in csv.DictReader(io.StringIO(answer.text), strict=True)}
    assert (rows["sante"]["mail_in"], rows["setic"]["mail_in"]) == ("1", "0")
    found = json.loads((await browser.get("/administration/usage.json?month=2026-10")).text)
    assert [row["mail_in"] for row in found] == [0, 0]
    assert (await browser.get("/administration?month=nonsense")).status == 400


async def test_programs_ask_the_api(government: Government, open_browser) -> None:
    browser = await open_browser(government.platform)
    header = encode_basic_auth(ADMIN, PASSWORD)
    answer = await browser.get("/api/usage?institution=sante", Authorization=header)
    found = json.loads(answer.text)
    assert found["since"] == "2026-11-01T00:00:00Z"
    assert [(row["institution"], row["people"]) for row in found["institutions"]] == [("sante", 2)]


async def test_an_institution_is_added_and_suspended(government: Government, open_as) -> None:
    browser = await open_as(ADMIN)
    page = "/administration/institutions"
    added = await browser.fill(page, {"name_fr": "Finances", "code": "Finances", "kind": "ministry", "quota": "2"})
    assert (added.status, added.location) == (303, page)
    assert (await get(government.platform, "finances")).quota_bytes == 2 << 30
    assert "Finances" in (await browser.get(page)).text
    await browser.fill(page, to=f"{page}/finances/suspend")
    assert (await get(government.platform, "finances")).state is State.SUSPENDED
    await browser.fill(page, to=f"{page}/finances/resume")
    assert (await get(government.platform, "finances")).state is State.ACTIVE


@pytest.mark.parametrize(
    "fields",
    [
        {"name_fr": "Santé bis", "code": "sante"},
        {"name_fr": "Sant\u202eé", "code": "x"},
        {"name_fr": "X", "code": "x y"},
        {"name_fr": "X", "code": "x", "kind": "kingdom"},
        {"name_fr": "X", "code": "x", "quota": "-1"},
        {"name_fr": "X", "code": "x", "quota": "١"},
        {"name_fr": "X", "code": "x", "parent": "nowhere"},
    ],
)
async def test_what_was_typed_is_kept_when_it_is_refused(open_as, fields: dict[str, str]) -> None:
    browser = await open_as(ADMIN)
    answer = await browser.fill("/administration/institutions", {"kind": "ministry", "province": "Gitega", **fields})
    assert 400 <= answer.status < 500
    assert 'role="alert"' in answer.text and 'value="Gitega"' in answer.text


async def test_a_person_is_added_with_a_password_that_is_shown_once_and_works(government: Government, open_as) -> None:
    browser = await open_as(JEAN)
    fields = [("institution", "sante"), ("name", "Aline"), ("local_part", "Aline"), ("role", "signatory")]
    answer = await browser.fill("/administration/people", fields)
    password = re.search(r"<dd><code>([a-z]{10}-[a-z]{10})</code></dd>", answer.text)
    assert password is not None
    assert answer.headers["Cache-Control"] == "no-store"
    assert await authenticate(government.platform, "aline@sante.gov.test", password[1], ip="192.0.2.1")
    page = await browser.get("/administration/people?q=aline")
    assert "aline@sante.gov.test" in page.text and password[1] not in page.text


async def test_a_focal_point_is_not_offered_what_they_may_not_give(open_as) -> None:
    browser = await open_as(JEAN)
    assert "platform-administrator" not in (await browser.get("/administration/people")).text
    fields = {"institution": "sante", "name": "Boss", "local_part": "boss", "role": "platform-administrator"}
    assert (await browser.fill("/administration/people", fields)).status == 403
    fields = {"institution": "setic", "name": "Spy", "local_part": "spy"}
    assert (await browser.fill("/administration/people", fields)).status == 403
    for deed in ("disable", "password"):
        refused = await browser.fill("/administration/people", {"address": ADMIN}, to=f"/administration/people/{deed}")
        assert refused.status == 403


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "Claire bis", "local_part": "claire"},
        {"name": "X", "local_part": "élodie"},
        {"name": "X", "local_part": "x@finances.gov.test"},
        {"name": "", "local_part": "x"},
        {"name": "X", "local_part": "x", "role": "king"},
    ],
)
async def test_a_person_who_cannot_be_added_is_not_and_the_form_stays(
    government: Government, open_as, fields: dict[str, str]
) -> None:
    browser = await open_as(JEAN)
    answer = await browser.fill("/administration/people", {"institution": "sante", **fields})
    assert answer.status in (400, 409)
    assert 'role="alert"' in answer.text
    with pytest.raises(NotFound):
        await get_person(government.platform, "x@sante.gov.test")


async def test_an_account_is_closed_opened_and_given_a_new_password(government: Government, open_as) -> None:
    browser = await open_as(JEAN)
    page = "/administration/people"
    closed = await browser.fill(page, {"address": CLAIRE, "q": "claire"}, to=f"{page}/disable")
    assert closed.location == f"{page}?institution=sante&q=claire"
    assert (await get_person(government.platform, CLAIRE)).disabled
    await browser.fill(page, {"address": CLAIRE}, to=f"{page}/enable")
    assert not (await get_person(government.platform, CLAIRE)).disabled
    answer = await browser.fill(page, {"address": CLAIRE}, to=f"{page}/password")
    password = re.search(r"<dd><code>([a-z]{10}-[a-z]{10})</code></dd>", answer.text)
    assert password is not None
    assert await authenticate(government.platform, CLAIRE, password[1], ip="192.0.2.1")


async def test_people_are_filtered_in_the_address_and_paged(government: Government, open_as) -> None:
    from comgov.actor import console
    from comgov.people.actions import import_people
    from comgov.people.roster import read

    text = "address,name\n" + "".join(f"p{number:03}@sante.gov.test,Personne {number}\n" for number in range(120))
    await import_people(government.platform, console("root"), read(text.encode()).rows)
    browser = await open_as(JEAN)
    seen: list[str] = []
    path: str | None = "/administration/people?q=personne"
    while path:
        page = (await browser.get(path)).text
        assert re.search(r"120\D{1,20}trouv|120\D{1,20}found", page)
        seen += re.findall(r'class="mono">(p\d{3})@', page)
        following = re.search(r'rel="next" href="([^"]+)"', page)
        path = following[1].replace("&amp;", "&") if following else None
    assert seen == [f"p{number:03}" for number in range(120)]
    empty = (await browser.get("/administration/people?q=<script>")).text
    assert "<script>“" not in empty and "&lt;script&gt;" in empty


_SHOWN = re.compile(r"<dd><code>([a-z]{10}-[a-z]{10})</code></dd>")


@pytest.mark.parametrize("to", ["/administration/people", "/administration/people/password"])
async def test_a_double_click_shows_the_one_password_that_works(government: Government, open_as, to: str) -> None:
    browser = await open_as(JEAN)
    page = "/administration/people"
    fields = {"csrf": await browser.token(page), "name": "Aline", "local_part": "aline", "address": CLAIRE}
    answers = await asyncio.gather(*(browser.send(to, fields) for _ in range(3)))
    shown = {_SHOWN.search(answer.text)[1] for answer in answers}
    assert len(shown) == 1
    address = CLAIRE if to.endswith("password") else "aline@sante.gov.test"
    assert await authenticate(government.platform, address, shown.pop(), ip="192.0.2.1")


async def test_another_form_for_the_same_address_is_refused_and_shows_no_password(
    government: Government, open_as
) -> None:
    browser = await open_as(JEAN)
    page, fields = "/administration/people", {"name": "Aline", "local_part": "aline"}
    first = await browser.fill(page, fields)
    for local_part in ("aline", "secretariat"):
        again = await browser.fill(page, fields | {"local_part": local_part})
        assert again.status == 409
        assert _SHOWN.search(again.text) is None
    password = _SHOWN.search(first.text)[1]
    assert await authenticate(government.platform, "aline@sante.gov.test", password, ip="192.0.2.1")


async def test_metrics_are_for_the_networks_configured_and_platform_administrators(
    government: Government, open_browser
) -> None:
    browser = await open_browser(government.platform)
    answer = await browser.get("/metrics")
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    assert 'comgov_people{institution="sante"} 2.0' in answer.text
    elsewhere = Config(metrics_from=[ip_network("198.51.100.0/24")])
    browser = await open_browser(configured(government.platform, elsewhere))
    assert (await browser.get("/metrics")).status in (303, 401)
    for address, status in ((CLAIRE, 403), (JEAN, 403), (ADMIN, 200)):
        header = encode_basic_auth(address, PASSWORD)
        assert (await browser.get("/metrics", Authorization=header)).status == status


@pytest.mark.parametrize("mark", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"])
async def test_metrics_are_not_for_whoever_a_proxy_on_this_machine_lets_in(
    government: Government, open_browser, mark: str
) -> None:
    browser = await open_browser(government.platform)
    assert (await browser.get("/metrics", **{mark: "127.0.0.1"})).status in (303, 401)


async def test_metrics_are_not_for_whoever_a_trusted_proxy_speaks_for(government: Government, open_browser) -> None:
    behind = web.Config(trusted_proxies=[ip_network("127.0.0.0/8")])
    browser = await open_browser(configured(government.platform, behind))
    assert (await browser.get("/metrics")).status in (303, 401)
    assert (await browser.get("/metrics", **{"X-Forwarded-For": "127.0.0.1"})).status in (303, 401)


async def test_a_token_opens_the_metrics_wherever_one_comes_from(
    government: Government, open_browser, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    config = Config(metrics_from=[], metrics_token_file=file)
    browser = await open_browser(configured(government.platform, config))

    async def ask(token: str) -> int:
        return (await browser.get("/metrics", Authorization=f"Bearer {token}")).status

    assert await ask("0123456789abcdef") == 503
    file.write_text("0123456789abcdef\n")
    assert await ask("0123456789abcdef") == 200
    assert await ask("0123456789abcdeF") in (303, 401)
    file.write_text("")
    assert await ask("") in (303, 401)
    assert await ask("0123456789abcdef") in (303, 401)


def configured(platform: Platform, config: object) -> Platform:
    """The same platform with another table of its configuration."""
    return replace(platform, configs={**platform.configs, type(config): config})
