"""Signatures: openssl agrees, and whatever is wrong is said."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st

from comgov.signing import cades, certificates, cms, oids, tsp
from comgov.signing.certificates import Credential, Purpose, RevocationReason, Revoked
from comgov.signing.trust import Trust
from comgov.signing.verdict import Commitment, Indeterminate, Indication, Invalid, Level, Valid, Verdict
from tests.comgov.signing.world import FINANCES, NOW, SANTE, World, make_world, openssl

if TYPE_CHECKING:
    from pathlib import Path

    from comgov.signing.certificates import PublicKey

CONTENT = b'{"objet": "essai"}'


def indications(verdict: Verdict) -> set[Indication]:
    assert isinstance(verdict, Invalid | Indeterminate)
    return {reason.indication for reason in verdict.reasons}


def sentences(verdict: Verdict) -> str:
    assert isinstance(verdict, Invalid | Indeterminate)
    return " ".join(map(str, verdict.reasons))


@pytest.mark.parametrize("commitment", list(Commitment))
def test_a_signature_is_valid_and_says_who_when_and_what(world: World, commitment: Commitment) -> None:
    verdict = cades.verify(world.sign(CONTENT, commitment=commitment), CONTENT, world.root_only, name="s")
    assert isinstance(verdict, Valid)
    [signature] = verdict.report.signatures
    assert (signature.name, signature.institution, signature.institution_code) == ("s", SANTE.name, "sante")
    assert signature.signer == "Ministère de la Santé - cachet"
    assert (signature.commitment, signature.level) == (commitment, Level.B_LT)
    assert signature.claimed == signature.proven == NOW


@pytest.mark.parametrize("level", [Level.B_B, Level.B_T, Level.B_LT])
def test_openssl_accepts_it_with_the_lists_of_all_authorities(world: World, tmp_path: Path, level: Level) -> None:
    """The line of exchange.md: lists in the CAfile, or in the signature itself at B-LT."""
    signature = {
        Level.B_B: lambda: cades.sign(world.seal, CONTENT, Commitment.ORIGIN, at=NOW),
        Level.B_T: lambda: world.sign(CONTENT, crls=()),
        Level.B_LT: lambda: world.sign(CONTENT),
    }[level]()
    pinned = world.root_only if level is Level.B_LT else world.trust
    assert openssl_verifies(tmp_path, signature, CONTENT, pinned)
    assert not openssl_verifies(tmp_path, signature, CONTENT + b" ", pinned)


def openssl_verifies(directory: Path, signature: bytes, content: bytes, pinned: Trust) -> bool:
    (directory / "signature.p7s").write_bytes(signature)
    (directory / "content").write_bytes(content)
    (directory / "root+crls.pem").write_bytes(pinned.pem())
    done = openssl(
        *("cms", "-verify", "-cades", "-binary", "-inform", "DER", "-in", directory / "signature.p7s"),
        *("-content", directory / "content", "-CAfile", directory / "root+crls.pem", "-crl_check_all"),
        *("-purpose", "any", "-attime", int(NOW.timestamp()), "-out", "/dev/null"),
    )
    return done.returncode == 0 and "CAdES Verification successful" in done.stderr


def test_openssl_accepts_its_time_stamp(world: World, tmp_path: Path) -> None:
    signature = world.sign(CONTENT)
    token = cades.time_stamp_token(signature)
    assert token is not None
    (tmp_path / "token.der").write_bytes(token)
    (tmp_path / "sigvalue.bin").write_bytes(cades.signature_value(signature))
    (tmp_path / "root.pem").write_bytes(world.root_only.pem())
    done = openssl(
        *("ts", "-verify", "-data", tmp_path / "sigvalue.bin", "-in", tmp_path / "token.der", "-token_in"),
        *("-CAfile", tmp_path / "root.pem", "-attime", int(NOW.timestamp())),
    )
    assert "Verification: OK" in done.stdout


def test_openssl_refuses_a_revoked_seal_as_we_do(world: World, tmp_path: Path) -> None:
    pinned = world.revoking(revoked(world, NOW), at=NOW)
    signature = world.sign(CONTENT, crls=())
    assert indications(cades.verify(signature, CONTENT, pinned)) == {Indication.REVOKED}
    assert not openssl_verifies(tmp_path, signature, CONTENT, pinned)


def revoked(world: World, at: object) -> Revoked:
    return Revoked(
        serial_number=world.seal.certificate.serial_number,
        at=at,  # type: ignore[arg-type]
        reason=RevocationReason.KEY_COMPROMISE,
    )


def test_other_bytes_are_invalid(world: World) -> None:
    verdict = cades.verify(world.sign(CONTENT), CONTENT + b" ", world.trust)
    assert indications(verdict) == {Indication.HASH_FAILURE}


@pytest.mark.filterwarnings("ignore:Parsed a serial number")  # of an altered certificate
@pytest.mark.parametrize("level", [Level.B_T, Level.B_LT])
def test_every_altered_byte_is_invalid(world: World, level: Level) -> None:
    signature = bytearray(world.sign(CONTENT, crls=None if level is Level.B_LT else ()))
    for place in range(len(signature)):
        bit = 1 << place % 8
        signature[place] ^= bit
        assert isinstance(cades.verify(bytes(signature), CONTENT, world.trust), Invalid), place
        signature[place] ^= bit
    assert isinstance(cades.verify(bytes(signature), CONTENT, world.trust), Valid)


def test_a_signature_by_another_key_than_the_certificates_is_invalid(world: World) -> None:
    """Whoever has the certificate, which is public, and a time-stamp, which anyone gets, still lacks the key."""
    forged = replace(world, seal=replace(world.seal, key=certificates.new_key(Purpose.SEAL)))
    assert indications(cades.verify(forged.sign(CONTENT), CONTENT, world.trust)) == {Indication.SIG_CRYPTO_FAILURE}


def test_a_time_stamp_by_another_key_than_its_authoritys_is_invalid(world: World) -> None:
    credential = replace(world.stamper.credential, key=certificates.new_key(Purpose.TIME_STAMP))
    forged = replace(world, stamper=tsp.Authority(credential=credential))
    verdict = cades.verify(forged.sign(CONTENT), CONTENT, world.trust)
    assert Indication.SIG_CRYPTO_FAILURE in indications(verdict)
    assert verdict.report.signatures[0].proven is None


def resigned(
    world: World, kind: x509.ObjectIdentifier, content: bytes | None, bound_to: x509.Certificate, credential: Credential
) -> bytes:
    """A message as ours are, signed truly, its attributes bound to that certificate."""
    digest = hashlib.sha256(CONTENT if content is None else content).digest()
    attributes = [
        cms.attribute(oids.CONTENT_TYPE, kind),
        cms.attribute(oids.MESSAGE_DIGEST, digest),
        cms.attribute(oids.SIGNING_TIME, cms.time(NOW)),
        cms.signing_certificate_v2(bound_to),
    ]
    if content is None:
        _, signer = cms.read(world.sign(CONTENT))
        commitment = cms.Attributes(signer.signed_attrs).der(oids.COMMITMENT_TYPE)
        assert commitment is not None
        attributes.append(cms.attribute_of(oids.COMMITMENT_TYPE, commitment))
    return asn1.encode_der(
        cms.sign(
            credential,
            content_type=kind,
            content=content,
            signed_attributes=attributes,
            certificates=credential.chain,
            crls=world.crls if content is None else (),
        )
    )


def test_a_signature_bound_to_another_certificate_is_invalid(world: World) -> None:
    """Another certificate of the same key could be put in the place of the one that was meant (RFC 5035 §5)."""
    again = like(world.seal.certificate, world.authority, world.seal.key.public_key())
    for bound_to, expected in ((world.seal.certificate, set()), (again, {Indication.SIG_CONSTRAINTS_FAILURE})):
        signature = resigned(world, oids.DATA, None, bound_to, world.seal)
        value = hashlib.sha256(cades.signature_value(signature)).digest()
        stamped = cades.with_time_stamp(signature, world.stamper.stamp(value, at=NOW, serial_number=1))
        verdict = cades.verify(stamped, CONTENT, world.trust)
        assert (indications(verdict) if expected else verdict.__class__) == (expected or Valid)


@pytest.mark.parametrize("spoilt", ["nothing", "binding", "content"])
def test_a_token_bound_to_another_certificate_or_over_other_content_is_invalid(world: World, spoilt: str) -> None:
    credential = world.stamper.credential
    token = world.stamper.stamp(bytes(32), at=NOW, serial_number=1)
    info = tsp.read(token).signed.encap_content_info.content
    assert info is not None
    again = like(credential.certificate, world.root, credential.key.public_key())
    bound_to = again if spoilt == "binding" else credential.certificate
    made = resigned(world, oids.TST_INFO, info, bound_to, credential)
    if spoilt == "content":
        signed, _ = cms.read(made)
        other = world.stamper.stamp(bytes(32), at=NOW, serial_number=2)
        signed.encap_content_info = cms.EncapsulatedContentInfo(
            content_type=oids.TST_INFO, content=tsp.read(other).signed.encap_content_info.content
        )
        made = asn1.encode_der(cms.ContentInfo(content_type=oids.SIGNED_DATA, content=signed))
    _, reasons = tsp.verify(made, bytes(32), world.trust)
    found = {each.indication for each in reasons}
    assert found == (set() if spoilt == "nothing" else {Indication.SIG_CRYPTO_FAILURE})


@pytest.mark.parametrize("signed", [True, False])
def test_an_attribute_unknown_here_is_refused(world: World, *, signed: bool) -> None:
    """What is not understood could change what the signature means, or hide what anyone may add."""
    unknown = cms.attribute(x509.ObjectIdentifier("1.2.3.4"), b"")
    message, signer = cms.read(world.sign(CONTENT))
    if signed:
        signer.signed_attrs = asn1.SetOf([*signer.signed_attrs.as_list(), unknown])
        signer.signature = world.seal.key.sign(asn1.encode_der(signer.signed_attrs), cms.ECDSA_SHA256)
    value = hashlib.sha256(signer.signature).digest()
    stamp = cms.attribute_of(oids.SIGNATURE_TIME_STAMP, world.stamper.stamp(value, at=NOW, serial_number=1))
    signer.unsigned_attrs = asn1.SetOf([stamp] if signed else [stamp, unknown])
    message.signer_infos = asn1.SetOf([signer])
    raw = asn1.encode_der(cms.ContentInfo(content_type=oids.SIGNED_DATA, content=message))
    verdict = cades.verify(raw, CONTENT, world.trust)
    assert indications(verdict) == {Indication.FORMAT_FAILURE}
    assert "does not have the attributes of a CAdES baseline signature" in sentences(verdict)


def test_an_attribute_that_stands_twice_is_refused(world: World) -> None:
    """Two readers could each take another one for the truth."""
    message, signer = cms.read(world.sign(CONTENT))
    other = cms.attribute(oids.MESSAGE_DIGEST, hashlib.sha256(b"other").digest())
    signer.signed_attrs = asn1.SetOf([*signer.signed_attrs.as_list(), other])
    signer.signature = world.seal.key.sign(asn1.encode_der(signer.signed_attrs), cms.ECDSA_SHA256)
    signer.unsigned_attrs = None
    message.signer_infos = asn1.SetOf([signer])
    raw = asn1.encode_der(cms.ContentInfo(content_type=oids.SIGNED_DATA, content=message))
    for content in (CONTENT, b"other"):
        verdict = cades.verify(raw, content, world.trust, at=NOW)
        assert "has an attribute twice" in sentences(verdict)


def test_certificates_in_another_order_are_not_in_their_one_form(world: World) -> None:
    """Outside what is signed, hence free to be changed, were it not for DER."""
    raw = world.sign(CONTENT)
    first, second = sorted((each.public_bytes(Encoding.DER) for each in world.seal.chain), key=raw.index)
    assert first + second in raw
    verdict = cades.verify(raw.replace(first + second, second + first), CONTENT, world.trust)
    assert indications(verdict) == {Indication.FORMAT_FAILURE}


def test_a_signature_under_another_root_is_invalid(world: World, stranger: World) -> None:
    verdict = cades.verify(stranger.sign(CONTENT), CONTENT, world.trust)
    assert Indication.NO_CERTIFICATE_CHAIN_FOUND in indications(verdict)


def test_without_time_stamp_nothing_proves_the_time(world: World) -> None:
    signature = cades.sign(world.seal, CONTENT, Commitment.ORIGIN, at=NOW)
    assert indications(cades.verify(signature, CONTENT, world.trust)) == {Indication.NO_POE}
    verdict = cades.verify(signature, CONTENT, world.trust, at=NOW)
    assert isinstance(verdict, Valid)
    assert verdict.report.signatures[0].level is Level.B_B


def test_without_revocation_lists_it_is_indeterminate(world: World) -> None:
    verdict = cades.verify(world.sign(CONTENT, crls=()), CONTENT, world.root_only)
    assert isinstance(verdict, Indeterminate)
    assert indications(verdict) == {Indication.TRY_LATER}
    assert "No revocation list of COMGOV - autorité racine is known" in sentences(verdict)


def test_a_revocation_list_that_ran_out_is_indeterminate(world: World) -> None:
    late = NOW + certificates.CRL_LIFETIME
    assert isinstance(cades.verify(world.sign(CONTENT, at=late), CONTENT, world.trust), Indeterminate)


def test_a_seal_revoked_afterwards_stays_valid_for_what_it_sealed_before(world: World) -> None:
    pinned = world.revoking(revoked(world, NOW + timedelta(seconds=1)), at=NOW + timedelta(days=30))
    assert isinstance(cades.verify(world.sign(CONTENT), CONTENT, pinned), Valid)


def test_a_later_list_overrules_the_one_that_a_signature_carries(world: World) -> None:
    pinned = world.revoking(revoked(world, NOW - timedelta(hours=1)), at=NOW + timedelta(days=1))
    assert indications(cades.verify(world.sign(CONTENT), CONTENT, pinned)) == {Indication.REVOKED}


@pytest.mark.parametrize("who", ["authority", "stamper"])
def test_a_revoked_authority_is_invalid(world: World, who: str) -> None:
    credential = world.authority if who == "authority" else world.stamper.credential
    line = Revoked(serial_number=credential.certificate.serial_number, at=NOW)
    roots = certificates.revocation_list(world.root, [line], number=2, now=NOW)
    verdict = cades.verify(world.sign(CONTENT), CONTENT, Trust(root=world.root.certificate, crls=(roots,)))
    assert indications(verdict) == {Indication.REVOKED}


@pytest.mark.parametrize(
    ("why", "expected"), [(RevocationReason.SUPERSEDED, Valid), (RevocationReason.KEY_COMPROMISE, Indeterminate)]
)
def test_a_time_stamp_made_before_its_key_was_stolen_proves_nothing(
    world: World, why: RevocationReason, expected: type[Verdict]
) -> None:
    """Whoever has the key dates as they please; a certificate that was only replaced stays good for its past."""
    later = NOW + timedelta(days=1)
    line = Revoked(serial_number=world.stamper.credential.certificate.serial_number, at=later, reason=why)
    roots = certificates.revocation_list(world.root, [line], number=2, now=later)
    pinned = Trust(root=world.root.certificate, crls=(roots,))
    assert isinstance(cades.verify(world.sign(CONTENT), CONTENT, pinned), expected)


def test_an_expired_seal_is_invalid(world: World) -> None:
    then = NOW - certificates.SEAL_LIFETIME - timedelta(days=1)
    expired = world.with_seal(lambda issuer, key: certificates.seal(issuer, key, SANTE, now=then))
    verdict = cades.verify(expired.sign(CONTENT), CONTENT, world.trust)
    assert indications(verdict) == {Indication.EXPIRED}
    assert "cachet expired on 2026-11-21 10:00:00 UTC" in sentences(verdict)


def test_a_seal_under_an_expired_authority_is_invalid(world: World) -> None:
    then = NOW - certificates.INSTITUTION_LIFETIME - timedelta(days=1)
    key = certificates.new_key(Purpose.INSTITUTION)
    certificate = certificates.institution_authority(world.root, key.public_key(), SANTE, now=then)
    authority = Credential(key=key, certificate=certificate)
    crls = (world.crls[0], certificates.revocation_list(authority, [], number=1, now=NOW - timedelta(hours=1)))
    old = replace(world, authority=authority, crls=crls)
    old = old.with_seal(lambda issuer, key: certificates.seal(issuer, key, SANTE, now=then))
    verdict = cades.verify(old.sign(CONTENT), CONTENT, world.trust)
    assert indications(verdict) == {Indication.EXPIRED}
    assert "autorité expired" in sentences(verdict)


def test_a_seal_that_is_not_good_yet_is_invalid(world: World) -> None:
    early = world.with_seal(lambda issuer, key: certificates.seal(issuer, key, SANTE, now=NOW + timedelta(days=1)))
    assert indications(cades.verify(early.sign(CONTENT), CONTENT, world.trust)) == {Indication.NOT_YET_VALID}


def test_a_certificate_for_something_else_is_invalid(world: World) -> None:
    for make in (
        lambda issuer, key: certificates.register(issuer, key, SANTE, now=NOW),
        lambda issuer, key: certificates.tls(issuer, key, ["sante.gov.test"], now=NOW),
    ):
        verdict = cades.verify(world.with_seal(make).sign(CONTENT), CONTENT, world.trust)
        assert Indication.CHAIN_CONSTRAINTS_FAILURE in indications(verdict)
        assert "may not be used for this (seal)" in sentences(verdict)


def test_a_seal_for_another_institution_is_invalid(world: World) -> None:
    usurped = world.with_seal(lambda issuer, key: certificates.seal(issuer, key, FINANCES, now=NOW))
    verdict = cades.verify(usurped.sign(CONTENT), CONTENT, world.trust)
    assert indications(verdict) == {Indication.CHAIN_CONSTRAINTS_FAILURE}
    assert "the name is outside its institution" in sentences(verdict)


def test_openssl_refuses_a_seal_for_another_institution_too(world: World, tmp_path: Path) -> None:
    usurped = world.with_seal(lambda issuer, key: certificates.seal(issuer, key, FINANCES, now=NOW))
    assert not openssl_verifies(tmp_path, usurped.sign(CONTENT), CONTENT, world.trust)


def like(good: x509.Certificate, issuer: Credential, key: PublicKey, *other: tuple[Any, bool]) -> x509.Certificate:
    """The same certificate for another key, its extensions of these kinds replaced or added."""
    replaced = {extension.oid for extension, _ in other}
    builder = x509.CertificateBuilder().subject_name(good.subject).issuer_name(issuer.certificate.subject)
    builder = builder.public_key(key).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(NOW).not_valid_after(NOW + timedelta(days=1))
    for extension in good.extensions:
        if extension.oid not in replaced:
            builder = builder.add_extension(extension.value, extension.critical)
    for value, critical in other:
        builder = builder.add_extension(value, critical)
    digest = hashes.SHA384() if issuer.key.curve.key_size > 256 else hashes.SHA256()
    return builder.sign(issuer.key, digest)


@pytest.mark.parametrize("critical", [False, True])
def test_a_seal_with_an_extension_unknown_here_is_invalid(world: World, *, critical: bool) -> None:
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\5\0")
    good = world.seal.certificate
    verdict = cades.verify(
        world.with_seal(lambda issuer, key: like(good, issuer, key, (unknown, critical))).sign(CONTENT),
        CONTENT,
        world.trust,
    )
    assert indications(verdict) == {Indication.CHAIN_CONSTRAINTS_FAILURE}


@pytest.mark.parametrize("usages", [[ExtendedKeyUsageOID.EMAIL_PROTECTION], [oids.DOCUMENT_SIGNING] * 2])
def test_a_seal_for_other_purposes_than_documents_is_invalid(world: World, usages: list[x509.ObjectIdentifier]) -> None:
    good, purposes = world.seal.certificate, x509.ExtendedKeyUsage(usages)
    other = world.with_seal(lambda issuer, key: like(good, issuer, key, (purposes, False)))
    verdict = cades.verify(other.sign(CONTENT), CONTENT, world.trust)
    assert indications(verdict) == {Indication.CHAIN_CONSTRAINTS_FAILURE}


def test_the_time_stamp_of_a_strangers_authority_is_invalid(world: World, stranger: World) -> None:
    """Its certificate bears the very names of ours, under a root of its own."""
    verdict = cades.verify(replace(world, stamper=stranger.stamper).sign(CONTENT), CONTENT, world.trust)
    assert indications(verdict) == {Indication.NO_CERTIFICATE_CHAIN_FOUND}


def test_a_revocation_list_with_a_critical_extension_counts_for_nothing(world: World) -> None:
    """A delta list, or one for some reasons only, does not say what it leaves out (RFC 5280 §5.2)."""
    scope = x509.IssuingDistributionPoint(
        full_name=None,
        relative_name=None,
        only_contains_user_certs=True,
        only_contains_ca_certs=False,
        only_some_reasons=None,
        indirect_crl=False,
        only_contains_attribute_certs=False,
    )
    builder = x509.CertificateRevocationListBuilder().issuer_name(world.authority.certificate.subject)
    builder = builder.last_update(NOW).next_update(NOW + timedelta(days=1)).add_extension(scope, critical=True)
    partial = builder.sign(world.authority.key, hashes.SHA256())
    pinned = Trust(root=world.root.certificate, crls=(world.crls[0], partial))
    verdict = cades.verify(world.sign(CONTENT, crls=()), CONTENT, pinned)
    assert indications(verdict) == {Indication.TRY_LATER}


@pytest.mark.parametrize(("ca", "path_length"), [(True, None), (True, 1), (False, None)])
def test_an_authority_that_could_have_others_below_it_is_invalid(
    world: World, *, ca: bool, path_length: int | None
) -> None:
    key = certificates.new_key(Purpose.INSTITUTION)
    constraints = x509.BasicConstraints(ca=ca, path_length=path_length)
    certificate = like(world.authority.certificate, world.root, key.public_key(), (constraints, True))
    authority = Credential(key=key, certificate=certificate)
    crls = (world.crls[0], certificates.revocation_list(authority, [], number=1, now=NOW))
    other = replace(world, authority=authority, crls=crls)
    other = other.with_seal(lambda issuer, key: certificates.seal(issuer, key, SANTE, now=NOW))
    verdict = cades.verify(other.sign(CONTENT), CONTENT, world.trust)
    assert indications(verdict) == {Indication.CHAIN_CONSTRAINTS_FAILURE}


def test_the_time_stamp_of_the_signers_own_institution_is_invalid(world: World) -> None:
    """It could date back what it signs; the authority of another institution, or of the platform, is good."""
    for subject, expected in ((SANTE, {Indication.SIG_CONSTRAINTS_FAILURE}), (FINANCES, set())):
        key = certificates.new_key(Purpose.TIME_STAMP)
        certificate = certificates.time_stamp(world.root, key.public_key(), subject, now=NOW)
        stamper = tsp.Authority(credential=Credential(key=key, certificate=certificate))
        verdict = cades.verify(replace(world, stamper=stamper).sign(CONTENT), CONTENT, world.trust)
        assert (indications(verdict) if expected else verdict.__class__) == (expected or Valid)


def test_a_seal_directly_under_the_root_is_invalid(world: World) -> None:
    key = certificates.new_key(Purpose.SEAL)
    certificate = certificates.seal(world.root, key.public_key(), SANTE, now=NOW)
    direct = Credential(key=key, certificate=certificate, authorities=(world.root.certificate,))
    signature = cades.sign_and_stamp(
        direct, world.stamper, CONTENT, Commitment.ORIGIN, at=NOW, serial_number=1, crls=world.crls
    )
    assert isinstance(cades.verify(signature, CONTENT, world.trust), Invalid)


@pytest.mark.parametrize(
    ("usages", "critical"),
    [
        ([ExtendedKeyUsageOID.TIME_STAMPING], False),
        ([ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.SERVER_AUTH], True),
        ([ExtendedKeyUsageOID.SERVER_AUTH], True),
        ([oids.DOCUMENT_SIGNING], True),
    ],
)
def test_a_time_stamp_by_a_certificate_for_something_else_is_invalid(
    world: World, usages: list[x509.ObjectIdentifier], critical: bool
) -> None:
    key = certificates.new_key(Purpose.TIME_STAMP)
    good = world.stamper.credential.certificate
    builder = (
        x509.CertificateBuilder()
        .subject_name(good.subject)
        .issuer_name(good.issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(good.extensions.get_extension_for_class(x509.KeyUsage).value, critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=critical)
    )
    certificate = builder.sign(world.root.key, hashes.SHA384())
    stamper = tsp.Authority(credential=Credential(key=key, certificate=certificate))
    signature = cades.sign_and_stamp(
        world.seal, stamper, CONTENT, Commitment.ORIGIN, at=NOW, serial_number=1, crls=world.crls
    )
    verdict = cades.verify(signature, CONTENT, world.trust)
    assert indications(verdict) == {Indication.CHAIN_CONSTRAINTS_FAILURE}
    assert "(time-stamp)" in sentences(verdict)


def test_the_time_stamp_of_another_signature_is_invalid(world: World) -> None:
    token = cades.time_stamp_token(world.sign(b"other"))
    assert token is not None
    moved = cades.with_time_stamp(world.sign(CONTENT), token)
    assert Indication.HASH_FAILURE in indications(cades.verify(moved, CONTENT, world.trust))


def test_a_revocation_list_of_a_stranger_is_invalid(world: World, stranger: World) -> None:
    verdict = cades.verify(world.sign(CONTENT, crls=stranger.crls), CONTENT, world.trust)
    assert indications(verdict) == {Indication.CHAIN_CONSTRAINTS_FAILURE}


def test_a_revocation_list_of_a_stranger_among_the_pinned_ones_counts_for_nothing(
    world: World, stranger: World
) -> None:
    pinned = Trust(root=world.root.certificate, crls=stranger.crls)
    assert isinstance(cades.verify(world.sign(CONTENT, crls=()), CONTENT, pinned), Indeterminate)


def test_two_signers_in_one_signature_are_refused(world: World) -> None:
    signed, signer = cms.read(world.sign(CONTENT))
    signed.signer_infos = asn1.SetOf([signer, cms.read(world.sign(CONTENT))[1]])
    raw = asn1.encode_der(cms.ContentInfo(content_type=oids.SIGNED_DATA, content=signed))
    assert "has one signer; this one has 2" in sentences(cades.verify(raw, CONTENT, world.trust))


@pytest.fixture(scope="session")
def good(world: World) -> bytes:
    """A signature over CONTENT, the same for a whole run: each has a length of its own."""
    return world.sign(CONTENT)


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")  # odd serial numbers
@settings(deadline=None)
@given(data=st.data())
def test_a_signature_cut_and_pasted_at_random_is_invalid(world: World, good: bytes, data: st.DataObject) -> None:
    """Pieces of it left out, repeated, moved or replaced: never valid, and never an error of ours."""
    places = st.integers(0, len(good))
    start, end = sorted((data.draw(places), data.draw(places)))
    source, stop = sorted((data.draw(places), data.draw(places)))
    middle = data.draw(st.one_of(st.binary(max_size=40), st.just(good[source:stop])))
    altered = good[:start] + middle + good[end:]
    verdict = cades.verify(altered, CONTENT, world.trust)
    assert isinstance(verdict, Valid if altered == good else Invalid)


@pytest.mark.parametrize("raw", [b"", b"\x30\x00", b"\x30\x80", b"junk", b"\x30\x84\xff\xff\xff\xff" + bytes(64)])
def test_what_is_no_signature_is_invalid(world: World, raw: bytes) -> None:
    assert indications(cades.verify(raw, CONTENT, world.trust)) == {Indication.FORMAT_FAILURE}


def test_pyhanko_finds_it_intact_and_valid(world: World) -> None:
    """A second reader of the same bytes, which shares no code with ours."""
    from asn1crypto import cms as asn1crypto_cms
    from asn1crypto import x509 as asn1crypto_x509
    from pyhanko.sign.validation import async_validate_detached_cms
    from pyhanko_certvalidator import ValidationContext

    def der(certificate: x509.Certificate) -> asn1crypto_x509.Certificate:
        return asn1crypto_x509.Certificate.load(certificate.public_bytes(Encoding.DER))

    import asyncio

    signature = asn1crypto_cms.ContentInfo.load(world.sign(CONTENT))["content"]
    context = ValidationContext(trust_roots=[der(world.root.certificate)], moment=NOW, allow_fetching=False)
    status = asyncio.run(
        async_validate_detached_cms(
            CONTENT, signature, signer_validation_context=context, ts_validation_context=context
        )
    )
    assert status.intact and status.valid and status.trusted
    assert status.timestamp_validity is not None
    assert status.timestamp_validity.intact and status.timestamp_validity.valid


def test_worlds_differ() -> None:
    """The fixture `stranger` has the names of `world` and other keys, or the tests above prove nothing."""
    first, second = make_world(), make_world()
    assert first.root.certificate.subject == second.root.certificate.subject
    assert first.root.certificate != second.root.certificate
