"""Cryptographic Message Syntax (RFC 5652), in the one profile that is written and accepted here.

One signer, known by issuer and serial number; ECDSA P-256 with SHA-256; DER throughout. A structure outside the
profile does not parse, which leaves nothing to negotiate and nothing to downgrade.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from comgov.language import N_
from comgov.signing import oids
from comgov.signing.errors import Malformed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from comgov.signing.certificates import Credential

T = TypeVar("T")

ECDSA_SHA256 = ec.ECDSA(hashes.SHA256())
MAX_SIGNED_DATA_BYTES = 4 << 20
"""A signature with its certificates and revocation lists; ours are 2 to 10 kB."""

UNREADABLE = (
    ValueError,
    TypeError,
    OverflowError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
"""All that `cryptography` raises on bytes that are no certificate, list or message."""


@asn1.sequence
class AlgorithmIdentifier:
    """RFC 5280 §4.1.1.2; parameters are absent or NULL."""

    algorithm: x509.ObjectIdentifier
    parameters: asn1.Null | None = None


@asn1.sequence
class Attribute:
    """RFC 5652 §5.3."""

    type: x509.ObjectIdentifier
    values: asn1.SetOf[asn1.TLV]


@asn1.sequence
class IssuerAndSerialNumber:
    """RFC 5652 §10.2.4."""

    issuer: x509.Name
    serial_number: int


@asn1.sequence
class SignerInfo:
    """RFC 5652 §5.3, version 1."""

    version: int
    sid: IssuerAndSerialNumber
    digest_algorithm: AlgorithmIdentifier
    signed_attrs: Annotated[asn1.SetOf[Attribute], asn1.Implicit(0)]
    signature_algorithm: AlgorithmIdentifier
    signature: bytes
    unsigned_attrs: Annotated[asn1.SetOf[Attribute] | None, asn1.Implicit(1)] = None


@asn1.sequence
class EncapsulatedContentInfo:
    """RFC 5652 §5.2; without content the signature is detached."""

    content_type: x509.ObjectIdentifier
    content: Annotated[bytes | None, asn1.Explicit(0)] = None


@asn1.sequence
class SignedData:
    """RFC 5652 §5.1."""

    version: int
    digest_algorithms: asn1.SetOf[AlgorithmIdentifier]
    encap_content_info: EncapsulatedContentInfo
    certificates: Annotated[asn1.SetOf[x509.Certificate] | None, asn1.Implicit(0)] = None
    crls: Annotated[asn1.SetOf[x509.CertificateRevocationList] | None, asn1.Implicit(1)] = None
    signer_infos: asn1.SetOf[SignerInfo]


@asn1.sequence
class ContentInfo:
    """RFC 5652 §3."""

    content_type: x509.ObjectIdentifier
    content: Annotated[SignedData, asn1.Explicit(0)]


DIGEST_SHA256 = AlgorithmIdentifier(algorithm=oids.SHA256)
SIGNATURE_ECDSA_SHA256 = AlgorithmIdentifier(algorithm=oids.ECDSA_WITH_SHA256)


def attribute(kind: x509.ObjectIdentifier, value: object) -> Attribute:
    """An attribute with one value.

    value: anything that has a DER form; bytes become an OCTET STRING.
    """
    return Attribute(type=kind, values=asn1.SetOf([asn1.decode_der(asn1.TLV, asn1.encode_der(value))]))


def attribute_of(kind: x509.ObjectIdentifier, der: bytes) -> Attribute:
    """An attribute whose one value is already in DER."""
    return Attribute(type=kind, values=asn1.SetOf([asn1.decode_der(asn1.TLV, der)]))


def sign(
    credential: Credential,
    *,
    content_type: x509.ObjectIdentifier,
    content: bytes | None,
    signed_attributes: Iterable[Attribute],
    certificates: Iterable[x509.Certificate],
    crls: Iterable[x509.CertificateRevocationList] = (),
) -> ContentInfo:
    """A signed message of one signer.

    content: what is carried inside; None for a detached signature, whose digest is among the signed attributes.
    The signature is over the DER of the attributes as a SET (RFC 5652 §5.4).
    """
    attributes = asn1.SetOf(list(signed_attributes))
    signer = SignerInfo(
        version=1,
        sid=IssuerAndSerialNumber(
            issuer=credential.certificate.issuer, serial_number=credential.certificate.serial_number
        ),
        digest_algorithm=DIGEST_SHA256,
        signed_attrs=attributes,
        signature_algorithm=SIGNATURE_ECDSA_SHA256,
        signature=credential.key.sign(asn1.encode_der(attributes), ECDSA_SHA256),
    )
    revocation = list(crls)
    return ContentInfo(
        content_type=oids.SIGNED_DATA,
        content=SignedData(
            version=1 if content_type == oids.DATA else 3,
            digest_algorithms=asn1.SetOf([DIGEST_SHA256]),
            encap_content_info=EncapsulatedContentInfo(content_type=content_type, content=content),
            certificates=asn1.SetOf(list(certificates)),
            crls=asn1.SetOf(revocation) if revocation else None,
            signer_infos=asn1.SetOf([signer]),
        ),
    )


def decode(kind: type[T], der: bytes) -> T:
    """Read `kind` from DER, of which there is exactly one form.

    Raises Malformed when it does not parse, or would be written differently.
    """
    try:
        value = asn1.decode_der(kind, der)
        again = asn1.encode_der(value)
    except UNREADABLE as error:
        raise Malformed(N_("A signature or time-stamp is not of the expected form."), reason=str(error)) from error
    if again != der:
        raise Malformed(N_("A signature or time-stamp is not in its one canonical form (DER)."))
    return value


def read(der: bytes) -> tuple[SignedData, SignerInfo]:
    """A signed message and its one signer, its algorithms and versions checked.

    Raises Malformed.
    """
    if len(der) > MAX_SIGNED_DATA_BYTES:
        raise Malformed(N_("A signature or time-stamp is larger than {limit} bytes."), limit=MAX_SIGNED_DATA_BYTES)
    message = decode(ContentInfo, der)
    signed = message.content
    signers = signed.signer_infos.as_list()
    if len(signers) != 1:
        raise Malformed(N_("A signature or time-stamp has one signer; this one has {count}."), count=len(signers))
    signer = signers[0]
    is_data = signed.encap_content_info.content_type == oids.DATA
    expected = [
        message.content_type == oids.SIGNED_DATA,
        signed.version == (1 if is_data else 3),
        signer.version == 1,
        [_name(a) for a in signed.digest_algorithms.as_list()] == [_name(DIGEST_SHA256)],
        _name(signer.digest_algorithm) == _name(DIGEST_SHA256),
        _name(signer.signature_algorithm) == _name(SIGNATURE_ECDSA_SHA256),
    ]
    if not all(expected):
        raise Malformed(N_("A signature or time-stamp is not ECDSA with SHA-256 over one content."))
    _check_readable(signed)
    return signed, signer


def _check_readable(signed: SignedData) -> None:
    try:
        for certificate in certificates_of(signed):
            read_certificate(certificate.public_bytes(Encoding.DER))
        for crl in crls_of(signed):
            read_crl(crl.public_bytes(Encoding.DER))
    except UNREADABLE as error:
        raise Malformed(
            N_("A signature or time-stamp carries an unreadable certificate or revocation list."), reason=str(error)
        ) from error


def read_certificate(der: bytes) -> x509.Certificate:
    """A certificate of which every part is readable: `x509` parses lazily, and would choke later. Raises UNREADABLE."""
    certificate = x509.load_der_x509_certificate(der)
    _ = certificate.subject, certificate.issuer, certificate.extensions, certificate.public_key()
    _check_bit_string(der, certificate.signature)
    return certificate


def read_crl(der: bytes) -> x509.CertificateRevocationList:
    """A revocation list of which every part is readable. Raises UNREADABLE."""
    crl = x509.load_der_x509_crl(der)
    _ = crl.issuer, crl.next_update_utc, [extension.critical for extension in crl.extensions]
    _ = [(line.serial_number, line.revocation_date_utc, line.extensions) for line in crl]
    _check_bit_string(der, crl.signature)
    return crl


def _check_bit_string(der: bytes, signature: bytes) -> None:
    """A certificate's own signature has whole octets; that it says so is outside what the signature covers."""
    if not der.endswith(b"\0" + signature):
        raise ValueError("a signature with unused bits")


