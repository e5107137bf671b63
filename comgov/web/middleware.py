"""What every request passes, from the outside in.

    log_requests    an id, a line in the log: never a query, a body, a cookie or a secret part of a path
    render_pages    pages become HTML, compressed
    answer_errors   what went wrong becomes a page or JSON, never a trace
    admit           who visits, in which language, and whether the form is ours

Security headers are put on as a response starts, so that streamed ones wear them too.
"""

from __future__ import annotations

import json
import secrets
import time
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

import structlog
from aiohttp import hdrs, web

from comgov.errors import ComgovError, Forbidden, NotFound, TooLarge, TooMany, Unauthenticated, Unavailable
from comgov.language import N_
from comgov.web import csrf, forms
from comgov.web.frame import dress, fallback, keep_flashes
from comgov.web.pages import LANGUAGE, Page, choose_language, gettext, is_local, redirect
from comgov.web.visitor import client_ip, cookie_name, is_secure, recognise, session_token, visitor

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler

log = structlog.get_logger()

REQUEST_ID: web.RequestKey[str] = web.RequestKey("request id", str)

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "REPORT"})
_FORM_TYPES = frozenset({forms.URLENCODED, forms.MULTIPART, "text/plain"})  # what a browser sends across sites unasked
_UNVISITED = ("/static/", "/healthz", "/readyz", "/metrics")  # answered to anyone, whoever visits
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
_HSTS = "max-age=31536000"


def content_policy(*, images: str = "'self'") -> str:
    """The Content-Security-Policy of a page with other sources of images, such as `'self' https:`."""
    return _POLICY.replace("img-src 'self'", f"img-src {images}")


async def protect(request: web.Request, response: web.StreamResponse) -> None:
    """Signal `on_response_prepare`: the usual headers, where the handler did not set its own."""
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    if is_secure(request):
        response.headers.setdefault("Strict-Transport-Security", _HSTS)
    response.headers.popall(hdrs.SERVER, None)
    if (request_id := request.get(REQUEST_ID)) is not None:
        response.headers["X-Request-Id"] = request_id


@web.middleware
async def log_requests(request: web.Request, handler: Handler) -> web.StreamResponse:
    """One line a request, by the route's pattern: paths may hold secrets, such as a link's token."""
    request[REQUEST_ID] = secrets.token_hex(8)
    started = time.perf_counter()
    status = 499  # the client left before an answer
    try:
        response = await handler(request)
        status = response.status
    finally:
        resource = request.match_info.route.resource
        who = visitor(request)
        log.info(
            "request",
            method=request.method,
            route=resource.canonical if resource is not None else None,
            status=status,
            milliseconds=round(1000 * (time.perf_counter() - started), 1),
            id=request[REQUEST_ID],
            ip=client_ip(request),
            person=who.address if who is not None else None,
        )
        forms.end(request)
    return response


