"""A sweep and a message that brings the same attachment anew, in every order of their steps: no bytes are lost."""

from __future__ import annotations

import asyncio
import os
import random
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from itertools import combinations
from typing import TYPE_CHECKING

import pytest

from mail.errors import SystemDown
from mail.mailbox import Mailboxes, SpecialUse
from mail.mailbox.upkeep import EXPUNGED_KEPT_FOR
from storage import MemoryStore, open_disk_store
from tests.mail.parts import TEXT, data, leaf, lines, mixed
from tests.mail.post import Clock

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Callable
    from pathlib import Path

    from comgov.db import Database
    from mail.body.blobs import Blobs
    from mail.mailbox import Message
    from storage import Blob

SWEEP_STEPS, ARRIVAL_STEPS = 4, 3
ORDERS = [
    "".join("A" if step in arrival else "S" for step in range(SWEEP_STEPS + ARRIVAL_STEPS))
    for arrival in combinations(range(SWEEP_STEPS + ARRIVAL_STEPS), ARRIVAL_STEPS)
]


class Turns:
    """Lets a sweep (`S`) and an arrival (`A`) take their steps in a given order, one at a time."""

    def __init__(self, order: str) -> None:
        self._left = order
        self._moving = ""
        self._moved = asyncio.Condition()

    async def step(self, who: str) -> None:
        """The step before ends here; the next one begins when it is its turn."""
        async with self._moved:
            if self._moving == who:
                self._moving = ""
                self._moved.notify_all()
            await self._moved.wait_for(lambda: not self._moving and self._left[:1] in {who, ""})
            self._moving, self._left = who, self._left[1:]

    async def end(self, who: str) -> None:
        """It takes no more steps."""
        async with self._moved:
            self._moving = ""
            self._left = self._left.replace(who, "")
            self._moved.notify_all()


class Stepwise:
    """A store that waits for its turn before each thing that a sweep or an arrival does, and after."""

    def __init__(self, store: Blobs) -> None:
        self.store = store
        self.turns = Turns("")

    async def write(self, chunks: AsyncIterable[bytes], *, size_bytes: int | None = None) -> Blob:
        await self.turns.step("A")
        blob: Blob = await self.store.write(chunks, size_bytes=size_bytes)
        await self.turns.step("A")
        return blob

    def read(self, sha256: bytes, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        return self.store.read(sha256, start, stop)

    async def delete(self, sha256: bytes, *, written_before: datetime | None = None) -> None:
        await self.turns.step("S")
        await self.store.delete(sha256, written_before=written_before)

    async def list(self) -> AsyncIterator[Blob]:
        await self.turns.step("S")
        async for blob in self.store.list():
            yield blob
        await self.turns.step("S")


class Forgetful(MemoryStore):
    """The bug that is planted: what is there already is not written again, and stays as old as it is."""

    async def write(self, chunks: AsyncIterable[bytes], *, size_bytes: int | None = None) -> Blob:
        before = dict(self._kept)
        blob = await super().write(chunks, size_bytes=size_bytes)
        self._kept |= before
        return blob


@pytest.fixture
async def open_store(tmp_path: Path) -> AsyncIterator[Callable[[str, Clock], object]]:
    async with AsyncExitStack() as stack:

        async def opened(kind: str, clock: Clock) -> Blobs:
            if kind == "disk":
                return await stack.enter_async_context(open_disk_store(tmp_path / os.urandom(8).hex()))
            return MemoryStore(clock) if kind == "memory" else Forgetful(clock)

        yield opened


async def _race(db: Database, blobs: Stepwise, clock: Clock, order: str) -> tuple[bytes, bytes | None]:
    """What arrived while the sweep took away the only message that had the same attachment, and what is read of it."""
    account_id = random.randrange(1 << 40)
    file = leaf(lines(data(80_000, account_id)))
    mailboxes = Mailboxes(pool=db.pool, blobs=blobs, clock=clock)
    now = datetime.now(UTC)
    clock.now = now - EXPUNGED_KEPT_FOR - timedelta(days=10)
    box = await mailboxes.standard(account_id, SpecialUse.INBOX)
    first = await mailboxes.append(box.id, mixed(TEXT, file))
    await mailboxes.expunge(box.id, [first.uid])
    async for blob in blobs.store.list():
        if hasattr(blobs.store, "path"):
            os.utime(blobs.store.path(blob.sha256), (clock.now.timestamp(), clock.now.timestamp()))
    clock.now = now
    blobs.turns = turns = Turns(order)
    content = mixed(file, TEXT, boundary=b"other")

    async def sweep() -> None:
        await turns.step("S")
        await mailboxes.sweep()
        await turns.end("S")

    async def arrive() -> Message:
        await turns.step("A")
        message = await mailboxes.append(box.id, content)
        await turns.end("A")
        return message

    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        group.create_task(sweep())
        arriving = group.create_task(arrive())
    try:
        return content, b"".join([chunk async for chunk in mailboxes.read(arriving.result())])
    except SystemDown:
        return content, None


@pytest.mark.parametrize("kind", ["memory", "disk"])
async def test_what_is_brought_anew_while_it_is_swept_stays(
    db: Database, open_store: Callable[[str, Clock], object], kind: str
) -> None:
    for order in ORDERS:
        clock = Clock()
        blobs = Stepwise(await open_store(kind, clock))
        content, found = await _race(db, blobs, clock, order)
        assert found == content, order


async def test_the_orders_that_are_tried_find_a_store_that_reuses_what_is_old(
    db: Database, open_store: Callable[[str, Clock], object]
) -> None:
    lost = []
    for order in ORDERS:
        clock = Clock()
        blobs = Stepwise(await open_store("forgetful", clock))
        content, found = await _race(db, blobs, clock, order)
        lost += [order] if found != content else []
    assert 0 < len(lost) < len(ORDERS)
