"""The wiring: the one place that knows every room."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comgov import institutions, jobs, journal, people

if TYPE_CHECKING:
    from comgov.db import Migrations
    from comgov.feature import Feature

FEATURES: tuple[Feature, ...] = (journal.feature, institutions.feature, people.feature)


def migrations() -> list[Migrations]:
    """Every package's tables, in the order they lean on each other."""
    return [jobs.migrations, *(found for feature in FEATURES if (found := feature.migrations))]