@web.middleware
async def render_pages(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn a page into HTML, in its frame."""
    response = await handler(request)
    if not isinstance(response, Page):
        if not response.prepared:
            keep_flashes(request, response)
        return response
    try:
        await dress(request, response)
    except Exception as error:  # a fault in a template: log it, answer what can be answered
        log.exception("page.failed", template=response.template, id=request[REQUEST_ID])
        return fallback(request, request[REQUEST_ID], status=error.status if isinstance(error, ComgovError) else 500)
    return response


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The one place where an error becomes a status."""
    try:
        return await handler(request)
    except ComgovError as error:
        _refuse_if_begun(request)
        log.info("refused", error=type(error).__name__, reason=error.reason, id=request[REQUEST_ID])
        return _answer(request, error)
    except web.HTTPException as error:
        if error.status < HTTPStatus.BAD_REQUEST:
            raise
        return _answer(request, _ours(error), status=error.status, headers=_kept_headers(error))
    except ConnectionResetError:
        raise  # the client left
    except Exception:
        _refuse_if_begun(request)
        log.exception("failed", id=request[REQUEST_ID])
        return _answer(request, _Unexpected())


class _Unexpected(ComgovError):
    """A fault of ours."""

    def __init__(self) -> None:
        super().__init__(
            N_(
                "Something went wrong on our side. What you had saved is kept. Try again; "
                "if it happens again, tell your ICT focal point the reference below."
            )
        )


def _refuse_if_begun(request: web.Request) -> None:
    """Once bytes went out nothing better can be said: let the connection break, so that the client knows."""
    if request.writer.output_size > 0:
        raise ConnectionResetError("the response had begun")


def _ours(error: web.HTTPException) -> ComgovError:
    """What aiohttp's own refusals mean in our words."""
    match error.status:
        case HTTPStatus.NOT_FOUND:
            return NotFound(N_("There is no page at this address. Check it, or start again from the home page."))
        case HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            return TooLarge(N_("What was sent is over the limit. Nothing was changed."))
        case _:
            return ComgovError(
                N_("This request cannot be carried out as it was sent. Nothing was changed."), reason=error.reason
            )


def _kept_headers(error: web.HTTPException) -> dict[str, str]:
    return {hdrs.ALLOW: error.headers[hdrs.ALLOW]} if hdrs.ALLOW in error.headers else {}


def _answer(
    request: web.Request, error: ComgovError, *, status: int | None = None, headers: dict[str, str] | None = None
) -> web.Response:
    wants_page = "text/html" in request.headers.get(hdrs.ACCEPT, "") and not request.path.startswith("/api/")
    status = status or error.status
    response: web.Response
    if wants_page and isinstance(error, Unauthenticated):
        response = redirect(f"/sign-in?next={_way_back(request)}")
    elif wants_page:
        response = Page("error.html", status, _explanation(request, error, status))
    else:
        sentence = gettext(request)(error.public).format(**error.values)
        body = {"error": sentence, "kind": type(error).__name__.strip("_"), "reference": request[REQUEST_ID]}
        response = web.Response(
            status=status, text=json.dumps(body, ensure_ascii=False) + "\n", content_type="application/json"
        )
    response.headers.update(headers or {})
    if isinstance(error, Unauthenticated) and not wants_page and session_token(request) is None:
        response.headers[hdrs.WWW_AUTHENTICATE] = 'Basic realm="COMGOV", charset="UTF-8"'
    if isinstance(error, (Unavailable, TooMany)):
        response.headers[hdrs.RETRY_AFTER] = "60" if isinstance(error, TooMany) else "5"
    return response


def _explanation(request: web.Request, error: ComgovError, status: int) -> dict[str, object]:
    """The values of error.html. again: after an outage, the form as it was filled; back: the page it was on."""
    again = [] if not isinstance(error, Unavailable) else forms.filled(request)
    back = None if request.method in ("GET", "HEAD") else _way_back(request)
    return {"error": error, "status": status, "reference": request[REQUEST_ID], "again": again, "back": back}


def _way_back(request: web.Request) -> str:
    """Where to return after sign-in: the page asked for, or the one whose form was sent."""
    if request.method in ("GET", "HEAD"):
        return quote(request.path_qs, safe="/")
    referer = urlsplit(request.headers.get(hdrs.REFERER, ""))
    is_ours = referer.netloc == request.host and is_local(referer.path)
    return quote(referer.path if is_ours else "/", safe="/")


@web.middleware
async def admit(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Know the visitor, speak their language, and let in only what they sent themselves."""
    if request.path.startswith(_UNVISITED):
        return await handler(request)
    wish, accepted = (
        request.cookies.get(cookie_name(request, "language")),
        request.headers.get(hdrs.ACCEPT_LANGUAGE, ""),
    )
    request[LANGUAGE] = choose_language(None, wish, accepted)
    who = await recognise(request)
    if who is not None and who.language is not None:
        request[LANGUAGE] = who.language
    if request.method not in _SAFE_METHODS:
        await _refuse_forgery(request)
    return await handler(request)


async def _refuse_forgery(request: web.Request) -> None:
    """Raise Forbidden for a request that the visitor's browser may have been tricked into.

    Whoever bears no session cookie and sends what no form can send (WebDAV, time-stamp queries, scripts with Basic
    authentication) lends an attacker no authority; everyone else shows the token of a page of ours.
    """
    fetch_site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get(hdrs.ORIGIN)
    if csrf.is_from_elsewhere(fetch_site, origin, request.host):
        raise Forbidden(_NOT_OURS, reason=f"Sec-Fetch-Site: {fetch_site}, Origin: {origin}")
    session = session_token(request)
    is_form = request.content_type in _FORM_TYPES
    if session is None and (not is_form or hdrs.AUTHORIZATION in request.headers):
        return
    key = session or request.cookies.get(cookie_name(request, "visit"))
    token = request.headers.get("X-CSRF-Token") or await forms.begin(request)
    if key is None or token is None or not csrf.is_token_of(token, key):
        raise Forbidden(_NOT_OURS, reason="no csrf token" if token is None else "csrf token of another session")
    request[_ONCE] = csrf.once(token, key)


def once(request: web.Request) -> bytes:
    """A secret of the form that was sent, 32 bytes: a second click on its button gives the same, a new page another.

    For what must come out the same twice and cannot be shown twice. Programs, which send no token, get a new one.
    """
    return request.get(_ONCE) or secrets.token_bytes(32)


_ONCE: web.RequestKey[bytes] = web.RequestKey("secret of the form", bytes)


_NOT_OURS = N_(
    "This form is too old, or came from another site. Nothing was changed. Go back, reload the page and send it again."
)
