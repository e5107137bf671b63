"""The dossiers' tables."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from comgov.dossiers.documents import Classification, Kind, Mention, Party, Priority
from comgov.dossiers.model import (
    Delivery,
    Departure,
    Dossier,
    Draft,
    Evidence,
    Filter,
    Note,
    Outcome,
    Piece,
    Presentation,
    State,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from comgov.db import Connection, Record
    from comgov.signing.container import Member

INSERT_DOSSIER = """
INSERT INTO comgov.dossier (message_id, institution_id, author_id, author, state, designation, observations,
                            order_number, mention, classification, priority, deadline, in_reply_to,
                            created_at, changed_at)
VALUES ($1, $2, $3, $4, 'draft', $5, $6, $7, $8, $9, $10, $11, $12, $13, $13)
RETURNING id
"""


async def insert_dossier(
    connection: Connection, message_id: UUID, institution_id: int, author: tuple[int, str], note: Note, at: datetime
) -> int:
    """A new draft; gives its id. author: id and name."""
    found: int = await connection.fetchval(
        INSERT_DOSSIER, message_id, institution_id, *author, *_note_columns(note), at
    )
    return found


UPDATE_NOTE = """
UPDATE comgov.dossier
SET designation = $2, observations = $3, order_number = $4, mention = $5, classification = $6, priority = $7,
    deadline = $8, in_reply_to = $9, changed_at = $10
WHERE id = $1
"""


async def update_note(connection: Connection, dossier_id: int, note: Note, at: datetime) -> None:
    """Write the draft's note."""
    await connection.execute(UPDATE_NOTE, dossier_id, *_note_columns(note), at)


def _note_columns(note: Note) -> tuple[object, ...]:
    return (
        note.designation,
        note.observations,
        note.order_number,
        note.mention,
        note.classification,
        note.priority,
        note.deadline,
        note.in_reply_to,
    )


TOUCH = "UPDATE comgov.dossier SET changed_at = $2 WHERE id = $1"


async def touch(connection: Connection, dossier_id: int, at: datetime) -> None:
    """Remember when the draft changed."""
    await connection.execute(TOUCH, dossier_id, at)


DELETE_DOSSIER = "DELETE FROM comgov.dossier WHERE id = $1 AND state = 'draft'"


async def delete_dossier(connection: Connection, dossier_id: int) -> None:
    """Forget a draft, with its recipients and pieces."""
    await connection.execute(DELETE_DOSSIER, dossier_id)


CLEAR_RECIPIENTS = "DELETE FROM comgov.recipient WHERE dossier_id = $1"
INSERT_RECIPIENTS = "INSERT INTO comgov.recipient (dossier_id, institution_id) SELECT $1, unnest($2::bigint[])"


async def set_recipients(connection: Connection, dossier_id: int, recipient_ids: Sequence[int]) -> None:
    """Write who shall receive the draft."""
    await connection.execute(CLEAR_RECIPIENTS, dossier_id)
    await connection.execute(INSERT_RECIPIENTS, dossier_id, list(recipient_ids))


_DOSSIER_COLUMNS = """
id, message_id, institution_id, author_id, author, state, designation, observations, order_number, mention,
classification, priority, deadline, in_reply_to, created_at, changed_at, number, sealed_at, sealed_by, manifest,
container, container_bytes
"""

DOSSIER = f"SELECT {_DOSSIER_COLUMNS} FROM comgov.dossier WHERE message_id = $1"  # our own columns
DOSSIER_LOCKED = f"{DOSSIER} FOR UPDATE"


RECIPIENTS = "SELECT institution_id FROM comgov.recipient WHERE dossier_id = $1 ORDER BY institution_id"
PIECES = """
SELECT id, position, name, media_type, size_bytes, crc32, sha256 FROM comgov.piece
WHERE dossier_id = $1 ORDER BY position
"""


