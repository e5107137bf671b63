"""What the authority has issued, and what it hands to others."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509

from comgov.clock import Clock
from comgov.errors import Invalid, Unavailable
from comgov.language import N_
from comgov.signing import cades, certificates, tsp
from comgov.signing.certificates import Credential, Purpose, RevocationReason
from comgov.signing.verdict import Commitment

RENEW_SEAL_BEFORE = timedelta(days=60)
MAX_HOSTNAMES = 100
ROOT, PLATFORM = "root", "platform"
"""Names of the two authorities that belong to no institution; an institution's is its domain, which has a dot."""


@dataclass(frozen=True, kw_only=True)
class Issued:
    """A certificate and its fate.

    institution_id: 0 for the platform's own. name: what it is for: a domain, `root`, `platform`, a host name.
    serial_number: hexadecimal. key: encrypted; None when it is not kept here.
    """

    id: int
    institution_id: int
    purpose: Purpose
    name: str
    serial_number: str
    issuer_id: int | None
    der: bytes = field(repr=False)
    key: bytes | None = field(repr=False)
    not_before: datetime
    not_after: datetime
    revoked_at: datetime | None
    reason: RevocationReason | None

    @property
    def certificate(self) -> x509.Certificate:
        """The certificate itself."""
        return x509.load_der_x509_certificate(self.der)

    def is_good(self, now: datetime) -> bool:
        """Whether it may be used: neither revoked nor expired."""
        return self.revoked_at is None and self.not_before <= now < self.not_after


@dataclass(frozen=True, kw_only=True)
class Sealer:
    """An institution's seal, ready to sign again and again: for what happens at once, since it does not see revocation.

    crls: the lists in force of the institution's authority and of the root; they travel in each signature.
    """

    credential: Credential
    stamper: tsp.Authority
    crls: tuple[x509.CertificateRevocationList, ...]
    clock: Clock

    def seal(self, content: bytes, commitment: Commitment) -> bytes:
        """A detached CAdES B-LT signature over `content`, time-stamped; some 250 µs.

        Raises Unavailable rather than sign without a time that can be proven.
        """
        now = self.clock()
        check_lists(self.crls, now)
        return cades.sign_and_stamp(
            self.credential,
            self.stamper,
            content,
            commitment,
            at=now,
            serial_number=x509.random_serial_number(),
            crls=self.crls,
        )


def check_lists(crls: tuple[x509.CertificateRevocationList, ...], now: datetime) -> None:
    """Raise Unavailable unless every list is in force: later they ran out, earlier the clock went back."""
    for crl in crls:
        if now < crl.last_update_utc:
            raise Unavailable(
                N_("The server's clock is behind its own revocation lists. Nothing is signed until it is set right.")
            )
        if crl.next_update_utc is None or now >= crl.next_update_utc:
            raise Unavailable(
                N_("The revocation lists have run out. Nothing is signed until an administrator publishes new ones.")
            )


@dataclass(frozen=True, kw_only=True)
class Tls:
    """A server's certificate with the authority above it, and its key; both PEM, the key in clear."""

    chain: bytes
    key: bytes = field(repr=False)
    not_after: datetime


def check_hostnames(hostnames: list[str]) -> list[str]:
    """Host names and IP addresses in their one form (IDNA, small letters), each once, in the order given.

    Raises Invalid for none, more than 100, or one that no certificate can hold.
    """
    try:
        found = list(dict.fromkeys(_hostname(name) for name in hostnames))
    except UnicodeError as error:
        raise Invalid(N_("One of these names cannot be a server's."), reason=str(error)) from error
    if not found or len(found) > MAX_HOSTNAMES or not all(0 < len(name) <= 253 for name in found):
        raise Invalid(N_("A server's certificate is for 1 to {limit} host names."), limit=MAX_HOSTNAMES)
    return found


def _hostname(name: str) -> str:
    name = name.strip().lower().rstrip(".")
    return name if name.isascii() else name.encode("idna").decode()


def needs_renewal(issued: Issued, now: datetime, *, before: timedelta) -> bool:
    """Whether it is time for the next one: `before` it ends, or when it is no longer good."""
    return not issued.is_good(now) or issued.not_after - now < before


TLS_RENEW_BEFORE = certificates.TLS_LIFETIME / 3
