"""Every page in a real browser: both languages, wide and narrow, with and without script."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.outside.office import ADMIN, ALINE, CLAIRE, GRACE, office

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

    from tests.outside.office import Office

pytestmark = pytest.mark.xdist_group("office")

FIRST_LOAD_BYTES, LATER_PAGE_BYTES = 100_000, 10_000
RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}}
NAMES = [
    *("sign-in", "home", "account", "not-found"),
    *("inbox", "inbox-unread", "search", "message", "write", "draft", "drafts"),
    *("files", "folder", "file", "links"),
    *("dossiers", "departures", "dossier", "dossier-received", "dossier-draft", "dossier-drafts", "dossier-new"),
    *("seal", "register", "present", "administration"),
]


@pytest.fixture(scope="module")
def lived_in() -> Iterator[Office]:
    with office() as found:
        yield found


@pytest.fixture(scope="module", params=["fr", "en"])
def speaking(request: pytest.FixtureRequest, lived_in: Office) -> str:
    """The language that everyone has chosen for the while."""
    for person in (CLAIRE, ALINE, GRACE, ADMIN):
        context = lived_in.open(person)
        page = context.new_page()
        page.goto("/account")
        page.locator(f'main button[name="language"][value="{request.param}"]').click()
        page.wait_for_url("**/account")
        context.close()
    language: str = request.param
    return language


def test_every_page_of_the_office_is_looked_at(lived_in: Office) -> None:
    assert lived_in.paths.keys() == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("width", [1280, 390])
def test_a_page_can_be_used_by_everyone(lived_in: Office, speaking: str, name: str, width: int) -> None:
    person, path = lived_in.paths[name]
    locale = {"fr": "fr-FR", "en": "en-GB"}[speaking]
    context = lived_in.open(person, locale=locale, viewport={"width": width, "height": 844})
    page = context.new_page()
    complaints = _complaints(page)
    response = page.goto(path)
    assert response is not None
    assert response.status == (404 if name == "not-found" else 200)
    assert page.locator("html").get_attribute("lang") == speaking
    assert page.locator("h1").count() >= 1
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    violations = Axe().run(page, options=RULES).response["violations"]
    assert [(one["id"], one["nodes"][0]["html"][:200]) for one in violations] == []
    if name != "not-found":
        assert complaints == []
    context.close()


@pytest.mark.parametrize("name", NAMES)
def test_a_page_stands_without_script(lived_in: Office, name: str) -> None:
    person, path = lived_in.paths[name]
    context = lived_in.open(person, java_script_enabled=False)
    page = context.new_page()
    page.goto(path)
    assert page.locator("main h1, main h2, aside h1").first.is_visible()
    context.close()


@pytest.mark.parametrize("name", ["sign-in", "home", "inbox", "message", "files", "dossiers"])
def test_a_first_visit_is_light_and_the_next_ones_lighter(lived_in: Office, name: str) -> None:
    person, path = lived_in.paths[name]
    context = lived_in.open(person)
    page = context.new_page()
    first = _weight(page, path)
    assert first <= FIRST_LOAD_BYTES
    assert _weight(page, path) <= LATER_PAGE_BYTES
    context.close()


def test_what_is_typed_while_the_line_is_down_comes_back(lived_in: Office) -> None:
    context = lived_in.open(CLAIRE)
    page = context.new_page()
    page.goto(lived_in.paths["draft"][1])
    context.set_offline(True)
    page.fill("#text", "Tapé pendant la coupure")
    _until(page, "Object.keys(localStorage).length > 0")
    assert page.locator(".line").is_visible()
    context.set_offline(False)
    _until(page, "Object.keys(localStorage).length == 0")
    page.reload()
    assert page.input_value("#text") == "Tapé pendant la coupure"
    context.close()


def test_keys_lead_through_the_list(lived_in: Office) -> None:
    context = lived_in.open(CLAIRE)
    page = context.new_page()
    page.goto(lived_in.paths["inbox"][1])
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_selector("article.mail")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "q"
    page.keyboard.press("Escape")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("c")
    page.wait_for_url("**/mail/write")
    context.close()


def _until(page: Page, expression: str) -> None:
    """Wait for a moment of the page; Playwright's own way evaluates strings, which the page's policy refuses."""
    for _ in range(150):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(200)
    raise AssertionError(expression)


def _complaints(page: Page) -> list[str]:
    """What the browser says is wrong with the page: errors, refused styles and scripts, failed requests."""
    found: list[str] = []
    page.on("console", lambda message: found.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: found.append(str(error)))
    page.on("requestfailed", lambda request: found.append(request.url))
    return found


def _weight(page: Page, path: str) -> int:
    """Bytes over the wire for a page and all that it asks for; what the browser had kept weighs nothing."""
    sizes: list[dict[str, Any]] = []
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.on("Network.loadingFinished", lambda event: sizes.append(event))  # noqa: PLW0108  # a wrapped built-in
    page.goto(path, wait_until="networkidle")
    session.detach()
    return sum(int(one["encodedDataLength"]) for one in sizes)
