"""Merkle trees as RFC 9162 §2.1 hashes them: append, root, proofs and their verification. Pure.

A *complete node* `(level, index)` covers the `2**level` leaves from `index << level` on. Appending leaf `i` completes
one node for each trailing one bit of `i`, and the leaf itself: a register keeps those beside the entry, so that any
proof reads O(log n) rows and an append reads none but the frontier.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from hashlib import sha256

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()
"""The root of no entry at all (RFC 9162 §2.1.1)."""


@dataclass(frozen=True, order=True)
class Node:
    """A complete subtree: the `2**level` leaves from `index << level` on."""

    level: int
    index: int

    @property
    def last_leaf(self) -> int:
        """The leaf whose arrival completes it."""
        return ((self.index + 1) << self.level) - 1


Path = tuple[bytes, ...]
"""The hashes of a proof, 32 bytes each, in the order of RFC 9162."""


def leaf_hash(entry: bytes) -> bytes:
    """SHA-256(0x00 ‖ entry)."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 ‖ left ‖ right)."""
    return sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True)
class Frontier:
    """All that appending needs: the roots of the largest complete subtrees, from left to right.

    size: leaves so far. peaks: one hash for each one bit of `size`, the largest subtree first.
    """

    size: int = 0
    peaks: Path = ()

    def __post_init__(self) -> None:
        if self.size < 0 or len(self.peaks) != self.size.bit_count():
            raise ValueError(f"a tree of {self.size} leaves has {self.size.bit_count()} peaks, not {len(self.peaks)}")

    @property
    def root(self) -> bytes:
        """The root of the tree."""
        return fold(self.peaks) if self.peaks else EMPTY_ROOT

    @property
    def next_path(self) -> Path:
        """The proof that the leaf appended next is there, in the tree of `size + 1` leaves: every peak, last first."""
        return self.peaks[::-1]

    def append(self, leaf: bytes) -> tuple[Frontier, Path]:
        """The tree with one leaf more, and the hashes of the nodes which that leaf completes, level 0 first.

        leaf: its `leaf_hash`.
        """
        completed = [leaf]
        peaks = list(self.peaks)
        size = self.size
        while size & 1:
            completed.append(node_hash(peaks.pop(), completed[-1]))
            size >>= 1
        return Frontier(self.size + 1, (*peaks, completed[-1])), tuple(completed)


def fold(hashes: Sequence[bytes]) -> bytes:
    """The root over subtrees that stand side by side, the largest first; at least one."""
    return reduce(lambda right, left: node_hash(left, right), reversed(hashes))


@dataclass(frozen=True)
class Proof:
    """Which nodes make a proof: each element of the path is the fold of a few complete nodes."""

    elements: tuple[tuple[Node, ...], ...]

    @property
    def nodes(self) -> frozenset[Node]:
        """Every complete node to read, O(log n) of them."""
        return frozenset(node for element in self.elements for node in element)

    def path(self, hashes: Mapping[Node, bytes]) -> Path:
        """The proof itself; KeyError if a node of `nodes` is missing."""
        return tuple(fold([hashes[node] for node in element]) for element in self.elements)


def inclusion_proof(index: int, size: int) -> Proof:
    """What proves that leaf `index` stands in the tree of `size` leaves (RFC 9162 §2.1.3.1).

    Raises ValueError unless 0 <= index < size.
    """
    if not 0 <= index < size:
        raise ValueError(f"no leaf {index} in a tree of {size}")
    return Proof(tuple(_inclusion(index, 0, size)))


def _inclusion(index: int, start: int, stop: int) -> Iterator[tuple[Node, ...]]:
    if stop - start == 1:
        return
    middle = start + _split(stop - start)
    if index < middle:
        yield from _inclusion(index, start, middle)
        yield tuple(complete_nodes(middle, stop))
    else:
        yield from _inclusion(index, middle, stop)
        yield tuple(complete_nodes(start, middle))


