"""Writing the journal, linking it, proving it, taking it away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from comgov.journal import store
from comgov.journal.model import START, Detail, Head, Verification, chain, shorten
from comgov.journal.model import digest as digest_after

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from comgov.actor import Actor
    from comgov.db import Connection
    from comgov.feature import Platform

_PAGE = 1000  # entries a query


async def record(
    connection: Connection, actor: Actor, verb: str, kind: str, thing: int | str, /, **details: Detail
) -> None:
    """Write down that `actor` did `verb` to a thing, in the caller's transaction: both happen or neither.

    verb, kind: English words in lower case, such as `seal` and `dossier`. thing: its id.
    details: what an auditor needs besides (names, numbers, digests); never a body, a password or a key.
    """
    await store.insert(connection, actor, verb, kind, str(thing), shorten(details))


async def link(platform: Platform) -> int:
    """Chain what was committed since the last time; gives how many entries. One linker works, others leave at once."""
    linked = 0
    while count := await _link_page(platform):
        linked += count
        if count < _PAGE:
            break
    return linked


async def _link_page(platform: Platform) -> int:
    async with platform.db.transaction() as connection:
        if not await store.lock(connection):
            return 0
        entries = await store.waiting(connection, _PAGE)
        if entries:
            heads = list(chain(await store.head(connection), entries))
            await store.link(connection, entries, heads)
        return len(entries)


async def verify(platform: Platform, known: Head | None = None) -> Verification:
    """Walk the whole chain, recomputing every digest.

    known: a head noted earlier; the chain must still pass through it.
    """
    head, fault = START, None
    async with platform.db.transaction(isolation="repeatable_read") as connection:
        while fault is None and (entries := await store.page(connection, head.number, _PAGE)):
            for entry, following in zip(entries, chain(head, entries), strict=True):
                if entry.number != following.number:
                    fault = f"entry {following.number} is missing"
                elif entry.digest != following.digest:
                    fault = f"entry {following.number} is not what was written"
                if fault:
                    break
                head = following
        if fault is None and known and await store.digest(connection, known.number) != known.digest:
            fault = f"the chain does not pass through entry {known.number} with the digest you noted"
        return Verification(head, await store.count_waiting(connection), fault)


async def export(platform: Platform, after: int = 0) -> AsyncIterator[dict[str, Any]]:
    """Linked entries as JSON objects with `number`, `previous` and `digest` (hexadecimal), in the chain's order."""
    async with platform.db.transaction(isolation="repeatable_read") as connection:
        previous = START.digest if after == 0 else await store.digest(connection, after) or START.digest
        while entries := await store.page(connection, after, _PAGE):
            for entry in entries:
                assert entry.number is not None and entry.digest is not None
                after = entry.number
                chained = {"number": after, "previous": previous.hex(), "digest": entry.digest.hex()}
                yield entry.as_json() | chained
                previous = entry.digest


def verify_export(lines: Iterable[dict[str, Any]]) -> str | None:
    """Why an export does not hold, offline; None when it does. Its first `previous` is taken as given."""
    expected: tuple[int, str] | None = None
    for line in lines:
        entry = {key: value for key, value in line.items() if key not in ("number", "previous", "digest")}
        if expected is not None and (line["number"], line["previous"]) != expected:
            return f"entry {line['number']} does not follow the one before it"
        if digest_after(bytes.fromhex(line["previous"]), entry).hex() != line["digest"]:
            return f"entry {line['number']} is not what was written"
        expected = (line["number"] + 1, line["digest"])
    return None if expected is not None else "there is no entry in it"
