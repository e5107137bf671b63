"""Every door of the application, tried by those it must not open to, and with input it must refuse.

A new route is walked as soon as it is there: unless it is named among the public ones, it must turn away whoever is
not signed in, and things of another institution must not be found behind it.
"""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import FormData
from aiohttp import web as http
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from comgov.actor import Actor, Role, console
from comgov.dossiers.actions import reading as dossiers
from comgov.files.actions import links, spaces, trash, upload
from comgov.people import actions as people
from comgov.webmail.actions import reading as mail
from mail.address import Address
from mail.envelope import Client, Envelope, Origin
from mail.mailbox import SpecialUse
from tests.comgov.dossiers.journey import drafted, sent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from comgov.feature import Platform
    from tests.comgov.conftest import Browser
    from tests.comgov.government import Government

PASSWORD = "quatre chevaux blancs"

PUBLIC = {
    "GET /static/{name}": "style and script",
    "GET /healthz": "for load balancers",
    "GET /readyz": "for load balancers",
    "GET /metrics": "by network, see metrics_from",
    "GET /api/openapi.json": "the description of the API",
    "POST /language": "a cookie",
    "POST /capacity": "a cookie, believed only of those who hold the post",
    "GET /sign-in": "the way in",
    "POST /sign-in": "the way in",
    "POST /sign-out": "the way out",
    "GET /pki/root.pem": "for whoever verifies",
    "GET /pki/root+crls.pem": "for whoever verifies",
    "GET /pki/{name}.crl": "for whoever verifies",
    "POST /timestamp": "for whoever verifies",
    "GET /l/{token}": "a link opens to whoever has it",
    "POST /l/{token}": "a link opens to whoever has it",
    "GET /l/{token}/file": "a link opens to whoever has it",
}
"""What needs no sign-in, and why."""

OWN = {
    "/", "/account", "/account/language", "/account/password", "/directory",
    "/dossiers", "/dossiers/departures", "/dossiers/drafts",
    "/dossiers/new", "/files", "/files/links", "/mail", "/mail/drafts", "/mail/write", "/api/dossiers",
    "/api/dossiers/arrivals", "/api/dossiers/departures", "/api/dossiers/drafts", "/api/mail/mailboxes",
}  # fmt: skip
"""What every civil servant may open: their own things, and those of their institution that are for all."""

COMMON = {"GET /directory/{code}": "who works where is for everyone signed in to know"}
"""What everyone signed in may open, whoever's it is, and why."""

FREE_IDS = {"POST /mail/drafts/{draft}": "a draft that is not there yet begins under the id that the page gave it"}
"""Where an id that nobody has is welcome; one that somebody else has must still be refused."""


@dataclass(frozen=True)
class Things:
    """Ids of what belongs to institution sante and its people, by the name they have in addresses."""

    ids: dict[str, str]

    def path(self, route: http.AbstractRoute) -> str:
        """The route's address, filled with them."""
        assert route.resource is not None
        return re.sub(r"\{(\w+)\}", lambda found: self._id(route, found[1]), route.resource.canonical)

    def _id(self, route: http.AbstractRoute, name: str) -> str:
        assert route.resource is not None
        of = next((key for key in self.ids if "/" in key and route.resource.canonical.startswith(key)), "")
        return self.ids[f"{of.rpartition('/')[0]}/{name}" if f"{of.rpartition('/')[0]}/{name}" in self.ids else name]


