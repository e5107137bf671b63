"""A node: its database, its ports, its workers, from start to stop."""

from __future__ import annotations

import asyncio
import resource
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from comgov import app
from comgov.config import Config
from comgov.db import once_reachable
from comgov.feature import Platform
from comgov.logs import set_up_logs
from comgov.loop import new_loop
from comgov.postgres import borrowed_postgres_server, embedded_postgres_server
from comgov.supervisor import Sockets, Supervisor, open_ports

_OPEN_FILES = 65_536  # LimitNOFILE of deploy/comgov.service

Preparation = Callable[[Platform], Awaitable[None]]


def run(
    config: Config,
    *,
    prepare: Preparation | None = None,
    progress: Callable[[str], None] = lambda _what: None,
    ready: Callable[[], None] = lambda: None,
) -> None:
    """Serve until SIGTERM or SIGINT.

    prepare: what else must be there before the first connection. progress: told what is done next, in words.
    ready: called just before connections are accepted.
    A database that is away is waited for. Raises PortTakenError, EmbeddedPostgresError, MigrationError or ComgovError,
    each with its sentence.
    """
    set_up_logs(config.log.level)
    _allow_many_connections()
    signal.signal(signal.SIGTERM, _leave)  # until the supervisor takes over, so that PostgreSQL is stopped
    sockets = open_ports(app.listeners(config), config.server.workers)
    progress("Starting PostgreSQL")
    with _own_database(config) as (url, look_after_database):
        progress("Bringing the database, the certificates and the storage up to date")
        asyncio.run(_prepare(config, url, prepare, look_after_database))
        app.warm_up()

        def work(mine: Sockets, life: int) -> None:
            with asyncio.Runner(loop_factory=new_loop) as runner:
                runner.run(app.serve_worker(config, url, mine, life))

        supervisor = Supervisor(sockets, work, look_after_database)
        ready()
        supervisor.run()


async def _prepare(config: Config, url: str, more: Preparation | None, look_after_database: Callable[[], None]) -> None:
    async def attempt() -> None:
        look_after_database()
        await app.prepare(config, url, more)

    await once_reachable(attempt)


@contextmanager
def database_for_command(config: Config) -> Iterator[str]:
    """The database's URL for a command: that of the running node, or a server of its own meanwhile."""
    if config.database.url:
        yield config.database.url
        return
    with borrowed_postgres_server(config.server.data / "postgres") as url:
        yield url


@contextmanager
def _own_database(config: Config) -> Iterator[tuple[str, Callable[[], None]]]:
    """The database's URL, and what keeps it running."""
    if config.database.url:
        yield config.database.url, lambda: None
        return
    with embedded_postgres_server(config.server.data / "postgres") as server:
        yield server.url, server.revive


def _allow_many_connections() -> None:
    """Connections are open files, of which a process often has 1,024 unless it asks for more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, _OPEN_FILES)), hard))


def _leave(_number: int, _frame: object) -> None:
    sys.exit(0)
