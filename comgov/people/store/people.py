"""Accounts and people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import asyncpg

from comgov.actor import Role
from comgov.errors import Conflict
from comgov.language import N_, Language
from comgov.people.model import Account, Person

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from comgov.db import Connection, Record


@dataclass(frozen=True, kw_only=True)
class NewAccount:
    """What an account is made of. address: checked, in lower case."""

    kind: Literal["person", "post"]
    institution_id: int
    address: str
    name: str
    quota_bytes: int


@dataclass(frozen=True, kw_only=True)
class NewPerson:
    """What a person is made of, besides the account. password_hash: None for nobody signs in yet."""

    password_hash: str | None
    language: Language
    roles: frozenset[Role]


INSERT_ACCOUNTS = """
INSERT INTO comgov.account (kind, institution_id, address, name, quota_bytes, created_at)
SELECT kind, institution_id, address, name, quota_bytes, $6
FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::bigint[])
     WITH ORDINALITY AS new (kind, institution_id, address, name, quota_bytes, place)
ORDER BY place
RETURNING id
"""

CLAIM_FOR_ACCOUNTS = """
INSERT INTO comgov.address (address, account_id)
SELECT address, account_id FROM unnest($1::text[], $2::bigint[]) AS claim (address, account_id) ORDER BY address
"""


async def insert_accounts(connection: Connection, accounts: Sequence[NewAccount], now: datetime) -> list[int]:
    """Add accounts and claim their addresses; gives their ids in the same order.

    Raises Conflict when one of the addresses is taken, by whatever.
    """
    addresses = [account.address for account in accounts]
    try:
        rows = await connection.fetch(
            INSERT_ACCOUNTS,
            [account.kind for account in accounts],
            [account.institution_id for account in accounts],
            addresses,
            [account.name for account in accounts],
            [account.quota_bytes for account in accounts],
            now,
        )
        ids: list[int] = [row["id"] for row in rows]
        await connection.execute(CLAIM_FOR_ACCOUNTS, addresses, ids)
    except asyncpg.UniqueViolationError as error:
        raise taken(error) from error
    return ids


def taken(error: asyncpg.UniqueViolationError) -> Conflict:
    """The refusal of an address that someone has."""
    address = (error.detail or "").rpartition("=(")[2].partition(")")[0]
    return Conflict(N_("The address {address} is already taken."), address=address)


INSERT_PEOPLE = """
INSERT INTO comgov.person (id, password_hash, language, roles)
SELECT id, password_hash, language, string_to_array(roles, ' ')
FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[]) AS new (id, password_hash, language, roles)
"""


async def insert_people(connection: Connection, ids: Sequence[int], people: Sequence[NewPerson]) -> None:
    """Make people of accounts, in the same order."""
    await connection.execute(
        INSERT_PEOPLE,
        ids,
        [person.password_hash for person in people],
        [person.language for person in people],
        [" ".join(_kept(person.roles)) for person in people],
    )


_PERSON = """
SELECT account.id, account.institution_id, account.address, account.name, account.quota_bytes,
       account.disabled_at IS NOT NULL AS disabled, account.created_at,
       person.roles, person.language, person.password_hash IS NOT NULL AS has_password
FROM comgov.account JOIN comgov.person USING (id)
"""

BY_ADDRESS = _PERSON + "WHERE account.address = $1"


async def by_address(connection: Connection, address: str) -> Person | None:
    """The person of that address, in lower case."""
    row = await connection.fetchrow(BY_ADDRESS, address)
    return _person(row) if row else None


BY_ADDRESSES = _PERSON + "WHERE account.address = ANY ($1::text[])"


async def by_addresses(connection: Connection, addresses: Iterable[str]) -> dict[str, Person]:
    """The people among those addresses, in lower case."""
    return {row["address"]: _person(row) for row in await connection.fetch(BY_ADDRESSES, list(addresses))}


BY_ADDRESSES_LOCKED = (
    _PERSON + "WHERE account.address = ANY ($1::text[]) ORDER BY account.address FOR NO KEY UPDATE OF account, person"
)


async def by_addresses_locked(connection: Connection, addresses: Iterable[str]) -> dict[str, Person]:
    """The same, for this transaction alone to change; locked by address, so that two never wait for each other."""
    return {row["address"]: _person(row) for row in await connection.fetch(BY_ADDRESSES_LOCKED, list(addresses))}


BY_ADDRESS_LOCKED = _PERSON + "WHERE account.address = $1 FOR NO KEY UPDATE OF account, person"


async def by_address_locked(connection: Connection, address: str) -> Person | None:
    """The same, for this transaction alone to change."""
    row = await connection.fetchrow(BY_ADDRESS_LOCKED, address)
    return _person(row) if row else None


BY_IDS = _PERSON + "WHERE account.id = ANY ($1::bigint[])"


async def by_ids(connection: Connection, ids: Iterable[int]) -> dict[int, Person]:
    """The people among those ids."""
    return {row["id"]: _person(row) for row in await connection.fetch(BY_IDS, list(ids))}


PAGE = (
    _PERSON
    + """
WHERE account.institution_id = $1 AND account.address > $2
  AND ($3 = '' OR strpos(account.address, lower($3)) > 0 OR strpos(lower(account.name), lower($3)) > 0)
