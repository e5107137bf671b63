"""The time-stamp authority, asked by openssl and by strangers."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat import asn1
from cryptography.x509 import ObjectIdentifier
from hypothesis import given
from hypothesis import strategies as st

from comgov.signing import cms, oids, tsp
from comgov.signing.verdict import Indication
from tests.comgov.signing.world import NOW, World, openssl

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("digest", ["sha256", "sha384", "sha512"])
def test_openssl_asks_and_verifies(world: World, tmp_path: Path, digest: str) -> None:
    (tmp_path / "data").write_bytes(b"hello")
    (tmp_path / "root.pem").write_bytes(world.root_only.pem())
    openssl("ts", "-query", "-data", tmp_path / "data", f"-{digest}", "-cert", "-out", tmp_path / "query")
    reply = world.stamper.answer((tmp_path / "query").read_bytes(), at=NOW, serial_number=7)
    (tmp_path / "reply").write_bytes(reply)
    at = int(NOW.timestamp())
    verify = ("ts", "-verify", "-in", tmp_path / "reply", "-CAfile", tmp_path / "root.pem", "-attime", at)
    assert "Verification: OK" in openssl(*verify, "-queryfile", tmp_path / "query").stdout
    assert "Verification: OK" in openssl(*verify, "-data", tmp_path / "data").stdout
    shown = openssl("ts", "-reply", "-in", tmp_path / "reply", "-text").stdout
    assert "Status: Granted" in shown
    assert "Serial number: 0x07" in shown
    assert "Time stamp: Nov 22 10:00:00 2026 GMT" in shown
    assert "Accuracy: 0x01 seconds" in shown


def test_without_being_asked_the_certificate_is_left_out(world: World) -> None:
    request = make_request(cert_req=False)
    reply = world.stamper.answer(request, at=NOW, serial_number=1)
    assert len(reply) < len(world.stamper.answer(make_request(cert_req=True), at=NOW, serial_number=1)) - 400


def make_request(
    *,
    version: int = 1,
    algorithm: ObjectIdentifier = oids.SHA256,
    digest: bytes = bytes(32),
    policy: ObjectIdentifier | None = None,
    cert_req: bool = True,
) -> bytes:
    imprint = tsp.MessageImprint(
        hash_algorithm=cms.AlgorithmIdentifier(algorithm=algorithm, parameters=asn1.Null()), hashed_message=digest
    )
    return asn1.encode_der(
        tsp.Request(version=version, message_imprint=imprint, req_policy=policy, nonce=2**63, cert_req=cert_req)
    )


@pytest.mark.parametrize(
    ("query", "failure"),
    [
        (b"", "the data submitted has the wrong format"),
        (b"junk", "the data submitted has the wrong format"),
        (bytes(9000), "transaction not permitted or supported"),
        (make_request(version=2), "transaction not permitted or supported"),
        (make_request(algorithm=ObjectIdentifier("1.3.14.3.2.26")), "unrecognized or unsupported algorithm identifier"),
        (make_request(digest=bytes(31)), "the data submitted has the wrong format"),
        (make_request(policy=ObjectIdentifier("1.2.3")), "the requested TSA policy is not supported by the TSA"),
    ],
)
def test_a_request_that_gets_no_token_gets_the_reason(world: World, tmp_path: Path, query: bytes, failure: str) -> None:
    (tmp_path / "reply").write_bytes(world.stamper.answer(query, at=NOW, serial_number=1))
    shown = openssl("ts", "-reply", "-in", tmp_path / "reply", "-text").stdout
    assert "Status: Rejected" in shown
    assert f"Failure info: {failure}" in shown


@given(query=st.binary(max_size=200))
def test_whatever_is_asked_is_answered(world: World, query: bytes) -> None:
    assert world.stamper.answer(query, at=NOW, serial_number=1)


def test_a_token_proves_its_time_for_its_digest_alone(world: World) -> None:
    digest = hashlib.sha256(b"hello").digest()
    token = world.stamper.stamp(digest, at=NOW, serial_number=1)
    assert tsp.verify(token, digest, world.trust) == (NOW, [])
    moment, reasons = tsp.verify(token, bytes(32), world.trust)
    assert moment is None
    assert [reason.indication for reason in reasons] == [Indication.HASH_FAILURE]


def test_a_token_made_after_its_authority_expired_is_refused(world: World) -> None:
    late = NOW + timedelta(days=8 * 366)
    _, reasons = tsp.verify(world.stamper.stamp(bytes(32), at=late, serial_number=1), bytes(32), world.trust)
    assert Indication.EXPIRED in {reason.indication for reason in reasons}


def test_a_token_from_the_future_is_refused_by_the_clock_of_who_verifies(world: World) -> None:
    token = world.stamper.stamp(bytes(32), at=NOW, serial_number=1)
    assert tsp.verify(token, bytes(32), world.trust.as_of(NOW - tsp.CLOCKS_DIFFER)) == (NOW, [])
    too_early = world.trust.as_of(NOW - tsp.CLOCKS_DIFFER - timedelta(seconds=1))
    _, reasons = tsp.verify(token, bytes(32), too_early)
    assert [reason.indication for reason in reasons] == [Indication.TIMESTAMP_ORDER_FAILURE]


def test_a_digest_of_another_size_cannot_be_stamped(world: World) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        world.stamper.stamp(b"short", at=NOW, serial_number=1)
