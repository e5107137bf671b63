"""Passwords for devices: made, shown once, revoked one by one; and signing in for mail, with one of them or one's own.

They open mail (IMAP, submission) and nothing else: neither the pages nor the API know them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, NoReturn

from comgov import journal
from comgov.errors import Conflict, Forbidden, Invalid, NotFound, Unauthenticated
from comgov.institutions.model import check_name
from comgov.language import N_
from comgov.people import limits
from comgov.people.actions import sign_in
from comgov.people.actions.people import managed
from comgov.people.config import Config
from comgov.people.model import AppPassword, address_of
from comgov.people.passwords import app_password_digest, generate_app_password
from comgov.people.store import app_passwords as store
from comgov.people.store import sign_in as sign_in_store

if TYPE_CHECKING:
    from comgov.db import Connection
    from comgov.feature import Ground, Platform
    from comgov.people.model import Actor
    from comgov.people.store.sign_in import Credentials

MOST_APP_PASSWORDS = 20
"""App passwords that a person may have at once."""

_LONGEST_NAME = 60  # characters
_NOTED_FOR = timedelta(hours=1)  # a use is written down at most so often
_APP, _PASSWORD = "app ", "password "  # how `SignedInForMail.sign_in` begins


async def make_app_password(
    platform: Platform, actor: Actor, name: str, current: str, *, seed: bytes
) -> tuple[AppPassword, str]:
    """A new one for a device of the actor's, and its text, which is nowhere kept.

    name: the actor's for the device. current: the actor's password, asked for again, since what is made here outlives
    the session. seed: 16 secret bytes or more; the same seed gives the same one, made once.
    Raises Unauthenticated (the password is wrong), TooMany, Invalid (the name), Conflict (there are 20).
    """
    clean = _device_name(name)
    found = await sign_in.verified(platform, actor.address, current, ip=actor.ip)
    text = generate_app_password(seed)
    digest = app_password_digest(text)
    assert digest is not None
    async with platform.db.transaction() as connection:
        if await store.lock_person(connection, actor.person_id) != found.password_hash:
            raise Unauthenticated(sign_in.WRONG)  # it was changed meanwhile, and app passwords were revoked
        known = await store.by_digest(connection, actor.person_id, digest)
        if known is not None:
            return known, text
        if len(await store.of_person(connection, actor.person_id)) >= MOST_APP_PASSWORDS:
            raise Conflict(
                N_("You have {most} app passwords: revoke one that you no longer use first."), most=MOST_APP_PASSWORDS
            )
        made = await store.insert(connection, actor.person_id, clean, digest, platform.clock())
        if made is None:
            raise Conflict(N_("This form is too old: its app password was revoked. Make another one."))
        await journal.record(connection, actor, "make app password of", "person", actor.person_id, device=clean)
    return made, text


async def app_passwords(platform: Platform, actor: Actor) -> list[AppPassword]:
    """The actor's own, the newest first."""
    async with platform.db.connection() as connection:
        return await store.of_person(connection, actor.person_id)


async def revoke_app_password(platform: Platform, actor: Actor, password_id: int) -> str:
    """Revoke one of the actor's own; gives the device's name. What is signed in with it ends. Raises NotFound."""
    async with platform.db.transaction() as connection:
        revoked = await store.revoke(connection, actor.person_id, password_id, platform.clock())
        if not revoked:
            raise NotFound(N_("There is no such app password, or it is revoked already."))
        await _record_revoked(connection, actor, actor.person_id, revoked)
    return revoked[0]


async def app_passwords_of(platform: Platform, actor: Actor, address: str) -> list[AppPassword]:
    """Those of a person, for one who administers them, the newest first. Raises Forbidden, NotFound."""
    async with platform.db.transaction() as connection:
        person = await managed(connection, actor, address)
        return await store.of_person(connection, person.id)


