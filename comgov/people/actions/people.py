"""Adding people, changing them, closing their accounts; finding them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from comgov import journal
from comgov.errors import Conflict, NotFound
from comgov.institutions import actions as institutions
from comgov.institutions.model import Kind, check_name, check_quota
from comgov.language import DEFAULT_LANGUAGE, N_, Language
from comgov.people.actions.sign_in import passwords_of
from comgov.people.config import Config
from comgov.people.model import (
    Account,
    Actor,
    Person,
    Role,
    address_of,
    check_address,
    check_password,
    must_be_able_to_grant,
)
from comgov.people.store import app_passwords as app_passwords_store
from comgov.people.store import people as store
from comgov.people.store import sign_in as sign_in_store
from comgov.people.store.people import NewAccount, NewPerson

if TYPE_CHECKING:
    from collections.abc import Collection

    from comgov.db import Connection
    from comgov.feature import Platform

MOST_ON_A_PAGE = 200


@dataclass(frozen=True)
class People:
    """A page of people. total: how many there are in all. after: where the next page begins, None on the last."""

    people: list[Person]
    total: int
    after: str | None


async def add_person(
    platform: Platform,
    actor: Actor,
    address: str,
    name: str,
    *,
    password: str | None = None,
    roles: Collection[Role] = (),
    language: Language = DEFAULT_LANGUAGE,
    quota_bytes: int | None = None,
) -> Person:
    """A new person with their mailbox, in the institution whose domain the address has.

    password: None for nobody signs in until one is set. roles: civil servant is always among them.
    quota_bytes: of the mailbox; None for what the configuration says.
    Raises Forbidden, Invalid, NotFound (no such domain), Conflict (the address is taken).
    """
    local_part, domain = check_address(address)
    clean = check_name(name)
    given = frozenset(roles) | {Role.CIVIL_SERVANT}
    kept = None
    async with platform.db.connection() as connection:
        institution = await institutions.of_domain(connection, domain)
    must_be_able_to_grant(actor, institution.id, given)
    if password is not None:
        checked = check_password(password, address=f"{local_part}@{domain}", name=clean)
        kept = await passwords_of(platform).hash(checked)
    account = NewAccount(
        kind="person",
        institution_id=institution.id,
        address=f"{local_part}@{domain}",
        name=clean,
        quota_bytes=quota_of(platform, quota_bytes),
    )
    async with platform.db.transaction() as connection:
        ids = await store.insert_accounts(connection, [account], platform.clock())
        await store.insert_people(connection, ids, [NewPerson(password_hash=kept, language=language, roles=given)])
        person = await _person(connection, account.address)
        await journal.record(
            connection, actor, "add", "person", person.id, address=person.address, name=clean, roles=sorted(given)
        )
    return person


async def change_person(
    platform: Platform,
    actor: Actor,
    address: str,
    *,
    name: str | None = None,
    roles: Collection[Role] | None = None,
    language: Language | None = None,
    quota_bytes: int | None = None,
) -> Person:
    """Change what is given, leave what is None. roles: all that the person has from now on.

    Raises Forbidden, NotFound, Conflict (it would leave the platform without an administrator).
    """
    async with platform.db.transaction() as connection:
        person = await managed(connection, actor, address)
        changed = replace(
            person,
            name=person.name if name is None else check_name(name),
            roles=person.roles if roles is None else frozenset(roles) | {Role.CIVIL_SERVANT},
            language=language or person.language,
            quota_bytes=person.quota_bytes if quota_bytes is None else check_quota(quota_bytes),
        )
        await apply_change(connection, actor, person, changed)
    return changed


async def apply_change(connection: Connection, actor: Actor, person: Person, changed: Person) -> bool:
    """Write what differs, within the caller's transaction; False when nothing does.

    Raises Forbidden, Conflict as `change_person` does.
    """
    if changed == person:
        return False
    must_be_able_to_grant(actor, person.institution_id, person.roles | changed.roles)
    if Role.PLATFORM_ADMINISTRATOR not in changed.roles:
        await _keep_an_administrator(connection, person)
    await store.update_account(connection, person.id, changed.name, changed.quota_bytes)
    await store.update_person(connection, person.id, changed.language, changed.roles)
    await journal.record(
        connection,
        actor,
        "change",
        "person",
        person.id,
        address=person.address,
        name=changed.name,
        roles=sorted(changed.roles),
        quota_bytes=changed.quota_bytes,
    )
    return True


async def choose_language(platform: Platform, actor: Actor, language: Language) -> None:
    """The language that the actor reads the pages in."""
    async with platform.db.transaction() as connection:
        await store.set_language(connection, actor.person_id, language)


async def set_password(platform: Platform, actor: Actor, address: str, password: str) -> None:
    """Give a person a new password, by one who administers them; their sessions and app passwords end.

    Raises Forbidden, NotFound, Invalid.
    """
    async with platform.db.transaction() as connection:
        person = await managed(connection, actor, address)
    clean = check_password(password, address=person.address, name=person.name)
    kept = await passwords_of(platform).hash(clean)
    async with platform.db.transaction() as connection:
        person = await managed(connection, actor, address)
        await sign_in_store.set_password(connection, person.id, kept)
        await sign_in_store.delete_sessions(connection, person.id)
        await app_passwords_store.revoke(connection, person.id, None, platform.clock())
        await journal.record(connection, actor, "set password of", "person", person.id, address=person.address)


async def is_password_of(platform: Platform, actor: Actor, address: str, password: str) -> bool:
    """Whether a person signs in with that password, for one who administers them. Raises Forbidden, NotFound."""
    async with platform.db.transaction() as connection:
        person = await managed(connection, actor, address)
        found = await sign_in_store.credentials(connection, person.address, platform.clock(), actor.ip)
    passwords = passwords_of(platform)
    async with passwords.turn:
        return found is not None and await passwords.matches(found.password_hash, password)


async def disable_person(platform: Platform, actor: Actor, address: str) -> Person:
    """Close an account: sessions end, no sign-in, no delivery; nothing is lost. Already closed is fine."""
    async with platform.db.transaction() as connection:
        person = await managed(connection, actor, address)
        if person.id == actor.person_id:
            raise Conflict(N_("You cannot close your own account."))
        if not person.disabled:
            await _keep_an_administrator(connection, person)
            await store.set_disabled(connection, person.id, platform.clock())
            await sign_in_store.delete_sessions(connection, person.id)
            await journal.record(connection, actor, "disable", "person", person.id, address=person.address)
    return replace(person, disabled=True)


async def enable_person(platform: Platform, actor: Actor, address: str) -> Person:
    """Open an account again. Already open is fine."""
    async with platform.db.transaction() as connection:
        person = await managed(connection, actor, address)
        if person.disabled:
            await store.set_disabled(connection, person.id, None)
            await journal.record(connection, actor, "enable", "person", person.id, address=person.address)
    return replace(person, disabled=False)


async def get_person(platform: Platform, address: str) -> Person:
    """The person of that address; raises NotFound. Everyone signed in may know the directory."""
    async with platform.db.connection() as connection:
        return await _person(connection, address)


async def people(
    platform: Platform, institution_id: int, *, text: str = "", after: str = "", limit: int = 50
) -> People:
    """People of an institution whose name or address contains `text`, whatever its case, paged by address.

    after: the address after which the page begins. limit: 1 to 200.
    """
    limit, text = max(1, min(limit, MOST_ON_A_PAGE)), text.replace("\0", "")
    async with platform.db.connection() as connection:
        found = await store.page(connection, institution_id, text, after.replace("\0", ""), limit + 1)
        total = await store.count(connection, institution_id, text)
    page = found[:limit]
    return People(page, total, page[-1].address if len(found) > limit else None)


async def accounts(platform: Platform, ids: Collection[int]) -> dict[int, Account]:
    """The accounts of those ids, people and posts alike; those that there are."""
    async with platform.db.connection() as connection:
        return await store.accounts_by_id(connection, ids)


async def with_roles(platform: Platform, institution_id: int, roles: Collection[Role]) -> list[Account]:
    """Who of an institution has one of these roles and an account in use; at most `MOST_ON_A_PAGE`."""
    async with platform.db.connection() as connection:
        return await store.with_roles(connection, institution_id, roles, MOST_ON_A_PAGE)


async def add_first_administrator(
    platform: Platform, actor: Actor, address: str, name: str, password: str, *, institution: str
) -> Person:
    """The platform administrator who will add everyone else, for `comgov init`.

    actor: the console. institution: the name of theirs; it is added when the address's domain has none yet, its code
    being the first label. Raises Conflict when the platform has an administrator already, Invalid.
    """
    _, domain = check_address(address)
    async with platform.db.connection() as connection:
        if await store.other_platform_administrators(connection, 0):
            raise Conflict(N_("This platform has an administrator already."))
    if not await institutions.has_domain(platform, domain):
        code = domain.partition(".")[0]
        await institutions.add(platform, actor, code=code, domain=domain, name_fr=institution, kind=Kind.AGENCY)
    return await add_person(platform, actor, address, name, password=password, roles={Role.PLATFORM_ADMINISTRATOR})


def quota_of(platform: Platform, quota_bytes: int | None) -> int:
    """A mailbox's quota in bytes: what was asked for, or what the configuration says."""
    return platform.config(Config).mailbox_quota_bytes if quota_bytes is None else check_quota(quota_bytes)


async def _person(connection: Connection, address: str) -> Person:
    known = address_of(address)
    person = await store.by_address(connection, known) if known else None
    return _found(person, address)


async def managed(connection: Connection, actor: Actor, address: str) -> Person:
    """The person, locked, if the actor may manage them."""
    known = address_of(address)
    person = _found(await store.by_address_locked(connection, known) if known else None, address)
    must_be_able_to_grant(actor, person.institution_id, person.roles)
    return person


def _found(person: Person | None, address: str) -> Person:
    if person is None:
        raise NotFound(N_("There is nobody at {address}."), address=address[:100])
    return person


async def _keep_an_administrator(connection: Connection, person: Person) -> None:
    """Refuse to lose the last platform administrator."""
    if Role.PLATFORM_ADMINISTRATOR not in person.roles:
        return
    await store.lock_administrators(connection)
    if not await store.other_platform_administrators(connection, person.id):
        raise Conflict(N_("This is the last administrator of the platform: name another one first."))
