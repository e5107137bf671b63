"""What FETCH asks of many messages at once, with no more columns than it needs: one query, a page at a time."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from enum import Flag
from typing import TYPE_CHECKING, NamedTuple

from mail.body.after_header import Rest, to_layout
from mail.body.store import REST_COLUMNS
from mail.message import Part, Place

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from mail.postgres import Connection


class Wanted(Flag):
    """What of each message besides its own row: its structure, its header, all of it."""

    ROW = 0
    STRUCTURE = 1
    HEADER = 2
    REST = 4  # what follows the header; without a name of its own Python 3.11.2 loses this bit
    CONTENT = HEADER | REST


class Row(NamedTuple):
    """A message in a mailbox, and what is wanted of it; the rest is empty.

    flags: the bits of `model.Flag`. trace: all that this server stamped. header: as received. received_bytes: of header
    and what follows. envelope, bodystructure: IMAP's, ready to send. thread: a digest, of all messages of a thread.
    """

    uid: int
    flags: int
    keywords: Sequence[str]
    modseq: int
    internal_date: datetime
    size_bytes: int
    body_id: UUID
    envelope: bytes = b""
    bodystructure: bytes = b""
    preview: str = ""
    thread: bytes = b""
    trace: bytes = b""
    header: bytes = b""
    received_bytes: int = 0
    parts_json: str = ""
    sections_json: str | None = None
    inline: bytes | None = None
    is_compressed: bool = False
    blob_key: bytes | None = None
    layout_json: str | None = None

    @property
    def rest(self) -> Rest | None:
        """Where what follows the header lies, for CONTENT."""
        if self.inline is None and self.blob_key is None:
            return None
        return Rest(self.inline, self.is_compressed, self.blob_key, to_layout(self.layout_json))

    @property
    def parts(self) -> tuple[Part, ...]:
        """The leaves, in order; for CONTENT."""
        return tuple(Part(*part) for part in json.loads(self.parts_json))

    @property
    def sections(self) -> Mapping[str, Place] | None:
        """Where its parts lie, by number, for CONTENT; None when that was not written down as it was kept."""
        if self.sections_json is not None:
            return {number: Place(*place) for number, place in json.loads(self.sections_json).items()}
        whole = Place(0, len(self.header), self.received_bytes, 0)
        return {"1": whole} if all(part.start == whole.start for part in self.parts) else None


# In the order of Row's fields. Sizes of what is stored are known without reading it. `+ 0`: before a mailbox has been
# analysed, its whole index of MODSEQs would be walked through for each page of UIDs.
_SIZE = "octet_length(b.header) + octet_length(b.bodystructure) + octet_length(b.envelope)"
_FIND = """
SELECT m.uid, m.flags, m.keywords, m.modseq, m.internal_date, m.size_bytes, m.body_id, :columns
FROM mail.message AS m JOIN mail.body AS b ON b.id = m.body_id
WHERE m.mailbox_id = $1 AND m.uid = ANY($2::bigint[]) AND m.modseq + 0 > $3
    AND :size <= $4::bigint
ORDER BY m.uid
""".replace(":size", _SIZE)
_STRUCTURE = "b.envelope, b.bodystructure, b.preview, substr(b.lineage, 1, 8)"
_NO_STRUCTURE = "''::bytea, ''::bytea, '', ''::bytea"
_HEADER = "m.trace || b.trace, b.header"
_REST = f"b.size_bytes, b.parts, b.sections, {REST_COLUMNS}"

_STATEMENTS = {
    Wanted.STRUCTURE: _FIND.replace(":columns", _STRUCTURE),
    Wanted.HEADER: _FIND.replace(":columns", f"{_NO_STRUCTURE}, {_HEADER}"),
    Wanted.STRUCTURE | Wanted.HEADER: _FIND.replace(":columns", f"{_STRUCTURE}, {_HEADER}"),
    Wanted.CONTENT: _FIND.replace(":columns", f"{_NO_STRUCTURE}, {_HEADER}, {_REST}"),
    Wanted.STRUCTURE | Wanted.CONTENT: _FIND.replace(":columns", f"{_STRUCTURE}, {_HEADER}, {_REST}"),
}
_LARGE = """
SELECT m.uid FROM mail.message AS m JOIN mail.body AS b ON b.id = m.body_id
WHERE m.mailbox_id = $1 AND m.uid = ANY($2::bigint[]) AND m.modseq + 0 > $3
    AND :size > $4::bigint
