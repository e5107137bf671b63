"""Passwords of devices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from comgov.people.model import AppPassword

if TYPE_CHECKING:
    from datetime import datetime

    from comgov.db import Connection, Record

_OPEN = """
SELECT id, name, created_at, used_at, used_ip, used_for FROM comgov.app_password
WHERE person_id = $1 AND revoked_at IS NULL
"""

OF_PERSON = _OPEN + "ORDER BY id DESC"


async def of_person(connection: Connection, person_id: int) -> list[AppPassword]:
    """Those that are not revoked, the newest first."""
    return [_app_password(row) for row in await connection.fetch(OF_PERSON, person_id)]


LOCK_PERSON = "SELECT password_hash FROM comgov.person WHERE id = $1 FOR NO KEY UPDATE"


async def lock_person(connection: Connection, person_id: int) -> str | None:
    """Nobody else gives that person a password until the transaction ends; gives the hash of theirs."""
    kept: str | None = await connection.fetchval(LOCK_PERSON, person_id)
    return kept


INSERT = """
INSERT INTO comgov.app_password (person_id, name, sha256, created_at) VALUES ($1, $2, $3, $4)
ON CONFLICT DO NOTHING RETURNING id, name, created_at, used_at, used_ip, used_for
"""


async def insert(
    connection: Connection, person_id: int, name: str, sha256: bytes, created_at: datetime
) -> AppPassword | None:
    """A new one; None when that very password was made before."""
    row = await connection.fetchrow(INSERT, person_id, name, sha256, created_at)
    return _app_password(row) if row else None


BY_DIGEST = _OPEN + "AND sha256 = $2"


async def by_digest(connection: Connection, person_id: int, sha256: bytes) -> AppPassword | None:
    """That person's, unless it is revoked."""
    row = await connection.fetchrow(BY_DIGEST, person_id, sha256)
    return _app_password(row) if row else None


REVOKE = """
UPDATE comgov.app_password SET revoked_at = $3
WHERE person_id = $1 AND revoked_at IS NULL AND ($2::bigint IS NULL OR id = $2) RETURNING name
"""


async def revoke(connection: Connection, person_id: int, password_id: int | None, now: datetime) -> list[str]:
    """Revoke one of a person's, or all (None); gives the names of those that were not revoked yet."""
    return [row["name"] for row in await connection.fetch(REVOKE, person_id, password_id, now)]


SWEEP = "DELETE FROM comgov.app_password WHERE revoked_at <= $1"


async def sweep(connection: Connection, revoked_before: datetime) -> None:
    """Forget those that were revoked before then."""
    await connection.execute(SWEEP, revoked_before)


@dataclass(frozen=True, kw_only=True)
class Holder:
    """Whose app password that is. used_at: its last use that was noted. is_open: as of `Credentials`."""

    person_id: int
    name: str
    address: str
    is_open: bool
    password_id: int
    used_at: datetime | None


HOLDER = """
SELECT account.id AS person_id, account.name, account.address, app_password.id AS password_id, app_password.used_at,
       account.disabled_at IS NULL AND institution.state = 'active' AS is_open
FROM comgov.app_password JOIN comgov.account ON account.id = person_id
JOIN comgov.institution ON institution.id = account.institution_id
WHERE sha256 = $1 AND account.address = $2 AND revoked_at IS NULL
"""


async def holder(connection: Connection, sha256: bytes, address: str) -> Holder | None:
    """The person of that address (lower case), if that is an app password of theirs."""
    row = await connection.fetchrow(HOLDER, sha256, address)
    return Holder(**dict(row)) if row else None


NOTE_USE = "UPDATE comgov.app_password SET used_at = $2, used_ip = $3, used_for = $4 WHERE id = $1"


async def note_use(connection: Connection, password_id: int, now: datetime, ip: str, service: str) -> None:
    """When it was last used, from where and for what."""
    await connection.execute(NOTE_USE, password_id, now, ip, service)


def _app_password(row: Record) -> AppPassword:
    return AppPassword(**dict(row))
