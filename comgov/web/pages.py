"""Pages: what a handler returns, and how it becomes HTML.

A handler names a template and its values; the middleware turns them into bytes once the handler is done, in the
visitor's language, with the frame around. Templates are compiled when the application is built, before any worker
forks, one environment a language.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import jinja2
from aiohttp import web
from babel.core import negotiate_locale
from babel.dates import get_timezone
from markupsafe import Markup

from comgov.errors import Invalid
from comgov.feature import PLATFORM
from comgov.language import DEFAULT_LANGUAGE, LANGUAGES, Catalogue
from comgov.web import formats
from comgov.web.config import Config

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from comgov.errors import ComgovError
    from comgov.language import Language

LANGUAGE: web.RequestKey[Language] = web.RequestKey("language")
FLASHES: web.RequestKey[list[Flash]] = web.RequestKey("flashes")
_FLASH_LIMIT = 500  # characters
_FLASHES_LIMIT_BYTES = 2700  # before base64: a cookie holds 4,096 bytes (RFC 6265 §6.1)


class Page(web.Response):
    """A template and its values, not yet rendered."""

    def __init__(self, template: str, status: int, context: Mapping[str, object]) -> None:
        super().__init__(status=status, content_type="text/html", charset="utf-8")
        self.template = template
        self.context = context


@dataclass(frozen=True)
class Flash:
    """A sentence shown once, on the next page. kind: `done` or `warning`."""

    kind: str
    text: str


def render(request: web.Request, template: str, *, status: int = 200, **values: object) -> Page:
    """The page that `template` makes of `values`, such as `"files/list.html"`.

    Response headers that the handler sets (Cache-Control, Content-Security-Policy) win over the usual ones.
    """
    del request  # part of the signature so that what a page needs of it can grow without touching handlers
    return Page(template, status, values)


def redirect(path: str) -> web.Response:
    """Go and read `path` (303): what a handler answers after a form was carried out.

    Raises Invalid for anything but a path of this site: a redirection must not lead elsewhere.
    """
    if not is_local(path):
        raise Invalid("This address does not belong to this site.", reason=path)
    return web.Response(status=303, headers={"Location": path})


def is_local(path: str) -> bool:
    """Whether a browser would read `path` as a path of this site: one leading slash, no control, no backslash."""
    return (
        path.startswith("/")
        and not path.startswith("//")
        and "\\" not in path
        and all(" " < character != "\x7f" for character in path)
    )


def flash(request: web.Request, message: str, *, kind: str = "done", **values: object) -> None:
    """Say a sentence on the next page that the visitor sees.

    message: an English message id, whose `{names}` are filled from `values`. kind: `done` or `warning`.
    """
    text = gettext(request)(message).format(**values)
    request.setdefault(FLASHES, []).append(Flash(kind, text))


def gettext(request: web.Request) -> Callable[[str], str]:
    """The translator for this request's language."""
    return request.app[TEMPLATES].catalogue(language(request)).gettext


def language(request: web.Request) -> Language:
    """The language this request is answered in."""
    chosen: Language = request.get(LANGUAGE, DEFAULT_LANGUAGE)
    return chosen


def local_now(request: web.Request) -> datetime:
    """The present instant in the zone in which instants are shown."""
    platform = request.app[PLATFORM]
    return platform.clock().astimezone(get_timezone(platform.config(Config).timezone))


def whole_moment(request: web.Request, when: datetime) -> str:
    """An instant in full, for sentences: "4 mars 2026 17:00 UTC+02:00"."""
    return formats.whole(when.astimezone(local_now(request).tzinfo), language(request))


def instant(text: str) -> datetime | None:
    """The aware instant that an address holds (ISO 8601); None for anything else."""
    try:
        found = datetime.fromisoformat(text)
        return found.astimezone(UTC) if found.tzinfo is not None else None
    except (ValueError, OverflowError):  # the first and last hours there are lie beyond them in another zone
        return None


def choose_language(choice: str | None, cookie: str | None, accepted: str) -> Language:
    """The person's own choice, else the cookie, else the browser's Accept-Language, else French."""
    for wish in (choice, cookie):
        for known in LANGUAGES:
            if wish == known:
                return known
    wishes = [part.partition(";")[0].strip().replace("-", "_") for part in accepted[:200].split(",")]
    negotiated = negotiate_locale(wishes, LANGUAGES)
    return next((known for known in LANGUAGES if known == negotiated), DEFAULT_LANGUAGE)


