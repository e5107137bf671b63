"""Who may sign in, sessions, and failures that count."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from comgov.actor import Actor, Role
from comgov.people.model import Session

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta

    from comgov.db import Connection, Record


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """A person as sign-in sees them. is_open: neither they nor their institution are closed."""

    actor: Actor
    password_hash: str | None
    is_open: bool


_PERSON = """
SELECT account.id AS person_id, account.institution_id, account.name, account.address, person.roles, person.language,
       person.password_hash, institution.code AS institution_code,
       account.disabled_at IS NULL AND institution.state = 'active' AS is_open,
       ARRAY(SELECT post_id FROM comgov.holding WHERE holding.person_id = account.id
             AND held_from <= $2 AND (held_until IS NULL OR held_until > $2)) AS posts
FROM comgov.account JOIN comgov.person USING (id) JOIN comgov.institution ON institution.id = account.institution_id
"""

BY_ADDRESS = _PERSON + "WHERE account.address = $1"


async def credentials(connection: Connection, address: str, now: datetime, ip: str) -> Credentials | None:
    """The person of that address (lower case) with the posts held now; None for posts, lists, strangers."""
    row = await connection.fetchrow(BY_ADDRESS, address, now)
    return _credentials(row, ip) if row else None


_IN_SESSION = """
WHERE account.id = (SELECT person_id FROM comgov.session
                    WHERE token_sha256 = $1 AND expires_at > $2 AND seen_at > $3)
"""

BY_SESSION = _PERSON + _IN_SESSION


async def of_session(
    connection: Connection, token_sha256: bytes, now: datetime, idle: timedelta, ip: str
) -> Credentials | None:
    """The person whose session that is, if it has neither ended nor been left alone for `idle`."""
    row = await connection.fetchrow(BY_SESSION, token_sha256, now, now - idle)
    return _credentials(row, ip) if row else None


def _credentials(row: Record, ip: str) -> Credentials:
    return Credentials(
        actor=Actor(
            person_id=row["person_id"],
            institution_id=row["institution_id"],
            institution_code=row["institution_code"],
            name=row["name"],
            address=row["address"],
            roles=frozenset(Role(role) for role in row["roles"]),
            posts=frozenset(row["posts"]),
            language=row["language"],
            ip=ip,
        ),
        password_hash=row["password_hash"],
        is_open=row["is_open"],
    )


SET_PASSWORD = "UPDATE comgov.person SET password_hash = $2 WHERE id = $1"  # noqa: S105  # a statement, no secret


async def set_password(connection: Connection, person_id: int, password_hash: str) -> None:
    """Replace the hash."""
    await connection.execute(SET_PASSWORD, person_id, password_hash)


REHASH = "UPDATE comgov.person SET password_hash = $3 WHERE id = $1 AND password_hash = $2"


async def rehash(connection: Connection, person_id: int, old: str, new: str) -> None:
    """Replace the hash of the same password by a costlier one, unless it was changed meanwhile."""
    await connection.execute(REHASH, person_id, old, new)


INSERT_SESSION = """
INSERT INTO comgov.session (token_sha256, person_id, created_at, seen_at, expires_at, ip, agent)
SELECT $1, id, $3, $3, $4, $5, $6 FROM comgov.person WHERE id = $2 AND password_hash = $7 FOR SHARE
"""


async def insert_session(
    connection: Connection, token_sha256: bytes, found: Credentials, now: datetime, expires_at: datetime, agent: str
) -> bool:
    """Open a session, unless the password is another by now."""
    who = found.actor.person_id, now, expires_at, found.actor.ip, agent, found.password_hash
    return await connection.execute(INSERT_SESSION, token_sha256, *who) == "INSERT 0 1"


SEE = "UPDATE comgov.session SET seen_at = $2 WHERE token_sha256 = $1 AND seen_at < $3"


async def see(connection: Connection, token_sha256: bytes, now: datetime, unless_since: datetime) -> None:
    """Note that the session is in use, unless that was noted since."""
    await connection.execute(SEE, token_sha256, now, unless_since)


DELETE_SESSION = "DELETE FROM comgov.session WHERE token_sha256 = $1 RETURNING person_id"


async def delete_session(connection: Connection, token_sha256: bytes) -> bool:
    """End it; False when there was none."""
    return await connection.fetchval(DELETE_SESSION, token_sha256) is not None


DELETE_SESSION_OF = "DELETE FROM comgov.session WHERE id = $1 AND person_id = $2 RETURNING id"


async def delete_session_of(connection: Connection, session_id: int, person_id: int) -> bool:
    """End that session of that person; False when there was none."""
    return await connection.fetchval(DELETE_SESSION_OF, session_id, person_id) is not None


DELETE_SESSIONS = "DELETE FROM comgov.session WHERE person_id = $1 AND token_sha256 IS DISTINCT FROM $2"


async def delete_sessions(connection: Connection, person_id: int, but: bytes | None = None) -> None:
    """End every session of a person, except the one whose digest is `but`."""
    await connection.execute(DELETE_SESSIONS, person_id, but)


SESSIONS = """
SELECT id, created_at, seen_at, expires_at, ip, agent FROM comgov.session
WHERE person_id = $1 AND expires_at > $2 AND seen_at > $3 ORDER BY seen_at DESC LIMIT 100
"""


async def sessions(connection: Connection, person_id: int, now: datetime, idle: timedelta) -> list[Session]:
    """Sessions that have not ended, the latest used first."""
    return [Session(**dict(row)) for row in await connection.fetch(SESSIONS, person_id, now, now - idle)]


SWEEP_SESSIONS = "DELETE FROM comgov.session WHERE expires_at <= $1 OR seen_at <= $2"
SWEEP_FAILURES = "DELETE FROM comgov.sign_in_failures WHERE at <= $1"


async def sweep(connection: Connection, now: datetime, idle: timedelta, window: timedelta) -> None:
    """Forget sessions that ended and failures that no longer count."""
    await connection.execute(SWEEP_SESSIONS, now, now - idle)
    await connection.execute(SWEEP_FAILURES, now - window)


LEVELS = "SELECT key, level, at FROM comgov.sign_in_failures WHERE key = ANY ($1::bytea[])"


async def failures(connection: Connection, keys: Sequence[bytes]) -> dict[bytes, tuple[float, datetime]]:
    """The level of each bucket that has one, and when it stood there."""
    return {row["key"]: (row["level"], row["at"]) for row in await connection.fetch(LEVELS, keys)}


COUNT_FAILURE = """
INSERT INTO comgov.sign_in_failures AS kept (key, level, at)
SELECT key, 1, $3 FROM unnest($1::bytea[], $2::float8[]) AS bucket (key, leak) ORDER BY key
ON CONFLICT (key) DO UPDATE SET
    level = greatest(0, kept.level - extract(epoch FROM greatest($3 - kept.at, '0'))
                     * (SELECT leak FROM unnest($1::bytea[], $2::float8[]) AS bucket (key, leak)
                        WHERE bucket.key = kept.key)) + 1,
    at = greatest($3, kept.at)
"""


async def count_failure(connection: Connection, leaks: Mapping[bytes, float], now: datetime) -> None:
    """Add one failure to each bucket. leaks: what leaves each bucket in a second."""
    await connection.execute(COUNT_FAILURE, list(leaks), list(leaks.values()), now)


FORGIVE = "DELETE FROM comgov.sign_in_failures WHERE key = $1"


async def forgive(connection: Connection, key: bytes) -> None:
    """Empty a bucket."""
    await connection.execute(FORGIVE, key)
