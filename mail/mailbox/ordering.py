"""What messages are sorted and threaded by, for those accepted before that was computed at acceptance."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from mail.body.store import order_columns
from mail.message.header import decode, last, parse_date, split_fields
from mail.message.order import Order, order_of

if TYPE_CHECKING:
    from datetime import date

    from mail.postgres import Connection

_BATCH = 50

# In the order of ids, so that two workers never wait for each other.
_NEXT = """
SELECT b.id, b.header FROM mail.body AS b
WHERE b.lineage IS NULL
    AND ($1::bigint IS NULL OR EXISTS (SELECT FROM mail.message AS m WHERE m.body_id = b.id AND m.mailbox_id = $1))
ORDER BY b.id LIMIT $2 FOR NO KEY UPDATE OF b
"""

_FILL = """
UPDATE mail.body AS b
SET sort_subject = f.sort_subject, is_reply = f.is_reply, sort_from = f.sort_from, sort_to = f.sort_to,
    sort_cc = f.sort_cc, from_name = f.from_name, to_name = f.to_name, lineage = f.lineage, sent_on = f.sent_on
FROM unnest($1::uuid[], $2::text[], $3::boolean[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
            $9::bytea[], $10::date[])
    AS f(id, sort_subject, is_reply, sort_from, sort_to, sort_cc, from_name, to_name, lineage, sent_on)
WHERE b.id = f.id
"""


async def fill(connection: Connection, mailbox_id: int | None) -> int:
    """Some of a mailbox, or of all (None), in a transaction; gives how many there were."""
    rows = await connection.fetch(_NEXT, mailbox_id, _BATCH)
    if rows:
        found = await asyncio.to_thread(lambda: [_order(row["header"]) for row in rows])
        columns = order_columns([order for order, _ in found])
        await connection.execute(_FILL, [row["id"] for row in rows], *columns, [day for _, day in found])
    return len(rows)


def _order(header: bytes) -> tuple[Order, date | None]:
    fields = split_fields(header)
    order = order_of(fields, header, decode(last(fields, b"subject") or b""))
    sent_at = parse_date(last(fields, b"date") or b"")
    return order, sent_at and sent_at.date()