ORDER BY m.uid
""".replace(":size", _SIZE)
_SMALL_BYTES = 64 * 1024
_ANY_BYTES = 1 << 40

_ROW = """
SELECT m.uid, m.flags, m.keywords, m.modseq, m.internal_date, m.size_bytes, m.body_id
FROM mail.message AS m WHERE m.mailbox_id = $1 AND m.uid = ANY($2::bigint[]) AND m.modseq + 0 > $3
ORDER BY m.uid
"""


async def rows(
    connection: Connection, mailbox_id: int, uids: Sequence[int], wanted: Wanted, *, changed_since: int = 0
) -> tuple[list[Row], list[int]]:
    """Those that are there and changed after that MODSEQ, by UID; those whose header or structure is too large to be
    held together with others are only named."""
    if not wanted:
        return [Row(*one) for one in await connection.fetch(_ROW, mailbox_id, uids, changed_since)], []
    asked = mailbox_id, uids, changed_since
    found = [Row(*one) for one in await connection.fetch(_STATEMENTS[wanted], *asked, _SMALL_BYTES)]
    if len(found) == len(uids):
        return found, []
    missing = sorted({*uids} - {row.uid for row in found})
    large = await connection.fetch(_LARGE, mailbox_id, missing, changed_since, _SMALL_BYTES)
    return found, [one["uid"] for one in large]


async def row(
    connection: Connection, mailbox_id: int, uid: int, wanted: Wanted, *, changed_since: int = 0
) -> list[Row]:
    """The one of that UID, however large; none when it is gone, or did not change after that MODSEQ."""
    asked = mailbox_id, [uid], changed_since, _ANY_BYTES
    return [Row(*one) for one in await connection.fetch(_STATEMENTS[wanted], *asked)]


@dataclass(frozen=True, slots=True)
class States:
    """What may change of messages, a column each, by UID. flags: their bits. keywords: of the UIDs that have some."""

    uids: Sequence[int]
    flags: Sequence[int]
    modseqs: Sequence[int]
    keywords: Mapping[int, Sequence[str]]


_STATE = struct.Struct(">qhq")

# Three numbers of each message in one value: they take a third of the time that as many rows take.
_STATES = """
SELECT coalesce(string_agg(int8send(uid) || int2send(flags) || int8send(modseq), NULL ORDER BY uid), '') AS packed,
       jsonb_object_agg(uid, keywords) FILTER (WHERE keywords <> '{}') AS keywords
FROM mail.message
WHERE mailbox_id = $1 AND uid BETWEEN $2 AND $3 AND modseq > $4 AND ($5::bigint[] IS NULL OR uid = ANY($5::bigint[]))
"""


async def states(
    connection: Connection, mailbox_id: int, uids: Sequence[int], changed_since: int, *, is_run: bool
) -> States:
    """Of those that are there and changed after that MODSEQ. is_run: none is between them that is not among them."""
    among = None if is_run else uids
    row = await connection.fetchrow(_STATES, mailbox_id, uids[0], uids[-1], changed_since, among)
    assert row is not None
    known, flags, modseqs = zip(*_STATE.iter_unpack(row["packed"]), strict=True) if row["packed"] else ((), (), ())
    keywords = json.loads(row["keywords"]) if row["keywords"] else {}
    return States(known, flags, modseqs, {int(uid): words for uid, words in keywords.items()})
