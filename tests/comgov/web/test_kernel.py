"""What every request passes: frame, errors, headers, cookies, forms."""

from __future__ import annotations

import gzip
import io
import json
import re
import threading
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from structlog.testing import capture_logs

from .conftest import SHELF

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from aiohttp.test_utils import TestClient

    Client = TestClient[Any, Any]
    Start = Callable[..., Awaitable[Client]]

HTML = {"Accept": "text/html"}
TOKEN_PART = b'--x\r\nContent-Disposition: form-data; name="csrf"\r\n\r\n{}\r\n'


async def read(client: Client, path: str, **headers: str) -> tuple[int, str, Mapping[str, str]]:
    async with client.get(path, headers=HTML | headers, allow_redirects=False) as response:
        return response.status, await response.text(), response.headers


async def csrf_of(client: Client, path: str = "/shelf") -> str:
    _, text, _ = await read(client, path)
    return text.partition('name="csrf" value="')[2].partition('"')[0]


async def post(client: Client, path: str, data: Any, **headers: str) -> tuple[int, str, Mapping[str, str]]:
    async with client.post(path, data=data, headers=HTML | headers, allow_redirects=False) as response:
        return response.status, await response.text(), response.headers


# -- pages


async def test_a_page_comes_in_its_frame_and_escapes_what_it_shows(claire: Client) -> None:
    status, text, _ = await read(claire, "/shelf?text=%3Cscript%3Ealert(1)%3C/script%3E")
    assert status == 200
    assert "&lt;script&gt;alert(1)" in text
    assert "<script>" not in text
    assert "claire@sante.gov.test" in text
    assert 'href="/shelf" aria-current="page"' in text
    assert "/vault" not in text


async def test_what_waits_is_counted_in_the_rail_and_told_on_the_home_page(claire: Client) -> None:
    _, text, _ = await read(claire, "/")
    assert "Unread on the shelf of Claire" in text
    assert '<b class="count">3' in text


async def test_the_home_page_offers_what_one_goes_to_each_place_for(claire: Client) -> None:
    _, text, _ = await read(claire, "/")
    assert 'href="/shelf?new=1"' in text
    assert "Put something" in text


@pytest.mark.parametrize(
    ("referer", "leads_back"),
    [("http://{host}/shelf?text=a", True), ("http://elsewhere.example/shelf", False), ("", False)],
)
async def test_a_refused_form_leads_back_to_the_page_it_was_on(claire: Client, referer: str, leads_back: bool) -> None:
    referer = referer.format(host=f"{claire.host}:{claire.port}")
    sent = {"csrf": await csrf_of(claire), "text": "too much"}
    status, text, _ = await post(claire, "/shelf", sent, Referer=referer)
    assert status == 507
    assert ("Revenir au formulaire" in text) == leads_back


async def test_the_language_is_the_cookies_then_the_browsers_then_french(client: Client) -> None:
    async def spoken(**headers: str) -> str:
        return (await read(client, "/shelf", **headers))[2]["Content-Language"]

    assert await spoken() == "fr"
    assert await spoken(**{"Accept-Language": "en-GB,en;q=0.9"}) == "en"
    assert await spoken(**{"Accept-Language": "sw, rn"}) == "fr"
    await post(client, "/language", {"csrf": await csrf_of(client), "language": "en", "next": "/shelf"})
    assert await spoken(**{"Accept-Language": "fr"}) == "en"


async def test_sizes_numbers_and_instants_are_written_as_the_language_does(client: Client) -> None:
    _, text, _ = await read(client, "/shelf")
    assert "1,2\N{NO-BREAK SPACE}Mo" in text
    assert "1\N{NARROW NO-BREAK SPACE}234\N{NARROW NO-BREAK SPACE}567" in text
    assert '<time datetime="2026-03-04T17:00:00+02:00"' in text


# -- errors


@pytest.mark.parametrize("path", ["/broken", "/broken-template"])
async def test_a_fault_of_ours_shows_a_reference_and_no_trace(claire: Client, path: str) -> None:
    with capture_logs() as logs:
        status, text, headers = await read(claire, path)
    assert status == 500
    assert "12345" not in text
    assert "Traceback" not in text
    assert "of_this" not in text
    assert headers["X-Request-Id"] in text
    assert any(log["log_level"] == "error" and log["id"] == headers["X-Request-Id"] for log in logs)


