"""An entry of the journal, and the chain that binds each entry to all those before it.

digest(n) = SHA-256(digest(n - 1) ‖ canonical JSON of entry n), digest(0) being 32 zero bytes. Canonical JSON: keys
sorted, no space, UTF-8, the instant in ISO 8601 UTC with microseconds. Anyone can recompute it from an export.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias

Detail: TypeAlias = str | int | bool | Sequence[str] | None
"""What a detail may be: small, exact in JSON, and never a body."""

BEFORE_ALL = bytes(32)
"""The digest before the first entry."""

_LONGEST_DETAIL = 500  # characters


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One thing that someone did.

    actor_id: the person, 0 for the console and jobs. actor: the address then in use. thing: the id, as text.
    number, digest: its place in the chain (from 1, no gap) and 32 bytes; None until it is linked.
    """

    id: int
    at: datetime
    actor_id: int
    actor: str
    institution_id: int
    ip: str
    verb: str
    kind: str
    thing: str
    details: Mapping[str, Any]
    number: int | None = None
    digest: bytes | None = None

    def as_json(self) -> dict[str, Any]:
        """What the digest covers."""
        return {
            "id": self.id,
            "at": self.at.astimezone(UTC).isoformat(timespec="microseconds"),
            "actor_id": self.actor_id,
            "actor": self.actor,
            "institution_id": self.institution_id,
            "ip": self.ip,
            "verb": self.verb,
            "kind": self.kind,
            "thing": self.thing,
            "details": self.details,
        }


@dataclass(frozen=True)
class Head:
    """How far the chain goes: the last number and its digest. What an auditor writes down."""

    number: int
    digest: bytes


@dataclass(frozen=True)
class Verification:
    """What a walk along the chain found.

    waiting: entries not yet linked. fault: the first number that does not hold and why; None when all hold.
    """

    head: Head
    waiting: int
    fault: str | None


START = Head(0, BEFORE_ALL)


def digest(previous: bytes, entry: Mapping[str, Any]) -> bytes:
    """The digest of an entry (`Entry.as_json`) after `previous`, both 32 bytes."""
    return hashlib.sha256(previous + canonical(entry)).digest()


def canonical(entry: Mapping[str, Any]) -> bytes:
    """The one way to write an entry down."""
    return json.dumps(entry, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def chain(head: Head, entries: Iterable[Entry]) -> Iterator[Head]:
    """The heads that follow `head` as each entry is linked in turn."""
    for entry in entries:
        head = Head(head.number + 1, digest(head.digest, entry.as_json()))
        yield head


def shorten(details: Mapping[str, Detail]) -> dict[str, Any]:
    """Details as the journal keeps them: long texts cut, what PostgreSQL cannot hold (NUL) shown as U+FFFD."""
    return {key: _short(value) for key, value in details.items()}


def _short(value: Detail) -> Any:
    match value:
        case str():
            clean = value.replace("\0", "\ufffd")
            return clean if len(clean) <= _LONGEST_DETAIL else f"{clean[:_LONGEST_DETAIL]}…"
        case None | bool() | int():
            return value
        case _:
            return [_short(item) for item in value]
