"""The tables of the registers."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from comgov.registers.audit import Key
from comgov.registers.model import Direction, Entry, Number, NumberFilter, Register, Witness
from comgov.signing.checkpoint import Checkpoint, SignatureLine, SignedCheckpoint
from comgov.signing.merkle import HASH_BYTES, Frontier, Node, Path

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from comgov.db import Connection, Record
    from comgov.signing.certificates import Credential

# Conflicts of either key: two who open it at once may meet at the origin first.
OPEN = "INSERT INTO comgov.register (institution_id, origin) VALUES ($1, $2) ON CONFLICT DO NOTHING"


async def open_register(connection: Connection, institution_id: int, origin: str) -> None:
    """Make sure that the institution has a register; it is empty at first."""
    await connection.execute(OPEN, institution_id, origin)


LOCK = "SELECT institution_id, origin, size, peaks FROM comgov.register WHERE institution_id = $1 FOR NO KEY UPDATE"


async def lock(connection: Connection, institution_id: int) -> Register | None:
    """The register, which nobody else extends until the transaction ends."""
    row = await connection.fetchrow(LOCK, institution_id)
    return _register(row) if row else None


LAST_NUMBER = """
SELECT number FROM comgov.register_entry
WHERE institution_id = $1 AND direction = $2 AND year = $3 AND number IS NOT NULL ORDER BY number DESC LIMIT 1
"""


async def last_number(connection: Connection, institution_id: int, direction: Direction, year: int) -> int:
    """The last number given in that year, 0 before the first. Only the holder of the lock may rely on it."""
    found: int | None = await connection.fetchval(LAST_NUMBER, institution_id, direction, year)
    return found or 0


APPEND = """
WITH entered AS (
    INSERT INTO comgov.register_entry (institution_id, index, at, body, hashes, direction, year, number)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
)
UPDATE comgov.register SET size = $2 + 1, peaks = $9 WHERE institution_id = $1
"""


async def append(
    connection: Connection, institution_id: int, entry: Entry, completed: Path, frontier: Frontier
) -> None:
    """Write an entry with the hashes of the nodes that it completes, and move the register on to that frontier."""
    number = entry.number
    await connection.execute(
        APPEND,
        institution_id,
        entry.index,
        entry.at,
        entry.body,
        b"".join(completed),
        number and number.direction,
        number and number.year,
        number and number.number,
        b"".join(frontier.peaks),
    )


NODES = """
SELECT wanted.institution_id, wanted.level, wanted.node, substr(entry.hashes, wanted.level * 32 + 1, 32) AS hash
FROM unnest($1::bigint[], $2::int[], $3::bigint[], $4::bigint[]) AS wanted (institution_id, level, node, leaf)
JOIN comgov.register_entry AS entry ON entry.institution_id = wanted.institution_id AND entry.index = wanted.leaf
"""


async def nodes(connection: Connection, wanted: Mapping[int, Iterable[Node]]) -> defaultdict[int, dict[Node, bytes]]:
    """The hashes of these complete nodes of registers, by institution; one that is not complete yet is missing."""
    every = [(institution_id, node) for institution_id, nodes in wanted.items() for node in nodes]
    rows = await connection.fetch(
        NODES,
        [institution_id for institution_id, _ in every],
        [node.level for _, node in every],
        [node.index for _, node in every],
        [node.last_leaf for _, node in every],
    )
    found: defaultdict[int, dict[Node, bytes]] = defaultdict(dict)
    for row in rows:
        found[row["institution_id"]][Node(row["level"], row["node"])] = row["hash"]
    return found


ORIGIN = "SELECT origin FROM comgov.register WHERE institution_id = $1"


async def origin(connection: Connection, institution_id: int) -> str:
    """The name of a register that exists."""
    found: str = await connection.fetchval(ORIGIN, institution_id)
    return found


NUMBERED = """
SELECT index, at, body, direction, year, number FROM comgov.register_entry
WHERE institution_id = $1 AND direction = $2 AND year = $3 AND number < $4 AND number IS NOT NULL
ORDER BY number DESC LIMIT $5
"""


async def numbered(connection: Connection, institution_id: int, wanted: NumberFilter) -> tuple[list[Entry], int]:
    """Entries of one direction and year, the newest first, and how many there are: the last number."""
    rows = await connection.fetch(NUMBERED, institution_id, wanted.direction, wanted.year, wanted.before, wanted.limit)
    return [_entry(row) for row in rows], await last_number(connection, institution_id, wanted.direction, wanted.year)


ENTRIES = """
SELECT index, at, body, direction, year, number FROM comgov.register_entry
WHERE institution_id = $1 AND index >= $2 ORDER BY index LIMIT $3
"""


async def entries(connection: Connection, institution_id: int, start: int, limit: int) -> list[Entry]:
    """Entries from index `start` on."""
    return [_entry(row) for row in await connection.fetch(ENTRIES, institution_id, start, limit)]


INSERT_CHECKPOINT = """
INSERT INTO comgov.checkpoint (institution_id, size, root, line, at) VALUES ($1, $2, $3, $4, $5)
"""


async def insert_checkpoint(
    connection: Connection, institution_id: int, checkpoint: Checkpoint, line: SignatureLine, at: datetime
) -> None:
    """Keep what the institution signed. Only the holder of the register's lock signs, so no size is signed twice."""
    await connection.execute(
        INSERT_CHECKPOINT, institution_id, checkpoint.size, checkpoint.root, line.key_id + line.signature, at
    )


