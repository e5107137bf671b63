"""The pages, as a browser without script uses them."""

from __future__ import annotations

import asyncio
import hashlib
import io
import re
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from aiohttp import ClientSession, CookieJar, FormData
from aiohttp.test_utils import TestClient, TestServer

from comgov import web
from comgov.files.actions.links import create
from comgov.files.actions.tree import list_folder
from comgov.files.model import Listing
from comgov.people.web import visitors

from .conftest import FEATURES, PASSWORD, basic

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from comgov.actor import Actor
    from comgov.feature import Platform
    from comgov.files.model import Space

    from .conftest import Client


class Browser:
    """Somebody signed in, who fills the forms of the pages that they see."""

    def __init__(self, client: Client | ClientSession) -> None:
        self.client = client
        self.page = ""
        self.path = ""

    async def open(self, path: str, status: int = 200) -> str:
        response = await self.client.get(path, headers={"Accept": "text/html"})
        self.page, self.path = await response.text(), response.url.path
        assert response.status == status, self.page
        return self.page

    async def send(self, action: str, status: int = 200, **fields: str) -> str:
        """Send the form of that action, with its token and hidden fields."""
        form = self.form(action)
        hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', form))
        response = await self.client.post(action, data={**hidden, **fields}, headers={"Accept": "text/html"})
        self.page, self.path = await response.text(), response.url.path
        assert response.status == status, self.page
        return self.page

    def form(self, action: str) -> str:
        for form in re.findall(r"<form.*?</form>", self.page, re.DOTALL):
            if f'action="{action}"' in form:
                return form
        raise AssertionError(f"no form {action} in {self.path}")

    def token(self, action: str) -> str:
        found = re.search(r'name="csrf" value="([^"]*)"', self.form(action))
        assert found
        return found[1]

    async def upload(self, folder_id: int, *contents: tuple[str, bytes], status: int = 200) -> str:
        action = f"/files/{folder_id}/upload"
        form = FormData(quote_fields=False)
        form.add_field("csrf", self.token(action))
        for name, content in contents:
            form.add_field("files", io.BytesIO(content), filename=name)
        response = await self.client.post(action, data=form, headers={"Accept": "text/html"})
        self.page, self.path = await response.text(), response.url.path
        assert response.status == status, self.page
        return self.page


@pytest.fixture
async def browser(client: Client, claire: Actor) -> Browser:
    """Claire, signed in."""
    browser = Browser(client)
    await browser.open("/sign-in")
    await browser.send("/sign-in", 404, address=claire.address, password=PASSWORD, next="/nowhere")
    return browser


async def test_a_file_is_sent_looked_at_and_downloaded(browser: Browser, own: Space) -> None:
    page = await browser.open("/files")
    assert browser.path == f"/files/{own.root_id}"
    assert "Nothing here yet" in page or "Rien" in page
    content = hashlib.shake_256(b"x").digest(3_000_000)
    page = await browser.upload(own.root_id, ("bilan été.pdf", content), ("petit.txt", b"one"))
    assert "bilan été.pdf" in page and "petit.txt" in page
    links = re.findall(r'href="(/files/\d+)/download"', page)
    bodies = [await (await browser.client.get(f"{link}/download")).read() for link in links]
    assert bodies == [content, b"one"]
    page = await browser.open(links[0])
    assert hashlib.sha256(content).hexdigest() in page


async def test_only_what_cannot_act_is_shown_in_place(browser: Browser, own: Space) -> None:
    await browser.open("/files")
    page = await browser.upload(own.root_id, ("a.html", b"<script>"), ("b.png", b"\x89PNG"), ("c.svg", b"<svg>"))
    shown = {}
    for link in re.findall(r'href="(/files/\d+)/download"', page):
        response = await browser.client.get(f"{link}/download?view=1")
        shown[response.headers["Content-Disposition"].partition(";")[0]] = response.headers["Content-Type"]
        assert "sandbox" in response.headers["Content-Security-Policy"]
    assert shown["inline"] == "image/png"
    assert set(shown) == {"inline", "attachment"}


