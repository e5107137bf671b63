"""What a dossier is, the states it goes through, and who may do what with it. Pure."""

from __future__ import annotations

import hashlib
import unicodedata
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from uuid import UUID

from comgov.actor import Actor, Role
from comgov.dossiers.documents import BORDEREAU, Classification, Kind, Mention, Party, Priority, canonical, is_plain
from comgov.errors import Conflict, Forbidden, Invalid
from comgov.language import N_
from comgov.signing.container import Member, fit_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LONGEST_DESIGNATION = 300  # characters
LONGEST_OBSERVATIONS = 4000
LONGEST_ORDER_NUMBER = 60


MOST_RECIPIENTS = 200


class State(StrEnum):
    """Where a dossier stands for one recipient. Each but DRAFT is reached by an evidence."""

    DRAFT = "draft"
    SEALED = "sealed"
    TRANSMITTED = "transmitted"
    RECEIVED = "received"
    OPENED = "opened"
    REGISTERED = "registered"
    ACKNOWLEDGED = "acknowledged"
    ANSWERED = "answered"
    REJECTED = "rejected"
    FAILED = "failed"


TRANSITIONS: dict[tuple[State, Kind], State] = {
    (State.DRAFT, Kind.SEALED): State.SEALED,
    (State.SEALED, Kind.SUBMISSION_ACCEPTANCE): State.TRANSMITTED,
    (State.SEALED, Kind.SUBMISSION_REJECTION): State.REJECTED,
    (State.SEALED, Kind.CONSIGNMENT_FAILURE): State.FAILED,
    (State.TRANSMITTED, Kind.CONTENT_CONSIGNMENT): State.RECEIVED,
    (State.TRANSMITTED, Kind.CONSIGNMENT_FAILURE): State.FAILED,
    (State.RECEIVED, Kind.CONTENT_HANDOVER): State.OPENED,
    (State.OPENED, Kind.REGISTERED): State.REGISTERED,
    (State.REGISTERED, Kind.ACKNOWLEDGED): State.ACKNOWLEDGED,
    (State.REGISTERED, Kind.ANSWERED): State.ANSWERED,
    (State.ACKNOWLEDGED, Kind.ANSWERED): State.ANSWERED,
}
"""Every step there is. Whatever is not here is refused."""

TERMINAL = frozenset({Kind.SUBMISSION_REJECTION, Kind.CONSIGNMENT_FAILURE, Kind.REGISTERED})
"""What ends the transmission to a recipient: exactly one of these is ever made for it."""

ON_THE_WAY = frozenset({State.SEALED, State.TRANSMITTED})
"""The recipient does not have it yet: it is still being delivered."""

ARRIVED = (State.RECEIVED, State.OPENED, State.REGISTERED, State.ACKNOWLEDGED, State.ANSWERED)
"""The recipient has it."""

IN_REGISTER = (State.REGISTERED, State.ACKNOWLEDGED, State.ANSWERED)
"""It has an arrival number."""


