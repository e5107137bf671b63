"""Signing in and out, and finding out who asks.

The web, the API and mail share `verified`; only the web opens sessions.
"""

from __future__ import annotations

import hashlib
import secrets
import unicodedata
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, NoReturn

from comgov import journal
from comgov.errors import Forbidden, Invalid, NotFound, TooMany, Unauthenticated
from comgov.language import N_
from comgov.people import limits
from comgov.people.config import Config
from comgov.people.model import LONGEST_PASSWORD, Actor, Session, SignedIn, address_of, check_password
from comgov.people.passwords import Passwords
from comgov.people.store import app_passwords as app_passwords_store
from comgov.people.store import sign_in as store

if TYPE_CHECKING:
    from comgov.feature import Ground, Platform
    from comgov.people.store.sign_in import Credentials

_LONGEST_AGENT = 200  # characters of User-Agent that are kept
_TOKEN_BYTES = 32
WRONG = N_("The address or the password is not right.")
_NOTED_FOR = timedelta(minutes=1)  # a session in use is noted at most so often


async def authenticate(platform: Ground, address: str, password: str, *, ip: str) -> Actor:
    """Who that is, if the password is theirs. For HTTP Basic and, by `sign_in`, the web.

    Raises what `verified` raises.
    """
    return (await verified(platform, address, password, ip=ip)).actor


async def verified(platform: Ground, address: str, password: str, *, ip: str) -> Credentials:
    """Who that is, and the hash of their password, if it is theirs.

    ip: the client's. Costs one indexed query when the same password was verified in the last minutes, else argon2id.
    Raises Unauthenticated (the same for an unknown address and a wrong password, in the same time), Forbidden
    (the password is right but the account or institution is closed), TooMany.
    """
    now = platform.clock()
    clean = unicodedata.normalize("NFC", password[: LONGEST_PASSWORD + 1])
    known = address_of(address)
    async with platform.db.connection() as connection:
        found = await store.credentials(connection, known, now, ip) if known else None
    passwords = passwords_of(platform)
    kept = found.password_hash if found else None
    if kept is None or not passwords.remembers(kept, clean, now):
        kept = await _verify(platform, found, known or address[:100], clean, ip)
    assert found is not None
    if not found.is_open:
        raise Forbidden(N_("This account is closed. Ask the administrator of your institution."))
    return replace(found, password_hash=kept)


async def _verify(platform: Ground, found: Credentials | None, address: str, password: str, ip: str) -> str:
    """Compare with argon2id, within the limits; gives the hash if the password is right, another if it was renewed.

    Levels are read again and raised while holding a turn, so that guesses sent together cannot slip by each other:
    at most as many as there are turns on all workers. Who is over the limit already does not wait for a turn.
    """
    passwords = passwords_of(platform)
    kept = found.password_hash if found else None
    buckets = limits.buckets(platform.config(Config), address, ip)
    await must_be_within(platform, buckets)
    async with passwords.turn:
        if kept is not None and passwords.remembers(kept, password, platform.clock()):
            return kept
        failed_before = await must_be_within(platform, buckets)
        if not await passwords.matches(kept, password):
            await fail(platform, found, buckets, ip)
        assert found is not None and kept is not None
        if passwords.is_outdated(kept):
            kept = await _rehash(platform, found, kept, password)
        if failed_before:
            async with platform.db.connection() as connection:
                await store.forgive(connection, buckets[0].key)
    passwords.remember(kept, password, platform.clock())
    return kept


async def must_be_within(platform: Ground, buckets: tuple[limits.Bucket, ...]) -> bool:
    """Raises TooMany when a bucket is full; tells whether the first one, the pair's, holds anything."""
    async with platform.db.connection() as connection:
        levels = await store.failures(connection, [bucket.key for bucket in buckets])
    now = platform.clock()
    if any(limits.is_full(bucket, levels, now) for bucket in buckets):
        raise TooMany(N_("Too many failed sign-ins. Wait a quarter of an hour, then try again."))
    return buckets[0].key in levels


async def _rehash(platform: Ground, found: Credentials, kept: str, password: str) -> str:
    """Hash at the cost that the configuration asks for now; gives the new hash."""
    new = await passwords_of(platform).hash_in_turn(password)
    async with platform.db.connection() as connection:
        await store.rehash(connection, found.actor.person_id, kept, new)
    return new


