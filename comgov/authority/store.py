"""The authority's tables."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from comgov.authority.keyring import Lock
from comgov.authority.model import Issued
from comgov.signing.certificates import Purpose, RevocationReason, Revoked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from comgov.db import Connection, Record

LOCK = "SELECT pg_advisory_xact_lock($1)"

_ISSUING = 0x61757468  # "auth": one issuer at a time, whatever the node


async def lock(connection: Connection) -> None:
    """Become the only one to issue certificates and lists until the transaction ends."""
    await connection.execute(LOCK, _ISSUING)


KEYRING = "SELECT salt, cost, proof, made_at FROM comgov.keyring"


async def keyring(connection: Connection) -> Lock | None:
    """The lock of all keys; None before the first."""
    row = await connection.fetchrow(KEYRING)
    return Lock(**dict(row)) if row else None


ADD_KEYRING = "INSERT INTO comgov.keyring (salt, cost, proof, made_at) VALUES ($1, $2, $3, $4)"


async def add_keyring(connection: Connection, lock: Lock) -> None:
    """Keep the lock, once and for all."""
    await connection.execute(ADD_KEYRING, lock.salt, lock.cost, lock.proof, lock.made_at)


ADD = """
INSERT INTO comgov.certificate
    (institution_id, purpose, name, serial_number, issuer_id, der, key, not_before, not_after)
VALUES (nullif($1::bigint, 0), $2, $3, $4, $5, $6, $7, $8, $9)
RETURNING *
"""


async def add(
    connection: Connection,
    certificate: x509.Certificate,
    *,
    purpose: Purpose,
    name: str,
    issuer_id: int | None,
    institution_id: int = 0,
    key: bytes | None,
) -> Issued:
    """Keep a new certificate and its encrypted key."""
    row = await connection.fetchrow(
        ADD,
        institution_id,
        purpose,
        name,
        f"{certificate.serial_number:x}",
        issuer_id,
        certificate.public_bytes(Encoding.DER),
        key,
        certificate.not_valid_before_utc,
        certificate.not_valid_after_utc,
    )
    assert row is not None
    return _issued(row)


ROOT = "SELECT * FROM comgov.certificate WHERE purpose = 'root'"


async def root(connection: Connection) -> Issued | None:
    """The root; None before `establish`."""
    row = await connection.fetchrow(ROOT)
    return _issued(row) if row else None


LATEST = """
SELECT * FROM comgov.certificate
WHERE coalesce(institution_id, 0) = $1 AND purpose = $2 AND ($3 = '' OR name = $3)
ORDER BY not_before DESC, id DESC LIMIT 1
"""


async def latest(connection: Connection, institution_id: int, purpose: Purpose, name: str = "") -> Issued | None:
    """The newest certificate for that, good or not. institution_id: 0 for the platform's."""
    row = await connection.fetchrow(LATEST, institution_id, purpose, name)
    return _issued(row) if row else None


CURRENT = """
SELECT * FROM comgov.certificate one
WHERE coalesce(institution_id, 0) = $1 AND purpose = $2 AND revoked_at IS NULL AND not_before <= $3 AND not_after > $3
  AND NOT EXISTS (SELECT FROM comgov.certificate WHERE id = one.issuer_id AND revoked_at IS NOT NULL)
ORDER BY not_before DESC, id DESC LIMIT 1
"""


async def current(connection: Connection, institution_id: int, purpose: Purpose, now: datetime) -> Issued | None:
    """The newest certificate for that which is good, as is its issuer."""
    row = await connection.fetchrow(CURRENT, institution_id, purpose, now)
    return _issued(row) if row else None


BY_ID = "SELECT * FROM comgov.certificate WHERE id = $1"


async def by_id(connection: Connection, certificate_id: int) -> Issued:
    """The certificate of that id, which exists."""
    row = await connection.fetchrow(BY_ID, certificate_id)
    assert row is not None
    return _issued(row)


BY_SERIAL_NUMBER = "SELECT * FROM comgov.certificate WHERE serial_number = $1 FOR UPDATE"


async def by_serial_number(connection: Connection, serial_number: str) -> Issued | None:
    """The certificate of that serial number, for this transaction alone to change."""
    row = await connection.fetchrow(BY_SERIAL_NUMBER, serial_number)
    return _issued(row) if row else None


