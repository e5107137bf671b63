"""A blob: bytes known by their digest."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Blob:
    """sha256: 32 bytes. size_bytes: 0 or more."""

    sha256: bytes
    size_bytes: int

    def span(self, start: int, stop: int | None) -> range:
        """The positions of a slice that exist; none when it lies beyond the end. ValueError if a bound is negative."""
        require_bounds(start, stop)
        return range(self.size_bytes)[start:stop]


def require_bounds(start: int, stop: int | None) -> None:
    """ValueError if a bound is negative."""
    if start < 0 or (stop is not None and stop < 0):
        raise ValueError(f"bounds are 0 or more, not {start} and {stop}")
