"""Bodies and downloads on every route that has them, over real connections: silence, missing bytes, HEAD."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from comgov import web
from comgov.actor import Role, console
from comgov.files.actions import spaces
from comgov.people import actions as people
from tests.comgov.dossiers.journey import chain, delivery, drafted, sent

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from uuid import UUID

    from tests.comgov.conftest import Browser
    from tests.comgov.government import Government

PASSWORD = "quatre chevaux blancs"
ALINE, GRACE = "aline@sante.gov.test", "grace@finances.gov.test"

BODIES = {
    "PUT /api/dossiers/{draft}/pieces/a.bin": "application/octet-stream",
    "POST /api/containers": "application/octet-stream",
    "POST /api/dossiers": "application/json",
    "PUT /api/dossiers/{draft}": "application/json",
    "POST /api/dossiers/{draft}/seal": "application/json",
    "PUT /api/files/me/a.bin": "application/octet-stream",
    "POST /api/files/links": "application/json",
    "POST /timestamp": "application/timestamp-query",
    "POST /sign-in": "application/x-www-form-urlencoded",
    "POST /dossiers/drafts/{draft}/pieces": "multipart/form-data; boundary=b",
    "POST /dossiers/present": "multipart/form-data; boundary=b",
    "POST /files/{folder}/upload": "multipart/form-data; boundary=b",
    "POST /mail/mailboxes": "multipart/form-data; boundary=b",
}
"""Every way of reading a body, by a route that does so, and the type of what it reads."""

_FIRST_HALF = {
    "multipart/form-data; boundary=b": b'--b\r\nContent-Disposition: form-data; name="f"; filename="x"\r\n\r\nx'
}


@dataclass(frozen=True)
class Server:
    """A server on loopback, and a draft and a folder of Aline's in it."""

    port: int
    draft: UUID
    folder: int

    async def half(self, route: str, content_type: str, pauses: tuple[float, ...] = ()) -> bytes:
        """The head of the answer to a body of which only the first half comes, byte by byte after those pauses."""
        method, _, path = route.partition(" ")
        credentials = b64encode(f"{ALINE}:{PASSWORD}".encode()).decode()
        head = f"{method} {path.format(draft=self.draft, folder=self.folder)} HTTP/1.1\r\nHost: x\r\n"
        head += f"Authorization: Basic {credentials}\r\nContent-Type: {content_type}\r\nContent-Length: 1000\r\n\r\n"
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(head.encode() + _FIRST_HALF.get(content_type, b"x"))
        for pause in pauses:
            await asyncio.sleep(pause)
            writer.write(b"x")
        try:
            async with asyncio.timeout(5):
                return await reader.readuntil(b"\r\n\r\n")
        finally:
            writer.close()


@pytest.fixture
async def server(government: Government, open_browser: Callable[..., Awaitable[Browser]]) -> Server:
    roles = {Role.SIGNATORY, Role.REGISTRY_CLERK}
    await people.add_person(government.platform, console("test"), ALINE, "Aline", password=PASSWORD, roles=roles)
    impatient = web.Config(body_timeout=timedelta(seconds=0.3))
    platform = replace(government.platform, configs={**government.platform.configs, web.Config: impatient})
    browser = await open_browser(platform)
    assert browser.client.port is not None
    own, *_ = await spaces.doors(platform, await people.actor_of(platform, ALINE))
    return Server(browser.client.port, (await drafted(government)).message_id, own.space.root_id)


@pytest.mark.parametrize("route", BODIES)
async def test_whoever_falls_silent_in_the_middle_of_a_body_is_let_go(server: Server, route: str) -> None:
    assert (await server.half(route, BODIES[route])).startswith(b"HTTP/1.1 400")


async def test_whoever_is_only_slow_is_heard_out(server: Server) -> None:
    loop = asyncio.get_running_loop()
    started = loop.time()
    answer = await server.half("POST /api/containers", "application/octet-stream", pauses=(0.2,) * 5)
    assert answer.startswith(b"HTTP/1.1 400")
    assert loop.time() - started > 1.2


@dataclass(frozen=True)
class Program:
    """Asks with name and password."""

    browser: Browser
    address: str

    async def ask(self, method: str, path: str, **headers: str) -> tuple[int, str]:
        """Status and text of the answer."""
        headers["Authorization"] = "Basic " + b64encode(f"{self.address}:{PASSWORD}".encode()).decode()
        headers["Accept"] = "application/json"
        async with self.browser.client.request(method, path, headers=headers) as response:
            return response.status, (await response.read()).decode(errors="replace")


@pytest.fixture
async def grace(government: Government, open_browser: Callable[..., Awaitable[Browser]]) -> Program:
    """The registry clerk of finances."""
    await people.add_person(
        government.platform, console("test"), GRACE, "Grace", password=PASSWORD, roles={Role.REGISTRY_CLERK}
    )
    return Program(await open_browser(government.platform), GRACE)


async def _lose_blobs(government: Government) -> None:
    """What a store that lost its disk looks like."""
    store = await government.platform.blobs.drawer("dossiers")
    for blob in [blob async for blob in store.list()]:
        await store.delete(blob.sha256)


@pytest.mark.parametrize("path", ["/api/dossiers/{}/container", "/dossiers/{}/container", "/dossiers/{}/pieces/1"])
async def test_content_out_of_reach_is_503_and_not_handed_over(
    government: Government, grace: Program, path: str
) -> None:
    dossier = await sent(government)
    before = await chain(government, dossier.message_id)
    await _lose_blobs(government)
    for headers in ({}, {"Range": "bytes=0-9"}):
        status, text = await grace.ask("GET", path.format(dossier.message_id), **headers)
        assert status == 503
        assert "error" in text
    assert await chain(government, dossier.message_id) == before
    assert (await delivery(government, dossier.message_id)).state == "received"


async def test_a_piece_of_a_draft_out_of_reach_is_503(
    government: Government, open_browser: Callable[..., Awaitable[Browser]]
) -> None:
    await people.add_person(
        government.platform, console("test"), ALINE, "Aline", password=PASSWORD, roles={Role.SIGNATORY}
    )
    aline = Program(await open_browser(government.platform), ALINE)
    draft = await drafted(government)
    path = f"/dossiers/drafts/{draft.message_id}/pieces/{draft.pieces[0].id}"
    assert (await aline.ask("GET", path))[0] == 200
    await _lose_blobs(government)
    assert (await aline.ask("GET", path))[0] == 503
