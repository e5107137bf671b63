"""From SMTP to the inbox: accepted and there to be read, against Postfix that hands over to Dovecot by LMTP.

Postfix's smtp-source sends to both. At ours a message is in the inbox when it is acknowledged; Postfix says 250 once it
is in its queue, and time runs on until the queue is empty and Dovecot has every message in its mailboxes. Both sync
what they acknowledge, Dovecot as it does by default. Each session has a recipient of its own, and each message a
connection of its own. Processor time is that of all processes of either side.
"""

from __future__ import annotations

import asyncio
import imaplib
import os
import time
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from tests.benchmarks.harness import Contest, Measure
from tests.benchmarks.smtp_acceptance import RECIPIENTS, Load, ours
from tests.peers import dovecot, postfix

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from tests.peers.dovecot import Dovecot
    from tests.peers.postfix import Postfix

SESSIONS = 32
MESSAGES = {5_000: 6400, 100_000: 1280}
"""How many messages a round has, by their size in bytes: so many that starting 32 senders, 0.1 s, hardly counts."""
USERS = tuple(f"user{number}" for number in range(len(RECIPIENTS)))


@asynccontextmanager
async def contests(folder: Path) -> AsyncIterator[Sequence[Contest]]:
    async with (
        dovecot.running(folder / "dovecot", USERS) as mailboxes,
        postfix.running(folder / "postfix", f"lmtp:inet:127.0.0.1:{mailboxes.lmtp_port}") as relay,
        ours(folder) as node,
    ):
        loads = [Load(SESSIONS, size_bytes, messages, kept=False) for size_bytes, messages in MESSAGES.items()]
        yield [
            Contest(
                name=f"{load.size_bytes // 1000} kB, {SESSIONS} sessions",
                unit="/s",
                contestants={
                    "comgov": partial(node.take, load),
                    "postfix and dovecot": partial(_theirs, relay, mailboxes, load),
                },
            )
            for load in loads
        ]


async def _theirs(relay: Postfix, mailboxes: Dovecot, load: Load) -> Measure:
    await asyncio.to_thread(os.sync)
    before = await asyncio.to_thread(_in_mailboxes, mailboxes)
    cpu_before = relay.cpu_seconds() + mailboxes.cpu_seconds()
    began = time.perf_counter()
    await load.send(relay.port, tuple(f"{user}@bench.test" for user in USERS))
    await relay.drained()
    seconds = time.perf_counter() - began
    cpu = relay.cpu_seconds() + mailboxes.cpu_seconds() - cpu_before
    if (arrived := await asyncio.to_thread(_in_mailboxes, mailboxes) - before) != load.messages:
        raise RuntimeError(f"{arrived} of {load.messages} messages are in the mailboxes")
    return Measure(load.messages / seconds, cpu * 1000 / load.messages)


def _in_mailboxes(mailboxes: Dovecot) -> int:
    found = 0
    for user in USERS:
        with imaplib.IMAP4("127.0.0.1", mailboxes.port) as client:
            client.login(user, dovecot.PASSWORD)
            found += int(client.select(readonly=True)[1][0] or b"0")
    return found
