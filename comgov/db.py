"""The database: one pool, transactions, and migrations that only go forward.

Driver exceptions stop here: a lost or refused connection becomes `Unavailable`, so that every room above speaks
of what is the matter and not of a driver.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import asyncpg
import structlog

from comgov.errors import ComgovError, Full, Invalid, Unavailable
from comgov.language import N_

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
    from pathlib import Path

    Connection: TypeAlias = asyncpg.pool.PoolConnectionProxy[asyncpg.Record] | asyncpg.Connection[asyncpg.Record]
    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]
    Record: TypeAlias = asyncpg.Record

_MIGRATIONS_LOCK = 0x636F6D676F76  # "comgov": one migrator at a time, whatever the node

_DOWN = (
    ConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # what a server killed in the middle of a reply leaves behind
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
)

_CONNECT_PATIENCE = 10.0  # seconds for the server to take a connection
_PATIENCE = 15.0  # seconds to wait for a connection of the pool before saying so: longer than a restart of PostgreSQL
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 5.0  # seconds between attempts of what waits for the database

T = TypeVar("T")

log = structlog.get_logger()


class DatabaseDown(Unavailable):
    """The database cannot be reached, or went away; it may come back by itself."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(
            N_("The database does not answer. Nothing was lost; try again in a minute."),
            reason=f"{type(error).__name__}: {error}",
        )


class DatabaseRefused(ComgovError):
    """PostgreSQL answers and says no: waiting changes nothing."""

    status = 503


class MigrationError(Exception):
    """A migration that was applied has since been edited or is missing, or one cannot be applied."""


class Database:
    """The pool, and how one borrows from it. Shared by every coroutine of a process."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection in autocommit, for reading.

        Raises DatabaseDown when the database cannot be reached or goes away meanwhile, Full when its disk has no room,
        Invalid for a text that it cannot keep.
        """
        try:
            connection = await self.pool.acquire(timeout=_PATIENCE)
        except (*_DOWN, asyncpg.PostgresError, OSError) as error:
            raise DatabaseDown(error) from error
        try:
            yield connection
        except asyncpg.DataError as error:
            if not _is_unreadable(error):
                raise
            raise Invalid("There is an unreadable character in what was sent. Nothing was changed.") from error
        except asyncpg.DiskFullError as error:
            raise Full(
                N_("The server has no room left. Nothing was changed; try again later."), reason=str(error)
            ) from error
        except _DOWN as error:
            raise DatabaseDown(error) from error
        finally:
            await self.pool.release(connection)

    @asynccontextmanager
    async def transaction(self, *, isolation: str | None = None) -> AsyncIterator[Connection]:
        """A connection in a transaction: returning commits, raising rolls back.

        isolation: PostgreSQL's name in snake case, such as `repeatable_read`; None for the default.
        """
        async with self.connection() as connection, connection.transaction(isolation=isolation):  # type: ignore[arg-type]
            yield connection


@asynccontextmanager
async def open_database(url: str, *, min_size: int = 1, max_size: int = 8) -> AsyncIterator[Database]:
    """The database at `url` for as long as the block lasts.

    min_size, max_size: connections made at once and allowed; with 0 nothing is tried before the first use.
    Raises DatabaseDown when it cannot be reached, DatabaseRefused when it says no.
    """
    with _translated():
        pool = await asyncpg.create_pool(
            url, min_size=min_size, max_size=max_size, reset=_keep, timeout=_CONNECT_PATIENCE
        )
    try:
        yield Database(pool)
    finally:
        try:
            await asyncio.wait_for(pool.close(), timeout=5)
        except TimeoutError:
            pool.terminate()


async def once_reachable(work: Callable[[], Awaitable[T]]) -> T:
    """What `work` gives, begun again after a pause of 0.25 to 5 s for as long as the database is away."""
    pause = _FIRST_PAUSE
    while True:
        try:
            return await work()
        except DatabaseDown as error:
            log.warning("database.awaited", reason=error.reason, again_in_seconds=pause)
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


@contextmanager
def _translated() -> Iterator[None]:
    """Raises DatabaseDown and DatabaseRefused for what the driver says while it connects."""
    try:
        yield
    except asyncpg.ClientConfigurationError as error:  # the URL is none
        raise _refused(error) from error
    except (*_DOWN, OSError) as error:
        raise DatabaseDown(error) from error
    except asyncpg.PostgresError as error:  # a wrong password, a missing database
        raise _refused(error) from error


