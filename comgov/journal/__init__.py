"""The journal: who did what to which thing, from where; append-only and hash-chained."""

from pathlib import Path

from comgov.feature import Feature, Job
from comgov.journal.actions import link, record
from comgov.journal.commands import journal as _commands

__all__ = ["feature", "record"]

feature = Feature(
    name="journal",
    folder=Path(__file__).parent,
    commands=[_commands],
    jobs=[Job(name="journal.link", cron="* * * * *", run=link)],
)
