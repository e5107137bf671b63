"""Signatures: CAdES made and verified here, beside pyHanko and the bare key, on one core."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from asn1crypto import cms as asn1_cms
from asn1crypto import keys, pem
from asn1crypto import x509 as asn1_x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pyhanko.sign import SimpleSigner
from pyhanko.sign.ades.api import CAdESSignedAttrSpec
from pyhanko.sign.signers.pdf_cms import PdfCMSSignedAttributes
from pyhanko.sign.validation import async_validate_detached_cms
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.registry import SimpleCertificateStore

from comgov.signing import cades
from comgov.signing.cms import ECDSA_SHA256
from comgov.signing.verdict import Commitment, Valid
from tests.benchmarks.harness import Contest, Round
from tests.comgov.signing.world import World, make_world

CONTENT = b'{"objet": "essai"}' * 50
SECONDS = 0.5


@asynccontextmanager
async def contests(_folder: Path) -> AsyncIterator[Sequence[Contest]]:
    now = datetime.now(UTC)
    world = make_world(now=now)
    signature = world.sign(CONTENT, at=now)

    def verify() -> None:
        assert isinstance(cades.verify(signature, CONTENT, world.root_only), Valid)

    yield [
        Contest(
            name="CAdES B-B signed",
            unit="/s",
            contestants={
                "comgov": _rate(lambda: cades.sign(world.seal, CONTENT, Commitment.ORIGIN, at=now)),
                "pyHanko": _pyhanko_signs(world),
                "the key alone": _rate(lambda: world.seal.key.sign(CONTENT, ECDSA_SHA256)),
            },
        ),
        Contest(
            name="CAdES B-LT signed and time-stamped",
            unit="/s",
            contestants={"comgov": _rate(lambda: world.sign(CONTENT, at=now))},
        ),
        Contest(
            name="CAdES B-LT verified",
            unit="/s",
            contestants={"comgov": _rate(verify), "pyHanko, without revocation": _pyhanko_verifies(world, signature)},
        ),
    ]


def _rate(work: Callable[[], object]) -> Round:
    """How often a second."""

    async def once() -> float:
        count, started = 0, time.perf_counter()
        while (took := time.perf_counter() - started) < SECONDS:
            work()
            count += 1
        return count / took

    return once


def _certificate(der: bytes) -> asn1_x509.Certificate:
    return asn1_x509.Certificate.load(der)


def _pyhanko_signs(world: World) -> Round:
    key = world.seal.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    chain = [_certificate(each.public_bytes(Encoding.DER)) for each in world.seal.chain]
    signer = SimpleSigner(
        signing_cert=chain[0],
        signing_key=keys.PrivateKeyInfo.load(pem.unarmor(key)[2]),
        cert_registry=SimpleCertificateStore.from_certs(chain),
    )

    async def once() -> float:
        count, started = 0, time.perf_counter()
        while (took := time.perf_counter() - started) < SECONDS:
            await signer.async_sign_general_data(
                CONTENT,
                "sha256",
                use_cades=True,
                signed_attr_settings=PdfCMSSignedAttributes(
                    signing_time=datetime.now(UTC), cades_signed_attrs=CAdESSignedAttrSpec()
                ),
            )
            count += 1
        return count / took

    return once


def _pyhanko_verifies(world: World, signature: bytes) -> Round:
    root = _certificate(world.root.certificate.public_bytes(Encoding.DER))

    async def once() -> float:
        count, started = 0, time.perf_counter()
        while (took := time.perf_counter() - started) < SECONDS:
            context = ValidationContext(trust_roots=[root], allow_fetching=False)
            status = await async_validate_detached_cms(
                CONTENT,
                asn1_cms.ContentInfo.load(signature)["content"],
                signer_validation_context=context,
                ts_validation_context=context,
            )
            assert status.valid
            count += 1
        return count / took

    return once
