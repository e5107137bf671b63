"""Several programs on one mailbox, spread over the workers of a real node, see one truth, whatever is killed meanwhile.

The checker is proved by `tests/mail/imap/test_hammer.py`: it finds what is planted.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from itertools import count
from pathlib import Path
from typing import TypeAlias

import aiosmtplib
import asyncpg
import pytest

from comgov.demo.clients import trusting, wait_until_ready
from comgov.demo.government import PASSWORD, full
from comgov.demo.process import DemoProcess
from comgov.postgres import borrowed_postgres_server
from tests.mail.imap.hammer import BOXES, Account, Hammer, Worker, check_ledger, read_everything, settle, truth
from tests.mail.imap.mirror import Inconsistent, Ledger
from tests.scenarios import processes

pytestmark = pytest.mark.xdist_group("one truth")

LOGIN = full("paul@ngozi")
SENDERS = 2

Kill: TypeAlias = Callable[[DemoProcess], None]

_letters = count(1)


async def hammer_on(demo: DemoProcess, during: Callable[[Hammer], Awaitable[None]], hammer: Hammer) -> None:
    """Ten programs, and mail that comes in, while `during` lasts; then everything is compared. Raises Inconsistent."""
    account = hammer.account
    acknowledged: set[str] = set()

    async def while_mail_comes() -> None:
        senders = [asyncio.create_task(_send(demo, hammer, acknowledged)) for _ in range(SENDERS)]
        try:
            await during(hammer)
        finally:
            hammer.is_over = True
            await asyncio.gather(*senders)

    async def check(workers: Sequence[Worker]) -> None:
        with borrowed_postgres_server(demo.directory / "data" / "postgres") as url:
            connection = await asyncpg.connect(url)
            try:
                account_id = await connection.fetchval(_ACCOUNT, int(next(iter(hammer.ledger.uidvalidity.values()))))
                truths = {box: await truth(connection, account_id, box) for box in BOXES}
                await check_once(connection, hammer.ledger, acknowledged)
            finally:
                await connection.close()
        for box, found in truths.items():
            check_ledger(hammer.ledger, box, found)
        await settle(workers, truths)
        for box in BOXES:
            await read_everything(account, hammer.ledger, box)

    await hammer.run(while_mail_comes, check)


_ACCOUNT = "SELECT account_id FROM mail.mailbox WHERE uidvalidity = $1"

_TWICE = """
SELECT encode(sha256, 'hex') AS digest, count(*) AS times FROM mail.body
WHERE encode(sha256, 'hex') = ANY($1::text[]) GROUP BY sha256 HAVING count(*) > 1
"""
_LETTERS = """
SELECT b.message_id, count(*) AS bodies, sum((SELECT count(*) FROM mail.message m WHERE m.body_id = b.id)
       + (SELECT count(*) FROM mail.expunged e WHERE e.body_id = b.id)) AS places
