"""Spaces: whose, how much room, and who is what in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from comgov import journal
from comgov.errors import Invalid, NotFound
from comgov.files import room
from comgov.files.model import Deed, Grant, Quota, Space, SpaceRole, role_in
from comgov.files.reach import reach_space
from comgov.files.store import spaces as store
from comgov.institutions import actions as institutions
from comgov.institutions.model import check_quota, must_administer
from comgov.language import N_
from comgov.people import actions as people

if TYPE_CHECKING:
    from comgov.actor import Actor
    from comgov.db import Connection
    from comgov.feature import Platform
    from comgov.files.store.spaces import InstitutionUse

MINE = "me"
"""How addresses name one's own space."""

_NO_SPACE = N_("This space is not there, or not for you.")


@dataclass(frozen=True)
class Door:
    """A space one may enter, and what one is there."""

    space: Space
    role: SpaceRole


async def doors(platform: Platform, actor: Actor) -> list[Door]:
    """The spaces of an actor: their own, then their institution's. Both are made the first time they are asked for."""
    async with platform.db.connection() as connection:
        own, shared = await _both(connection, actor)
        if own is None or shared is None:
            async with connection.transaction():
                await store.open_space(connection, actor.institution_id, actor.person_id)
                await store.open_space(connection, actor.institution_id, None)
            own, shared = await _both(connection, actor)
    assert own is not None and shared is not None
    found = [Door(own, role_in(actor, own, None)), Door(shared[0], role_in(actor, *shared))]
    return [door for door in found if door.role is not SpaceRole.NONE]


async def _both(connection: Connection, actor: Actor) -> tuple[Space | None, tuple[Space, SpaceRole | None] | None]:
    own = await store.of_person(connection, actor.person_id)
    return own, await store.of_institution(connection, actor.person_id, actor.institution_id)


async def named(platform: Platform, actor: Actor, name: str) -> Door:
    """The space that an address names: `me`, the code of the institution, or its number. Raises NotFound."""
    for door in await doors(platform, actor):
        code = MINE if door.space.owner_id is not None else door.space.institution_code
        if name in (code, str(door.space.id)):
            return door
    raise NotFound(_NO_SPACE)


async def quota(platform: Platform, actor: Actor, space_id: int) -> Quota:
    """What is used of a space and of its institution. Raises NotFound."""
    async with platform.db.connection() as connection:
        space, _ = await reach_space(connection, actor, space_id, Deed.READ)
        return await room.quota(platform, connection, space)


async def owned(platform: Platform, actor: Actor, owner: str) -> tuple[Space, Quota]:
    """The space of a person (an address) or of an institution (a code), made if need be; for its administrators.

    Administrators see how full it is, not what it holds. Raises NotFound, Forbidden.
    """
    if "@" in owner:
        person = await people.get_person(platform, owner)
        institution_id, owner_id = person.institution_id, person.id
    else:
        institution_id, owner_id = (await institutions.get(platform, owner)).id, None
    must_administer(actor, institution_id)
    async with platform.db.transaction() as connection:
        await store.open_space(connection, institution_id, owner_id)
        if owner_id is not None:
            space = await store.of_person(connection, owner_id)
        else:
            found = await store.of_institution(connection, actor.person_id, institution_id)
            space = found[0] if found else None
        assert space is not None
        return space, await room.quota(platform, connection, space)


async def set_quota(platform: Platform, actor: Actor, space_id: int, quota_bytes: int | None) -> None:
    """Give a space its own quota, or the configured one again; for administrators of its institution.

    Raises NotFound, Forbidden, Invalid.
    """
    if quota_bytes is not None:
        check_quota(quota_bytes)
    async with platform.db.transaction() as connection:
        found = await store.get(connection, actor.person_id, space_id)
        if found is None:
            raise NotFound(_NO_SPACE)
        must_administer(actor, found[0].institution_id)
        await store.set_quota(connection, space_id, quota_bytes)
        await journal.record(connection, actor, "set-quota", "space", space_id, quota_bytes=quota_bytes)


async def set_default_role(platform: Platform, actor: Actor, space_id: int, role: SpaceRole) -> None:
    """Say what members of the institution are in its space unless something else was granted. For its managers."""
    async with platform.db.transaction() as connection:
        await _reach_shared(connection, actor, space_id)
        await store.set_default_role(connection, space_id, role)
        await journal.record(connection, actor, "set-default-role", "space", space_id, role=role.code)


async def grant(platform: Platform, actor: Actor, space_id: int, person_id: int, role: SpaceRole | None) -> None:
    """Say what one member is in the space of the institution; None: the default again. For its managers.

    Raises NotFound, Forbidden, Invalid when that person is of another institution.
    """
    async with platform.db.transaction() as connection:
        await _reach_shared(connection, actor, space_id)
        if role is None:
            await store.ungrant(connection, space_id, person_id)
        elif not await store.grant(connection, space_id, person_id, role):
            raise Invalid(N_("Only people of this institution can be given a role in its space."))
        await journal.record(
            connection, actor, "grant", "space", space_id, person=person_id, role=role.code if role else None
        )


@dataclass(frozen=True, kw_only=True)
class Roles:
    """A page of who is what in a space. total: how many have a role of their own. is_last: nothing comes after."""

    space: Space
    grants: Sequence[Grant]
    total: int
    is_last: bool


async def roles(platform: Platform, actor: Actor, space_id: int, after: str = "", limit: int = 100) -> Roles:
    """Who was given a role of their own in the space of an institution, by address. For its managers."""
    async with platform.db.transaction(isolation="repeatable_read") as connection:
        space = await _reach_shared(connection, actor, space_id)
        found = await store.grants(connection, space_id, after, limit + 1)
        total = await store.grants_count(connection, space_id)
    return Roles(space=space, grants=found[:limit], total=total, is_last=len(found) <= limit)


async def _reach_shared(connection: Connection, actor: Actor, space_id: int) -> Space:
    space, _ = await reach_space(connection, actor, space_id, Deed.MANAGE)
    if space.owner_id is not None:
        raise Invalid(N_("A personal space is its owner's alone: nobody else can be given a role there."))
    return space


async def usage(platform: Platform, institution_id: int | None = None) -> list[InstitutionUse]:
    """What the files of each institution weigh, exactly; or of that one alone."""
    async with platform.db.connection() as connection:
        return await store.usage(connection, institution_id)


async def recount(platform: Platform) -> int:
    """Count every space and institution anew from their versions; gives how many counters were wrong: always 0."""
    async with platform.db.transaction() as connection:
        await store.lock(connection, await store.all_ids(connection))
        return await store.recount(connection)
