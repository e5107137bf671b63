"""CAdES baseline signatures, detached (ETSI EN 319 122-1 §6): B-B, B-T by a time-stamp, B-LT by revocation lists."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat import asn1

from comgov.language import N_
from comgov.signing import cms, oids, trust, tsp
from comgov.signing.errors import Malformed
from comgov.signing.verdict import (
    Commitment,
    Indication,
    Level,
    Reason,
    Report,
    SignatureReport,
    Verdict,
    conclude,
    reason,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from comgov.signing.certificates import Credential
    from comgov.signing.trust import Trust

_COMMITMENTS = {
    Commitment.ORIGIN: x509.ObjectIdentifier("1.2.840.113549.1.9.16.6.1"),
    Commitment.RECEIPT: x509.ObjectIdentifier("1.2.840.113549.1.9.16.6.2"),
    Commitment.DELIVERY: x509.ObjectIdentifier("1.2.840.113549.1.9.16.6.3"),
    Commitment.APPROVAL: x509.ObjectIdentifier("1.2.840.113549.1.9.16.6.5"),
}
"""RFC 5126 §5.11.1."""

_SIGNED_KINDS = frozenset(
    {
        oids.CONTENT_TYPE,
        oids.MESSAGE_DIGEST,
        oids.SIGNING_TIME,
        oids.SIGNING_CERTIFICATE_V2,
        oids.COMMITMENT_TYPE,
    }
)


@asn1.sequence
class CommitmentTypeIndication:
    """RFC 5126 §5.11.1, without qualifiers."""

    commitment_type_id: x509.ObjectIdentifier


def sign(
    credential: Credential,
    content: bytes,
    commitment: Commitment,
    *,
    at: datetime,
    crls: Sequence[x509.CertificateRevocationList] = (),
) -> bytes:
    """A detached signature over `content`, in DER: level B-B, with the chain below the root and the lists given.

    at: the signer's clock, aware UTC; what proves the time is a time-stamp (`with_time_stamp`).
    """
    return asn1.encode_der(_sign(credential, content, commitment, at, crls))


def _sign(
    credential: Credential,
    content: bytes,
    commitment: Commitment,
    at: datetime,
    crls: Sequence[x509.CertificateRevocationList],
) -> cms.ContentInfo:
    return cms.sign(
        credential,
        content_type=oids.DATA,
        content=None,
        signed_attributes=[
            cms.attribute(oids.CONTENT_TYPE, oids.DATA),
            cms.attribute(oids.MESSAGE_DIGEST, hashlib.sha256(content).digest()),
            cms.attribute(oids.SIGNING_TIME, cms.time(at)),
            cms.signing_certificate_v2(credential.certificate),
            cms.attribute(oids.COMMITMENT_TYPE, CommitmentTypeIndication(commitment_type_id=_COMMITMENTS[commitment])),
        ],
        certificates=credential.chain,
        crls=crls,
    )


def signature_value(signature: bytes) -> bytes:
    """The bytes that a signature-time-stamp is over: the signer's signature itself. Raises Malformed."""
    return cms.read(signature)[1].signature


def time_stamp_token(signature: bytes) -> bytes | None:
    """The signature-time-stamp's token, in DER; None at level B-B. Raises Malformed."""
    return cms.Attributes(cms.read(signature)[1].unsigned_attrs).der(oids.SIGNATURE_TIME_STAMP)


def with_time_stamp(signature: bytes, token: bytes) -> bytes:
    """The same signature at level B-T (ETSI EN 319 122-1 §5.3): the token over its value added, unsigned."""
    signed, signer = cms.read(signature)
    return _attach(signed, signer, token)


def _attach(signed: cms.SignedData, signer: cms.SignerInfo, token: bytes) -> bytes:
    signer.unsigned_attrs = asn1.SetOf([cms.attribute_of(oids.SIGNATURE_TIME_STAMP, token)])
    signed.signer_infos = asn1.SetOf([signer])
    return asn1.encode_der(cms.ContentInfo(content_type=oids.SIGNED_DATA, content=signed))


def sign_and_stamp(
    credential: Credential,
    authority: tsp.Authority,
    content: bytes,
    commitment: Commitment,
    *,
    at: datetime,
    serial_number: int,
    crls: Sequence[x509.CertificateRevocationList] = (),
) -> bytes:
    """A signature at level B-T, and B-LT when the lists of the institution and of the root are given.

    serial_number: the token's.
    """
    signed = _sign(credential, content, commitment, at, crls).content
    [signer] = signed.signer_infos.as_list()
    digest = hashlib.sha256(signer.signature).digest()
    return _attach(signed, signer, authority.stamp(digest, at=at, serial_number=serial_number))


def verify(signature: bytes, content: bytes, pinned: Trust, *, name: str = "", at: datetime | None = None) -> Verdict:
    """Whether this is an institution's signature over exactly these bytes, made while its certificate was good.

    name: what to call the signature in the report.
    at: when the signature is known to have existed, for one without time-stamp; otherwise that is indeterminate.
    Everything is judged at the time-stamp's instant, revocation included, by the pinned lists and the embedded ones.
    """
    try:
        found, report = _verify(signature, content, pinned, at)
    except Malformed as error:
        found = [Reason(Indication.FORMAT_FAILURE, error.public, tuple(error.values.items()))]
        report = SignatureReport()
    report = replace(report, name=name, reasons=tuple(found))
    return conclude(Report(signatures=(report,)), found)


