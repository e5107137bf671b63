"""Institutions: the tree, their codes and mail domains."""

from pathlib import Path

from comgov.feature import Feature
from comgov.institutions.commands import institution
from comgov.institutions.config import Config

__all__ = ["Config", "feature"]

feature = Feature(name="institutions", folder=Path(__file__).parent, commands=[institution])
