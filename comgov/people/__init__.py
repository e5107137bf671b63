"""People."""

from pathlib import Path

from comgov.feature import Feature

feature = Feature(name="people", folder=Path(__file__).parent)
