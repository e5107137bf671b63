"""Files for programs: `/api/files/<space>/<path>`, where a space is `me`, an institution's code or a number.

    PUT     a file (201 new, 200 another version); with a slash at the end, a folder
    GET     a file (ranges, conditions) or a folder's list (`?list` also tells about a file instead of sending it)
    HEAD    the same without the bytes
    DELETE  into the trash
    POST /api/files/links, POST /api/files/links/<id>/revoke

The person signs in by HTTP Basic. Answers are JSON; an error is `{"error": sentence, …}`.
"""

from __future__ import annotations

import json
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from aiohttp import hdrs
from aiohttp import web as http

from comgov import web
from comgov.errors import Invalid
from comgov.feature import PLATFORM
from comgov.files import transfer
from comgov.files.actions import links, spaces, trash, tree, versions
from comgov.files.actions.upload import Expected, upload
from comgov.files.addresses import encode_key, link_address, listing
from comgov.language import N_
from comgov.people import web as people
from comgov.web import representation

if TYPE_CHECKING:
    from comgov.actor import Actor
    from comgov.files.actions.spaces import Door
    from comgov.files.model import Link, Node, Place

_JSON_LIMIT_BYTES = 16_384


async def put(request: http.Request) -> http.StreamResponse:
    """Take a file, or make a folder."""
    actor, door, path = await _target(request)
    parent, slash, name = path.rstrip("/").rpartition("/")
    if request.path.endswith("/"):
        return await _make_folder(request, actor, door, parent, name)
    if request.headers.get(hdrs.CONTENT_ENCODING, "identity") != "identity":
        raise Invalid(N_("Please send the file as it is, without Content-Encoding."))
    folder = await tree.follow(request.app[PLATFORM], actor, door.space, parent)
    done = await upload(
        request.app[PLATFORM],
        actor,
        folder.node.id,
        name,
        web.body(request),
        declared_bytes=request.content_length,
        expected=_expected(request),
    )
    location = f"/api/files/{request.match_info['space']}/{quote(parent + slash + done.node.name)}"
    return _answer(
        _told(done.node),
        HTTPStatus.CREATED if done.is_new else HTTPStatus.OK,
        {hdrs.ETAG: f'"{(done.node.sha256 or b"").hex()}"', hdrs.LOCATION: location},
    )


async def _make_folder(request: http.Request, actor: Actor, door: Door, parent: str, name: str) -> http.StreamResponse:
    platform = request.app[PLATFORM]
    folder = await tree.follow(platform, actor, door.space, parent)
    return _answer(_told(await tree.make_folder(platform, actor, folder.node.id, name)), HTTPStatus.CREATED)


def _expected(request: http.Request) -> Expected:
    """The conditions of a PUT (RFC 9110 §13.1, RFC 9530)."""
    absent, current = request.if_none_match, request.if_match
    if absent is not None and [tag.value for tag in absent] != ["*"]:
        raise Invalid(N_("Of If-None-Match only “*” has a meaning here."))
    return Expected(
        absent=absent is not None,
        current=None if current is None or any(tag.value == "*" for tag in current) else _digests(request),
        sha256=representation.announced_digest(
            *(request.headers.get(name) for name in ("Content-Digest", "Repr-Digest", "Digest"))
        ),
    )


def _digests(request: http.Request) -> frozenset[bytes]:
    digests = set()
    for tag in request.if_match or ():
        try:
            digests.add(bytes.fromhex(tag.value) if not tag.is_weak else b"")
        except ValueError:
            digests.add(b"")
    return frozenset(digests)


async def get(request: http.Request) -> http.StreamResponse:
    """Send a file, or tell what lies in a folder."""
    actor, door, path = await _target(request)
    platform = request.app[PLATFORM]
    place = await tree.follow(platform, actor, door.space, path)
    if not place.node.is_file:
        return await _list(request, actor, place)
    if "list" in request.query:
        return _answer(_told(place.node))
    return await transfer.send(request, versions.content_of(place.node))