async def test_an_error_is_a_page_for_browsers_and_json_for_programs(claire: Client) -> None:
    status, text, _ = await read(claire, "/nowhere")
    assert status == 404
    assert "<h1>" in text
    async with claire.get("/nowhere") as response:
        assert response.status == 404
        assert (await response.json())["kind"] == "NotFound"
    status, text, headers = await read(claire, "/api/nowhere")
    assert headers["Content-Type"].startswith("application/json")
    assert json.loads(text)["error"]


async def test_whoever_must_sign_in_is_led_there_and_back(client: Client) -> None:
    status, _, headers = await read(client, "/private?folder=a%20b")
    assert status == 303
    assert headers["Location"] == "/sign-in?next=/private%3Ffolder%3Da%2520b"
    status, text, headers = await read(client, "/api/private")
    assert status == 401
    assert headers["WWW-Authenticate"].startswith("Basic")
    assert json.loads(text)["kind"] == "Unauthenticated"


async def test_a_wrong_method_says_which_are_right(claire: Client) -> None:
    async with claire.put("/shelf", headers={"X-CSRF-Token": await csrf_of(claire)}) as response:
        assert response.status == 405
        assert response.headers["Allow"] == "GET,HEAD,POST"


async def test_an_outage_is_said_and_keeps_what_was_typed(claire: Client) -> None:
    filled = {"csrf": await csrf_of(claire), "text": "outage", "password": "hunter2", "long": 'a "quoted" line'}
    status, text, headers = await post(claire, "/shelf", filled)
    assert status == 503
    assert headers["Retry-After"] == "5"
    assert '<input type="hidden" name="long" value="a &#34;quoted&#34; line">' in text
    assert "hunter2" not in text


async def test_a_directory_that_is_down_gives_a_503_page(client: Client) -> None:
    client.session.cookie_jar.update_cookies({"session": "directory is down"}, client.make_url("/"))
    status, text, _ = await read(client, "/shelf")
    assert status == 503
    assert "<h1>" in text


async def test_a_response_that_broke_in_the_middle_breaks_the_connection(claire: Client) -> None:
    async with claire.get("/broken-stream") as response:
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()


# -- headers and cookies


async def test_every_answer_wears_the_security_headers(claire: Client) -> None:
    for path in ("/shelf", "/nowhere", "/broken", "/healthz", "/api/nowhere"):
        _, _, headers = await read(claire, path)
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"
        assert headers["Cache-Control"] == "no-store"
        assert "Server" not in headers
        assert "Strict-Transport-Security" not in headers


async def test_behind_a_trusted_proxy_with_tls_cookies_are_bound_to_the_host(start: Start) -> None:
    client = await start(trusted_proxies=("127.0.0.0/8",))
    _, _, headers = await read(client, "/shelf", **{"X-Forwarded-Proto": "https"})
    assert headers["Strict-Transport-Security"].startswith("max-age=")
    cookie = headers["Set-Cookie"]
    assert cookie.startswith("__Host-visit=")
    assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} <= {part.strip() for part in cookie.split(";")}


async def test_forwarding_headers_of_strangers_are_not_believed(client: Client) -> None:
    with capture_logs() as logs:
        _, _, headers = await read(client, "/shelf", **{"X-Forwarded-Proto": "https", "X-Forwarded-For": "6.6.6.6"})
    assert "Strict-Transport-Security" not in headers
    assert logs[-1]["ip"] == "127.0.0.1"


async def test_the_log_tells_the_route_and_no_secret(claire: Client) -> None:
    with capture_logs() as logs:
        await read(claire, "/secrets/abracadabra?key=sesame")
    line = next(log for log in logs if log["event"] == "request")
    assert line["route"] == "/secrets/{token}"
    assert line["person"] == "claire@sante.gov.test"
    assert "abracadabra" not in str(line)
    assert "sesame" not in str(line)
    assert "session of claire" not in str(line)


# -- forms