async def dossier_of_message(connection: Connection, message_id: UUID, *, locked: bool = False) -> Dossier | None:
    """The dossier with its pieces; locked until the transaction ends, if asked."""
    row = await connection.fetchrow(DOSSIER_LOCKED if locked else DOSSIER, message_id)
    if row is None:
        return None
    pieces = tuple(Piece(**piece) for piece in await connection.fetch(PIECES, row["id"]))
    recipients = await connection.fetch(RECIPIENTS, row["id"])
    return _dossier(row, tuple(found["institution_id"] for found in recipients), pieces)


INSERT_PIECE = """
INSERT INTO comgov.piece (dossier_id, position, name, media_type, size_bytes, crc32, sha256)
SELECT $1, coalesce(max(position), 0) + 1, $2, $3, $4, $5, $6 FROM comgov.piece WHERE dossier_id = $1
RETURNING id, position, name, media_type, size_bytes, crc32, sha256
"""


async def insert_piece(connection: Connection, dossier_id: int, member: Member, media_type: str) -> Piece:
    """Add a piece after the others of a draft, which is locked."""
    row = await connection.fetchrow(
        INSERT_PIECE, dossier_id, member.name, media_type, member.size_bytes, member.crc32, member.sha256
    )
    assert row is not None
    return Piece(**row)


DELETE_PIECE = "DELETE FROM comgov.piece WHERE dossier_id = $1 AND id = $2 RETURNING id"


async def delete_piece(connection: Connection, dossier_id: int, piece_id: int) -> bool:
    """Take a piece out; False when it is not there."""
    return await connection.fetchval(DELETE_PIECE, dossier_id, piece_id) is not None


SEAL = """
UPDATE comgov.dossier
SET state = 'sealed', number = $2, sealed_at = $3, sealed_by = $4, bordereau = $5, asic_manifest = $6,
    signature = $7, manifest = $8, changed_at = $3
WHERE id = $1
"""


async def seal(
    connection: Connection,
    dossier_id: int,
    number: str,
    at: datetime,
    by: str,
    files: tuple[bytes, bytes, bytes],
    manifest: bytes,
) -> None:
    """Write what was sealed. files: bordereau, ASiC manifest, signature. manifest: the digest of the second."""
    await connection.execute(SEAL, dossier_id, number, at, by, *files, manifest)


SEALED_FILES = "SELECT bordereau, asic_manifest, signature FROM comgov.dossier WHERE message_id = $1"


async def sealed_files(connection: Connection, message_id: UUID) -> tuple[bytes, bytes, bytes] | None:
    """Bordereau, ASiC manifest and signature of a sealed dossier."""
    row = await connection.fetchrow(SEALED_FILES, message_id)
    return (row["bordereau"], row["asic_manifest"], row["signature"]) if row and row["signature"] else None


SET_CONTAINER = """
WITH sent AS (
    UPDATE comgov.dossier SET container = $2, container_bytes = $3 WHERE message_id = $1 RETURNING message_id
)
UPDATE comgov.delivery SET container = $2, container_bytes = $3 FROM sent WHERE delivery.message_id = sent.message_id
"""


async def set_container(connection: Connection, message_id: UUID, sha256: bytes, size_bytes: int) -> None:
    """Remember under which digest the container is kept."""
    await connection.execute(SET_CONTAINER, message_id, sha256, size_bytes)


INSERT_DELIVERY = """
INSERT INTO comgov.delivery (message_id, recipient_id, sender_id, sender_code, sender_name, number, state,
                             designation, classification, priority, deadline, manifest, bordereau, evidence,
                             sealed_at, container, container_bytes)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
ON CONFLICT (message_id, recipient_id) DO NOTHING
RETURNING message_id
"""


