"""What happens later: the trash expires, tickets too, and bytes that nothing refers to are swept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comgov.files import blobs
from comgov.files.actions import links, trash
from comgov.files.store import versions
from storage.store import SWEEP_AFTER

if TYPE_CHECKING:
    from datetime import datetime

    from comgov.feature import Platform
    from storage import Store

_BATCH = 1000  # blobs asked about at once


async def expire(platform: Platform) -> None:
    """Empty the trash of what lay there long enough, and forget spent tickets."""
    await trash.expire(platform)
    await links.drop_expired(platform)


async def sweep(platform: Platform) -> int:
    """Delete the blobs of this room's drawer that no version refers to; gives how many.

    Only those written over a day ago, and not since: an upload refers to its bytes within moments of writing them,
    and the store counts bytes written again as new, so none is deleted that is about to be referred to.
    """
    store = await blobs.drawer(platform)
    written_before = platform.clock() - SWEEP_AFTER
    batch: list[bytes] = []
    swept = 0
    with blobs.translated():
        async for blob in store.list(written_before=written_before):
            batch.append(blob.sha256)
            if len(batch) == _BATCH:
                swept += await _sweep(platform, store, batch, written_before)
                batch = []
        return swept + await _sweep(platform, store, batch, written_before)


async def _sweep(platform: Platform, store: Store, digests: list[bytes], written_before: datetime) -> int:
    async with platform.db.connection() as connection:
        referred = await versions.referred(connection, digests)
    orphans = [sha256 for sha256 in digests if sha256 not in referred]
    for sha256 in orphans:
        await store.delete(sha256, written_before=written_before)
    return len(orphans)
