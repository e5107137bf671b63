"""Dossiers: prepared, sealed, sent from institution to institution, registered, with evidence of each step."""

from pathlib import Path

from comgov.dossiers.api import routes as api
from comgov.dossiers.commands import dossier
from comgov.dossiers.config import Config
from comgov.dossiers.jobs import jobs, resume, waiting
from comgov.dossiers.web import routes as pages
from comgov.feature import Feature, Gesture, Place
from comgov.language import N_

__all__ = ["Config", "feature", "resume"]

feature = Feature(
    name="dossiers",
    folder=Path(__file__).parent,
    place=Place(
        title=N_("Dossiers"),
        path="/dossiers",
        icon="dossier",
        order=40,
        gesture=Gesture(title=N_("Prepare a dossier"), path="/dossiers/new", icon="dossier"),
    ),
    routes=[*api, *pages],
    commands=[dossier],
    jobs=jobs,
    waiting=waiting,
)
