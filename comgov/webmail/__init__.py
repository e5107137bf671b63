"""Mail in the browser, and its API for scripts. See README.md."""

from pathlib import Path

from comgov.feature import Feature, Gesture, Job, Place
from comgov.language import N_
from comgov.webmail import api, web
from comgov.webmail.actions.sending import sweep
from comgov.webmail.config import Config

__all__ = ["Config", "feature"]

feature = Feature(
    name="webmail",
    folder=Path(__file__).parent,
    place=Place(
        title=N_("Mail"),
        path="/mail",
        icon="mail",
        order=20,
        gesture=Gesture(title=N_("Write a message"), path="/mail/write", icon="write"),
    ),
    routes=[*web.routes, *api.routes],
    jobs=[Job(name="webmail.sweep", cron="41 2 * * *", run=sweep)],
    waiting=web.waiting,
)
