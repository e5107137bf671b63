"""What mail asks: where an address leads, what a person reaches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from comgov.people.model import Account, Holding, Posting, Rights
from comgov.people.store.people import account

if TYPE_CHECKING:
    from comgov.db import Connection, Record


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


OPEN_HOLDERS = """
SELECT DISTINCT account.id, account.kind, account.institution_id, account.address, account.name, account.quota_bytes,
       false AS disabled
FROM comgov.holding JOIN comgov.account ON account.id = holding.person_id
JOIN comgov.institution ON institution.id = account.institution_id
WHERE post_id = $1 AND account.disabled_at IS NULL AND institution.state = 'active' ORDER BY account.id
"""


async def open_holders(connection: Connection, post_id: int) -> list[Account]:
    """Who has ever held a post, will do so or does, and may sign in."""
    return [account(row) for row in await connection.fetch(OPEN_HOLDERS, post_id)]


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


@dataclass(frozen=True, kw_only=True)
class Reach:
    """A person whose account and institution are open, and every post they ever held or will hold.

    accounts: their own and those of the posts. has_app_password: that the one which was asked about is not revoked.
    """

    password_hash: str | None
    has_app_password: bool
    accounts: tuple[Account, ...]
    holdings: tuple[Holding, ...]


REACH = """
SELECT person.password_hash,
       EXISTS (SELECT FROM comgov.app_password WHERE id = $2 AND person_id = person.id AND revoked_at IS NULL)
           AS has_app_password,
       own.name AS person_name, own.address AS person_address, account.id, account.kind, account.institution_id,
       account.address, account.name, account.quota_bytes, account.disabled_at IS NOT NULL AS disabled,
       holding.id AS holding_id, holding.rights, holding.held_from, holding.held_until
FROM comgov.person JOIN comgov.account AS own USING (id) JOIN comgov.institution ON institution.id = own.institution_id
CROSS JOIN LATERAL (SELECT own.id AS account_id, NULL::bigint AS held UNION ALL
                    SELECT post_id, holding.id FROM comgov.holding WHERE person_id = own.id) AS reached
JOIN comgov.account ON account.id = reached.account_id
LEFT JOIN comgov.holding ON holding.id = reached.held
WHERE person.id = $1 AND own.disabled_at IS NULL AND institution.state = 'active'
"""


async def reach(connection: Connection, person_id: int, app_password_id: int) -> Reach | None:
    """None when the account or its institution is closed. app_password_id: 0 for none. One row for each holding."""
    rows = await connection.fetch(REACH, person_id, app_password_id)
    if not rows:
        return None
    return Reach(
        password_hash=rows[0]["password_hash"],
        has_app_password=rows[0]["has_app_password"],
        accounts=tuple({row["id"]: account(row) for row in rows}.values()),
        holdings=tuple(_holding(row, person_id) for row in rows if row["holding_id"] is not None),
    )


def _holding(row: Record, person_id: int) -> Holding:
    return Holding(
        id=row["holding_id"],
        post_id=row["id"],
        person_id=person_id,
        person_name=row["person_name"],
        person_address=row["person_address"],
        rights=Rights(row["rights"]),
        held_from=row["held_from"],
        held_until=row["held_until"],
    )