async def fail(platform: Ground, found: Credentials | None, buckets: tuple[limits.Bucket, ...], ip: str) -> NoReturn:
    """Count a failure, write it down if it concerns somebody, and raise Unauthenticated."""
    async with platform.db.transaction() as connection:
        await store.count_failure(connection, {bucket.key: bucket.leak for bucket in buckets}, platform.clock())
        if found is not None:
            someone = replace(found.actor, person_id=0, address="")
            await journal.record(connection, someone, "fail to sign in", "person", found.actor.person_id)
    raise Unauthenticated(WRONG, reason=f"sign-in refused from {ip}")


async def sign_in(platform: Platform, address: str, password: str, *, ip: str, agent: str = "") -> SignedIn:
    """Authenticate and open a session. agent: the User-Agent, shown to the person in their list of sessions.

    Raises what `authenticate` raises.
    """
    found = await verified(platform, address, password, ip=ip)
    actor, now = found.actor, platform.clock()
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    expires_at = now + platform.config(Config).session_longest
    kept_agent = agent[:_LONGEST_AGENT].replace("\0", "")
    async with platform.db.transaction() as connection:
        if not await store.insert_session(connection, _sha256(token), found, now, expires_at, kept_agent):
            raise Unauthenticated(WRONG)  # it was changed meanwhile, and sessions were ended
        await journal.record(connection, actor, "sign in", "person", actor.person_id)
    return SignedIn(actor=actor, token=token, expires_at=expires_at)


async def resolve_session(platform: Platform, token: str, *, ip: str = "") -> Actor:
    """Who holds that session, and notes that it is in use.

    One indexed query; once a minute one more. Raises Unauthenticated when it ended, was revoked or never was.
    """
    now, idle = platform.clock(), platform.config(Config).session_idle
    digest = _sha256(token)
    async with platform.db.connection() as connection:
        found = await store.of_session(connection, digest, now, idle, ip)
        if found is None or not found.is_open:
            raise Unauthenticated(N_("Your session has ended. Sign in again: what you saved is kept."))
        await store.see(connection, digest, now, now - min(idle / 10, _NOTED_FOR))
    return found.actor


async def sign_out(platform: Platform, token: str) -> None:
    """End that session; already ended is fine."""
    async with platform.db.transaction() as connection:
        await store.delete_session(connection, _sha256(token))


async def actor_of(platform: Platform, address: str, *, ip: str = "") -> Actor:
    """The person of that address, without any password: for commands, jobs, and mail that was authenticated already.

    Raises NotFound when nobody has that address or the account is closed.
    """
    known = address_of(address)
    async with platform.db.connection() as connection:
        found = await store.credentials(connection, known, platform.clock(), ip) if known else None
    if found is None or not found.is_open:
        raise NotFound(N_("There is nobody at {address}."), address=address[:100])
    return found.actor


async def sessions(platform: Platform, actor: Actor) -> list[Session]:
    """The actor's own sessions, the latest used first."""
    async with platform.db.connection() as connection:
        return await store.sessions(connection, actor.person_id, platform.clock(), platform.config(Config).session_idle)


async def end_session(platform: Platform, actor: Actor, session_id: int) -> None:
    """End one of the actor's own sessions; raises NotFound."""
    async with platform.db.transaction() as connection:
        if not await store.delete_session_of(connection, session_id, actor.person_id):
            raise NotFound(N_("This session has already ended."))
        await journal.record(connection, actor, "end session of", "person", actor.person_id)


async def change_password(platform: Platform, actor: Actor, current: str, new: str, *, token: str = "") -> None:
    """The actor's own password. token: the session in use, which stays; every other one ends.

    Raises Unauthenticated (the current one is wrong), TooMany, Invalid (the new one is too weak).
    """
    same = await authenticate(platform, actor.address, current, ip=actor.ip)
    clean = check_password(new, address=same.address, name=same.name)
    if clean == unicodedata.normalize("NFC", current):
        raise Invalid(N_("This is the password that you have: choose another."))
    kept = await passwords_of(platform).hash(clean)
    async with platform.db.transaction() as connection:
        await store.set_password(connection, same.person_id, kept)
        await store.delete_sessions(connection, same.person_id, but=_sha256(token) if token else None)
        await journal.record(connection, actor, "change password of", "person", same.person_id)


async def sweep(platform: Platform) -> None:
    """Forget sessions that ended, failures that no longer count, app passwords long revoked; run every hour."""
    config, now = platform.config(Config), platform.clock()
    async with platform.db.transaction() as connection:
        await store.sweep(connection, now, config.session_idle, config.failures_window)
        # the form that made one lives no longer than its session
        await app_passwords_store.sweep(connection, now - config.session_longest)


def passwords_of(platform: Ground) -> Passwords:
    """This process's one way to passwords."""
    return platform.own(Passwords, lambda: Passwords(platform.config(Config)))


def _sha256(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="replace")).digest()
