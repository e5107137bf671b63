"""A private Postfix: its own configuration, queue and port, everything else as Postfix itself would have it.

It takes mail for `bench.test` from this machine and throws it away, or takes it further. What is left out is to
its advantage: any recipient exists (`local_recipient_maps` is empty), and nothing is logged where no syslog listens.
Each message is still written to its queue and synced before it is acknowledged, as ever.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import socket
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks.harness import answers, cpu_seconds

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

MAIN = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = postfix.test
mydestination = bench.test
local_transport = {transport}
local_recipient_maps =
alias_maps =
message_size_limit = 52428800
"""
MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
"""
WAITING = ("incoming", "active", "deferred", "maildrop")
PATIENCE = 60.0


@dataclass(frozen=True)
class Postfix:
    """One that runs. It has to be root's, since Postfix changes users."""

    folder: Path
    port: int

    async def drained(self) -> None:
        """Return once everything accepted has left the queue."""
        deadline = time.monotonic() + PATIENCE
        while any(self._queued(name) for name in WAITING):
            if time.monotonic() > deadline:
                raise TimeoutError("Postfix does not empty its queue")
            await asyncio.sleep(0.05)

    def cpu_seconds(self) -> float:
        """Of all its processes so far."""
        pid = int((self.folder / "queue" / "pid" / "master.pid").read_text())
        return cpu_seconds(pid)

    def _queued(self, name: str) -> bool:
        return any(files for _, _, files in os.walk(self.folder / "queue" / name))


@asynccontextmanager
async def running(folder: Path, transport: str = "discard:") -> AsyncIterator[Postfix]:
    """A Postfix under `folder`, whose parents others must be able to pass; stopped on leaving.

    transport: where it takes mail for `bench.test`, such as `lmtp:inet:127.0.0.1:24`.
    """
    if shutil.which("postfix") is None or os.geteuid() != 0:
        raise RuntimeError("this benchmark needs Postfix, and to be root: apt-get install postfix")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    for name in ("etc", "queue", "data"):
        (folder / name).mkdir(parents=True)
    owner = pwd.getpwnam("postfix")
    os.chown(folder / "data", owner.pw_uid, owner.pw_gid)
    (folder / "etc" / "main.cf").write_text(MAIN.format(folder=folder, transport=transport))
    (folder / "etc" / "master.cf").write_text(MASTER.format(port=port))
    await _command(folder, "start")
    try:
        await answers(port, PATIENCE)
        yield Postfix(folder, port)
    finally:
        await _command(folder, "stop")


async def _command(folder: Path, verb: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *("postfix", "-c", str(folder / "etc"), verb),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"postfix {verb}: {said.decode(errors='replace')}")