def _refused(error: Exception) -> DatabaseRefused:
    return DatabaseRefused(
        N_("PostgreSQL refuses this server ({error}): correct database.url in the configuration."), error=error
    )


def _is_unreadable(error: asyncpg.DataError) -> bool:
    """Whether a text holds what PostgreSQL cannot keep: NUL, or half of a surrogate pair."""
    return isinstance(error, asyncpg.CharacterNotInRepertoireError) or isinstance(error.__cause__, UnicodeEncodeError)


async def _keep(_connection: object) -> None:
    """Nothing to reset: no room leaves session state behind, and the default costs a round trip each time."""


@dataclass(frozen=True, kw_only=True)
class Migrations:
    """The numbered SQL files of one package, `0001_name.sql` and on."""

    package: str
    directory: Path


@dataclass(frozen=True)
class _Migration:
    number: int
    name: str
    sql: str

    @property
    def sha256(self) -> bytes:
        return hashlib.sha256(self.sql.encode()).digest()


async def migrate(url: str, packages: Sequence[Migrations]) -> list[str]:
    """Bring the schema to the present; gives the names of what was applied, such as `mail/0001_mail`.

    Packages are taken in order, each file in a transaction of its own, one migrator at a time.
    Raises MigrationError if an applied file was edited or is gone, or one cannot be applied; DatabaseDown and
    DatabaseRefused.
    """
    with _translated():
        connection = await asyncpg.connect(url, timeout=_CONNECT_PATIENCE)
        try:
            await connection.execute("SELECT pg_advisory_lock($1)", _MIGRATIONS_LOCK)
            await connection.execute(_LEDGER)
            return [name for package in packages for name in await _migrate_package(connection, package)]
        finally:
            await connection.close()


_LEDGER = """
CREATE SCHEMA IF NOT EXISTS comgov;
CREATE TABLE IF NOT EXISTS comgov.migration (
    package    text NOT NULL,
    number     int NOT NULL,
    name       text NOT NULL,
    sha256     bytea NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (package, number)
)
"""


async def _migrate_package(connection: asyncpg.Connection[Any], package: Migrations) -> list[str]:
    rows = await connection.fetch("SELECT number, sha256 FROM comgov.migration WHERE package = $1", package.package)
    applied: dict[int, bytes] = {row["number"]: row["sha256"] for row in rows}
    files = await asyncio.to_thread(_read, package.directory)
    if missing := applied.keys() - {file.number for file in files}:
        raise MigrationError(f"{package.package}: migration {min(missing):04d} was applied and its file is gone")
    names = []
    for file in files:
        if file.number in applied:
            if applied[file.number] != file.sha256:
                raise MigrationError(f"{package.package}/{file.name}: edited after it was applied; add a new one")
            continue
        try:
            await _apply(connection, package, file)
        except _DOWN as error:
            raise DatabaseDown(error) from error
        except asyncpg.PostgresError as error:
            raise MigrationError(f"{package.package}/{file.name} cannot be applied: {error}") from error
        names.append(f"{package.package}/{file.name}")
    return names


async def _apply(connection: asyncpg.Connection[Any], package: Migrations, file: _Migration) -> None:
    async with connection.transaction():
        await connection.execute(file.sql)
        await connection.execute(
            "INSERT INTO comgov.migration (package, number, name, sha256) VALUES ($1, $2, $3, $4)",
            package.package,
            file.number,
            file.name,
            file.sha256,
        )


def _read(directory: Path) -> list[_Migration]:
    files = []
    for path in sorted(directory.glob("*.sql")):
        match = re.fullmatch(r"(\d{4})_(\w+)", path.stem)
        if match is None:
            raise MigrationError(f"{path}: a migration is named like 0001_what_it_brings.sql")
        files.append(_Migration(int(match[1]), path.stem, path.read_text(encoding="utf-8")))
    if [file.number for file in files] != list(range(1, len(files) + 1)):
        raise MigrationError(f"{directory}: migrations must be numbered 0001, 0002, … without a gap")
    return files
