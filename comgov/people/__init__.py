"""People: accounts, posts, lists, passwords and sessions."""

from pathlib import Path

from comgov.feature import Feature, Job
from comgov.people.actions import sweep
from comgov.people.config import Config
from comgov.people.web import routes

__all__ = ["Config", "feature"]

feature = Feature(
    name="people",
    folder=Path(__file__).parent,
    routes=routes,
    jobs=[Job(name="people.sweep", cron="17 * * * *", run=sweep)],
)
