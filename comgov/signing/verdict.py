"""What verifying gives: a value that says valid, invalid or not decidable, and why.

The reasons carry the sub-indications of ETSI EN 319 102-1 §5.1.3.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias


class Indication(StrEnum):
    """Why a signature is not valid, in the words of ETSI EN 319 102-1."""

    FORMAT_FAILURE = "FORMAT_FAILURE"
    HASH_FAILURE = "HASH_FAILURE"
    SIG_CRYPTO_FAILURE = "SIG_CRYPTO_FAILURE"
    SIG_CONSTRAINTS_FAILURE = "SIG_CONSTRAINTS_FAILURE"
    CHAIN_CONSTRAINTS_FAILURE = "CHAIN_CONSTRAINTS_FAILURE"
    NO_CERTIFICATE_CHAIN_FOUND = "NO_CERTIFICATE_CHAIN_FOUND"
    SIGNED_DATA_NOT_FOUND = "SIGNED_DATA_NOT_FOUND"
    REVOKED = "REVOKED"
    EXPIRED = "EXPIRED"
    NOT_YET_VALID = "NOT_YET_VALID"
    TIMESTAMP_ORDER_FAILURE = "TIMESTAMP_ORDER_FAILURE"
    NO_POE = "NO_POE"
    TRY_LATER = "TRY_LATER"


_UNDECIDED = frozenset({Indication.NO_POE, Indication.TRY_LATER})
"""These name something missing rather than something wrong: no proof of time, no fresh revocation list."""


@dataclass(frozen=True)
class Reason:
    """One thing found. message: an English sentence (a message id); its `{names}` are filled from `values`."""

    indication: Indication
    message: str
    values: tuple[tuple[str, object], ...] = ()

    def __str__(self) -> str:
        return self.message.format(**dict(self.values))


def reason(indication: Indication, message: str, **values: object) -> Reason:
    """A reason, its values by name."""
    return Reason(indication, message, tuple(values.items()))


class Level(StrEnum):
    """Baseline levels of CAdES (ETSI EN 319 122-1 §6)."""

    B_B = "B-B"
    B_T = "B-T"
    B_LT = "B-LT"


class Commitment(StrEnum):
    """What a signer commits to (ETSI EN 319 122-1 §5.2.3)."""

    ORIGIN = "origin"
    RECEIPT = "receipt"
    DELIVERY = "delivery"
    APPROVAL = "approval"


@dataclass(frozen=True, kw_only=True)
class SignatureReport:
    """One signature as it was found.

    name: its place in the container, or empty. signer, institution: from the certificate, empty when unreadable.
    claimed: the signer's own clock. proven: the time-stamp's, None without one.
    """

    name: str = ""
    signer: str = ""
    institution: str = ""
    institution_code: str = ""
    serial_number: int = 0
    commitment: Commitment | None = None
    level: Level | None = None
    claimed: datetime | None = None
    proven: datetime | None = None
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PieceReport:
    """One file of a container and the digest of its bytes; sha256: 32 bytes."""

    name: str
    size_bytes: int
    sha256: bytes


@dataclass(frozen=True, kw_only=True)
class Report:
    """Everything that was looked at."""

    signatures: tuple[SignatureReport, ...] = ()
    pieces: tuple[PieceReport, ...] = ()


@dataclass(frozen=True)
class Valid:
    """Every signature holds."""

    report: Report = field(default_factory=Report)


@dataclass(frozen=True)
class Invalid:
    """Something is wrong; at least one reason."""

    report: Report
    reasons: tuple[Reason, ...]


@dataclass(frozen=True)
class Indeterminate:
    """Nothing is wrong, and something is missing; at least one reason."""

    report: Report
    reasons: tuple[Reason, ...]


Verdict: TypeAlias = Valid | Invalid | Indeterminate


def conclude(report: Report, reasons: list[Reason]) -> Verdict:
    """The verdict that follows from all reasons found."""
    if not reasons:
        return Valid(report)
    if all(found.indication in _UNDECIDED for found in reasons):
        return Indeterminate(report, tuple(reasons))
    return Invalid(report, tuple(reasons))