@pytest.fixture
async def things(government: Government) -> Things:
    """One of everything that has an id, in sante."""
    platform = government.platform
    claire = await _person(platform, "claire@sante.gov.test")
    await people.add_person(platform, console("test"), "jean@finances.gov.test", "Jean", password=PASSWORD)
    door = (await spaces.doors(platform, claire))[1]
    node = (await upload.upload(platform, claire, door.space.root_id, "a.txt", _bytes(b"one"))).node
    thrown = (await upload.upload(platform, claire, door.space.root_id, "b.txt", _bytes(b"two"))).node
    await trash.throw_away(platform, claire, thrown.id)
    link = await links.create(platform, claire, node.id, institution_only=True)
    session = await people.sign_in(platform, "claire@sante.gov.test", PASSWORD, ip="192.0.2.1")
    [kept] = await people.sessions(platform, session.actor)
    device, _ = await people.make_app_password(platform, session.actor, "Poste 3", PASSWORD, seed=b"0123456789abcdef")
    [access] = await mail.accesses(platform, claire)
    inbox = await mail.standard(platform, access, SpecialUse.INBOX)
    dossier = await sent(government, ("ngozi",))
    story = await dossiers.story(platform, government.aline, dossier.message_id)
    draft = await drafted(government)
    return Things(
        {
            "message": str(dossier.message_id),
            "/dossiers/drafts/message": str(draft.message_id),
            "piece": str(draft.pieces[0].id),
            "digest": story.ways[0].evidence[0].digest.hex(),
            "position": "1",
            "report": "1",
            "node": str(node.id),
            "space": str(door.space.id),
            "link": str(link.id),
            "link_id": str(link.id),
            "token": link.token,
            "number": "1",
            "path": "a.txt",
            "session_id": str(kept.id),
            "password_id": str(device.id),
            "mailbox": str(inbox.id),
            "uid": "1",
            "part": "1",
            "draft": "00000000-0000-4000-8000-000000000001",
            "code": "sante",
            "deed": "suspend",
            "style": "csv",
            "name": "a",
        }
    )


async def _person(platform: Platform, address: str, *roles: Role) -> Actor:
    await people.add_person(platform, console("test"), address, "Somebody", password=PASSWORD, roles=roles)
    return await people.actor_of(platform, address)


async def _bytes(content: bytes) -> AsyncIterator[bytes]:
    yield content


def _doors(browser: Browser) -> Iterator[tuple[str, http.AbstractRoute]]:
    """Every route, once, with the name it has in the lists above."""
    app = browser.client.app
    for route in app.router.routes():
        if route.method != "HEAD" and route.resource is not None:
            yield f"{route.method} {route.resource.canonical}", route


async def _try(browser: Browser, route: http.AbstractRoute, path: str, address: str = "") -> int:
    """The status of a request that a program sends."""
    headers = {"Accept": "application/json"}
    if address:
        headers["Authorization"] = "Basic " + b64encode(f"{address}:{PASSWORD}".encode()).decode()
    async with browser.client.request(
        route.method, path, headers=headers, **_body(path), allow_redirects=False
    ) as response:
        await response.read()
        return response.status


def _body(path: str) -> dict[str, Any]:
    """What is right in form wherever it is sent, so that nothing but the right to send it is in question."""
    if path.startswith("/api/dossiers/"):
        return {"json": {} if path.endswith("/seal") else {"designation": "x"}}
    form = FormData()
    for name, value in {"to": "1", "space": "1", "uid": "1", "do": "read", "role": "reader", "name": "x"}.items():
        form.add_field(name, value)
    if path.endswith(("/upload", "/pieces")):
        form.add_field("file", b"x", filename="x.txt")
    return {"data": form}


async def test_nobody_gets_in(
    government: Government, things: Things, open_browser: Callable[..., Awaitable[Browser]]
) -> None:
    browser = await open_browser(government.platform)
    doors = dict(_doors(browser))
    assert PUBLIC.keys() <= doors.keys(), "a public route that is there no more"

    open_doors = {
        name: status
        for name, route in doors.items()
        if name not in PUBLIC and (status := await _try(browser, route, things.path(route))) not in (401, 403)
    }

    assert open_doors == {}


ELSEWHERE = {
    "a civil servant": (),
    "an administrator": (Role.INSTITUTION_ADMINISTRATOR,),
    "a clerk": (Role.REGISTRY_CLERK, Role.SIGNATORY),
    "an auditor": (Role.AUDITOR,),
}


@pytest.mark.parametrize("roles", ELSEWHERE.values(), ids=ELSEWHERE)
async def test_nobody_from_elsewhere_finds_what_is_not_theirs(
    government: Government, things: Things, open_browser: Callable[..., Awaitable[Browser]], roles: tuple[Role, ...]
) -> None:
    browser = await open_browser(government.platform)
    await _person(government.platform, "eric@finances.gov.test", *roles)

    open_doors = {
        name: status
        for name, route in _doors(browser)
        if "{" in name
        and name not in PUBLIC
        and name not in COMMON
        and name not in FREE_IDS
        and "{style}" not in name
        and not name.startswith("POST /administration/people/")  # names whom it changes in its form
        and (status := await _try(browser, route, things.path(route), "eric@finances.gov.test")) not in (403, 404)
    }

    assert open_doors == {}


