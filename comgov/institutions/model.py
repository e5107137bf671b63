"""Institutions: a tree (State → ministry → service), each with a code that is the label of its mail domain."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from comgov.actor import Actor, Role
from comgov.errors import Forbidden, Invalid
from comgov.language import N_

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from comgov.language import Language

DEEPEST = 8
"""Levels of the tree."""

_LONGEST_NAME = 200  # characters
_CODE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


class Kind(StrEnum):
    """What an institution is."""

    STATE = "state"
    MINISTRY = "ministry"
    PROVINCE = "province"
    COMMUNE = "commune"
    AGENCY = "agency"
    SERVICE = "service"


KIND_TITLES = {
    Kind.STATE: N_("State"),
    Kind.MINISTRY: N_("Ministry"),
    Kind.PROVINCE: N_("Province"),
    Kind.COMMUNE: N_("Commune"),
    Kind.AGENCY: N_("Agency"),
    Kind.SERVICE: N_("Service"),
}


class State(StrEnum):
    """Suspended: nobody of it signs in; mail still arrives, nothing of it is lost."""

    ACTIVE = "active"
    SUSPENDED = "suspended"


@dataclass(frozen=True, kw_only=True)
class Institution:
    """code: a DNS label. domain: where its addresses are, such as `sante.gov.test`.

    quota_bytes: what its mailboxes and files may fill together. parent_id: None at the top.
    """

    id: int
    code: str
    domain: str
    name_fr: str
    name_en: str
    kind: Kind
    province: str
    parent_id: int | None
    state: State
    quota_bytes: int
    created_at: datetime

    def name(self, language: Language) -> str:
        """Its name in that language; French when it has no English one."""
        return self.name_en or self.name_fr if language == "en" else self.name_fr


@dataclass(frozen=True)
class Branch:
    """An institution at its place in the tree; depth 0 at the top."""

    institution: Institution
    depth: int


def tree(institutions: Iterable[Institution]) -> list[Branch]:
    """Every institution after its parent, brothers by name. One whose parent is not among them stands at the top."""
    everyone = sorted(institutions, key=lambda institution: (_words(institution.name_fr), institution.code))
    known = {institution.id for institution in everyone}
    children: dict[int | None, list[Institution]] = {}
    for institution in everyone:
        parent = institution.parent_id if institution.parent_id in known else None
        children.setdefault(parent, []).append(institution)

    waiting = [Branch(institution, 0) for institution in reversed(children.get(None, []))]
    branches = []
    while waiting:
        branch = waiting.pop()
        branches.append(branch)
        waiting += [Branch(child, branch.depth + 1) for child in reversed(children.get(branch.institution.id, []))]
    return branches


def line_of(branches: Sequence[Branch], code: str) -> list[Institution]:
    """From the top of the tree down to the institution of that code, itself last; empty if it is not among them."""
    line: list[Institution] = []
    for branch in branches:
        line[branch.depth :] = [branch.institution]
        if branch.institution.code == code:
            return line
    return []


def named(branches: Iterable[Branch], text: str) -> list[Institution]:
    """Institutions with words, in their names or code, that begin like each word of `text`, in the order of the tree.

    Neither accents nor case matter. None for a text without words.
    """
    wanted = _words(text)
    return [
        branch.institution
        for branch in branches
        if wanted and all(any(word.startswith(wish) for word in _called(branch.institution)) for wish in wanted)
    ]


def _called(institution: Institution) -> list[str]:
    return _words(f"{institution.name_fr} {institution.name_en} {institution.code}")


def _words(text: str) -> list[str]:
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return re.findall(r"\w+", plain.casefold())


def check_code(code: str) -> str:
    """The code, if it can be the label of a domain (RFC 1035 §2.3.1, in lower case)."""
    if not _CODE.fullmatch(code):
        raise Invalid(
            N_("“{code}” cannot be a code: use 1 to 63 small letters, digits and inner hyphens, such as “sante”."),
            code=code[:80],
        )
    return code


def check_domain(domain: str) -> str:
    """The domain, if every label of it could be one; at most 253 characters."""
    if len(domain) > 253 or "." not in domain or not all(_CODE.fullmatch(label) for label in domain.split(".")):
        raise Invalid(N_("“{domain}” cannot be a mail domain, such as “sante.gov.test”."), domain=domain[:80])
    return domain


def check_name(name: str) -> str:
    """A name as it is kept: NFC, single spaces, 1 to 200 characters.

    Refuses control and formatting characters (Unicode Cc, Cf): they hide or turn around what one reads.
    """
    clean = " ".join(unicodedata.normalize("NFC", name).split())
    if not clean or len(clean) > _LONGEST_NAME or any(unicodedata.category(c) in ("Cc", "Cf", "Cs") for c in clean):
        raise Invalid(N_("A name has 1 to {longest} visible characters."), longest=_LONGEST_NAME)
    return clean


def check_quota(quota_bytes: int) -> int:
    """A quota in bytes, from 0 to 8 EiB less one (what the database holds)."""
    if not 0 <= quota_bytes < 2**63:
        raise Invalid(N_("A quota is a number of bytes, 0 or more."))
    return quota_bytes


def must_administer_the_platform(actor: Actor) -> None:
    """Raises Forbidden unless the actor is a platform administrator."""
    if not actor.has(Role.PLATFORM_ADMINISTRATOR):
        raise Forbidden(N_("Only an administrator of the platform may do this."))


def administers(actor: Actor, institution_id: int) -> bool:
    """Whether the actor runs that institution: its own administrator, or the platform's."""
    if actor.has(Role.PLATFORM_ADMINISTRATOR):
        return True
    return actor.has(Role.INSTITUTION_ADMINISTRATOR) and actor.institution_id == institution_id


def must_administer(actor: Actor, institution_id: int) -> None:
    """Raises Forbidden unless the actor runs that institution."""
    if not administers(actor, institution_id):
        raise Forbidden(N_("Only an administrator of this institution may do this."))
