"""A disk without room: what is large is refused with its own reply, what is small goes on, nothing is half done."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from tempfile import TemporaryDirectory

import aiosmtplib
import pytest

from comgov.demo.clients import Clients, connect, wait_until_ready
from comgov.demo.government import full
from comgov.demo.messages import compose, read_mail
from comgov.demo.process import DemoProcess
from comgov.demo.setting import free_ports

pytestmark = pytest.mark.xdist_group("full disk")


@pytest.fixture(scope="module")
def crowded() -> Iterator[DemoProcess]:
    """A server, once filled with the sample government, whose disk has no room to give from then on."""
    with TemporaryDirectory(prefix="comgov-full-", ignore_cleanup_errors=True) as made:
        Path(made).chmod(0o755)
        demo = DemoProcess(Path(made) / "demo", free_ports())
        asyncio.run(demo.start())
        demo.stop()
        configuration = demo.directory / "comgov.toml"
        configuration.write_text(f"{configuration.read_text()}\n[storage]\nreserve_bytes = {1 << 60}\n")
        command = [sys.executable, "-m", "comgov", "serve", "--config", str(configuration)]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        with subprocess.Popen(command, env=environment) as server:
            asyncio.run(wait_until_ready(demo.ports, 60))
            yield demo
            server.send_signal(signal.SIGTERM)


async def test_a_file_gets_507_and_leaves_nothing(crowded: DemoProcess) -> None:
    async with connect(crowded.ports, crowded.directory) as clients:
        claire = clients.api(full("claire@sante"))
        await claire.request("PUT", "/api/files/me/large.bin", data=bytes(900_000), expect=507)
        listed = await claire.json("GET", "/api/files/me/")
        assert "large.bin" not in {entry["name"] for entry in listed["entries"]}


async def test_a_large_mail_gets_452_and_a_small_one_is_taken(crowded: DemoProcess) -> None:
    async with connect(crowded.ports, crowded.directory) as clients:
        with pytest.raises(aiosmtplib.SMTPDataError) as refused:
            await _submit(clients, os.urandom(2_000_000))
        assert refused.value.code == 452
        small = await _submit(clients, b"")
        assert (await read_mail(clients.api(full("eric@finances")), small["Message-ID"])).endswith(bytes(small))


async def _submit(clients: Clients, attachment: bytes) -> EmailMessage:
    claire, eric = full("claire@sante"), full("eric@finances")
    message = compose(claire, [eric], attachment=attachment)
    await clients.submit(claire, [eric], bytes(message))
    return message
