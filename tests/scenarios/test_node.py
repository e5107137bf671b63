"""A node through its bad days: PostgreSQL gone, a worker gone, told to stop in the middle of an answer."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import aiohttp
import pytest

from comgov.demo.clients import wait_until_ready
from comgov.demo.process import DemoProcess
from tests.mail.smtp.talk import connect
from tests.scenarios import processes

pytestmark = pytest.mark.xdist_group("node")  # one server for all of these


async def test_service_goes_on_after_postgresql_was_killed(demo: DemoProcess) -> None:
    before = processes.postmaster(demo)
    os.kill(before, signal.SIGKILL)
    await _until_another_postgresql(demo, before)
    await wait_until_ready(demo.ports, 60)
    assert "worker.died" not in (demo.directory / "demo.log").read_text()


async def test_workers_killed_together_with_postgresql_wait_for_it(demo: DemoProcess) -> None:
    """They start while it is dead: none gives up."""
    before = (demo.directory / "demo.log").read_text().count("worker.died")
    victims = processes.workers(demo.pid)
    for pid in (processes.postmaster(demo), *victims):
        os.kill(pid, signal.SIGKILL)
    await _until_two_workers(demo)
    await wait_until_ready(demo.ports, 60)
    assert (demo.directory / "demo.log").read_text().count("worker.died") == before + len(victims)


async def test_postgresql_that_hangs_is_told_in_time_and_mail_that_came_meanwhile_is_kept(demo: DemoProcess) -> None:
    async with connect(demo.ports.relay) as talk:
        await talk.hello()
        assert (await talk.begin()).startswith("354 ")
        with _hanging_postgresql(demo):
            await talk.send(b"Subject: in the meantime\r\n\r\n.\r\n")
            began = time.monotonic()
            async with aiohttp.ClientSession() as session, session.get(_url(demo, "/readyz")) as response:
                assert response.status == 503
            assert time.monotonic() - began < 5
        assert (await talk.reply()).startswith("250 ")
    await wait_until_ready(demo.ports, 60)


async def _until_another_postgresql(demo: DemoProcess, former: int) -> None:
    found = former
    async with asyncio.timeout(60):
        while found == former:
            await asyncio.sleep(0.05)
            with suppress(FileNotFoundError, ValueError):  # it is being written
                found = processes.postmaster(demo)


@contextmanager
def _hanging_postgresql(demo: DemoProcess) -> Iterator[None]:
    """Its processes live and do nothing, as behind a network that swallows what it is given."""
    first = processes.postmaster(demo)
    every = [first, *map(int, Path(f"/proc/{first}/task/{first}/children").read_text().split())]
    for pid in every:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in every:
            os.kill(pid, signal.SIGCONT)


async def test_service_goes_on_after_every_worker_was_killed(demo: DemoProcess) -> None:
    for worker in processes.workers(demo.pid):
        os.kill(worker, signal.SIGKILL)
    await _until_two_workers(demo)
    await wait_until_ready(demo.ports, 60)


async def test_health_has_a_line_for_each_dependency(demo: DemoProcess) -> None:
    async with aiohttp.ClientSession() as session, asyncio.timeout(60):
        found = {"status": ""}
        while found["status"] != "ready":  # the other worker may still be on its way
            async with session.get(_url(demo, "/readyz")) as response:
                found = await response.json()
    assert {"database", "storage", "mail"} <= {check["name"] for check in found["checks"]}


async def test_a_node_told_to_stop_leaves_in_time_takes_postgresql_with_it_and_starts_again(demo: DemoProcess) -> None:
    postmaster = processes.postmaster(demo)
    began = time.monotonic()
    assert demo.stop() == 0
    assert time.monotonic() - began < 10
    with pytest.raises(ProcessLookupError):
        os.kill(postmaster, 0)
    await demo.start()


async def _until_two_workers(demo: DemoProcess) -> None:
    async with asyncio.timeout(60):
        while len(processes.workers(demo.pid)) < 2:
            await asyncio.sleep(0.1)


def _url(demo: DemoProcess, path: str) -> str:
    return f"http://127.0.0.1:{demo.ports.http}{path}"
