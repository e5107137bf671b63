"""The two JSON documents that get signed: the bordereau inside a container, and an evidence. Pure.

Both are written in one canonical form and read from strangers: bounded, every field checked, nothing unknown taken.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from datetime import date, datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, Field, StringConstraints, ValidationError

from comgov.language import N_
from comgov.registers.model import Inclusion
from comgov.signing.errors import Malformed
from comgov.signing.manifest import BORDEREAU

__all__ = ["BORDEREAU"]

MAX_BORDEREAU_BYTES = 512 * 1024
MAX_EVIDENCE_BYTES = 128 * 1024
CLOCK_AND_STAMP = timedelta(minutes=10)
"""How far the instant that a document names, by its maker's clock, may be from that of its time-stamp."""

_DEEPEST_PROOF = 64
_MOST_PIECES = 1000
_MOST_RECIPIENTS = 1000

_HIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, line and paragraph separators, and what turns the direction of text around."""


def is_plain(text: str) -> bool:
    """Whether a text is read as it is written: on a terminal, on a page, by a signatory."""
    return _HIDDEN.search(text) is None


def _plain_line(text: str) -> str:
    if not is_plain(text):
        raise ValueError("a text with control characters")
    return text


def _plain_text(text: str) -> str:
    _plain_line(text.replace("\n", " ").replace("\t", " "))
    return text


def _utc(at: datetime) -> datetime:
    if at.utcoffset() != timedelta(0):
        raise ValueError("an instant that is not in UTC")
    return at


Line = Annotated[str, StringConstraints(max_length=400), AfterValidator(_plain_line)]
Text = Annotated[str, StringConstraints(max_length=10_000), AfterValidator(_plain_text)]
Instant = Annotated[AwareDatetime, AfterValidator(_utc)]
_MEDIA_TYPE = re.compile(r"{0}/{0}".format(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}"))
MediaType = Annotated[str, StringConstraints(pattern=f"^{_MEDIA_TYPE.pattern}$")]
"""A type and a subtype (RFC 6838 §4.2), without parameters: a stranger's goes into a header of our answers."""

Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Base64Digest = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]{43}=$")]


def is_media_type(text: str) -> bool:
    """Whether a bordereau may name it as the type of a piece."""
    return _MEDIA_TYPE.fullmatch(text) is not None


class Mention(StrEnum):
    """Why it is sent: the four mentions of a bordereau d'envoi."""

    ATTRIBUTION = "attribution"
    INFORMATION = "information"
    ACTION = "action"
    COMMUNICATION = "communication"


class Classification(StrEnum):
    """Who may know of it inside an institution."""

    ORDINARY = "ordinary"
    RESTRICTED = "restricted"
    CONFIDENTIAL = "confidential"


class Priority(StrEnum):
    """How soon it should be dealt with."""

    NORMAL = "normal"
    URGENT = "urgent"
    VERY_URGENT = "very-urgent"


class Kind(StrEnum):
    """The kinds of evidence; those in mixed case bear their name in ETSI EN 319 522-1."""

    SEALED = "SEALED"
    SUBMISSION_ACCEPTANCE = "SubmissionAcceptance"
    SUBMISSION_REJECTION = "SubmissionRejection"
    CONTENT_CONSIGNMENT = "ContentConsignment"
    CONSIGNMENT_FAILURE = "ContentConsignmentFailure"
    CONTENT_HANDOVER = "ContentHandover"
    REGISTERED = "REGISTERED"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    ANSWERED = "ANSWERED"


class _Document(BaseModel, frozen=True, extra="forbid"):
    """Written without the fields that are None, so that an absent thing has one form."""

    def canonical(self) -> bytes:
        """The one way to write it down."""
        return canonical(self.model_dump(mode="json", exclude_none=True))


class Party(_Document, frozen=True):
    """An institution as documents name it. code: short and unique, such as `sante`."""

    code: Line
    name: Line


class ListedPiece(_Document, frozen=True):
    """A piece as the bordereau lists it."""

    name: Line
    media_type: MediaType
    size_bytes: Annotated[int, Field(ge=0)]
    sha256: Digest


class Reply(_Document, frozen=True):
    """The dossier that this one answers. number: its arrival number at the one that answers."""

    message: UUID
    number: Line


class Bordereau(_Document, frozen=True):
    """`bordereau.json`: what is sent, by whom, to whom, why. number: of departure."""

    format: Literal["comgov-bordereau/1"] = "comgov-bordereau/1"
    message: UUID
    number: Line
    sender: Party
    recipients: Annotated[tuple[Party, ...], Field(min_length=1, max_length=_MOST_RECIPIENTS)]
    order_number: Line
    designation: Line
    observations: Text
    mention: Mention
    classification: Classification
    priority: Priority
    deadline: date | None = None
    in_reply_to: Reply | None = None
    number_of_pieces: Annotated[int, Field(ge=0)]
    pieces: Annotated[tuple[ListedPiece, ...], Field(max_length=_MOST_PIECES)]
    sealed_by: Line
    sealed_at: Instant

    def is_addressed_to(self, code: str) -> bool:
        """Whether that institution is a recipient."""
        return any(recipient.code == code for recipient in self.recipients)