async def insert_delivery(connection: Connection, delivery: Delivery) -> bool:
    """Begin the way to one recipient; False when that message is known there already."""
    found = await connection.fetchval(
        INSERT_DELIVERY,
        delivery.message_id,
        delivery.recipient_id,
        delivery.sender_id,
        delivery.sender.code,
        delivery.sender.name,
        delivery.number,
        delivery.state,
        delivery.designation,
        delivery.classification,
        delivery.priority,
        delivery.deadline,
        delivery.manifest,
        delivery.bordereau,
        delivery.evidence,
        delivery.sealed_at,
        delivery.container,
        delivery.container_bytes,
    )
    return found is not None


DELIVERY = "SELECT * FROM comgov.delivery WHERE message_id = $1 AND recipient_id = $2"
DELIVERY_LOCKED = f"{DELIVERY} FOR UPDATE"


async def delivery(
    connection: Connection, message_id: UUID, recipient_id: int, *, locked: bool = False
) -> Delivery | None:
    """The way to one recipient; locked until the transaction ends, if asked."""
    row = await connection.fetchrow(DELIVERY_LOCKED if locked else DELIVERY, message_id, recipient_id)
    return _delivery(row) if row else None


DELIVERIES = "SELECT * FROM comgov.delivery WHERE message_id = $1 ORDER BY recipient_id"


async def deliveries(connection: Connection, message_id: UUID) -> list[Delivery]:
    """The ways to all recipients."""
    return [_delivery(row) for row in await connection.fetch(DELIVERIES, message_id)]


DELIVERIES_OF = "SELECT * FROM comgov.delivery WHERE message_id = ANY($1::uuid[]) ORDER BY message_id, recipient_id"


async def deliveries_of(connection: Connection, message_ids: Sequence[UUID]) -> dict[UUID, list[Delivery]]:
    """The ways of several dossiers, by message."""
    found: dict[UUID, list[Delivery]] = {}
    for row in await connection.fetch(DELIVERIES_OF, list(message_ids)):
        found.setdefault(row["message_id"], []).append(_delivery(row))
    return found


ADVANCE = """
UPDATE comgov.delivery SET state = $3, evidence = $4, received_at = $5, arrival = $6
WHERE message_id = $1 AND recipient_id = $2
"""


async def advance(connection: Connection, delivery: Delivery) -> None:
    """Write where a delivery stands now."""
    await connection.execute(
        ADVANCE,
        delivery.message_id,
        delivery.recipient_id,
        delivery.state,
        delivery.evidence,
        delivery.received_at,
        delivery.arrival,
    )


WARN = "UPDATE comgov.delivery SET warned_at = $3 WHERE message_id = $1 AND recipient_id = $2"


async def warn(connection: Connection, of: Delivery, at: datetime) -> None:
    """Remember that the sender was warned."""
    await connection.execute(WARN, of.message_id, of.recipient_id, at)


ON_THE_WAY = """
SELECT * FROM comgov.delivery
WHERE state IN ('sealed', 'transmitted') AND (sealed_at, message_id, recipient_id) > ($1, $2, $3)
ORDER BY sealed_at, message_id, recipient_id LIMIT $4
"""


async def on_the_way(connection: Connection, after: tuple[datetime, UUID, int], limit: int) -> list[Delivery]:
    """What no recipient has yet, the oldest first. after: the sealing, message and recipient of the last one seen."""
    return [_delivery(row) for row in await connection.fetch(ON_THE_WAY, *after, limit)]


