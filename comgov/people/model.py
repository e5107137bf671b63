"""People, the posts they hold, what they may do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What a person is trusted with. Every person is a civil servant; the others add to it."""

    CIVIL_SERVANT = "civil-servant"
    REGISTRY_CLERK = "registry-clerk"
    SIGNATORY = "signatory"
    INSTITUTION_ADMINISTRATOR = "institution-administrator"
    PLATFORM_ADMINISTRATOR = "platform-administrator"
    AUDITOR = "auditor"


@dataclass(frozen=True, kw_only=True)
class Actor:
    """Who acts, for whom and from where: the second argument of every action.

    posts: ids of the posts held now. ip: the client's address, empty for commands and jobs.
    """

    person_id: int
    institution_id: int
    name: str
    address: str
    roles: frozenset[Role]
    posts: frozenset[int] = frozenset()
    ip: str = ""

    def has(self, role: Role) -> bool:
        """Whether that role was given."""
        return role in self.roles
