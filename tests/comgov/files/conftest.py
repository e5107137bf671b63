"""People of two ministries, their spaces, and how to put a file there."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import pytest
from aiohttp import web as http
from aiohttp.test_utils import TestClient, TestServer

from comgov import files, institutions, people, web
from comgov.actor import Role, console
from comgov.files.actions.spaces import doors
from comgov.files.actions.upload import upload
from comgov.institutions.actions import add
from comgov.people.actions import actor_of, add_person
from comgov.people.web import visitors
from storage import open_disk_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from comgov.actor import Actor
    from comgov.feature import Platform
    from comgov.files.model import Node, Space

CONSOLE = console("root")
PASSWORD = "quatre chevaux blancs"


@pytest.fixture
async def ministries(platform: Platform) -> None:
    await add(platform, CONSOLE, code="sante", name_fr="Ministère de la Santé")
    await add(platform, CONSOLE, code="finances", name_fr="Ministère des Finances")


async def _person(platform: Platform, address: str, name: str, *roles: Role) -> Actor:
    await add_person(platform, CONSOLE, address, name, password=PASSWORD, roles=frozenset(roles))
    return await actor_of(platform, address)


@pytest.fixture
async def claire(platform: Platform, ministries: None) -> Actor:
    """A civil servant of the ministry of health."""
    return await _person(platform, "claire@sante.gov.test", "Claire Niyonzima")


@pytest.fixture
async def aline(platform: Platform, ministries: None) -> Actor:
    """Another one."""
    return await _person(platform, "aline@sante.gov.test", "Aline Irakoze")


@pytest.fixture
async def jean(platform: Platform, ministries: None) -> Actor:
    """Their ICT focal point."""
    return await _person(platform, "jean@sante.gov.test", "Jean Bizimana", Role.INSTITUTION_ADMINISTRATOR)


@pytest.fixture
async def eric(platform: Platform, ministries: None) -> Actor:
    """A civil servant of the ministry of finances."""
    return await _person(platform, "eric@finances.gov.test", "Eric Hakizimana")


@pytest.fixture
async def own(platform: Platform, claire: Actor) -> Space:
    """Claire's own space."""
    return (await doors(platform, claire))[0].space


@pytest.fixture
async def shared(platform: Platform, claire: Actor) -> Space:
    """The space of the ministry of health."""
    return (await doors(platform, claire))[1].space


async def chunks(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


class Put(Protocol):
    """Uploads bytes into a folder and gives the file."""

    async def __call__(self, actor: Actor, folder_id: int, name: str, content: bytes = ...) -> Node: ...


@pytest.fixture
def put(platform: Platform) -> Put:
    async def put(actor: Actor, folder_id: int, name: str, content: bytes = b"content") -> Node:
        return (await upload(platform, actor, folder_id, name, chunks(content))).node

    return put


Client = TestClient[http.Request, http.Application]
FEATURES = (institutions.feature, people.feature, files.feature)


@pytest.fixture(scope="session")
def site() -> web.Site:
    """Templates and static files, made once as a node does."""
    return web.prepare(FEATURES)


@pytest.fixture
async def disk_platform(platform: Platform, tmp_path: Path) -> AsyncIterator[Platform]:
    """The same platform, its blobs on disk."""
    async with open_disk_store(tmp_path / "blobs") as store:
        yield replace(platform, blobs=store)


@pytest.fixture
async def client(disk_platform: Platform, site: web.Site) -> AsyncIterator[Client]:
    """Somebody from outside, before a real server with blobs on disk."""
    app = web.application(disk_platform, FEATURES, site=site, visitors=visitors)
    async with TestClient(TestServer(app), headers={"Accept-Language": "en"}) as client:
        yield client


def basic(actor: Actor) -> dict[str, str]:
    """The header by which a program signs in."""
    credentials = base64.b64encode(f"{actor.address}:{PASSWORD}".encode()).decode()
    return {"Authorization": f"Basic {credentials}"}
