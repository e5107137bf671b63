"""Versions: what a file was before, showing it again, deleting it for good; and opening any of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from comgov import journal
from comgov.errors import Conflict, Invalid, NotFound
from comgov.files import room
from comgov.files.model import Deed, Node, Place, Version
from comgov.files.reach import reach, reach_locked
from comgov.files.store import nodes
from comgov.files.store import versions as store
from comgov.language import N_

if TYPE_CHECKING:
    from comgov.actor import Actor
    from comgov.feature import Platform

LAST = 2**31 - 1
"""Above every version's number."""

_NO_VERSION = N_("This version is not there any more.")


@dataclass(frozen=True, kw_only=True)
class Content:
    """Bytes to be sent under a name. changed_at: since when they are what the name stands for."""

    name: str
    sha256: bytes
    size_bytes: int
    changed_at: datetime


@dataclass(frozen=True, kw_only=True)
class History:
    """A page of a file's versions, latest first. total: how many are kept. is_last: nothing comes after."""

    place: Place
    versions: Sequence[Version]
    total: int
    is_last: bool


async def open_file(platform: Platform, actor: Actor, node_id: int, number: int | None = None) -> Content:
    """What to send for a file: the version shown, or that one. Raises NotFound, Invalid for a folder."""
    async with platform.db.connection() as connection:
        place = await reach(connection, actor, node_id, Deed.READ)
        _must_be_a_file(place)
        if number is None:
            return content_of(place.node)
        version = await store.get(connection, node_id, number)
    if version is None:
        raise NotFound(_NO_VERSION)
    return Content(
        name=place.node.name,
        sha256=version.sha256,
        size_bytes=version.size_bytes,
        changed_at=version.created_at,
    )


def content_of(node: Node) -> Content:
    """The bytes that a file shows."""
    assert node.sha256 is not None
    return Content(name=node.name, sha256=node.sha256, size_bytes=node.size_bytes, changed_at=node.changed_at)


async def history(platform: Platform, actor: Actor, node_id: int, before: int = LAST, limit: int = 100) -> History:
    """The versions of a file, of those numbered below `before`. Raises NotFound, Invalid for a folder."""
    async with platform.db.transaction(isolation="repeatable_read") as connection:
        place = await reach(connection, actor, node_id, Deed.READ)
        _must_be_a_file(place)
        found = await store.history(connection, node_id, before, limit + 1)
        return History(
            place=place,
            versions=found[:limit],
            total=await store.count(connection, node_id),
            is_last=len(found) <= limit,
        )


async def show(platform: Platform, actor: Actor, node_id: int, number: int) -> Node:
    """Show that version of a file from now on; the others stay. Raises NotFound, Forbidden, Invalid."""
    async with platform.db.transaction() as connection:
        (place,) = await reach_locked(connection, actor, Deed.CHANGE, node_id)
        _must_be_a_file(place)
        if not await store.show(connection, node_id, number, actor.person_id, platform.clock()):
            raise NotFound(_NO_VERSION)
        await journal.record(connection, actor, "show-version", "file", node_id, version=number)
        node = await nodes.get(connection, node_id)
        assert node is not None
        return node


async def delete(platform: Platform, actor: Actor, node_id: int, number: int) -> None:
    """Delete a version for good. Raises NotFound, Forbidden, Invalid; Conflict for the version that is shown."""
    async with platform.db.transaction() as connection:
        (place,) = await reach_locked(connection, actor, Deed.PURGE, node_id)
        _must_be_a_file(place)
        if place.node.version == number:
            raise Conflict(N_("This is the version shown. Show another one first, or throw the whole file away."))
        if await store.get(connection, node_id, number) is None:
            raise NotFound(_NO_VERSION)
        freed_bytes = await store.delete(connection, node_id, [number])
        await room.charge(platform, connection, place.space, -freed_bytes, 0)
        await journal.record(connection, actor, "delete-version", "file", node_id, version=number)


def _must_be_a_file(place: Place) -> None:
    if not place.node.is_file:
        raise Invalid(N_("“{name}” is a folder; only files can be opened."), name=place.node.name)
