"""What a mail program may believe of a mailbox (RFC 9051, RFC 7162), and the moment it was told what cannot be.

`Mirror` is the belief of one session: sequence numbers, UIDs, flags, MODSEQs. `Ledger` is what all sessions were told,
put together: a UID is one message for ever, and one MODSEQ of a message is one set of flags for everybody.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from tests.mail.imap.grammar import Value

Flags: TypeAlias = frozenset[str]
Place: TypeAlias = tuple[str, int]
"""A mailbox's name and a UID."""

UNKNOWN = 0
"""The UID of a message of which only the number is known so far."""


class Inconsistent(AssertionError):
    """The server contradicted itself."""


def digest(content: bytes) -> str:
    """What stands for the bytes of a message."""
    return hashlib.sha256(content).hexdigest()


@dataclass
class Ledger:
    """All that was told of the mailboxes of one account.

    born: by which command a message got its UID. gone: what somebody was told is no more. highest: MODSEQ by mailbox.
    uidnext: what it is at least. contents: digests by EMAILID. flags: by place and MODSEQ.
    doubtful: digests of what was sent and never answered: it may be there, once.
    """

    uidvalidity: dict[str, int] = field(default_factory=dict)
    uidnext: dict[str, int] = field(default_factory=dict)
    highest: dict[str, int] = field(default_factory=dict)
    email_ids: dict[Place, str] = field(default_factory=dict)
    contents: dict[str, str] = field(default_factory=dict)
    digests: dict[Place, str] = field(default_factory=dict)
    flags: dict[tuple[str, int, int], Flags] = field(default_factory=dict)
    born: dict[Place, str] = field(default_factory=dict)
    gone: set[Place] = field(default_factory=set)
    doubtful: set[str] = field(default_factory=set)

    def bear(self, box: str, uid: int, how: str, content: str | None = None) -> None:
        """A message got a UID that nobody has heard of as another's."""
        if (box, uid) in self.born:
            raise Inconsistent(f"UID {uid} of {box} was given by {how} and by {self.born[box, uid]}")
        self.born[box, uid] = how
        self.uidnext[box] = max(self.uidnext.get(box, 1), uid + 1)
        if content is not None:
            _same(self.digests, (box, uid), content, "bytes")

    def identify(self, box: str, uid: int, email_id: str) -> None:
        """EMAILID (RFC 8474): a message keeps its own, and its bytes."""
        _same(self.email_ids, (box, uid), email_id, "EMAILID")
        if known := self.digests.get((box, uid)):
            _same(self.contents, email_id, known, "bytes")

    def read(self, box: str, uid: int, content: str) -> None:
        """The bytes of a message stay what they are."""
        _same(self.digests, (box, uid), content, "bytes")
        if email_id := self.email_ids.get((box, uid)):
            _same(self.contents, email_id, content, "bytes")

    def flagged(self, box: str, uid: int, modseq: int, flags: Flags) -> None:
        """With one MODSEQ a message has the same flags for everybody."""
        _same(self.flags, (box, uid, modseq), flags, "flags at one MODSEQ")
        self.highest[box] = max(self.highest.get(box, 0), modseq)

    def opened(self, box: str, uidvalidity: int) -> None:
        """UIDVALIDITY never changes here."""
        _same(self.uidvalidity, box, uidvalidity, "UIDVALIDITY")


def _same(known: dict[Any, Any], key: object, value: object, what: str) -> None:
    before = known.setdefault(key, value)
    if before != value:
        raise Inconsistent(f"{what} of {key}: {before} once, {value} now")


@dataclass(frozen=True)
class Memory:
    """What a program that goes away remembers. modseq: up to which it knows everything. flags, modseqs: by UID."""

    uidvalidity: int
    modseq: int
    flags: Mapping[int, Flags]
    modseqs: Mapping[int, int]


