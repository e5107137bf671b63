"""The pages of files. Each handler: parse → action → render."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from aiohttp import web as http

from comgov import web
from comgov.errors import ComgovError, Conflict, Forbidden, Invalid, NotFound, TooMany
from comgov.feature import PLATFORM
from comgov.files import downloads
from comgov.files.actions import links, spaces, trash, tree, versions
from comgov.files.actions.upload import upload
from comgov.files.addresses import address, encode_key, link_address, listing
from comgov.files.config import Config
from comgov.files.model import Deed, Sort, SpaceRole, may
from comgov.files.names import uploaded_name
from comgov.language import N_
from comgov.people import actions as directory
from comgov.people import web as people
from comgov.web.representation import viewed_as

if TYPE_CHECKING:
    from collections.abc import Mapping

    from comgov.actor import Actor
    from comgov.files.model import Place

_FIELD_LIMIT_BYTES = 4096  # of a field that stands beside files
_FILES_AT_ONCE = 500


async def home(request: http.Request) -> http.StreamResponse:
    """`GET /files`: one's own space."""
    actor = await people.actor(request)
    first, *_ = await spaces.doors(request.app[PLATFORM], actor)
    return web.redirect(f"/files/{first.space.root_id}")


async def show(request: http.Request) -> http.StreamResponse:
    """`GET /files/{node}`: a folder's list, or a file's own page."""
    actor = await people.actor(request)
    place = await tree.look(request.app[PLATFORM], actor, _node(request))
    return await (_show_file if place.node.is_file else _show_folder)(request, actor, place)


async def _show_folder(
    request: http.Request, actor: Actor, place: Place, name: str = "", error: ComgovError | None = None
) -> http.StreamResponse:
    """name: as it was typed for a new folder, when `error` refuses it."""
    platform, wish = request.app[PLATFORM], listing(request.query)
    place, rows = await tree.list_folder(platform, actor, place.node.id, wish)
    following = address(wish, after=encode_key(rows.next)) if rows.next else None
    return web.render(
        request,
        "files/folder.html",
        status=200 if error is None else error.status,
        name=name,
        error=error,
        **await _around(request, actor, place),
        rows=rows,
        wish=wish,
        following=following,
        columns=[
            (sort, address(wish, sort=f"-{sort}" if wish.sort is sort and not wish.descending else sort))
            for sort in Sort
        ],
        quota=await spaces.quota(platform, actor, place.space.id),
    )


async def _show_file(
    request: http.Request,
    actor: Actor,
    place: Place,
    *,
    filled: Mapping[str, str] | None = None,
    error: ComgovError | None = None,
) -> http.StreamResponse:
    """filled: the form of a new link as it was sent, when `error` refuses it."""
    platform = request.app[PLATFORM]
    found = await links.of_file(platform, actor, place.node.id)
    return web.render(
        request,
        "files/file.html",
        status=200 if error is None else error.status,
        **await _around(request, actor, place),
        links=[(link, link_address(request, link)) for link in found],
        is_viewed=viewed_as(place.node.name) is not None,
        lifetime_days=platform.config(Config).link_lifetime.days,
        filled=filled or {},
        error=error,
    )


async def _around(request: http.Request, actor: Actor, place: Place) -> dict[str, Any]:
    """What every page inside a space shows: where one is, which spaces there are, and what one may do."""
    return {
        "place": place,
        "doors": await spaces.doors(request.app[PLATFORM], actor),
        "can": {deed.name: may(place.role, deed) for deed in Deed},
    }


async def download(request: http.Request) -> http.StreamResponse:
    """`GET /files/{node}/download?version=2&view=1`: the bytes."""
    actor = await people.actor(request)
    number = request.query.get("version", "")
    is_number = number.isascii() and number.isdigit() and len(number) < 10
    content = await versions.open_file(request.app[PLATFORM], actor, _node(request), int(number) if is_number else None)
    return await downloads.send(request, content, is_viewed="view" in request.query)


