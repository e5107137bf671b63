"""Signing in and out, one's own account, the directory, and the answer to "who asks" for every other room."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

from aiohttp import hdrs
from aiohttp import web as http

from comgov import web
from comgov.errors import ComgovError, Conflict, Forbidden, Invalid, NotFound, TooMany, Unauthenticated
from comgov.feature import PLATFORM
from comgov.institutions import actions as institutions
from comgov.institutions.model import KIND_TITLES, line_of, named
from comgov.language import LANGUAGES, N_, Language
from comgov.people import actions
from comgov.people.model import browser_named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from comgov.institutions.model import Branch
    from comgov.people.model import Actor

_INSTITUTIONS_ON_A_PAGE = 100
_INSTITUTIONS_FOUND = 20  # shown above the people found; more words narrow it down


async def visitors(request: http.Request, token: str) -> web.Visitor | None:
    """Who holds that session, as the frame of a page shows them; None when it ended. For `web.application`."""
    platform = request.app[PLATFORM]
    try:
        actor = await actions.resolve_session(platform, token, ip=web.client_ip(request))
    except Unauthenticated:
        return None
    institution = await institutions.get_by_id(platform, actor.institution_id)
    posts = await actions.posts_of(platform, actor) if actor.posts else []
    return web.Visitor(
        actor=actor,
        name=actor.name,
        address=actor.address,
        institution=institution.name(actor.language),
        language=actor.language,
        capacities=[web.Capacity(post_id=post.id, title=post.name) for post in posts],
    )


async def actor(request: http.Request) -> Actor:
    """Who acts: by the session's cookie, or by `Authorization: Basic` (programs, WebDAV).

    Raises Unauthenticated, which leads browsers to the sign-in page; what `authenticate` raises for Basic.
    """
    visitor = web.visitor(request)
    if visitor is not None:
        return visitor.actor
    credentials = _basic(request.headers.get(hdrs.AUTHORIZATION, ""))
    if credentials is None:
        raise Unauthenticated(N_("Please sign in. What you saved is kept."))
    address, password = credentials
    return await actions.authenticate(request.app[PLATFORM], address, password, ip=web.client_ip(request))


def _basic(header: str) -> tuple[str, str] | None:
    """User and password of RFC 7617; None if the header holds none."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None
    return (user, password) if colon else None


async def show_sign_in(request: http.Request) -> http.StreamResponse:
    """`GET /sign-in`: the form; whoever is signed in goes on."""
    way_on = request.query.get("next", "/")
    if web.visitor(request) is not None:
        return web.redirect(_local(way_on))
    return web.render(request, "people/sign_in.html", way_on=way_on, address="", error=None)


async def sign_in(request: http.Request) -> http.StreamResponse:
    """`POST /sign-in`: a fresh session, whatever cookie came along, so that none can be planted."""
    form = await web.form(request)
    platform, way_on, address = request.app[PLATFORM], form.get("next", "/"), form.get("address").strip()
    try:
        signed_in = await actions.sign_in(
            platform,
            address,
            form.get("password"),
            ip=web.client_ip(request),
            agent=request.headers.get(hdrs.USER_AGENT, ""),
        )
    except (Unauthenticated, Forbidden, TooMany) as error:
        return _refused(request, "people/sign_in.html", error, way_on=way_on, address=address)
    if (former := web.session_token(request)) is not None:
        await actions.sign_out(platform, former)
    response = web.redirect(_local(way_on))
    web.begin_session(request, response, signed_in.token)
    return response


async def sign_out(request: http.Request) -> http.StreamResponse:
    """`POST /sign-out`: end the session, here and in the browser."""
    if (token := web.session_token(request)) is not None:
        await actions.sign_out(request.app[PLATFORM], token)
    web.flash(request, N_("You are signed out."))
    response = web.redirect("/sign-in")
    web.end_session(request, response)
    return response


async def show_account(request: http.Request) -> http.StreamResponse:
    """`GET /account`: what one may change oneself."""
    return await _account(request)


async def choose_language(request: http.Request) -> http.StreamResponse:
    """`POST /account/language`: the language of one's pages, wherever one signs in."""
    who = await actor(request)
    form = await web.form(request)
    await actions.choose_language(request.app[PLATFORM], who, _language(form.get("language")))
    return web.redirect(_local(form.get("next", "/account")))


