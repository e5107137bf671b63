"""250 means that it is in the inbox: when the server is killed, and when PostgreSQL is."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from comgov.app import migrations
from comgov.clock import system_clock
from comgov.db import migrate, open_database
from comgov.postgres import EmbeddedPostgres, embedded_postgres_server
from mail.address import Address
from mail.config import Config
from mail.envelope import Client, Envelope, Origin
from mail.errors import SystemDown
from tests.mail.post import make_post
from tests.mail.smtp.talk import connect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from comgov.db import Database
    from tests.mail.post import Post

OUTSIDE = Client(origin=Origin.OUTSIDE, ip="192.0.2.7", helo="mx.example.org")
ENVELOPE = Envelope(
    sender=Address.parse("anna@example.org"),
    recipients=(Address.parse("eric@finances.gov.test"), Address.parse("claire@sante.gov.test")),
)


async def _send(port: int, name: str, acknowledged: set[str]) -> None:
    """Messages one after the other until the server is gone; those that got their 250 are acknowledged."""
    try:
        async with connect(port) as talk:
            await talk.hello()
            for number in range(10_000):
                await talk.begin()
                await talk.send(f"Subject: {name}-{number}\r\n\r\n".encode() + b"x" * 500 + b"\r\n.\r\n")
                if (await talk.reply()).startswith("250 "):
                    acknowledged.add(f"{name}-{number}")
    except (OSError, AssertionError, asyncio.IncompleteReadError):
        pass


@pytest.mark.parametrize("moment", [0.15, 0.4])
async def test_what_a_killed_server_acknowledged_is_there_once(db_url: str, db: Database, moment: float) -> None:
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.mail.acceptance.worker", db_url, stdout=asyncio.subprocess.PIPE
    )
    assert server.stdout is not None
    port = int(await server.stdout.readline())
    acknowledged: set[str] = set()
    async with asyncio.TaskGroup() as group:
        for client in range(8):
            group.create_task(_send(port, f"c{client}", acknowledged))
        while not acknowledged:
            await asyncio.sleep(0.01)
        await asyncio.sleep(moment)
        server.send_signal(signal.SIGKILL)
    await server.wait()
    await _all_done(db)
    await _check(make_post(db.pool, system_clock, Config()), acknowledged)


async def _all_done(db: Database) -> None:
    """PostgreSQL goes on with what it was told, for a moment, after who told it was killed."""
    async with asyncio.timeout(20):
        while await db.pool.fetchval(_AT_WORK):
            await asyncio.sleep(0.02)


_AT_WORK = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND state IS DISTINCT FROM 'idle'
"""


async def _check(post: Post, acknowledged: set[str]) -> None:
    """Every acknowledged message once in its inbox, nothing twice, the counters exact."""
    for account_id in (post.eric.account_id,):
        messages = await post.inbox(account_id)
        found = Counter(message.subject for message in messages)
        assert acknowledged
        assert acknowledged - found.keys() == set()
        assert [subject for subject, count in found.items() if count > 1] == []
        [box, *_] = await post.mailboxes.mailboxes(account_id)
        assert (box.messages, box.unseen) == (len(messages), len(messages))


@pytest.fixture
def postgres() -> Iterator[EmbeddedPostgres]:
    """A server of the test's own, durable, that may be killed."""
    with tempfile.TemporaryDirectory(prefix="comgov-test-", ignore_cleanup_errors=True) as directory:
        Path(directory).chmod(0o755)
        with embedded_postgres_server(Path(directory)) as server:
            yield server


async def test_mail_goes_on_after_postgresql_was_killed_and_nothing_is_there_twice(
    postgres: EmbeddedPostgres,
) -> None:
    await migrate(postgres.url, migrations())
    async with open_database(postgres.url) as db:
        post = make_post(db.pool, system_clock, Config())
        acknowledged: set[str] = set()
        stop = asyncio.Event()

        async def submit(name: str) -> None:
            number = 0
            while not stop.is_set():
                number += 1
                content = f"Subject: {name}-{number}\r\n\r\nx\r\n".encode()
                try:
                    await post.relay.accept(ENVELOPE, content, OUTSIDE)
                except SystemDown:
                    continue
                acknowledged.add(f"{name}-{number}")

        async with asyncio.TaskGroup() as group:
            for client in range(6):
                group.create_task(submit(f"c{client}"))
            await asyncio.sleep(0.3)
            before = len(acknowledged)
            os.kill(int((postgres.data / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
            await asyncio.sleep(0.3)
            await asyncio.to_thread(postgres.revive)
            deadline = asyncio.get_running_loop().time() + 30
            while len(acknowledged) < before + 20 and asyncio.get_running_loop().time() < deadline:
                await asyncio.sleep(0.05)
            stop.set()
        assert len(acknowledged) >= before + 20
        await _check(post, acknowledged)