INSERT_COSIGNATURE = """
INSERT INTO comgov.cosignature (institution_id, size, witness_id, line) VALUES ($1, $2, $3, $4)
ON CONFLICT (institution_id, size, witness_id) DO NOTHING
"""


async def insert_cosignature(
    connection: Connection, institution_id: int, size: int, witness_id: int, line: SignatureLine
) -> None:
    """Keep what a witness signed."""
    await connection.execute(INSERT_COSIGNATURE, institution_id, size, witness_id, line.key_id + line.signature)


INSERT_TIME_STAMP = """
INSERT INTO comgov.checkpoint_time_stamp (institution_id, size, stamper_id, token) VALUES ($1, $2, $3, $4)
"""


async def insert_time_stamp(
    connection: Connection, institution_id: int, size: int, stamper_id: int, token: bytes
) -> None:
    """Keep another institution's token over a checkpoint, which closes it; under the register's lock."""
    await connection.execute(INSERT_TIME_STAMP, institution_id, size, stamper_id, token)


TIME_STAMPS = (
    "SELECT size, token FROM comgov.checkpoint_time_stamp WHERE institution_id = $1 AND size BETWEEN $2 AND $3"
)


async def time_stamps(connection: Connection, institution_id: int, first: int, last: int) -> dict[int, bytes]:
    """The tokens over checkpoints of these sizes, by size."""
    return {row["size"]: row["token"] for row in await connection.fetch(TIME_STAMPS, institution_id, first, last)}


OPEN_CHECKPOINT = """
SELECT size FROM (
    SELECT institution_id, size FROM comgov.checkpoint WHERE institution_id = $1 ORDER BY size DESC LIMIT 1
) AS newest
WHERE NOT EXISTS (SELECT FROM comgov.checkpoint_time_stamp AS stamp
                  WHERE stamp.institution_id = newest.institution_id AND stamp.size = newest.size)
"""


async def open_checkpoint(connection: Connection, institution_id: int) -> SignedCheckpoint | None:
    """The newest checkpoint, with every cosignature, unless it is time-stamped already."""
    size: int | None = await connection.fetchval(OPEN_CHECKPOINT, institution_id)
    if size is None:
        return None
    [found] = await checkpoints(connection, institution_id, size, 1)
    return found


_STAMPED_SIZE = """
coalesce((SELECT size FROM comgov.checkpoint_time_stamp AS stamp
          WHERE stamp.institution_id = register.institution_id ORDER BY size DESC LIMIT 1), 0)
"""

UNSTAMPED = f"SELECT institution_id FROM comgov.register WHERE size > {_STAMPED_SIZE} ORDER BY institution_id"


async def unstamped(connection: Connection) -> list[int]:
    """The institutions whose register holds an entry that no time-stamp covers."""
    return [row["institution_id"] for row in await connection.fetch(UNSTAMPED)]


OLDEST_UNSTAMPED = f"""
SELECT entry.at FROM comgov.register
JOIN comgov.register_entry AS entry
  ON entry.institution_id = register.institution_id AND entry.index = {_STAMPED_SIZE}
WHERE register.institution_id = $1
"""


async def oldest_unstamped(connection: Connection, institution_id: int) -> datetime | None:
    """When the oldest entry that no time-stamp covers was made; None when every entry is covered."""
    found: datetime | None = await connection.fetchval(OLDEST_UNSTAMPED, institution_id)
    return found


LATEST_CHECKPOINT = "SELECT size, at FROM comgov.checkpoint WHERE institution_id = $1 ORDER BY size DESC LIMIT 1"


async def latest_checkpoint(connection: Connection, institution_id: int) -> tuple[int, datetime] | None:
    """Size and instant of the newest checkpoint."""
    row = await connection.fetchrow(LATEST_CHECKPOINT, institution_id)
    return (row["size"], row["at"]) if row else None


_CHECKPOINTS = """
SELECT checkpoint.institution_id, register.origin, checkpoint.size, checkpoint.root, checkpoint.line, checkpoint.at,
       coalesce(array_agg(witness.origin ORDER BY witness.institution_id)
                FILTER (WHERE witness.origin IS NOT NULL), '{}') AS witnesses,
       coalesce(array_agg(cosignature.line ORDER BY witness.institution_id)
                FILTER (WHERE witness.origin IS NOT NULL), '{}') AS lines
FROM comgov.checkpoint
JOIN comgov.register ON register.institution_id = checkpoint.institution_id
LEFT JOIN comgov.cosignature
       ON cosignature.institution_id = checkpoint.institution_id AND cosignature.size = checkpoint.size
LEFT JOIN comgov.register AS witness ON witness.institution_id = cosignature.witness_id
"""
_GROUPED = "GROUP BY checkpoint.institution_id, checkpoint.size, register.origin"