async def test_a_form_is_carried_out_once_and_says_so_on_the_next_page(claire: Client) -> None:
    status, _, headers = await post(claire, "/shelf", {"csrf": await csrf_of(claire), "text": "a <b>"})
    assert (status, headers["Location"]) == (303, "/shelf")
    _, text, _ = await read(claire, "/shelf")
    assert "Put: a &lt;b&gt;" in text
    _, text, _ = await read(claire, "/shelf")
    assert "Put:" not in text


@pytest.mark.parametrize("token", ["", "x", "\N{SNOWMAN}", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"])
async def test_a_form_without_its_token_changes_nothing(claire: Client, token: str) -> None:
    status, _, _ = await post(claire, "/shelf", {"csrf": token, "text": "forged"})
    assert status == 403


async def test_a_token_of_another_session_is_refused(start: Start) -> None:
    token = await csrf_of(await start())
    claire = await start()
    claire.session.cookie_jar.update_cookies({"session": "session of claire"}, claire.make_url("/"))
    status, _, _ = await post(claire, "/shelf", {"csrf": token, "text": "forged"})
    assert status == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.test"},
        {"Origin": "null"},
    ],
)
async def test_another_site_sends_nothing_even_with_a_token(claire: Client, headers: dict[str, str]) -> None:
    status, _, _ = await post(claire, "/shelf", {"csrf": await csrf_of(claire), "text": "x"}, **headers)
    assert status == 403
    async with claire.post("/shelf", headers=headers | {"Authorization": "Basic eA=="}) as response:
        assert response.status == 403


async def test_the_token_may_come_in_a_header(claire: Client) -> None:
    status, _, _ = await post(claire, "/shelf", {"text": "x"}, **{"X-CSRF-Token": await csrf_of(claire)})
    assert status == 303


async def test_each_page_masks_its_token_anew(claire: Client) -> None:
    assert await csrf_of(claire) != await csrf_of(claire)


async def test_a_program_with_its_own_authentication_needs_no_token(client: Client) -> None:
    status, _, _ = await post(client, "/shelf", {"text": "x"}, Authorization="Basic eA==")
    assert status == 303


async def test_files_come_through_multipart(claire: Client) -> None:
    data = aiohttp.FormData({"csrf": await csrf_of(claire), "text": "x"}, quote_fields=False)  # as browsers do
    data.add_field("file", b"a" * 300_000, filename="é/../a.pdf", content_type="application/pdf")
    status, _, _ = await post(claire, "/shelf", data)
    assert status == 303
    _, text, _ = await read(claire, "/shelf")
    assert re.findall("<li>([^<]+)</li>", text) == ["x", "é/../a.pdf 300000 application/pdf"]


async def test_a_multipart_form_that_does_not_start_with_its_token_is_refused(claire: Client) -> None:
    data = aiohttp.FormData({"text": "x"})
    data.add_field("csrf", await csrf_of(claire))
    data.add_field("file", b"a", filename="a")
    status, _, _ = await post(claire, "/shelf", data)
    assert status == 403


async def test_a_form_over_its_limits_is_refused_in_words(claire: Client) -> None:
    token = await csrf_of(claire)
    body = io.BytesIO(f"csrf={token}&text=".encode() + b"a" * 1_100_000)
    assert (await post(claire, "/shelf", body, **{"Content-Type": "application/x-www-form-urlencoded"}))[0] == 413
    data = aiohttp.FormData({"csrf": token, "text": "x"})
    data.add_field("file", io.BytesIO(b"a" * 2_000_001), filename="a")
    assert (await post(claire, "/shelf", data))[0] == 413
    data = aiohttp.FormData({"csrf": token})
    data.add_field("text", "a" * 1_040_000, content_type="text/plain")
    data.add_field("more", "a" * 20_000)
    data.add_field("file", b"", filename="")
    assert (await post(claire, "/shelf", data))[0] == 413
    status, _, _ = await post(claire, "/shelf", {"csrf": token} | {f"f{n}": "" for n in range(1001)})
    assert status == 400


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/x-www-form-urlencoded", b"csrf={}&text=%00"),
        ("application/x-www-form-urlencoded", b"csrf={}&text=%ff%fe"),
        ("application/x-www-form-urlencoded", b"csrf={}&text=\xff"),
        ("multipart/form-data", b"--x\r\n"),
        ("multipart/form-data; boundary=x", b"no boundary at all"),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="csrf"\r\n\r\n{}'),
        (
            "multipart/form-data; boundary=x",
            TOKEN_PART + b'--x\r\nContent-Disposition: form-data; name="text"\r\n\r\na\0b\r\n--x--\r\n',
        ),
        (
            "multipart/form-data; boundary=x",
            TOKEN_PART + b"--x\r\nContent-Type: multipart/mixed; boundary=y\r\n\r\n--y\r\n\r\n--y--\r\n--x--\r\n",
        ),
    ],
)
async def test_a_malformed_form_gets_a_sentence(claire: Client, content_type: str, body: bytes) -> None:
    body = body.replace(b"{}", (await csrf_of(claire)).encode())
    status, text, _ = await post(claire, "/shelf", body, **{"Content-Type": content_type})
    assert status in (400, 403)
    assert "<h1>" in text


