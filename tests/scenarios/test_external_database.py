"""A node whose PostgreSQL is elsewhere: it waits for one that is away, and says at once what no waiting helps."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp
import pytest

from comgov.demo.clients import Ports, wait_until_ready
from comgov.demo.setting import free_ports
from comgov.postgres import embedded_postgres_server
from tests.scenarios import processes

pytestmark = pytest.mark.xdist_group("external database")


@pytest.fixture
def directory() -> Iterator[Path]:
    with TemporaryDirectory(prefix="comgov-away-", ignore_cleanup_errors=True) as made:
        Path(made).chmod(0o755)
        yield Path(made)


async def test_a_node_waits_for_its_database_at_the_start_and_whenever_it_is_away(directory: Path) -> None:
    ports = free_ports()
    configuration = _configure(directory, ports, "postgres")
    with _serving(configuration, directory / "log") as server:
        await _until_logged(directory / "log", "database.awaited", 2)
        with embedded_postgres_server(directory / "pg"):
            await wait_until_ready(ports, 60)
        assert (await _readiness(ports))["database"] != ""
        os.kill(processes.workers(server.pid)[0], signal.SIGKILL)
        await _until_logged(directory / "log", "worker.died", 1)
        assert await _answer_without_database(ports, 6) == {"database", "mail"}  # the old worker and the new one
        with embedded_postgres_server(directory / "pg"):
            await wait_until_ready(ports, 60)
        assert (directory / "log").read_text().count("worker.died") == 1
        _stop(server)


async def test_a_node_that_waits_for_its_database_can_be_stopped(directory: Path) -> None:
    configuration = _configure(directory, free_ports(), "postgres")
    with _serving(configuration, directory / "log") as server:
        await _until_logged(directory / "log", "database.awaited", 2)
        _stop(server)


async def test_a_database_that_is_missing_is_told_at_once(directory: Path) -> None:
    configuration = _configure(directory, free_ports(), "elsewhere")
    with embedded_postgres_server(directory / "pg"), _serving(configuration, directory / "log") as server:
        assert await asyncio.to_thread(server.wait, 20) == 1
    assert (directory / "log").read_text() == (
        'PostgreSQL refuses this server (database "elsewhere" does not exist): '
        "correct database.url in the configuration.\n"
    )


async def test_a_wrong_password_is_told_at_once(directory: Path) -> None:
    (directory / "hba").write_text("local all all scram-sha-256\n")
    configuration = _configure(directory, free_ports(), "postgres", user="postgres:wrong")
    with (
        embedded_postgres_server(directory / "pg", hba_file=str(directory / "hba")),
        _serving(configuration, directory / "log") as server,
    ):
        assert await asyncio.to_thread(server.wait, 20) == 1
    assert (directory / "log").read_text() == (
        'PostgreSQL refuses this server (password authentication failed for user "postgres"): '
        "correct database.url in the configuration.\n"
    )


def _configure(directory: Path, ports: Ports, database: str, user: str = "postgres") -> Path:
    path = directory / "comgov.toml"
    path.write_text(
        f"[server]\nhttp = {{ port = {ports.http} }}\n"
        f'[database]\nurl = "postgresql://{user}@/{database}?host={directory}/pg/socket"\n'
        f"[mail]\nrelay = {{ port = {ports.relay} }}\n"
        f"submission = {{ port = {ports.submission} }}\nsubmissions = {{ port = {ports.submissions} }}\n"
        f"imap = {{ port = {ports.imap} }}\nimaps = {{ port = {ports.imaps} }}\n"
        '[log]\nlevel = "warning"\n'
    )
    return path


@contextmanager
def _serving(configuration: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "comgov", "serve", "--config", str(configuration)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with log.open("wb") as stream, subprocess.Popen(command, env=environment, stdout=stream, stderr=stream) as server:
        try:
            yield server
        finally:
            server.terminate()


def _stop(server: subprocess.Popen[bytes]) -> None:
    began = time.monotonic()
    server.terminate()
    assert server.wait(timeout=20) == 0
    assert time.monotonic() - began < 10


async def _until_logged(log: Path, event: str, times: int) -> None:
    async with asyncio.timeout(60):
        while log.read_text().count(f'"event": "{event}"') < times:
            await asyncio.sleep(0.1)


async def _answer_without_database(ports: Ports, seconds: float) -> set[str]:
    """What workers say is amiss, over some time: each connection may meet another worker."""
    amiss = set()
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        amiss |= {name for name, error in (await _readiness(ports)).items() if error}
        await asyncio.sleep(0.1)
    return amiss


async def _readiness(ports: Ports) -> dict[str, str]:
    """By the name of what is leant on, what is amiss with it."""
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{ports.http}/readyz") as response:
        checks = json.loads(await response.read())["checks"]
        assert response.status == (503 if any(check["error"] for check in checks) else 200)
        return {check["name"]: check["error"] for check in checks}
