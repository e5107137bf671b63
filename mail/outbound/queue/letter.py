"""A message on its way out: its header at once, its bytes when they are sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mail.body.after_header import read
from mail.body.store import REST_COLUMNS, to_rest
from mail.errors import NoSuchMessage
from mail.postgres import connected

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

    from mail.body.after_header import Rest
    from mail.body.blobs import Blobs
    from mail.postgres import Pool


@dataclass(frozen=True, kw_only=True)
class Letter:
    """header: as received, its empty line included. size_bytes: of all that `read` gives."""

    header: bytes
    message_id: str
    size_bytes: int
    trace: bytes
    rest: Rest


class Letters:
    """Reads messages by the id of their body."""

    def __init__(self, pool: Pool, blobs: Blobs) -> None:
        self._pool = pool
        self._blobs = blobs

    async def open(self, body_id: UUID) -> Letter:
        """The message, what is stored outside the database left where it is. Raises NoSuchMessage, SystemDown."""
        async with connected(self._pool) as connection:
            row = await connection.fetchrow(LETTER, body_id)
        if row is None:
            raise NoSuchMessage(reason=f"body {body_id}")
        return Letter(
            header=row["header"],
            message_id=row["message_id"],
            size_bytes=row["size_bytes"],
            trace=row["trace"],
            rest=to_rest(row),
        )

    async def read(self, letter: Letter) -> AsyncIterator[bytes]:
        """Its bytes, our stamp first, in chunks. Raises SystemDown when the object store does not give them."""
        head = letter.trace + letter.header
        yield head
        async for chunk in read(letter.rest, self._blobs, 0, letter.size_bytes - len(head)):
            yield chunk


LETTER = f"""
SELECT b.header, b.message_id, octet_length(b.trace) + b.size_bytes AS size_bytes, b.trace, {REST_COLUMNS}
FROM mail.body AS b WHERE b.id = $1
"""
