"""Files for programs: `/api/files/<space>/<path>`, where a space is `me`, an institution's code or a number.

    PUT     a file (201 new, 200 another version); with a slash at the end, a folder
    GET     a file (ranges, conditions) or a folder's list (`?list` also tells about a file instead of sending it)
    HEAD    the same without the bytes
    DELETE  into the trash
    POST /api/files/links, POST /api/files/links/<id>/revoke

The person signs in by HTTP Basic. Answers are JSON; an error is `{"error": sentence, …}`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import quote

from aiohttp import hdrs
from aiohttp import web as http
from pydantic import BaseModel, Field

from comgov import web
from comgov.errors import Invalid
from comgov.feature import PLATFORM
from comgov.files import downloads
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

_Positive = Annotated[int, Field(strict=True, gt=0, lt=10**6)]


class FolderJson(BaseModel, frozen=True):
    """A folder."""

    id: int
    kind: Literal["folder"] = "folder"
    name: str
    changed_at: datetime


class FileJson(BaseModel, frozen=True):
    """A file. size: in bytes. sha256: in hexadecimal, as in its ETag."""

    id: int
    kind: Literal["file"] = "file"
    name: str
    changed_at: datetime
    size: int
    sha256: str
    version: int


class ListJson(BaseModel, frozen=True):
    """What lies in a folder. total: how many there are, exactly. next: `after` of the next page, null on the last."""

    path: str
    entries: list[FileJson | FolderJson]
    total: int
    next: str | None


class LinkBody(BaseModel, frozen=True, extra="forbid"):
    """A link to make. path: of a file, its space first, such as `me/Rapports/bilan.pdf`."""

    path: str = ""
    days: _Positive | None = None
    password: str | None = None
    institution_only: Annotated[bool, Field(strict=True)] = False
    downloads_max: _Positive | None = None


class LinkJson(BaseModel, frozen=True):
    """A link. url: its page. download: the file itself, null when a password or a count stands before it."""

    id: int
    url: str
    download: str | None
    name: str
    size: int
    expires_at: datetime
    has_password: bool
    institution_only: bool
    downloads_max: int | None


_WHERE = {
    "space": "`me`, the code of an institution, or the number of a space",
    "path": "of the file or folder within its space, slashes included; empty for the space itself",
}


@web.describe(
    returns=(FileJson, FolderJson),
    status=HTTPStatus.CREATED,
    also={200: "The file was there: this is another version of it, or these bytes are those it shows already"},
    refuses={
        404: "There is no such space or folder",
        409: "A folder has that name",
        412: "The file is not what If-Match or If-None-Match supposes",
        413: "The file exceeds the limit of one file",
        507: "A quota or the disk is full; nothing was kept",
    },
    path=_WHERE | {"path": f"{_WHERE['path']}; with a slash at its end, a folder to make"},
    headers={
        "If-None-Match": "`*`: only if there is no such file yet",
        "If-Match": "the ETag of the version that this one replaces",
        "Repr-Digest": "`sha-256=:…:` (RFC 9530): bytes that do not match are refused",
    },
    takes="*/*",
)
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
    digest = done.node.sha256 or b""
    location = f"/api/files/{request.match_info['space']}/{quote(parent + slash + done.node.name)}"
    return web.answer(
        _told(done.node),
        status=HTTPStatus.CREATED if done.is_new else HTTPStatus.OK,
        headers={hdrs.ETAG: f'"{digest.hex()}"', hdrs.LOCATION: location},
    )


async def _make_folder(request: http.Request, actor: Actor, door: Door, parent: str, name: str) -> http.StreamResponse:
    platform = request.app[PLATFORM]
    folder = await tree.follow(platform, actor, door.space, parent)
    made = await tree.make_folder(platform, actor, folder.node.id, name)
    return web.answer(_told(made), status=HTTPStatus.CREATED)


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


@web.describe(
    returns=(ListJson, FileJson),
    content_type="*/*",
    also=web.DOWNLOAD,
    refuses={404: "There is no such file, folder or space", 503: "The bytes cannot be read for now"},
    path=_WHERE,
    query={
        "list": "tell about a file instead of sending it",
        "sort": "of a folder: `name`, `changed` or `size`; with `-` in front from the end",
        "q": "of a folder: only names with these letters",
        "after": "of a folder: `next` of the page before",
        "limit": "of a folder: entries of one page, 1 to 1000",
    },
    headers={"Range": "one range of bytes", "If-Range": "an ETag", "If-None-Match": "ETags", "If-Match": "ETags"},
)
async def get(request: http.Request) -> http.StreamResponse:
    """Send a file, or tell what lies in a folder."""
    actor, door, path = await _target(request)
    platform = request.app[PLATFORM]
    place = await tree.follow(platform, actor, door.space, path)
    if not place.node.is_file:
        return await _list(request, actor, place)
    if "list" in request.query:
        return web.answer(_told(place.node))
    return await downloads.send(request, versions.content_of(place.node))


async def _list(request: http.Request, actor: Actor, place: Place) -> http.StreamResponse:
    _, rows = await tree.list_folder(request.app[PLATFORM], actor, place.node.id, listing(request.query))
    entries = [_told(node) for node in rows.nodes]
    following = encode_key(rows.next) if rows.next else None
    return web.answer(ListJson(path=place.path, entries=entries, total=rows.total, next=following))


@web.describe(status=HTTPStatus.NO_CONTENT, refuses={404: "There is no such file or folder"}, path=_WHERE)
async def delete(request: http.Request) -> http.StreamResponse:
    """Throw a file or folder into the trash."""
    actor, door, path = await _target(request)
    platform = request.app[PLATFORM]
    place = await tree.follow(platform, actor, door.space, path)
    await trash.throw_away(platform, actor, place.node.id)
    return http.Response(status=HTTPStatus.NO_CONTENT)


@web.describe(
    returns=LinkJson,
    status=HTTPStatus.CREATED,
    refuses={403: "One may not share it", 404: "There is no such file"},
    takes=LinkBody,
)
async def create_link(request: http.Request) -> http.StreamResponse:
    """Make a link to a file."""
    actor = await people.actor(request)
    wish = await web.json_body(request, LinkBody, _JSON_LIMIT_BYTES)
    name, _, path = wish.path.partition("/")
    platform = request.app[PLATFORM]
    door = await spaces.named(platform, actor, name)
    place = await tree.follow(platform, actor, door.space, path)
    link = await links.create(
        platform,
        actor,
        place.node.id,
        lifetime=None if wish.days is None else timedelta(days=wish.days),
        password=wish.password or "",
        institution_only=wish.institution_only,
        downloads_max=wish.downloads_max,
    )
    return web.answer(_link(request, link), status=HTTPStatus.CREATED)


@web.describe(
    status=HTTPStatus.NO_CONTENT,
    refuses={403: "Only its maker or a manager of the space may", 404: "There is no such link"},
    path={"link_id": "`id` of the link"},
)
async def revoke_link(request: http.Request) -> http.StreamResponse:
    """Close a link; closed already is fine."""
    actor = await people.actor(request)
    await links.revoke(request.app[PLATFORM], actor, int(request.match_info["link_id"]))
    return http.Response(status=HTTPStatus.NO_CONTENT)


async def _target(request: http.Request) -> tuple[Actor, Door, str]:
    """Who asks, for which space, and the path in it."""
    actor = await people.actor(request)
    door = await spaces.named(request.app[PLATFORM], actor, request.match_info["space"])
    return actor, door, request.match_info["path"]


def _told(node: Node) -> FileJson | FolderJson:
    if node.sha256 is None:
        return FolderJson(id=node.id, name=node.name, changed_at=node.changed_at)
    return FileJson(
        id=node.id,
        name=node.name,
        changed_at=node.changed_at,
        size=node.size_bytes,
        sha256=node.sha256.hex(),
        version=node.version,
    )


def _link(request: http.Request, link: Link) -> LinkJson:
    address = link_address(request, link)
    return LinkJson(
        id=link.id,
        url=address,
        download=None if link.is_counted else f"{address}/file",
        name=link.name,
        size=link.size_bytes,
        expires_at=link.expires_at,
        has_password=link.has_password,
        institution_only=link.institution_only,
        downloads_max=link.downloads_max,
    )


_PATH = r"/api/files/{space:[^/]{1,64}}/{path:.*}"

routes = [
    http.post("/api/files/links", create_link),
    http.post(r"/api/files/links/{link_id:\d{1,18}}/revoke", revoke_link),
    http.put(_PATH, put, expect_handler=web.expect),
    http.get(_PATH, get),
    http.delete(_PATH, delete),
]
