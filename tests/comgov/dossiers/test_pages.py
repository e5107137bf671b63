"""The pages of dossiers, as a person walks through them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from comgov.actor import Role, console
from comgov.people import actions as people
from tests.comgov.dossiers.journey import container, sent

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.comgov.conftest import Browser
    from tests.comgov.government import Government

PASSWORD = "correct horse battery"
MESSAGE = r"[0-9a-f-]{36}"


@pytest.fixture
async def signed_in(
    government: Government, open_browser: Callable[..., Awaitable[Browser]]
) -> Callable[..., Awaitable[Browser]]:
    """A browser in which somebody of that institution with those roles is signed in."""

    async def signed_in(code: str, *roles: Role, name: str) -> Browser:
        address = f"{name.lower()}@{code}.gov.test"
        await people.add_person(
            government.platform, console("test"), address=address, name=name, roles=frozenset(roles), password=PASSWORD
        )
        browser = await open_browser(government.platform)
        await browser.sign_in(address, PASSWORD)
        return browser

    return signed_in


async def test_a_dossier_is_drafted_sealed_registered_and_acknowledged_in_the_browser(
    signed_in: Callable[..., Awaitable[Browser]],
) -> None:
    aline = await signed_in("sante", Role.SIGNATORY, name="Aline")
    grace = await signed_in("finances", Role.REGISTRY_CLERK, name="Grace")
    assert "Rien n’est encore arrivé" in (await grace.get("/dossiers")).text

    fields = [("designation", "Budget 2027"), ("recipients", "finances"), ("mention", "action"), ("deadline", "")]
    begun = await aline.fill("/dossiers/new", fields)
    assert begun.status == 303, begun.text
    draft = begun.location
    added = await aline.fill(
        draft,
        to=f"{draft}/pieces",
        files=[
            ("pieces", "Budget.pdf", b"%PDF budget", "application/pdf"),
            ("pieces", "Note.txt", b"note", "text/plain"),
        ],
    )
    assert added.status == 303, added.text
    page = (await aline.get(draft)).text
    assert "Budget.pdf" in page
    assert "Note.txt" in page

    solemn = (await aline.get(f"{draft}/seal")).text
    assert "Sceller 2 pièces et transmettre, en tant que signataire" in solemn
    assert "Aline, vous scellez en tant que signataire" in solemn
    assert "Institution finances" in solemn
    fingerprint = re.search('name="fingerprint" value="([0-9a-f]{64})"', solemn)
    assert fingerprint is not None
    sealed = await aline.fill(f"{draft}/seal", {"fingerprint": fingerprint[1]})
    assert sealed.status == 303, sealed.text
    story = (await aline.get(sealed.location)).text
    assert "2026/D/000001" in story
    assert "Scellé" in story
    assert "Reçu" in story
    assert (await aline.get(draft)).location == sealed.location

    listed = (await grace.get("/dossiers")).text
    assert "Budget 2027" in listed
    assert "À enregistrer" in listed
    home = (await grace.get("/")).text
    assert "/dossiers?state=waiting" in home
    registered = await grace.fill(sealed.location, to=f"{sealed.location}/register")
    assert registered.status == 303, registered.text
    assert "2026/A/000001" in (await grace.get(sealed.location)).text
    await grace.fill(sealed.location, to=f"{sealed.location}/acknowledge")
    assert "Accusé" in (await aline.get(sealed.location)).text

    piece = await grace.get(f"{sealed.location}/pieces/2")
    assert piece.text == "note"
    assert "attachment" in piece.headers["Content-Disposition"]
    part = await grace.get(f"{sealed.location}/pieces/1", Range="bytes=5-")
    assert (part.status, part.text) == (206, "budget")
    for path in ("/dossiers/register", "/dossiers/register?direction=A&year=2026"):
        assert "Budget 2027" in (await grace.get(path)).text or "direction=A" not in path
    receipt = re.search(r"/dossiers/receipts/[0-9a-f]{64}", story)
    assert receipt is not None
    assert "Reçu\N{NO-BREAK SPACE}: Scellé" in (await aline.get(receipt[0])).text
    assert (await aline.get(f"{receipt[0]}.json")).status == 200
    assert (await aline.get(f"{sealed.location}/receipts.zip")).status == 200
    assert "Budget 2027" in (await aline.get("/dossiers/departures?q=budget")).text
    assert "Budget 2027" not in (await aline.get("/dossiers/departures?q=rien")).text


async def test_an_altered_container_is_refused_on_a_page_with_evidence(
    government: Government, signed_in: Callable[..., Awaitable[Browser]]
) -> None:
    dossier = await sent(government)
    content = bytearray(await container(government, dossier.message_id))
    content[content.index(b"rapport")] ^= 1
    grace = await signed_in("finances", Role.REGISTRY_CLERK, name="Grace")
    files = [("container", "altéré.asice", bytes(content), "application/vnd.etsi.asic-e+zip")]
    presented = await grace.fill("/dossiers/present", files=files)
    assert presented.status == 303, presented.text
    report = (await grace.get(presented.location)).text
    assert "Le conteneur est refusé" in report
    assert "altéré.asice" in report
    receipt = re.search(r"/dossiers/receipts/[0-9a-f]{64}", report)
    assert receipt is not None
    assert "Refusé" in (await grace.get(receipt[0])).text
    again = await grace.fill("/dossiers/present", files=files)
    assert again.location == presented.location


ANSWERED = [
    "/dossiers",
    "/dossiers?state=nonsense&q=%00%25_&after=x_y",
    "/dossiers?after=99999999999999999999_6f1c2f3e-0000-4000-8000-000000000000",
    "/dossiers/departures?after=1_6f1c2f3e-0000-4000-8000-000000000000",
    "/dossiers/drafts?q=" + "a" * 5000,
    "/dossiers/register?year=99999&before=-1&direction=Z",
    "/dossiers/new",
    "/dossiers/present",
]
MISSING = [
    "/dossiers/6f1c2f3e-0000-4000-8000-000000000000",
    "/dossiers/new?reply=6f1c2f3e-0000-4000-8000-000000000000",
    "/dossiers/new?reply=nonsense",
    "/dossiers/drafts/6f1c2f3e-0000-4000-8000-000000000000",
    "/dossiers/receipts/" + "0" * 64,
    "/dossiers/reports/1",
    "/dossiers/6f1c2f3e-0000-4000-8000-000000000000/container",
    "/dossiers/6f1c2f3e-0000-4000-8000-000000000000/pieces/1",
    "/dossiers/6f1c2f3e-0000-4000-8000-000000000000/receipts.zip",
]


async def test_any_address_is_answered_and_what_is_not_there_is_said_so(
    signed_in: Callable[..., Awaitable[Browser]],
) -> None:
    clerk = await signed_in("finances", Role.REGISTRY_CLERK, name="Grace")
    assert {path: (await clerk.get(path)).status for path in ANSWERED} == dict.fromkeys(ANSWERED, 200)
    assert {path: (await clerk.get(path)).status for path in MISSING} == dict.fromkeys(MISSING, 404)


async def test_a_form_that_is_refused_keeps_what_was_typed(signed_in: Callable[..., Awaitable[Browser]]) -> None:
    claire = await signed_in("sante", name="Claire")
    fields = [("designation", "x" * 301), ("recipients", "ngozi"), ("observations", "À ne pas perdre")]
    refused = await claire.fill("/dossiers/new", fields)
    assert refused.status == 400
    assert "À ne pas perdre" in refused.text
    assert 'value="ngozi" checked' in refused.text
