"""Messages put in threads (RFC 5256 §3): pure, without recursion, in time n log n whatever messages claim.

A thread is told as its messages from the top down, each with its depth, those below it right after it.
"""

from __future__ import annotations

from itertools import groupby, pairwise
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from mail.message.order import DIGEST_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

ABSENT = 0
"""Stands, at depth 0, for a first message that is not there."""

_NOBODY = -1
_SLOTS = 1 << 24


class Threaded(NamedTuple):
    """What is asked of a message. sent_at: of Date, else when it arrived. subject, is_reply, lineage: as `Order` has
    them."""

    uid: int
    sent_at: datetime
    subject: str
    is_reply: bool
    lineage: bytes


class Node(NamedTuple):
    """A message in its thread. uid: ABSENT for one that is only referred to."""

    uid: int
    depth: int


def by_subject(messages: Sequence[Threaded]) -> list[Node]:
    """ORDEREDSUBJECT: the first of each base subject, below it the others. messages: in the order of their UIDs."""
    ordered = sorted(messages, key=attrgetter("subject", "sent_at"))
    threads = [list(group) for _, group in groupby(ordered, key=attrgetter("subject"))]
    threads.sort(key=lambda thread: (thread[0].sent_at, thread[0].uid))
    return [Node(message.uid, min(place, 1)) for thread in threads for place, message in enumerate(thread)]


def by_references(messages: Sequence[Threaded]) -> list[Node]:
    """REFERENCES. messages: in the order of their UIDs."""
    return _Forest(messages).run()


def _digests(lineage: bytes) -> list[bytes]:
    return [lineage[at : at + DIGEST_BYTES] for at in range(0, len(lineage), DIGEST_BYTES)]


def _slot(digest: bytes) -> int:
    return int.from_bytes(digest[:4]) % _SLOTS


