"""What happens later: schedules that one worker of all nodes runs at a time, kept by PgQueuer.

PgQueuer's tables stand in the schema `jobs` and come by migration, like ours. A schedule whose worker died is taken
over by another within a minute, so a job must be harmless when it runs twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import structlog
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.adapters.persistence.qb import (
    QueryBuilderEnvironment,
    QueryQueueBuilder,
    QuerySchedulerBuilder,
)
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.core.sm import SchedulerManager
from pgqueuer.domain.models import Schedule
from pgqueuer.domain.settings import DBSettings, Durability

from comgov.db import Migrations

migrations = Migrations(package="jobs", directory=Path(__file__).parent / "migrations")

_SETTINGS = DBSettings(db_schema="jobs", durability=Durability.balanced)
_RETRY_SECONDS = 5.0
# A server killed in the middle of a reply leaves the driver in a state that it calls its own error.
_INTERRUPTIONS = (
    OSError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    ExceptionGroup,
)

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Scheduled:
    """name: unique over all rooms. cron: five fields, in UTC (`*/5 * * * *`). run: harmless when run twice."""

    name: str
    cron: str
    run: Callable[[], Awaitable[object]]


async def run_schedules(database_url: str, scheduled: Sequence[Scheduled]) -> None:
    """Run these until cancelled; a database that is away is waited for."""
    while True:
        try:
            await _run_connected(database_url, scheduled)
        except _INTERRUPTIONS as error:
            log.warning("schedules.interrupted", reason=str(error))
            await asyncio.sleep(_RETRY_SECONDS)


async def _run_connected(database_url: str, scheduled: Sequence[Scheduled]) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        manager = SchedulerManager(
            Queries(
                AsyncpgDriver(connection),
                QueryBuilderEnvironment(_SETTINGS),
                QueryQueueBuilder(_SETTINGS),
                QuerySchedulerBuilder(_SETTINGS),
            )
        )
        for one in scheduled:
            manager.schedule(one.name, one.cron, accepts_context=False)(_runner(one))
        await manager.run()
    finally:
        connection.terminate()


def _runner(scheduled: Scheduled) -> Callable[[Schedule], Awaitable[None]]:
    async def run(_schedule: Schedule) -> None:
        await scheduled.run()

    return run