AUTHORITIES = "SELECT * FROM comgov.certificate WHERE purpose IN ('root', 'platform', 'institution') ORDER BY id"


async def authorities(connection: Connection) -> list[Issued]:
    """All that sign certificates, hence revocation lists; the root first."""
    return [_issued(row) for row in await connection.fetch(AUTHORITIES)]


ENROLLED = "SELECT DISTINCT institution_id FROM comgov.certificate WHERE purpose = 'institution'"


async def enrolled(connection: Connection) -> frozenset[int]:
    """Ids of the institutions that have had an authority."""
    return frozenset(row["institution_id"] for row in await connection.fetch(ENROLLED))


WITHOUT_TIME_STAMP = """
SELECT * FROM comgov.certificate one
WHERE purpose = 'institution' AND NOT EXISTS (
    SELECT FROM comgov.certificate stamp
    WHERE stamp.purpose = 'time-stamp' AND stamp.institution_id = one.institution_id
) ORDER BY id
"""


async def without_time_stamp(connection: Connection) -> list[Issued]:
    """Authorities of institutions that never had a time-stamp authority."""
    return [_issued(row) for row in await connection.fetch(WITHOUT_TIME_STAMP)]


ALL = """
SELECT * FROM comgov.certificate
WHERE ($1::bigint IS NULL OR coalesce(institution_id, 0) = $1) AND id > $2 ORDER BY id LIMIT $3
"""


async def page(connection: Connection, institution_id: int | None, after: int, limit: int) -> list[Issued]:
    """Certificates in the order they were issued, after that id; of one institution, or of all."""
    return [_issued(row) for row in await connection.fetch(ALL, institution_id, after, limit)]


REVOKE = "UPDATE comgov.certificate SET revoked_at = $2, reason = $3 WHERE id = $1 RETURNING *"


async def revoke(connection: Connection, certificate_id: int, at: datetime, reason: RevocationReason) -> Issued:
    """Write down that it is no longer good from then on."""
    row = await connection.fetchrow(REVOKE, certificate_id, at, reason)
    assert row is not None
    return _issued(row)


REVOKED = """
SELECT serial_number, revoked_at, reason FROM comgov.certificate WHERE issuer_id = $1 AND revoked_at IS NOT NULL
"""


async def revoked(connection: Connection, issuer_id: int) -> list[Revoked]:
    """The lines of an authority's revocation list."""
    return [
        Revoked(
            serial_number=int(row["serial_number"], 16),
            at=row["revoked_at"],
            reason=RevocationReason(row["reason"]),
        )
        for row in await connection.fetch(REVOKED, issuer_id)
    ]


NEXT_NUMBER = "SELECT coalesce(max(number), 0) + 1 FROM comgov.crl WHERE issuer_id = $1"


async def next_crl_number(connection: Connection, issuer_id: int) -> int:
    """The number of that authority's next list; under `lock`."""
    number: int = await connection.fetchval(NEXT_NUMBER, issuer_id)
    return number


COUNT_PUBLISHED = "UPDATE comgov.keyring SET published = published + 1"
ADD_CRL = "INSERT INTO comgov.crl (issuer_id, number, der, this_update) VALUES ($1, $2, $3, $4)"


async def add_crl(connection: Connection, issuer_id: int, number: int, crl: x509.CertificateRevocationList) -> None:
    """Keep a list; it is in force from now on."""
    await connection.execute(ADD_CRL, issuer_id, number, crl.public_bytes(Encoding.DER), crl.last_update_utc)
    await connection.execute(COUNT_PUBLISHED)


PUBLISHED_COUNT = "SELECT published FROM comgov.keyring"


async def published_count(connection: Connection) -> int:
    """How many lists ever came into force; 0 before the first."""
    return await connection.fetchval(PUBLISHED_COUNT) or 0


@dataclass(frozen=True, kw_only=True)
class Published:
    """The revocation list in force of one authority. institution_id: 0 for the platform's two."""

    name: str
    institution_id: int
    issuer_id: int
    number: int
    der: bytes
    this_update: datetime

    @property
    def crl(self) -> x509.CertificateRevocationList:
        """The list itself."""
        return x509.load_der_x509_crl(self.der)


