"""The sample government: enough people and institutions to try everything, the same each time.

Everyone's password is `comgov-demo`; a demo listens on 127.0.0.1 alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from comgov.actor import Role
from comgov.institutions.model import Kind

DOMAIN = "gov.test"
PASSWORD = "comgov-demo"  # noqa: S105  # published on purpose


@dataclass(frozen=True, kw_only=True)
class SampleInstitution:
    """code: the label of its domain."""

    code: str
    name_fr: str
    name_en: str
    kind: Kind
    province: str = ""


@dataclass(frozen=True, kw_only=True)
class SamplePerson:
    """address: local part and institution, without the common domain."""

    address: str
    name: str
    roles: frozenset[Role] = frozenset()


@dataclass(frozen=True, kw_only=True)
class SamplePost:
    """held_by: the addresses of those who hold it, with the right to send in its name."""

    address: str
    title: str
    held_by: tuple[str, ...]


INSTITUTIONS = (
    SampleInstitution(
        code="setic",
        name_fr="Secrétariat exécutif des technologies de l’information",
        name_en="Executive Secretariat for Information Technology",
        kind=Kind.AGENCY,
    ),
    SampleInstitution(
        code="sante", name_fr="Ministère de la Santé publique", name_en="Ministry of Public Health", kind=Kind.MINISTRY
    ),
    SampleInstitution(
        code="finances", name_fr="Ministère des Finances", name_en="Ministry of Finance", kind=Kind.MINISTRY
    ),
    SampleInstitution(
        code="sgg",
        name_fr="Secrétariat général du Gouvernement",
        name_en="General Secretariat of the Government",
        kind=Kind.AGENCY,
    ),
    SampleInstitution(
        code="ngozi", name_fr="Province de Ngozi", name_en="Province of Ngozi", kind=Kind.PROVINCE, province="Ngozi"
    ),
)

PEOPLE = (
    SamplePerson(address="admin@setic", name="Diane Iradukunda", roles=frozenset({Role.PLATFORM_ADMINISTRATOR})),
    SamplePerson(address="claire@sante", name="Claire Niyonzima"),
    SamplePerson(address="jean@sante", name="Jean Ndayishimiye", roles=frozenset({Role.INSTITUTION_ADMINISTRATOR})),
    SamplePerson(address="aline@sante", name="Aline Uwimana", roles=frozenset({Role.SIGNATORY})),
    SamplePerson(address="eric@finances", name="Éric Bigirimana"),
    SamplePerson(address="grace@finances", name="Grâce Hakizimana", roles=frozenset({Role.REGISTRY_CLERK})),
    SamplePerson(address="paul@ngozi", name="Paul Nkurunziza"),
)

POSTS = (
    SamplePost(address="secretariat@sante", title="Secrétariat", held_by=("claire@sante", "aline@sante")),
    SamplePost(address="courrier@finances", title="Bureau du courrier", held_by=("grace@finances",)),
)


@dataclass(frozen=True, kw_only=True)
class SampleList:
    """Only its members may post."""

    address: str
    name: str
    owner: str
    members: tuple[str, ...]


LISTS = (
    SampleList(
        address="tous@sante",
        name="Tout le ministère",
        owner="jean@sante",
        members=("claire@sante", "jean@sante", "aline@sante"),
    ),
)


def full(address: str) -> str:
    """`claire@sante` with its domain: `claire@sante.gov.test`."""
    return f"{address}.{DOMAIN}"
