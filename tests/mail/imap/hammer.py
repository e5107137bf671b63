"""Many programs on one mailbox, each doing whatever comes to its mind, until the time is over."""

from __future__ import annotations

import asyncio
import random
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

from mail.mailbox.model import Flag
from tests.mail.imap.client import Client
from tests.mail.imap.mirror import UNKNOWN, Flags, Inconsistent, Ledger, Memory, flags_of
from tests.mail.imap.program import Lost, Program, connect

if TYPE_CHECKING:
    import asyncpg

LEVELS = ("plain", "plain", "plain", "condstore", "condstore", "qresync", "qresync", "qresync", "qresync", "qresync")
BOXES = ("INBOX", "Archive")
FLAGS = ("\\Seen", "\\Answered", "\\Flagged", "\\Draft", "$Forwarded", "Urgent", "A-voir")
_MANY, _FEW = 160, 40  # messages in a mailbox, above and below which it is emptied and filled
_LOST_PAUSE_SECONDS = 0.2
_LEAVING = 0.02  # of all that a program does is to hang up

_numbers = count(1)


def message() -> bytes:
    """One that was never there before."""
    number = next(_numbers)
    noise = random.randbytes(random.choice((8, 8, 8, 400, 40_000))).hex()
    return f"From: a@b.test\r\nSubject: n {number}\r\nMessage-ID: <{number}@hammer>\r\n\r\n{noise}\r\n".encode()


@dataclass
class Account:
    """Where the programs connect to, and as whom. ports: one after the other is taken."""

    login: str
    password: str
    ports: Sequence[int]
    context: ssl.SSLContext


@dataclass
class Hammer:
    """The programs, what they were told, and what they did."""

    account: Account
    ledger: Ledger = field(default_factory=Ledger)
    did: Counter[str] = field(default_factory=Counter)
    losses: Counter[str] = field(default_factory=Counter)
    survives: bool = False
    is_over: bool = False
    is_checked: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(
        self, during: Callable[[], Awaitable[None]], after: Callable[[Sequence[Worker]], Awaitable[None]]
    ) -> None:
        """Hammer as long as `during` lasts, then check `after` it what each program believes. Raises Inconsistent."""
        workers = [Worker(self, number, level) for number, level in enumerate(LEVELS)]
        try:
            async with asyncio.TaskGroup() as group:
                for worker in workers:
                    group.create_task(worker.run())
                await during()
                self.is_over = True
                for worker in workers:
                    await worker.is_resting.wait()
                await after(workers)
                self.is_checked.set()
        except BaseExceptionGroup as errors:
            raise _first(errors) from errors


def _first(error: BaseException) -> BaseException:
    """The first thing that went wrong; of several at once rather a contradiction."""
    while isinstance(error, BaseExceptionGroup):
        error = min(error.exceptions, key=lambda one: not isinstance(one, Inconsistent))
    return error