async def test_a_day_with_folders(browser: Browser, own: Space, shared: Space) -> None:
    await browser.open("/files")
    await browser.send(f"/files/{own.root_id}/folder", name="Rapports")
    folder = int(browser.path.rpartition("/")[2])
    page = await browser.upload(folder, ("bilan.pdf", b"one"))
    found = re.search(r'href="/files/(\d+)/download"', page)
    assert found
    file = f"/files/{found[1]}"
    await browser.open(f"{file}/rename")
    await browser.send(f"{file}/rename", name="Bilan 2026.pdf")
    assert browser.path == file
    await browser.open(f"{file}/rename")
    assert "cannot hold" in await browser.send(f"{file}/rename", 400, name="a/b") or "ne peut" in browser.page
    assert 'value="a/b"' in browser.page
    await browser.open(f"{file}/move")
    await browser.open(f"{file}/move?to={shared.root_id}")
    hidden = {"to": str(shared.root_id)}
    await browser.send(f"{file}/move", **hidden, **{"as": "copy"})
    assert browser.path == f"/files/{shared.root_id}"
    await browser.open(f"{file}/move?to={own.root_id}")
    await browser.send(f"{file}/move", to=str(own.root_id), **{"as": "move"})
    assert browser.path == f"/files/{own.root_id}"
    await browser.open(file)
    await browser.send(f"{file}/trash")
    await browser.open(f"/files/trash/{own.id}")
    await browser.send(f"{file}/restore")
    assert "Bilan 2026.pdf" in browser.page
    await browser.open(file)
    await browser.send(f"{file}/trash")
    await browser.open(f"/files/trash/{own.id}")
    await browser.send(f"{file}/purge", space=str(own.id))
    await browser.open(file, 404)


async def test_versions_are_shown_and_deleted(browser: Browser, own: Space) -> None:
    await browser.open("/files")
    await browser.upload(own.root_id, ("a.txt", b"one"))
    page = await browser.upload(own.root_id, ("a.txt", b"three"))
    found = re.search(r'href="(/files/\d+)/download"', page)
    assert found
    file = found[1]
    assert await (await browser.client.get(f"{file}/download?version=1")).read() == b"one"
    await browser.open(f"{file}/versions")
    await browser.send(f"{file}/versions/1/show")
    assert await (await browser.client.get(f"{file}/download")).read() == b"one"
    await browser.send(f"{file}/versions/2/delete")
    assert (await browser.client.get(f"{file}/download?version=2")).status == 404


async def test_a_link_with_a_password_from_making_to_revoking(
    browser: Browser, own: Space, client: Client, disk_platform: Platform
) -> None:
    await browser.open("/files")
    page = await browser.upload(own.root_id, ("a.txt", b"one"))
    found = re.search(r'href="(/files/\d+)/download"', page)
    assert found
    await browser.open(found[1])
    page = await browser.send(f"{found[1]}/links", password="soleil", days="2", downloads_max="1")
    address = re.search(r"/l/[A-Za-z0-9_-]{32}", page)
    assert address
    jar = CookieJar(unsafe=True)
    async with ClientSession(client.make_url("/"), cookie_jar=jar) as outside:
        visitor = Browser(outside)
        page = await visitor.open(address[0])
        assert "Claire Niyonzima" in page and 'type="password"' in page
        await visitor.send(address[0], 403, password="wrong")
        assert await visitor.send(address[0], password="soleil") == "one"
        await visitor.open(address[0], 404)
        await visitor.open(f"{address[0]}/file", 404)
    assert address[0] not in await browser.open("/files/links")
    page = await browser.open("/files/links?state=all")
    assert "a.txt" in page and "/revoke" not in page
    await browser.open(found[1])
    page = await browser.send(f"{found[1]}/links", 400, days="forever")
    page = await browser.send(f"{found[1]}/links", days="2")
    revoke = re.findall(r"/files/links/\d+/revoke", page)
    await browser.send(revoke[0])
    assert browser.path == found[1]


async def test_a_link_for_the_institution_leads_to_sign_in(
    client: Client, disk_platform: Platform, claire: Actor, eric: Actor, own: Space
) -> None:
    await client.put("/api/files/me/a.txt", data=b"one", headers=basic(claire))
    _, rows = await list_folder(disk_platform, claire, own.root_id, Listing())
    link = await create(disk_platform, claire, rows.nodes[0].id, institution_only=True)
    answer = await client.get(f"/l/{link.token}", headers={"Accept": "text/html"}, allow_redirects=False)
    assert (answer.status, answer.headers["Location"]) == (303, f"/sign-in?next=/l/{link.token}")
    assert (await client.get(f"/l/{link.token}/file", headers=basic(eric))).status == 403
    assert await (await client.get(f"/l/{link.token}/file", headers=basic(claire))).read() == b"one"


async def test_the_focal_point_says_who_is_what(
    client: Client, claire: Actor, aline: Actor, jean: Actor, eric: Actor, shared: Space
) -> None:
    browser = Browser(client)
    await browser.open("/sign-in")
    await browser.send("/sign-in", 404, address=jean.address, password=PASSWORD, next="/nowhere")
    roles = f"/files/roles/{shared.id}"
    assert roles in await browser.open(f"/files/{shared.root_id}")
    await browser.open(roles)
    await browser.send(roles + "/default", role="reader")
    assert (await client.put("/api/files/sante/a.txt", data=b"x", headers=basic(claire))).status == 403
    page = await browser.send(roles, address=f" {claire.address} ", role="contributor")
    assert "Claire Niyonzima" in page
    await browser.send(roles, 400, address=eric.address, role="reader")
    await browser.send(roles, 404, address="nobody@sante.gov.test", role="reader")
    await browser.send(roles, 400, address=aline.address, role="owner")
    await browser.send(roles, address=claire.address, role="")
    for actor, path in ((claire, roles), (eric, roles)):
        client.session.cookie_jar.clear()
        got = await client.get(path, headers=basic(actor))
        assert got.status in (403, 404)


