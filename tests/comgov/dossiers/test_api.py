"""A program drafts, seals, registers and fetches proofs over HTTP with name and password."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any

from comgov import authority
from comgov.actor import Role, console
from comgov.dossiers.receipts import verification
from comgov.people import actions as people
from comgov.signing.verdict import Valid

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.comgov.conftest import Browser
    from tests.comgov.government import Government

PASSWORD = "correct horse battery"


class Client:
    """Speaks JSON as somebody."""

    def __init__(self, browser: Browser, address: str) -> None:
        self._client = browser.client
        credentials = b64encode(f"{address}:{PASSWORD}".encode()).decode()
        self._headers = {"Authorization": f"Basic {credentials}", "Accept": "application/json"}

    async def json(self, method: str, path: str, *, expect: int = 200, **request: Any) -> Any:
        async with self._client.request(method, path, headers=self._headers, **request) as response:
            assert response.status == expect, await response.text()
            return await response.json() if response.content_length else None

    async def bytes(self, path: str) -> bytes:
        async with self._client.get(path, headers=self._headers) as response:
            assert response.status == 200
            return await response.read()


async def test_a_program_takes_a_dossier_all_the_way(
    government: Government, open_browser: Callable[..., Awaitable[Browser]]
) -> None:
    browser = await open_browser(government.platform)
    for code, name, role in (("sante", "aline", Role.SIGNATORY), ("finances", "grace", Role.REGISTRY_CLERK)):
        address = f"{name}@{code}.gov.test"
        await people.add_person(
            government.platform, console("test"), address=address, name=name, roles={role}, password=PASSWORD
        )
    aline, grace = Client(browser, "aline@sante.gov.test"), Client(browser, "grace@finances.gov.test")

    draft = {"designation": "Par programme", "recipients": ["finances"], "priority": "urgent"}
    made = await aline.json("POST", "/api/dossiers", json=draft, expect=201)
    here = f"/api/dossiers/{made['message']}"
    await aline.json("PUT", here, json={**draft, "observations": "Relu"})
    piece = await aline.json("PUT", f"{here}/pieces/Note%20n%C2%B01.txt", data=b"x" * 300_000, expect=201)
    assert (piece["name"], piece["size_bytes"]) == ("Note n°1.txt", 300_000)
    spare = await aline.json("PUT", f"{here}/pieces/autre", data=b"y", expect=201)
    await aline.json("DELETE", f"{here}/pieces/{spare['id']}", expect=204)
    fingerprint = (await aline.json("GET", here))["fingerprint"]
    sealed = await aline.json("POST", f"{here}/seal", json={"fingerprint": fingerprint})
    assert (sealed["number"], sealed["recipients"][0]["state"]) == ("2026/D/000001", "received")
    assert "error" in await aline.json("POST", f"{here}/seal", json={}, expect=409)

    listed = await grace.json("GET", "/api/dossiers/arrivals?state=waiting")
    assert [row["message"] for row in listed["rows"]] == [made["message"]]
    assert (await grace.json("POST", f"{here}/register"))["arrival"] == "2026/A/000001"
    assert (await grace.json("POST", f"{here}/acknowledge"))["state"] == "acknowledged"
    container = await grace.bytes(f"{here}/container")
    assert b"x" * 300_000 in container
    found = await aline.json("GET", f"{here}/receipts")
    receipts = [
        verification.Receipt(name=each["kind"], body=each["body"].encode(), signature=bytes.fromhex(each["signature"]))
        for each in found["finances"]
    ]
    assert isinstance(verification.verify_chain(receipts, await authority.trust(government.platform)), Valid)
    digest = found["finances"][0]["digest"]
    assert await aline.bytes(f"/api/receipts/{digest}.json") == receipts[0].body
    register = await grace.json("GET", "/api/register?direction=A")
    assert [row["number"] for row in register["rows"]] == ["2026/A/000001"]
    assert (await aline.bytes("/api/register/export")).startswith(b'{"register"')

    altered = container.replace(b"x" * 100, b"y" * 100, 1)
    refused = await grace.json("POST", "/api/containers?name=faux.asice", data=altered, expect=422)
    assert (refused["outcome"], refused["receipt"]["kind"]) == ("refused", "SubmissionRejection")
    assert (await grace.json("POST", "/api/containers", data=container))["outcome"] == "known"


async def test_a_program_is_told_what_is_wrong(
    government: Government, open_browser: Callable[..., Awaitable[Browser]]
) -> None:
    await people.add_person(
        government.platform, console("test"), address="claire@sante.gov.test", name="claire", password=PASSWORD
    )
    claire = Client(await open_browser(government.platform), "claire@sante.gov.test")
    for body in (b"", b"[]", b"nonsense", b'{"designation": 7}', b'{"designation": "x", "unknown": 1}', b"[" * 90_000):
        assert "error" in await claire.json("POST", "/api/dossiers", data=body, expect=400)
    assert "error" in await claire.json("POST", "/api/dossiers", data=b"x" * 300_000, expect=413)
    assert "error" in await claire.json(
        "POST", "/api/dossiers", json={"designation": "x", "recipients": ["?"]}, expect=404
    )
    assert "error" in await claire.json("POST", "/api/containers", data=b"", expect=403)
    assert "error" in await claire.json("GET", "/api/register", expect=403)
    assert "error" in await claire.json("GET", "/api/dossiers/6f1c2f3e-0000-4000-8000-000000000000", expect=404)
