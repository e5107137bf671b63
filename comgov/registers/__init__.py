"""Registers: one append-only, numbered, provable log for each institution."""

from pathlib import Path

from comgov.feature import Feature, Job
from comgov.registers.actions import append, append_numbered, lock, publish, publish_all
from comgov.registers.commands import register

__all__ = ["append", "append_numbered", "feature", "lock", "publish"]

feature = Feature(
    name="registers",
    folder=Path(__file__).parent,
    commands=[register],
    jobs=[Job(name="registers.publish", cron="* * * * *", run=publish_all)],
)
