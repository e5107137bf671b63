"""Passwords: argon2id in threads, a bound on the memory that takes, and a short memory of what was verified."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import re
import secrets
from collections import OrderedDict
from typing import TYPE_CHECKING

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

if TYPE_CHECKING:
    from datetime import datetime

    from comgov.people.config import Config

_REMEMBERED = 10_000  # verifications kept in memory, the least recent forgotten


class Passwords:
    """One in each process (`Platform.own`).

    turn: held while hashing, so that at most `password_parallel` hashings fill memory at once.
    """

    def __init__(self, config: Config) -> None:
        self.turn = asyncio.Semaphore(config.password_parallel)
        self._hasher = PasswordHasher(
            time_cost=config.password_passes,
            memory_cost=config.password_memory_bytes >> 10,
            parallelism=config.password_lanes,
        )
        self._verified_for = config.verified_for
        self._verified: OrderedDict[bytes, datetime] = OrderedDict()
        self._key = os.urandom(32)

    async def hash(self, password: str) -> str:
        """The argon2id hash in its usual text form; about 0.1 s in a thread."""
        async with self.turn:
            return await self.hash_in_turn(password)

    async def hash_in_turn(self, password: str) -> str:
        """The same for one who already holds `turn`."""
        return await asyncio.to_thread(self._hasher.hash, _bytes(password))

    async def matches(self, kept: str | None, password: str) -> bool:
        """Whether the password is the one hashed in `kept`; the caller holds `turn`.

        kept: None when there is nobody or no password: as much work is done, so that time tells nothing.
        """
        return await asyncio.to_thread(self._matches, kept, password)

    def _matches(self, kept: str | None, password: str) -> bool:
        if kept is None:
            self._hasher.hash(_bytes(password))
            return False
        try:
            return self._hasher.verify(kept, _bytes(password))
        except (VerificationError, InvalidHashError):
            return False

    def is_outdated(self, kept: str) -> bool:
        """Whether the configuration has since asked for another cost."""
        return self._hasher.check_needs_rehash(kept)

    def remember(self, kept: str, password: str, now: datetime) -> None:
        """Note that this password was verified against this hash: a change of either makes another note."""
        self._verified[self._note(kept, password)] = now + self._verified_for
        while len(self._verified) > _REMEMBERED:
            self._verified.popitem(last=False)

    def remembers(self, kept: str, password: str, now: datetime) -> bool:
        """Whether it was verified a short while ago, or asked for since; and keeps it in mind as long again."""
        note = self._note(kept, password)
        until = self._verified.get(note)
        if until is None or now >= until:
            return False
        self._verified[note] = now + self._verified_for
        self._verified.move_to_end(note)
        return True

    def _note(self, kept: str, password: str) -> bytes:
        return hmac.digest(self._key, kept.encode() + b"\0" + _bytes(password), hashlib.sha256)


def generate_password(seed: bytes | None = None) -> str:
    """A first password that one can read out and type: 10 syllables, 64 bits, such as `kolumebati-tarosuvide`.

    seed: a secret of 16 bytes or more, which gives the same password each time; None for a password of its own.
    """
    stream = hashlib.shake_256(seed or secrets.token_bytes(32)).digest(80)
    syllables = [_SYLLABLES[int.from_bytes(stream[at : at + 8]) % len(_SYLLABLES)] for at in range(0, 80, 8)]
    return f"{''.join(syllables[:5])}-{''.join(syllables[5:])}"


def generate_app_password(seed: bytes) -> str:
    """A password for a device, to be typed once: six groups of four, 120 bits, such as `m4qp-7hde-…`.

    seed: a secret of 16 bytes or more, which gives the same password each time.
    """
    stream = hashlib.shake_256(b"app password" + seed).digest(24)
    letters = "".join(_LETTERS[byte % len(_LETTERS)] for byte in stream)
    return "-".join(letters[at : at + 4] for at in range(0, 24, 4))


def app_password_digest(password: str) -> bytes | None:
    """The SHA-256 of what is an app password by its shape, however its groups were typed; None for any other.

    Nobody chose it, so nobody can guess it: what slows down trying a dictionary would only slow down mail programs.
    """
    letters = _BETWEEN_GROUPS.sub("", password[:100]).lower()
    return hashlib.sha256(letters.encode("ascii")).digest() if _APP_PASSWORD.fullmatch(letters) else None


_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"  # 32, without l, o, 0, 1, which are taken for each other
_BETWEEN_GROUPS = re.compile(r"[\s-]+")
_APP_PASSWORD = re.compile(f"[{_LETTERS}]{{24}}")

_SYLLABLES = [consonant + vowel for consonant in "bcdfghjklmnprstvz" for vowel in "aeiou"]


def _bytes(password: str) -> bytes:
    """UTF-8; lone surrogates, which no keyboard gives, match nothing but themselves."""
    return password.encode(errors="surrogatepass")