FROM mail.body AS b WHERE b.message_id = ANY($1::text[]) GROUP BY b.message_id
"""


async def check_once(connection: asyncpg.Connection, ledger: Ledger, acknowledged: set[str]) -> None:
    """What was sent was kept once: appended messages by their bytes, mail that got its 250 by its Message-ID."""
    digests = {*ledger.digests.values(), *ledger.doubtful}
    assert await connection.fetch(_TWICE, list(digests)) == []
    letters = {row["message_id"]: row for row in await connection.fetch(_LETTERS, list(acknowledged))}
    assert acknowledged <= letters.keys(), (
        f"{len(acknowledged - letters.keys())} messages that got their 250 are missing"
    )
    assert {(row["bodies"], row["places"] > 0) for row in letters.values()} <= {(1, True)}


async def _send(demo: DemoProcess, hammer: Hammer, acknowledged: set[str]) -> None:
    """Mail from outside, one after the other, until it is over."""
    while not hammer.is_over:
        letter = f"<letter{next(_letters)}.{random.random()}@exterieur.example>"
        content = f"From: a@exterieur.example\r\nMessage-ID: {letter}\r\nSubject: n 1\r\n\r\nx\r\n"
        try:
            await aiosmtplib.send(
                content,
                sender="a@exterieur.example",
                recipients=[LOGIN],
                hostname="127.0.0.1",
                port=demo.ports.relay,
                start_tls=False,
                timeout=30,
            )
        except (aiosmtplib.SMTPException, OSError) as error:
            if not hammer.survives:
                raise Inconsistent(f"a message was refused: {error}") from error
            await asyncio.sleep(0.1)
        else:
            acknowledged.add(letter)
        await asyncio.sleep(0.02)


def account_of(demo: DemoProcess) -> Account:
    context = trusting(demo.directory)
    return Account(LOGIN, PASSWORD, [demo.ports.imaps], context)


def _served_by(demo: DemoProcess) -> Counter[int]:
    """How many connections of IMAP each worker serves: by the sockets that it holds."""
    sockets = {inode: pid for pid in processes.workers(demo.pid) for inode in _socket_inodes(pid)}
    found: Counter[int] = Counter()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, _, state, *more = line.split()
        if int(local.rpartition(":")[2], 16) == demo.ports.imaps and state == "01" and more[5] in sockets:
            found[sockets[more[5]]] += 1
    return found


def _socket_inodes(pid: int) -> list[str]:
    found = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            name = re.fullmatch(r"socket:\[(\d+)\]", str(link.readlink()))
        except FileNotFoundError:
            continue
        if name:
            found.append(name[1])
    return found


async def _hammer_for(demo: DemoProcess, seconds: float) -> Hammer:
    hammer = Hammer(account_of(demo))
    served: Counter[int] = Counter()

    async def wait(hammer: Hammer) -> None:
        del hammer
        for _ in range(10):
            await asyncio.sleep(seconds / 10)
            served.update(_served_by(demo))

    await hammer_on(demo, wait, hammer)
    assert len(served) == 2, f"one worker alone served all: {served}"
    return hammer


async def test_ten_programs_on_two_workers_see_one_truth(demo: DemoProcess) -> None:
    hammer = await _hammer_for(demo, 8)
    assert min(hammer.did[what] for what in ("append", "store", "copy", "move", "expunge", "fetch", "idle")) > 0


@pytest.mark.prove
@pytest.mark.parametrize("_round", range(3))
async def test_ten_programs_on_two_workers_see_one_truth_for_a_minute(demo: DemoProcess, _round: int) -> None:
    hammer = await _hammer_for(demo, 60)
    print(sum(hammer.did.values()), dict(hammer.did))


# Kills


def _kill_worker(demo: DemoProcess) -> None:
    os.kill(random.choice(processes.workers(demo.pid)), signal.SIGKILL)


def _kill_postgresql(demo: DemoProcess) -> None:
    os.kill(processes.postmaster(demo), signal.SIGKILL)


async def _hammer_through(demo: DemoProcess, kills: Sequence[Kill | None], ledger: Ledger) -> Hammer:
    """Hammer while one thing after the other is killed, at any moment. None: the whole node, which is started again."""
    hammer = Hammer(account_of(demo), ledger, survives=True)

    async def kill(hammer: Hammer) -> None:
        for victim in kills:
            before = sum(hammer.did.values())
            await asyncio.sleep(random.uniform(0.2, 2.0))
            if victim is None:
                demo.kill()
                await demo.start()
            else:
                victim(demo)
            await wait_until_ready(demo.ports, 60)
            async with asyncio.timeout(60):
                while sum(hammer.did.values()) < before + 50:
                    await asyncio.sleep(0.1)
        await asyncio.sleep(1)

    await hammer_on(demo, kill, hammer)
    return hammer


@pytest.fixture(scope="module")
def ledger() -> Ledger:
    """Of everything that was told in all kills."""
    return Ledger()


async def test_nothing_is_lost_when_a_worker_postgresql_and_the_node_are_killed(
    demo: DemoProcess, ledger: Ledger
) -> None:
    hammer = await _hammer_through(demo, [_kill_worker, _kill_postgresql, None], ledger)
    assert hammer.losses


@pytest.mark.prove
@pytest.mark.parametrize("_round", range(10))
async def test_nothing_is_lost_in_fifty_kills(demo: DemoProcess, ledger: Ledger, _round: int) -> None:
    kills: list[Kill | None] = [_kill_worker, _kill_worker, _kill_postgresql, _kill_postgresql, None]
    random.shuffle(kills)
    hammer = await _hammer_through(demo, kills, ledger)
    print(sum(hammer.did.values()), dict(hammer.losses))
