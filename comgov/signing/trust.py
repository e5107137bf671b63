"""The pinned root, and whether a chain of fixed length leads to it.

No path discovery: the caller says which certificates stand in which place (ETSI EN 319 102-1 §5.2.6 with the
search left out; RFC 5280 §6 for what each must satisfy). Anything critical that is not understood is refused.
"""

from __future__ import annotations

import itertools
from copy import copy
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID

from comgov.language import N_
from comgov.signing import cms, oids
from comgov.signing.certificates import Purpose
from comgov.signing.errors import Malformed
from comgov.signing.verdict import Indication, Reason, reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

MAX_BUNDLE_BYTES = 64 << 20
"""A root with the revocation lists of a whole country: 3,000 institutions make about 2 MB."""

_REMEMBERED = 8192
"""Links already checked: a P-384 signature costs 0.7 ms, and a country has the same few authorities every day."""

_PEM_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"
_PEM_CRL = b"-----BEGIN X509 CRL-----"
_PEM_CRL_END = b"-----END X509 CRL-----"


@dataclass(frozen=True, kw_only=True)
class Trust:
    """One root, the revocation lists known besides those that signatures carry, and the verifier's own clock.

    now: aware; time-stamps later than that are refused. None believes any.
    """

    root: x509.Certificate
    crls: tuple[x509.CertificateRevocationList, ...] = field(default=(), repr=False)
    now: datetime | None = field(default=None, compare=False)

    @classmethod
    def from_pem(cls, bundle: bytes) -> Trust:
        """Read `root.pem` or `root+crls.pem`: exactly one self-signed certificate, any number of revocation lists.

        Raises Malformed.
        """
        if len(bundle) > MAX_BUNDLE_BYTES:
            raise Malformed(N_("The trust file is larger than {limit} bytes."), limit=MAX_BUNDLE_BYTES)
        try:
            roots = x509.load_pem_x509_certificates(bundle) if _PEM_CERTIFICATE in bundle else []
            crls = tuple(x509.load_pem_x509_crl(block) for block in _pem_crls(bundle))
            _ = [(crl.issuer, list(crl.extensions)) for crl in crls]
        except cms.UNREADABLE as error:
            raise Malformed(N_("The trust file is not readable PEM."), reason=str(error)) from error
        if len(roots) != 1 or not _is_issued_by(roots[0], roots[0]):
            raise Malformed(N_("The trust file must hold one root certificate, and no other certificate."))
        return cls(root=roots[0], crls=crls)

    def pem(self) -> bytes:
        """The root followed by the revocation lists, as `root+crls.pem`."""
        encoding = serialization.Encoding.PEM
        return b"".join([self.root.public_bytes(encoding), *(crl.public_bytes(encoding) for crl in self.crls)])

    def lists_of(self, issuer: x509.Certificate) -> Sequence[x509.CertificateRevocationList]:
        """The revocation lists that bear that authority's name; whether it signed them is not checked yet."""
        return self._by_issuer.get(issuer.subject.public_bytes(), ())

    def as_of(self, now: datetime) -> Trust:
        """The same by that clock, its lists indexed once for all."""
        found = copy(self)
        object.__setattr__(found, "now", now)
        return found

    def index(self) -> None:
        """Prepare `lists_of` now rather than at its first use: some 10 µs a list."""
        _ = self._by_issuer

    @cached_property
    def _by_issuer(self) -> Mapping[bytes, list[x509.CertificateRevocationList]]:
        found: dict[bytes, list[x509.CertificateRevocationList]] = {}
        for crl in self.crls:
            found.setdefault(crl.issuer.public_bytes(), []).append(crl)
        return found


def _pem_crls(bundle: bytes) -> list[bytes]:
    blocks = bundle.split(_PEM_CRL)[1:]
    if any(_PEM_CRL_END not in block for block in blocks):
        raise ValueError("a CRL without its END line")
    return [_PEM_CRL + block.partition(_PEM_CRL_END)[0] + _PEM_CRL_END + b"\n" for block in blocks]


def check_signature_chain(
    signer: x509.Certificate, authority: x509.Certificate, trust: Trust, at: datetime
) -> list[Reason]:
    """What is wrong at `at` with seal → institution → root, revocation left out."""
    return [
        *_links([signer, authority, trust.root]),
        *_lifetimes([signer, authority, trust.root], at),
        *_constraints(signer, _SEAL_EXTENSIONS, Purpose.SEAL),
        *_constraints(authority, _AUTHORITY_EXTENSIONS, Purpose.INSTITUTION),
        *_names(signer, authority),
    ]


