"""Mailboxes as they were seen last. One whose MODSEQ is the same still holds the same (RFC 7162 §3.1).

Mail programs open the same mailboxes again and again, and most did not change in between.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mail.mailbox.sync import Snapshot

_OVERHEAD_BYTES = 1024  # of a snapshot beyond its UIDs


class Snapshots:
    """By mailbox; those that nobody asked for lately go first."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._snapshots: OrderedDict[int, Snapshot] = OrderedDict()
        self._bytes = 0

    def known(self, mailbox_id: int, modseq: int) -> Snapshot | None:
        """What that mailbox holds at that MODSEQ."""
        found = self._snapshots.get(mailbox_id)
        if found is None or found.modseq != modseq:
            return None
        self._snapshots.move_to_end(mailbox_id)
        return found

    def keep(self, mailbox_id: int, snapshot: Snapshot) -> None:
        """Remember this one instead of an earlier one."""
        if (before := self._snapshots.pop(mailbox_id, None)) is not None:
            self._bytes -= _size_bytes(before)
        self._snapshots[mailbox_id] = snapshot
        self._bytes += _size_bytes(snapshot)
        while self._bytes > self._limit_bytes:
            _, gone = self._snapshots.popitem(last=False)
            self._bytes -= _size_bytes(gone)


def _size_bytes(snapshot: Snapshot) -> int:
    return len(snapshot.uids) * snapshot.uids.itemsize + _OVERHEAD_BYTES
