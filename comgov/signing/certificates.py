"""Certificates of the platform, and revocation lists (RFC 5280).

    root                    P-384, 20 years, kept offline
    ├── institution         P-256 authority, 7 years, pathlen 0, name constraints
    │   ├── seal            P-256, contentCommitment: what an institution signs
    │   └── register        P-256: checkpoints of its register
    ├── platform            P-256 authority for the servers' TLS
    │   └── tls             P-256, 90 days
    └── time-stamp          P-256, single critical purpose timeStamping: the platform's and institutions'

Every chain has a fixed length and one kind of certificate at each place, so that verifying needs no search.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from comgov.signing import oids

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Key: TypeAlias = ec.EllipticCurvePrivateKey
    PublicKey: TypeAlias = ec.EllipticCurvePublicKey

ROOT_LIFETIME = timedelta(days=20 * 365 + 5)
INSTITUTION_LIFETIME = timedelta(days=7 * 365 + 2)
TIME_STAMP_LIFETIME = timedelta(days=7 * 365 + 2)
SEAL_LIFETIME = timedelta(days=2 * 365)
TLS_LIFETIME = timedelta(days=90)
CRL_LIFETIME = timedelta(days=7)


class Purpose(StrEnum):
    """What a certificate is for; one purpose each."""

    ROOT = "root"
    INSTITUTION = "institution"
    PLATFORM = "platform"
    SEAL = "seal"
    REGISTER = "register"
    TLS = "tls"
    TIME_STAMP = "time-stamp"


class RevocationReason(StrEnum):
    """Why a certificate is withdrawn (RFC 5280 §5.3.1)."""

    UNSPECIFIED = "unspecified"
    KEY_COMPROMISE = "key-compromise"
    AFFILIATION_CHANGED = "affiliation-changed"
    SUPERSEDED = "superseded"
    CESSATION = "cessation-of-operation"


_REASON_FLAGS = {
    RevocationReason.KEY_COMPROMISE: x509.ReasonFlags.key_compromise,
    RevocationReason.AFFILIATION_CHANGED: x509.ReasonFlags.affiliation_changed,
    RevocationReason.SUPERSEDED: x509.ReasonFlags.superseded,
    RevocationReason.CESSATION: x509.ReasonFlags.cessation_of_operation,
}


@dataclass(frozen=True, kw_only=True)
class Credential:
    """A key with its certificate and the authorities above it, nearest first, without the root."""

    key: Key
    certificate: x509.Certificate
    authorities: tuple[x509.Certificate, ...] = ()

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """What is sent along with a signature: the certificate first, never the root."""
        return (self.certificate, *self.authorities)


@dataclass(frozen=True, kw_only=True)
class Subject:
    """An institution as its certificates name it.

    code: short and unique, such as `sante`. domain: its DNS and mail domain, such as `sante.gov.test`.
    country: two letters, or empty.
    """

    name: str
    code: str
    domain: str
    country: str = ""

    def names(self, what: str = "") -> x509.Name:
        """Its distinguished name, with a common name at the end if the certificate is for something of its own.

        what: in French, such as `cachet` (seal). Values are cut to 64 bytes, within X.520's upper bounds.
        """
        pairs = [
            (NameOID.COUNTRY_NAME, self.country),
            (NameOID.ORGANIZATION_NAME, _cut(self.name, 64)),
            (oids.ORGANIZATION_IDENTIFIER, _cut(self.code, 64)),
            (NameOID.COMMON_NAME, what and f"{_cut(self.name, 61 - len(what.encode()))} - {what}"),
        ]
        return x509.Name([x509.NameAttribute(oid, value) for oid, value in pairs if value])


def _cut(text: str, size_bytes: int) -> str:
    return text.encode()[:size_bytes].decode(errors="ignore").strip()


def subject_of(authority: x509.Certificate) -> Subject:
    """The institution that an authority may speak for, read back from its name constraints."""
    permitted = authority.extensions.get_extension_for_class(x509.NameConstraints).value.permitted_subtrees or []
    [domain] = [tree.value for tree in permitted if isinstance(tree, x509.DNSName)]

    def first(oid: x509.ObjectIdentifier) -> str:
        return next((str(each.value) for each in authority.subject.get_attributes_for_oid(oid)), "")

    return Subject(
        name=first(NameOID.ORGANIZATION_NAME),
        code=first(oids.ORGANIZATION_IDENTIFIER),
        domain=domain,
        country=first(NameOID.COUNTRY_NAME),
    )


@dataclass(frozen=True, kw_only=True)
class Revoked:
    """A line of a revocation list. at: when it stopped being good, aware UTC."""

    serial_number: int
    at: datetime
    reason: RevocationReason = RevocationReason.UNSPECIFIED


def new_key(purpose: Purpose) -> Key:
    """A fresh private key: P-384 for the root, P-256 for everything else."""
    return ec.generate_private_key(ec.SECP384R1() if purpose is Purpose.ROOT else ec.SECP256R1())


def root(key: Key, *, platform: str, now: datetime, country: str = "") -> x509.Certificate:
    """The certificate one pins: self-signed, may have authorities below it but no deeper.

    platform: the name people know, such as "COMGOV".
    """
    name = Subject(name=platform, code="", domain="", country=country).names("autorité racine")
    builder = (
        _builder(name, name, key.public_key(), now, now + ROOT_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
        .add_extension(_usage(authority=True), critical=True)
    )
    return builder.sign(key, hashes.SHA384())


def institution_authority(
    issuer: Credential, public_key: PublicKey, subject: Subject, *, now: datetime, crl_url: str = ""
) -> x509.Certificate:
    """An authority that may speak for one institution only.

    Its name constraints permit the institution's own distinguished name, and its domain in host names and addresses
    (RFC 5280 §4.2.1.10).
    """
    constraints = x509.NameConstraints(
        permitted_subtrees=[
            x509.DirectoryName(subject.names()),
            x509.DNSName(subject.domain),
            x509.RFC822Name(subject.domain),
        ],
        excluded_subtrees=None,
    )
    builder = _authority(issuer, public_key, subject.names("autorité"), now, crl_url)
    return _issue(issuer, builder.add_extension(constraints, critical=True))


def platform_authority(
    issuer: Credential, public_key: PublicKey, *, platform: str, now: datetime, country: str = "", crl_url: str = ""
) -> x509.Certificate:
    """The authority of the platform's own servers; it can certify TLS and nothing else."""
    name = Subject(name=platform, code="", domain="", country=country).names("serveurs")
    builder = _authority(issuer, public_key, name, now, crl_url)
    return _issue(issuer, builder.add_extension(x509.ExtendedKeyUsage(_TLS_USAGES), critical=False))


