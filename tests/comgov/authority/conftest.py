"""A platform whose authority is established, with two institutions enrolled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from comgov import authority
from comgov.actor import console
from comgov.authority import keyring
from comgov.institutions.actions import add

if TYPE_CHECKING:
    from comgov.feature import Platform
    from comgov.institutions.model import Institution

CONSOLE = console("root")


@pytest.fixture(autouse=True)
def cheap_scrypt(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cost of deriving is not what these tests are about."""
    monkeypatch.setattr(keyring, "COST", 1 << 4)


@pytest.fixture
async def established(platform: Platform) -> Platform:
    await authority.establish(platform, CONSOLE)
    return platform


@pytest.fixture
async def sante(established: Platform) -> Institution:
    institution = await add(established, CONSOLE, code="sante", name_fr="Ministère de la Santé")
    await authority.enrol_institution(established, CONSOLE, institution)
    return institution


@pytest.fixture
async def finances(established: Platform) -> Institution:
    institution = await add(established, CONSOLE, code="finances", name_fr="Ministère des Finances")
    await authority.enrol_institution(established, CONSOLE, institution)
    return institution
