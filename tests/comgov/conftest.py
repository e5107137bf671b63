"""A browser without a window: keeps cookies, fills in forms with their token, as a person would."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer

from comgov import web
from comgov.app import FEATURES
from comgov.people.web import visitors
from tests.comgov.government import Government, make_government

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
    from pathlib import Path

    from comgov.feature import Feature, Platform


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    text: str
    headers: Mapping[str, str]

    @property
    def location(self) -> str:
        return self.headers.get("Location", "")


class Browser:
    """Speaks French unless told otherwise; follows no redirection by itself."""

    def __init__(self, client: TestClient[Any, Any]) -> None:
        self.client = client
        self.headers = {"Accept": "text/html,*/*;q=0.8", "Accept-Language": "fr", "Sec-Fetch-Site": "same-origin"}

    async def get(self, path: str, **headers: str) -> Answer:
        async with self.client.get(path, headers=self.headers | headers, allow_redirects=False) as response:
            return Answer(response.status, await response.text(errors="replace"), response.headers)

    async def send(self, path: str, data: Any, **headers: str) -> Answer:
        """A POST as it is."""
        headers = self.headers | headers
        async with self.client.post(path, data=data, headers=headers, allow_redirects=False) as response:
            return Answer(response.status, await response.text(), response.headers)

    async def token(self, page: str) -> str:
        found = re.search('name="csrf" value="([^"]+)"', (await self.get(page)).text)
        assert found is not None, f"{page} has no form"
        return found[1]

    async def fill(
        self,
        page: str,
        fields: Mapping[str, str] | Sequence[tuple[str, str]] = (),
        *,
        to: str | None = None,
        files: Sequence[tuple[str, str, bytes, str]] = (),
    ) -> Answer:
        """Send the form of `page` to `to` (itself by default). files: field, file name, content, type."""
        data = aiohttp.FormData({"csrf": await self.token(page)}, quote_fields=False)
        for name, value in fields.items() if isinstance(fields, dict) else fields:
            data.add_field(name, value)
        for name, filename, content, content_type in files:
            data.add_field(name, content, filename=filename, content_type=content_type)
        return await self.send(to or page, data)

    async def sign_in(self, address: str, password: str, way_on: str = "/") -> Answer:
        return await self.fill("/sign-in", {"address": address, "password": password, "next": way_on})

    def cookie(self, name: str) -> str | None:
        return next((one.value for one in self.client.session.cookie_jar if one.key == name), None)


@pytest.fixture(scope="session")
def site() -> web.Site:
    """Templates and static files of the whole platform, made once as a node does."""
    return web.prepare(FEATURES)


Open = "Callable[[Platform], Awaitable[Browser]]"


@pytest.fixture
async def open_browser(site: web.Site) -> AsyncIterator[Callable[..., Awaitable[Browser]]]:
    """Opens a browser on the platform given."""
    clients: list[TestClient[Any, Any]] = []

    async def open_browser(platform: Platform, features: Sequence[Feature] = FEATURES) -> Browser:
        app = web.application(platform, features, site=site, visitors=visitors)
        client = TestClient(TestServer(app))
        await client.start_server()
        clients.append(client)
        return Browser(client)

    yield open_browser
    for client in clients:
        await client.close()


@pytest.fixture
async def government(platform: Platform, tmp_path: Path) -> Government:
    """Four institutions that can sign."""
    return await make_government(platform, tmp_path)
