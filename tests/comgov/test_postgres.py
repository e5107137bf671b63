"""The embedded PostgreSQL: one owner, found again after its owner was killed, reached by commands meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg
import pytest

from comgov.postgres import EmbeddedPostgresError, borrowed_postgres_server, embedded_postgres_server

OWNER = """
import sys
from pathlib import Path
from comgov.postgres import embedded_postgres_server
with embedded_postgres_server(Path(sys.argv[1])) as server:
    print(server.url, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def directory() -> Iterator[Path]:
    with TemporaryDirectory(prefix="comgov-pg-", ignore_cleanup_errors=True) as made:
        Path(made).chmod(0o755)
        yield Path(made) / "postgres"


async def test_data_outlives_an_owner_that_was_killed(directory: Path) -> None:
    with _owner(OWNER, directory) as owner:
        assert owner.stdout is not None
        url = owner.stdout.readline().strip()
        await _execute(url, "CREATE TABLE kept (id int); INSERT INTO kept VALUES (7)")
        owner.kill()
    with embedded_postgres_server(directory) as server:
        assert await _execute(server.url, "SELECT id FROM kept") == 7


async def test_a_command_uses_the_running_server_and_leaves_it_running(directory: Path) -> None:
    with embedded_postgres_server(directory) as server:
        with borrowed_postgres_server(directory) as borrowed:
            assert await _execute(borrowed, "SELECT 1") == 1
        assert await _execute(server.url, "SELECT 2") == 2


async def test_a_command_alone_starts_and_stops_one(directory: Path) -> None:
    with borrowed_postgres_server(directory) as url:
        assert await _execute(url, "SELECT 1") == 1
    assert not (directory / "data" / "postmaster.pid").exists()


def test_a_second_owner_is_refused_in_a_sentence(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("comgov.postgres._OWNER_PATIENCE", 0.1)
    with (
        embedded_postgres_server(directory),
        pytest.raises(EmbeddedPostgresError, match="Another COMGOV runs on"),
        embedded_postgres_server(directory),
    ):
        pass


async def test_a_server_that_died_is_started_again(directory: Path) -> None:
    with embedded_postgres_server(directory) as server:
        await _execute(server.url, "CREATE TABLE kept (id int); INSERT INTO kept VALUES (7)")
        pid = int((directory / "data" / "postmaster.pid").read_text().split("\n", 1)[0])
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        server.revive()
        server.wait()
        assert await _execute(server.url, "SELECT id FROM kept") == 7


def test_a_server_that_cannot_start_says_why_in_a_line(directory: Path) -> None:
    with embedded_postgres_server(directory):
        pass
    (directory / "data" / "postgresql.conf").write_text("nonsense = 1\n")
    with (
        pytest.raises(EmbeddedPostgresError, match=r'did not start: .*FATAL: .*"[^"]*postgresql.conf" contains errors'),
        embedded_postgres_server(directory),
    ):
        pass


def test_a_server_that_dies_as_it_starts_is_not_started_without_pause(directory: Path) -> None:
    with embedded_postgres_server(directory) as server:
        (directory / "data" / "postgresql.conf").write_text("nonsense = 1\n")
        pid = int((directory / "data" / "postmaster.pid").read_text().split("\n", 1)[0])
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        deadline = time.monotonic() + 1.5
        while time.monotonic() < deadline:
            server.revive()
        assert (directory / "log").read_text().count("contains errors") == 1


def test_a_start_that_was_cut_begins_again(directory: Path) -> None:
    (directory / "data.new").mkdir(parents=True)
    (directory / "data.new" / "half").touch()
    with embedded_postgres_server(directory):
        assert not (directory / "data.new").exists()


async def test_an_ordinary_user_runs_it_too(directory: Path) -> None:
    become_nobody = "import os; os.setgid(65534); os.setuid(65534)\n" if os.geteuid() == 0 else ""
    code = become_nobody + OWNER
    directory.parent.chmod(0o777)
    with _owner(code, directory) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline().startswith("postgresql://")


def _owner(code: str, directory: Path) -> subprocess.Popen[str]:
    """A process that ends as it is left: it waits for the end of its input."""
    return subprocess.Popen(
        [sys.executable, "-c", code, str(directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )


async def _execute(url: str, sql: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        if sql.startswith("SELECT"):
            return await connection.fetchval(sql)
        return await connection.execute(sql)
    finally:
        await connection.close()
