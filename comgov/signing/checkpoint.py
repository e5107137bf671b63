"""Checkpoints: what an institution signs to commit itself to its whole register, and what others cosign. Pure.

The text is C2SP `tlog-checkpoint` in a C2SP `signed-note`, with two kinds of signature line, both ECDSA P-256 with
SHA-256 (see README.md for why not Ed25519):

    sante.gov.test/register                                     origin
    1042                                                        size, entries so far
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=                root

    — sante.gov.test/register <key id ‖ DER signature>          the register's own, signed-note type 0x02
    — sgg.gov.test/register <key id ‖ time ‖ DER signature>     a witness's, over "cosignature/v1\\ntime …\\n" + text

The register's own line can be checked with `openssl dgst -sha256 -verify key.pem -signature s.der text`, its key id
being the first four bytes of SHA-256 over the SubjectPublicKeyInfo. C2SP defines cosignatures for Ed25519 and ML-DSA
only, so a witness's key id takes the escape that signed-note sets aside:
SHA-256(name ‖ "\\n" ‖ 0xff ‖ "comgov ecdsa-p256 cosignature/v1" ‖ "\\n" ‖ SubjectPublicKeyInfo)[:4].
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from comgov.signing.merkle import HASH_BYTES

MAX_NOTE_BYTES = 16 * 1024
"""The most that a stranger's note may hold: sixteen signature lines and room to spare."""

_MAX_SIZE = 1 << 62
_NAME = re.compile(r"[^\s+\x00-\x1f]{1,200}", re.ASCII)
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")
_LINE = re.compile("— ([^ ]+) ([A-Za-z0-9+/=]+)")
_ECDSA = ec.ECDSA(hashes.SHA256())
_COSIGNATURE_HEADER = "cosignature/v1"
_COSIGNATURE_TYPE = b"\xffcomgov ecdsa-p256 cosignature/v1\n"


class CheckpointError(ValueError):
    """The text is no checkpoint, or a signature in it does not hold; the message says why."""


@dataclass(frozen=True)
class Checkpoint:
    """What is signed. origin: the register's name. size: entries, 0 or more. root: 32 bytes."""

    origin: str
    size: int
    root: bytes

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.origin) or self.origin == _COSIGNATURE_HEADER:
            raise CheckpointError(f"{self.origin!r} cannot name a register")
        if not 0 <= self.size < _MAX_SIZE or len(self.root) != HASH_BYTES:
            raise CheckpointError("a checkpoint has a size and a root of 32 bytes")

    @property
    def text(self) -> str:
        """The three lines, each ended by a newline."""
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"


@dataclass(frozen=True)
class SignatureLine:
    """One line under a note. key_id: 4 bytes, a hint. signature: what follows it."""

    name: str
    key_id: bytes
    signature: bytes

    def __str__(self) -> str:
        return f"— {self.name} {b64encode(self.key_id + self.signature).decode()}\n"


@dataclass(frozen=True)
class SignedCheckpoint:
    """A checkpoint and the lines that vouch for it, the register's own first."""

    checkpoint: Checkpoint
    signatures: tuple[SignatureLine, ...]

    @property
    def note(self) -> str:
        """The whole note."""
        return f"{self.checkpoint.text}\n{''.join(map(str, self.signatures))}"

    @property
    def digest(self) -> bytes:
        """SHA-256 of the whole note: what a time-stamp is over."""
        return sha256(self.note.encode()).digest()


def sign(checkpoint: Checkpoint, key: ec.EllipticCurvePrivateKey) -> SignatureLine:
    """The register's own signature line."""
    signature = key.sign(checkpoint.text.encode(), _ECDSA)
    return SignatureLine(checkpoint.origin, _key_id(key.public_key()), signature)


def cosign(checkpoint: Checkpoint, name: str, key: ec.EllipticCurvePrivateKey, at: datetime) -> SignatureLine:
    """A witness's line: at that instant, this was the largest consistent tree it had seen of this register.

    name: the witness's own origin. at: aware; kept to the second. Consistency is the caller's to check before.
    """
    seconds = int(at.timestamp())
    signature = key.sign(_cosigned(checkpoint, seconds), _ECDSA)
    key_id = _cosigner_key_id(name, key.public_key())
    return SignatureLine(name, key_id, seconds.to_bytes(8, "big") + signature)


