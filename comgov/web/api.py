"""The API told to programs: JSON answers, and `/api/openapi.json` drawn from the handlers themselves.

A handler under `/api/` says what it gives with `describe`; its summary is the first line of its docstring, its
parameters those of its route.
"""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from aiohttp import web
from pydantic.json_schema import models_json_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic import BaseModel

F = TypeVar("F", bound="Callable[..., Any]")
_DESCRIPTIONS: dict[Any, Description] = {}
_PARAMETER = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, kw_only=True)
class Description:
    """returns: the model of its JSON, None for other content. query: meaning of each optional query parameter."""

    returns: type[BaseModel] | None
    content_type: str
    query: Mapping[str, str] = field(default_factory=dict)
    takes: type[BaseModel] | None = None


def describe(
    *,
    returns: type[BaseModel] | None = None,
    content_type: str = "application/json",
    query: Mapping[str, str] | None = None,
    takes: type[BaseModel] | None = None,
) -> Callable[[F], F]:
    """Say what a handler of the API takes and gives. takes: the model of its JSON body, if it reads one."""

    def remember(handler: F) -> F:
        _DESCRIPTIONS[handler] = Description(returns=returns, content_type=content_type, query=query or {}, takes=takes)
        return handler

    return remember


def answer(model: BaseModel, *, status: int = 200) -> web.Response:
    """A model as JSON."""
    return web.Response(
        status=status, text=model.model_dump_json(by_alias=True) + "\n", content_type="application/json"
    )


async def show_openapi(request: web.Request) -> web.Response:
    """The description of this API, OpenAPI 3.1."""
    return web.json_response(openapi(request.app))


def openapi(app: web.Application) -> dict[str, Any]:
    """OpenAPI 3.1 of every described route of an application."""
    routes = [(route, _DESCRIPTIONS[route.handler]) for route in app.router.routes() if route.handler in _DESCRIPTIONS]
    routes = [(route, description) for route, description in routes if route.method != "HEAD"]
    models = {model for _, one in routes for model in (one.returns, one.takes) if model is not None}
    ordered = sorted(models, key=lambda model: model.__name__)
    _, schemas = models_json_schema(
        [(model, "serialization") for model in ordered], ref_template="#/components/schemas/{model}"
    )
    paths: dict[str, Any] = {}
    for route, description in routes:
        assert route.resource is not None
        path = route.resource.canonical
        paths.setdefault(path, {})[route.method.lower()] = _operation(route, path, description)
    return {
        "openapi": "3.1.0",
        "info": {"title": "COMGOV", "version": "1"},
        "paths": paths,
        "components": {
            "schemas": schemas.get("$defs", {}) | {"Error": _ERROR},
            "securitySchemes": {"basic": {"type": "http", "scheme": "basic"}},
        },
        "security": [{"basic": []}],
    }


_ERROR = {
    "type": "object",
    "required": ["error", "kind", "reference"],
    "properties": {"error": {"type": "string"}, "kind": {"type": "string"}, "reference": {"type": "string"}},
}


def _operation(route: web.AbstractRoute, path: str, description: Description) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{description.returns.__name__}"} if description.returns else {}
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    operation: dict[str, Any] = {
        "operationId": getattr(route.handler, "__name__", ""),
        "summary": (inspect.getdoc(route.handler) or "").partition("\n")[0],
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in _PARAMETER.findall(path)
        ]
        + [
            {"name": name, "in": "query", "description": meaning, "schema": {"type": "string"}}
            for name, meaning in description.query.items()
        ],
        "responses": {
            "200": {"description": "Done", "content": {description.content_type: {"schema": schema}}},
            "default": {"description": "What went wrong", "content": error},
        },
    }
    if description.takes is not None:
        body = {"$ref": f"#/components/schemas/{description.takes.__name__}"}
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return operation
