"""The demo as a process of its own, which the tour starts, kills and starts again."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from comgov.demo.clients import Ports, wait_until_ready
from comgov.demo.expectation import TourError

_START_PATIENCE_SECONDS = 180.0


class DemoProcess:
    """`comgov demo` on a directory, in a process group of its own."""

    def __init__(self, directory: Path, ports: Ports) -> None:
        self.directory = directory
        self.ports = ports
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The parent's process."""
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        """Start it and return once it is ready; TourError or TimeoutError when it does not become so."""
        self.directory.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "comgov", "demo", "--dir", str(self.directory)]
        with (self.directory / "demo.log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: ASYNC220  # returns at once
                [*command, "--port-base", str(self.ports.base)], stdout=log, stderr=log, start_new_session=True
            )
        await self._until_ready()

    async def _until_ready(self) -> None:
        ready = asyncio.create_task(wait_until_ready(self.ports, _START_PATIENCE_SECONDS))
        while not ready.done():
            await asyncio.wait({ready}, timeout=0.2)
            if self._process is None or self._process.poll() is not None:
                ready.cancel()
                last = (self.directory / "demo.log").read_text(errors="replace").strip().rpartition("\n")[2]
                raise TourError(f"the demo did not start: {last}")
        await ready

    def kill(self) -> None:
        """SIGKILL for all of it at once, PostgreSQL included: what a power cut does."""
        assert self._process is not None
        victims = [self._process.pid, *_postgres_pids(self.directory)]
        for pid in victims:
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
        self._process.wait()
        self._process = None

    def stop(self) -> int:
        """SIGTERM, and its exit code."""
        if self._process is None:
            return 0
        self._process.terminate()
        code = self._process.wait(timeout=30)
        self._process = None
        return code


def _postgres_pids(directory: Path) -> list[int]:
    with suppress(FileNotFoundError):
        return [int((directory / "data" / "postgres" / "data" / "postmaster.pid").read_text().split("\n", 1)[0])]
    return []
