"""Mailboxes as they were seen last."""

from __future__ import annotations

from array import array

from mail.mailbox.snapshots import Snapshots
from mail.mailbox.sync import Snapshot


def snapshot(modseq: int, messages: int = 0) -> Snapshot:
    return Snapshot(
        uidvalidity=1, uidnext=1, modseq=modseq, uids=array("I", range(messages)), unseen_uid=0, keywords=()
    )  # fmt: skip


def test_one_is_known_at_its_own_modseq_alone() -> None:
    snapshots = Snapshots(1 << 20)
    snapshots.keep(1, snapshot(7))
    assert snapshots.known(1, 7) == snapshot(7)
    assert snapshots.known(1, 8) is None
    assert snapshots.known(2, 7) is None
    snapshots.keep(1, snapshot(8))
    assert snapshots.known(1, 7) is None
    assert snapshots.known(1, 8) == snapshot(8)


def test_what_was_not_asked_for_lately_goes_first() -> None:
    snapshots = Snapshots(4 * 5024)
    for mailbox_id in range(4):
        snapshots.keep(mailbox_id, snapshot(1, messages=1000))
    snapshots.known(0, 1)
    snapshots.keep(4, snapshot(1, messages=1000))
    snapshots.keep(4, snapshot(2, messages=1000))
    assert [mailbox_id for mailbox_id in range(5) if snapshots.known(mailbox_id, 1)] == [0, 2, 3]
    assert snapshots.known(4, 2)


def test_one_that_is_too_large_is_not_kept() -> None:
    snapshots = Snapshots(2000)
    snapshots.keep(1, snapshot(1, messages=1000))
    assert snapshots.known(1, 1) is None
