"""How full accounts are, remembered for a few seconds: one query for many messages."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from mail.mailbox import store
from mail.postgres import connected

if TYPE_CHECKING:
    from collections.abc import Callable

    from mail.directory import Account
    from mail.postgres import Pool

_FRESH_FOR = 5.0  # seconds: a quota may be passed by what arrives meanwhile
_ACCOUNTS_LIMIT = 100_000


class Quotas:
    """What accounts hold, as of the last few seconds."""

    def __init__(self, pool: Pool, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._pool = pool
        self._monotonic = monotonic
        self._used: dict[int, tuple[float, int]] = {}

    def surely_has_room(self, account: Account) -> bool:
        """Whether it has room, as far as is known without asking the database."""
        if account.quota_bytes is None:
            return True
        known = self._used.get(account.account_id)
        return known is not None and self._monotonic() - known[0] <= _FRESH_FOR and known[1] < account.quota_bytes

    async def is_full(self, account: Account) -> bool:
        """Whether its mailboxes hold its quota or more. Raises SystemDown."""
        if account.quota_bytes is None:
            return False
        known = self._used.get(account.account_id)
        if known is None or self._monotonic() - known[0] > _FRESH_FOR:
            async with connected(self._pool) as connection:
                used_bytes = await store.used_bytes(connection, account.account_id)
            if len(self._used) >= _ACCOUNTS_LIMIT:
                self._used.clear()
            known = self._used[account.account_id] = (self._monotonic(), used_bytes)
        return known[1] >= account.quota_bytes