class Proof(_Document, frozen=True):
    """An entry of a register and the proof that it is there. entry: the text whose UTF-8 is hashed; path: base64."""

    origin: Line
    index: Annotated[int, Field(ge=0)]
    size: Annotated[int, Field(gt=0)]
    root: Base64Digest
    path: Annotated[tuple[Base64Digest, ...], Field(max_length=_DEEPEST_PROOF)]
    entry: Annotated[str, StringConstraints(max_length=4000)]

    @property
    def inclusion(self) -> Inclusion:
        """The proof in bytes."""
        return Inclusion(
            origin=self.origin,
            index=self.index,
            size=self.size,
            root=b64decode(self.root),
            path=tuple(map(b64decode, self.path)),
        )

    @property
    def holds(self) -> bool:
        """Whether the path leads from the entry to the root."""
        return self.inclusion.proves(self.entry.encode())


def proof(inclusion: Inclusion, entry: bytes) -> Proof:
    """An inclusion as documents carry it."""
    return Proof(
        origin=inclusion.origin,
        index=inclusion.index,
        size=inclusion.size,
        root=b64encode(inclusion.root).decode(),
        path=tuple(b64encode(each).decode() for each in inclusion.path),
        entry=entry.decode(),
    )


class Entry(_Document, frozen=True):
    """What a register says of an evidence: enough to bind it, nothing of the content.

    message, manifest: None only when a container is refused that does not say; container names its bytes then.
    number: of departure or arrival, for the kinds that have one.
    """

    event: Kind
    message: UUID | None = None
    manifest: Digest | None = None
    container: Digest | None = None
    institution: Line
    recipient: Line | None = None
    number: Line | None = None
    previous: Digest | None = None
    at: Instant


class Evidence(_Document, frozen=True, populate_by_name=True):
    """A receipt: who did what with which dossier when, entered at that place of that register.

    message, manifest, sender: None only when a container is refused that does not say. manifest: SHA-256 of the
    container's first manifest. container: SHA-256 of the file that was refused.
    previous: SHA-256 of the evidence before; None for the first.
    institution: who makes it. recipient: None in SEALED, which speaks of all. reasons: why it was refused.
    departure: the sender's entry of SEALED, in every evidence that follows it.
    """

    format: Literal["comgov-evidence/1"] = "comgov-evidence/1"
    kind: Kind
    message: UUID | None = None
    manifest: Digest | None = None
    container: Digest | None = None
    previous: Digest | None = None
    sender: Party | None = None
    recipient: Party | None = None
    institution: Party
    person: Line | None = None
    number: Line | None = None
    reasons: Annotated[tuple[Line, ...], Field(max_length=50)] | None = None
    at: Instant
    register_: Annotated[Proof, Field(alias="register")]
    departure: Proof | None = None

    def canonical(self) -> bytes:
        """The one way to write it down."""
        return canonical(self.model_dump(mode="json", exclude_none=True, by_alias=True))


def canonical(value: object) -> bytes:
    """The one way to write JSON down: keys sorted, no space, UTF-8."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def digest(document: bytes) -> bytes:
    """SHA-256, by which an evidence names the one before it."""
    return sha256(document).digest()


D = TypeVar("D", bound=_Document)


def read_bordereau(content: bytes) -> Bordereau:
    """The bordereau in a stranger's bytes; raises Malformed with what is wrong."""
    return _read(Bordereau, content, MAX_BORDEREAU_BYTES, "bordereau")


def read_evidence(content: bytes) -> Evidence:
    """The evidence in a stranger's bytes; raises Malformed with what is wrong."""
    return _read(Evidence, content, MAX_EVIDENCE_BYTES, "receipt")


def read_entry(text: str) -> Entry:
    """The entry of a register in a stranger's text; raises Malformed with what is wrong."""
    return _read(Entry, text.encode(errors="surrogatepass"), MAX_EVIDENCE_BYTES, "register entry")


def _read(kind: type[D], content: bytes, limit_bytes: int, what: str) -> D:
    if len(content) > limit_bytes:
        raise Malformed(N_("The {what} is larger than {limit} bytes."), what=what, limit=limit_bytes)
    try:
        found = kind.model_validate_json(content, strict=False)
    except (ValidationError, RecursionError) as error:
        raise Malformed(N_("The {what} is not of the expected form."), what=what, reason=_first(error)) from error
    if found.canonical() != content:
        raise Malformed(N_("The {what} is not in its one canonical form."), what=what)
    return found


def _first(error: ValidationError | RecursionError) -> str:
    if isinstance(error, RecursionError):
        return "nested too deep"
    details: list[Any] = error.errors(include_url=False, include_input=False)
    return f"{'.'.join(map(str, details[0]['loc']))}: {details[0]['msg']}"


def shorten(text: str) -> str:
    """A stranger's text as one line of a document: at most 400 characters, all of them to be seen."""
    return _HIDDEN.sub("\ufffd", " ".join(text.split()))[:400]