CHECKPOINTS = f"""
{_CHECKPOINTS} WHERE checkpoint.institution_id = $1 AND checkpoint.size >= $2
{_GROUPED} ORDER BY checkpoint.size LIMIT $3
"""  # our own columns


async def checkpoints(connection: Connection, institution_id: int, size: int, limit: int) -> list[SignedCheckpoint]:
    """Checkpoints of at least that size, the smallest first, with every cosignature."""
    return [_checkpoint(row) for row in await connection.fetch(CHECKPOINTS, institution_id, size, limit)]


NEWEST_CHECKPOINTS = f"""
{_CHECKPOINTS} WHERE (checkpoint.institution_id, checkpoint.size) IN (
    SELECT wanted.id, (SELECT max(size) FROM comgov.checkpoint WHERE institution_id = wanted.id)
    FROM unnest($1::bigint[]) AS wanted (id)
)
{_GROUPED}
"""  # our own columns


async def newest_checkpoints(connection: Connection, institution_ids: Iterable[int]) -> dict[int, SignedCheckpoint]:
    """The last checkpoint of each register, with every cosignature, by institution."""
    rows = await connection.fetch(NEWEST_CHECKPOINTS, list(institution_ids))
    return {row["institution_id"]: _checkpoint(row) for row in rows}


REMEMBER_KEY = """
INSERT INTO comgov.register_key (institution_id, certificate, authority) VALUES ($1, $2, $3)
ON CONFLICT (institution_id, certificate) DO NOTHING
"""


async def remember_key(connection: Connection, institution_id: int, credential: Credential) -> None:
    """Keep the certificates that a signature is verified with."""
    chain = [certificate.public_bytes(Encoding.DER) for certificate in credential.chain]
    await connection.execute(REMEMBER_KEY, institution_id, *chain)


SIGNATORIES = (
    "SELECT $1::bigint AS id UNION SELECT witness_id FROM comgov.witnessed WHERE institution_id = $1 ORDER BY id"
)


async def signatories(connection: Connection, institution_id: int) -> list[int]:
    """The institution itself and those that ever cosigned its register."""
    return [row["id"] for row in await connection.fetch(SIGNATORIES, institution_id)]


KEYS = """
SELECT register.origin, register_key.certificate, register_key.authority
FROM comgov.register_key JOIN comgov.register USING (institution_id)
WHERE institution_id = ANY($1::bigint[])
ORDER BY register.institution_id, register_key.certificate
"""


async def keys(connection: Connection, institution_ids: Sequence[int]) -> list[Key]:
    """Every key with which these institutions ever signed or cosigned a register."""
    return [
        Key(
            origin=row["origin"],
            chain=(
                x509.load_der_x509_certificate(row["certificate"]),
                x509.load_der_x509_certificate(row["authority"]),
            ),
        )
        for row in await connection.fetch(KEYS, list(institution_ids))
    ]


WITNESSED = """
SELECT witness_id, size, root FROM comgov.witnessed
WHERE institution_id = $1 AND witness_id = ANY($2::bigint[]) ORDER BY witness_id FOR NO KEY UPDATE
"""


async def witnessed(connection: Connection, institution_id: int, witness_ids: Sequence[int]) -> dict[int, Witness]:
    """What these witnesses have seen of that register, locked; one that never saw it is missing."""
    rows = await connection.fetch(WITNESSED, institution_id, list(witness_ids))
    return {row["witness_id"]: Witness(**row) for row in rows}


SAW = """
INSERT INTO comgov.witnessed (witness_id, institution_id, size, root) VALUES ($1, $2, $3, $4)
ON CONFLICT (witness_id, institution_id) DO UPDATE SET size = excluded.size, root = excluded.root
WHERE witnessed.size <= excluded.size
"""


async def saw(connection: Connection, institution_id: int, witness: Witness) -> None:
    """Remember what a witness has now seen."""
    await connection.execute(SAW, witness.witness_id, institution_id, witness.size, witness.root)


def _register(row: Record) -> Register:
    peaks: bytes = row["peaks"]
    hashes = tuple(peaks[start : start + HASH_BYTES] for start in range(0, len(peaks), HASH_BYTES))
    return Register(row["institution_id"], row["origin"], Frontier(row["size"], hashes))


def _entry(row: Record) -> Entry:
    number = Number(row["year"], Direction(row["direction"]), row["number"]) if row["number"] else None
    return Entry(index=row["index"], at=row["at"], body=row["body"], number=number)


def _checkpoint(row: Record) -> SignedCheckpoint:
    checkpoint = Checkpoint(row["origin"], row["size"], row["root"])
    lines = [(row["origin"], row["line"]), *zip(row["witnesses"], row["lines"], strict=True)]
    return SignedCheckpoint(checkpoint, tuple(SignatureLine(name, line[:4], line[4:]) for name, line in lines))
