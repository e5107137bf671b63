"""The mailbox that a session has open: what its client was told, and in which numbers (RFC 9051 §2.3.1.2)."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

from mail.imap.flags import SYSTEM_FLAGS
from mail.imap.replies import Bad, NotDone
from mail.mailbox.criteria import And, In, Not, Or, Recent, Uids
from mail.mailbox.sequence import SequenceSet, compress, runs

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable, Sequence

    from mail.mailbox.criteria import Key
    from mail.mailbox.model import Mailbox
    from mail.mailbox.sync import Changed, Changes, Snapshot

_KEYWORDS_LIMIT = 500  # different ones, of a mailbox


class Selected:
    """UIDs stand in the order of their sequence numbers; what is gone keeps its number until the client is told."""

    def __init__(self, box: Mailbox, snapshot: Snapshot, changed: asyncio.Event, *, is_read_only: bool) -> None:
        self.box = box
        self.changed = changed
        self.is_read_only = is_read_only
        self.uids = snapshot.uids[:]  # others look at the same snapshot
        self.uidnext = snapshot.uidnext
        self.modseq = snapshot.modseq
        self.keywords = set(snapshot.keywords)
        self.asked_from = self.uidnext
        self._recent_from: list[int] = []
        self._recent_until: list[int] = []
        self._gone: list[int] = []
        self.save(())

    def number(self, uid: int) -> int:
        """The sequence number of a UID that is there."""
        return bisect_left(self.uids, uid) + 1

    def is_recent(self, uid: int) -> bool:
        """Whether this session is the first to be told of it."""
        place = bisect_right(self._recent_from, uid) - 1
        return place >= 0 and uid < self._recent_until[place]

    def note_recent(self, first: int) -> None:
        """This session is the first to be told of those from that UID on."""
        if first < self.uidnext:
            self._recent_from.append(first)
            self._recent_until.append(self.uidnext)
        self.asked_from = self.uidnext

    def forget_recent(self) -> None:
        """Nothing is recent in this session (IMAP4rev2)."""
        self._recent_from.clear()
        self._recent_until.clear()

    @property
    def recent(self) -> int:
        """How many are recent."""
        return sum(
            bisect_left(self.uids, until) - bisect_left(self.uids, first)
            for first, until in zip(self._recent_from, self._recent_until, strict=True)
        )

    def note_modseq(self, modseq: int) -> None:
        """The client is told this MODSEQ: with it go all earlier changes, which it may take for known from then on."""
        if modseq > self.modseq:
            self.changed.set()

    def save(self, uids: Iterable[int]) -> None:
        """What `$` names from now on (RFC 5182)."""
        self._saved = tuple(sorted(uids))
        self._saved_runs = tuple(runs(self._saved))

    def chosen(self, messages: SequenceSet, *, by_uid: bool) -> list[int]:
        """The UIDs of a set. Raises Bad for a sequence number that is not there."""
        if not messages.ranges:
            known = set(self.uids)
            return [uid for uid in self._saved if uid in known]
        if by_uid:
            return messages.uids(self.uids)
        numbers = messages.numbers(len(self.uids))
        if numbers is None:
            raise Bad("There is no such message")
        return [self.uids[number - 1] for number in numbers]

    def resolved(self, key: Key) -> Key:
        """The key with what only this session can tell made UIDs, for what its client knows.

        A sequence number that is not there names nothing: clients search for `1:*` in empty mailboxes.
        """
        return And((Uids(((1, self.uidnext - 1),)), self._resolved(key)))

    def _resolved(self, key: Key) -> Key:
        if isinstance(key, And):
            return And(tuple(map(self._resolved, key.keys)))
        if isinstance(key, Or):
            return Or(self._resolved(key.left), self._resolved(key.right))
        if isinstance(key, Not):
            return Not(self._resolved(key.key))
        if isinstance(key, Recent):
            runs_of = zip(self._recent_from, self._recent_until, strict=True)
            return Uids(tuple((first, until - 1) for first, until in runs_of))
        if isinstance(key, In):
            return Uids(self._runs(key.messages, by_uid=key.by_uid))
        return key

    def _runs(self, messages: SequenceSet, *, by_uid: bool) -> tuple[tuple[int, int], ...]:
        """First and last UID of each range of a set: never more than the client wrote, however many there are."""
        if not messages.ranges:
            return self._saved_runs
        if not self.uids:
            return ()
        if by_uid:
            return tuple(messages.spans(self.uids[-1]))
        count = len(self.uids)
        found = [(first, min(last, count)) for first, last in messages.spans(count) if first <= count]
        return tuple((self.uids[first - 1], self.uids[last - 1]) for first, last in found)

    def numbers(self, uids: Sequence[int]) -> Iterable[int]:
        """The sequence numbers of UIDs that are there, in ascending order."""
        if not self.is_run(uids):
            return map(self.number, uids)
        first = self.number(uids[0])
        return range(first, first + len(uids))

    def is_run(self, uids: Sequence[int]) -> bool:
        """Whether no message that is there stands between some of these."""
        return bool(uids) and self.number(uids[-1]) - self.number(uids[0]) == len(uids) - 1

    def learn(self, changes: Changes) -> tuple[list[Changed], bool]:
        """Take in what happened; gives the known messages whose flags changed, and whether there are new ones."""
        known = [one for one in changes.changed if one.uid < self.uidnext]
        new = array("I", (one.uid for one in changes.changed if one.uid >= self.uidnext))
        self._gone += [uid for uid in changes.vanished if uid < self.uidnext]
        self.uids += new
        self.uidnext = changes.uidnext
        self.modseq = changes.modseq
        return known, bool(new)

    def new_keywords(self, changed: Iterable[Changed]) -> bool:
        """Whether there are keywords that the client has not heard of; it has from now on."""
        found = {keyword for one in changed for keyword in one.keywords} - self.keywords
        self.keywords |= found
        return bool(found)

    @property
    def has_untold(self) -> bool:
        """Whether something is gone that the client was not told of."""
        return bool(self._gone)

    def check_keywords(self, keywords: Iterable[str]) -> None:
        """Raises NotDone when there would be too many different ones in the mailbox."""
        if len(self.keywords.union(keywords)) > _KEYWORDS_LIMIT:
            raise NotDone(f"A mailbox may have {_KEYWORDS_LIMIT} keywords", code="LIMIT")

    def tell_gone(self, *, as_uids: bool) -> list[bytes]:
        """The replies that say what is gone (VANISHED, RFC 7162 §3.2.10, if `as_uids`); its numbers are free now."""
        gone, self._gone = sorted(set(self._gone)), []
        places = [(place, uid) for uid in gone if (place := self._place(uid)) is not None]
        for place, _ in reversed(places):
            del self.uids[place]
        if not places:
            return []
        if as_uids:
            return [b"* VANISHED %b\r\n" % compress(uid for _, uid in places)]
        return [b"* %d EXPUNGE\r\n" % (place + 1) for place, _ in reversed(places)]

    def _place(self, uid: int) -> int | None:
        place = bisect_left(self.uids, uid)
        return place if place < len(self.uids) and self.uids[place] == uid else None


def permanent_flags(selected: Selected) -> bytes:
    """The reply that tells which flags this client may change for good."""
    changeable = b"" if selected.is_read_only else SYSTEM_FLAGS + _keywords(selected) + rb" \*"
    return b"* OK [PERMANENTFLAGS (%b)] These are kept\r\n" % changeable


def flags_line(selected: Selected) -> bytes:
    """The reply that tells which flags there are."""
    return b"* FLAGS (%b%b)\r\n" % (SYSTEM_FLAGS, _keywords(selected))


def _keywords(selected: Selected) -> bytes:
    return b"".join(b" " + keyword.encode("ascii") for keyword in sorted(selected.keywords))