class Mirror:
    """One mailbox, open in one session.

    uids: in the order of their sequence numbers, UNKNOWN among them. knows_modseq: CONDSTORE is enabled.
    synced: the MODSEQ up to which nothing is left to be told.
    """

    def __init__(self, ledger: Ledger, box: str, *, knows_modseq: bool, memory: Memory | None = None) -> None:
        self.ledger = ledger
        self.box = box
        self.knows_modseq = knows_modseq
        self.uids: list[int] = []
        self.flags: dict[int, Flags] = dict(memory.flags) if memory else {}
        self.modseqs: dict[int, int] = dict(memory.modseqs) if memory else {}
        self.uidvalidity = 0
        self.synced = 0
        self._is_open = False
        self._memory = memory
        self._seen = 0
        self._gone_before = {uid for name, uid in ledger.gone if name == box}
        self._uidnext_before = ledger.uidnext.get(box, 1)
        self._highest_before = ledger.highest.get(box, 0)

    # Opening it

    def told_uidvalidity(self, number: int) -> None:
        self.ledger.opened(self.box, number)
        self.uidvalidity = number

    def told_uidnext(self, number: int) -> None:
        if number < self._uidnext_before:
            raise Inconsistent(f"UIDNEXT of {self.box} is {number} after {self._uidnext_before}")
        self.ledger.uidnext[self.box] = max(self.ledger.uidnext.get(self.box, 1), number)

    def told_highest_modseq(self, number: int) -> None:
        if number < max(self._highest_before, self.synced):
            raise Inconsistent(f"HIGHESTMODSEQ of {self.box} is {number} after {self._highest_before}, {self.synced}")
        self.ledger.highest[self.box] = max(self.ledger.highest.get(self.box, 0), number)
        self.synced = number

    def vanished_earlier(self, uids: Iterable[int]) -> None:
        """VANISHED (EARLIER): known ones are gone; of unknown ones it says nothing new."""
        for uid in uids:
            if self._is_open and uid in self.uids:
                raise Inconsistent(f"VANISHED (EARLIER) names {uid}, which has a number")
            self._forget(uid)

    def opened(self) -> None:
        """The end of SELECT. With a memory everything has its UID now."""
        self._is_open = True
        if self._memory is None:
            return
        believed = sorted({*self.flags, *(uid for uid in self.uids if uid)})
        if len(believed) != len(self.uids):
            raise Inconsistent(f"resynchronised to {len(believed)} messages of {len(self.uids)}: {believed}")
        for told, uid in zip(self.uids, believed, strict=True):
            if told not in (UNKNOWN, uid):
                raise Inconsistent(f"resynchronised: UID {told} stands where {uid} should")
        for uid in believed:
            self._check_present(uid)
        self.uids = believed

    def remember(self) -> Memory | None:
        """For the next SELECT; None when too little is known."""
        if not self._is_open or not self.knows_modseq or UNKNOWN in self.uids:
            return None
        kept = [uid for uid in self.uids if uid in self.flags]
        if len(kept) < len(self.uids):
            return None
        flags = {uid: self.flags[uid] for uid in kept}
        return Memory(self.uidvalidity, self.synced, flags, {uid: self.modseqs.get(uid, 0) for uid in kept})

    # What is told while it is open

    def exists(self, count: int) -> None:
        """EXISTS: it never shrinks by this."""
        if count < len(self.uids):
            raise Inconsistent(f"EXISTS {count} when there were {len(self.uids)}")
        self.uids += [UNKNOWN] * (count - len(self.uids))

    def expunge(self, number: int) -> None:
        """EXPUNGE: numbers above it move down."""
        if not 1 <= number <= len(self.uids):
            raise Inconsistent(f"EXPUNGE {number} when there were {len(self.uids)}")
        self._forget(self.uids.pop(number - 1))

    def vanish(self, uids: Iterable[int]) -> None:
        """VANISHED (RFC 7162 §3.2.10.2): of those whose UID is not known yet one number fewer is left."""
        for uid in uids:
            if uid in self.uids:
                self.uids.remove(uid)
            else:
                del self.uids[self._unknown_place(uid)]
            self._forget(uid)

    def _unknown_place(self, uid: int) -> int:
        """Where that UID may stand, which was never told."""
        place = next((place for place, known in enumerate(self.uids) if known > uid), len(self.uids))
        if place == 0 or self.uids[place - 1] != UNKNOWN:
            raise Inconsistent(f"VANISHED names {uid}, which is not there")
        return place - 1

    def fetched(self, number: int, items: Mapping[str, Value]) -> int:
        """FETCH; gives the UID, UNKNOWN when it cannot be known."""
        if not 1 <= number <= len(self.uids):
            raise Inconsistent(f"FETCH {number} when there were {len(self.uids)}")
        uid = self.uids[number - 1]
        if "UID" in items:
            told = int(str(items["UID"]))
            if uid not in (UNKNOWN, told):
                raise Inconsistent(f"FETCH {number} is UID {told}, which was {uid}")
            if uid == UNKNOWN:
                uid = told
                self._place(number, uid)
        if uid == UNKNOWN:
            return uid
        self._take_flags(uid, items)
        if isinstance(email_id := items.get("EMAILID"), list):
            self.ledger.identify(self.box, uid, str(email_id[0]))
        if isinstance(content := items.get("BODY[]"), bytes):
            self.ledger.read(self.box, uid, digest(content))
        return uid

    def all_told(self) -> None:
        """A command is over after which nothing may be left untold: what was seen is complete (RFC 7162 §6)."""
        if UNKNOWN not in self.uids:
            self.synced = max(self.synced, self._seen)

    # Within

    def _place(self, number: int, uid: int) -> None:
        """A UID for a number that had none: ascending, never one that was gone."""
        before = max(self.uids[: number - 1], default=0)
        after = min((other for other in self.uids[number:] if other), default=uid + 1)
        if not before < uid < after:
            raise Inconsistent(f"FETCH {number} is UID {uid}, between {before} and {after}")
        self._check_present(uid)
        self.uids[number - 1] = uid
        self.ledger.uidnext[self.box] = max(self.ledger.uidnext.get(self.box, 1), uid + 1)

    def _check_present(self, uid: int) -> None:
        if uid in self._gone_before:
            raise Inconsistent(f"UID {uid} of {self.box} is there, which was gone before it was opened")

    def _take_flags(self, uid: int, items: Mapping[str, Value]) -> None:
        modseq = 0
        if isinstance(told := items.get("MODSEQ"), list):
            modseq = int(str(told[0]))
            self._check_modseq(uid, modseq)
            self.modseqs[uid] = modseq
            self._seen = max(self._seen, modseq)
        if isinstance(names := items.get("FLAGS"), list):
            if self.knows_modseq and not modseq:
                raise Inconsistent(f"FLAGS of {uid} without MODSEQ, although CONDSTORE is enabled")
            self.flags[uid] = flags_of(names)
            if modseq:
                self.ledger.flagged(self.box, uid, modseq, self.flags[uid])

    def _check_modseq(self, uid: int, modseq: int) -> None:
        known = self.modseqs.get(uid, 0)
        if modseq < known:
            raise Inconsistent(f"MODSEQ of {uid} went back from {known} to {modseq}")
        if self._is_open and known < modseq <= self.synced and uid in self.flags:
            raise Inconsistent(f"UID {uid} changed at {modseq}, untold, although {self.synced} was reached")

    def _forget(self, uid: int) -> None:
        self.flags.pop(uid, None)
        self.modseqs.pop(uid, None)
        if uid:
            self.ledger.gone.add((self.box, uid))


def flags_of(names: Iterable[object]) -> Flags:
    """Flags and keywords, which compare without case; \\Recent is each session's own."""
    return frozenset(str(name).lower() for name in names) - {"\\recent"}