async def receive(request: http.Request) -> http.StreamResponse:
    """`POST /files/{node}/upload`: every file of the form, straight to the store, one after the other."""
    actor = await people.actor(request)
    folder_id, names = _node(request), list[str]()
    async for part in web.parts(request):
        if not part.filename:
            await part.text(_FIELD_LIMIT_BYTES)
            continue
        if len(names) == _FILES_AT_ONCE:
            raise Invalid(N_("Please send at most {limit} files at once. The first ones are kept."), limit=len(names))
        try:
            name = uploaded_name(part.filename)
            done = await upload(request.app[PLATFORM], actor, folder_id, name, part.chunks())
        except ComgovError:
            if names:
                web.flash(request, N_("The files sent before it are kept: {names}."), names=", ".join(names)[:500])
            raise
        names.append(done.node.name)
    if len(names) == 1:
        web.flash(request, N_("“{name}” is received and kept."), name=names[0])
    elif names:
        web.flash(request, N_("{count} files are received and kept."), count=len(names))
    else:
        web.flash(request, N_("No file was chosen. Choose one, then send it."), kind="warning")
    return web.redirect(f"/files/{folder_id}")


async def make_folder(request: http.Request) -> http.StreamResponse:
    """`POST /files/{node}/folder`: a new folder in this one, which opens."""
    actor = await people.actor(request)
    form = await web.form(request)
    platform, name = request.app[PLATFORM], form.get("name")
    try:
        made = await tree.make_folder(platform, actor, _node(request), name)
    except (Invalid, Conflict) as error:
        return await _show_folder(request, actor, await tree.look(platform, actor, _node(request)), name, error)
    return web.redirect(f"/files/{made.id}")


async def ask_name(request: http.Request) -> http.StreamResponse:
    """`GET /files/{node}/rename`."""
    return await _ask_name(request)


async def _ask_name(
    request: http.Request, *, name: str | None = None, error: ComgovError | None = None
) -> http.StreamResponse:
    actor = await people.actor(request)
    place = await tree.look(request.app[PLATFORM], actor, _node(request))
    return web.render(
        request,
        "files/rename.html",
        status=200 if error is None else error.status,
        **await _around(request, actor, place),
        name=place.node.name if name is None else name,
        error=error,
    )


async def rename(request: http.Request) -> http.StreamResponse:
    """`POST /files/{node}/rename`."""
    actor = await people.actor(request)
    form = await web.form(request)
    try:
        node = await tree.rename(request.app[PLATFORM], actor, _node(request), form.get("name"))
    except ComgovError as error:
        if error.status not in (400, 409):
            raise
        return await _ask_name(request, name=form.get("name"), error=error)
    web.flash(request, N_("It is now called “{name}”."), name=node.name)
    return web.redirect(f"/files/{node.id}" if node.is_file else f"/files/{node.parent_id}")


async def ask_folder(request: http.Request) -> http.StreamResponse:
    """`GET /files/{node}/move?to=…`: choose a folder by walking through them, then move or copy there."""
    actor = await people.actor(request)
    platform = request.app[PLATFORM]
    place = await tree.look(platform, actor, _node(request))
    wish = request.query.get("to", "")
    is_number = wish.isascii() and wish.isdigit() and len(wish) < 19
    folder_id = int(wish) if is_number else place.node.parent_id or place.space.root_id
    target, folders = await tree.folders(platform, actor, folder_id)
    return web.render(
        request,
        "files/move.html",
        **await _around(request, actor, place),
        target=target,
        folders=[folder for folder in folders if folder.id != place.node.id],
        is_cut_short=len(folders) == tree.FOLDERS_SHOWN,
    )


async def move(request: http.Request) -> http.StreamResponse:
    """`POST /files/{node}/move`: put it, or a copy (`as=copy`), into the folder `to`."""
    actor = await people.actor(request)
    form = await web.form(request)
    act = tree.copy if form.get("as") == "copy" else tree.move
    node = await act(request.app[PLATFORM], actor, _node(request), form.number("to"))
    said = N_("“{name}” is copied here.") if form.get("as") == "copy" else N_("“{name}” is moved here.")
    web.flash(request, said, name=node.name)
    return web.redirect(f"/files/{node.parent_id}")


