"""The administrators' pages: usage, institutions, people; and `/metrics`."""

from __future__ import annotations

import asyncio
import hmac
import re
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from aiohttp import hdrs
from aiohttp import web as http
from babel.dates import format_skeleton
from pydantic import BaseModel

from comgov import web
from comgov.administration import actions, metrics
from comgov.administration.config import Config
from comgov.administration.model import (
    Figures,
    Period,
    Report,
    month_before,
    month_named,
    month_of,
    must_administer_something,
    share,
)
from comgov.errors import ComgovError, Conflict, Forbidden, Invalid, NotFound, Unavailable
from comgov.feature import PLATFORM
from comgov.institutions import actions as institutions
from comgov.institutions.model import (
    KIND_TITLES,
    Institution,
    Kind,
    State,
    must_administer,
    must_administer_the_platform,
)
from comgov.language import N_
from comgov.people import actions as people
from comgov.people.model import Role, may_grant
from comgov.people.passwords import generate_password
from comgov.people.web import actor as who_asks
from comgov.table import Format, render

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from comgov.institutions.model import Branch
    from comgov.people.model import Actor

_PEOPLE_ON_A_PAGE = 50
_GIBIBYTE = 1 << 30
_SHORTEST_TOKEN = 16  # characters; a shorter one, or an empty file, opens nothing

ROLES = {
    Role.REGISTRY_CLERK: N_("Registry clerk"),
    Role.SIGNATORY: N_("Signatory"),
    Role.AUDITOR: N_("Auditor"),
    Role.INSTITUTION_ADMINISTRATOR: N_("Administrator of the institution"),
    Role.PLATFORM_ADMINISTRATOR: N_("Administrator of the platform"),
}


async def show_usage(request: http.Request) -> http.StreamResponse:
    """`GET /administration`: sentences, then the figures of a month."""
    actor, report = await _asked(request)
    before = month_before(report.period)
    is_platform = actor.has(Role.PLATFORM_ADMINISTRATOR)
    return web.render(
        request,
        "administration/usage.html",
        report=report,
        month=f"{report.period.since:%Y-%m}",
        name_of=lambda month: format_skeleton("yMMMM", month_named(month).since, locale=web.language(request)),
        month_before=f"{before.since:%Y-%m}",
        month_after=f"{report.period.until:%Y-%m}" if report.period.until <= request.app[PLATFORM].clock() else None,
        is_platform=is_platform,
        outgoing=await actions.outgoing(request.app[PLATFORM]) if is_platform else None,
        share=share,
    )


