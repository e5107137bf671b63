"""The demo as a running server, one for each module."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from comgov.demo.process import DemoProcess
from comgov.demo.setting import free_ports


@pytest.fixture(scope="module")
def demo() -> Iterator[DemoProcess]:
    with TemporaryDirectory(prefix="comgov-demo-", ignore_cleanup_errors=True) as made:
        Path(made).chmod(0o755)
        process = DemoProcess(Path(made) / "demo", free_ports())
        asyncio.run(process.start())
        try:
            yield process
        finally:
            process.stop()
