"""Upload: the one way in for bytes, whoever brings them (form, API; later tus and WebDAV).

First the question whether they may come, then the bytes, durable in the store, then a short transaction for what
refers to them. A cut anywhere leaves at most bytes that nothing refers to, which the sweeper finds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from comgov import journal
from comgov.errors import Conflict, Invalid, PreconditionFailed, TooLarge
from comgov.files import blobs, room
from comgov.files.config import Config
from comgov.files.model import Deed
from comgov.files.names import check_name, too_deep
from comgov.files.reach import reach, reach_locked
from comgov.files.store import nodes, versions
from comgov.language import N_

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator

    from comgov.actor import Actor
    from comgov.db import Connection
    from comgov.feature import Platform
    from comgov.files.model import Node, Place
    from storage import Blob


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What must hold for an upload to be taken (RFC 9110 §13.1, RFC 9530).

    absent: nothing bears that name yet (`If-None-Match: *`). current: the bytes now there have one of these digests
    (`If-Match`); None: whatever is there. sha256: the digest of what is sent; None: not announced.
    """

    absent: bool = False
    current: frozenset[bytes] | None = None
    sha256: bytes | None = None


@dataclass(frozen=True)
class Uploaded:
    """The file as it now is. is_new: nothing bore that name before. is_changed: these bytes were not its already."""

    node: Node
    is_new: bool
    is_changed: bool


async def upload(
    platform: Platform,
    actor: Actor,
    folder_id: int,
    name: str,
    chunks: AsyncIterable[bytes],
    *,
    declared_bytes: int | None = None,
    expected: Expected | None = None,
) -> Uploaded:
    """Take a file into a folder; under a name that a file there bears, as its next version.

    chunks: the bytes, of which nothing is kept in memory. declared_bytes: how many were announced.
    Raises NotFound, Forbidden, Invalid, Conflict (a folder bears that name), PreconditionFailed, TooLarge, Full,
    Unavailable; nothing is changed then.
    """
    name, expected = check_name(name), expected or Expected()
    async with platform.db.connection() as connection:
        place = await reach(connection, actor, folder_id, Deed.ADD)
        await _check_target(platform, connection, place, name, expected)
        left_bytes = (await room.quota(platform, connection, place.space)).left_bytes
    limit_bytes = platform.config(Config).file_limit_bytes
    _check_size(declared_bytes or 0, left_bytes, limit_bytes)

    blob = await blobs.write(platform, _bounded(chunks, left_bytes, limit_bytes), declared_bytes)
    if expected.sha256 not in (None, blob.sha256):
        raise Invalid(N_("The bytes that arrived are not those announced. Nothing was kept; please send them again."))

    async with platform.db.transaction() as connection:
        (place,) = await reach_locked(connection, actor, Deed.ADD, folder_id)
        there = await _check_target(platform, connection, place, name, expected)
        return await _refer(platform, connection, actor, place, there, name, blob)


async def _check_target(
    platform: Platform, connection: Connection, place: Place, name: str, expected: Expected
) -> Node | None:
    """The file that bears that name already. Raises Conflict, PreconditionFailed, Invalid."""
    must_take(platform, place)
    there = await nodes.child(connection, place.node.id, name)
    if there is not None and not there.is_file:
        raise Conflict(N_("A folder is called “{name}” here. Please choose another name."), name=there.name)
    if (expected.absent and there is not None) or (
        expected.current is not None and (there is None or there.sha256 not in expected.current)
    ):
        raise PreconditionFailed(N_("Somebody changed this file meanwhile. Nothing was changed; please look again."))
    return there


def must_take(platform: Platform, place: Place) -> None:
    """Raises Invalid unless it is a folder that may hold one thing more below it."""
    if place.node.is_file:
        raise Invalid(N_("“{name}” is a file, not a folder."), name=place.node.name)
    limit = platform.config(Config).depth_limit
    if place.depth + 1 > limit:
        raise too_deep(limit)


def _check_size(size_bytes: int, left_bytes: int, limit_bytes: int) -> None:
    if size_bytes > limit_bytes:
        raise TooLarge(N_("A file can weigh at most {limit} MB. Nothing was kept."), limit=limit_bytes // room.MEGABYTE)
    if size_bytes > left_bytes:
        raise room.full(size_bytes, left_bytes)


async def _bounded(chunks: AsyncIterable[bytes], left_bytes: int, limit_bytes: int) -> AsyncIterator[bytes]:
    """The same chunks, until they are more than there is room for. Raises TooLarge, Full."""
    size_bytes = 0
    async for chunk in chunks:
        size_bytes += len(chunk)
        _check_size(size_bytes, left_bytes, limit_bytes)
        yield chunk


async def _refer(
    platform: Platform,
    connection: Connection,
    actor: Actor,
    place: Place,
    there: Node | None,
    name: str,
    blob: Blob,
) -> Uploaded:
    """Write down that these bytes are that file: node, version, counters, journal. The space is locked."""
    if there is not None and there.sha256 == blob.sha256:
        return Uploaded(there, is_new=False, is_changed=False)
    now = platform.clock()
    if there is None:
        node_id, number = (
            await nodes.insert(connection, place.space.id, place.node.id, name, blob, actor.person_id, now),
            1,
        )
        await versions.insert(connection, node_id, number, blob, actor.person_id, now)
        freed_bytes = 0
    else:
        node_id = there.id
        number = await versions.add(connection, node_id, blob, actor.person_id, now)
        superfluous = await versions.beyond(connection, node_id, platform.config(Config).versions_kept)
        freed_bytes = await versions.delete(connection, node_id, superfluous)
    await room.charge(platform, connection, place.space, blob.size_bytes - freed_bytes, int(there is None))
    await journal.record(
        connection,
        actor,
        "upload",
        "file",
        node_id,
        name=name,
        version=number,
        sha256=blob.sha256.hex(),
        size_bytes=blob.size_bytes,
    )
    node = await nodes.get(connection, node_id)
    assert node is not None
    return Uploaded(node, is_new=there is None, is_changed=True)