async def revoke_app_passwords_of(
    platform: Platform, actor: Actor, address: str, password_id: int | None = None
) -> list[str]:
    """Revoke one of a person's, or all, by one who administers them; gives the names of their devices.

    Raises Forbidden, NotFound (nobody has that address, or not that app password).
    """
    async with platform.db.transaction() as connection:
        person = await managed(connection, actor, address)
        revoked = await store.revoke(connection, person.id, password_id, platform.clock())
        if password_id is not None and not revoked:
            raise NotFound(N_("There is no such app password, or it is revoked already."))
        await _record_revoked(connection, actor, person.id, revoked)
    return revoked


async def _record_revoked(connection: Connection, actor: Actor, person_id: int, devices: list[str]) -> None:
    for device in devices:
        await journal.record(connection, actor, "revoke app password of", "person", person_id, device=device)


@dataclass(frozen=True, kw_only=True)
class SignedInForMail:
    """A person whose mail program signed in. sign_in: with what, for `still_holds`."""

    person_id: int
    name: str
    address: str
    sign_in: str


async def authenticate_for_mail(
    platform: Ground, address: str, password: str, *, ip: str, service: str
) -> SignedInForMail:
    """Who that is, by one of their app passwords or by their own. service: such as `IMAP`, shown to them.

    An app password costs one indexed query, and an update once an hour. Raises what `sign_in.authenticate` raises.
    """
    digest = app_password_digest(password)
    if digest is not None:
        return await _by_app_password(platform, address, digest, ip, service)
    found = await sign_in.verified(platform, address, password, ip=ip)
    return SignedInForMail(
        person_id=found.actor.person_id,
        name=found.actor.name,
        address=found.actor.address,
        sign_in=_password_mark(found.password_hash),
    )


async def _by_app_password(platform: Ground, address: str, digest: bytes, ip: str, service: str) -> SignedInForMail:
    known, now = address_of(address), platform.clock()
    async with platform.db.connection() as connection:
        found = await store.holder(connection, digest, known) if known else None
        if found is None:
            person = await sign_in_store.credentials(connection, known, now, ip) if known else None
        elif found.is_open and (found.used_at is None or now - found.used_at >= _NOTED_FOR):
            await store.note_use(connection, found.password_id, now, ip, service)
    if found is None:
        await _fail(platform, person, known or address[:100], ip)
    if not found.is_open:
        raise Forbidden(N_("This account is closed. Ask the administrator of your institution."))
    return SignedInForMail(
        person_id=found.person_id, name=found.name, address=found.address, sign_in=f"{_APP}{found.password_id}"
    )


async def _fail(platform: Ground, person: Credentials | None, address: str, ip: str) -> NoReturn:
    """Count a wrong one, and say so; or that there were too many."""
    buckets = limits.buckets(platform.config(Config), address, ip, for_apps=True)
    await sign_in.must_be_within(platform, buckets)
    await sign_in.fail(platform, person, buckets, ip)


def app_password_of(mark: str) -> int:
    """The id of the app password that `mark` (`SignedInForMail.sign_in`) tells of; 0 for none."""
    return int(mark.removeprefix(_APP)) if mark.startswith(_APP) else 0


def still_holds(mark: str, *, password_hash: str | None, has_app_password: bool) -> bool:
    """Whether one would be signed in again by what `mark` tells of, as the person's passwords are now.

    mark: empty for one whom the platform itself vouches for. has_app_password: that of `app_password_of(mark)`.
    """
    return not mark or has_app_password or mark == _password_mark(password_hash)


def _password_mark(password_hash: str | None) -> str:
    """Another for every password, which tells nothing of it."""
    return _PASSWORD + hashlib.sha256((password_hash or "").encode()).hexdigest()[:32]


def _device_name(name: str) -> str:
    clean = check_name(name)
    if len(clean) > _LONGEST_NAME:
        raise Invalid(N_("A device's name has at most {longest} characters."), longest=_LONGEST_NAME)
    return clean