async def change_password(request: http.Request) -> http.StreamResponse:
    """`POST /account/password`: a new password; every other session ends."""
    who = await actor(request)
    form = await web.form(request)
    if form.get("password") != form.get("password_again"):
        differs = Invalid(N_("The new password was not typed the same way twice. Nothing was changed."))
        return await _account(request, error=differs)
    token = web.session_token(request) or ""
    try:
        await actions.change_password(
            request.app[PLATFORM], who, form.get("password_current"), form.get("password"), token=token
        )
    except Unauthenticated:
        wrong = Invalid(N_("The current password is not right. Nothing was changed."))
        return await _account(request, error=wrong)
    except (Invalid, TooMany, Forbidden) as error:
        return await _account(request, error=error)
    if await actions.app_passwords(request.app[PLATFORM], who):
        web.flash(
            request, N_("Your password is changed. Your other sessions have ended; your app passwords still work.")
        )
    else:
        web.flash(request, N_("Your password is changed. Your other sessions have ended."))
    return web.redirect("/account")


async def end_session(request: http.Request) -> http.StreamResponse:
    """`POST /account/sessions/{session_id}/end`: end a session of one's own, such as on a lost computer."""
    who = await actor(request)
    await actions.end_session(request.app[PLATFORM], who, int(request.match_info["session_id"]))
    web.flash(request, N_("The session has ended."))
    return web.redirect("/account")


async def show_app_passwords(request: http.Request) -> http.StreamResponse:
    """`GET /account/app-passwords`: which devices read one's mail, since when, and when they last did."""
    return await _app_passwords(request)


async def make_app_password(request: http.Request) -> http.StreamResponse:
    """`POST /account/app-passwords`: one for a device, shown in answer to this form alone."""
    who = await _signed_in(request)
    form = await web.form(request)
    name, current = form.get("name"), form.get("password_current")
    try:
        made, password = await actions.make_app_password(
            request.app[PLATFORM], who, name, current, seed=web.once(request)
        )
    except Unauthenticated:
        wrong = Invalid(N_("The current password is not right. Nothing was changed."))
        return await _app_passwords(request, name=name, error=wrong)
    except (Invalid, TooMany, Forbidden, Conflict) as error:
        return await _app_passwords(request, name=name, error=error)
    relay = request.app[PLATFORM].relay
    return web.render(
        request,
        "people/app_password.html",
        who=who,
        made=made,
        password=password,
        incoming=_server(relay.hostname, relay.config.imaps.port, relay.config.imap.port),
        outgoing=_server(relay.hostname, relay.config.submissions.port, relay.config.submission.port),
    )


async def revoke_app_password(request: http.Request) -> http.StreamResponse:
    """`POST /account/app-passwords/{password_id}/revoke`: whoever is signed in with it is no longer."""
    who = await actor(request)
    name = await actions.revoke_app_password(request.app[PLATFORM], who, int(request.match_info["password_id"]))
    web.flash(request, N_("The app password of “{name}” is revoked."), name=name)
    return web.redirect("/account/app-passwords")


async def show_directory(request: http.Request) -> http.StreamResponse:
    """`GET /directory?q=claire&after=12`: the tree of institutions (`after` a code), or who was looked up (an id)."""
    await actor(request)
    platform, text, after = request.app[PLATFORM], _looked_up(request), request.query.get("after", "")[:63]
    branches = await institutions.everyone(platform)
    if not text:
        shown, following = _branches_after(branches, after)
        return web.render(
            request,
            "people/directory.html",
            branches=shown,
            total=len(branches),
            after=after,
            following=following,
            kinds=KIND_TITLES,
        )
    found = named(branches, text) if not after else []
    return web.render(
        request,
        "people/found.html",
        text=text,
        institutions=found[:_INSTITUTIONS_FOUND],
        institutions_total=len(found),
        by_id={branch.institution.id: branch.institution for branch in branches},
        looked_up=await actions.look_up(platform, text, after=_number(after)),
        after=after,
        kinds=KIND_TITLES,
    )