async def test_a_civil_servant_opens_nothing_but_their_own(
    government: Government, things: Things, open_browser: Callable[..., Awaitable[Browser]]
) -> None:
    browser = await open_browser(government.platform)
    await _person(government.platform, "eric@finances.gov.test")

    open_doors = {
        name: status
        for name, route in _doors(browser)
        if "{" not in name
        and name not in PUBLIC
        and name.partition(" ")[2] not in OWN
        and (status := await _try(browser, route, things.path(route), "eric@finances.gov.test")) < 400
    }

    assert open_doors == {}


async def _everything(platform: Platform) -> dict[str, str]:
    """A digest of each table's rows."""
    async with platform.db.connection() as connection:
        tables = await connection.fetch(
            "SELECT schemaname || '.' || tablename AS name FROM pg_tables WHERE schemaname IN ('comgov', 'mail')"
        )
        return {
            row["name"]: await connection.fetchval(
                f"SELECT md5(coalesce(string_agg(t::text, ' ' ORDER BY t::text), '')) FROM {row['name']} t"
            )
            for row in tables
        }


async def test_asking_about_a_thing_is_not_looking_at_it(
    government: Government, things: Things, open_browser: Callable[..., Awaitable[Browser]]
) -> None:
    """HEAD leaves no receipt, no count, no mark, nothing at all, where GET does (RFC 9110 §9.2.1)."""
    platform, browser = government.platform, await open_browser(government.platform)
    claire, paul = "claire@sante.gov.test", "paul@ngozi.gov.test"
    everything = set(Role) - {Role.PLATFORM_ADMINISTRATOR}
    await people.change_person(platform, console("test"), claire, roles=everything)
    actors = [await people.actor_of(platform, claire), await _person(platform, paul, *everything)]
    for actor in actors:  # what is made on a first visit, whatever its kind
        await spaces.doors(platform, actor)
        await platform.mailboxes.mailboxes(actor.person_id)
    open_link = await links.create(platform, actors[0], int(things.ids["node"]))
    envelope = Envelope(sender=Address.parse("a@example.org"), recipients=(Address.parse(claire),))
    content = b"From: <a@example.org>\r\n\r\nBonjour\r\n"
    await platform.relay.accept(envelope, content, Client(origin=Origin.OUTSIDE, ip="192.0.2.7", helo="mx"))
    paths = [things.path(route) for name, route in _doors(browser) if name.startswith("GET ")]
    paths.append(f"/l/{open_link.token}/file")

    async def ask(method: str) -> set[int]:
        found = set()
        for address in (claire, paul):
            headers = {"Authorization": "Basic " + b64encode(f"{address}:{PASSWORD}".encode()).decode()}
            for path in paths:
                async with browser.client.request(method, path, headers=headers, allow_redirects=False) as response:
                    await response.read()
                    found.add(response.status)
        return found

    before = await _everything(platform)
    assert 200 in await ask("HEAD")
    after_head = await _everything(platform)
    assert after_head == before

    await ask("GET")
    after_get = await _everything(platform)
    touched = {name for name in before if after_get[name] != before[name]}
    assert {"comgov.evidence", "comgov.journal", "comgov.link", "mail.message"} <= touched


HOSTILE = ("%00", "%ED%A0%80", "%FF", "9" * 15, "9" * 18, "-1", "0001-01-01T00:00%2B14:00", "%F0%9F%92%A9" * 300)
_NAMES = (
    "after",
    "before",
    "q",
    "institution",
    "month",
    "state",
    "to",
    "reply",
    "version",
    "year",
    "direction",
    "next",
)


