"""People: accounts, posts, lists, passwords and sessions; the directory in which everyone finds them."""

from pathlib import Path

from comgov.feature import Feature, Gesture, Job, Place
from comgov.language import N_
from comgov.people.actions import sweep
from comgov.people.commands import mailing_list, person, post
from comgov.people.config import Config
from comgov.people.web import routes

__all__ = ["Config", "feature"]

feature = Feature(
    name="people",
    folder=Path(__file__).parent,
    place=Place(
        title=N_("Directory"),
        path="/directory",
        icon="directory",
        order=50,
        gesture=Gesture(title=N_("Find someone"), path="/directory", icon="search"),
    ),
    routes=routes,
    commands=[person, post, mailing_list],
    jobs=[Job(name="people.sweep", cron="17 * * * *", run=sweep)],
)