class Worker:
    """One program and its whims. It connects again when it was cut off, if the hammer survives that."""

    def __init__(self, hammer: Hammer, number: int, level: str) -> None:
        self.hammer = hammer
        self.level = level
        self.number = number
        self.random = random.Random(random.random())
        self.memories: dict[str, Memory | None] = {}
        self.program: Program | None = None
        self.is_resting = asyncio.Event()

    async def run(self) -> None:
        """Until the hammer is over, and what is believed then was checked."""
        while not self.is_resting.is_set():
            try:
                await self._session()
            except Lost as lost:
                self.hammer.losses[str(lost)[:60]] += 1
                if not self.hammer.survives:
                    raise Inconsistent(f"cut off: {lost}") from lost
                await asyncio.sleep(_LOST_PAUSE_SECONDS)

    async def _session(self) -> None:
        account = self.hammer.account
        port = account.ports[self.number % len(account.ports)]
        async with connect(port, account.context) as client:
            await self._begin(client)
            assert self.program is not None
            try:
                while not self.hammer.is_over:
                    await self._something(self.program)
                    if self.random.random() < _LEAVING:
                        self._remember()
                        return
            except Lost:
                self._remember()
                raise
            except Inconsistent as error:
                for line in self.program.transcript:
                    error.add_note(line.decode(errors="replace").strip())
                raise
            await self.program.noop()  # one whose connection is gone connects again
            self.is_resting.set()
            await self.hammer.is_checked.wait()

    def _remember(self) -> None:
        """Whatever happens to the connection."""
        if self.program is not None and self.program.mirror is not None:
            self.memories[self.program.mirror.box] = self.program.mirror.remember()

    async def _begin(self, client: Client) -> None:
        account = self.hammer.account
        self.program = Program(client, self.hammer.ledger, self.level)
        await self.program.begin(
            account.login, account.password, is_deflated=self.number % 3 == 0, is_rev2=self.number % 4 == 1
        )
        await self._select(self.program, BOXES[0])

    async def _select(self, program: Program, box: str) -> None:
        memory = self.memories.pop(box, None) if self.level == "qresync" else None
        self.hammer.did["resync" if memory else "select"] += 1
        await program.select(box, memory)

    # Whims

    async def _something(self, program: Program) -> None:
        await program.look_at_new()
        size = len(program.open.uids)
        name = self.random.choices(
            ("append", "store", "fetch", "search", "copy", "move", "expunge", "idle", "noop", "again"),
            (8 if size < _MANY else 1, 16, 10, 6, 3 if size < _MANY else 0, 3, 6 if size > _FEW else 1, 5, 3, 3),
        )[0]
        self.hammer.did[name] += 1
        await getattr(self, f"_{name}")(program)

    def _some(self, program: Program, most: int) -> list[int]:
        """A few of the messages that are known."""
        mirror = program.open
        known = [uid for uid in mirror.uids if uid != UNKNOWN and uid in mirror.flags]
        return sorted(self.random.sample(known, min(len(known), self.random.randint(1, most))))

    def _flags(self, most: int) -> list[str]:
        return self.random.sample(FLAGS, self.random.randint(0, most))

    async def _append(self, program: Program) -> None:
        how_many = self.random.choice((1, 1, 1, 3))
        await program.append(BOXES[0], *(message() for _ in range(how_many)), flags=self._flags(2))

    async def _store(self, program: Program) -> None:
        if uids := self._some(program, 12):
            mirror = program.open
            since = 0
            if self.level != "plain" and self.random.random() < 0.3:
                since = self.random.choice((mirror.synced, max(mirror.modseqs.get(uid, 1) for uid in uids)))
            action = self.random.choice("++--") if self.random.random() < 0.8 else ""
            flags = self._flags(3) or ["\\Seen"]
            if self.random.random() < 0.2:
                flags = [*flags, "\\Deleted"]
            silent, by_uid = self.random.random() < 0.5, self.random.random() < 0.5
            await program.store(uids, action, flags, is_silent=silent, by_uid=by_uid, since=since)

    async def _fetch(self, program: Program) -> None:
        if self.level == "qresync" and self.random.random() < 0.3:
            await program.catch_up()
        elif uids := self._some(program, 20):
            items = self.random.choice(
                ("UID FLAGS", "UID BODY.PEEK[]", "FLAGS UID EMAILID", "UID RFC822.SIZE INTERNALDATE", "UID BODY[]")
            )
            if self.level != "plain" and "FLAGS" in items:
                items += " MODSEQ"
            await program.fetch(uids, items, by_uid=self.random.random() < 0.5)

    async def _search(self, program: Program) -> None:
        key = self.random.choice(("ALL", "UNSEEN", "DELETED", "NOT FLAGGED", "KEYWORD Urgent", "1:*", 'SUBJECT "n 1"'))
        if program.open.uids or key != "1:*":
            returns = self.random.choice(("", "RETURN (ALL) "))
            await program.search(key, by_uid=self.random.random() < 0.5, returns=returns)

    async def _copy(self, program: Program) -> None:
        if uids := self._some(program, 5):
            await program.copy(uids, self.random.choice(BOXES), by_uid=self.random.random() < 0.5)

    async def _move(self, program: Program) -> None:
        mirror = program.open
        if uids := self._some(program, 5):
            box = BOXES[1] if mirror.box == BOXES[0] else BOXES[0]
            await program.copy(uids, box, by_uid=self.random.random() < 0.5, is_move=True)

    async def _expunge(self, program: Program) -> None:
        if uids := self._some(program, 6):
            await program.store(uids, "+", ["\\Deleted"], is_silent=self.random.random() < 0.5, by_uid=True)
            await program.expunge(uids if self.random.random() < 0.6 else None)

    async def _idle(self, program: Program) -> None:
        program.must(await program.idle(self.random.uniform(0.0, 0.4)))

    async def _noop(self, program: Program) -> None:
        await program.noop()

    async def _again(self, program: Program) -> None:
        """Leave the mailbox and come back to it, or to the other one."""
        box = program.open.box
        how = self.random.random()
        if how < 0.3:
            self.memories[box] = await program.close()
        elif how < 0.6:
            self.memories[box] = await program.unselect()
        else:
            self.memories[box] = program.open.remember()
        await self._select(program, BOXES[0] if box != BOXES[0] or self.random.random() < 0.7 else BOXES[1])


