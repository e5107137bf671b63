"""Who may do what, as tables."""

from __future__ import annotations

import pytest

from comgov.actor import Actor, Role
from comgov.files.model import Deed, Space, SpaceRole, may, may_revoke, role_in

HEALTH, FINANCES = 1, 2
CLAIRE, ALINE = 10, 11


def actor(person_id: int = CLAIRE, institution_id: int = HEALTH, *roles: Role) -> Actor:
    return Actor(
        person_id=person_id,
        institution_id=institution_id,
        name="Someone",
        address="someone@gov.test",
        roles=frozenset(roles),
    )


def space(owner_id: int | None = None, default: SpaceRole = SpaceRole.CONTRIBUTOR) -> Space:
    return Space(
        id=1,
        root_id=1,
        institution_id=HEALTH,
        institution_code="sante",
        institution_name_fr="Ministère de la Santé",
        institution_name_en="",
        owner_id=owner_id,
        owner_name=None,
        default_role=default,
        quota_bytes=None,
        size_bytes=0,
        files=0,
    )


NONE, READER, CONTRIBUTOR, MANAGER = SpaceRole
PERSONAL = space(owner_id=CLAIRE)
ICT = Role.INSTITUTION_ADMINISTRATOR
PLATFORM = Role.PLATFORM_ADMINISTRATOR


@pytest.mark.parametrize(
    ("who", "where", "granted", "role"),
    [
        (actor(), PERSONAL, None, MANAGER),
        (actor(ALINE), PERSONAL, None, NONE),
        (actor(ALINE), PERSONAL, MANAGER, NONE),
        (actor(ALINE, HEALTH, ICT), PERSONAL, None, NONE),
        (actor(ALINE, HEALTH, PLATFORM), PERSONAL, None, NONE),
        (actor(ALINE, HEALTH, Role.AUDITOR), PERSONAL, None, NONE),
        (actor(), space(), None, CONTRIBUTOR),
        (actor(), space(default=READER), None, READER),
        (actor(), space(default=NONE), None, NONE),
        (actor(), space(), READER, READER),
        (actor(), space(), NONE, NONE),
        (actor(), space(default=READER), MANAGER, MANAGER),
        (actor(ALINE, HEALTH, ICT), space(default=NONE), NONE, MANAGER),
        (actor(ALINE, HEALTH, PLATFORM), space(), None, CONTRIBUTOR),
        (actor(ALINE, FINANCES), space(), None, NONE),
        (actor(ALINE, FINANCES), space(), MANAGER, NONE),
        (actor(ALINE, FINANCES, ICT), space(), None, NONE),
        (actor(ALINE, FINANCES, PLATFORM), space(), None, NONE),
    ],
)
def test_what_a_person_is_in_a_space(who: Actor, where: Space, granted: SpaceRole | None, role: SpaceRole) -> None:
    assert role_in(who, where, granted) is role


ALLOWED = {
    Deed.READ: {READER, CONTRIBUTOR, MANAGER},
    Deed.ADD: {CONTRIBUTOR, MANAGER},
    Deed.CHANGE: {CONTRIBUTOR, MANAGER},
    Deed.SHARE: {CONTRIBUTOR, MANAGER},
    Deed.PURGE: {MANAGER},
    Deed.MANAGE: {MANAGER},
}


@pytest.mark.parametrize("deed", Deed)
@pytest.mark.parametrize("role", SpaceRole)
def test_what_a_role_may_do(deed: Deed, role: SpaceRole) -> None:
    assert may(role, deed) == (role in ALLOWED[deed])


@pytest.mark.parametrize(
    ("who", "role", "allowed"),
    [
        (actor(CLAIRE), NONE, True),
        (actor(CLAIRE), READER, True),
        (actor(ALINE), CONTRIBUTOR, False),
        (actor(ALINE), MANAGER, True),
    ],
)
def test_a_link_is_revoked_by_its_maker_and_by_managers(who: Actor, role: SpaceRole, allowed: bool) -> None:
    assert may_revoke(who, role, CLAIRE) is allowed


@pytest.mark.parametrize("role", SpaceRole)
def test_a_role_is_known_by_its_code(role: SpaceRole) -> None:
    assert SpaceRole.of(role.code) is role


def test_another_code_is_no_role() -> None:
    with pytest.raises(ValueError, match="owner"):
        SpaceRole.of("owner")
