"""A small application with a feature of its own and a visitor who needs no password."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from aiohttp import web as http
from aiohttp.test_utils import TestClient, TestServer

from comgov import web
from comgov.actor import Actor, Role
from comgov.errors import Full, Unauthenticated, Unavailable
from comgov.feature import Feature, Gesture, Place, Platform, Waiting

if TYPE_CHECKING:
    from comgov.db import Database

Client = TestClient[http.Request, http.Application]
NOW = datetime(2026, 3, 4, 15, 0, tzinfo=UTC)

CLAIRE = web.Visitor(
    actor=Actor(person_id=1, institution_id=1, name="Claire", address="claire@sante.gov.test", roles=frozenset()),
    name="Claire",
    address="claire@sante.gov.test",
    institution="Ministère de la Santé",
    capacities=[web.Capacity(post_id=7, title="Secrétariat")],
)


async def visitors(_request: http.Request, token: str) -> web.Visitor | None:
    """Knows one session; one other token finds the directory down."""
    if token == "directory is down":
        raise Unavailable("The database does not answer. Nothing was lost; try again in a minute.")
    return CLAIRE if token == "session of claire" else None


async def show(request: http.Request) -> http.StreamResponse:
    return web.render(request, "shelf/show.html", text=request.query.get("text", ""), items=request.app[SHELF])


async def put(request: http.Request) -> http.StreamResponse:
    form = await web.form(request, files_limit_bytes=2_000_000)
    if form.get("text") == "too much":
        raise Full("No room for {what}. Nothing was lost.", what="this")
    if form.get("text") == "outage":
        raise Unavailable("The database does not answer. Nothing was lost; try again in a minute.")
    request.app[SHELF].append(form.get("text"))
    for upload in form.files("file"):
        request.app[SHELF].append(f"{upload.filename} {upload.size_bytes} {upload.content_type}")
    web.flash(request, "Put: {text}", text=form.get("text"))
    return web.redirect("/shelf")


async def break_down(_request: http.Request) -> http.StreamResponse:
    raise RuntimeError("the secret is 12345")


async def break_the_template(request: http.Request) -> http.StreamResponse:
    return web.render(request, "shelf/broken.html")


async def stream(request: http.Request) -> http.StreamResponse:
    response = http.StreamResponse()
    await response.prepare(request)
    await response.write(b"x")
    raise RuntimeError("in the middle")


async def for_people_only(request: http.Request) -> http.StreamResponse:
    if web.visitor(request) is None:
        raise Unauthenticated("Please sign in.")
    return web.render(request, "shelf/show.html", text="members", items=[])


async def count_waiting(_platform: Platform, actor: Actor) -> Sequence[Waiting]:
    return [Waiting(title="Unread on {shelf}", count=3, path="/shelf", values={"shelf": f"the shelf of {actor.name}"})]


SHELF: http.AppKey[list[str]] = http.AppKey("shelf", list)

shelf = Feature(
    name="shelf",
    folder=Path(__file__).parent / "shelf",
    place=Place(
        title="Shelf",
        path="/shelf",
        icon="files",
        order=10,
        gesture=Gesture(title="Put something", path="/shelf?new=1", icon="plus"),
    ),
    waiting=count_waiting,
    routes=[
        http.get("/shelf", show),
        http.post("/shelf", put),
        http.get("/broken", break_down),
        http.get("/broken-template", break_the_template),
        http.get("/broken-stream", stream),
        http.get("/private", for_people_only),
        http.get("/api/private", for_people_only),
        http.get("/secrets/{token}", show),
    ],
)
vault = Feature(
    name="vault",
    folder=Path(__file__).parent,
    roles=frozenset({Role.AUDITOR}),
    place=Place(title="Vault", path="/vault", icon="lock", order=20),
)


@pytest.fixture(scope="session")
def site() -> web.Site:
    """Templates and static files, made once as a node does."""
    return web.prepare([shelf, vault])


Start = Callable[..., Awaitable[Client]]


@pytest.fixture
async def start(db: Database, site: web.Site) -> AsyncIterator[Start]:
    """Starts an application; arguments go to `web.Config`."""
    clients: list[Client] = []

    async def start(**config: Any) -> Client:
        platform = Platform(
            db=db,
            blobs=cast("Any", None),
            relay=cast("Any", None),
            mailboxes=cast("Any", None),
            clock=lambda: NOW,
            configs={web.Config: web.Config(**config)},
        )
        app = web.application(platform, [shelf, vault], site=site, visitors=visitors)
        app[SHELF] = []
        client = TestClient(TestServer(app))
        await client.start_server()
        clients.append(client)
        return client

    yield start
    for client in clients:
        await client.close()


@pytest.fixture
async def client(start: Start) -> Client:
    """Somebody who has not signed in."""
    return await start()


@pytest.fixture
async def claire(start: Start) -> Client:
    """Claire, signed in."""
    client = await start()
    client.session.cookie_jar.update_cookies({"session": "session of claire"}, client.make_url("/"))
    return client
