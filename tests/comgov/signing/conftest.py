"""Worlds of certificates, made once."""

from __future__ import annotations

import pytest

from tests.comgov.signing.world import World, make_world


@pytest.fixture(scope="session")
def world() -> World:
    return make_world()


@pytest.fixture(scope="session")
def stranger() -> World:
    """The same names under another root."""
    return make_world()
