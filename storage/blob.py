"""A blob: bytes known by their digest."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Blob:
    """sha256: 32 bytes. size_bytes: 0 or more."""

    sha256: bytes
    size_bytes: int
