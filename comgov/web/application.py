"""The application: every feature's routes behind one set of middlewares."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web

from comgov.errors import Invalid, Unauthenticated
from comgov.feature import PLATFORM, Feature, Platform
from comgov.language import LANGUAGES, N_
from comgov.web import api, forms, frame, health, middleware, visitor
from comgov.web.config import Config
from comgov.web.pages import TEMPLATES, Templates, catalogues, is_local, redirect, render
from comgov.web.static import Assets

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

HERE = Path(__file__).parent
_YEAR_SECONDS = 365 * 86400


@dataclass(frozen=True)
class Site:
    """What is the same in every worker and costs time to make: compiled templates, compressed static files."""

    templates: Templates
    assets: Assets


def prepare(features: Sequence[Feature]) -> Site:
    """Read and compile what the features show; done once, before workers are forked."""
    folders = [HERE, *(feature.folder for feature in features)]
    assets = Assets(_existing(("", HERE / "static"), *((f"{one.name}/", one.folder / "static") for one in features)))
    templates = Templates(
        [folder / "templates" for folder in folders],
        catalogues(file for folder in (HERE.parent, *folders) for file in sorted((folder / "locale").glob("*.po"))),
        assets.path,
    )
    return Site(templates, assets)


def application(
    platform: Platform,
    features: Sequence[Feature],
    *,
    site: Site | None = None,
    visitors: visitor.Visitors = visitor.nobody,
    checks: Mapping[str, health.Check] | None = None,
) -> web.Application:
    """The web application of one worker.

    site: what `prepare` made before the fork; made here if None.
    visitors: resolves session tokens, `people.web.visitors`. checks: what `/readyz` asks, the database if None.
    """
    site = site or prepare(features)
    app = web.Application(
        middlewares=[middleware.log_requests, middleware.render_pages, middleware.answer_errors, middleware.admit],
        client_max_size=platform.config(Config).form_limit_bytes,
    )
    app[PLATFORM] = platform
    app[TEMPLATES] = site.templates
    app[api.DOCUMENT] = api.Document(app)
    app[frame.FEATURES] = tuple(features)
    app[visitor.VISITORS] = visitors
    app[health.CHECKS] = checks if checks is not None else {"database": health.database_answers}
    app.on_response_prepare.append(middleware.protect)
    app.add_routes(
        [
            web.get("/static/{name:.+}", site.assets.serve),
            web.get("/healthz", health.alive),
            web.get("/readyz", health.ready),
            web.get("/api/openapi.json", api.show_openapi),
            web.get("/", home),
            web.post("/language", choose_language),
            web.post("/capacity", choose_capacity),
        ]
    )
    for feature in features:
        app.add_routes(feature.routes)
    return app


async def home(request: web.Request) -> web.Response:
    """What waits for the visitor."""
    if visitor.visitor(request) is None:
        raise Unauthenticated(N_("Sign in to see what waits for you."))
    return render(request, "home.html")


async def choose_language(request: web.Request) -> web.Response:
    """Speak another language from now on, in this browser."""
    form = await forms.form(request)
    wish = form.get("language")
    if wish not in LANGUAGES:
        raise Invalid(N_("This language is not spoken here."))
    response = redirect(_next(form))
    visitor.set_cookie(request, response, "language", wish, max_age=_YEAR_SECONDS)
    return response


async def choose_capacity(request: web.Request) -> web.Response:
    """Act for a post that one holds, or for oneself again."""
    form = await forms.form(request)
    response = redirect(_next(form))
    wish = form.get("capacity")
    if wish.isascii() and wish.isdigit() and len(wish) <= 18:
        visitor.set_cookie(request, response, "capacity", wish)
    else:
        visitor.drop_cookie(request, response, "capacity")
    return response


def _next(form: forms.Form) -> str:
    path = form.get("next", "/")
    return path if is_local(path) else "/"


def _existing(*folders: tuple[str, Path]) -> Iterable[tuple[str, Path]]:
    return [(prefix, folder) for prefix, folder in folders if folder.is_dir()]
