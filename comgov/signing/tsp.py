"""Time-Stamp Protocol (RFC 3161, with ESSCertIDv2 as RFC 5816 asks): requests, replies, tokens.

A token is a signed message whose content, TSTInfo, binds a digest to an instant.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives.asymmetric import ec

from comgov.language import N_
from comgov.signing import cms, oids, trust
from comgov.signing.errors import Malformed
from comgov.signing.verdict import Indication, Reason, reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from comgov.signing.certificates import Credential
    from comgov.signing.trust import Trust

QUERY_TYPE = "application/timestamp-query"
REPLY_TYPE = "application/timestamp-reply"
MAX_QUERY_BYTES = 8 << 10

_DIGEST_BYTES = {oids.SHA256: 32, oids.SHA384: 48, oids.SHA512: 64}
_ACCURACY_SECONDS = 1

CLOCKS_DIFFER = timedelta(minutes=5)
"""How far the clock of who verifies may be behind that of who stamped."""


@asn1.sequence
class MessageImprint:
    """RFC 3161 §2.4.1."""

    hash_algorithm: cms.AlgorithmIdentifier
    hashed_message: bytes


@asn1.sequence
class Request:
    """TimeStampReq, RFC 3161 §2.4.1; extensions are not taken."""

    version: int
    message_imprint: MessageImprint
    req_policy: x509.ObjectIdentifier | None = None
    nonce: int | None = None
    cert_req: Annotated[bool, asn1.Default(False)] = False


@asn1.sequence
class Accuracy:
    """RFC 3161 §2.4.2."""

    seconds: int | None = None
    millis: Annotated[int | None, asn1.Implicit(0)] = None
    micros: Annotated[int | None, asn1.Implicit(1)] = None


@asn1.sequence
class TstInfo:
    """RFC 3161 §2.4.2; genTime is given to the second."""

    version: int
    policy: x509.ObjectIdentifier
    message_imprint: MessageImprint
    serial_number: int
    gen_time: asn1.GeneralizedTime
    accuracy: Accuracy | None = None
    ordering: Annotated[bool, asn1.Default(False)] = False
    nonce: int | None = None


@asn1.sequence
class PkiStatusInfo:
    """RFC 3161 §2.4.2."""

    status: int
    status_string: list[str] | None = None
    fail_info: asn1.BitString | None = None


@asn1.sequence
class _Granted:
    status: PkiStatusInfo
    token: cms.ContentInfo


@asn1.sequence
class _Rejected:
    status: PkiStatusInfo


BAD_ALGORITHM, BAD_REQUEST, BAD_DATA_FORMAT, TIME_NOT_AVAILABLE = 0, 2, 5, 14
UNACCEPTED_POLICY, UNACCEPTED_EXTENSION = 15, 16
"""PKIFailureInfo bits, RFC 3161 §2.4.2."""


class Refused(Exception):
    """A request that gets no token. failure: its PKIFailureInfo bit."""

    def __init__(self, failure: int, sentence: str) -> None:
        self.failure = failure
        self.sentence = sentence
        super().__init__(sentence)


@dataclass(frozen=True, kw_only=True)
class Authority:
    """A time-stamp authority: its credential and its policy."""

    credential: Credential
    policy: x509.ObjectIdentifier = oids.BEST_PRACTICES_TIME_STAMP_POLICY

    def stamp(self, sha256: bytes, *, at: datetime, serial_number: int) -> bytes:
        """A token for a SHA-256 digest, in DER, its certificate inside.

        serial_number: never given before by this authority. Raises ValueError when the digest is not 32 bytes.
        """
        if len(sha256) != 32:
            raise ValueError("a SHA-256 digest has 32 bytes")
        imprint = MessageImprint(hash_algorithm=cms.DIGEST_SHA256, hashed_message=sha256)
        return asn1.encode_der(self._token(imprint, at=at, serial_number=serial_number))

    def answer(self, query: bytes, *, at: datetime, serial_number: int) -> bytes:
        """The TimeStampResp to a TimeStampReq, both DER: a token, or a rejection that says why."""
        try:
            request = read_request(query)
            self._check_policy(request)
        except Refused as refused:
            return rejection(refused)
        token = self._token(
            request.message_imprint,
            at=at,
            serial_number=serial_number,
            nonce=request.nonce,
            with_certificate=request.cert_req,
        )
        return asn1.encode_der(_Granted(status=PkiStatusInfo(status=0), token=token))

    def _check_policy(self, request: Request) -> None:
        if request.req_policy not in (None, self.policy):
            raise Refused(UNACCEPTED_POLICY, f"The policy here is {self.policy.dotted_string}.")

    def _token(
        self,
        imprint: MessageImprint,
        *,
        at: datetime,
        serial_number: int,
        nonce: int | None = None,
        with_certificate: bool = True,
    ) -> cms.ContentInfo:
        content = asn1.encode_der(
            TstInfo(
                version=1,
                policy=self.policy,
                message_imprint=imprint,
                serial_number=serial_number,
                gen_time=asn1.GeneralizedTime(at.astimezone(UTC).replace(microsecond=0)),
                accuracy=Accuracy(seconds=_ACCURACY_SECONDS),
                nonce=nonce,
            )
        )
        certificate = self.credential.certificate
        return cms.sign(
            self.credential,
            content_type=oids.TST_INFO,
            content=content,
            signed_attributes=[
                cms.attribute(oids.CONTENT_TYPE, oids.TST_INFO),
                cms.attribute(oids.MESSAGE_DIGEST, hashlib.sha256(content).digest()),
                cms.attribute(oids.SIGNING_TIME, cms.time(at)),
                cms.signing_certificate_v2(certificate),
            ],
            certificates=[certificate] if with_certificate else [],
        )


def read_request(query: bytes) -> Request:
    """Parse a TimeStampReq; raises Refused with the PKIFailureInfo that fits."""
    if len(query) > MAX_QUERY_BYTES:
        raise Refused(BAD_REQUEST, f"A request has at most {MAX_QUERY_BYTES} bytes.")
    try:
        request = asn1.decode_der(Request, query)
    except cms.UNREADABLE as error:
        raise Refused(BAD_DATA_FORMAT, "Not a TimeStampReq in DER, or one with extensions.") from error
    if request.version != 1:
        raise Refused(BAD_REQUEST, "The version must be 1.")
    size = _DIGEST_BYTES.get(request.message_imprint.hash_algorithm.algorithm)
    if size is None:
        raise Refused(BAD_ALGORITHM, "The digest must be SHA-256, SHA-384 or SHA-512.")
    if len(request.message_imprint.hashed_message) != size:
        raise Refused(BAD_DATA_FORMAT, f"That digest has {size} bytes.")
    return request


def rejection(refused: Refused) -> bytes:
    """A TimeStampResp of status rejection (2) with the failure and a sentence."""
    octets = bytearray(refused.failure // 8 + 1)
    octets[-1] = 0x80 >> refused.failure % 8
    padding = 7 - refused.failure % 8
    status = PkiStatusInfo(status=2, status_string=[refused.sentence], fail_info=asn1.BitString(bytes(octets), padding))
    return asn1.encode_der(_Rejected(status=status))


@dataclass(frozen=True, kw_only=True)
class Token:
    """A token that was read, not yet checked. at: its genTime, aware UTC."""

    signed: cms.SignedData
    signer: cms.SignerInfo
    info: TstInfo
    at: datetime


def read(der: bytes) -> Token:
    """Parse a token; raises Malformed."""
    signed, signer = cms.read(der)
    content = signed.encap_content_info.content
    if signed.encap_content_info.content_type != oids.TST_INFO or content is None:
        raise Malformed(N_("A signature or time-stamp is not of the expected form."))
    info = cms.decode(TstInfo, content)
    return Token(signed=signed, signer=signer, info=info, at=info.gen_time.as_datetime())


def stamper(der: bytes) -> x509.Certificate | None:
    """Whose certificate a token names as its own; whether it holds is for `verify` to say. None when unreadable."""
    try:
        token = read(der)
    except Malformed:
        return None
    return cms.signing_certificate(token.signed, token.signer)


def verify(
    der: bytes,
    sha256: bytes,
    pinned: Trust,
    crls: Sequence[x509.CertificateRevocationList] = (),
    *,
    asked_by: str = "",
) -> tuple[datetime | None, list[Reason]]:
    """The instant that a token proves for a digest, and what is wrong with it (RFC 3161 §2.2, §2.3).

    The instant is None when the token cannot be relied on at all. Revocation is judged at the token's own time, by
    the lists given and those pinned. asked_by: code of an institution whose own authority proves nothing here.
    """
    try:
        token = read(der)
        found = _check(token, sha256, pinned, crls, asked_by)
    except Malformed as error:
        return None, [Reason(Indication.FORMAT_FAILURE, error.public, tuple(error.values.items()))]
    return (None if any(r.indication in _BROKEN for r in found) else token.at), found


_BROKEN = frozenset({Indication.FORMAT_FAILURE, Indication.HASH_FAILURE, Indication.SIG_CRYPTO_FAILURE})


def _check(
    token: Token, sha256: bytes, pinned: Trust, crls: Sequence[x509.CertificateRevocationList], asked_by: str
) -> list[Reason]:
    certificate = cms.signing_certificate(token.signed, token.signer)
    if certificate is None or len(cms.certificates_of(token.signed)) != 1 or cms.crls_of(token.signed):
        return [reason(Indication.FORMAT_FAILURE, N_("The time-stamp must carry its authority's certificate alone."))]
    return [
        *_check_imprint(token.info, sha256),
        *_check_signature(token, certificate),
        *_check_clock(token, pinned.now),
        *_check_independence(certificate, asked_by),
        *trust.check_time_stamp_chain(certificate, pinned, token.at),
        *trust.check_revocation(
            certificate, pinned.root, [*pinned.lists_of(pinned.root), *crls], token.at, is_clock=True
        ),
    ]


def _check_clock(token: Token, now: datetime | None) -> list[Reason]:
    if now is None or token.at <= now + CLOCKS_DIFFER:
        return []
    sentence = N_("The time-stamp is of {at:%Y-%m-%d %H:%M:%S} UTC, which is still to come by the clock here.")
    return [reason(Indication.TIMESTAMP_ORDER_FAILURE, sentence, at=token.at)]


def _check_independence(certificate: x509.Certificate, asked_by: str) -> list[Reason]:
    if not asked_by or trust.organization(certificate)[1] != asked_by:
        return []
    sentence = N_("The time-stamp is by the signer's own institution, which could date as it pleases.")
    return [reason(Indication.SIG_CONSTRAINTS_FAILURE, sentence)]


def _check_imprint(info: TstInfo, sha256: bytes) -> list[Reason]:
    imprint = info.message_imprint
    algorithm = imprint.hash_algorithm
    if info.version == 1 and algorithm.algorithm == oids.SHA256 and imprint.hashed_message == sha256:
        return []
    return [reason(Indication.HASH_FAILURE, N_("The time-stamp is for other bytes than this signature."))]


def _check_signature(token: Token, certificate: x509.Certificate) -> list[Reason]:
    attributes = cms.Attributes(token.signer.signed_attrs)
    content = token.signed.encap_content_info.content or b""
    intact = (
        attributes.get(oids.CONTENT_TYPE, x509.ObjectIdentifier) == oids.TST_INFO
        and attributes.get(oids.MESSAGE_DIGEST, bytes) == hashlib.sha256(content).digest()
        and cms.is_bound_to(attributes, certificate)
        and token.signer.unsigned_attrs is None
        and isinstance(certificate.public_key(), ec.EllipticCurvePublicKey)
        and cms.is_signed_by(token.signer, certificate)
    )
    return [] if intact else [reason(Indication.SIG_CRYPTO_FAILURE, N_("The time-stamp's signature does not hold."))]