def _name(algorithm: AlgorithmIdentifier) -> tuple[x509.ObjectIdentifier, bool]:
    return algorithm.algorithm, algorithm.parameters is None


def is_signed_by(signer: SignerInfo, certificate: x509.Certificate) -> bool:
    """Whether the signature over the signed attributes is that of the certificate's P-256 key."""
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        return False
    try:
        key.verify(signer.signature, asn1.encode_der(signer.signed_attrs), ECDSA_SHA256)
    except InvalidSignature:
        return False
    return True


def signing_certificate(signed: SignedData, signer: SignerInfo) -> x509.Certificate | None:
    """The embedded certificate that the signer names by issuer and serial number, to the byte.

    Equal names of other string types (`==` of x509.Name) would leave a few unsigned bytes free to be altered.
    """
    issuer, serial_number = signer.sid.issuer.public_bytes(), signer.sid.serial_number
    for certificate in certificates_of(signed):
        if certificate.serial_number == serial_number and certificate.issuer.public_bytes() == issuer:
            return certificate
    return None


def certificates_of(signed: SignedData) -> list[x509.Certificate]:
    """The embedded certificates."""
    return signed.certificates.as_list() if signed.certificates is not None else []


def crls_of(signed: SignedData) -> list[x509.CertificateRevocationList]:
    """The embedded revocation lists."""
    return signed.crls.as_list() if signed.crls is not None else []


