"""The API told to programs: JSON answers, and `/api/openapi.json` drawn from the handlers themselves.

Each room says with `describe`, above each handler, what its routes under `/api/` take and give; the summary is the
first line of the handler's docstring, the parameters of the path are those of its route.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar

from aiohttp import hdrs, web
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

F = TypeVar("F", bound="Callable[..., Any]")
_DESCRIPTIONS: dict[Any, Description] = {}
_PARAMETER = re.compile(r"\{(\w+)\}")
_SUMMARY = re.compile(r"^`[A-Z]+ [^`]*`(?:: )?")  # of handlers whose docstring begins with their route
_JSON = "application/json"
_REF = "#/components/schemas/{model}"
_EMPTY = {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE}

DOWNLOAD = {
    206: "The range that was asked for",
    304: "The content is still the one of If-None-Match",
    416: "No byte of the content lies in the range that was asked for",
}
"""What else may become of a download, for `describe(also=…)`; see `web.send`."""

Models = tuple[type[BaseModel], ...]


class Error(BaseModel):
    """What went wrong. error: a sentence for the person. reference: what an administrator finds it by in the log."""

    error: str
    kind: str
    reference: str


@dataclass(frozen=True, kw_only=True)
class Description:
    """What `describe` was told."""

    returns: Models
    content_type: str | None
    status: int
    also: Mapping[int, str]
    refuses: Mapping[int, str]
    query: Mapping[str, str]
    path: Mapping[str, str]
    headers: Mapping[str, str]
    takes: type[BaseModel] | str | None
    is_public: bool

    @property
    def models(self) -> Iterator[tuple[type[BaseModel], JsonSchemaMode]]:
        """Every model it speaks of, and whether it is read or written (pydantic's words for it)."""
        yield from ((model, "serialization") for model in self.returns)
        if isinstance(self.takes, type):
            yield self.takes, "validation"


def describe(
    *,
    returns: type[BaseModel] | Models = (),
    content_type: str | None = None,
    status: int = 200,
    also: Mapping[int, str] | None = None,
    refuses: Mapping[int, str] | None = None,
    query: Mapping[str, str] | None = None,
    path: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    takes: type[BaseModel] | str | None = None,
    is_public: bool = False,
) -> Callable[[F], F]:
    """Say what a handler of the API takes and gives.

    returns: the model of its JSON, or several of which it gives one. content_type: of other content that it gives,
    instead or as well; with neither it gives nothing. status: when all went well. also: other statuses with the same
    content, and what they mean. refuses: statuses of errors that are this handler's own, and when.
    query, path, headers: meaning of each parameter; those of the query and the headers are optional.
    takes: the model of its JSON body, or the media type of a body of bytes. is_public: nobody has to sign in.
    """
    description = Description(
        returns=returns if isinstance(returns, tuple) else (returns,),
        content_type=content_type,
        status=status,
        also=also or {},
        refuses=refuses or {},
        query=query or {},
        path=path or {},
        headers=headers or {},
        takes=takes,
        is_public=is_public,
    )

    def remember(handler: F) -> F:
        _DESCRIPTIONS[handler] = description
        return handler

    return remember


def answer(model: BaseModel, *, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """A model as JSON."""
    text = model.model_dump_json(by_alias=True) + "\n"
    return web.Response(status=status, text=text, content_type=_JSON, headers=headers)


class OpenApi(BaseModel, extra="allow"):
    """OpenAPI 3.1, see https://spec.openapis.org/oas/v3.1.0."""

    openapi: str


@describe(returns=OpenApi, is_public=True)
async def show_openapi(request: web.Request) -> web.Response:
    """The description of this API."""
    return web.Response(text=request.app[DOCUMENT].text, content_type=_JSON)


class Document:
    """The description of an application, written once, when it is first asked for: it takes some 50 ms."""

    def __init__(self, app: web.Application) -> None:
        self._app = app

    @cached_property
    def text(self) -> str:
        """JSON."""
        return json.dumps(openapi(self._app)) + "\n"


DOCUMENT: web.AppKey[Document] = web.AppKey("description of the API", Document)


def openapi(app: web.Application) -> dict[str, Any]:
    """OpenAPI 3.1 of every described route of an application under `/api/`."""
    routes = [
        (route, path, _DESCRIPTIONS[route.handler]) for route, path in _routes(app) if route.handler in _DESCRIPTIONS
    ]
    models: set[tuple[type[BaseModel], JsonSchemaMode]] = {(Error, "serialization")}
    models.update(pair for _, _, description in routes for pair in description.models)
    ordered = sorted(models, key=lambda pair: (pair[0].__name__, pair[1]))
    refs, schemas = models_json_schema(ordered, ref_template=_REF)
    paths: dict[str, Any] = {}
    for route, path, description in routes:
        paths.setdefault(path, {})[route.method.lower()] = _operation(route, path, description, refs)
    return {
        "openapi": "3.1.0",
        "info": {"title": "COMGOV", "version": "1"},
        "paths": paths,
        "components": {
            "schemas": schemas.get("$defs", {}),
            "securitySchemes": {"basic": {"type": "http", "scheme": "basic"}},
        },
        "security": [{"basic": []}],
    }


def _routes(app: web.Application) -> Iterator[tuple[web.AbstractRoute, str]]:
    """Every route under `/api/` with its path; GET stands for HEAD too (RFC 9110 §9.3.2)."""
    for route in app.router.routes():
        if route.resource is not None and route.method != hdrs.METH_HEAD:
            path = route.resource.canonical
            if path.startswith("/api/"):
                yield route, path


Refs = Mapping[Any, Any]  # a model and its mode: what refers to its schema


def _operation(route: web.AbstractRoute, path: str, description: Description, refs: Refs) -> dict[str, Any]:
    room, _, module = route.handler.__module__.removeprefix("comgov.").partition(".")
    operation: dict[str, Any] = {
        "operationId": f"{room}_{module}_{route.handler.__name__}",
        "tags": [room],
        "summary": _SUMMARY.sub("", (inspect.getdoc(route.handler) or "").partition("\n")[0]),
        "parameters": [
            *(_parameter("path", name, description.path.get(name, "")) for name in _PARAMETER.findall(path)),
            *(_parameter("query", name, meaning) for name, meaning in description.query.items()),
            *(_parameter("header", name, meaning) for name, meaning in description.headers.items()),
        ],
        "responses": _responses(description, refs),
    }
    if isinstance(description.takes, str):
        operation["requestBody"] = {"required": True, "content": {description.takes: {}}}
    elif description.takes is not None:
        schema = refs[description.takes, "validation"]
        operation["requestBody"] = {"required": True, "content": {_JSON: {"schema": schema}}}
    if description.is_public:
        operation["security"] = []
    return operation


def _parameter(place: str, name: str, meaning: str) -> dict[str, Any]:
    parameter: dict[str, Any] = {"name": name, "in": place, "schema": {"type": "string"}}
    if place == "path":
        parameter["required"] = True
    return parameter | ({"description": meaning} if meaning else {})


def _responses(description: Description, refs: Refs) -> dict[str, Any]:
    content: dict[str, Any] = {}
    found = [refs[model, "serialization"] for model in description.returns]
    if found:
        content[_JSON] = {"schema": found[0] if len(found) == 1 else {"anyOf": found}}
    if description.content_type is not None:
        content[description.content_type] = {}
    responses = {
        str(status): {"description": meaning} | ({} if status in _EMPTY or not content else {"content": content})
        for status, meaning in {description.status: "Done", **description.also}.items()
    }
    error = {"content": {_JSON: {"schema": refs[Error, "serialization"]}}}
    refused = {str(status): {"description": meaning} | error for status, meaning in description.refuses.items()}
    return responses | refused | {"default": {"description": "What went wrong"} | error}