async def throw_away(request: http.Request) -> http.StreamResponse:
    """`POST /files/{node}/trash`."""
    actor = await people.actor(request)
    node = await trash.throw_away(request.app[PLATFORM], actor, _node(request))
    web.flash(request, N_("“{name}” is in the trash, from where it can be taken back."), name=node.name)
    return web.redirect(f"/files/{node.parent_id}")


async def show_trash(request: http.Request) -> http.StreamResponse:
    """`GET /files/trash/{space}?before=…`."""
    actor = await people.actor(request)
    platform = request.app[PLATFORM]
    found = await trash.list_trash(
        platform, actor, int(request.match_info["space"]), _before(request.query.get("before", ""))
    )
    last = found.things[-1].node if found.things and not found.is_last else None
    return web.render(
        request,
        "files/trash.html",
        trash=found,
        doors=await spaces.doors(platform, actor),
        can={deed.name: may(found.role, deed) for deed in Deed},
        kept_days=platform.config(Config).trash_kept.days,
        following=f"?before={_after(last.trashed_at, last.id)}" if last and last.trashed_at else None,
    )


def _after(instant: datetime, node_id: int) -> str:
    return f"{(instant - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)}-{node_id}"


def _before(text: str) -> tuple[datetime, int]:
    """The last row seen: microseconds since 1970 and its id. Raises Invalid."""
    if not text:
        return trash.FIRST
    microseconds, _, node_id = text.partition("-")
    if not all(part.isascii() and part.isdigit() and len(part) < 18 for part in (microseconds, node_id)):
        raise Invalid(N_("This page of the list cannot be found. Please start again at its beginning."))
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(microseconds)), int(node_id)


async def take_back(request: http.Request) -> http.StreamResponse:
    """`POST /files/{node}/restore`."""
    actor = await people.actor(request)
    node = await trash.take_back(request.app[PLATFORM], actor, _node(request))
    web.flash(request, N_("“{name}” is back."), name=node.name)
    return web.redirect(f"/files/{node.parent_id}")


async def purge(request: http.Request) -> http.StreamResponse:
    """`POST /files/{node}/purge`."""
    actor = await people.actor(request)
    form = await web.form(request)
    await trash.purge(request.app[PLATFORM], actor, _node(request))
    web.flash(request, N_("It is deleted for good."))
    return web.redirect(f"/files/trash/{form.number('space')}")


async def empty_trash(request: http.Request) -> http.StreamResponse:
    """`POST /files/trash/{space}/empty`."""
    actor = await people.actor(request)
    space_id = int(request.match_info["space"])
    count = await trash.empty(request.app[PLATFORM], actor, space_id)
    web.flash(request, N_("The trash is empty: {count} things are deleted for good."), count=count)
    return web.redirect(f"/files/trash/{space_id}")


async def show_versions(request: http.Request) -> http.StreamResponse:
    """`GET /files/{node}/versions?before=…`."""
    actor = await people.actor(request)
    before = _id(request.query.get("before", ""), versions.LAST)
    found = await versions.history(request.app[PLATFORM], actor, _node(request), min(before, versions.LAST))
    return web.render(request, "files/versions.html", **await _around(request, actor, found.place), history=found)


async def show_version(request: http.Request) -> http.StreamResponse:
    """`POST /files/{node}/versions/{number}/show`."""
    actor = await people.actor(request)
    number = int(request.match_info["number"])
    await versions.show(request.app[PLATFORM], actor, _node(request), number)
    web.flash(request, N_("Version {number} is shown from now on."), number=number)
    return web.redirect(f"/files/{_node(request)}/versions")


