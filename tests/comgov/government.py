"""A small government whose institutions can sign, for tests of registers and dossiers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from comgov import authority
from comgov.actor import Actor, Role, console
from comgov.institutions import actions as institutions

if TYPE_CHECKING:
    from pathlib import Path

    from comgov.feature import Platform
    from comgov.institutions.model import Institution

CODES = ("sante", "finances", "sgg", "ngozi")


@dataclass(frozen=True)
class Government:
    """The platform, its institutions by code, and whoever one needs."""

    platform: Platform
    institutions: dict[str, Institution]

    def actor(self, code: str, *roles: Role, name: str = "", person_id: int = 0) -> Actor:
        """Somebody of that institution with those roles."""
        institution = self.institutions[code]
        return Actor(
            person_id=person_id or 100 * institution.id + len(roles),
            institution_id=institution.id,
            name=name or f"Someone of {code}",
            address=f"someone@{institution.domain}",
            roles=frozenset(roles),
            institution_code=code,
        )

    @property
    def claire(self) -> Actor:
        return self.actor("sante", name="Claire", person_id=1)

    @property
    def aline(self) -> Actor:
        return self.actor("sante", Role.SIGNATORY, name="Aline", person_id=2)

    @property
    def grace(self) -> Actor:
        return self.actor("finances", Role.REGISTRY_CLERK, name="Grace", person_id=3)

    @property
    def eric(self) -> Actor:
        return self.actor("finances", name="Eric", person_id=4)

    @property
    def paul(self) -> Actor:
        return self.actor("ngozi", Role.REGISTRY_CLERK, Role.SIGNATORY, name="Paul", person_id=5)


async def make_government(platform: Platform, directory: Path) -> Government:
    """Institutions with seals and registers' certificates; keys and files under `directory`."""
    config = authority.Config(passphrase_file=directory / "keys" / "passphrase", pki_directory=directory / "pki")
    platform = replace(platform, configs={**platform.configs, authority.Config: config})
    lead = console("test")
    await authority.establish(platform, lead)
    found = {}
    for code in CODES:
        institution = await institutions.add(platform, lead, code=code, name_fr=f"Institution {code}")
        await authority.enrol_institution(platform, lead, institution)
        found[code] = institution
    return Government(platform, found)
