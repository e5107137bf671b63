"""The checker on which `tests/scenarios/test_one_truth.py` relies is itself put to the test: it finds planted bugs."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from mail.imap.selected import Selected
from mail.mailbox import Mailboxes, store, sync
from mail.postgres import connected
from tests.mail.imap.hammer import BOXES, Account, Hammer, Worker, check_ledger, read_everything, settle, truth

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from comgov.db import Database
    from tests.mail.imap.conftest import House


async def hammer_for(house: House, db: Database, seconds: float) -> Hammer:
    """Ten programs on one worker. Raises Inconsistent."""
    account = Account("claire@sante.gov.test", "secret", [house.tls_port], house.context)
    hammer = Hammer(account)

    async def wait() -> None:
        await asyncio.sleep(seconds)

    async def check(workers: Sequence[Worker]) -> None:
        async with db.pool.acquire() as connection:
            truths = {box: await truth(connection, house.claire.account_id, box) for box in BOXES}
        for box, found in truths.items():
            check_ledger(hammer.ledger, box, found)
        await settle(workers, truths)
        for box in BOXES:
            await read_everything(account, hammer.ledger, box)

    await hammer.run(wait, check)
    return hammer


async def test_ten_programs_believe_the_same(house: House, db: Database) -> None:
    hammer = await hammer_for(house, db, 3)
    assert hammer.did["resync"]


def forget_one_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what is gone one is not told, now and then."""
    honest = Selected.tell_gone

    def tell_gone(self: Selected, *, as_uids: bool) -> list[bytes]:
        replies = honest(self, as_uids=as_uids)
        return [] if random.random() < 0.1 else replies

    monkeypatch.setattr(Selected, "tell_gone", tell_gone)


def miscount(monkeypatch: pytest.MonkeyPatch) -> None:
    """A message has its neighbour's number, now and then."""
    honest = Selected.number

    def number(self: Selected, uid: int) -> int:
        return max(1, honest(self, uid) - (random.random() < 0.01))

    monkeypatch.setattr(Selected, "number", number)


def go_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """An older MODSEQ is printed after a newer one, now and then."""
    honest = sync.to_changed

    def to_changed(row: Any) -> sync.Changed:
        one = honest(row)
        return replace(one, modseq=max(1, one.modseq - 3)) if random.random() < 0.05 else one

    monkeypatch.setattr(sync, "to_changed", to_changed)


def miss_a_change(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of the changes is passed over, now and then."""
    honest = sync.changes

    async def changes(*arguments: Any) -> sync.Changes:
        found = await honest(*arguments)
        return replace(found, changed=found.changed[1:]) if random.random() < 0.05 else found

    monkeypatch.setattr(sync, "changes", changes)


def give_a_uid_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The UID of the last message, once expunged, is the next one's too."""
    honest = store.expunge
    give_back = """
        UPDATE mail.mailbox SET uidnext = uidnext - 1 WHERE id = $1 AND uidnext - 1 = ANY($2::bigint[])
        RETURNING uidnext
    """
    forget = "DELETE FROM mail.expunged WHERE mailbox_id = $1 AND uid = $2"

    async def expunge(connection: Any, box: Any, uids: Any, now: Any) -> Any:
        found = await honest(connection, box, uids, now)
        gone = [row["uid"] for row in found]
        if (uid := await connection.fetchval(give_back, box.id, gone)) is not None:
            await connection.execute(forget, box.id, uid)
        return found

    monkeypatch.setattr(store, "expunge", expunge)


def lose_what_was_appended(monkeypatch: pytest.MonkeyPatch) -> None:
    """APPEND is acknowledged before it is durable, and now and then it never is."""
    honest = Mailboxes.append_all
    lose = "DELETE FROM mail.message WHERE mailbox_id = $1 AND uid = $2"

    async def append_all(self: Mailboxes, mailbox_id: int, drafts: Any) -> list[int]:
        uids = await honest(self, mailbox_id, drafts)
        if random.random() < 0.2:
            async with connected(self._pool) as connection:
                await connection.execute(lose, mailbox_id, uids[0])
        return uids

    monkeypatch.setattr(Mailboxes, "append_all", append_all)


@pytest.mark.parametrize(
    "plant",
    [forget_one_that_is_gone, miscount, go_back, miss_a_change, give_a_uid_again, lose_what_was_appended],
    ids=lambda plant: plant.__name__,
)
async def test_a_bug_planted_on_purpose_is_found(
    house: House, db: Database, monkeypatch: pytest.MonkeyPatch, plant: Callable[[pytest.MonkeyPatch], None]
) -> None:
    plant(monkeypatch)
    with pytest.raises(AssertionError, match=r"^(?!cut off)"):
        await hammer_for(house, db, 8)
