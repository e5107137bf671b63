"""Registers: one append-only, numbered, provable log for each institution."""

from pathlib import Path

from comgov.feature import Feature, Job
from comgov.registers.actions import append, append_numbered, lock, must_be_stamped, publish, publish_all
from comgov.registers.commands import register
from comgov.registers.config import Config

__all__ = ["Config", "append", "append_numbered", "feature", "lock", "must_be_stamped", "publish"]

feature = Feature(
    name="registers",
    folder=Path(__file__).parent,
    commands=[register],
    jobs=[Job(name="registers.publish", cron="* * * * *", run=publish_all)],
)
