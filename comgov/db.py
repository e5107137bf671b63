"""The database: one pool, transactions, and migrations that only go forward.

Driver exceptions stop here: a lost or refused connection becomes `Unavailable`, so that every room above speaks
of what is the matter and not of a driver.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import asyncpg

from comgov.errors import Invalid, Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
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

_PATIENCE = 15.0  # seconds to wait for a connection before saying so: longer than a restart of PostgreSQL


class MigrationError(Exception):
    """A migration that was applied has since been edited, or is missing."""


class Database:
    """The pool, and how one borrows from it. Shared by every coroutine of a process."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection in autocommit, for reading.

        Raises Unavailable when the database cannot be reached or goes away meanwhile, Invalid for a text with NUL.
        """
        try:
            connection = await self.pool.acquire(timeout=_PATIENCE)
        except (*_DOWN, OSError, TimeoutError) as error:
            raise _unavailable(error) from error
        try:
            yield connection
        except asyncpg.CharacterNotInRepertoireError as error:  # NUL, the one character that PostgreSQL cannot keep
            raise Invalid("There is an unreadable character in what was sent. Nothing was changed.") from error
        except _DOWN as error:
            raise _unavailable(error) from error
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

    min_size, max_size: connections kept and allowed.
    Raises Unavailable when it cannot be reached.
    """
    try:
        pool = await asyncpg.create_pool(url, min_size=min_size, max_size=max_size, reset=_keep, timeout=10)
    except (*_DOWN, asyncpg.PostgresError, TimeoutError) as error:
        raise Unavailable("The database does not answer: {error}.", error=str(error) or type(error).__name__) from error
    try:
        yield Database(pool)
    finally:
        try:
            await asyncio.wait_for(pool.close(), timeout=5)
        except TimeoutError:
            pool.terminate()


def _unavailable(error: BaseException) -> Unavailable:
    return Unavailable(
        "The database does not answer. Nothing was lost; try again in a minute.",
        reason=f"{type(error).__name__}: {error}",
    )


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
    Raises MigrationError if an applied file was edited or is gone.
    """
    connection = await asyncpg.connect(url)
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
        async with connection.transaction():
            await connection.execute(file.sql)
            await connection.execute(
                "INSERT INTO comgov.migration (package, number, name, sha256) VALUES ($1, $2, $3, $4)",
                package.package,
                file.number,
                file.name,
                file.sha256,
            )
        names.append(f"{package.package}/{file.name}")
    return names


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
