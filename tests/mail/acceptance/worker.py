"""One worker's relay as a process of its own, to be killed: `python -m tests.mail.acceptance.worker DATABASE_URL`.

Prints its port, and serves until it dies.
"""

from __future__ import annotations

import asyncio
import socket
import sys

from comgov.clock import system_clock
from comgov.db import open_database
from mail.config import Config
from mail.smtp import Service, serve
from tests.mail.post import make_post


async def _serve(url: str) -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    async with open_database(url) as db:
        post = make_post(db.pool, system_clock, Config())
        async with serve(post.relay, Service.RELAY, [listening], tls_context=None):
            print(listening.getsockname()[1], flush=True)
            await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1]))
