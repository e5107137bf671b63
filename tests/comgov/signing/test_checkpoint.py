"""A checkpoint binds its register, a cosignature its witness; a stranger's text is answered with a reason."""

from __future__ import annotations

import subprocess
from base64 import b64encode
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from comgov.signing.checkpoint import (
    Checkpoint,
    CheckpointError,
    SignedCheckpoint,
    cosign,
    cosignatures,
    parse,
    sign,
    verify,
)

KEY = ec.generate_private_key(ec.SECP256R1())
WITNESS_KEY = ec.generate_private_key(ec.SECP256R1())
WITNESSES = [("sgg.gov.test/register", WITNESS_KEY.public_key())]
CHECKPOINT = Checkpoint("sante.gov.test/register", 1042, bytes(range(32)))
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def signed_and_cosigned() -> SignedCheckpoint:
    own = sign(CHECKPOINT, KEY)
    return SignedCheckpoint(CHECKPOINT, (own, cosign(CHECKPOINT, "sgg.gov.test/register", WITNESS_KEY, NOON)))


def test_a_signed_checkpoint_comes_back_from_its_note() -> None:
    signed = signed_and_cosigned()
    found = parse(signed.note.encode())
    assert found == signed
    verify(found, KEY.public_key())
    assert cosignatures(found, WITNESSES) == {"sgg.gov.test/register": NOON}


def test_the_text_is_three_lines() -> None:
    assert CHECKPOINT.text == "sante.gov.test/register\n1042\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"


def test_another_key_did_not_sign_it() -> None:
    with pytest.raises(CheckpointError, match="has not signed"):
        verify(signed_and_cosigned(), WITNESS_KEY.public_key())


def test_a_signature_does_not_carry_over_to_another_size() -> None:
    other = Checkpoint(CHECKPOINT.origin, 1043, CHECKPOINT.root)
    moved = SignedCheckpoint(other, signed_and_cosigned().signatures)
    with pytest.raises(CheckpointError, match="does not hold"):
        verify(moved, KEY.public_key())
    with pytest.raises(CheckpointError, match="does not hold"):
        cosignatures(moved, WITNESSES)


def test_a_cosignature_is_not_taken_for_the_registers_own() -> None:
    cosigned = cosign(CHECKPOINT, CHECKPOINT.origin, KEY, NOON)
    with pytest.raises(CheckpointError, match="has not signed"):
        verify(SignedCheckpoint(CHECKPOINT, (cosigned,)), KEY.public_key())


def test_lines_of_unknown_keys_are_passed_over() -> None:
    assert cosignatures(signed_and_cosigned(), []) == {}


def test_openssl_verifies_the_registers_own_line(tmp_path: Path) -> None:
    (tmp_path / "text").write_text(CHECKPOINT.text)
    (tmp_path / "s.der").write_bytes(sign(CHECKPOINT, KEY).signature)
    (tmp_path / "key.pem").write_bytes(KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    command = ["openssl", "dgst", "-sha256", "-verify", "key.pem", "-signature", "s.der", "text"]
    assert subprocess.run(command, cwd=tmp_path, check=True, capture_output=True).stdout == b"Verified OK\n"


NOTE = signed_and_cosigned().note


@pytest.mark.parametrize(
    "note",
    [
        b"",
        b"\xff\xfe",
        b"\n\n",
        NOTE.encode()[:-1],
        NOTE.replace("1042", "01042").encode(),
        NOTE.replace("1042", "-1").encode(),
        NOTE.replace("1042", "9" * 19).encode(),
        NOTE.replace("1042", "١").encode(),
        NOTE.replace("1042\n", "1042\n\n").encode(),
        NOTE.replace("1042\n", "1042\nextension\n").encode(),
        NOTE.replace("sante.gov.test/register", "cosignature/v1").encode(),
        NOTE.replace("sante.gov.test/register", "santé publique").encode(),
        NOTE.replace("AAECAw", "AAEC\x00w").encode(),
        NOTE.replace("AAECAw", "AAEC").encode(),
        NOTE.replace("— ", "- ").encode(),
        CHECKPOINT.text.encode() + b"\n" + "— name AAAA\n".encode(),
        NOTE.encode() + b"x" * 20_000,
    ],
)
def test_what_is_no_checkpoint_is_refused_with_a_reason(note: bytes) -> None:
    with pytest.raises(CheckpointError):
        parse(note)


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_any_bytes_are_parsed_or_refused(note: bytes) -> None:
    try:
        parse(note)
    except CheckpointError:
        return
    assert b"\n\n" in note


def test_a_cosignature_too_short_to_hold_a_time_does_not_hold() -> None:
    line = cosign(CHECKPOINT, "sgg.gov.test/register", WITNESS_KEY, NOON)
    short = b64encode(line.key_id + b"\x00").decode()
    note = f"{CHECKPOINT.text}\n— {line.name} {short}\n".encode()
    with pytest.raises(CheckpointError, match="does not hold"):
        cosignatures(parse(note), WITNESSES)
