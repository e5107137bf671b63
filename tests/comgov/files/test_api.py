"""Files for programs: PUT, GET with ranges and conditions, folders, links; and what hostile programs get."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from aiohttp.test_utils import TestClient, TestServer
from yarl import URL

from comgov import web
from comgov.files import blobs
from comgov.files.actions.spaces import quota, set_quota
from comgov.institutions.actions import resume, suspend
from comgov.people.web import visitors
from comgov.web.representation import digest_header
from storage import open_disk_store

from .conftest import CONSOLE, FEATURES, basic

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from comgov.actor import Actor
    from comgov.feature import Platform
    from comgov.files.model import Space

    from .conftest import Client

MIB = 1 << 20
LARGE = hashlib.shake_256(b"large").digest(3 * MIB + 17)
"""Above what goes by sendfile."""


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


async def test_what_is_put_is_got(client: Client, claire: Actor) -> None:
    for content in (b"", b"one", LARGE):
        path = f"/api/files/me/fichier {len(content)}.bin"
        sent = await client.put(path, data=io.BytesIO(content), headers=basic(claire))
        assert sent.status == 201
        told = await sent.json()
        assert (told["size"], told["sha256"], told["version"]) == (len(content), sha256(content), 1)
        assert sent.headers["ETag"] == f'"{sha256(content)}"'
        got = await client.get(sent.headers["Location"], headers=basic(claire))
        assert (got.status, await got.read()) == (200, content)
        assert got.headers["Content-Length"] == str(len(content))
        assert got.headers["Repr-Digest"] == digest_header(hashlib.sha256(content).digest())


async def test_sent_again_it_is_another_version(client: Client, claire: Actor) -> None:
    path = "/api/files/me/bilan.pdf"
    assert (await client.put(path, data=b"one", headers=basic(claire))).status == 201
    again = await client.put(path, data=b"two", headers=basic(claire))
    assert (again.status, (await again.json())["version"]) == (200, 2)


async def test_a_download_wears_what_keeps_it_from_acting(client: Client, claire: Actor) -> None:
    await client.put("/api/files/me/page été.html", data=b"<script>alert(1)</script>", headers=basic(claire))
    got = await client.get("/api/files/me/page été.html", headers=basic(claire))
    assert got.headers["Content-Disposition"] == (
        "attachment; filename=\"page _t_.html\"; filename*=UTF-8''page%20%C3%A9t%C3%A9.html"
    )
    assert "sandbox" in got.headers["Content-Security-Policy"]
    assert got.headers["X-Content-Type-Options"] == "nosniff"
    assert got.headers["Cache-Control"] == "private, no-cache"


@pytest.mark.parametrize("content", [b"0123456789", LARGE], ids=["streamed", "by the kernel"])
@pytest.mark.parametrize(
    ("header", "status", "start", "stop"),
    [
        ("bytes=0-3", 206, 0, 4),
        ("bytes=4-", 206, 4, None),
        ("bytes=-4", 206, -4, None),
        ("bytes=2-99999999", 206, 2, None),
        ("bytes=99999999-", 416, 0, 0),
        ("bytes=0-1,3-4", 200, 0, None),
        ("items=0-1", 200, 0, None),
    ],
)
async def test_parts_of_a_file(
    client: Client, claire: Actor, content: bytes, header: str, status: int, start: int, stop: int | None
) -> None:
    path = "/api/files/me/a.bin"
    await client.put(path, data=io.BytesIO(content), headers=basic(claire))
    got = await client.get(path, headers={**basic(claire), "Range": header})
    assert got.status == status
    if status == 416:
        assert got.headers["Content-Range"] == f"bytes */{len(content)}"
        return
    body = await got.read()
    assert body == content[start:stop]
    if status == 206:
        first = content.index(body)
        assert got.headers["Content-Range"] == f"bytes {first}-{first + len(body) - 1}/{len(content)}"


async def test_a_download_resumes_only_into_the_same_bytes(client: Client, claire: Actor) -> None:
    path = "/api/files/me/a.bin"
    first = await client.put(path, data=b"0123456789", headers=basic(claire))
    resume = {**basic(claire), "Range": "bytes=5-", "If-Range": first.headers["ETag"]}
    got = await client.get(path, headers=resume)
    assert (got.status, await got.read()) == (206, b"56789")
    await client.put(path, data=b"abcdefghij", headers=basic(claire))
    got = await client.get(path, headers=resume)
    assert (got.status, await got.read()) == (200, b"abcdefghij")


async def test_conditions_are_kept(client: Client, claire: Actor) -> None:
    path, who = "/api/files/me/a.bin", basic(claire)
    tag = (await client.put(path, data=b"one", headers={**who, "If-None-Match": "*"})).headers["ETag"]
    assert (await client.put(path, data=b"two", headers={**who, "If-None-Match": "*"})).status == 412
    assert (await client.put(path, data=b"two", headers={**who, "If-Match": '"other"'})).status == 412
    assert (await client.put(path, data=b"two", headers={**who, "If-Match": f"W/{tag}"})).status == 412
    assert (await client.get(path, headers={**who, "If-None-Match": tag})).status == 304
    assert (await client.get(path, headers={**who, "If-None-Match": f"W/{tag}"})).status == 304
    assert (await client.get(path, headers={**who, "If-Match": '"other"'})).status == 412
    assert (await client.put(path, data=b"two", headers={**who, "If-Match": tag})).status == 200
    assert (await client.get(path, headers={**who, "If-None-Match": tag})).status == 200


async def test_head_tells_without_sending(client: Client, claire: Actor) -> None:
    await client.put("/api/files/me/a.bin", data=io.BytesIO(LARGE), headers=basic(claire))
    got = await client.head("/api/files/me/a.bin", headers=basic(claire))
    assert (got.status, got.headers["Content-Length"], await got.read()) == (200, str(len(LARGE)), b"")
    assert got.headers["Accept-Ranges"] == "bytes"


async def test_an_announced_digest_is_checked(client: Client, claire: Actor) -> None:
    good, bad = (base64.b64encode(hashlib.sha256(content).digest()).decode() for content in (b"one", b"two"))
    for header, value, status in (
        ("Content-Digest", f"sha-256=:{good}:", 201),
        ("Content-Digest", f"sha-256=:{bad}:", 400),
        ("Repr-Digest", f"sha-256=:{bad}:", 400),
        ("Digest", f"SHA-256={bad}", 400),
        ("Digest", "sha-256=nonsense", 400),
        ("Digest", "md5=nonsense", 200),
    ):
        sent = await client.put("/api/files/me/a.bin", data=b"one", headers={**basic(claire), header: value})
        assert sent.status == status, (header, value)
    assert (await client.get("/api/files/me/a.bin?list", headers=basic(claire))).status == 200


async def test_folders_are_made_listed_and_thrown_away(client: Client, claire: Actor) -> None:
    who = basic(claire)
    assert (await client.put("/api/files/me/Rapports/", headers=who)).status == 201
    assert (await client.put("/api/files/me/Rapports/", headers=who)).status == 409
    assert (await client.put("/api/files/me/Rapports/2026/", headers=who)).status == 201
    for name in ("b.pdf", "a.pdf"):
        assert (await client.put(f"/api/files/me/Rapports/{name}", data=b"x", headers=who)).status == 201
    told = await (await client.get("/api/files/me/rapports?list", headers=who)).json()
    assert (told["path"], told["total"], told["next"]) == ("Rapports", 3, None)
    assert [(entry["kind"], entry["name"]) for entry in told["entries"]] == [
        ("folder", "2026"),
        ("file", "a.pdf"),
        ("file", "b.pdf"),
    ]
    assert (await client.delete("/api/files/me/Rapports", headers=who)).status == 204
    assert (await client.get("/api/files/me/Rapports/a.pdf", headers=who)).status == 404
    assert (await (await client.get("/api/files/me/", headers=who)).json())["total"] == 0


async def test_a_list_is_paged_to_its_end(client: Client, claire: Actor) -> None:
    who = basic(claire)
    for number in range(7):
        await client.put(f"/api/files/me/n{number}", data=bytes(number), headers=who)
    found, query = [], {"sort": "-size", "limit": "3"}
    while True:
        told = await (await client.get("/api/files/me/", params=query, headers=who)).json()
        assert told["total"] == 7
        found += [entry["size"] for entry in told["entries"]]
        if told["next"] is None:
            break
        query["after"] = told["next"]
    assert found == [6, 5, 4, 3, 2, 1, 0]


@pytest.mark.parametrize("query", ["after=!!!", "after=W10", "after=WzEsMl0", "after=bnVsbA", "after=" + "W" * 4000])
async def test_a_page_that_is_none_is_refused(client: Client, claire: Actor, query: str) -> None:
    assert (await client.get(f"/api/files/me/?{query}", headers=basic(claire))).status == 400


@pytest.mark.parametrize("query", ["sort=nonsense", "limit=0", "limit=-1", "limit=99999999", "q=%00", "q=" + "%F0" * 9])
async def test_a_wish_that_cannot_be_read_harms_nothing(client: Client, claire: Actor, query: str) -> None:
    got = await client.get(URL(f"/api/files/me/?{query}", encoded=True), headers=basic(claire))
    assert got.status == 200


@pytest.mark.parametrize(
    "path",
    [
        "me/..%2f..%2fetc%2fpasswd",
        "me/%2e%2e/x",
        "me/a%00b",
        "me/a%5cb",
        "me/a%0ab",
        "me/%E2%80%AEfdp.exe",
        "me/" + "a" * 256,
        "me/" + "%C3%A9" * 128,
        "me/...",
        "me/a//b",
        "me/" + "a/" * 60 + "b",
    ],
)
async def test_paths_that_lead_elsewhere_are_refused(
    client: Client, claire: Actor, disk_platform: Platform, path: str
) -> None:
    url = URL(f"/api/files/{path}", encoded=True)
    sent = await client.put(url, data=b"x", headers=basic(claire))
    assert sent.status in (400, 404)
    assert "error" in await sent.json()
    assert [blob async for blob in (await blobs.drawer(disk_platform)).list()] == []


async def test_spaces_are_named_by_word_code_or_number(
    client: Client, claire: Actor, eric: Actor, aline: Actor, own: Space
) -> None:
    assert (await client.put("/api/files/sante/commun.txt", data=b"x", headers=basic(claire))).status == 201
    assert (await client.get("/api/files/sante/commun.txt", headers=basic(aline))).status == 200
    assert (await client.get("/api/files/sante/commun.txt", headers=basic(eric))).status == 404
    assert (await client.put(f"/api/files/{own.id}/mine.txt", data=b"x", headers=basic(claire))).status == 201
    assert (await client.get("/api/files/me/mine.txt", headers=basic(claire))).status == 200
    for stranger in (aline, eric):
        assert (await client.get(f"/api/files/{own.id}/mine.txt", headers=basic(stranger))).status == 404
        assert (await client.put(f"/api/files/{own.id}/x.txt", data=b"x", headers=basic(stranger))).status == 404


async def test_nobody_gets_nothing(client: Client, claire: Actor) -> None:
    for method in ("GET", "PUT", "DELETE"):
        got = await client.request(method, "/api/files/me/a.txt")
        assert got.status == 401
        assert got.headers["WWW-Authenticate"].startswith("Basic")


async def test_beyond_the_quota_507_before_the_bytes(
    client: Client, claire: Actor, jean: Actor, disk_platform: Platform, own: Space
) -> None:
    await set_quota(disk_platform, jean, own.id, 1000)
    sent = await client.put("/api/files/me/gros.bin", data=bytes(1001), headers=basic(claire))
    assert sent.status == 507
    assert "not enough room" in (await sent.json())["error"]
    assert (await client.put("/api/files/me/juste.bin", data=bytes(1000), headers=basic(claire))).status == 201

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(1000):
            yield bytes(65536)

    await set_quota(disk_platform, jean, own.id, 100_000)
    sent = await client.put("/api/files/me/sans fin.bin", data=endless(), headers=basic(claire))
    assert sent.status == 507
    assert (await quota(disk_platform, claire, own.id)).space_used_bytes == 1000


async def converse(client: Client, actor: Actor, path: str, length: int, body: bytes) -> tuple[bytes, bytes]:
    """Ask before sending; gives the first line that comes back, and the next if the body was wanted."""
    assert client.port is not None
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    head = f"PUT {path} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n"
    writer.write(f"{head}Authorization: {basic(actor)['Authorization']}\r\n\r\n".encode())
    try:
        async with asyncio.timeout(5):
            first = await reader.readline()
            if not first.startswith(b"HTTP/1.1 100"):
                return first, b""
            await reader.readline()
            writer.write(body)
            return first, await reader.readline()
    finally:
        writer.close()
        await writer.wait_closed()


async def test_whoever_asks_first_is_refused_before_sending(
    client: Client, claire: Actor, jean: Actor, disk_platform: Platform, own: Space
) -> None:
    await set_quota(disk_platform, jean, own.id, 1000)
    first, _ = await converse(client, claire, "/api/files/me/gros.bin", 1001, b"")
    assert first.startswith(b"HTTP/1.1 507")
    first, _ = await converse(client, claire, "/api/files/me/nothing/a.bin", 10, b"")
    assert first.startswith(b"HTTP/1.1 404")
    first, then = await converse(client, claire, "/api/files/me/juste.bin", 4, b"four")
    assert (first[:12], then[:12]) == (b"HTTP/1.1 100", b"HTTP/1.1 201")


async def test_a_store_elsewhere_is_streamed(platform: Platform, site: web.Site, claire: Actor) -> None:
    app = web.application(platform, FEATURES, site=site, visitors=visitors)
    async with TestClient(TestServer(app), headers=basic(claire)) as client:
        await client.put("/api/files/me/a.bin", data=io.BytesIO(LARGE))
        assert await (await client.get("/api/files/me/a.bin")).read() == LARGE
        part = await client.get("/api/files/me/a.bin", headers={"Range": "bytes=1000000-2999999"})
        assert (part.status, await part.read()) == (206, LARGE[1_000_000:3_000_000])


async def test_a_loop_that_cannot_sendfile_sends_all_the_same(
    client: Client, claire: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def cannot(*_arguments: object, **_options: object) -> int:
        raise NotImplementedError

    monkeypatch.setattr(asyncio.get_running_loop(), "sendfile", cannot)
    await client.put("/api/files/me/a.bin", data=io.BytesIO(LARGE), headers=basic(claire))
    part = await client.get("/api/files/me/a.bin", headers={**basic(claire), "Range": "bytes=5-"})
    assert (part.status, await part.read()) == (206, LARGE[5:])


async def test_a_full_disk_is_507_and_reading_goes_on(
    platform: Platform, site: web.Site, claire: Actor, tmp_path: Path
) -> None:
    for reserve_bytes, status in ((0, 201), (1 << 60, 507)):
        async with open_disk_store(tmp_path / "blobs", reserve_bytes=reserve_bytes) as store:
            app = web.application(replace(platform, blobs=store), FEATURES, site=site, visitors=visitors)
            async with TestClient(TestServer(app), headers=basic(claire)) as client:
                sent = await client.put("/api/files/me/a.txt", data=f"reserve {reserve_bytes}")
                assert sent.status == status
                got = await (await client.get("/api/files/me/a.txt")).text()
                assert got == "reserve 0"


async def test_an_encoded_body_is_not_taken_for_the_file(client: Client, claire: Actor) -> None:
    headers = {**basic(claire), "Content-Encoding": "gzip"}
    assert (await client.put("/api/files/me/a.bin", data=b"x", headers=headers)).status == 400


async def test_a_connection_cut_in_the_middle_leaves_nothing(
    client: Client, claire: Actor, disk_platform: Platform, own: Space
) -> None:
    assert client.port is not None
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    head = f"PUT /api/files/me/a.bin HTTP/1.1\r\nHost: x\r\nContent-Length: {10 * MIB}\r\n"
    head += f"Authorization: {basic(claire)['Authorization']}\r\n\r\n"
    writer.write(head.encode() + LARGE)
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    del reader
    for _ in range(100):
        if not any((await blobs.drawer(disk_platform)).path(bytes(32)).parent.parent.glob("incoming/*")):  # type: ignore[attr-defined]
            break
        await asyncio.sleep(0.05)
    assert (await client.get("/api/files/me/a.bin", headers=basic(claire))).status == 404
    assert (await quota(disk_platform, claire, own.id)).space_used_bytes == 0
    assert [blob async for blob in (await blobs.drawer(disk_platform)).list()] == []


async def test_bytes_that_went_missing_are_503_and_not_a_short_file(
    client: Client, claire: Actor, disk_platform: Platform
) -> None:
    store = await blobs.drawer(disk_platform)
    for content in (b"small", LARGE):
        await client.put("/api/files/me/a.bin", data=io.BytesIO(content), headers=basic(claire))
        await store.delete(hashlib.sha256(content).digest())
        got = await client.get("/api/files/me/a.bin", headers=basic(claire))
        assert got.status == 503
    await client.put("/api/files/me/b.bin", data=io.BytesIO(LARGE[:-1]), headers=basic(claire))
    store.path(hashlib.sha256(LARGE[:-1]).digest()).write_bytes(b"short")  # type: ignore[attr-defined]
    assert (await client.get("/api/files/me/b.bin", headers=basic(claire))).status == 503


async def test_a_link_made_by_a_program_is_followed_by_anyone(client: Client, claire: Actor, eric: Actor) -> None:
    await client.put("/api/files/me/bilan.pdf", data=io.BytesIO(LARGE), headers=basic(claire))
    made = await client.post("/api/files/links", json={"path": "me/bilan.pdf", "days": 3}, headers=basic(claire))
    told = await made.json()
    assert made.status == 201
    for headers in ({}, basic(eric)):
        got = await client.get(URL(told["download"]).path, headers=headers)
        assert (got.status, await got.read()) == (200, LARGE)
    part = await client.get(URL(told["download"]).path, headers={"Range": "bytes=100-199"})
    assert (part.status, await part.read()) == (206, LARGE[100:200])
    assert (await client.post(f"/api/files/links/{told['id']}/revoke", headers=basic(eric))).status == 404
    assert (await client.post(f"/api/files/links/{told['id']}/revoke", headers=basic(claire))).status == 204
    assert (await client.get(URL(told["download"]).path)).status == 404


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "evil.example\\@localhost", "x/@localhost"])
async def test_a_link_names_the_server_and_not_what_the_client_claims(client: Client, claire: Actor, host: str) -> None:
    await client.put("/api/files/me/a.txt", data=b"x", headers=basic(claire))
    made = await client.post("/api/files/links", json={"path": "me/a.txt"}, headers={**basic(claire), "Host": host})
    if made.status != 400:
        assert (await made.json())["url"].startswith(f"http://127.0.0.1:{client.port}/l/")
    told = await client.post(
        "/api/files/links", json={"path": "me/a.txt"}, headers={**basic(claire), "Host": "localhost:80"}
    )
    assert (await told.json())["url"].startswith("http://localhost:80/l/")


async def test_a_link_bears_the_public_url_that_is_configured(
    disk_platform: Platform, site: web.Site, claire: Actor
) -> None:
    config = web.Config(public_url="https://comgov.gov.bi")
    configured = replace(disk_platform, configs={**disk_platform.configs, web.Config: config})
    app = web.application(configured, FEATURES, site=site, visitors=visitors)
    async with TestClient(TestServer(app), headers=basic(claire)) as client:
        await client.put("/api/files/me/a.txt", data=b"x")
        made = await client.post("/api/files/links", json={"path": "me/a.txt"})
        assert (await made.json())["url"].startswith("https://comgov.gov.bi/l/")


async def test_links_of_a_suspended_institution_lead_nowhere_as_revoked_ones(
    client: Client, disk_platform: Platform, claire: Actor
) -> None:
    await client.put("/api/files/me/a.txt", data=b"x", headers=basic(claire))
    paths = []
    for wish in ({}, {"password": "quatre chevaux"}):
        made = await client.post("/api/files/links", json={"path": "me/a.txt", **wish}, headers=basic(claire))
        paths.append(URL((await made.json())["url"]).path)
    open_path, locked_path = paths
    ticket = (
        await client.post(
            locked_path,
            data={"password": "quatre chevaux"},
            headers=basic(claire),
            allow_redirects=False,
        )
    ).headers["Location"]
    revoked = await client.post("/api/files/links", json={"path": "me/a.txt"}, headers=basic(claire))
    told = await revoked.json()
    await client.post(f"/api/files/links/{told['id']}/revoke", headers=basic(claire))

    async def ask(path: str) -> tuple[int, str]:
        got = await client.get(path, headers={"Accept": "application/json"})
        return got.status, (await got.json())["error"] if got.status != 200 else ""

    assert (await client.get(ticket)).status == 200
    await suspend(disk_platform, CONSOLE, "sante")
    closed = await ask(URL(told["url"]).path)
    assert closed[0] == 404
    for path in (open_path, f"{open_path}/file", locked_path, ticket):
        assert await ask(path) == closed
    await resume(disk_platform, CONSOLE, "sante")
    assert (await client.get(f"{open_path}/file")).status == 200


@pytest.mark.parametrize(
    ("wish", "status"),
    [
        ({}, 404),
        ({"path": "me/nothing"}, 404),
        ({"path": "finances/x"}, 404),
        ({"path": "me"}, 400),
        ({"path": "me/a.bin", "days": 0}, 400),
        ({"path": "me/a.bin", "days": 4000}, 400),
        ({"path": "me/a.bin", "days": "3"}, 400),
        ({"path": "me/a.bin", "downloads_max": -1}, 400),
        ({"path": "me/a.bin", "downloads_max": True}, 400),
        ({"path": "me/a.bin", "password": "x" * 500}, 400),
        ([], 400),
        ("x" * 20_000, 413),
    ],
)
async def test_a_link_that_cannot_be_is_refused(client: Client, claire: Actor, wish: object, status: int) -> None:
    await client.put("/api/files/me/a.bin", data=b"x", headers=basic(claire))
    assert (await client.post("/api/files/links", json=wish, headers=basic(claire))).status == status
