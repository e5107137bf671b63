"""Who visits, as the frame of a page needs to know it, and the cookie that says so.

This floor lies below people: whoever knows the sessions is passed in as `Visitors` by `app`.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TypeAlias

from aiohttp import web

from comgov.actor import Actor
from comgov.feature import PLATFORM
from comgov.language import Language
from comgov.web.config import Config


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """A post that the visitor holds and may act for, such as the Secrétariat."""

    post_id: int
    title: str


@dataclass(frozen=True, kw_only=True)
class Visitor:
    """The person behind a valid session.

    actor: what `people.web.actor` gives to actions.
    language: the person's own choice, None to follow the browser.
    capacities: the posts held now.
    """

    actor: Actor
    name: str
    address: str
    institution: str
    language: Language | None = None
    capacities: Sequence[Capacity] = ()


Visitors: TypeAlias = Callable[[web.Request, str], Awaitable[Visitor | None]]
"""Gives the visitor of a session token; None when the session ended or never was. Raises Unavailable."""

VISITORS: web.AppKey[Visitors] = web.AppKey("visitors")
_VISITOR: web.RequestKey[Visitor] = web.RequestKey("visitor")


async def nobody(_request: web.Request, _token: str) -> Visitor | None:
    """The resolver of a platform without people."""
    return None


async def recognise(request: web.Request) -> Visitor | None:
    """Resolve the session cookie, once a request."""
    token = session_token(request)
    if token is None:
        return None
    found = await request.app[VISITORS](request, token)
    if found is not None:
        request[_VISITOR] = found
    return found


def visitor(request: web.Request) -> Visitor | None:
    """Who visits; None before sign-in."""
    return request.get(_VISITOR)


def cookie_name(request: web.Request, name: str) -> str:
    """Under TLS the `__Host-` prefix, which no other host can set (RFC 6265bis §4.1.3.2)."""
    return f"__Host-{name}" if is_secure(request) else name


def session_token(request: web.Request) -> str | None:
    """The token in the session cookie, unchecked; None without one."""
    return request.cookies.get(cookie_name(request, "session")) or None


def set_cookie(
    request: web.Request, response: web.StreamResponse, name: str, value: str, *, max_age: int | None = None
) -> None:
    """A cookie that scripts cannot read and other sites cannot use; kept `max_age` seconds, None: this session."""
    response.set_cookie(
        cookie_name(request, name),
        value,
        max_age=max_age,
        path="/",
        secure=is_secure(request),
        httponly=True,
        samesite="Lax",
    )


def drop_cookie(request: web.Request, response: web.StreamResponse, name: str) -> None:
    """Forget that cookie."""
    response.del_cookie(cookie_name(request, name), path="/", secure=is_secure(request), httponly=True, samesite="Lax")


def begin_session(request: web.Request, response: web.StreamResponse, token: str) -> None:
    """Put a fresh session token in the visitor's hands; what served before sign-in is forgotten."""
    set_cookie(request, response, "session", token)
    drop_cookie(request, response, "visit")


def end_session(request: web.Request, response: web.StreamResponse) -> None:
    """Take it back, and with it what the browser kept of the person's pages (W3C Clear Site Data)."""
    drop_cookie(request, response, "session")
    drop_cookie(request, response, "capacity")
    response.headers["Clear-Site-Data"] = '"cache", "storage"'


def is_secure(request: web.Request) -> bool:
    """Whether the visitor came by TLS, to us or to a load balancer that we trust."""
    if _behind_proxy(request):
        return request.headers.get("X-Forwarded-Proto", "").strip().lower() == "https"
    return request.secure


def public_url(request: web.Request) -> str:
    """Where people find this server, without a final slash: what stands before a path that is sent on to others.

    The Host header is believed of loopback names alone: a link to wherever a client claims we are would be a forgery
    in our name. Without a configured URL it is the address that the connection was made to, which nobody can choose.
    """
    if configured := request.app[PLATFORM].config(Config).public_url:
        return configured
    scheme = "https" if is_secure(request) else "http"
    if _LOOPBACK.fullmatch(request.host):
        return f"{scheme}://{request.host}"
    host, port = request.get_extra_info("sockname")[:2]
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


_LOOPBACK = re.compile(r"(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?")


def is_direct(request: web.Request) -> bool:
    """Whether the connection is the visitor's own: from no trusted proxy, and no other left its mark on the request."""
    return not _behind_proxy(request) and not any(name in request.headers for name in _FORWARDED)


_FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "Via")


def client_ip(request: web.Request) -> str:
    """The visitor's address: the connection's, or what a trusted load balancer wrote last."""
    if _behind_proxy(request):
        last = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
        try:
            return str(ip_address(last))
        except ValueError:
            pass
    return request.remote or ""


def _behind_proxy(request: web.Request) -> bool:
    trusted = request.app[PLATFORM].config(Config).trusted_proxies
    if not trusted or not request.remote:
        return False
    remote = ip_address(request.remote.partition("%")[0])
    return any(remote in network for network in trusted)
