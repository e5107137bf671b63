"""Private keys at rest: PKCS#8 under AES-256-GCM, by a key that scrypt derives from the passphrase once a process.

One derivation opens every key, so that a country's 9,000 keys cost what one does; encrypted PKCS#8 files would each pay
for their own.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from comgov.errors import Unavailable
from comgov.language import N_

COST = 1 << 15
"""scrypt's N, with r = 8 and p = 1: 32 MiB and some 80 ms (RFC 7914 §2)."""

_NONCE_BYTES = 12
_PROOF = b"comgov keyring"
_REMEMBERED_KEYS = 4096


@dataclass(frozen=True, kw_only=True)
class Lock:
    """What is kept of the passphrase: its salt (16 bytes), scrypt's cost, and a text that only it decrypts."""

    salt: bytes
    cost: int
    proof: bytes
    made_at: datetime


class WrongPassphrase(Unavailable):
    """The passphrase file is not the one that the keys were encrypted with."""


class Keyring:
    """Encrypts and decrypts private keys, once it is opened."""

    def __init__(self) -> None:
        self._cipher: AESGCM | None = None
        self._unwrap = lru_cache(maxsize=_REMEMBERED_KEYS)(self._decrypt)

    @property
    def is_open(self) -> bool:
        """Whether the passphrase was given."""
        return self._cipher is not None

    def open(self, passphrase: bytes, lock: Lock) -> None:
        """Derive the key; some 80 ms, so not on the loop. Raises WrongPassphrase."""
        cipher = AESGCM(_derive(passphrase, lock.salt, lock.cost))
        try:
            cipher.decrypt(lock.proof[:_NONCE_BYTES], lock.proof[_NONCE_BYTES:], _PROOF)
        except InvalidTag as error:
            raise WrongPassphrase(
                N_("The passphrase file is not the one that the keys were encrypted with.")
            ) from error
        self._cipher = cipher

    def wrap(self, key: ec.EllipticCurvePrivateKey, purpose: str) -> bytes:
        """The key as it may be stored. purpose: bound to it, so that keys cannot be exchanged."""
        der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        return _encrypt(self._opened, der, purpose.encode())

    def unwrap(self, wrapped: bytes, purpose: str) -> ec.EllipticCurvePrivateKey:
        """The key again; remembered. Raises Unavailable when it was damaged, or was wrapped for another purpose."""
        return self._unwrap(wrapped, purpose)

    def _decrypt(self, wrapped: bytes, purpose: str) -> ec.EllipticCurvePrivateKey:
        try:
            der = self._opened.decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], purpose.encode())
        except InvalidTag as error:
            raise Unavailable(N_("A private key in the database is damaged."), reason=purpose) from error
        key = load_der_private_key(der, None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        return key

    @property
    def _opened(self) -> AESGCM:
        assert self._cipher is not None, "the keyring must be opened first"
        return self._cipher


def new_lock(passphrase: bytes, now: datetime) -> Lock:
    """A lock for that passphrase; some 80 ms."""
    salt = secrets.token_bytes(16)
    proof = _encrypt(AESGCM(_derive(passphrase, salt, COST)), b"", _PROOF)
    return Lock(salt=salt, cost=COST, proof=proof, made_at=now)


def read_passphrase(path: Path) -> bytes:
    """What the file holds, without the newline at its end. Raises Unavailable when it cannot be read or is empty."""
    try:
        passphrase = path.read_bytes().rstrip(b"\r\n")
    except OSError as error:
        raise Unavailable(
            N_("The passphrase file {path} cannot be read: {error}."), path=path, error=error.strerror
        ) from error
    if not passphrase:
        raise Unavailable(N_("The passphrase file {path} is empty."), path=path)
    return passphrase


def make_passphrase(path: Path) -> bytes:
    """What the file holds; a random one, readable by its owner alone and durable, when there is no file yet."""
    if path.exists():
        return read_passphrase(path)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    passphrase = secrets.token_urlsafe(32).encode()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(passphrase + b"\n")
        file.flush()
        os.fsync(file.fileno())
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
    return passphrase


def _derive(passphrase: bytes, salt: bytes, cost: int) -> bytes:
    return Scrypt(salt=salt, length=32, n=cost, r=8, p=1).derive(passphrase)


def _encrypt(cipher: AESGCM, plain: bytes, bound: bytes) -> bytes:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, plain, bound)
