"""Every page in a real browser: both languages, wide and narrow, with and without script."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT

from comgov import web
from comgov.app import FEATURES
from tests.outside.office import office
from tests.outside.pages import CLAIRE, EVERYONE, NO_PAGES, PAGES, Page

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Page as Tab

    from comgov.feature import Platform
    from tests.outside.office import Office

pytestmark = pytest.mark.xdist_group("office")

FIRST_LOAD_BYTES, LATER_PAGE_BYTES = 100_000, 10_000
WIDTHS = (1280, 390)
LOCALES = {"fr": "fr-FR", "en": "en-GB"}
RULES = {
    "resultTypes": ["violations"],
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]},
}
EVERY_PAGE = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


@pytest.fixture(scope="module")
def lived_in() -> Iterator[Office]:
    with office() as found:
        yield found


@pytest.fixture(scope="module", params=["fr", "en"])
def speaking(request: pytest.FixtureRequest, lived_in: Office) -> str:
    """The language that everyone has chosen for the while."""
    language: str = request.param
    for person in EVERYONE:
        lived_in.speak(person, language)
    return language


async def test_every_page_of_the_application_is_looked_at(platform: Platform) -> None:
    """A route that answers GET is a page of the list, or is named as none."""
    app = web.application(platform, FEATURES)
    resources = {route.resource.canonical for route in app.router.routes() if route.method == "GET" and route.resource}
    listed = {page.route for page in PAGES}
    assert {path for path in resources if not path.startswith("/api/")} == listed | NO_PAGES.keys()
    assert not listed & NO_PAGES.keys()


@EVERY_PAGE
def test_a_page_can_be_used_by_everyone(lived_in: Office, speaking: str, page: Page) -> None:
    """Wide and narrow nothing sticks out and axe finds nothing; no complaint of the browser; light, then lighter."""
    with lived_in.tab(page.person, locale=LOCALES[speaking]) as tab:
        complaints = _complaints(tab)
        assert _weight(tab, lambda: lived_in.visit(page, tab)) <= FIRST_LOAD_BYTES
        assert tab.locator("html").get_attribute("lang") == speaking
        assert tab.locator("h1").count() >= 1
        tab.evaluate(AXE_SCRIPT)
        for width in WIDTHS:
            tab.set_viewport_size({"width": width, "height": 844})
            tab.evaluate("scrollTo(0, 0)")  # axe objects to what the bar on top covers, wherever one has scrolled to
            assert tab.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), width
            violations = tab.evaluate(f"axe.run({json.dumps(RULES)})")["violations"]
            assert [(width, one["id"], one["nodes"][0]["html"][:200]) for one in violations] == []
        # a form and what comes of it are two pages
        assert _weight(tab, lambda: lived_in.visit(page, tab)) <= LATER_PAGE_BYTES * (2 if page.deed else 1)
        # the browser itself says so when a page comes with a refusal, as it should here
        assert [said for said in complaints if page.status == 200 or str(page.status) not in said] == []


@EVERY_PAGE
def test_a_page_stands_without_script(lived_in: Office, page: Page) -> None:
    with lived_in.tab(page.person, java_script_enabled=False) as tab:
        assert lived_in.visit(page, tab) == page.status
        assert re.fullmatch(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(page.route)), _route_of(lived_in, page))
        assert tab.locator("main h1, main h2, aside h1").first.is_visible()


def _route_of(lived_in: Office, page: Page) -> str:
    """The path without its query; a page that is not there stands for the route that it is not of."""
    path = lived_in.path(page).partition("?")[0]
    return page.route if path == "/nowhere" else path


def test_what_is_typed_while_the_line_is_down_comes_back(lived_in: Office) -> None:
    context = lived_in.open(CLAIRE)
    page = context.new_page()
    page.goto(lived_in.known["draft"])
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
    page.goto(lived_in.known["inbox"])
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


def _until(tab: Tab, expression: str) -> None:
    """Wait for a moment of the page; Playwright's own way evaluates strings, which the page's policy refuses."""
    for _ in range(150):
        if tab.evaluate(expression):
            return
        tab.wait_for_timeout(200)
    raise AssertionError(expression)


_ABORTED = "net::ERR_ABORTED"  # by going on to the next page: an icon that was still on its way, say


def _complaints(tab: Tab) -> list[str]:
    """What the browser says is wrong with the page: errors, refused styles and scripts, failed requests."""
    found: list[str] = []
    tab.on("console", lambda message: found.append(message.text) if message.type in ("error", "warning") else None)
    tab.on("pageerror", lambda error: found.append(str(error)))
    tab.on("requestfailed", lambda request: None if request.failure == _ABORTED else found.append(request.url))
    return found


def _weight(tab: Tab, visit: Callable[[], object]) -> int:
    """Bytes over the wire for a visit and all that it asks for; what the browser had kept weighs nothing."""
    sizes: list[dict[str, Any]] = []
    session = tab.context.new_cdp_session(tab)
    session.send("Network.enable")
    session.on("Network.loadingFinished", lambda event: sizes.append(event))  # noqa: PLW0108  # a wrapped built-in
    visit()
    tab.wait_for_timeout(60)  # icons come after the load event
    session.detach()
    return sum(int(one["encodedDataLength"]) for one in sizes)
