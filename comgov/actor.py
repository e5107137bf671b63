"""Who acts: the second argument of every action, from the journal up."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from comgov.language import DEFAULT_LANGUAGE, Language


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
    """Who acts, for whom and from where.

    person_id: 0 for the console and for jobs, which belong to no institution (institution_id 0 too).
    posts: ids of the posts held now. ip: the client's address, empty for commands and jobs.
    """

    person_id: int
    institution_id: int
    name: str
    address: str
    roles: frozenset[Role]
    posts: frozenset[int] = frozenset()
    ip: str = ""
    language: Language = DEFAULT_LANGUAGE
    institution_code: str = ""

    def has(self, role: Role) -> bool:
        """Whether that role was given."""
        return role in self.roles


def console(user: str) -> Actor:
    """Who holds the server itself and types commands: may do what a platform administrator may.

    user: the name of the system's account, for the journal.
    """
    return Actor(
        person_id=0,
        institution_id=0,
        name=user,
        address=f"console:{user}",
        roles=frozenset({Role.PLATFORM_ADMINISTRATOR}),
    )