async def test_pages_are_for_those_who_signed_in(client: Client, own: Space) -> None:
    for path in ("/files", f"/files/{own.root_id}", "/files/links", f"/files/trash/{own.id}"):
        answer = await client.get(path, headers={"Accept": "text/html"}, allow_redirects=False)
        assert answer.headers["Location"].startswith("/sign-in?next=/files")


async def test_a_form_without_our_token_changes_nothing(browser: Browser, own: Space) -> None:
    form = FormData()
    form.add_field("files", b"one", filename="a.txt")
    assert (await browser.client.post(f"/files/{own.root_id}/upload", data=form)).status == 403
    assert (await browser.client.post(f"/files/{own.root_id}/folder", data={"name": "x"})).status == 403
    assert (await browser.client.put("/api/files/me/a.txt", data=b"x")).status == 403


@pytest.mark.parametrize("sort", ["name", "-name", "size", "-size", "changed", "-changed", "nonsense"])
async def test_a_list_can_be_sorted_filtered_and_paged_by_its_address(browser: Browser, own: Space, sort: str) -> None:
    await browser.open("/files")
    await browser.upload(own.root_id, *((f"n{number}.txt", bytes(number)) for number in range(5)))
    page = await browser.open(f"/files/{own.root_id}?sort={sort}&q=N&limit=2")
    following = re.search(r'rel="next" href="([^"]*)"', page)
    assert following
    assert re.search(r"2\s(of|sur)\s5", page)
    await browser.open(following[1].replace("&amp;", "&"))
    await browser.open(f"/files/{own.root_id}?q=%3Cscript%3Ealert(1)%3C/script%3E")
    assert "<script>alert" not in browser.page


async def test_a_form_without_end_is_cut_short(
    browser: Browser, own: Space, disk_platform: Platform, claire: Actor
) -> None:
    await browser.open("/files")
    token = browser.token(f"/files/{own.root_id}/upload")
    head = (
        f'--b\r\nContent-Disposition: form-data; name="csrf"\r\n\r\n{token}\r\n'
        '--b\r\nContent-Disposition: form-data; name="files"; filename="a.txt"\r\n\r\nhalf of it'
    )
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = await browser.client.post(f"/files/{own.root_id}/upload", data=head.encode(), headers=headers)
    assert answer.status == 400
    _, rows = await list_folder(disk_platform, claire, own.root_id, Listing())
    assert rows.total == 0


async def test_what_came_before_a_file_that_is_refused_is_kept_and_said(browser: Browser, own: Space) -> None:
    await browser.open("/files")
    await browser.send(f"/files/{own.root_id}/folder", name="pris")
    await browser.open("/files")
    page = await browser.upload(own.root_id, ("bilan.txt", b"one"), ("pris", b"two"), ("c.txt", b"3"), status=409)
    assert "bilan.txt" in page
    page = await browser.open("/files")
    assert "bilan.txt" in page and "c.txt" not in page


async def test_ten_thousand_fields_are_refused(browser: Browser, own: Space) -> None:
    await browser.open("/files")
    token = browser.token(f"/files/{own.root_id}/upload")
    part = '--b\r\nContent-Disposition: form-data; name="x"\r\n\r\ny\r\n'
    head = f'--b\r\nContent-Disposition: form-data; name="csrf"\r\n\r\n{token}\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    data = (head + part * 10_000 + "--b--\r\n").encode()
    assert (await browser.client.post(f"/files/{own.root_id}/upload", data=data, headers=headers)).status == 400


async def test_a_client_that_falls_silent_is_let_go(
    disk_platform: Platform, claire: Actor, own: Space, site: web.Site
) -> None:
    config = web.Config(body_timeout=timedelta(seconds=0.2))
    impatient = replace(disk_platform, configs={**disk_platform.configs, web.Config: config})
    app = web.application(impatient, FEATURES, site=site, visitors=visitors)

    async def silent() -> AsyncIterator[bytes]:
        yield b"half"
        await asyncio.sleep(5)

    async def slow() -> AsyncIterator[bytes]:
        for _ in range(6):
            yield b"x"
            await asyncio.sleep(0.1)

    async with TestClient(TestServer(app), headers=basic(claire)) as client:
        async with asyncio.timeout(3):
            assert (await client.put("/api/files/me/silent", data=silent())).status == 400
        assert (await client.put("/api/files/me/slow", data=slow())).status == 201
