"""What mail asks: where an address leads, who may send with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from comgov.people.model import Account, Posting
from comgov.people.store.people import account

if TYPE_CHECKING:
    from comgov.db import Connection


@dataclass(frozen=True, kw_only=True)
class Destination:
    """Where an address of one of our domains leads: an open account, an open list, or neither."""

    institution_id: int
    account_id: int | None
    quota_bytes: int | None
    list_id: int | None
    posting: Posting | None
    owner: str | None


DESTINATION = """
SELECT institution.id AS institution_id, account.id AS account_id, account.quota_bytes,
       mailing_list.id AS list_id, mailing_list.posting, owner.address AS owner
FROM comgov.institution
LEFT JOIN comgov.address ON address.address = $1
LEFT JOIN comgov.account ON account.id = address.account_id AND account.disabled_at IS NULL
LEFT JOIN comgov.mailing_list ON mailing_list.id = address.list_id AND mailing_list.disabled_at IS NULL
LEFT JOIN comgov.account AS owner ON owner.id = mailing_list.owner_id
WHERE institution.domain = $2
"""


async def destination(connection: Connection, address: str, domain: str) -> Destination | None:
    """Where an address (lower case) leads; None when the domain is not ours."""
    row = await connection.fetchrow(DESTINATION, address, domain)
    if row is None:
        return None
    values = dict(row)
    return Destination(**{**values, "posting": Posting(values["posting"]) if values["posting"] else None})


OPEN_MEMBERS = """
SELECT account.id, kind, institution_id, address, name, quota_bytes, false AS disabled
FROM comgov.list_member JOIN comgov.account ON account.id = account_id
WHERE list_id = $1 AND disabled_at IS NULL ORDER BY account.id
"""


async def open_members(connection: Connection, list_id: int) -> list[Account]:
    """The members of a list whose accounts are open."""
    return [account(row) for row in await connection.fetch(OPEN_MEMBERS, list_id)]


OPEN_ADDRESSES = "SELECT address FROM comgov.account WHERE institution_id = $1 AND disabled_at IS NULL"


async def open_addresses(connection: Connection, institution_id: int) -> frozenset[str]:
    """The addresses of an institution's open accounts."""
    return frozenset(row["address"] for row in await connection.fetch(OPEN_ADDRESSES, institution_id))


ADMINISTRATORS = """
SELECT id, account.kind, institution_id, address, name, quota_bytes, false AS disabled,
       institution_id = $1 AND 'institution-administrator' = ANY (roles) AS nearest
FROM comgov.account JOIN comgov.person USING (id)
WHERE disabled_at IS NULL AND (institution_id = $1 AND 'institution-administrator' = ANY (roles)
                               OR 'platform-administrator' = ANY (roles))
ORDER BY id
"""


async def administrators(connection: Connection, institution_id: int) -> list[Account]:
    """Who answers for an institution: its administrators, or the platform's when it has none."""
    rows = await connection.fetch(ADMINISTRATORS, institution_id)
    nearest = [row for row in rows if row["nearest"]]
    return [account(row) for row in nearest or rows]