async def show_institution(request: http.Request) -> http.StreamResponse:
    """`GET /directory/{code}?q=claire&after=12`: what is under an institution, and who belongs to it."""
    await actor(request)
    platform, text, after = request.app[PLATFORM], _looked_up(request), request.query.get("after", "")
    branches = await institutions.everyone(platform)
    line = line_of(branches, request.match_info["code"])
    if not line:
        raise NotFound(N_("There is no such institution in the directory."))
    institution = line[-1]
    return web.render(
        request,
        "people/institution.html",
        text=text,
        above=line[:-1],
        institution=institution,
        below=[branch for branch in branches if branch.institution.parent_id == institution.id],
        looked_up=await actions.look_up(platform, text, institution_id=institution.id, after=_number(after)),
        after=after,
        kinds=KIND_TITLES,
    )


def _looked_up(request: http.Request) -> str:
    return " ".join(request.query.get("q", "")[:100].split())


def _branches_after(branches: Sequence[Branch], code: str) -> tuple[Sequence[Branch], str | None]:
    """A page of the tree after the institution of that code, and the code to go on after."""
    codes = [branch.institution.code for branch in branches]
    begin = codes.index(code) + 1 if code in codes else 0
    end = begin + _INSTITUTIONS_ON_A_PAGE
    return branches[begin:end], codes[end - 1] if end < len(codes) else None


def _number(text: str) -> int:
    """An id of an address; 0, which no account has, for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else 0


async def _account(request: http.Request, *, error: ComgovError | None = None) -> http.StreamResponse:
    who, platform = await _signed_in(request), request.app[PLATFORM]
    values: dict[str, Any] = {
        "who": who,
        "sessions": await actions.sessions(platform, who),
        "app_passwords": len(await actions.app_passwords(platform, who)),
        "browser_named": browser_named,
    }
    if error is not None:
        return _refused(request, "people/account.html", error, **values)
    return web.render(request, "people/account.html", error=None, **values)


async def _app_passwords(
    request: http.Request, *, name: str = "", error: ComgovError | None = None
) -> http.StreamResponse:
    who = await _signed_in(request)
    passwords = await actions.app_passwords(request.app[PLATFORM], who)
    values: dict[str, Any] = {"who": who, "passwords": passwords, "most": actions.MOST_APP_PASSWORDS, "name": name}
    if error is not None:
        return _refused(request, "people/app_passwords.html", error, **values)
    return web.render(request, "people/app_passwords.html", error=None, **values)


async def _signed_in(request: http.Request) -> Actor:
    """Who acts, in a browser: pages of one's own account are for nobody else."""
    if web.visitor(request) is None:
        raise Unauthenticated(N_("Please sign in. What you saved is kept."))
    return await actor(request)


def _server(host: str, tls_port: int, starttls_port: int) -> dict[str, str | int] | None:
    """What a mail program asks of a server, in its words; None when it is not offered. Ports: 0 for none."""
    if tls_port:
        return {"host": host, "port": tls_port, "security": "SSL/TLS"}
    return {"host": host, "port": starttls_port, "security": "STARTTLS"} if starttls_port else None


def _refused(request: http.Request, template: str, error: ComgovError, **values: object) -> http.StreamResponse:
    """The form again, as it was filled, with what is wrong; never an empty one."""
    response = web.render(request, template, status=error.status, **values, error=error)
    if isinstance(error, TooMany):
        response.headers[hdrs.RETRY_AFTER] = "900"
    return response


def _language(wish: str) -> Language:
    for language in LANGUAGES:
        if wish == language:
            return language
    raise Invalid(N_("This language is not spoken here."))


def _local(path: str) -> str:
    return path if web.is_local(path) else "/"


routes = [
    http.get("/sign-in", show_sign_in),
    http.post("/sign-in", sign_in),
    http.post("/sign-out", sign_out),
    http.get("/directory", show_directory),
    http.get("/directory/{code:[a-z0-9-]{1,63}}", show_institution),
    http.get("/account", show_account),
    http.post("/account/language", choose_language),
    http.post("/account/password", change_password),
    http.get("/account/app-passwords", show_app_passwords),
    http.post("/account/app-passwords", make_app_password),
    http.post(r"/account/app-passwords/{password_id:\d{1,18}}/revoke", revoke_app_password),
    http.post(r"/account/sessions/{session_id:\d{1,18}}/end", end_session),
]