async def download_usage(request: http.Request) -> http.StreamResponse:
    """`GET /administration/usage.csv` and `.json`: the same figures, exact."""
    style = Format(request.match_info["style"])
    _, report = await _asked(request)
    name = f"usage-{report.period.since:%Y-%m}.{style}"
    return http.Response(
        text=render([usage.as_row() for usage in report.usages], style),
        content_type="text/csv" if style is Format.CSV else "application/json",
        charset="utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


@dataclass(frozen=True, kw_only=True)
class InstitutionUsage(Figures):
    """The exact figures of one institution over the period, and what it fills now; sizes in bytes."""

    institution: str
    domain: str
    state: State


class UsageJson(BaseModel, frozen=True):
    """Exact figures of a month, by institution. until: where it ends, excluded."""

    since: datetime
    until: datetime
    institutions: list[InstitutionUsage]


@web.describe(
    returns=UsageJson,
    refuses={403: "One does not administer it", 404: "There is no such institution"},
    query={
        "month": "such as 2026-11; this one by default",
        "institution": "a code; all that one administers by default",
    },
)
async def get_usage(request: http.Request) -> http.StreamResponse:
    """`GET /api/usage?month=2026-11&institution=sante`: the same figures for programs."""
    _, report = await _asked(request)
    found = {
        "since": report.period.since,
        "until": report.period.until,
        "institutions": [usage.as_row() for usage in report.usages],
    }
    return web.answer(UsageJson.model_validate(found))


async def _asked(request: http.Request) -> tuple[Actor, Report]:
    actor = await who_asks(request)
    platform = request.app[PLATFORM]
    return actor, await actions.usage(platform, actor, _period(request), request.query.get("institution", "") or None)


def _period(request: http.Request) -> Period:
    month = request.query.get("month", "")
    return month_named(month) if month else month_of(request.app[PLATFORM].clock())


async def show_institutions(request: http.Request) -> http.StreamResponse:
    """`GET /administration/institutions`: the tree, and how to add to it."""
    actor = await who_asks(request)
    must_administer_the_platform(actor)
    return await _institutions(request, {}, None)


async def add_institution(request: http.Request) -> http.StreamResponse:
    """`POST /administration/institutions`."""
    actor = await who_asks(request)
    form = await web.form(request)
    try:
        added = await institutions.add(
            request.app[PLATFORM],
            actor,
            code=form.get("code").strip().lower(),
            name_fr=form.get("name_fr"),
            name_en=form.get("name_en").strip(),
            kind=_kind(form.get("kind")),
            province=form.get("province").strip(),
            parent=form.get("parent") or None,
            quota_bytes=_gibibytes(form.get("quota")),
        )
    except (Invalid, Conflict, NotFound) as error:
        return await _institutions(request, form.values(), error)
    web.flash(request, N_("{name} is added. Its mail domain is {domain}."), name=added.name_fr, domain=added.domain)
    return web.redirect("/administration/institutions")


async def set_institution_state(request: http.Request) -> http.StreamResponse:
    """`POST /administration/institutions/{code}/suspend` and `/resume`."""
    actor, platform = await who_asks(request), request.app[PLATFORM]
    code = request.match_info["code"]
    if request.match_info["deed"] == "suspend":
        changed = await institutions.suspend(platform, actor, code)
        web.flash(request, N_("{name} is suspended: nobody of it can sign in."), name=changed.name_fr)
    else:
        changed = await institutions.resume(platform, actor, code)
        web.flash(request, N_("{name} is active again."), name=changed.name_fr)
    return web.redirect("/administration/institutions")


async def _institutions(
    request: http.Request, filled: Mapping[str, str], error: ComgovError | None
) -> http.StreamResponse:
    translate = web.gettext(request)
    branches = await institutions.everyone(request.app[PLATFORM])
    return web.render(
        request,
        "administration/institutions.html",
        status=error.status if error else 200,
        branches=branches,
        titles={kind: translate(title) for kind, title in KIND_TITLES.items()},
        parents=[("", translate(N_("None above it"))), *_choices(request, branches)],
        filled=filled,
        error=error,
    )


async def show_people(request: http.Request) -> http.StreamResponse:
    """`GET /administration/people?institution=sante&q=claire&after=…`."""
    actor = await who_asks(request)
    must_administer_something(actor)
    return await _people(request, actor, await _institution(request, actor, request.query.get("institution", "")))


async def add_person(request: http.Request) -> http.StreamResponse:
    """`POST /administration/people`: a new person with a first password, shown in answer to this form alone.

    A second click on its button shows the same again, since the first answer never reached the eyes.
    """
    actor = await who_asks(request)
    form = await web.form(request)
    platform = request.app[PLATFORM]
    institution = await _institution(request, actor, form.get("institution"))
    address = f"{form.get('local_part').strip()}@{institution.domain}"
    password = _first_password(request, address)
    try:
        added = await people.add_person(
            platform, actor, address, form.get("name"), password=password, roles=_roles(form.getall("role"))
        )
    except (Invalid, NotFound) as error:
        return await _people(request, actor, institution, form, error)
    except Conflict as error:
        if not await _was_added(request, actor, address, password):
            return await _people(request, actor, institution, form, error)
        added = await people.get_person(platform, address)
    return web.render(
        request, "administration/password.html", person=added, password=password, institution=institution, is_new=True
    )


def _first_password(request: http.Request, address: str) -> str:
    """The password that this form gives that person."""
    return generate_password(web.once(request) + address.encode(errors="replace"))


async def _was_added(request: http.Request, actor: Actor, address: str, password: str) -> bool:
    """Whether this very form added the person a moment ago: nobody else can have that password."""
    try:
        return await people.is_password_of(request.app[PLATFORM], actor, address, password)
    except (NotFound, Forbidden):  # the address of a post or a list
        return False


async def change_person(request: http.Request) -> http.StreamResponse:
    """`POST /administration/people/disable`, `/enable` and `/password`: for the `address` in the form."""
    actor, platform = await who_asks(request), request.app[PLATFORM]
    form = await web.form(request)
    address, deed = form.get("address"), request.match_info["deed"]
    if deed == "password":
        password = _first_password(request, address)
        await people.set_password(platform, actor, address, password)
        person = await people.get_person(platform, address)
        institution = await institutions.get_by_id(platform, person.institution_id)
        return web.render(
            request, "administration/password.html", person=person, password=password, institution=institution,
            is_new=False,
        )  # fmt: skip
    if deed == "disable":
        person = await people.disable_person(platform, actor, address)
        web.flash(request, N_("The account of {name} is closed. Nothing of it is lost."), name=person.name)
    else:
        person = await people.enable_person(platform, actor, address)
        web.flash(request, N_("The account of {name} is open again."), name=person.name)
    institution = await institutions.get_by_id(platform, person.institution_id)
    return web.redirect(_people_path(institution.code, form.get("q"), form.get("after")))


async def _people(
    request: http.Request,
    actor: Actor,
    institution: Institution,
    form: web.Form | None = None,
    error: ComgovError | None = None,
) -> http.StreamResponse:
    must_administer(actor, institution.id)
    platform = request.app[PLATFORM]
    text, after = request.query.get("q", "")[:100], request.query.get("after", "")[:300]
    found = await people.people(platform, institution.id, text=text, after=after, limit=_PEOPLE_ON_A_PAGE)
    is_platform = actor.has(Role.PLATFORM_ADMINISTRATOR)
    choices = _choices(request, await institutions.everyone(platform)) if is_platform else []
    return web.render(
        request,
        "administration/people.html",
        status=error.status if error else 200,
        institution=institution,
        choices=choices,
        found=found,
        text=text,
        after=after,
        first=_people_path(institution.code, text, "") if after else None,
        next=_people_path(institution.code, text, found.after) if found.after else None,
        roles={role: title for role, title in ROLES.items() if may_grant(actor, institution.id, {role})},
        titles=ROLES,
        me=actor,
        may_manage=lambda person: may_grant(actor, person.institution_id, person.roles),
        filled=form.values() if form else {},
        ticked=form.getall("role") if form else [],
        error=error,
    )


def _choices(request: http.Request, branches: Sequence[Branch]) -> list[tuple[str, str]]:
    """Institutions for a field of choices: code and name, in the order of the tree."""
    return [(branch.institution.code, branch.institution.name(web.language(request))) for branch in branches]


def _people_path(code: str, text: str, after: str) -> str:
    wanted = {"institution": code, "q": text, "after": after}
    return "/administration/people?" + urlencode({key: value for key, value in wanted.items() if value})


async def _institution(request: http.Request, actor: Actor, code: str) -> Institution:
    """The one asked for, or the actor's own; raises Forbidden unless the actor runs it."""
    platform = request.app[PLATFORM]
    found = await (institutions.get(platform, code) if code else institutions.get_by_id(platform, actor.institution_id))
    must_administer(actor, found.id)
    return found


def _roles(wishes: list[str]) -> set[Role]:
    try:
        return {Role(wish) for wish in wishes}
    except ValueError as error:
        raise Invalid(N_("There is no such role.")) from error


def _kind(wish: str) -> Kind:
    try:
        return Kind(wish)
    except ValueError as error:
        raise Invalid(N_("There is no such kind of institution.")) from error


def _gibibytes(text: str) -> int | None:
    clean = text.strip()
    if not clean:
        return None
    if not re.fullmatch(r"\d{1,7}", clean, re.ASCII):
        raise Invalid(N_("A quota is a whole number of gibibytes, such as 100."))
    return int(clean) * _GIBIBYTE


async def show_metrics(request: http.Request) -> http.StreamResponse:
    """`GET /metrics`: for the networks configured, holders of the token, and platform administrators."""
    platform = request.app[PLATFORM]
    config = platform.config(Config)
    if not (_is_from(config, request) or await _has_token(config, request)):
        actor = await who_asks(request)
        if not actor.has(Role.PLATFORM_ADMINISTRATOR):
            raise Forbidden(N_("Only an administrator of the platform may do this."))
    return http.Response(body=await metrics.scrape(platform), headers={"Content-Type": metrics.CONTENT_TYPE})


def _is_from(config: Config, request: http.Request) -> bool:
    """Whether it comes from one of the networks configured, and straight."""
    try:
        client = ip_address((request.remote or "").partition("%")[0])
    except ValueError:
        return False
    return web.is_direct(request) and any(client in network for network in config.metrics_from)


async def _has_token(config: Config, request: http.Request) -> bool:
    """Whether it bears the token of `metrics_token_file` (RFC 6750 §2.1), read anew each time so that it can change."""
    scheme, _, given = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    if config.metrics_token_file is None or scheme.lower() != "bearer":
        return False
    try:
        token = (await asyncio.to_thread(config.metrics_token_file.read_bytes)).strip()
    except OSError as error:
        raise Unavailable(N_("The token of /metrics cannot be read on the server."), reason=str(error)) from error
    return len(token) >= _SHORTEST_TOKEN and hmac.compare_digest(given.strip().encode(errors="replace"), token)


routes = [
    http.get("/administration", show_usage),
    http.get("/administration/", show_usage),
    http.get(r"/administration/usage.{style:csv|json}", download_usage),
    http.get("/api/usage", get_usage),
    http.get("/administration/institutions", show_institutions),
    http.post("/administration/institutions", add_institution),
    http.post(r"/administration/institutions/{code:[a-z0-9-]{1,63}}/{deed:suspend|resume}", set_institution_state),
    http.get("/administration/people", show_people),
    http.post("/administration/people", add_person),
    http.post(r"/administration/people/{deed:disable|enable|password}", change_person),
    http.get("/metrics", show_metrics),
]