@dataclass(frozen=True)
class _Read:
    """A signature taken apart; authority is the only other certificate it may carry."""

    signer: cms.SignerInfo
    attributes: cms.Attributes
    certificate: x509.Certificate
    authority: x509.Certificate
    crls: list[x509.CertificateRevocationList]
    commitment: Commitment
    claimed: datetime
    token: bytes | None


def _verify(
    signature: bytes, content: bytes, pinned: Trust, at: datetime | None
) -> tuple[list[Reason], SignatureReport]:
    read = _read(signature)
    found = [*_check_signature(read, content), *_check_lists(read, pinned)]
    proven = None
    if read.token is not None:
        digest = hashlib.sha256(read.signer.signature).digest()
        signer = trust.organization(read.certificate)[1]
        proven, problems = tsp.verify(read.token, digest, pinned, read.crls, asked_by=signer)
        found += problems
    moment = proven or at
    if moment is not None:
        found += _check_chain(read, pinned, moment)
    elif read.token is None:
        found += [
            reason(Indication.NO_POE, N_("The signature has no time-stamp, so that when it was made is not proven.")),
            *trust.check_signature_chain(read.certificate, read.authority, pinned, read.claimed),
        ]
    return found, _report(read, proven)


def _read(signature: bytes) -> _Read:
    """Raises Malformed for anything outside the profile: every byte of ours is accounted for."""
    signed, signer = cms.read(signature)
    if signed.encap_content_info.content_type != oids.DATA or signed.encap_content_info.content is not None:
        raise Malformed(N_("The signature must be detached, over plain data."))
    certificate = cms.signing_certificate(signed, signer)
    others = [other for other in cms.certificates_of(signed) if other != certificate]
    if certificate is None or len(others) != 1 or len(cms.certificates_of(signed)) != 2:
        raise Malformed(N_("The signature must carry its certificate and that of the institution's authority."))
    attributes = cms.Attributes(signer.signed_attrs)
    unsigned = cms.Attributes(signer.unsigned_attrs)
    if attributes.kinds() != _SIGNED_KINDS or unsigned.kinds() - {oids.SIGNATURE_TIME_STAMP}:
        raise Malformed(N_("The signature does not have the attributes of a CAdES baseline signature."))
    return _Read(
        signer=signer,
        attributes=attributes,
        certificate=certificate,
        authority=others[0],
        crls=cms.crls_of(signed),
        commitment=_commitment(attributes),
        claimed=_claimed(attributes),
        token=unsigned.der(oids.SIGNATURE_TIME_STAMP),
    )


def _commitment(attributes: cms.Attributes) -> Commitment:
    indication = attributes.get(oids.COMMITMENT_TYPE, CommitmentTypeIndication)
    for commitment, oid in _COMMITMENTS.items():
        if indication is not None and indication.commitment_type_id == oid:
            return commitment
    raise Malformed(N_("The signature commits to something unknown here."))


def _claimed(attributes: cms.Attributes) -> datetime:
    der = attributes.der(oids.SIGNING_TIME) or b""
    if der[:1] == b"\x17":
        return cms.decode(asn1.UTCTime, der).as_datetime()
    return cms.decode(asn1.GeneralizedTime, der).as_datetime()


def _check_signature(read: _Read, content: bytes) -> list[Reason]:
    found = []
    if read.attributes.get(oids.MESSAGE_DIGEST, bytes) != hashlib.sha256(content).digest():
        found.append(reason(Indication.HASH_FAILURE, N_("The signed bytes are not these: their digests differ.")))
    if read.attributes.get(oids.CONTENT_TYPE, x509.ObjectIdentifier) != oids.DATA:
        found.append(reason(Indication.SIG_CONSTRAINTS_FAILURE, N_("The signature is over another kind of content.")))
    if not cms.is_bound_to(read.attributes, read.certificate):
        found.append(reason(Indication.SIG_CONSTRAINTS_FAILURE, N_("The signature was made with another certificate.")))
    if not cms.is_signed_by(read.signer, read.certificate):
        found.append(reason(Indication.SIG_CRYPTO_FAILURE, N_("The signature does not match its certificate's key.")))
    return found


def _check_lists(read: _Read, pinned: Trust) -> list[Reason]:
    issuers = (read.authority, pinned.root)
    if all(any(trust.is_revocation_list_of(crl, issuer) for issuer in issuers) for crl in read.crls):
        return []
    return [
        reason(
            Indication.CHAIN_CONSTRAINTS_FAILURE,
            N_("The signature carries a revocation list that neither its authority nor the root has signed."),
        )
    ]


def _check_chain(read: _Read, pinned: Trust, at: datetime) -> list[Reason]:
    found = trust.check_signature_chain(read.certificate, read.authority, pinned, at)
    if found:
        return found  # lists of an authority that is not ours would prove nothing
    return [
        *trust.check_revocation(read.certificate, read.authority, [*pinned.lists_of(read.authority), *read.crls], at),
        *trust.check_revocation(read.authority, pinned.root, [*pinned.lists_of(pinned.root), *read.crls], at),
    ]


def _report(read: _Read, proven: datetime | None) -> SignatureReport:
    institution, code = trust.organization(read.certificate)
    return SignatureReport(
        signer=trust.common_name(read.certificate),
        institution=institution,
        institution_code=code,
        serial_number=read.certificate.serial_number,
        commitment=read.commitment,
        level=_level(read, proven),
        claimed=read.claimed,
        proven=proven,
    )


def _level(read: _Read, proven: datetime | None) -> Level:
    if proven is None:
        return Level.B_B
    listed = {crl.issuer for crl in read.crls}
    return Level.B_LT if {read.certificate.issuer, read.authority.issuer} <= listed else Level.B_T
