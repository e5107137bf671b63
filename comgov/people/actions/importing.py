"""Adding many people at once from a roster; doing it again changes nothing more."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from comgov import journal
from comgov.errors import ComgovError, Conflict
from comgov.institutions import actions as institutions
from comgov.language import DEFAULT_LANGUAGE, N_
from comgov.people.actions.people import apply_change, quota_of
from comgov.people.actions.sign_in import passwords_of
from comgov.people.model import Actor, Person, Role, must_be_able_to_grant
from comgov.people.roster import Fault
from comgov.people.store import people as store
from comgov.people.store.people import NewAccount, NewPerson

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from comgov.db import Connection
    from comgov.feature import Platform
    from comgov.people.roster import Row

_HASHED_AT_ONCE = 64


@dataclass(frozen=True, kw_only=True)
class Imported:
    """Addresses by what was done. faults: when there is one, nothing at all was done."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True)
class _Plan:
    new: list[Row]
    known: list[Row]
    institution_ids: dict[str, int]
    faults: list[Fault]


async def import_people(
    platform: Platform, actor: Actor, rows: Sequence[Row], progress: Callable[[int], None] = lambda _: None
) -> Imported:
    """Add the people who are not there yet, change those who are and differ; all or nothing.

    A password is only ever given to a new person. progress: called with how many rows more are done.
    Raises Conflict when someone else adds one of them meanwhile.
    """
    async with platform.db.connection() as connection:
        plan = await _plan(connection, actor, rows)
    if plan.faults:
        return Imported(faults=tuple(sorted(plan.faults, key=lambda fault: fault.line)))
    progress(len(plan.known))
    hashes = await _hash(platform, [row.password for row in plan.new], progress)
    async with platform.db.transaction() as connection:
        await _add(platform, connection, actor, plan, hashes)
        people = await store.by_addresses_locked(connection, [row.address for row in plan.known])
        changed = [row.address for row in plan.known if await _change(connection, actor, row, people[row.address])]
    return Imported(
        added=tuple(row.address for row in plan.new),
        changed=tuple(changed),
        unchanged=tuple(row.address for row in plan.known if row.address not in set(changed)),
    )


async def _plan(connection: Connection, actor: Actor, rows: Sequence[Row]) -> _Plan:
    """What there is to do, and every reason not to do it."""
    addresses = [row.address for row in rows]
    people = await store.by_addresses(connection, addresses)
    taken = await store.taken_addresses(connection, addresses) - people.keys()
    domains = {address.rpartition("@")[2] for address in addresses}
    plan = _Plan([], [], await institutions.ids_of_domains(connection, domains), [])
    for row in rows:
        try:
            _place(plan, actor, row, people.get(row.address), row.address in taken)
        except ComgovError as error:
            plan.faults.append(Fault(row.line, error))
    return plan


def _place(plan: _Plan, actor: Actor, row: Row, person: Person | None, is_taken: bool) -> None:
    if is_taken:
        raise Conflict(N_("The address {address} is already taken."), address=row.address)
    institution_id = institutions.must_be_ours(plan.institution_ids, row.address.rpartition("@")[2])
    roles = (row.roles or frozenset({Role.CIVIL_SERVANT})) | (person.roles if person else frozenset())
    must_be_able_to_grant(actor, institution_id, roles)
    if person is None:
        plan.new.append(row)
    else:
        plan.known.append(row)


async def _hash(
    platform: Platform, passwords: Sequence[str | None], progress: Callable[[int], None]
) -> list[str | None]:
    hasher = passwords_of(platform)

    async def one(password: str | None) -> str | None:
        return None if password is None else await hasher.hash(password)

    hashes: list[str | None] = []
    for start in range(0, len(passwords), _HASHED_AT_ONCE):
        batch = passwords[start : start + _HASHED_AT_ONCE]
        hashes += await asyncio.gather(*(one(password) for password in batch))
        progress(len(batch))
    return hashes


async def _add(
    platform: Platform, connection: Connection, actor: Actor, plan: _Plan, hashes: Sequence[str | None]
) -> None:
    """Insert in the order of addresses, so that two imports never wait for each other."""
    new = sorted(zip(plan.new, hashes, strict=True), key=lambda pair: pair[0].address)
    accounts = [
        NewAccount(
            kind="person",
            institution_id=plan.institution_ids[row.address.rpartition("@")[2]],
            address=row.address,
            name=row.name,
            quota_bytes=quota_of(platform, row.quota_bytes),
        )
        for row, _ in new
    ]
    people = [
        NewPerson(
            password_hash=kept,
            language=row.language or DEFAULT_LANGUAGE,
            roles=row.roles or frozenset({Role.CIVIL_SERVANT}),
        )
        for row, kept in new
    ]
    ids = await store.insert_accounts(connection, accounts, platform.clock())
    await store.insert_people(connection, ids, people)
    for person_id, (row, _), person in zip(ids, new, people, strict=True):
        details = {"address": row.address, "name": row.name, "roles": sorted(person.roles)}
        await journal.record(connection, actor, "add", "person", person_id, **details)


async def _change(connection: Connection, actor: Actor, row: Row, person: Person) -> bool:
    changed = replace(
        person,
        name=row.name,
        roles=row.roles or person.roles,
        language=row.language or person.language,
        quota_bytes=person.quota_bytes if row.quota_bytes is None else row.quota_bytes,
    )
    return await apply_change(connection, actor, person, changed)
