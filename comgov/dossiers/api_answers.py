"""What the API of dossiers answers, as models of its JSON. Bytes are hexadecimal, instants ISO 8601."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, RootModel

from comgov.dossiers.documents import Bordereau, Classification, Kind, Mention, Priority
from comgov.dossiers.model import Outcome, State


def _hex(value: object) -> object:
    return value.hex() if isinstance(value, bytes) else value


Hex = Annotated[str, BeforeValidator(_hex)]


class _Answer(BaseModel):
    """Made of what the actions give, field by field."""

    model_config = ConfigDict(frozen=True, from_attributes=True)


class PieceJson(_Answer):
    """A file of a draft. position: from 1."""

    id: int
    position: int
    name: str
    media_type: str
    size_bytes: int
    crc32: int
    sha256: Hex


class DraftJson(_Answer):
    """A dossier that is being prepared. recipients: codes. fingerprint: changes with all that would be sealed."""

    message: UUID
    state: State
    number: str
    designation: str
    observations: str
    order_number: str
    mention: Mention
    classification: Classification
    priority: Priority
    deadline: date | None
    in_reply_to: UUID | None
    recipients: list[str]
    pieces: list[PieceJson]
    fingerprint: str


class ReceiptSummaryJson(_Answer):
    """A receipt of which the digest gives the rest. index: its entry in the register of who made it."""

    kind: Kind
    digest: Hex
    index: int
    at: datetime


class ReceiptJson(ReceiptSummaryJson):
    """A receipt whole. body: the very text that was signed. signature: its CAdES."""

    body: str
    signature: Hex


class WayJson(_Answer):
    """How far a dossier came on its way to one recipient. arrival: its number there, empty before it has one."""

    institution: str
    state: State
    arrival: str
    receipts: list[ReceiptSummaryJson]


class ContainerJson(_Answer):
    """The sealed file."""

    sha256: Hex
    size_bytes: int


class StoryJson(_Answer):
    """A sealed dossier as one's own side sees it: the sender all its ways, a recipient its own."""

    message: UUID
    number: str
    manifest: Hex
    container: ContainerJson
    bordereau: Bordereau
    recipients: list[WayJson]


class ArrivalJson(_Answer):
    """A dossier that came. sender: its code."""

    message: UUID = Field(validation_alias="message_id")
    sender: Annotated[str, BeforeValidator(lambda party: party.code)]
    number: str
    arrival: str
    state: State
    designation: str
    classification: Classification
    priority: Priority
    deadline: date | None
    sealed_at: datetime
    received_at: datetime | None
    manifest: Hex


class DepartureJson(_Answer):
    """A dossier that was sealed, and at how many recipients it is in which state."""

    message: UUID = Field(validation_alias="message_id")
    number: str
    designation: str
    classification: Classification
    priority: Priority
    sealed_at: datetime
    recipient_ids: list[int]
    received: int
    registered: int
    acknowledged: int
    lost: int
    is_late: bool


class DraftRowJson(_Answer):
    """A draft of a list. pieces: how many."""

    message: UUID = Field(validation_alias="message_id")
    designation: str
    author: str
    classification: Classification
    priority: Priority
    changed_at: datetime
    pieces: int


class ArrivalsJson(_Answer):
    """A page of a list. count: of all pages together. after: where the next one begins, null on the last."""

    count: int
    rows: list[ArrivalJson]
    after: str | None


class DeparturesJson(_Answer):
    """A page of a list. count: of all pages together. after: where the next one begins, null on the last."""

    count: int
    rows: list[DepartureJson]
    after: str | None


class DraftsJson(_Answer):
    """A page of a list. count: of all pages together. after: where the next one begins, null on the last."""

    count: int
    rows: list[DraftRowJson]
    after: str | None


class PresentedJson(_Answer):
    """What became of a container that was presented. page: where a person reads it. receipt: null if there is none."""

    id: int
    page: str
    institution_id: int
    container: Hex
    container_bytes: int
    name: str
    presented_by: str
    presented_at: datetime
    outcome: Outcome
    report: dict[str, Any]
    message_id: UUID | None
    receipt: ReceiptJson | None


class ReceiptsJson(RootModel[dict[str, list[ReceiptJson]]]):
    """Every receipt of a dossier, by the code of the recipient, oldest first."""


class NumberJson(_Answer):
    """A numbered line of a register. sender: of an arrival. designation: empty for who may not know it."""

    number: Annotated[str, BeforeValidator(str)]
    at: datetime
    index: int
    message_id: UUID
    sender: str
    recipient_ids: list[int]
    designation: str


class RegisterJson(_Answer):
    """Numbered lines, the newest first. count: of the whole year. checkpoint: the newest signed one (C2SP)."""

    count: int
    rows: list[NumberJson]
    checkpoint: str | None