def seal(
    issuer: Credential, public_key: PublicKey, subject: Subject, *, now: datetime, crl_url: str = ""
) -> x509.Certificate:
    """What an institution signs dossiers and receipts with: digitalSignature and contentCommitment."""
    builder = _leaf(issuer, public_key, subject.names("cachet"), now, SEAL_LIFETIME, crl_url)
    return _issue(
        issuer,
        builder.add_extension(_usage(commitment=True), critical=True).add_extension(
            x509.ExtendedKeyUsage([oids.DOCUMENT_SIGNING]), critical=False
        ),
    )


def register(
    issuer: Credential, public_key: PublicKey, subject: Subject, *, now: datetime, crl_url: str = ""
) -> x509.Certificate:
    """What an institution signs the checkpoints of its register with: digitalSignature alone."""
    builder = _leaf(issuer, public_key, subject.names("registre"), now, SEAL_LIFETIME, crl_url)
    return _issue(issuer, builder.add_extension(_usage(), critical=True))


def time_stamp(
    issuer: Credential, public_key: PublicKey, subject: Subject, *, now: datetime, crl_url: str = ""
) -> x509.Certificate:
    """A time-stamp authority's, directly under the root; its one purpose is critical (RFC 3161 §2.3).

    subject: without a code it is the platform's own.
    """
    builder = _leaf(issuer, public_key, subject.names("horodatage"), now, TIME_STAMP_LIFETIME, crl_url)
    return _issue(
        issuer,
        builder.add_extension(_usage(), critical=True).add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True
        ),
    )


