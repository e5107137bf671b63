"""How fast bytes may leave."""

from __future__ import annotations

import asyncio


class Budget:
    """So many bytes a second, shared by whoever spends from it; what is not spent is not saved up."""

    def __init__(self, bytes_per_second: int) -> None:
        """bytes_per_second: 0 for no limit."""
        self._bytes_per_second = bytes_per_second
        self._free_at = 0.0

    async def spend(self, size_bytes: int) -> None:
        """Return when these bytes may be sent."""
        if self._bytes_per_second <= 0:
            return
        now = asyncio.get_running_loop().time()
        start = max(self._free_at, now)
        self._free_at = start + size_bytes / self._bytes_per_second
        await asyncio.sleep(start - now)
