"""What happens without anyone asking: driving on what was left on its way, sweeping, counting what waits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from comgov.dossiers import store
from comgov.dossiers.actions import delivering, reading
from comgov.dossiers.actions.drafts import blobs
from comgov.errors import ComgovError
from comgov.feature import Job, Waiting
from comgov.language import N_
from storage import SWEEP_AFTER, StorageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from comgov.actor import Actor
    from comgov.feature import Platform

_BATCH = 500

log = structlog.get_logger()


async def sweep(platform: Platform) -> int:
    """Forget pieces of discarded drafts and of uploads that were cut; gives how many blobs."""
    before = platform.clock() - SWEEP_AFTER
    drawer = await blobs(platform)
    swept, batch = 0, list[bytes]()
    async for blob in drawer.list(written_before=before):
        batch.append(blob.sha256)
        if len(batch) == _BATCH:
            swept += await _sweep(platform, batch)
            batch = []
    return swept + await _sweep(platform, batch)


async def _sweep(platform: Platform, digests: list[bytes]) -> int:
    before = platform.clock() - SWEEP_AFTER
    async with platform.db.connection() as connection:
        kept = await store.referred(connection, digests)
    drawer = await blobs(platform)
    for sha256 in set(digests) - kept:
        await drawer.delete(sha256, written_before=before)
    return len(set(digests) - kept)


async def resume(platform: Platform) -> None:
    """Drive on what a process that died left on its way; what cannot be done now is left to the job."""
    try:
        await delivering.resume(platform)
    except (ComgovError, StorageError) as error:
        log.warning("relay.not_resumed", reason=str(error))


async def waiting(platform: Platform, actor: Actor) -> Sequence[Waiting]:
    """The arrivals that wait for the number which this person may give."""
    count = await reading.count_waiting(platform, actor)
    return [Waiting(title=N_("Arrivals to register"), count=count, path="/dossiers?state=waiting")] if count else []


jobs = [
    Job(name="dossiers.relay", cron="* * * * *", run=delivering.resume),
    Job(name="dossiers.sweep", cron="37 3 * * *", run=sweep),
]
