"""People: accounts, posts, lists, passwords and sessions."""

from pathlib import Path

from comgov.feature import Feature, Job
from comgov.people.actions import sweep
from comgov.people.commands import mailing_list, person, post
from comgov.people.config import Config
from comgov.people.web import routes

__all__ = ["Config", "feature"]

feature = Feature(
    name="people",
    folder=Path(__file__).parent,
    routes=routes,
    commands=[person, post, mailing_list],
    jobs=[Job(name="people.sweep", cron="17 * * * *", run=sweep)],
)
