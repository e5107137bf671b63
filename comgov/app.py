"""The wiring: the one place that knows every room."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import mail
from comgov import institutions, jobs, journal, people
from comgov.db import Migrations

if TYPE_CHECKING:
    from comgov.feature import Feature

_MAIL = Migrations(package="mail", directory=Path(mail.__file__).parent / "migrations")

FEATURES: tuple[Feature, ...] = (journal.feature, institutions.feature, people.feature)


def migrations() -> list[Migrations]:
    """Every package's tables, in the order they lean on each other."""
    return [_MAIL, jobs.migrations, *(found for feature in FEATURES if (found := feature.migrations))]