def consistency_proof(old: int, new: int) -> Proof:
    """What proves that the tree of `new` leaves begins with that of `old` (RFC 9162 §2.1.4.1).

    Raises ValueError unless 0 < old <= new; the proof is empty when they are equal.
    """
    if not 0 < old <= new:
        raise ValueError(f"no consistency proof from {old} to {new}")
    return Proof(tuple(_consistency(old, 0, new, known=True)))


def _consistency(old: int, start: int, stop: int, *, known: bool) -> Iterator[tuple[Node, ...]]:
    if old == stop:
        if not known:
            yield tuple(complete_nodes(start, stop))
        return
    middle = start + _split(stop - start)
    if old <= middle:
        yield from _consistency(old, start, middle, known=known)
        yield tuple(complete_nodes(middle, stop))
    else:
        yield from _consistency(old, middle, stop, known=False)
        yield tuple(complete_nodes(start, middle))


def _split(count: int) -> int:
    """The largest power of two smaller than `count` (2 or more)."""
    return 1 << ((count - 1).bit_length() - 1)


def complete_nodes(start: int, stop: int) -> Iterator[Node]:
    """The complete subtrees over leaves [start, stop), the largest first; `start` is a multiple of each."""
    while start < stop:
        level = (stop - start).bit_length() - 1
        yield Node(level, start >> level)
        start += 1 << level


def is_included(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Whether `path` proves that `leaf` is entry `index` of the tree of that size and root (RFC 9162 §2.1.3.2).

    Every argument may come from a stranger.
    """
    if not 0 <= index < size or not _hashes(path):
        return False
    first, last, found = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return False
        if first & 1 or first == last:
            found = node_hash(sibling, found)
            first, last = _above_left_edge(first, last)
        else:
            found = node_hash(found, sibling)
        first, last = first >> 1, last >> 1
    return last == 0 and found == root


def is_consistent(old: int, old_root: bytes, new: int, new_root: bytes, path: Sequence[bytes]) -> bool:
    """Whether `path` proves that the new tree begins with the old one (RFC 9162 §2.1.4.2).

    Every tree begins with the empty one, which needs no path. Every argument may come from a stranger.
    """
    if not 0 <= old <= new or not _hashes(path):
        return False
    if old == 0:
        return old_root == EMPTY_ROOT and not path
    if old == new:
        return old_root == new_root and not path
    hashes = [old_root, *path] if old & (old - 1) == 0 else list(path)
    if not hashes:
        return False
    return _climb(old - 1, new - 1, hashes) == (old_root, new_root)


def _climb(first: int, last: int, hashes: Sequence[bytes]) -> tuple[bytes, bytes] | None:
    """Both roots that a consistency proof leads to; None when it is too long or too short."""
    while first & 1:
        first, last = first >> 1, last >> 1
    old_root = new_root = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            return None
        if first & 1 or first == last:
            old_root, new_root = node_hash(sibling, old_root), node_hash(sibling, new_root)
            first, last = _above_left_edge(first, last)
        else:
            new_root = node_hash(new_root, sibling)
        first, last = first >> 1, last >> 1
    return (old_root, new_root) if last == 0 else None


def _above_left_edge(first: int, last: int) -> tuple[int, int]:
    """Skip the levels at which the node stands alone at the right edge (RFC 9162, the inner loops)."""
    while not first & 1 and first != 0:
        first, last = first >> 1, last >> 1
    return first, last


def _hashes(path: Sequence[bytes]) -> bool:
    return all(len(each) == HASH_BYTES for each in path)


def tree(leaves: Sequence[bytes]) -> tuple[Frontier, Callable[[Node], bytes]]:
    """A whole tree in memory, for who verifies a register from its first entry.

    leaves: their `leaf_hash`es. Gives the frontier, and how to look a complete node up (KeyError if it is not there).
    """
    frontier, nodes = Frontier(), dict[Node, bytes]()
    for index, leaf in enumerate(leaves):
        frontier, completed = frontier.append(leaf)
        nodes |= {Node(level, index >> level): found for level, found in enumerate(completed)}
    return frontier, nodes.__getitem__