async def delete_version(request: http.Request) -> http.StreamResponse:
    """`POST /files/{node}/versions/{number}/delete`."""
    actor = await people.actor(request)
    number = int(request.match_info["number"])
    await versions.delete(request.app[PLATFORM], actor, _node(request), number)
    web.flash(request, N_("Version {number} is deleted for good."), number=number)
    return web.redirect(f"/files/{_node(request)}/versions")


async def create_link(request: http.Request) -> http.StreamResponse:
    """`POST /files/{node}/links`."""
    actor = await people.actor(request)
    form = await web.form(request)
    platform = request.app[PLATFORM]
    try:
        link = await links.create(
            platform,
            actor,
            _node(request),
            lifetime=timedelta(days=_positive(form.get("days"))) if form.get("days") else None,
            password=form.get("password"),
            institution_only=form.get("institution_only") == "1",
            downloads_max=_positive(form.get("downloads_max")) if form.get("downloads_max") else None,
        )
    except Invalid as error:
        place = await tree.look(platform, actor, _node(request))
        return await _show_file(request, actor, place, filled=form.values(), error=error)
    web.flash(request, N_("The link is ready: {address}"), address=link_address(request, link))
    return web.redirect(f"/files/{link.node_id}")


def _positive(text: str) -> int:
    """A number that a person typed. Raises Invalid."""
    text = text.strip()
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise Invalid(N_("Please give days and downloads as whole numbers."))
    return int(text)


async def show_links(request: http.Request) -> http.StreamResponse:
    """`GET /files/links?state=all&before=…`: the links that one made, those that are open unless all are wished."""
    actor = await people.actor(request)
    platform = request.app[PLATFORM]
    shows_all = request.query.get("state") == "all"
    before = _id(request.query.get("before", ""), links.LAST)
    found = await links.mine(platform, actor, before, open_only=not shows_all)
    return web.render(
        request,
        "files/links.html",
        found=found,
        shows_all=shows_all,
        links=[(link, link.state(platform.clock()), link_address(request, link)) for link in found.links],
        doors=await spaces.doors(platform, actor),
    )


async def revoke_link(request: http.Request) -> http.StreamResponse:
    """`POST /files/links/{link}/revoke`: then back to the page it was revoked from."""
    actor = await people.actor(request)
    form = await web.form(request)
    await links.revoke(request.app[PLATFORM], actor, int(request.match_info["link"]))
    web.flash(request, N_("The link is revoked: it does not lead anywhere any more."))
    return web.redirect(f"/files/{form.number('file')}" if "file" in form else "/files/links")


async def show_roles(request: http.Request) -> http.StreamResponse:
    """`GET /files/roles/{space}?after=…`: who is what in the space of an institution."""
    return await _show_roles(request)


async def _show_roles(
    request: http.Request, *, address: str = "", error: ComgovError | None = None
) -> http.StreamResponse:
    actor = await people.actor(request)
    platform = request.app[PLATFORM]
    after = request.query.get("after", "").replace("\0", "")[:300]
    return web.render(
        request,
        "files/roles.html",
        status=200 if error is None else error.status,
        found=await spaces.roles(platform, actor, int(request.match_info["space"]), after),
        doors=await spaces.doors(platform, actor),
        address=address,
        error=error,
    )


async def set_default_role(request: http.Request) -> http.StreamResponse:
    """`POST /files/roles/{space}/default`."""
    actor = await people.actor(request)
    form = await web.form(request)
    space_id = int(request.match_info["space"])
    await spaces.set_default_role(request.app[PLATFORM], actor, space_id, _role(form.get("role")))
    web.flash(request, N_("It holds from now on."))
    return web.redirect(f"/files/roles/{space_id}")


async def grant(request: http.Request) -> http.StreamResponse:
    """`POST /files/roles/{space}`: give somebody a role of their own; without one, the usual again."""
    actor = await people.actor(request)
    form = await web.form(request)
    platform, space_id = request.app[PLATFORM], int(request.match_info["space"])
    try:
        person = await directory.get_person(platform, form.get("address").strip())
        role = _role(form.get("role")) if form.get("role") else None
        await spaces.grant(platform, actor, space_id, person.id, role)
    except (Invalid, NotFound) as error:
        return await _show_roles(request, address=form.get("address"), error=error)
    web.flash(request, N_("It holds from now on."))
    return web.redirect(f"/files/roles/{space_id}")


