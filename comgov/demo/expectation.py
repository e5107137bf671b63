"""How the tour says that a claim does not hold."""

from __future__ import annotations


class TourError(Exception):
    """A claim of the tour does not hold; the message says what was seen instead."""


def expect(holds: object, otherwise: str) -> None:
    """Raise TourError with that sentence unless it holds."""
    if not holds:
        raise TourError(otherwise)
