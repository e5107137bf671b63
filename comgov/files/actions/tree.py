"""The tree: looking around, folders, renaming, moving, copying."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comgov import journal
from comgov.errors import Conflict, Invalid, NotFound, TooLarge
from comgov.files import room
from comgov.files.actions.upload import must_take
from comgov.files.config import Config
from comgov.files.model import Deed, Listing, Node, Place, Rows
from comgov.files.names import check_name, free_names, split_path, too_deep
from comgov.files.reach import must, reach, reach_locked
from comgov.files.store import nodes
from comgov.language import N_

if TYPE_CHECKING:
    from comgov.actor import Actor
    from comgov.db import Connection
    from comgov.feature import Platform
    from comgov.files.model import Space

_TAKEN = N_("“{name}” is already here. Please choose another name.")
_ROOT = N_("The top of a space cannot be renamed, moved, copied or thrown away.")
_NOTHING_THERE = N_("There is nothing at “{path}”.")

FOLDERS_SHOWN = 500
"""How many folders a choice of folders offers at once."""


async def look(platform: Platform, actor: Actor, node_id: int) -> Place:
    """A file or folder where it lies. Raises NotFound."""
    async with platform.db.connection() as connection:
        return await reach(connection, actor, node_id, Deed.READ)


async def follow(platform: Platform, actor: Actor, space: Space, path: str) -> Place:
    """What lies at a path of a space, such as `Rapports/2026/bilan.pdf`; empty: its root. Raises NotFound, Invalid."""
    names = split_path(path, platform.config(Config).depth_limit)
    async with platform.db.connection() as connection:
        node_id = await nodes.walk(connection, space.root_id, names)
        if node_id is None:
            raise NotFound(_NOTHING_THERE, path="/".join(names))
        return await reach(connection, actor, node_id, Deed.READ)


async def list_folder(platform: Platform, actor: Actor, folder_id: int, wish: Listing) -> tuple[Place, Rows]:
    """A page of a folder, in one snapshot. Raises NotFound, Invalid if it is a file."""
    async with platform.db.transaction(isolation="repeatable_read") as connection:
        place = await reach(connection, actor, folder_id, Deed.READ)
        if place.node.is_file:
            raise Invalid(N_("“{name}” is a file, not a folder."), name=place.node.name)
        return place, await nodes.listing(connection, folder_id, wish)


async def folders(platform: Platform, actor: Actor, folder_id: int) -> tuple[Place, list[Node]]:
    """A folder and the first folders in it, to choose one from. Raises NotFound."""
    async with platform.db.connection() as connection:
        place = await reach(connection, actor, folder_id, Deed.READ)
        return place, await nodes.folders(connection, folder_id, FOLDERS_SHOWN)


async def make_folder(platform: Platform, actor: Actor, parent_id: int, name: str) -> Node:
    """A new folder. Raises NotFound, Forbidden, Invalid, Conflict if the name is taken."""
    name = check_name(name)
    async with platform.db.transaction() as connection:
        (place,) = await reach_locked(connection, actor, Deed.ADD, parent_id)
        must_take(platform, place)
        await _must_be_free(connection, parent_id, name)
        node_id = await nodes.insert(
            connection, place.space.id, parent_id, name, None, actor.person_id, platform.clock()
        )
        await journal.record(connection, actor, "make", "folder", node_id, name=name)
        return await _got(connection, node_id)


async def rename(platform: Platform, actor: Actor, node_id: int, name: str) -> Node:
    """Call a file or folder differently, be it only in its case. Raises NotFound, Forbidden, Invalid, Conflict."""
    name = check_name(name)
    async with platform.db.transaction() as connection:
        (place,) = await reach_locked(connection, actor, Deed.CHANGE, node_id)
        parent_id = _parent_of(place)
        await _must_be_free(connection, parent_id, name, but_for=node_id)
        await nodes.place(connection, node_id, parent_id, name)
        await _record(connection, actor, "rename", place, name=name, was=place.node.name)
        return await _got(connection, node_id)


async def move(platform: Platform, actor: Actor, node_id: int, folder_id: int, name: str | None = None) -> Node:
    """Put a file or folder into another folder, of the same space or not, under its own name or a new one.

    Raises NotFound, Forbidden, Conflict (the name is taken, or a folder would lie in itself), Invalid (too deep),
    Full (the other space has no room).
    """
    async with platform.db.transaction() as connection:
        moved, folder = await _reach_both(connection, actor, node_id, folder_id, Deed.CHANGE)
        _must_not_contain(moved, folder)
        must_take(platform, folder)
        await _must_fit(platform, connection, moved, folder)
        name = check_name(name or moved.node.name)
        await _must_be_free(connection, folder_id, name, but_for=node_id)
        if folder.space.id != moved.space.id:
            weight = await nodes.weight(connection, [node_id])
            await nodes.change_space(connection, node_id, folder.space.id)
            await room.move_charge(platform, connection, moved.space, folder.space, weight)
        await nodes.place(connection, node_id, folder_id, name)
        await _record(connection, actor, "move", moved, name=name, was=moved.path, space=folder.space.id)
        return await _got(connection, node_id)


async def copy(platform: Platform, actor: Actor, node_id: int, folder_id: int, name: str | None = None) -> Node:
    """Copy a file or a folder with all that lies in it, each file as it is shown; under a free name if none is given.

    The bytes are not copied; they count towards the quota all the same.
    Raises NotFound, Forbidden, Conflict, Invalid, TooLarge (too many things for one copy), Full.
    """
    async with platform.db.transaction() as connection:
        copied, folder = await _reach_both(connection, actor, node_id, folder_id, Deed.READ)
        _parent_of(copied)
        _must_not_contain(copied, folder)
        must_take(platform, folder)
        await _must_fit(platform, connection, copied, folder)
        weight, count = await nodes.copy_weight(connection, node_id)
        if count > (limit := platform.config(Config).copy_limit):
            raise TooLarge(N_("One copy can make at most {limit} files and folders. Nothing was copied."), limit=limit)
        if name is None:
            name = await _free_name(connection, folder_id, copied.node.name)
        else:
            name = check_name(name)
            await _must_be_free(connection, folder_id, name)
        copy_id = await nodes.copy(
            connection, node_id, folder.space.id, folder_id, name, actor.person_id, platform.clock()
        )
        await room.charge(platform, connection, folder.space, weight.size_bytes, weight.files)
        await _record(connection, actor, "copy", copied, copy=copy_id, name=name)
        return await _got(connection, copy_id)


async def _reach_both(
    connection: Connection, actor: Actor, node_id: int, folder_id: int, deed: Deed
) -> tuple[Place, Place]:
    """What is moved or copied, and the folder it is to lie in; their spaces locked."""
    node, folder = await reach_locked(connection, actor, Deed.READ, node_id, folder_id)
    must(node.role, deed)
    must(folder.role, Deed.ADD)
    return node, folder


def _parent_of(place: Place) -> int:
    """The folder it lies in. Raises Invalid for a root."""
    if place.node.parent_id is None:
        raise Invalid(_ROOT)
    return place.node.parent_id


def _must_not_contain(place: Place, folder: Place) -> None:
    """Raises Conflict if `folder` is what is moved or lies in it; Invalid if what is moved is a root."""
    _parent_of(place)
    if place.node.id == folder.node.id or any(crumb.id == place.node.id for crumb in folder.above):
        raise Conflict(N_("A folder cannot lie in itself. Please choose another folder."))


async def _must_fit(platform: Platform, connection: Connection, place: Place, folder: Place) -> None:
    """Raises Invalid if what lies deepest would lie too deep."""
    limit = platform.config(Config).depth_limit
    if not place.node.is_file and folder.depth + 1 + await nodes.height(connection, place.node.id) > limit:
        raise too_deep(limit)


async def _must_be_free(connection: Connection, folder_id: int, name: str, *, but_for: int | None = None) -> None:
    there = await nodes.child(connection, folder_id, name)
    if there is not None and there.id != but_for:
        raise Conflict(_TAKEN, name=there.name)


async def _free_name(connection: Connection, folder_id: int, name: str) -> str:
    for candidate in free_names(name):
        if await nodes.child(connection, folder_id, candidate) is None:
            return candidate
    raise Conflict(_TAKEN, name=name)


async def _got(connection: Connection, node_id: int) -> Node:
    node = await nodes.get(connection, node_id)
    assert node is not None
    return node


async def _record(connection: Connection, actor: Actor, verb: str, place: Place, **details: str | int) -> None:
    kind = "file" if place.node.is_file else "folder"
    await journal.record(connection, actor, verb, kind, place.node.id, **details)
