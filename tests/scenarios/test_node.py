"""A node through its bad days: PostgreSQL gone, a worker gone, told to stop in the middle of an answer."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import aiohttp
import pytest

from comgov.demo.clients import wait_until_ready
from comgov.demo.process import DemoProcess

pytestmark = pytest.mark.xdist_group("node")  # one server for all of these


async def test_service_goes_on_after_postgresql_was_killed(demo: DemoProcess) -> None:
    os.kill(_postmaster(demo.directory), signal.SIGKILL)
    await wait_until_ready(demo.ports, 60)
    assert "worker.died" not in (demo.directory / "demo.log").read_text()


async def test_workers_killed_together_with_postgresql_wait_for_it(demo: DemoProcess) -> None:
    """They start while it is dead: none gives up."""
    before = (demo.directory / "demo.log").read_text().count("worker.died")
    victims = _workers(demo)
    for pid in (_postmaster(demo.directory), *victims):
        os.kill(pid, signal.SIGKILL)
    await _until_two_workers(demo)
    await wait_until_ready(demo.ports, 60)
    assert (demo.directory / "demo.log").read_text().count("worker.died") == before + len(victims)


async def test_service_goes_on_after_every_worker_was_killed(demo: DemoProcess) -> None:
    for worker in _workers(demo):
        os.kill(worker, signal.SIGKILL)
    await _until_two_workers(demo)
    await wait_until_ready(demo.ports, 60)


async def test_health_has_a_line_for_each_dependency(demo: DemoProcess) -> None:
    async with aiohttp.ClientSession() as session, session.get(_url(demo, "/readyz")) as response:
        found = await response.json()
    assert found["status"] == "ready"
    assert {"database", "storage", "mail"} <= {check["name"] for check in found["checks"]}


async def test_a_node_told_to_stop_leaves_in_time_takes_postgresql_with_it_and_starts_again(demo: DemoProcess) -> None:
    postmaster = _postmaster(demo.directory)
    began = time.monotonic()
    assert demo.stop() == 0
    assert time.monotonic() - began < 10
    with pytest.raises(ProcessLookupError):
        os.kill(postmaster, 0)
    await demo.start()


def _postmaster(directory: Path) -> int:
    pid = directory / "data" / "postgres" / "data" / "postmaster.pid"
    return int(pid.read_text().split("\n", 1)[0])


def _workers(demo: DemoProcess) -> list[int]:
    found = subprocess.run(["pgrep", "-P", str(demo.pid)], capture_output=True, text=True, check=False)
    return [pid for pid in map(int, found.stdout.split()) if _is_worker(pid)]


async def _until_two_workers(demo: DemoProcess) -> None:
    async with asyncio.timeout(60):
        while len(_workers(demo)) < 2:
            await asyncio.sleep(0.1)


def _is_worker(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().startswith(sys.executable.encode())
    except (FileNotFoundError, ProcessLookupError):  # gone between the listing and the look
        return False


def _url(demo: DemoProcess, path: str) -> str:
    return f"http://127.0.0.1:{demo.ports.http}{path}"