async def test_no_address_makes_it_stumble(
    government: Government, things: Things, open_browser: Callable[..., Awaitable[Browser]]
) -> None:
    platform = government.platform
    browser = await open_browser(platform)
    everything = set(Role) - {Role.PLATFORM_ADMINISTRATOR}
    await people.change_person(platform, console("test"), "claire@sante.gov.test", roles=everything)

    stumbled = {}
    for name, route in _doors(browser):
        if route.method == "GET":
            for value in HOSTILE:
                query = "&".join(f"{key}={value}" for key in _NAMES)
                status = await _try(browser, route, f"{things.path(route)}?{query}", "claire@sante.gov.test")
                if status >= 500:
                    stumbled[name, value] = status

    assert stumbled == {}


_WILD = re.compile(
    r"\{(space|path|name|uid|mailbox|node|number|version|position|session_id|password_id|report|link|piece)\}"
)


async def test_no_path_makes_it_stumble(
    government: Government, things: Things, open_browser: Callable[..., Awaitable[Browser]]
) -> None:
    browser = await open_browser(government.platform)

    stumbled = {}
    for name, route in _doors(browser):
        for wild in _WILD.findall(name):
            for value in HOSTILE:
                path = replace(things, ids=things.ids | {wild: value}).path(route)
                status = await _try(browser, route, path, "claire@sante.gov.test")
                if status >= 500:
                    stumbled[name, wild, value] = status

    assert stumbled == {}


def _described(browser: Browser) -> Iterator[tuple[str, http.AbstractRoute]]:
    """The routes of the API: method and path."""
    return ((name, route) for name, route in _doors(browser) if " /api/" in name)


async def _openapi(browser: Browser) -> dict[str, Any]:
    """The description of the API, as anyone gets it."""
    async with browser.client.get("/api/openapi.json") as response:
        assert response.status == 200
        found: dict[str, Any] = await response.json()
        return found


async def test_every_route_of_the_api_is_described_in_valid_openapi(
    government: Government, open_browser: Callable[..., Awaitable[Browser]]
) -> None:
    browser = await open_browser(government.platform)
    described = await _openapi(browser)
    OpenAPIV31SpecValidator(described).validate()

    operations = {
        f"{method.upper()} {path}": operation
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    }
    assert operations.keys() == {name for name, _ in _described(browser)}
    shapes = [re.sub(r"\{\w+\}", "{}", path) for path in described["paths"]]
    assert len(set(shapes)) == len(shapes), "two paths that differ in the names of their parameters alone"
    for name, operation in operations.items():
        in_path = [one["name"] for one in operation["parameters"] if one["in"] == "path"]
        assert in_path == re.findall(r"\{(\w+)\}", name)
        assert operation["summary"], name
        assert any(status.startswith("2") for status in operation["responses"]), name
        assert ("requestBody" in operation) == (name.split()[0] in ("PUT", "POST") and name not in _WITHOUT_BODY), name
        assert operation.get("security", [{}]) == ([] if name in PUBLIC else [{}]), name


_WITHOUT_BODY = {
    "POST /api/dossiers/{message}/register",
    "POST /api/dossiers/{message}/acknowledge",
    "POST /api/files/links/{link_id}/revoke",
}


async def test_the_api_answers_as_it_says(
    government: Government, things: Things, open_browser: Callable[..., Awaitable[Browser]]
) -> None:
    browser = await open_browser(government.platform)
    described = await _openapi(browser)
    claire = "claire@sante.gov.test"
    await people.change_person(government.platform, console("test"), claire, roles=set(Role))
    headers = {"Authorization": "Basic " + b64encode(f"{claire}:{PASSWORD}".encode()).decode()}
    statuses = set()

    for name, route in _described(browser):
        if route.method != "GET":
            continue
        for suffix in ("", "?list"):
            async with browser.client.get(things.path(route) + suffix, headers=headers) as response:
                responses = described["paths"][name.partition(" ")[2]]["get"]["responses"]
                said = responses.get(str(response.status), responses["default"])
                content = said["content"].get(response.content_type) or said["content"].get("*/*")
                assert content is not None or response.content_type in said["content"], name
                statuses.add(response.status)
                if content and "schema" in content:
                    schema = {**content["schema"], "components": described["components"]}
                    OAS31Validator(schema).validate(await response.json())

    assert statuses == {200, 404}  # there is no message in the mailbox
