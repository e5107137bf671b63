"""What can follow what, who may do what: as tables, complete."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from itertools import product
from uuid import UUID

import pytest

from comgov.actor import Actor, Role
from comgov.dossiers import model
from comgov.dossiers.documents import Classification, Kind, Party, Priority
from comgov.dossiers.model import Delivery, Dossier, Note, Piece, State
from comgov.errors import Conflict, Invalid

AT = datetime(2026, 11, 23, 8, tzinfo=UTC)
SANTE, FINANCES = 1, 2

# Row by row, what each state may become. Whatever is not here must be refused.
NEXT = {
    State.DRAFT: {Kind.SEALED: State.SEALED},
    State.SEALED: {
        Kind.SUBMISSION_ACCEPTANCE: State.TRANSMITTED,
        Kind.SUBMISSION_REJECTION: State.REJECTED,
        Kind.CONSIGNMENT_FAILURE: State.FAILED,
    },
    State.TRANSMITTED: {Kind.CONTENT_CONSIGNMENT: State.RECEIVED, Kind.CONSIGNMENT_FAILURE: State.FAILED},
    State.RECEIVED: {Kind.CONTENT_HANDOVER: State.OPENED},
    State.OPENED: {Kind.REGISTERED: State.REGISTERED},
    State.REGISTERED: {Kind.ACKNOWLEDGED: State.ACKNOWLEDGED, Kind.ANSWERED: State.ANSWERED},
    State.ACKNOWLEDGED: {Kind.ANSWERED: State.ANSWERED},
    State.ANSWERED: {},
    State.REJECTED: {},
    State.FAILED: {},
}


@pytest.mark.parametrize(("state", "kind"), list(product(State, Kind)))
def test_every_step_is_the_one_in_the_table_or_refused(state: State, kind: Kind) -> None:
    if kind in NEXT[state]:
        assert model.next_state(state, kind) is NEXT[state][kind]
    else:
        with pytest.raises(Conflict):
            model.next_state(state, kind)


def test_every_way_ends_with_exactly_one_terminal_evidence() -> None:
    def ways(state: State, ended: int) -> list[int]:
        following = NEXT[state]
        return [
            count for kind, after in following.items() for count in ways(after, ended + (kind in model.TERMINAL))
        ] or [ended]

    assert set(ways(State.DRAFT, 0)) == {1}


def actor(institution: int, *roles: Role, person: int = 9) -> Actor:
    return Actor(person_id=person, institution_id=institution, name="X", address="x@y", roles=frozenset(roles))


def dossier(state: State = State.DRAFT, classification: Classification = Classification.ORDINARY) -> Dossier:
    return Dossier(
        id=1,
        message_id=UUID(int=1),
        institution_id=SANTE,
        author_id=1,
        author="Claire",
        state=state,
        note=Note(designation="X", classification=classification),
        created_at=AT,
        changed_at=AT,
    )


def delivery(state: State, classification: Classification = Classification.ORDINARY) -> Delivery:
    return Delivery(
        message_id=UUID(int=1),
        recipient_id=FINANCES,
        sender_id=SANTE,
        sender=Party(code="sante", name="Santé"),
        number="2026/D/000001",
        state=state,
        designation="X",
        classification=classification,
        priority=Priority.NORMAL,
        deadline=None,
        manifest=bytes(32),
        bordereau=b"{}",
        evidence=bytes(32),
        sealed_at=AT,
    )


CLERK, SIGNATORY, AUDITOR = Role.REGISTRY_CLERK, Role.SIGNATORY, Role.AUDITOR
ADMINISTRATOR, PLATFORM = Role.INSTITUTION_ADMINISTRATOR, Role.PLATFORM_ADMINISTRATOR
ORDINARY, RESTRICTED = Classification.ORDINARY, Classification.RESTRICTED


@pytest.mark.parametrize(
    ("role", "seal", "register", "take_over", "read_register", "everything"),
    [
        (Role.CIVIL_SERVANT, False, False, False, False, False),
        (CLERK, False, True, True, True, True),
        (SIGNATORY, True, False, True, True, True),
        (AUDITOR, False, False, False, True, True),
        (ADMINISTRATOR, False, False, False, True, False),
        (PLATFORM, False, False, False, False, False),
    ],
)
def test_each_role_gives_these_rights_in_its_own_institution_alone(
    role: Role, *, seal: bool, register: bool, take_over: bool, read_register: bool, everything: bool
) -> None:
    own, other = actor(SANTE, role), actor(FINANCES, role)
    assert model.may_seal(own, SANTE) is seal
    assert model.may_register(own, SANTE) is register
    assert model.may_take_over(own, SANTE) is take_over
    assert model.may_read_register(own, SANTE) is read_register
    assert model.sees_everything(own) is everything
    rules = (model.may_seal, model.may_register, model.may_take_over, model.may_read_register)
    assert not any(rule(other, SANTE) for rule in rules)
    nobody = actor(0, role)
    assert not any(rule(nobody, 0) for rule in rules)
    assert not model.may_draft(nobody)


@pytest.mark.parametrize(
    ("who", "state", "classification", "sees", "edits"),
    [
        (actor(SANTE, person=1), State.DRAFT, RESTRICTED, True, True),  # its author
        (actor(SANTE), State.DRAFT, ORDINARY, False, False),
        (actor(SANTE, CLERK), State.DRAFT, RESTRICTED, True, True),
        (actor(SANTE, SIGNATORY), State.DRAFT, RESTRICTED, True, True),
        (actor(SANTE, AUDITOR), State.DRAFT, ORDINARY, False, False),
        (actor(SANTE, person=1), State.SEALED, RESTRICTED, True, False),
        (actor(SANTE), State.SEALED, ORDINARY, True, False),
        (actor(SANTE), State.SEALED, RESTRICTED, False, False),
        (actor(SANTE, AUDITOR), State.SEALED, RESTRICTED, True, False),
        (actor(FINANCES, CLERK, SIGNATORY, AUDITOR, person=1), State.SEALED, ORDINARY, False, False),
        (actor(0, PLATFORM, person=1), State.SEALED, ORDINARY, False, False),
    ],
)
def test_who_sees_and_changes_a_dossier_at_its_sender(
    who: Actor, state: State, classification: Classification, *, sees: bool, edits: bool
) -> None:
    found = dossier(state, classification)
    assert model.may_see(who, found) is sees
    assert model.may_edit(who, found) is edits


@pytest.mark.parametrize(
    ("who", "state", "classification", "sees"),
    [
        (actor(FINANCES, CLERK), State.RECEIVED, RESTRICTED, True),
        (actor(FINANCES, SIGNATORY), State.RECEIVED, RESTRICTED, True),
        (actor(FINANCES, AUDITOR), State.RECEIVED, ORDINARY, False),
        (actor(FINANCES, AUDITOR), State.REGISTERED, RESTRICTED, True),
        (actor(FINANCES), State.RECEIVED, ORDINARY, False),
        (actor(FINANCES), State.REGISTERED, ORDINARY, True),
        (actor(FINANCES), State.REGISTERED, RESTRICTED, False),
        (actor(FINANCES, CLERK), State.SEALED, ORDINARY, False),  # not there yet
        (actor(FINANCES, CLERK), State.TRANSMITTED, ORDINARY, False),
        (actor(FINANCES, CLERK), State.REJECTED, ORDINARY, False),
        (actor(SANTE, CLERK, SIGNATORY), State.REGISTERED, ORDINARY, False),
        (actor(0, PLATFORM), State.REGISTERED, ORDINARY, False),
    ],
)
def test_who_sees_a_dossier_at_its_recipient(
    who: Actor, state: State, classification: Classification, *, sees: bool
) -> None:
    assert model.may_see_arrival(who, delivery(state, classification)) is sees


def test_the_fingerprint_changes_with_everything_that_is_sealed() -> None:
    piece = Piece(id=1, position=1, name="a", media_type="text/plain", size_bytes=1, crc32=1, sha256=bytes(32))
    base = replace(dossier(), recipient_ids=(2,), pieces=(piece,))
    others = [
        replace(base, recipient_ids=(2, 3)),
        replace(base, pieces=()),
        replace(base, pieces=(replace(piece, sha256=b"\1" * 32),)),
        replace(base, pieces=(replace(piece, name="b"),)),
        replace(base, note=replace(base.note, designation="Y")),
        replace(base, note=replace(base.note, observations="Y")),
        replace(base, note=replace(base.note, classification=RESTRICTED)),
        replace(base, note=replace(base.note, deadline=AT.date())),
    ]
    assert len({each.fingerprint for each in [base, *others]}) == len(others) + 1
    assert replace(base, changed_at=AT.replace(hour=9)).fingerprint == base.fingerprint


@pytest.mark.parametrize(
    "note",
    [
        Note(designation=""),
        Note(designation=" \n "),
        Note(designation="x" * 301),
        Note(designation="a\0b"),
        Note(designation="a\ud800"),
        Note(designation="x", observations="y" * 4001),
        Note(designation="x", observations="\x1b[31m"),
        Note(designation="x", order_number="9" * 61),
    ],
)
def test_a_note_that_cannot_be_kept_is_refused(note: Note) -> None:
    with pytest.raises(Invalid):
        model.check_note(note)


def test_a_note_is_kept_in_one_form() -> None:
    note = model.check_note(Note(designation="  Rapport\te\u0301crit ", observations="a\r\nb "))
    assert note.designation == "Rapport écrit"
    assert note.observations == "a\nb"


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\dossier\\Note.doc", "Note.doc"),
        ("bordereau.json", "_bordereau.json"),
        ("Bordereau.JSON", "_Bordereau.JSON"),
        ("a\x00b.txt", "a_b.txt"),
        ("", "_"),
        ("..", "_"),
        ("re\u0301sume\u0301.pdf", "résumé.pdf"),
    ],
)
def test_a_pieces_name_is_made_harmless(name: str, kept: str) -> None:
    assert model.piece_name(name, []) == kept


def test_two_pieces_do_not_share_a_name_in_either_case() -> None:
    piece = Piece(id=1, position=1, name="Straße", media_type="", size_bytes=0, crc32=0, sha256=bytes(32))
    with pytest.raises(Conflict):
        model.piece_name("STRASSE", [piece])


def test_a_dossier_goes_elsewhere_and_to_a_bounded_number() -> None:
    assert model.check_recipients(1, [3, 2, 3]) == (2, 3)
    with pytest.raises(Invalid):
        model.check_recipients(1, [1, 2])
    with pytest.raises(Invalid):
        model.check_recipients(1, range(2, 300))
