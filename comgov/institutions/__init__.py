"""Institutions."""

from pathlib import Path

from comgov.feature import Feature

feature = Feature(name="institutions", folder=Path(__file__).parent)
