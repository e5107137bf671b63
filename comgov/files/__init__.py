"""Files: spaces with folders, versions, trash, quotas and links. See README.md."""

from pathlib import Path

from comgov.feature import Feature, Gesture, Job, Place
from comgov.files import api, web
from comgov.files.commands import space
from comgov.files.config import Config
from comgov.files.jobs import expire, sweep
from comgov.language import N_

__all__ = ["Config", "feature"]

feature = Feature(
    name="files",
    folder=Path(__file__).parent,
    place=Place(
        title=N_("Files"),
        path="/files",
        icon="files",
        order=30,
        gesture=Gesture(title=N_("Send files"), path="/files", icon="upload"),
    ),
    routes=[*api.routes, *web.routes],
    commands=[space],
    jobs=[
        Job(name="files.expire", cron="23 * * * *", run=expire),
        Job(name="files.sweep", cron="41 2 * * *", run=sweep),
    ],
)