INSERT_EVIDENCE = """
INSERT INTO comgov.evidence (message_id, recipient_id, presentation_id, kind, institution_id, digest, body, signature,
                             index, at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""


async def insert_evidence(connection: Connection, evidence: Evidence) -> None:
    """Keep a receipt for ever."""
    await connection.execute(
        INSERT_EVIDENCE,
        evidence.message_id,
        evidence.recipient_id,
        evidence.presentation_id,
        evidence.kind,
        evidence.institution_id,
        evidence.digest,
        evidence.body,
        evidence.signature,
        evidence.index,
        evidence.at,
    )


_EVIDENCE_COLUMNS = (
    "message_id, recipient_id, presentation_id, kind, institution_id, digest, body, signature, index, at"
)

CHAINS = f"""
SELECT {_EVIDENCE_COLUMNS} FROM comgov.evidence
WHERE message_id = $1 AND presentation_id IS NULL AND (recipient_id = ANY ($2::bigint[]) OR recipient_id IS NULL)
ORDER BY id
"""  # our own columns


async def chains(connection: Connection, message_id: UUID, recipient_ids: Sequence[int]) -> list[list[Evidence]]:
    """The receipts of the ways to these recipients, each from SEALED on, in the order of the ids given."""
    found: dict[int | None, list[Evidence]] = {None: [], **{each: [] for each in recipient_ids}}
    for row in await connection.fetch(CHAINS, message_id, list(recipient_ids)):
        found[row["recipient_id"]].append(_evidence(row))
    return [[*found[None], *found[recipient_id]] for recipient_id in recipient_ids]


async def chain(connection: Connection, message_id: UUID, recipient_id: int) -> list[Evidence]:
    """The receipts of the way to one recipient, from SEALED on."""
    [found] = await chains(connection, message_id, [recipient_id])
    return found


EVIDENCE = f"SELECT {_EVIDENCE_COLUMNS} FROM comgov.evidence WHERE digest = $1"


async def evidence(connection: Connection, digest: bytes) -> Evidence | None:
    """The receipt of that digest."""
    row = await connection.fetchrow(EVIDENCE, digest)
    return _evidence(row) if row else None


EVIDENCE_OF_PRESENTATION = f"SELECT {_EVIDENCE_COLUMNS} FROM comgov.evidence WHERE presentation_id = $1"


async def evidence_of_presentation(connection: Connection, presentation_id: int) -> Evidence | None:
    """The receipt that refuses a presented container."""
    row = await connection.fetchrow(EVIDENCE_OF_PRESENTATION, presentation_id)
    return _evidence(row) if row else None


INSERT_PRESENTATION = """
INSERT INTO comgov.presentation (institution_id, container, container_bytes, name, presented_by, presented_at,
                                 outcome, report, message_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (institution_id, container) WHERE outcome <> 'undecided' DO NOTHING
RETURNING id
"""


async def insert_presentation(connection: Connection, presentation: Presentation) -> int | None:
    """Keep what was found in a presented container; None when the institution saw the same bytes before."""
    found: int | None = await connection.fetchval(
        INSERT_PRESENTATION,
        presentation.institution_id,
        presentation.container,
        presentation.container_bytes,
        presentation.name,
        presentation.presented_by,
        presentation.presented_at,
        presentation.outcome,
        json.dumps(presentation.report, ensure_ascii=False),
        presentation.message_id,
    )
    return found


PRESENTATION = "SELECT * FROM comgov.presentation WHERE id = $1"


async def presentation(connection: Connection, presentation_id: int) -> Presentation | None:
    """A container that was presented, and what was found."""
    row = await connection.fetchrow(PRESENTATION, presentation_id)
    return _presentation(row) if row else None


PRESENTATION_OF = """
SELECT * FROM comgov.presentation WHERE institution_id = $1 AND container = $2 AND outcome <> 'undecided'
"""


async def presentation_of(connection: Connection, institution_id: int, sha256: bytes) -> Presentation | None:
    """What an institution found in those bytes before."""
    row = await connection.fetchrow(PRESENTATION_OF, institution_id, sha256)
    return _presentation(row) if row else None


_ARRIVED = """
delivery.recipient_id = $1 AND delivery.received_at IS NOT NULL
AND ($2 OR (delivery.classification = 'ordinary' AND delivery.arrival <> ''))
AND ($3::text[] IS NULL OR delivery.state = ANY($3))
AND ($4 = '' OR lower(delivery.designation || ' ' || delivery.sender_name || ' ' || delivery.number || ' '
                      || delivery.arrival) LIKE $4)
"""

ARRIVALS = f"""
SELECT * FROM comgov.delivery
WHERE {_ARRIVED} AND ($5::timestamptz IS NULL OR (received_at, message_id) < ($5, $6))
ORDER BY received_at DESC, message_id DESC LIMIT $7
"""  # our own conditions
COUNT_ARRIVALS = f"SELECT count(*) FROM comgov.delivery WHERE {_ARRIVED}"


async def arrivals(
    connection: Connection, institution_id: int, wanted: Filter, *, everything: bool, limit: int
) -> tuple[list[Delivery], int]:
    """What arrived, the newest first, one page of it, and how many there are in all.

    everything: restricted ones and those not registered yet too.
    """
    states = list(wanted.states) if wanted.states else None
    conditions = (institution_id, everything, states, like(wanted.words))
    rows = await connection.fetch(ARRIVALS, *conditions, *(wanted.after or (None, None)), limit)
    count: int = await connection.fetchval(COUNT_ARRIVALS, *conditions)
    return [_delivery(row) for row in rows], count


_SENT = """
dossier.institution_id = $1 AND dossier.state = 'sealed'
AND ($2 OR dossier.classification = 'ordinary' OR dossier.author_id = $3)
AND ($4 = '' OR lower(dossier.designation || ' ' || dossier.number || ' ' || dossier.order_number) LIKE $4)
"""

DEPARTURES = f"""
SELECT dossier.message_id, dossier.number, dossier.designation, dossier.classification, dossier.priority,
       dossier.sealed_at, ways.*
FROM comgov.dossier
CROSS JOIN LATERAL (
    SELECT array_agg(delivery.recipient_id ORDER BY delivery.recipient_id) AS recipient_ids,
           count(*) FILTER (WHERE delivery.state IN ('received', 'opened')) AS received,
           count(*) FILTER (WHERE delivery.arrival <> '') AS registered,
           count(*) FILTER (WHERE delivery.state IN ('acknowledged', 'answered')) AS acknowledged,
           count(*) FILTER (WHERE delivery.state IN ('rejected', 'failed')) AS lost,
           bool_or(delivery.warned_at IS NOT NULL AND delivery.received_at IS NULL) AS is_late
    FROM comgov.delivery WHERE delivery.message_id = dossier.message_id
) AS ways
WHERE {_SENT} AND ($5::timestamptz IS NULL OR (dossier.changed_at, dossier.message_id) < ($5, $6))
ORDER BY dossier.changed_at DESC, dossier.message_id DESC LIMIT $7
"""
COUNT_DEPARTURES = f"SELECT count(*) FROM comgov.dossier WHERE {_SENT}"


async def departures(
    connection: Connection, institution_id: int, wanted: Filter, author_id: int, *, everything: bool, limit: int
) -> tuple[list[Departure], int]:
    """What was sealed, the newest first, one page of it, and how many there are in all.

    everything: restricted ones of other authors too.
    """
    conditions = (institution_id, everything, author_id, like(wanted.words))
    rows = await connection.fetch(DEPARTURES, *conditions, *(wanted.after or (None, None)), limit)
    count: int = await connection.fetchval(COUNT_DEPARTURES, *conditions)
    return [_departure(row) for row in rows], count


_DRAFTED = """
dossier.institution_id = $1 AND dossier.state = 'draft' AND ($2 OR dossier.author_id = $3)
AND ($4 = '' OR lower(dossier.designation || ' ' || dossier.order_number || ' ' || dossier.author) LIKE $4)
"""

DRAFTS = f"""
SELECT dossier.message_id, dossier.designation, dossier.author, dossier.classification, dossier.priority,
       dossier.changed_at, (SELECT count(*) FROM comgov.piece WHERE dossier_id = dossier.id) AS pieces
FROM comgov.dossier
WHERE {_DRAFTED} AND ($5::timestamptz IS NULL OR (dossier.changed_at, dossier.message_id) < ($5, $6))
ORDER BY dossier.changed_at DESC, dossier.message_id DESC LIMIT $7
"""
COUNT_DRAFTS = f"SELECT count(*) FROM comgov.dossier WHERE {_DRAFTED}"


async def drafts(
    connection: Connection, institution_id: int, wanted: Filter, author_id: int, *, everything: bool, limit: int
) -> tuple[list[Draft], int]:
    """What is being prepared, the newest first, one page of it, and how many there are in all.

    everything: those of other authors too.
    """
    conditions = (institution_id, everything, author_id, like(wanted.words))
    rows = await connection.fetch(DRAFTS, *conditions, *(wanted.after or (None, None)), limit)
    count: int = await connection.fetchval(COUNT_DRAFTS, *conditions)
    return [_draft(row) for row in rows], count


COUNT_TO_REGISTER = """
SELECT count(*) FROM comgov.delivery WHERE recipient_id = $1 AND state IN ('received', 'opened')
"""


async def count_to_register(connection: Connection, institution_id: int) -> int:
    """How many arrivals wait for their number."""
    count: int = await connection.fetchval(COUNT_TO_REGISTER, institution_id)
    return count


REFERRED = """
SELECT sha256 FROM unnest($1::bytea[]) AS blob (sha256)
WHERE EXISTS (SELECT FROM comgov.piece WHERE piece.sha256 = blob.sha256)
   OR EXISTS (SELECT FROM comgov.dossier WHERE dossier.container = blob.sha256)
   OR EXISTS (SELECT FROM comgov.delivery WHERE delivery.container = blob.sha256)
   OR EXISTS (SELECT FROM comgov.presentation WHERE presentation.container = blob.sha256)
"""


async def referred(connection: Connection, digests: Sequence[bytes]) -> set[bytes]:
    """Which of these blobs something refers to."""
    return {row["sha256"] for row in await connection.fetch(REFERRED, list(digests))}


def like(words: str) -> str:
    """A LIKE pattern for texts that contain these words as they are; empty for none."""
    escaped = words.lower().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%" if escaped else ""


def _departure(row: Record) -> Departure:
    values: dict[str, Any] = dict(row)
    values |= {
        "classification": Classification(values["classification"]),
        "priority": Priority(values["priority"]),
        "recipient_ids": tuple(values["recipient_ids"]),
    }
    return Departure(**values)


def _draft(row: Record) -> Draft:
    values: dict[str, Any] = dict(row)
    values |= {"classification": Classification(values["classification"]), "priority": Priority(values["priority"])}
    return Draft(**values)


def _dossier(row: Record, recipient_ids: tuple[int, ...], pieces: tuple[Piece, ...]) -> Dossier:
    values: dict[str, Any] = dict(row)
    note = Note(
        designation=values.pop("designation"),
        observations=values.pop("observations"),
        order_number=values.pop("order_number"),
        mention=Mention(values.pop("mention")),
        classification=Classification(values.pop("classification")),
        priority=Priority(values.pop("priority")),
        deadline=values.pop("deadline"),
        in_reply_to=values.pop("in_reply_to"),
    )
    values["state"] = State(values["state"])
    return Dossier(**values, note=note, recipient_ids=recipient_ids, pieces=pieces)


def _delivery(row: Record) -> Delivery:
    values: dict[str, Any] = dict(row)
    sender = Party(code=values.pop("sender_code"), name=values.pop("sender_name"))
    values |= {
        "state": State(values["state"]),
        "classification": Classification(values["classification"]),
        "priority": Priority(values["priority"]),
    }
    return Delivery(**values, sender=sender)


def _evidence(row: Record) -> Evidence:
    return Evidence(**{**row, "kind": Kind(row["kind"])})


def _presentation(row: Record) -> Presentation:
    return Presentation(**{**row, "outcome": Outcome(row["outcome"]), "report": json.loads(row["report"])})
