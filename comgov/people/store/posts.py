"""Posts and who holds them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from comgov.people.model import Holding, Post, Rights

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from comgov.db import Connection, Record

INSERT = "INSERT INTO comgov.post (id) VALUES ($1)"


async def insert(connection: Connection, account_id: int) -> None:
    """Make a post of an account."""
    await connection.execute(INSERT, account_id)


_POST = """
SELECT id, institution_id, address, name, quota_bytes, disabled_at IS NOT NULL AS disabled, created_at
FROM comgov.account
"""

BY_ADDRESS = _POST + "WHERE kind = 'post' AND address = $1"


async def by_address(connection: Connection, address: str) -> Post | None:
    """The post of that address with all its holdings."""
    row = await connection.fetchrow(BY_ADDRESS, address)
    return (await _posts(connection, [row]))[0] if row else None


BY_ADDRESS_LOCKED = _POST + "WHERE kind = 'post' AND address = $1 FOR NO KEY UPDATE"


async def by_address_locked(connection: Connection, address: str) -> Post | None:
    """The same, for this transaction alone to change, holdings included."""
    row = await connection.fetchrow(BY_ADDRESS_LOCKED, address)
    return (await _posts(connection, [row]))[0] if row else None


BY_IDS = _POST + "WHERE kind = 'post' AND id = ANY ($1::bigint[]) ORDER BY address"


async def by_ids(connection: Connection, ids: Iterable[int]) -> list[Post]:
    """The posts among those ids, by address."""
    return await _posts(connection, await connection.fetch(BY_IDS, list(ids)))


PAGE = _POST + "WHERE kind = 'post' AND institution_id = $1 AND address > $2 ORDER BY address LIMIT $3"


async def page(connection: Connection, institution_id: int, after: str, limit: int) -> list[Post]:
    """Posts of an institution, by address, after that address."""
    return await _posts(connection, await connection.fetch(PAGE, institution_id, after, limit))


HOLDINGS = """
SELECT holding.id, post_id, person_id, account.name AS person_name, account.address AS person_address, rights,
       held_from, held_until
FROM comgov.holding JOIN comgov.account ON account.id = person_id
WHERE post_id = ANY ($1::bigint[]) ORDER BY held_from, holding.id
"""


async def holdings(connection: Connection, post_ids: Iterable[int]) -> list[Holding]:
    """Every holding of those posts, past ones too, oldest first."""
    return [_holding(row) for row in await connection.fetch(HOLDINGS, list(post_ids))]


INSERT_HOLDING = """
INSERT INTO comgov.holding (post_id, person_id, rights, held_from, held_until) VALUES ($1, $2, $3, $4, $5)
"""


async def insert_holding(
    connection: Connection,
    post_id: int,
    person_id: int,
    rights: Rights,
    held_from: datetime,
    held_until: datetime | None,
) -> None:
    """Let a person hold a post."""
    await connection.execute(INSERT_HOLDING, post_id, person_id, rights, held_from, held_until)


END_HOLDING = "UPDATE comgov.holding SET held_until = $2 WHERE id = $1"


async def end_holding(connection: Connection, holding_id: int, held_until: datetime) -> None:
    """Set the end of a holding that has begun."""
    await connection.execute(END_HOLDING, holding_id, held_until)


DELETE_HOLDING = "DELETE FROM comgov.holding WHERE id = $1"


async def delete_holding(connection: Connection, holding_id: int) -> None:
    """Take back a holding that has not begun."""
    await connection.execute(DELETE_HOLDING, holding_id)


async def _posts(connection: Connection, rows: list[Record]) -> list[Post]:
    found: dict[int, list[Holding]] = {row["id"]: [] for row in rows}
    for holding in await holdings(connection, found):
        found[holding.post_id].append(holding)
    return [Post(**dict(row), holdings=tuple(found[row["id"]])) for row in rows]


def _holding(row: Record) -> Holding:
    values: dict[str, Any] = dict(row)
    return Holding(**{**values, "rights": Rights(values["rights"])})
