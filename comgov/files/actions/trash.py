"""The trash: throwing away, taking back, deleting for good."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from comgov import journal
from comgov.actor import console
from comgov.errors import Conflict, Invalid, NotFound
from comgov.files import room
from comgov.files.actions.upload import must_take
from comgov.files.config import Config
from comgov.files.model import Deed, Quota, Space, SpaceRole, Trashed
from comgov.files.names import free_names
from comgov.files.reach import reach, reach_locked, reach_space, reach_trashed_locked, still
from comgov.files.store import nodes, spaces
from comgov.language import N_

if TYPE_CHECKING:
    from collections.abc import Sequence

    from comgov.actor import Actor
    from comgov.db import Connection
    from comgov.feature import Platform
    from comgov.files.model import Node, Place

FIRST = (datetime.max.replace(tzinfo=UTC), 0)
"""Before the first row of a trash."""

_BATCH = 200  # things deleted in one transaction: others wait for the space no longer than that takes


async def throw_away(platform: Platform, actor: Actor, node_id: int) -> Node:
    """Put a file or folder, with all that lies in it, into its space's trash. Raises NotFound, Forbidden, Invalid."""
    async with platform.db.transaction() as connection:
        (place,) = await reach_locked(connection, actor, Deed.CHANGE, node_id)
        if place.node.is_root:
            raise Invalid(N_("The top of a space cannot be renamed, moved, copied or thrown away."))
        await nodes.trash(connection, node_id, platform.clock(), actor.person_id)
        await journal.record(connection, actor, "trash", _kind(place.node), node_id, path=place.path)
        return place.node


async def take_back(platform: Platform, actor: Actor, node_id: int) -> Node:
    """Take something out of the trash, to where it lay; to the top of the space if that folder is gone too.

    If its name is taken meanwhile it comes back as `name (2)`. Raises NotFound, Forbidden, Invalid (too deep).
    """
    async with platform.db.transaction() as connection:
        place = await reach_trashed_locked(connection, actor, Deed.CHANGE, node_id)
        folder = await _folder_to_return_to(connection, actor, place)
        must_take(platform, folder)
        name = await _free_name(connection, folder.node.id, place.node.name)
        await nodes.place(connection, node_id, folder.node.id, name)
        await journal.record(connection, actor, "take-back", _kind(place.node), node_id, name=name)
        node = await nodes.get(connection, node_id)
        assert node is not None
        return node


async def _folder_to_return_to(connection: Connection, actor: Actor, place: Place) -> Place:
    assert place.node.parent_id is not None
    try:
        return still(place, await reach(connection, actor, place.node.parent_id, Deed.ADD))
    except NotFound:
        return await reach(connection, actor, place.space.root_id, Deed.ADD)


async def _free_name(connection: Connection, folder_id: int, name: str) -> str:
    for candidate in free_names(name):
        if await nodes.child(connection, folder_id, candidate) is None:
            return candidate
    raise Conflict(N_("“{name}” is already here. Please choose another name."), name=name)


async def purge(platform: Platform, actor: Actor, node_id: int) -> None:
    """Delete one thing of the trash for good, with its versions and links. Raises NotFound, Forbidden."""
    async with platform.db.transaction() as connection:
        place = await reach_trashed_locked(connection, actor, Deed.PURGE, node_id)
        await _purge(platform, connection, place.space, [node_id])
        await journal.record(connection, actor, "purge", _kind(place.node), node_id, name=place.node.name)


async def empty(platform: Platform, actor: Actor, space_id: int) -> int:
    """Delete all that lies in a space's trash now; gives how many things. Raises NotFound, Forbidden."""
    return await _empty(platform, actor, space_id, platform.clock())


async def _empty(platform: Platform, actor: Actor, space_id: int, until: datetime) -> int:
    total = 0
    while count := await _empty_some(platform, actor, space_id, until):
        total += count
    return total


async def _empty_some(platform: Platform, actor: Actor, space_id: int, until: datetime) -> int:
    async with platform.db.transaction() as connection:
        space, _ = await reach_space(connection, actor, space_id, Deed.PURGE)
        return await _purge_until(platform, connection, actor, space, until)


async def _purge_until(platform: Platform, connection: Connection, actor: Actor, space: Space, until: datetime) -> int:
    """Delete the oldest things of a trash, a batch of them, thrown away at `until` or before."""
    await spaces.lock(connection, [space.id])
    node_ids = await nodes.trashed_ids(connection, space.id, until, _BATCH)
    if node_ids:
        await _purge(platform, connection, space, node_ids)
        await journal.record(connection, actor, "empty-trash", "space", space.id, things=len(node_ids))
    return len(node_ids)


async def _purge(platform: Platform, connection: Connection, space: Space, node_ids: Sequence[int]) -> None:
    weight = await nodes.weight(connection, node_ids)
    await nodes.purge(connection, node_ids)
    await room.charge(platform, connection, space, -weight.size_bytes, -weight.files)


async def expire(platform: Platform) -> None:
    """Delete for good what has lain in any trash longer than it is kept."""
    until = platform.clock() - platform.config(Config).trash_kept
    async with platform.db.connection() as connection:
        space_ids = await nodes.spaces_with_expired_trash(connection, until)
    for space_id in space_ids:
        while await _expire_some(platform, space_id, until):
            pass


async def _expire_some(platform: Platform, space_id: int, until: datetime) -> int:
    actor = console("trash")
    async with platform.db.transaction() as connection:
        found = await spaces.get(connection, actor.person_id, space_id)
        return await _purge_until(platform, connection, actor, found[0], until) if found else 0


@dataclass(frozen=True, kw_only=True)
class Trash:
    """A page of a space's trash. total: how many things lie there, exactly. is_last: nothing comes after."""

    space: Space
    role: SpaceRole
    quota: Quota
    things: Sequence[Trashed]
    total: int
    is_last: bool


async def list_trash(
    platform: Platform, actor: Actor, space_id: int, before: tuple[datetime, int] = FIRST, limit: int = 100
) -> Trash:
    """What was thrown away in a space, last thing first.

    before: the instant and id of the last row seen. Raises NotFound.
    """
    async with platform.db.transaction(isolation="repeatable_read") as connection:
        space, role = await reach_space(connection, actor, space_id, Deed.READ)
        found = await nodes.trashed(connection, space_id, before, limit + 1)
        return Trash(
            space=space,
            role=role,
            quota=await room.quota(platform, connection, space),
            things=found[:limit],
            total=await nodes.trashed_count(connection, space_id),
            is_last=len(found) <= limit,
        )


def _kind(node: Node) -> str:
    return "file" if node.is_file else "folder"