def check_register_chain(
    signer: x509.Certificate, authority: x509.Certificate, trust: Trust, at: datetime
) -> list[Reason]:
    """What is wrong at `at` with register → institution → root, revocation left out."""
    return [
        *_links([signer, authority, trust.root]),
        *_lifetimes([signer, authority, trust.root], at),
        *_constraints(signer, _REGISTER_EXTENSIONS, Purpose.REGISTER),
        *_constraints(authority, _AUTHORITY_EXTENSIONS, Purpose.INSTITUTION),
        *_names(signer, authority),
    ]


def check_time_stamp_chain(authority: x509.Certificate, trust: Trust, at: datetime) -> list[Reason]:
    """What is wrong at `at` with time-stamp → root, revocation left out."""
    return [
        *_links([authority, trust.root]),
        *_lifetimes([authority, trust.root], at),
        *_constraints(authority, _TIME_STAMP_EXTENSIONS, Purpose.TIME_STAMP),
    ]


def check_revocation(
    certificate: x509.Certificate,
    issuer: x509.Certificate,
    crls: Iterable[x509.CertificateRevocationList],
    at: datetime,
    *,
    is_clock: bool = False,
) -> list[Reason]:
    """Whether the certificate was revoked at `at`, by its issuer's lists (RFC 5280 §6.3).

    A list speaks for `at` when it was current then, or was made later: later lists know more. Without any, TRY_LATER.
    is_clock: `at` is the certificate's own word. Whoever stole its key can date backwards: NO_POE, whenever it was.
    """
    speaking = [crl for crl in crls if _speaks_for(crl, issuer, at)]
    if not speaking:
        return [
            reason(
                Indication.TRY_LATER,
                N_("No revocation list of {issuer} is known for {at:%Y-%m-%d %H:%M:%S} UTC."),
                issuer=common_name(issuer),
                at=at,
            )
        ]
    for crl in speaking:
        line = crl.get_revoked_certificate_by_serial_number(certificate.serial_number)
        if line is not None and line.revocation_date_utc <= at:
            return [
                reason(
                    Indication.REVOKED,
                    N_("The certificate of {name} was revoked on {revoked:%Y-%m-%d %H:%M:%S} UTC."),
                    name=common_name(certificate),
                    revoked=line.revocation_date_utc,
                )
            ]
        if line is not None and is_clock and _is_stolen(line):
            return [
                reason(
                    Indication.NO_POE,
                    N_("The key of {name} was stolen: what it says about time proves nothing any more."),
                    name=common_name(certificate),
                )
            ]
    return []


def _is_stolen(line: x509.RevokedCertificate) -> bool:
    try:
        why = line.extensions.get_extension_for_class(x509.CRLReason).value.reason
    except x509.ExtensionNotFound:
        return False
    return why in (x509.ReasonFlags.key_compromise, x509.ReasonFlags.ca_compromise)