ORDER BY account.address LIMIT $4
"""
)


async def page(connection: Connection, institution_id: int, text: str, after: str, limit: int) -> list[Person]:
    """People of an institution whose name or address contains `text`, by address, after that address."""
    return [_person(row) for row in await connection.fetch(PAGE, institution_id, after, text, limit)]


COUNT = """
SELECT count(*) FROM comgov.account WHERE kind = 'person' AND institution_id = $1
  AND ($2 = '' OR strpos(address, lower($2)) > 0 OR strpos(lower(name), lower($2)) > 0)
"""


async def count(connection: Connection, institution_id: int, text: str) -> int:
    """How many `page` would give in all."""
    found: int = await connection.fetchval(COUNT, institution_id, text)
    return found


UPDATE_ACCOUNT = "UPDATE comgov.account SET name = $2, quota_bytes = $3 WHERE id = $1"


async def update_account(connection: Connection, account_id: int, name: str, quota_bytes: int) -> None:
    """Write an account's name and quota."""
    await connection.execute(UPDATE_ACCOUNT, account_id, name, quota_bytes)


UPDATE_PERSON = "UPDATE comgov.person SET language = $2, roles = $3 WHERE id = $1"


async def update_person(connection: Connection, person_id: int, language: Language, roles: frozenset[Role]) -> None:
    """Write a person's language and roles."""
    await connection.execute(UPDATE_PERSON, person_id, language, _kept(roles))


SET_LANGUAGE = "UPDATE comgov.person SET language = $2 WHERE id = $1"


async def set_language(connection: Connection, person_id: int, language: Language) -> None:
    """Write a person's language alone: roles that are being taken meanwhile stay taken."""
    await connection.execute(SET_LANGUAGE, person_id, language)


DISABLE = "UPDATE comgov.account SET disabled_at = $2 WHERE id = $1"


async def set_disabled(connection: Connection, account_id: int, since: datetime | None) -> None:
    """Close an account since that instant; None opens it."""
    await connection.execute(DISABLE, account_id, since)


TAKEN = "SELECT address FROM comgov.address WHERE address = ANY ($1::text[])"


async def taken_addresses(connection: Connection, addresses: Iterable[str]) -> set[str]:
    """Those of the addresses that something has: a person, a post or a list."""
    return {row["address"] for row in await connection.fetch(TAKEN, list(addresses))}


ACCOUNTS = """
SELECT id, kind, institution_id, address, name, quota_bytes, disabled_at IS NOT NULL AS disabled
FROM comgov.account WHERE address = ANY ($1::text[])
"""


async def accounts(connection: Connection, addresses: Iterable[str]) -> dict[str, Account]:
    """The accounts, people and posts alike, among those addresses."""
    return {row["address"]: account(row) for row in await connection.fetch(ACCOUNTS, list(addresses))}


ACCOUNTS_BY_ID = """
SELECT id, kind, institution_id, address, name, quota_bytes, disabled_at IS NOT NULL AS disabled
FROM comgov.account WHERE id = ANY ($1::bigint[])
"""


async def accounts_by_id(connection: Connection, ids: Iterable[int]) -> dict[int, Account]:
    """The accounts among those ids."""
    return {row["id"]: account(row) for row in await connection.fetch(ACCOUNTS_BY_ID, list(ids))}


WITH_ROLES = """
SELECT account.id, account.kind, account.institution_id, account.address, account.name, account.quota_bytes,
       account.disabled_at IS NOT NULL AS disabled
FROM comgov.account JOIN comgov.person USING (id)
WHERE account.institution_id = $1 AND account.disabled_at IS NULL AND person.roles && $2::text[]
ORDER BY account.id LIMIT $3
"""


async def with_roles(connection: Connection, institution_id: int, roles: Iterable[Role], limit: int) -> list[Account]:
    """The accounts in use of an institution's people who have one of these roles."""
    wanted = [role.value for role in roles]
    return [account(row) for row in await connection.fetch(WITH_ROLES, institution_id, wanted, limit)]


PLATFORM_ADMINISTRATORS = """
SELECT count(*) FROM comgov.account JOIN comgov.person USING (id)
WHERE 'platform-administrator' = ANY (roles) AND disabled_at IS NULL AND id <> $1
"""


async def other_platform_administrators(connection: Connection, person_id: int) -> int:
    """How many may run the platform besides that person."""
    found: int = await connection.fetchval(PLATFORM_ADMINISTRATORS, person_id)
    return found


LOCK_ADMINISTRATORS = "SELECT pg_advisory_xact_lock($1)"

_ADMINISTRATORS = 0x61646D696E  # "admin": two administrators must not remove each other at once


async def lock_administrators(connection: Connection) -> None:
    """Become the only one to make or remove platform administrators until the transaction ends."""
    await connection.execute(LOCK_ADMINISTRATORS, _ADMINISTRATORS)


def account(row: Record) -> Account:
    """An account of its row."""
    return Account(
        id=row["id"],
        kind=row["kind"],
        institution_id=row["institution_id"],
        address=row["address"],
        name=row["name"],
        quota_bytes=row["quota_bytes"],
        disabled=row["disabled"],
    )


def _person(row: Record) -> Person:
    values = dict(row)
    return Person(**{**values, "roles": frozenset(Role(role) for role in values["roles"])})


def _kept(roles: frozenset[Role]) -> list[str]:
    return [role.value for role in Role if role in roles]