def tls(
    issuer: Credential, public_key: PublicKey, hostnames: Sequence[str], *, now: datetime, crl_url: str = ""
) -> x509.Certificate:
    """A server's, for those host names and IP addresses; good as a client's towards peers too.

    hostnames: at least one; the first is the common name.
    """
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _cut(hostnames[0], 64))])
    builder = _leaf(issuer, public_key, name, now, TLS_LIFETIME, crl_url)
    return _issue(
        issuer,
        builder.add_extension(_usage(), critical=True)
        .add_extension(x509.ExtendedKeyUsage(_TLS_USAGES), critical=False)
        .add_extension(x509.SubjectAlternativeName([_host(name) for name in hostnames]), critical=False),
    )


def revocation_list(
    issuer: Credential, revoked: Iterable[Revoked], *, number: int, now: datetime
) -> x509.CertificateRevocationList:
    """The issuer's revocation list, good for seven days.

    number: greater than that of every earlier list of this issuer (RFC 5280 §5.2.3).
    """
    now = _whole(now)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(now)
        .next_update(now + CRL_LIFETIME)
        .add_extension(x509.CRLNumber(number), critical=False)
        .add_extension(_authority_key(issuer), critical=False)
    )
    for line in sorted(revoked, key=lambda line: (line.at, line.serial_number)):
        builder = builder.add_revoked_certificate(_revoked(line))
    return builder.sign(issuer.key, _digest(issuer.key))


def _revoked(line: Revoked) -> x509.RevokedCertificate:
    builder = x509.RevokedCertificateBuilder().serial_number(line.serial_number).revocation_date(_whole(line.at))
    if flag := _REASON_FLAGS.get(line.reason):
        builder = builder.add_extension(x509.CRLReason(flag), critical=False)
    return builder.build()


_TLS_USAGES = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: PublicKey, start: datetime, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(_whole(start))
        .not_valid_after(_whole(end))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _below(
    issuer: Credential, public_key: PublicKey, name: x509.Name, now: datetime, lifetime: timedelta, crl_url: str
) -> x509.CertificateBuilder:
    """A certificate that ends no later than its issuer's."""
    end = min(now + lifetime, issuer.certificate.not_valid_after_utc)
    builder = _builder(name, issuer.certificate.subject, public_key, now, end)
    builder = builder.add_extension(_authority_key(issuer), critical=False)
    if crl_url:
        point = x509.DistributionPoint([x509.UniformResourceIdentifier(crl_url)], None, None, None)
        builder = builder.add_extension(x509.CRLDistributionPoints([point]), critical=False)
    return builder


def _authority(
    issuer: Credential, public_key: PublicKey, name: x509.Name, now: datetime, crl_url: str
) -> x509.CertificateBuilder:
    return (
        _below(issuer, public_key, name, now, INSTITUTION_LIFETIME, crl_url)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(authority=True), critical=True)
    )


def _leaf(
    issuer: Credential, public_key: PublicKey, name: x509.Name, now: datetime, lifetime: timedelta, crl_url: str
) -> x509.CertificateBuilder:
    return _below(issuer, public_key, name, now, lifetime, crl_url).add_extension(
        x509.BasicConstraints(ca=False, path_length=None), critical=True
    )


def _issue(issuer: Credential, builder: x509.CertificateBuilder) -> x509.Certificate:
    return builder.sign(issuer.key, _digest(issuer.key))


def _digest(key: Key) -> hashes.SHA256 | hashes.SHA384:
    return hashes.SHA384() if key.curve.key_size > 256 else hashes.SHA256()


def _usage(*, authority: bool = False, commitment: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=commitment,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _authority_key(issuer: Credential) -> x509.AuthorityKeyIdentifier:
    identifier = issuer.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier.value)


def _host(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _whole(moment: datetime) -> datetime:
    """Certificates know whole seconds; cutting never puts a start after the moment it was asked for."""
    return moment.astimezone(UTC).replace(microsecond=0)