@pytest.mark.parametrize("path", ["//evil.test", "https://evil.test", "/\\evil.test", "/a\r\nSet-Cookie: x=1", ""])
async def test_nobody_is_led_to_another_site(claire: Client, path: str) -> None:
    form = {"csrf": await csrf_of(claire), "language": "en", "next": path}
    _, _, headers = await post(claire, "/language", form)
    assert headers["Location"] == "/"
    assert "x=1" not in headers["Set-Cookie"]


async def test_one_acts_only_for_a_post_that_one_holds(claire: Client) -> None:
    token = await csrf_of(claire)
    await post(claire, "/capacity", {"csrf": token, "capacity": "7"})
    assert "as Secrétariat" in (await read(claire, "/shelf", **{"Accept-Language": "en"}))[1]
    await post(claire, "/capacity", {"csrf": token, "capacity": "8"})
    assert "as Secrétariat" not in (await read(claire, "/shelf", **{"Accept-Language": "en"}))[1]


# -- static files and health


async def test_static_files_are_compressed_and_kept_for_ever(client: Client) -> None:
    _, text, _ = await read(client, "/shelf")
    path = text.partition('rel="stylesheet" href="')[2].partition('"')[0]
    async with client.get(path, auto_decompress=False, headers={"Accept-Encoding": "gzip"}) as response:
        packed = await response.read()
        assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert response.headers["Content-Encoding"] == "gzip"
    async with client.get(path, headers={"Accept-Encoding": "identity"}) as response:
        assert gzip.decompress(packed) == await response.read()


@pytest.mark.parametrize(
    "path", ["../config.py", "..%2fconfig.py", "%2e%2e/config.py", "/etc/passwd", "comgov.css", "%00", "."]
)
async def test_no_path_climbs_out_of_the_static_files(client: Client, path: str) -> None:
    status, _, _ = await read(client, f"/static/{path}")
    assert status == 404


async def test_health_and_readiness_are_told(client: Client) -> None:
    assert (await read(client, "/healthz"))[0] == 200
    status, text, _ = await read(client, "/readyz")
    assert status == 200
    assert [check["ok"] for check in json.loads(text)["checks"]] == [True]


@pytest.mark.parametrize(("items", "in_loop"), [(100, True), (30_000, False)])
async def test_long_pages_are_compressed_beside_the_loop(
    client: Client, monkeypatch: pytest.MonkeyPatch, items: int, in_loop: bool
) -> None:
    threads = []
    compress = gzip.compress

    def noted(content: bytes, *arguments: Any, **options: Any) -> bytes:
        threads.append(threading.current_thread())
        return compress(content, *arguments, **options)

    client.app[SHELF].extend(f"dossier {number}" for number in range(items))
    monkeypatch.setattr("gzip.compress", noted)
    async with client.get("/shelf", headers=HTML | {"Accept-Encoding": "gzip"}) as response:
        assert response.headers["Content-Encoding"] == "gzip"
        assert f"dossier {items - 1}</li>" in await response.text()
    assert [thread is threading.main_thread() for thread in threads] == [in_loop]
