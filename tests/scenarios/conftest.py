"""The demo as a running server, one for each module."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from comgov.demo.clients import trusting
from comgov.demo.government import PASSWORD, full
from comgov.demo.process import DemoProcess
from comgov.demo.setting import free_ports
from tests.mail.imap.client import connect
from tests.scenarios.sides import Account


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


@pytest.fixture
async def accounts(demo: DemoProcess) -> AsyncIterator[tuple[Account, Account]]:
    """Jean's and Eric's, emptied."""
    context = trusting(demo.directory)
    async with AsyncExitStack() as stack:
        found = []
        for address in ("jean@sante", "eric@finances"):
            client = await stack.enter_async_context(connect(demo.ports.imaps, context))
            found.append(await Account.open(client, full(address), PASSWORD))
        yield found[0], found[1]
