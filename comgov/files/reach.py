"""Finding what an actor may do something to: the two levels of access, asked in one place.

The container first (is there a role in this space at all? if not, it does not exist for this person), then the thing
(is it there and not in the trash, and does that role allow this deed?).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from comgov.errors import Conflict, Forbidden, NotFound
from comgov.files.model import Deed, Place, Space, SpaceRole, may, role_in
from comgov.files.store import nodes, spaces
from comgov.language import N_

if TYPE_CHECKING:
    from comgov.actor import Actor
    from comgov.db import Connection

_NOT_THERE = N_("This file or folder is not there, or not for you. It may have been moved or thrown away.")
_NO_SPACE = N_("This space is not there, or not for you.")
_NOT_ALLOWED = N_("You may read here, but not do this. Ask a manager of this space.")
_MOVED = N_("Somebody moved this meanwhile. Nothing was changed; please look again.")


async def reach_space(connection: Connection, actor: Actor, space_id: int, deed: Deed) -> tuple[Space, SpaceRole]:
    """A space in which `actor` may do `deed`, and their role there. Raises NotFound, Forbidden."""
    found = await spaces.get(connection, actor.person_id, space_id)
    role = role_in(actor, *found) if found else SpaceRole.NONE
    if found is None or role is SpaceRole.NONE:
        raise NotFound(_NO_SPACE)
    must(role, deed)
    return found[0], role


async def reach(connection: Connection, actor: Actor, node_id: int, deed: Deed) -> Place:
    """A node that lies in no trash and to which `actor` may do `deed`. Raises NotFound, Forbidden."""
    place, is_trashed = await _find(connection, actor, node_id)
    if is_trashed:
        raise NotFound(_NOT_THERE)
    must(place.role, deed)
    return place


async def reach_trashed(connection: Connection, actor: Actor, node_id: int, deed: Deed) -> Place:
    """A node that was thrown away itself and to which `actor` may do `deed`. Raises NotFound, Forbidden."""
    place, _ = await _find(connection, actor, node_id)
    if place.node.trashed_at is None:
        raise NotFound(_NOT_THERE)
    must(place.role, deed)
    return place


async def reach_locked(connection: Connection, actor: Actor, deed: Deed, *node_ids: int) -> tuple[Place, ...]:
    """`reach` for several nodes, their spaces locked until the transaction ends. Raises Conflict too."""
    before = [await reach(connection, actor, node_id, deed) for node_id in node_ids]
    await spaces.lock(connection, (place.space.id for place in before))
    return tuple([still(place, await reach(connection, actor, place.node.id, deed)) for place in before])


async def reach_trashed_locked(connection: Connection, actor: Actor, deed: Deed, node_id: int) -> Place:
    """`reach_trashed`, its space locked until the transaction ends."""
    before = await reach_trashed(connection, actor, node_id, deed)
    await spaces.lock(connection, [before.space.id])
    return still(before, await reach_trashed(connection, actor, node_id, deed))


def still(before: Place, now: Place) -> Place:
    """`now`, if it still lies in the space that was locked. Raises Conflict."""
    if now.space.id != before.space.id:
        raise Conflict(_MOVED)
    return now


def must(role: SpaceRole, deed: Deed) -> None:
    """Raises Forbidden unless that role may do that deed."""
    if not may(role, deed):
        raise Forbidden(_NOT_ALLOWED)


async def _find(connection: Connection, actor: Actor, node_id: int) -> tuple[Place, bool]:
    """A node where the actor has some role, and whether it or a folder above lies in the trash."""
    node = await nodes.get(connection, node_id)
    found = await spaces.get(connection, actor.person_id, node.space_id) if node else None
    role = role_in(actor, *found) if found else SpaceRole.NONE
    if node is None or found is None or role is SpaceRole.NONE:
        raise NotFound(_NOT_THERE)
    above, is_above_trashed = await nodes.above(connection, node_id)
    place = Place(space=found[0], role=role, node=node, above=above)
    return place, is_above_trashed or node.trashed_at is not None
