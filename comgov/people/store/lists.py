"""Lists and their members."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import asyncpg

from comgov.people.model import Account, MailingList, Posting
from comgov.people.store.people import account, taken

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from comgov.db import Connection, Record

INSERT = """
INSERT INTO comgov.mailing_list (institution_id, address, name, posting, owner_id, created_at)
VALUES ($1, $2, $3, $4, $5, $6) RETURNING id
"""

CLAIM = "INSERT INTO comgov.address (address, list_id) VALUES ($1, $2)"


async def insert(
    connection: Connection,
    institution_id: int,
    address: str,
    name: str,
    posting: Posting,
    owner_id: int,
    now: datetime,
) -> int:
    """Add a list and claim its address; gives its id. Raises Conflict when the address is taken, by whatever."""
    try:
        list_id: int = await connection.fetchval(INSERT, institution_id, address, name, posting, owner_id, now)
        await connection.execute(CLAIM, address, list_id)
    except asyncpg.UniqueViolationError as error:
        raise taken(error) from error
    return list_id


_LIST = """
SELECT id, institution_id, address, name, posting, owner_id, disabled_at IS NOT NULL AS disabled, created_at
FROM comgov.mailing_list
"""

BY_ADDRESS = _LIST + "WHERE address = $1"


async def by_address(connection: Connection, address: str) -> MailingList | None:
    """The list of that address with its members."""
    row = await connection.fetchrow(BY_ADDRESS, address)
    return (await _lists(connection, [row]))[0] if row else None


BY_ADDRESS_LOCKED = _LIST + "WHERE address = $1 FOR NO KEY UPDATE"


async def by_address_locked(connection: Connection, address: str) -> MailingList | None:
    """The same, for this transaction alone to change, members included."""
    row = await connection.fetchrow(BY_ADDRESS_LOCKED, address)
    return (await _lists(connection, [row]))[0] if row else None


PAGE = _LIST + "WHERE institution_id = $1 AND address > $2 ORDER BY address LIMIT $3"


async def page(connection: Connection, institution_id: int, after: str, limit: int) -> list[MailingList]:
    """Lists of an institution, by address, after that address."""
    return await _lists(connection, await connection.fetch(PAGE, institution_id, after, limit))


MEMBERS = """
SELECT list_id, account.id, kind, institution_id, address, name, quota_bytes, disabled_at IS NOT NULL AS disabled
FROM comgov.list_member JOIN comgov.account ON account.id = account_id
WHERE list_id = ANY ($1::bigint[]) ORDER BY address
"""


async def _lists(connection: Connection, rows: list[Record]) -> list[MailingList]:
    members: dict[int, list[Account]] = {row["id"]: [] for row in rows}
    for row in await connection.fetch(MEMBERS, list(members)):
        members[row["list_id"]].append(account(row))
    return [_list(row, members[row["id"]]) for row in rows]


UPDATE = "UPDATE comgov.mailing_list SET name = $2, posting = $3, owner_id = $4, disabled_at = $5 WHERE id = $1"


async def update(
    connection: Connection, list_id: int, name: str, posting: Posting, owner_id: int, disabled_at: datetime | None
) -> None:
    """Write all that may change; the address never does."""
    await connection.execute(UPDATE, list_id, name, posting, owner_id, disabled_at)


ADD_MEMBERS = """
INSERT INTO comgov.list_member (list_id, account_id) SELECT $1, unnest($2::bigint[]) ON CONFLICT DO NOTHING
"""


async def add_members(connection: Connection, list_id: int, account_ids: Iterable[int]) -> None:
    """Put accounts on a list; those on it already stay."""
    await connection.execute(ADD_MEMBERS, list_id, list(account_ids))


REMOVE_MEMBERS = "DELETE FROM comgov.list_member WHERE list_id = $1 AND account_id = ANY ($2::bigint[])"


async def remove_members(connection: Connection, list_id: int, account_ids: Iterable[int]) -> None:
    """Take accounts off a list; those not on it do no harm."""
    await connection.execute(REMOVE_MEMBERS, list_id, list(account_ids))


def _list(row: Record, members: Sequence[Account]) -> MailingList:
    values: dict[str, Any] = dict(row)
    return MailingList(**{**values, "posting": Posting(values["posting"])}, members=tuple(members))