_PUBLISHED = """
SELECT issuer.name, coalesce(issuer.institution_id, 0) AS institution_id, issuer.id AS issuer_id,
       crl.number, crl.der, crl.this_update
FROM comgov.certificate issuer
CROSS JOIN LATERAL (SELECT * FROM comgov.crl WHERE issuer_id = issuer.id ORDER BY number DESC LIMIT 1) crl
WHERE issuer.purpose IN ('root', 'platform', 'institution')
"""

PUBLISHED = f"{_PUBLISHED} ORDER BY issuer.id"


async def published(connection: Connection) -> list[Published]:
    """Every revocation list in force, the root's first."""
    return [Published(**dict(row)) for row in await connection.fetch(PUBLISHED)]


PUBLISHED_FOR = f"{_PUBLISHED} AND coalesce(issuer.institution_id, 0) = ANY($1) ORDER BY issuer.id"


async def published_for(connection: Connection, institution_ids: Sequence[int]) -> list[Published]:
    """The platform's lists in force, the root's first, and those of these institutions."""
    return [Published(**dict(row)) for row in await connection.fetch(PUBLISHED_FOR, [0, *institution_ids])]


PUBLISHED_BY = f"{_PUBLISHED} AND issuer.id = $1"


async def published_by(connection: Connection, issuer_id: int) -> Published | None:
    """The list in force of one authority; None before its first."""
    row = await connection.fetchrow(PUBLISHED_BY, issuer_id)
    return Published(**dict(row)) if row else None


PUBLISHED_AS = f"{_PUBLISHED} AND issuer.name = $1 ORDER BY issuer.id DESC LIMIT 1"


async def published_as(connection: Connection, name: str) -> Published | None:
    """The list in force of the authority of that name."""
    row = await connection.fetchrow(PUBLISHED_AS, name)
    return Published(**dict(row)) if row else None


@dataclass(frozen=True, kw_only=True)
class SealerRow:
    """All that one signature needs. stamp, stamp_key: None when the platform cannot stamp."""

    seal: bytes
    seal_key: bytes
    authority: bytes
    authority_crl: bytes
    root_crl: bytes
    stamp: bytes | None
    stamp_key: bytes | None


SEALER = """
SELECT seal.der AS seal, seal.key AS seal_key, authority.der AS authority,
       authority_crl.der AS authority_crl, root_crl.der AS root_crl, stamp.der AS stamp, stamp.key AS stamp_key
FROM comgov.certificate seal
JOIN comgov.certificate authority ON authority.id = seal.issuer_id AND authority.revoked_at IS NULL
CROSS JOIN LATERAL (
    SELECT der FROM comgov.crl WHERE issuer_id = authority.id ORDER BY number DESC LIMIT 1
) authority_crl
CROSS JOIN LATERAL (
    SELECT der FROM comgov.crl WHERE issuer_id = authority.issuer_id ORDER BY number DESC LIMIT 1
) root_crl
LEFT JOIN LATERAL (
    SELECT der, key FROM comgov.certificate
    WHERE coalesce(institution_id, 0) = 0 AND purpose = 'time-stamp' AND revoked_at IS NULL
      AND not_before <= $2 AND not_after > $2 AND key IS NOT NULL
    ORDER BY not_before DESC LIMIT 1
) stamp ON true
WHERE coalesce(seal.institution_id, 0) = $1 AND seal.purpose = 'seal' AND seal.revoked_at IS NULL
  AND seal.not_before <= $2 AND seal.not_after > $2 AND seal.key IS NOT NULL
ORDER BY seal.not_before DESC, seal.id DESC LIMIT 1
"""


async def sealer(connection: Connection, institution_id: int, now: datetime) -> SealerRow | None:
    """The institution's newest good seal with its authority, lists and time-stamp; None without a good seal."""
    row = await connection.fetchrow(SEALER, institution_id, now)
    return SealerRow(**dict(row)) if row else None


def _issued(row: Record) -> Issued:
    values = dict(row)
    values["institution_id"] = values["institution_id"] or 0
    values["purpose"] = Purpose(values["purpose"])
    values["reason"] = RevocationReason(values["reason"]) if values["reason"] else None
    return Issued(**values)
