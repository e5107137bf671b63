"""What every test can ask for: a database of its own, cloned from one migrated template."""

from __future__ import annotations

import asyncio
import tempfile
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest

from comgov.app import migrations
from comgov.db import Database, migrate, open_database
from comgov.postgres import embedded_postgres_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """One PostgreSQL for each test worker, with a migrated `template_comgov`."""
    with tempfile.TemporaryDirectory(prefix="comgov-test-", ignore_cleanup_errors=True) as directory:
        Path(directory).chmod(0o755)
        with _test_postgres(Path(directory)) as url:
            yield url


@contextmanager
def _test_postgres(directory: Path) -> Iterator[str]:
    """A server that need not survive the machine: no fsync, so that the suite is quick."""
    with embedded_postgres_server(
        directory, fsync="off", synchronous_commit="off", full_page_writes="off", max_connections="200"
    ) as url:
        asyncio.run(_make_template(url))
        yield url


async def _make_template(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE DATABASE template_comgov")
    await connection.close()
    await migrate(database_url(url, "template_comgov"), migrations())


def database_url(server_url: str, database: str) -> str:
    """The URL of another database of the same server."""
    head, _, query = server_url.partition("?")
    return f"{head.rpartition('/')[0]}/{database}?{query}"


@pytest.fixture
async def db_url(postgres_url: str) -> AsyncIterator[str]:
    """A fresh, migrated database; dropped after the test."""
    name = f"test_{uuid.uuid4().hex}"
    server = await asyncpg.connect(postgres_url)
    await server.execute(f"CREATE DATABASE {name} TEMPLATE template_comgov STRATEGY FILE_COPY")
    try:
        yield database_url(postgres_url, name)
    finally:
        await server.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await server.close()


@pytest.fixture
async def db(db_url: str) -> AsyncIterator[Database]:
    """A pool on a fresh, migrated database."""
    async with open_database(db_url) as database:
        yield database
