"""A private nginx: static files and WebDAV's PUT (ngx_http_dav_module), one folder, one port, two workers.

It writes a body to a temporary file on the same file system and renames it; it hashes nothing and syncs nothing.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks.harness import answers, cpu_seconds

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CONFIGURATION = """\
daemon off;
worker_processes 2;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
{user}
events {{ worker_connections 1024; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    client_max_body_size 0;
    client_body_temp_path {folder}/root/.incoming;
    proxy_temp_path {folder}/temp; fastcgi_temp_path {folder}/temp; uwsgi_temp_path {folder}/temp;
    scgi_temp_path {folder}/temp;
    server {{
        listen 127.0.0.1:{port};
        root {folder}/root;
        location / {{ dav_methods PUT DELETE; }}
    }}
}}
"""
PATIENCE = 30.0


@dataclass(frozen=True)
class Nginx:
    """One that runs."""

    folder: Path
    port: int
    pid: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def file(self, name: str) -> Path:
        """Where it keeps what was put under that name."""
        return self.folder / "root" / name

    def cpu_seconds(self) -> float:
        """Of all its processes so far."""
        return cpu_seconds(self.pid)


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Nginx]:
    """An nginx with everything under `folder`; stopped on leaving."""
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        raise RuntimeError("this benchmark needs nginx: apt-get install nginx")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (folder / "root").mkdir(parents=True)
    user = "user root;" if os.geteuid() == 0 else ""
    configuration = folder / "nginx.conf"
    configuration.write_text(CONFIGURATION.format(folder=folder, port=port, user=user))
    process = await asyncio.create_subprocess_exec(
        *(program, "-e", str(folder / "error.log"), "-c", str(configuration))
    )
    try:
        await answers(port, PATIENCE)
        yield Nginx(folder, port, process.pid)
    finally:
        process.terminate()
        await process.wait()
