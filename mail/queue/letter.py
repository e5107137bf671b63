"""A message on its way out: its header at once, its bytes when they are sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mail.body import restore
from mail.errors import MailError, NoSuchMessage, SystemDown
from mail.postgres import connected

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

    from mail.blobs import Blobs
    from mail.postgres import Pool


@dataclass(frozen=True, kw_only=True)
class Letter:
    """header: as received, its empty line included. size_bytes: of all that `read` gives."""

    header: bytes
    message_id: str
    size_bytes: int
    trace: bytes
    inline: bytes | None
    is_compressed: bool
    blob_key: bytes | None


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
        return Letter(**dict(row))

    async def read(self, letter: Letter) -> AsyncIterator[bytes]:
        """Its bytes, our stamp first, in chunks. Raises SystemDown when the object store does not give them."""
        yield letter.trace + letter.header
        if letter.inline is not None:
            yield restore(letter.inline, is_compressed=letter.is_compressed)
            return
        assert letter.blob_key is not None
        try:
            async for chunk in self._blobs.read(letter.blob_key):
                yield chunk
        except MailError:
            raise
        except Exception as error:  # the host's store has its own errors, unknown to mail
            raise SystemDown(reason=f"object store: {error!r}") from error


LETTER = """
SELECT header, message_id, octet_length(trace) + size_bytes AS size_bytes, trace, inline, is_compressed, blob_key
FROM mail.body WHERE id = $1
"""