async def _list(request: http.Request, actor: Actor, place: Place) -> http.StreamResponse:
    _, rows = await tree.list_folder(request.app[PLATFORM], actor, place.node.id, listing(request.query))
    entries = [_told(node) for node in rows.nodes]
    following = encode_key(rows.next) if rows.next else None
    return _answer({"path": place.path, "entries": entries, "total": rows.total, "next": following})


async def delete(request: http.Request) -> http.StreamResponse:
    """Throw a file or folder into the trash."""
    actor, door, path = await _target(request)
    platform = request.app[PLATFORM]
    place = await tree.follow(platform, actor, door.space, path)
    await trash.throw_away(platform, actor, place.node.id)
    return http.Response(status=HTTPStatus.NO_CONTENT)


async def create_link(request: http.Request) -> http.StreamResponse:
    """Make a link from JSON: `path` (`me/a.pdf`); optional `days`, `password`, `institution_only`, `downloads_max`."""
    actor = await people.actor(request)
    wish = await _json(request)
    name, _, path = str(wish.get("path", "")).partition("/")
    platform = request.app[PLATFORM]
    door = await spaces.named(platform, actor, name)
    place = await tree.follow(platform, actor, door.space, path)
    days, downloads_max = _number(wish, "days"), _number(wish, "downloads_max")
    link = await links.create(
        platform,
        actor,
        place.node.id,
        lifetime=None if days is None else timedelta(days=days),
        password=str(wish.get("password") or ""),
        institution_only=wish.get("institution_only") is True,
        downloads_max=downloads_max,
    )
    return _answer(_link(request, link), HTTPStatus.CREATED)


async def revoke_link(request: http.Request) -> http.StreamResponse:
    """Close a link."""
    actor = await people.actor(request)
    await links.revoke(request.app[PLATFORM], actor, int(request.match_info["link_id"]))
    return http.Response(status=HTTPStatus.NO_CONTENT)


async def _target(request: http.Request) -> tuple[Actor, Door, str]:
    """Who asks, for which space, and the path in it."""
    actor = await people.actor(request)
    door = await spaces.named(request.app[PLATFORM], actor, request.match_info["space"])
    return actor, door, request.match_info["path"]


async def _json(request: http.Request) -> dict[str, Any]:
    content = await web.whole_body(request, _JSON_LIMIT_BYTES)
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Invalid(N_("This request is no JSON object.")) from error
    if not isinstance(found, dict):
        raise Invalid(N_("This request is no JSON object."))
    return found


def _number(wish: dict[str, Any], name: str) -> int | None:
    value = wish.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 10**6:
        raise Invalid(N_("“{name}” must be a whole number above 0."), name=name)
    return value


def _told(node: Node) -> dict[str, object]:
    """A file or folder as JSON. Sizes in bytes, instants in ISO 8601."""
    told: dict[str, object] = {
        "id": node.id,
        "kind": "file" if node.is_file else "folder",
        "name": node.name,
        "changed_at": node.changed_at.isoformat(),
    }
    if node.sha256 is not None:
        told |= {"size": node.size_bytes, "sha256": node.sha256.hex(), "version": node.version}
    return told


def _link(request: http.Request, link: Link) -> dict[str, object]:
    address = link_address(request, link)
    return {
        "id": link.id,
        "url": address,
        "download": None if link.is_counted else f"{address}/file",
        "name": link.name,
        "size": link.size_bytes,
        "expires_at": link.expires_at.isoformat(),
        "has_password": link.has_password,
        "institution_only": link.institution_only,
        "downloads_max": link.downloads_max,
    }


def _answer(
    told: dict[str, object], status: HTTPStatus = HTTPStatus.OK, headers: dict[str, str] | None = None
) -> http.Response:
    text = json.dumps(told, ensure_ascii=False) + "\n"
    return http.Response(status=status, text=text, content_type="application/json", headers=headers)


_PATH = r"/api/files/{space:[^/]{1,64}}/{path:.*}"

routes = [
    http.post("/api/files/links", create_link),
    http.post(r"/api/files/links/{link_id:\d{1,18}}/revoke", revoke_link),
    http.put(_PATH, put, expect_handler=web.expect),
    http.get(_PATH, get),
    http.delete(_PATH, delete),
]
