"""How many connections go to one destination, of all workers of all nodes together.

A slot is an advisory lock of PostgreSQL, held by the session on which the worker also listens: a worker that dies
loses its session, and with it its slots.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from mail.outbound.courier.budget import Budget
from mail.outbound.queue import store

if TYPE_CHECKING:
    from mail.outbound.queue.model import DueSite
    from mail.postgres import Connection


class Slots:
    """The slots that this worker holds. From two a destination on, slot 0 is kept for small mail."""

    def __init__(self, per_destination: int, bytes_per_second: int) -> None:
        """bytes_per_second: to one destination, shared equally by its slots; 0 for no limit."""
        self._per_destination = per_destination
        self._bytes_per_second = -(-bytes_per_second // per_destination)
        self._held: set[tuple[str, int]] = set()

    async def take(self, connection: Connection, destination: str, due: DueSite) -> int | None:
        """A slot for what is due there; None while all are taken."""
        for slot in range(self._per_destination):
            if (destination, slot) in self._held or not (due.has_small or self.takes_large(slot)):
                continue
            if await store.take_slot(connection, _key(destination, slot)):
                self._held.add((destination, slot))
                return slot
        return None

    async def leave(self, connection: Connection, destination: str, slot: int) -> None:
        """Let others have it."""
        if (destination, slot) in self._held:
            self._held.discard((destination, slot))
            await store.leave_slot(connection, _key(destination, slot))

    def forget(self) -> None:
        """The session that held them is gone, and they with it."""
        self._held.clear()

    def budget(self) -> Budget:
        """How fast bytes may leave through one slot."""
        return Budget(self._bytes_per_second)

    def takes_large(self, slot: int) -> bool:
        """Whether large mail may go there."""
        return slot > 0 or self._per_destination == 1


def _key(destination: str, slot: int) -> int:
    digest = hashlib.sha256(f"mail.queue {destination} {slot}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