def parse(note: bytes) -> SignedCheckpoint:
    """The checkpoint in a stranger's note; nothing is verified yet. CheckpointError says what is wrong."""
    if len(note) > MAX_NOTE_BYTES:
        raise CheckpointError(f"a checkpoint holds at most {MAX_NOTE_BYTES} bytes")
    try:
        text = note.decode()
    except UnicodeDecodeError as error:
        raise CheckpointError("a checkpoint is UTF-8 text") from error
    body, separator, signatures = text.rpartition("\n\n")
    lines = body.split("\n")
    if not separator or len(lines) != 3 or not signatures.endswith("\n"):
        raise CheckpointError("a checkpoint is three lines, an empty line and signature lines")
    if not _SIZE.fullmatch(lines[1]):
        raise CheckpointError("the size is a decimal number without leading zeroes")
    checkpoint = Checkpoint(lines[0], int(lines[1]), _base64(lines[2]))
    return SignedCheckpoint(checkpoint, tuple(_signature_line(line) for line in signatures[:-1].split("\n")))


def verify(signed: SignedCheckpoint, *keys: ec.EllipticCurvePublicKey) -> ec.EllipticCurvePublicKey:
    """Which of these keys, its present one and former ones, the register signed it with; else CheckpointError."""
    checkpoint = signed.checkpoint
    for key in keys:
        for line in _lines(signed, checkpoint.origin, _key_id(key)):
            if _holds(key, line.signature, checkpoint.text.encode()):
                return key
            raise CheckpointError(f"the signature of {checkpoint.origin} does not hold")
    raise CheckpointError(f"{checkpoint.origin} has not signed this checkpoint")


def cosignatures(
    signed: SignedCheckpoint, witnesses: Iterable[tuple[str, ec.EllipticCurvePublicKey]]
) -> dict[str, datetime]:
    """Which of these witnesses vouch for it, and since when (UTC); lines of unknown keys are passed over.

    witnesses: origins with a public key of theirs, present or former.
    Raises CheckpointError if a line of a known key does not hold.
    """
    found = {}
    for name, key in witnesses:
        for line in _lines(signed, name, _cosigner_key_id(name, key)):
            found[name] = _cosigned_at(signed.checkpoint, line, key)
    return found


def _cosigned_at(checkpoint: Checkpoint, line: SignatureLine, key: ec.EllipticCurvePublicKey) -> datetime:
    seconds = int.from_bytes(line.signature[:8], "big")
    if not _holds(key, line.signature[8:], _cosigned(checkpoint, seconds)):
        raise CheckpointError(f"the cosignature of {line.name} does not hold")
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError) as error:
        raise CheckpointError(f"the cosignature of {line.name} bears no possible time") from error


def _cosigned(checkpoint: Checkpoint, seconds: int) -> bytes:
    return f"{_COSIGNATURE_HEADER}\ntime {seconds}\n{checkpoint.text}".encode()


def _lines(signed: SignedCheckpoint, name: str, key_id: bytes) -> list[SignatureLine]:
    return [line for line in signed.signatures if (line.name, line.key_id) == (name, key_id)]


def _holds(key: ec.EllipticCurvePublicKey, signature: bytes, message: bytes) -> bool:
    try:
        key.verify(signature, message, _ECDSA)
    except InvalidSignature:
        return False
    return True


def _signature_line(line: str) -> SignatureLine:
    match = _LINE.fullmatch(line)
    if match is None or not _NAME.fullmatch(match[1]):
        raise CheckpointError("a signature line is an em dash, a name and a base64 signature")
    signature = _base64(match[2])
    if len(signature) <= 4:
        raise CheckpointError("a signature line holds a key id and a signature")
    return SignatureLine(match[1], signature[:4], signature[4:])


def _base64(text: str) -> bytes:
    try:
        found = b64decode(text, validate=True)
    except (Base64Error, ValueError) as error:
        raise CheckpointError("a hash or signature is not base64") from error
    if b64encode(found).decode() != text:
        raise CheckpointError("a hash or signature is not in the one form of base64")
    return found


def _key_id(key: ec.EllipticCurvePublicKey) -> bytes:
    return sha256(_public_bytes(key)).digest()[:4]


def _cosigner_key_id(name: str, key: ec.EllipticCurvePublicKey) -> bytes:
    return sha256(name.encode() + b"\n" + _COSIGNATURE_TYPE + _public_bytes(key)).digest()[:4]


def _public_bytes(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
