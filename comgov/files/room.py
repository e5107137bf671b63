"""Whether there is room: quotas, and the counters that hold them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comgov.errors import Full
from comgov.files.config import Config
from comgov.files.model import Quota, SpaceKind
from comgov.files.store import spaces
from comgov.language import N_

if TYPE_CHECKING:
    from comgov.db import Connection
    from comgov.feature import Platform
    from comgov.files.model import Space
    from comgov.files.store.nodes import Weight
    from comgov.files.store.spaces import Charge

MEGABYTE = 1_000_000


async def quota(platform: Platform, connection: Connection, space: Space) -> Quota:
    """What is used and what may be."""
    return _quota(platform, space, await spaces.use(connection, space.id))


async def charge(platform: Platform, connection: Connection, space: Space, size_bytes: int, files: int) -> None:
    """Add to the counters of a locked space (negative figures: take away), within its quota and its institution's.

    Raises Full; what takes nothing more is never refused, even beyond a quota that was cut.
    """
    after = _quota(platform, space, await spaces.charge(connection, space.id, size_bytes, files))
    if size_bytes > 0 and after.is_exceeded:
        raise full(size_bytes, max(0, after.least_left_bytes + size_bytes))


async def move_charge(platform: Platform, connection: Connection, origin: Space, target: Space, weight: Weight) -> None:
    """Take from one locked space's counters and add to another's, institutions in the order of their ids.

    Raises Full when the target has no room.
    """
    changes = [(origin, -1), (target, 1)]
    for space, sign in sorted(changes, key=lambda change: (change[0].institution_id, change[1])):
        await charge(platform, connection, space, sign * weight.size_bytes, sign * weight.files)


def full(needed_bytes: int, left_bytes: int) -> Full:
    """There is no room for what was to come."""
    return Full(
        N_(
            "There is not enough room: {needed} MB are needed and {left} MB are left. Nothing was changed. "
            "Empty the trash, delete old versions, or ask your ICT focal point for more room."
        ),
        needed=-(-needed_bytes // MEGABYTE),
        left=left_bytes // MEGABYTE,
    )


def _quota(platform: Platform, space: Space, found: Charge) -> Quota:
    config = platform.config(Config)
    usual = {
        SpaceKind.PERSONAL: config.personal_quota_bytes,
        SpaceKind.INSTITUTION: config.institution_space_quota_bytes,
    }
    own = found.space_quota_bytes
    return Quota(
        space_used_bytes=found.space_bytes,
        space_bytes=usual[space.kind] if own is None else own,
        institution_used_bytes=found.institution_bytes,
        institution_bytes=found.institution_quota_bytes,
    )