class Attributes:
    """Signed or unsigned attributes by their type, each once and with one value."""

    def __init__(self, attributes: asn1.SetOf[Attribute] | None) -> None:
        self._values: dict[x509.ObjectIdentifier, asn1.TLV] = {}
        for entry in attributes.as_list() if attributes is not None else []:
            values = entry.values.as_list()
            if entry.type in self._values or len(values) != 1:
                raise Malformed(N_("A signature or time-stamp has an attribute twice, or with several values."))
            self._values[entry.type] = values[0]

    def kinds(self) -> frozenset[x509.ObjectIdentifier]:
        """Which attributes there are."""
        return frozenset(self._values)

    def der(self, kind: x509.ObjectIdentifier) -> bytes | None:
        """The value's whole DER; None when the attribute is absent."""
        value = self._values.get(kind)
        return None if value is None else asn1.encode_der(value)

    def get(self, kind: x509.ObjectIdentifier, form: type[T]) -> T | None:
        """The value, read as `form`; None when the attribute is absent."""
        der = self.der(kind)
        return None if der is None else decode(form, der)


@asn1.sequence
class EssCertIdV2:
    """RFC 5035 §4; the hash is SHA-256, its default, hence without an algorithm."""

    cert_hash: bytes


@asn1.sequence
class SigningCertificateV2:
    """RFC 5035 §3: binds the signature to one certificate, by digest."""

    certs: list[EssCertIdV2]


@lru_cache(maxsize=1024)
def signing_certificate_v2(certificate: x509.Certificate) -> Attribute:
    """The attribute that binds to that certificate; remembered, since a seal signs often."""
    digest = certificate.fingerprint(hashes.SHA256())
    return attribute(oids.SIGNING_CERTIFICATE_V2, SigningCertificateV2(certs=[EssCertIdV2(cert_hash=digest)]))


def is_bound_to(attributes: Attributes, certificate: x509.Certificate) -> bool:
    """Whether signing-certificate-v2 is there and its first digest is the certificate's."""
    binding = attributes.get(oids.SIGNING_CERTIFICATE_V2, SigningCertificateV2)
    return (
        binding is not None
        and len(binding.certs) == 1
        and binding.certs[0].cert_hash == certificate.fingerprint(hashes.SHA256())
    )


def time(moment: datetime) -> asn1.UTCTime | asn1.GeneralizedTime:
    """A Time (RFC 5652 §11.3): UTCTime up to 2049, then GeneralizedTime; whole seconds."""
    moment = moment.astimezone(UTC).replace(microsecond=0)
    return asn1.UTCTime(moment) if moment.year < 2050 else asn1.GeneralizedTime(moment)
