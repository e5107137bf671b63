"""What every test can ask for: a database of its own, cloned from one migrated template."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import uuid
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest

from comgov import authority, people
from comgov.app import migrations
from comgov.config import Config
from comgov.db import Database, migrate, open_database
from comgov.feature import Ground, Platform
from comgov.people.directory import PeopleDirectory
from comgov.postgres import embedded_postgres_server
from mail.acceptance.front_door import Relay
from mail.config import Config as MailConfig
from mail.mailbox import Mailboxes
from storage import MemoryStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


_ROOM_BYTES = 4 << 30


def _stay_in_memory() -> None:
    """Temporary files of tests, and of what they start, lie in memory if the machine has such a place with room.

    Tests make and drop some 500,000 files: a file system may take longer over their names than the tests themselves
    take (ext4 without a journal looks for inodes that were not deleted lately).
    """
    place = "/dev/shm"
    if os.access(place, os.W_OK) and shutil.disk_usage(place).free > _ROOM_BYTES:
        os.environ["TMPDIR"] = tempfile.tempdir = place


_stay_in_memory()


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
        directory,
        fsync="off",
        synchronous_commit="off",
        full_page_writes="off",
        max_connections="200",
        max_wal_size="128MB",
    ) as server:
        asyncio.run(_make_template(server.url))
        yield server.url


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


class SetClock:
    """A clock that stands still until it is told otherwise."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, time: timedelta) -> None:
        self.now += time


@pytest.fixture
def clock() -> SetClock:
    """Monday 23 November 2026, 8 o'clock in UTC."""
    return SetClock()


CHEAP_PASSWORDS = people.Config(password_memory_bytes=8 << 10, password_passes=1, password_lanes=1)


@pytest.fixture
def platform(db: Database, clock: SetClock, tmp_path: Path) -> Platform:
    """A platform on a fresh database, its blobs in memory, its clock set by hand; its authority has no keys yet."""
    keys = authority.Config(passphrase_file=tmp_path / "keys" / "passphrase", pki_directory=tmp_path / "pki")
    configs = Config(people=CHEAP_PASSWORDS, authority=keys).by_kind()
    ground = Ground(db=db, blobs=MemoryStore(clock), clock=clock, configs=configs)
    bodies = MemoryStore(clock)
    relay = Relay(
        hostname="mail.gov.test",
        pool=db.pool,
        blobs=bodies,
        directory=PeopleDirectory(ground),
        clock=clock,
        config=MailConfig(),
    )
    mailboxes = Mailboxes(pool=db.pool, blobs=bodies, clock=clock)
    return Platform(
        db=db,
        blobs=ground.blobs,
        clock=clock,
        configs=configs,
        owned=ground.owned,
        relay=relay,
        mailboxes=mailboxes,
    )