def dump_flashes(flashes: Sequence[Flash]) -> str:
    """Flashes as a cookie's value; the last ones, as many as a cookie may hold."""
    kept = [[flash.kind, flash.text[:_FLASH_LIMIT]] for flash in flashes]
    while len(raw := json.dumps(kept, ensure_ascii=False).encode()) > _FLASHES_LIMIT_BYTES:
        kept.pop(0)
    return base64.urlsafe_b64encode(raw).decode()


def load_flashes(cookie: str) -> list[Flash]:
    """Flashes of a cookie's value; none if it is not one of ours."""
    try:
        pairs = json.loads(base64.urlsafe_b64decode(cookie))
        return [Flash(kind if kind == "warning" else "done", str(text)) for kind, text in pairs]
    except (binascii.Error, ValueError, TypeError, RecursionError):
        return []


class Templates:
    """Every template of every feature, compiled, in each language."""

    def __init__(
        self, folders: Sequence[Path], catalogues: Mapping[Language, Catalogue], static: Callable[[str], str]
    ) -> None:
        self._catalogues = catalogues
        loader, compiled = jinja2.FileSystemLoader(folders), _Compiled()
        self._environments = {
            language: _environment(loader, compiled, catalogue, static) for language, catalogue in catalogues.items()
        }
        for environment in self._environments.values():
            for name in environment.list_templates():
                environment.get_template(name)
        compiled.clear()

    def catalogue(self, language: Language) -> Catalogue:
        """The sentences of that language."""
        return self._catalogues[language]

    def render(self, language: Language, template: str, values: Mapping[str, object]) -> str:
        """The text of a template; `values` hold the frame's too (`now` at least)."""
        return self._environments[language].get_template(template).render(values)


TEMPLATES: web.AppKey[Templates] = web.AppKey("templates")


class _Compiled(jinja2.BytecodeCache):
    """What was compiled for one language serves the others, which halves the time that compiling takes at a start."""

    def __init__(self) -> None:
        self._by_key: dict[str, bytes] = {}

    def load_bytecode(self, bucket: jinja2.bccache.Bucket) -> None:
        if bucket.key in self._by_key:
            bucket.bytecode_from_string(self._by_key[bucket.key])

    def dump_bytecode(self, bucket: jinja2.bccache.Bucket) -> None:
        self._by_key[bucket.key] = bucket.bytecode_to_string()

    def clear(self) -> None:
        self._by_key.clear()


def _environment(
    loader: jinja2.BaseLoader, compiled: _Compiled, catalogue: Catalogue, static: Callable[[str], str]
) -> jinja2.Environment:
    language = catalogue.language
    environment = jinja2.Environment(
        loader=loader,
        bytecode_cache=compiled,
        optimized=False,  # nothing of one language may be computed into what is compiled
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        auto_reload=False,
        cache_size=-1,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    environment.install_gettext_callables(  # type: ignore[attr-defined]  # added by the i18n extension
        catalogue.gettext, catalogue.ngettext, newstyle=True, pgettext=catalogue.pgettext
    )
    environment.policies["ext.i18n.trimmed"] = True
    environment.filters["filesize"] = partial(formats.filesize, language=language)
    environment.filters["number"] = partial(formats.number, language=language)
    environment.filters["percent"] = partial(formats.percent, language=language)
    environment.filters["day"] = partial(formats.day, language=language)
    environment.filters["moment"] = _timely(formats.moment, language)
    environment.filters["instant"] = _timely(formats.instant, language)
    environment.globals["static"] = static
    environment.globals["language"] = language
    environment.globals["sentence"] = partial(_sentence, catalogue)
    return environment


def _timely(write: Callable[[datetime, datetime, Language], Markup], language: Language) -> Callable[..., Markup]:
    """A filter that knows the present instant, and with it the zone."""

    @jinja2.pass_context
    def written(context: jinja2.runtime.Context, instant: datetime) -> Markup:
        return write(instant, context["now"], language)

    return written


def _sentence(catalogue: Catalogue, error: ComgovError) -> str:
    """What an error says to the person, in the page's language."""
    return catalogue.gettext(error.public).format(**error.values)


def catalogues(files: Iterable[Path]) -> dict[Language, Catalogue]:
    """One catalogue a language, from every room's `locale/fr.po`."""
    found = list(files)
    return {language: Catalogue(language, [file for file in found if file.stem == language]) for language in LANGUAGES}
