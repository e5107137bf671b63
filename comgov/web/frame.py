"""The frame around every page: where one can go, what waits there, who one is, and what was just done."""

from __future__ import annotations

import asyncio
import gzip
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import hdrs, web
from markupsafe import Markup

from comgov.feature import PLATFORM, Feature, Place, Waiting
from comgov.web import csrf
from comgov.web.pages import FLASHES, TEMPLATES, Flash, Page, dump_flashes, language, load_flashes, local_now
from comgov.web.visitor import Visitor, cookie_name, drop_cookie, session_token, set_cookie, visitor

if TYPE_CHECKING:
    from collections.abc import Sequence

FEATURES: web.AppKey[Sequence[Feature]] = web.AppKey("features")

_HOME = Place(title="Home", path="/", icon="home", order=0)
_WORTH_COMPRESSING = 860  # bytes: one network packet less is the least gain
_LONG_TO_COMPRESS = 1 << 16  # bytes: 1 ms in the loop, while a trip to a thread costs a tenth of it
_GZIP_LEVEL = 6


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line of the rail."""

    place: Place
    waiting: int
    is_current: bool


@dataclass(frozen=True, kw_only=True)
class Frame:
    """What `base.html` shows around the content."""

    visitor: Visitor | None
    entries: Sequence[Entry]
    waiting: Sequence[Waiting]
    capacity: int | None
    flashes: Sequence[Flash]
    path: str


async def dress(request: web.Request, page: Page) -> None:
    """Render a page in its frame and compress it. Raises what templates raise."""
    frame = await _frame(request, page)
    form_cookies: dict[str, str] = {}

    def csrf_token() -> str:
        return csrf.token_for(_csrf_key(request, form_cookies))

    def csrf_field() -> Markup:
        return Markup('<input type="hidden" name="csrf" value="{}">').format(csrf_token())

    now = local_now(request)
    values = {**page.context, "frame": frame, "now": now, "csrf_field": csrf_field, "csrf_token": csrf_token}
    text = request.app[TEMPLATES].render(language(request), page.template, values)
    for name, value in form_cookies.items():
        set_cookie(request, page, name, value)
    if cookie_name(request, "flashes") in request.cookies:
        drop_cookie(request, page, "flashes")
    page.headers[hdrs.CONTENT_LANGUAGE] = language(request)
    page.headers[hdrs.VARY] = "Accept-Encoding, Accept-Language, Cookie"
    await _fill(request, page, text.encode())


def keep_flashes(request: web.Request, response: web.StreamResponse) -> None:
    """What was said while answering with something else than a page is said on the next one."""
    if flashes := request.get(FLASHES):
        set_cookie(request, response, "flashes", dump_flashes(flashes), max_age=60)


def fallback(request: web.Request, reference: str, *, status: int) -> web.Response:
    """The barest page there is, for when even the frame cannot be drawn."""
    sentence = request.app[TEMPLATES].catalogue(language(request)).gettext(_BARE)
    return web.Response(status=status, text=f"{sentence}\n\n{reference}\n", headers={hdrs.RETRY_AFTER: "5"})


_BARE = "This page cannot be shown at the moment. Nothing was lost; try again in a minute."


async def _frame(request: web.Request, page: Page) -> Frame:
    who = visitor(request)
    waiting = await _waiting(request, who) if page.status < web.HTTPInternalServerError.status_code else {}
    said = load_flashes(request.cookies.get(cookie_name(request, "flashes"), ""))
    return Frame(
        visitor=who,
        entries=[] if who is None else _entries(request, who, waiting),
        waiting=[one for several in waiting.values() for one in several],
        capacity=capacity(request),
        flashes=[*said, *request.get(FLASHES, [])],
        path=request.path_qs,
    )


async def _waiting(request: web.Request, who: Visitor | None) -> dict[str, Sequence[Waiting]]:
    if who is None:
        return {}
    platform = request.app[PLATFORM]
    return {
        feature.name: await feature.waiting(platform, who.actor)
        for feature in request.app[FEATURES]
        if feature.waiting is not None and feature.is_shown_to(who.actor)
    }


def _entries(request: web.Request, who: Visitor, waiting: dict[str, Sequence[Waiting]]) -> list[Entry]:
    places = [
        (feature.name, feature.place)
        for feature in request.app[FEATURES]
        if feature.place is not None and feature.is_shown_to(who.actor)
    ]
    found = [("", _HOME), *sorted(places, key=lambda pair: pair[1].order)]
    return [
        Entry(
            place=place,
            waiting=sum(one.count for one in waiting.get(name, ())),
            is_current=request.path == place.path or (place.path != "/" and request.path.startswith(place.path + "/")),
        )
        for name, place in found
    ]


def capacity(request: web.Request) -> int | None:
    """The post that the visitor chose to act for; None for themselves, or if they no longer hold it."""
    who = visitor(request)
    wish = request.cookies.get(cookie_name(request, "capacity"), "")
    held = {str(one.post_id): one.post_id for one in who.capacities} if who is not None else {}
    return held.get(wish)


def _csrf_key(request: web.Request, form_cookies: dict[str, str]) -> str:
    """The cookie that forms are bound to; before sign-in a random one, handed out with the first form."""
    if (session := session_token(request)) is not None:
        return session
    known = request.cookies.get(cookie_name(request, "visit")) or form_cookies.get("visit")
    if known is None:
        known = form_cookies["visit"] = secrets.token_urlsafe(16)
    return known


async def _fill(request: web.Request, page: Page, content: bytes) -> None:
    if len(content) >= _WORTH_COMPRESSING and "gzip" in request.headers.get(hdrs.ACCEPT_ENCODING, ""):
        is_long = len(content) > _LONG_TO_COMPRESS
        content = await asyncio.to_thread(_compressed, content) if is_long else _compressed(content)
        page.headers[hdrs.CONTENT_ENCODING] = "gzip"
    page.body = content


def _compressed(content: bytes) -> bytes:
    return gzip.compress(content, _GZIP_LEVEL, mtime=0)