def next_state(state: State, kind: Kind) -> State:
    """The state that this evidence leads to; raises Conflict when it cannot follow."""
    try:
        return TRANSITIONS[state, kind]
    except KeyError:
        raise Conflict(
            N_("This dossier is in another state than you think. Reload the page to see where it stands."),
            reason=f"{kind} cannot follow {state}",
        ) from None


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A file of a dossier. position: from 1. media_type: what the sender believes, not checked. sha256: 32 bytes."""

    id: int
    position: int
    name: str
    media_type: str
    size_bytes: int
    crc32: int
    sha256: bytes = field(repr=False)

    @property
    def member(self) -> Member:
        """Itself as a member of the container."""
        return Member(name=self.name, size_bytes=self.size_bytes, crc32=self.crc32, sha256=self.sha256)


@dataclass(frozen=True, kw_only=True)
class Note:
    """What the author writes on the bordereau. deadline: a day, in the sender's calendar; None without one.

    in_reply_to: the message id of a dossier that the author's institution received.
    """

    designation: str
    observations: str = ""
    order_number: str = ""
    mention: Mention = Mention.INFORMATION
    classification: Classification = Classification.ORDINARY
    priority: Priority = Priority.NORMAL
    deadline: date | None = None
    in_reply_to: UUID | None = None


@dataclass(frozen=True, kw_only=True)
class Dossier:
    """A dossier at its sender. state: DRAFT or SEALED; after that each delivery has its own.

    number: `2026/D/000123` once sealed. manifest: SHA-256 of ASiCManifest001.xml, what every evidence speaks of.
    container: SHA-256 and size of the container, once it is written down.
    """

    id: int
    message_id: UUID
    institution_id: int
    author_id: int
    author: str
    state: State
    note: Note
    created_at: datetime
    changed_at: datetime
    recipient_ids: tuple[int, ...] = ()
    pieces: tuple[Piece, ...] = ()
    number: str = ""
    sealed_at: datetime | None = None
    sealed_by: str = ""
    manifest: bytes = field(default=b"", repr=False)
    container: bytes = field(default=b"", repr=False)
    container_bytes: int = 0

    @property
    def fingerprint(self) -> str:
        """Changes whenever anything that would be sealed changes: what a person confirms when sealing."""
        shown = [
            str(self.message_id),
            {key: value if value is None else str(value) for key, value in asdict(self.note).items()},
            sorted(self.recipient_ids),
            [[piece.name, piece.sha256.hex()] for piece in self.pieces],
        ]
        return hashlib.sha256(canonical(shown)).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """A sealed dossier on its way to, or at, one recipient.

    sender: as the bordereau names it; sender_id is None when it is an institution of another server.
    evidence: the digest of the last one, empty before the first. arrival: `2026/A/000123` once registered.
    """

    message_id: UUID
    recipient_id: int
    sender_id: int | None
    sender: Party
    number: str
    state: State
    designation: str
    classification: Classification
    priority: Priority
    deadline: date | None
    manifest: bytes = field(repr=False)
    bordereau: bytes = field(repr=False)
    evidence: bytes = field(repr=False)
    sealed_at: datetime
    container: bytes = field(default=b"", repr=False)
    container_bytes: int = 0
    received_at: datetime | None = None
    warned_at: datetime | None = None
    arrival: str = ""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """A receipt as it is kept: the JSON that was signed, and its CAdES signature.

    recipient_id: None for SEALED, which speaks of all. index: its entry in the register of `institution_id`.
    presentation_id: the presented container that it refuses, if it does.
    """

    message_id: UUID | None
    recipient_id: int | None
    kind: Kind
    institution_id: int
    digest: bytes = field(repr=False)
    body: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    index: int
    at: datetime
    presentation_id: int | None = None


class Outcome(StrEnum):
    """What became of a container that somebody presented."""

    ACCEPTED = "accepted"
    KNOWN = "known"
    REFUSED = "refused"
    UNDECIDED = "undecided"


@dataclass(frozen=True, kw_only=True)
class Presentation:
    """A container brought by hand rather than delivered here, and what was found in it.

    id: 0 until it is kept. report: as `examination.as_json` writes it. message_id: what it claims to be, if readable.
    """

    institution_id: int
    container: bytes = field(repr=False)
    container_bytes: int
    name: str
    presented_by: str
    presented_at: datetime
    outcome: Outcome
    report: Mapping[str, Any]
    message_id: UUID | None
    id: int = 0


@dataclass(frozen=True, kw_only=True)
class Filter:
    """What a list shows. states: None for all. words: as they stand in a title, name or number.

    after: the instant and message of the last row of the page before; None for the first page.
    """

    states: tuple[State, ...] | None = None
    words: str = ""
    after: tuple[datetime, UUID] | None = None


@dataclass(frozen=True, kw_only=True)
class Departure:
    """A row of the departures. received: waiting for a number there; acknowledged: are registered too.

    lost: refused, or never consigned. is_late: a recipient still lacks it after the time for a warning.
    """

    message_id: UUID
    number: str
    designation: str
    classification: Classification
    priority: Priority
    sealed_at: datetime
    recipient_ids: tuple[int, ...]
    received: int
    registered: int
    acknowledged: int
    lost: int
    is_late: bool


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A row of the drafts. pieces: how many."""

    message_id: UUID
    designation: str
    author: str
    classification: Classification
    priority: Priority
    changed_at: datetime
    pieces: int


def check_note(note: Note) -> Note:
    """The note with clean texts; raises Invalid when a text is too long or missing."""
    return Note(
        designation=_line(note.designation, 1, LONGEST_DESIGNATION, N_("The designation has 1 to {most} characters.")),
        observations=_text(note.observations, LONGEST_OBSERVATIONS),
        order_number=_line(
            note.order_number, 0, LONGEST_ORDER_NUMBER, N_("An order number has at most {most} characters.")
        ),
        mention=note.mention,
        classification=note.classification,
        priority=note.priority,
        deadline=note.deadline,
        in_reply_to=note.in_reply_to,
    )


def check_recipients(sender_id: int, recipient_ids: Sequence[int]) -> tuple[int, ...]:
    """The recipients, each once; raises Invalid for the sender itself or for too many."""
    found = tuple(sorted(set(recipient_ids)))
    if sender_id in found:
        raise Invalid(N_("A dossier goes to another institution than your own."))
    if len(found) > MOST_RECIPIENTS:
        raise Invalid(N_("A dossier has at most {most} recipients."), most=MOST_RECIPIENTS)
    return found