def _role(code: str) -> SpaceRole:
    try:
        return SpaceRole.of(code)
    except ValueError as error:
        raise Invalid(N_("Please choose one of the roles shown.")) from error


async def visit(request: http.Request) -> http.StreamResponse:
    """`GET /l/{token}`: what a link leads to, for whoever has it."""
    return await _visit(request)


async def _visit(request: http.Request, *, error: ComgovError | None = None) -> http.StreamResponse:
    link = await links.visit(request.app[PLATFORM], await _visitor(request), request.match_info["token"])
    response = web.render(
        request, "files/link.html", status=200 if error is None else error.status, link=link, error=error
    )
    response.headers["X-Robots-Tag"] = "noindex"
    return response


async def take_ticket(request: http.Request) -> http.StreamResponse:
    """`POST /l/{token}`: the password, if there is one; then the download, counted."""
    form = await web.form(request)
    token = request.match_info["token"]
    try:
        ticket = await links.take_ticket(request.app[PLATFORM], await _visitor(request), token, form.get("password"))
    except (Forbidden, TooMany) as error:
        return await _visit(request, error=error)
    return web.redirect(f"/l/{token}/file?ticket={ticket}")


async def fetch(request: http.Request) -> http.StreamResponse:
    """`GET /l/{token}/file`: the bytes behind a link."""
    content = await links.fetch(
        request.app[PLATFORM],
        await _visitor(request),
        request.match_info["token"],
        request.query.get("ticket", ""),
        is_start=request.method == "GET" and web.is_start(request),
    )
    return await downloads.send(request, content)


async def _visitor(request: http.Request) -> Actor | None:
    """Who follows a link; None for somebody from outside."""
    is_known = web.visitor(request) is not None or "Authorization" in request.headers
    return await people.actor(request) if is_known else None


def _node(request: http.Request) -> int:
    return int(request.match_info["node"])


def _id(text: str, otherwise: int) -> int:
    """An id that stands in a query, as we wrote it. Raises NotFound."""
    if not text:
        return otherwise
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise NotFound(N_("This page of the list cannot be found. Please start again at its beginning."))
    return int(text)


_NODE = r"/files/{node:\d{1,18}}"
_SPACE = r"/files/trash/{space:\d{1,18}}"
_ROLES = r"/files/roles/{space:\d{1,18}}"
_VERSION = _NODE + r"/versions/{number:\d{1,9}}"
_LINK = r"/l/{token:[A-Za-z0-9_-]{1,100}}"

routes = [
    http.get("/files", home),
    http.get("/files/links", show_links),
    http.post(r"/files/links/{link:\d{1,18}}/revoke", revoke_link),
    http.get(_ROLES, show_roles),
    http.post(_ROLES, grant),
    http.post(_ROLES + "/default", set_default_role),
    http.get(_SPACE, show_trash),
    http.post(_SPACE + "/empty", empty_trash),
    http.get(_NODE, show),
    http.get(_NODE + "/download", download),
    http.post(_NODE + "/upload", receive),
    http.post(_NODE + "/folder", make_folder),
    http.get(_NODE + "/rename", ask_name),
    http.post(_NODE + "/rename", rename),
    http.get(_NODE + "/move", ask_folder),
    http.post(_NODE + "/move", move),
    http.post(_NODE + "/trash", throw_away),
    http.post(_NODE + "/restore", take_back),
    http.post(_NODE + "/purge", purge),
    http.get(_NODE + "/versions", show_versions),
    http.post(_VERSION + "/show", show_version),
    http.post(_VERSION + "/delete", delete_version),
    http.post(_NODE + "/links", create_link),
    http.get(_LINK, visit),
    http.post(_LINK, take_ticket),
    http.get(_LINK + "/file", fetch),
]
