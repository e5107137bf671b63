"""The border to PostgreSQL: a driver's exceptions become mail's, once."""

from __future__ import annotations

import errno
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, TypeAlias

import asyncpg

from mail.errors import SystemDown, SystemFull

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]
    Connection: TypeAlias = asyncpg.pool.PoolConnectionProxy[asyncpg.Record] | asyncpg.Connection[asyncpg.Record]

_FULL = (asyncpg.DiskFullError, asyncpg.OutOfMemoryError, asyncpg.ConfigurationLimitExceededError)
_DOWN = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # what a server killed in the middle of a reply leaves behind
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.PostgresSystemError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InvalidAuthorizationSpecificationError,  # a password that was changed under us
    asyncpg.InvalidCatalogNameError,
)
_PATIENCE = 15.0  # seconds to wait for a connection of the pool


@contextmanager
def translated() -> Iterator[None]:
    """Raises SystemFull for a database out of room, SystemDown for one that does not answer."""
    try:
        yield
    except _FULL as error:
        raise SystemFull(reason=f"{type(error).__name__}: {error}") from error
    except _DOWN as error:
        full = is_full(error)
        raise (SystemFull if full else SystemDown)(reason=f"{type(error).__name__}: {error}") from error


@asynccontextmanager
async def connected(pool: Pool) -> AsyncIterator[Connection]:
    """A connection in autocommit. Raises SystemFull and SystemDown as `translated` does."""
    with translated():
        async with pool.acquire(timeout=_PATIENCE) as connection:
            yield connection


@asynccontextmanager
async def transaction(pool: Pool) -> AsyncIterator[Connection]:
    """A connection in a transaction: returning commits, raising rolls back."""
    async with connected(pool) as connection, connection.transaction():
        yield connection


def is_full(error: BaseException | None) -> bool:
    """Whether a full disk or quota is at the bottom of that."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
            return True
        error = error.__cause__
    return False