class _Forest:
    """Nodes are numbers: first the messages, then the absent ones that they name.

    parents: of each node, none for the first of a thread. above: some node above it, or itself: a short way to the
    first of its thread, made shorter by each who goes it. named: how often a message is referred to, 2 for more; those
    that share a slot count as one.
    """

    def __init__(self, messages: Sequence[Threaded]) -> None:
        self.messages = messages
        self.count = len(messages)
        self.parents = [_NOBODY] * self.count
        self.above = list(range(self.count))
        self.nodes: dict[bytes, int] = {}
        self.named = bytearray(_SLOTS)
        self.children: dict[int, list[int]] = {}

    def run(self) -> list[Node]:
        for place, message in enumerate(self.messages):
            *ancestors, own = _digests(message.lineage)
            self.nodes.setdefault(own, place)
            for slot in map(_slot, ancestors):
                self.named[slot] = min(self.named[slot] + 1, 2)
        for place, message in enumerate(self.messages):
            self._link_lineage(place, message.lineage)
        roots = self._gather(self._prune())
        for siblings in self.children.values():
            siblings.sort(key=self._age)
        roots.sort(key=self._age)
        return self._walk(roots)

    # Step 1

    def _link_lineage(self, place: int, lineage: bytes) -> None:
        """A link to a message still to come is left out, for that message itself says what is above it."""
        ancestors = _digests(lineage)[:-1]
        line = [self._node(digest) for digest in ancestors if digest == ancestors[0] or self._matters(digest)]
        for parent, child in pairwise(line):
            if not place <= child < self.count:
                self._link(parent, child)
        if line:
            self._link(line[-1], place)

    def _matters(self, digest: bytes) -> bool:
        """Whether it is there, or perhaps named elsewhere too; an absent one between two that only one message names
        makes no difference."""
        return digest in self.nodes or self.named[_slot(digest)] > 1

    def _node(self, digest: bytes) -> int:
        node = self.nodes.setdefault(digest, len(self.parents))
        if node == len(self.parents):
            self.parents.append(_NOBODY)
            self.above.append(node)
        return node

    def _link(self, parent: int, child: int) -> None:
        """Unless the child has a parent, or is above that one."""
        if self.parents[child] == _NOBODY and self._first(parent) != child:
            self.parents[child] = self.above[child] = parent

    def _first(self, node: int) -> int:
        above = self.above
        while above[node] != node:
            above[node] = above[above[node]]
            node = above[node]
        return node

    # Steps 2 and 3

    def _prune(self) -> list[int]:
        """The first of each thread; below them only messages, and absent ones only above several."""
        roots: dict[int, None] = {}
        present: dict[int, int] = {}
        for node in range(self.count):
            parent = self._present_above(node, present)
            if parent == _NOBODY:
                roots[node] = None
            else:
                self.children.setdefault(parent, []).append(node)
                if parent >= self.count:
                    roots[parent] = None
        return [self._only_child(root) for root in roots]

    def _present_above(self, node: int, known: dict[int, int]) -> int:
        """The next message above, else the absent one that is the first of the thread. known: found already."""
        passed = []
        parent = self.parents[node]
        while parent >= self.count and self.parents[parent] != _NOBODY and parent not in known:
            passed.append(parent)
            parent = self.parents[parent]
        parent = known.get(parent, parent)
        known.update(dict.fromkeys(passed, parent))
        return parent

    def _only_child(self, root: int) -> int:
        if root >= self.count and len(self.children[root]) == 1:
            return self.children.pop(root)[0]
        return root

    # Steps 4 and 5

    def _gather(self, roots: list[int]) -> list[int]:
        """Threads of one base subject become one."""
        roots.sort(key=self._age)
        table: dict[str, int] = {}
        for root in roots:
            if (subject := self._message(root).subject) and self._is_better(root, table.get(subject)):
                table[subject] = root
        merged: set[int] = set()
        added: list[int] = []
        for root in roots:
            subject = self._message(root).subject
            if not subject or root in merged or table[subject] == root:
                continue
            merged.add(root)
            other = table[subject]
            if self._is_below(root, other):
                self._put_below(root, other)
            else:
                merged.add(other)
                table[subject] = self._new_absent([other, root])
                added.append(table[subject])
        return [root for root in (*roots, *added) if root not in merged]

    def _is_better(self, root: int, other: int | None) -> bool:
        """Whether it rather than the other stands for their subject."""
        if other is None:
            return True
        if self._is_absent(other):
            return False
        return self._is_absent(root) or (self._message(other).is_reply and not self._message(root).is_reply)

    def _is_below(self, root: int, other: int) -> bool:
        """Whether it goes below the other, rather than beside it."""
        return self._is_absent(other) or (self._message(root).is_reply and not self._message(other).is_reply)

    def _put_below(self, root: int, other: int) -> None:
        found = self.children.pop(root) if self._is_absent(root) else [root]
        self.children.setdefault(other, []).extend(found)

    def _new_absent(self, children: list[int]) -> int:
        node = len(self.parents)
        self.parents.append(_NOBODY)
        self.children[node] = children
        return node

    def _is_absent(self, node: int) -> bool:
        return node >= self.count

    def _message(self, node: int) -> Threaded:
        """It, or the earliest below an absent one."""
        return self.messages[self._earliest(node)]

    def _earliest(self, node: int) -> int:
        return min(self.children[node], key=self._sent) if self._is_absent(node) else node

    def _age(self, node: int) -> tuple[datetime, int]:
        return self._sent(self._earliest(node))

    def _sent(self, node: int) -> tuple[datetime, int]:
        return self.messages[node].sent_at, node

    # Step 6

    def _walk(self, roots: list[int]) -> list[Node]:
        found = []
        waiting = [(root, 0) for root in reversed(roots)]
        while waiting:
            node, depth = waiting.pop()
            found.append(Node(ABSENT if self._is_absent(node) else self.messages[node].uid, depth))
            waiting += [(child, depth + 1) for child in reversed(self.children.get(node, ()))]
        return found
