"""Administration: what institutions use, who is in them, and the figures for monitoring."""

from pathlib import Path

from comgov.actor import Role
from comgov.administration.commands import usage
from comgov.administration.config import Config
from comgov.administration.web import routes
from comgov.feature import Feature, Place
from comgov.language import N_

__all__ = ["Config", "feature"]

feature = Feature(
    name="administration",
    folder=Path(__file__).parent,
    place=Place(title=N_("Administration"), path="/administration", icon="administration", order=60),
    roles=frozenset({Role.INSTITUTION_ADMINISTRATOR, Role.PLATFORM_ADMINISTRATOR}),
    routes=routes,
    commands=[usage],
)
