"""What a register holds: entries at their index, numbers of departure and arrival, proofs. Pure."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Self

from comgov.signing import merkle
from comgov.signing.checkpoint import SignedCheckpoint

_NUMBER = re.compile(r"(\d{4})/([DA])/(\d{6,9})", re.ASCII)


class Direction(StrEnum):
    """The two numbered views of a register."""

    DEPARTURE = "D"
    ARRIVAL = "A"


@dataclass(frozen=True, order=True)
class Number:
    """A register number, `2026/D/000123`. number: from 1, restarting each year, without a gap."""

    year: int
    direction: Direction
    number: int

    def __str__(self) -> str:
        return f"{self.year:04d}/{self.direction}/{self.number:06d}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The number written so; ValueError if it is none."""
        match = _NUMBER.fullmatch(text)
        if match is None or int(match[3]) == 0:
            raise ValueError(f"{text[:20]!r} is no register number, such as 2026/D/000123")
        number = cls(int(match[1]), Direction(match[2]), int(match[3]))
        if str(number) != text:
            raise ValueError(f"{text[:20]!r} is not written as a register number is")
        return number


@dataclass(frozen=True)
class Register:
    """A register as it stands while its row is locked. origin: its name in checkpoints."""

    institution_id: int
    origin: str
    frontier: merkle.Frontier


@dataclass(frozen=True, kw_only=True)
class Entry:
    """body: the bytes that are hashed. at: aware, UTC. number: its place among departures or arrivals, if any."""

    index: int
    at: datetime
    body: bytes
    number: Number | None = None


@dataclass(frozen=True, kw_only=True)
class Inclusion:
    """The proof that an entry is in a register: entry `index` of the tree of that size and root."""

    origin: str
    index: int
    size: int
    root: bytes
    path: merkle.Path

    def proves(self, body: bytes) -> bool:
        """Whether it proves that these bytes are that entry."""
        return merkle.is_included(merkle.leaf_hash(body), self.index, self.size, self.path, self.root)


@dataclass(frozen=True, kw_only=True)
class Witness:
    """The largest tree of a register that a witness has seen."""

    witness_id: int
    size: int
    root: bytes


@dataclass(frozen=True, kw_only=True)
class NumberFilter:
    """Which numbers a page shows. before: only smaller ones. limit: at most so many."""

    direction: Direction
    year: int
    before: int = 1_000_000_000
    limit: int = 50


def tlog_proof(index: int, path: merkle.Path, signed: SignedCheckpoint) -> str:
    """That entry `index` is in the tree of a checkpoint, as C2SP `tlog-proof` writes it: all that a verifier needs."""
    hashes = "".join(f"{b64encode(each).decode()}\n" for each in path)
    return f"c2sp.org/tlog-proof@v1\nindex {index}\n{hashes}\n{signed.note}"