@dataclass
class Truth:
    """What the database has. flags: by UID, of what is there; gone: UIDs of what was."""

    uidvalidity: int
    uidnext: int
    modseq: int
    flags: dict[int, Flags]
    email_ids: dict[int, str]
    gone: set[int]


_BOX = """
SELECT b.*, (SELECT count(*) FROM mail.message m WHERE m.mailbox_id = b.id) AS counted,
       (SELECT count(*) FROM mail.message m WHERE m.mailbox_id = b.id AND m.flags & 1 = 0) AS counted_unseen,
       (SELECT coalesce(sum(m.size_bytes), 0)::bigint FROM mail.message m WHERE m.mailbox_id = b.id) AS counted_bytes
FROM mail.mailbox AS b WHERE b.account_id = $1 AND b.name = $2
"""
_MESSAGES = """
SELECT m.uid, m.flags, m.keywords, m.modseq, m.body_id FROM mail.message AS m WHERE m.mailbox_id = $1 ORDER BY m.uid
"""
_GONE = "SELECT uid, modseq FROM mail.expunged WHERE mailbox_id = $1"


async def truth(connection: asyncpg.Connection[Any], account_id: int, name: str) -> Truth:
    """What a mailbox holds, read from the tables themselves, and that it agrees with itself."""
    async with connection.transaction(isolation="repeatable_read"):
        box = await connection.fetchrow(_BOX, account_id, name)
        assert box is not None
        messages = await connection.fetch(_MESSAGES, box["id"])
        gone = await connection.fetch(_GONE, box["id"])
    assert (box["messages"], box["unseen"], box["size_bytes"]) == (
        box["counted"],
        box["counted_unseen"],
        box["counted_bytes"],
    )
    there, away = {row["uid"] for row in messages}, {row["uid"] for row in gone}
    assert not there & away
    assert max(there | away, default=0) < box["uidnext"]
    assert max((row["modseq"] for row in (*messages, *gone)), default=0) <= box["modseq"]
    return Truth(
        uidvalidity=box["uidvalidity"],
        uidnext=box["uidnext"],
        modseq=box["modseq"],
        flags={row["uid"]: _flags(row["flags"], row["keywords"]) for row in messages},
        email_ids={row["uid"]: row["body_id"].hex for row in messages},
        gone=away,
    )


def _flags(bits: int, keywords: Sequence[str]) -> Flags:
    named = [f"\\{flag.name}" for flag in Flag if flag & bits]
    return flags_of([*named, *keywords])


def check_ledger(ledger: Ledger, box: str, found: Truth) -> None:
    """Everything that was ever told of a mailbox holds against the database: nothing acknowledged is missing."""
    assert ledger.uidvalidity.get(box, found.uidvalidity) == found.uidvalidity
    assert ledger.uidnext.get(box, 1) <= found.uidnext
    assert ledger.highest.get(box, 0) <= found.modseq
    there = set(found.flags)
    missing = {uid for name, uid in ledger.born if name == box} - there - found.gone
    assert not missing, f"acknowledged, and neither there nor expunged: {sorted(missing)} of {box}"
    undead = {uid for name, uid in ledger.gone if name == box} & there
    assert not undead, f"told to be gone and still there: {sorted(undead)} of {box}"
    for uid, email_id in found.email_ids.items():
        ledger.identify(box, uid, email_id)


async def settle(workers: Sequence[Worker], truths: dict[str, Truth]) -> None:
    """All programs hear what is left to be told, and believe what is true."""
    for worker in workers:
        program = worker.program
        assert program is not None
        await program.noop()
        await program.look_at_new()
    for worker in workers:
        assert worker.program is not None
        mirror = worker.program.open
        found = truths[mirror.box]
        if mirror.uids != sorted(found.flags):
            raise Inconsistent(f"program {worker.number} believes in {mirror.uids}, there are {sorted(found.flags)}")
        for uid, flags in found.flags.items():
            if mirror.flags[uid] != flags:
                raise Inconsistent(
                    f"program {worker.number} ({worker.level}) believes {uid} to be {sorted(mirror.flags[uid])}, "
                    f"it is {sorted(flags)}"
                )


async def read_everything(account: Account, ledger: Ledger, box: str) -> None:
    """The bytes of every message, by a program that knows nothing yet."""
    async with connect(account.ports[0], account.context) as client:
        program = Program(client, ledger, "condstore")
        await program.begin(account.login, account.password, is_deflated=True)
        await program.select(box)
        if program.open.uids:
            program.must(await program.command("UID FETCH 1:* (UID EMAILID BODY.PEEK[])"))