def is_revocation_list_of(crl: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    """Whether that authority signed the list, and nothing in it is critical and not understood."""
    return crl.issuer == issuer.subject and _is_list_signed_by(crl.public_bytes(serialization.Encoding.DER), issuer)


@lru_cache(maxsize=_REMEMBERED)
def _is_list_signed_by(der: bytes, issuer: x509.Certificate) -> bool:
    crl = x509.load_der_x509_crl(der)
    key = issuer.public_key()
    return (
        isinstance(key, ec.EllipticCurvePublicKey)
        and crl.is_signature_valid(key)
        and not any(extension.critical for extension in crl.extensions)
    )


def _speaks_for(crl: x509.CertificateRevocationList, issuer: x509.Certificate, at: datetime) -> bool:
    end = crl.next_update_utc
    return end is not None and at < end and is_revocation_list_of(crl, issuer)


def common_name(certificate: x509.Certificate) -> str:
    """What to call a certificate's subject in a sentence."""
    return _first(certificate.subject, NameOID.COMMON_NAME) or certificate.subject.rfc4514_string()


def organization(certificate: x509.Certificate) -> tuple[str, str]:
    """The institution's name and code; empty where the subject has none."""
    return _first(certificate.subject, NameOID.ORGANIZATION_NAME), _first(
        certificate.subject, oids.ORGANIZATION_IDENTIFIER
    )


def _first(name: x509.Name, oid: x509.ObjectIdentifier) -> str:
    values = name.get_attributes_for_oid(oid)
    return str(values[0].value) if values else ""


def _links(chain: Sequence[x509.Certificate]) -> list[Reason]:
    for certificate, issuer in itertools.pairwise(chain):
        if not _is_issued_by(certificate, issuer):
            return [
                reason(
                    Indication.NO_CERTIFICATE_CHAIN_FOUND,
                    N_("The certificate of {name} was not issued by {issuer}, which is the one trusted here."),
                    name=common_name(certificate),
                    issuer=common_name(issuer),
                )
            ]
    return []


@lru_cache(maxsize=_REMEMBERED)
def _is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _lifetimes(chain: Sequence[x509.Certificate], at: datetime) -> list[Reason]:
    found = []
    for certificate in chain:
        if at < certificate.not_valid_before_utc:
            found.append(
                reason(
                    Indication.NOT_YET_VALID,
                    N_("The certificate of {name} is only good from {start:%Y-%m-%d %H:%M:%S} UTC."),
                    name=common_name(certificate),
                    start=certificate.not_valid_before_utc,
                )
            )
        if at > certificate.not_valid_after_utc:
            found.append(
                reason(
                    Indication.EXPIRED,
                    N_("The certificate of {name} expired on {end:%Y-%m-%d %H:%M:%S} UTC."),
                    name=common_name(certificate),
                    end=certificate.not_valid_after_utc,
                )
            )
    return found


_LEAF_EXTENSIONS = frozenset(
    {
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.SUBJECT_KEY_IDENTIFIER,
        ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
        ExtensionOID.CRL_DISTRIBUTION_POINTS,
        ExtensionOID.EXTENDED_KEY_USAGE,
    }
)
_SEAL_EXTENSIONS = _TIME_STAMP_EXTENSIONS = _LEAF_EXTENSIONS
_REGISTER_EXTENSIONS = _LEAF_EXTENSIONS - {ExtensionOID.EXTENDED_KEY_USAGE}
_AUTHORITY_EXTENSIONS = _LEAF_EXTENSIONS - {ExtensionOID.EXTENDED_KEY_USAGE} | {ExtensionOID.NAME_CONSTRAINTS}


def _constraints(
    certificate: x509.Certificate, allowed: frozenset[x509.ObjectIdentifier], purpose: Purpose
) -> list[Reason]:
    extensions = certificate.extensions
    unknown = [extension for extension in extensions if extension.oid not in allowed]
    if unknown or not _FIT[purpose](extensions):
        return [
            reason(
                Indication.CHAIN_CONSTRAINTS_FAILURE,
                N_("The certificate of {name} may not be used for this ({purpose})."),
                name=common_name(certificate),
                purpose=purpose.value,
            )
        ]
    return []


def _basic(extensions: x509.Extensions) -> tuple[bool, int | None] | None:
    try:
        value = extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        return None
    return value.ca, value.path_length


def _usage(extensions: x509.Extensions) -> x509.KeyUsage | None:
    try:
        return extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return None


def _purposes(extensions: x509.Extensions) -> tuple[list[x509.ObjectIdentifier], bool]:
    try:
        extension = extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    except x509.ExtensionNotFound:
        return [], False
    return list(extension.value), extension.critical


def _fits_seal(extensions: x509.Extensions) -> bool:
    usage = _usage(extensions)
    return (
        _basic(extensions) == (False, None)
        and usage is not None
        and usage.content_commitment
        and not usage.key_cert_sign
        and _purposes(extensions)[0] == [oids.DOCUMENT_SIGNING]
    )


def _fits_register(extensions: x509.Extensions) -> bool:
    usage = _usage(extensions)
    return (
        _basic(extensions) == (False, None)
        and usage is not None
        and usage.digital_signature
        and not usage.content_commitment
        and not usage.key_cert_sign
    )


def _fits_time_stamp(extensions: x509.Extensions) -> bool:
    usage = _usage(extensions)
    return (
        _basic(extensions) == (False, None)
        and usage is not None
        and usage.digital_signature
        and not usage.key_cert_sign
        and _purposes(extensions) == ([ExtendedKeyUsageOID.TIME_STAMPING], True)
    )


def _fits_institution(extensions: x509.Extensions) -> bool:
    usage = _usage(extensions)
    return _basic(extensions) == (True, 0) and usage is not None and usage.key_cert_sign and usage.crl_sign


_FIT = {
    Purpose.SEAL: _fits_seal,
    Purpose.REGISTER: _fits_register,
    Purpose.TIME_STAMP: _fits_time_stamp,
    Purpose.INSTITUTION: _fits_institution,
}


def _names(signer: x509.Certificate, authority: x509.Certificate) -> list[Reason]:
    """Name constraints (RFC 5280 §4.2.1.10): the signer's name begins with a permitted one."""
    try:
        constraints = authority.extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        constraints = None
    permitted = [] if constraints is None else constraints.permitted_subtrees or []
    directories = [tree.value for tree in permitted if isinstance(tree, x509.DirectoryName)]
    if any(_is_within(signer.subject, directory) for directory in directories):
        return []
    return [
        reason(
            Indication.CHAIN_CONSTRAINTS_FAILURE,
            N_("{authority} may not certify {name}: the name is outside its institution."),
            authority=common_name(authority),
            name=common_name(signer),
        )
    ]


def _is_within(name: x509.Name, directory: x509.Name) -> bool:
    permitted = list(directory.rdns)
    return bool(permitted) and list(name.rdns)[: len(permitted)] == permitted