def piece_name(name: str, others: Sequence[Piece]) -> str:
    """What a file is called in a dossier: the nearest name that a container takes.

    Raises Conflict when another piece is called so (letters of either case are the same to some systems).
    """
    kept = fit_name(name)
    if kept.casefold() == BORDEREAU:
        kept = f"_{kept}"
    if any(other.name.casefold() == kept.casefold() for other in others):
        raise Conflict(N_("This dossier already has a piece named “{name}”."), name=kept)
    return kept


def must_be_complete(dossier: Dossier) -> None:
    """Raises Invalid unless everything that sealing needs is there."""
    if not dossier.recipient_ids:
        raise Invalid(N_("Choose at least one recipient before sealing."))
    if not dossier.pieces:
        raise Invalid(N_("Add at least one piece before sealing."))


def _line(text: str, least: int, most: int, sentence: str) -> str:
    clean = " ".join(unicodedata.normalize("NFC", text).split())
    if not least <= len(clean) <= most or not is_plain(clean):
        raise Invalid(sentence, most=most)
    return clean


def _text(text: str, most: int) -> str:
    clean = unicodedata.normalize("NFC", text).replace("\r\n", "\n").strip()
    if len(clean) > most or not is_plain(clean.replace("\n", " ").replace("\t", " ")):
        raise Invalid(N_("The observations have at most {most} characters."), most=most)
    return clean


# Who may do what. The institution is checked first, then the role, then the thing.


def is_of(actor: Actor, institution_id: int) -> bool:
    """Whether the actor acts for that institution."""
    return actor.institution_id != 0 and actor.institution_id == institution_id


def _has_any(actor: Actor, *roles: Role) -> bool:
    return any(actor.has(role) for role in roles)


def may_draft(actor: Actor) -> bool:
    """Whoever belongs to an institution may prepare a dossier for it."""
    return actor.institution_id != 0


def may_edit(actor: Actor, dossier: Dossier) -> bool:
    """A draft is changed by its author, and by who seals or keeps the register."""
    if not is_of(actor, dossier.institution_id) or dossier.state is not State.DRAFT:
        return False
    return actor.person_id == dossier.author_id or _has_any(actor, Role.SIGNATORY, Role.REGISTRY_CLERK)


def may_seal(actor: Actor, institution_id: int) -> bool:
    """Only a signatory of the sending institution seals in its name."""
    return is_of(actor, institution_id) and actor.has(Role.SIGNATORY)


def may_see(actor: Actor, dossier: Dossier) -> bool:
    """A draft is for its author and the signatories and clerks; once sealed, an ordinary one is for every colleague."""
    if not is_of(actor, dossier.institution_id):
        return False
    if actor.person_id == dossier.author_id or _has_any(actor, Role.SIGNATORY, Role.REGISTRY_CLERK):
        return True
    return dossier.state is not State.DRAFT and _is_open_to(actor, dossier.note.classification)


def may_see_arrival(actor: Actor, delivery: Delivery) -> bool:
    """Clerks and signatories see what arrives; colleagues see it once registered, if it is ordinary."""
    if not is_of(actor, delivery.recipient_id) or delivery.state not in ARRIVED:
        return False
    if _has_any(actor, Role.SIGNATORY, Role.REGISTRY_CLERK):
        return True
    return delivery.state in IN_REGISTER and _is_open_to(actor, delivery.classification)


def _is_open_to(actor: Actor, classification: Classification) -> bool:
    return classification is Classification.ORDINARY or actor.has(Role.AUDITOR)


def sees_everything(actor: Actor) -> bool:
    """Whether restricted dossiers of the actor's institution are listed too."""
    return _has_any(actor, Role.SIGNATORY, Role.REGISTRY_CLERK, Role.AUDITOR)


def may_register(actor: Actor, recipient_id: int) -> bool:
    """Only a registry clerk of the recipient gives arrival numbers, acknowledges, presents containers."""
    return is_of(actor, recipient_id) and actor.has(Role.REGISTRY_CLERK)


def may_see_presentation(actor: Actor, presentation: Presentation) -> bool:
    """What became of a presented container is for those who keep the register, sign or audit."""
    roles = (Role.REGISTRY_CLERK, Role.SIGNATORY, Role.AUDITOR)
    return is_of(actor, presentation.institution_id) and _has_any(actor, *roles)


def may_take_over(actor: Actor, recipient_id: int) -> bool:
    """Who receives the content in the recipient's name."""
    return is_of(actor, recipient_id) and _has_any(actor, Role.REGISTRY_CLERK, Role.SIGNATORY)


def may_read_register(actor: Actor, institution_id: int) -> bool:
    """The register is for who keeps it, who signs, who audits and who administers."""
    roles = (Role.REGISTRY_CLERK, Role.SIGNATORY, Role.AUDITOR, Role.INSTITUTION_ADMINISTRATOR)
    return is_of(actor, institution_id) and _has_any(actor, *roles)


def require(allowed: bool, sentence: str) -> None:
    """Raises Forbidden with that sentence unless allowed."""
    if not allowed:
        raise Forbidden(sentence)
