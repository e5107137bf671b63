"""How bodies come into the database, whether they arrived by mail or not; and how what follows a header is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mail.body.after_header import Rest, to_layout

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from mail.body.examination import Body
    from mail.message.order import Order
    from mail.postgres import Connection

# $1 to $33, as `body_columns` gives them.
INSERT_BODIES = """
INSERT INTO mail.body (id, sha256, size_bytes, trace, header, inline, is_compressed, blob_key, message_id, subject,
                       from_text, to_text, preview, attachments, envelope, bodystructure, parts, sent_at, accepted_at,
                       sender, submitter, on_behalf, sections, layout, sort_subject, is_reply, sort_from, sort_to,
                       sort_cc, from_name, to_name, lineage, sent_on)
SELECT b.id, b.sha256, b.size_bytes, b.trace, b.header, b.inline, b.is_compressed, b.blob_key, b.message_id, b.subject,
       b.from_text, b.to_text, b.preview, b.attachments, b.envelope, b.bodystructure, b.parts::jsonb, b.sent_at,
       b.accepted_at, b.sender, b.submitter, b.on_behalf, b.sections::jsonb, b.layout::jsonb, b.sort_subject,
       b.is_reply, b.sort_from, b.sort_to, b.sort_cc, b.from_name, b.to_name, b.lineage, b.sent_on
FROM unnest($1::uuid[], $2::bytea[], $3::bigint[], $4::bytea[], $5::bytea[], $6::bytea[], $7::boolean[], $8::bytea[],
            $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::int[], $15::bytea[], $16::bytea[],
            $17::text[], $18::timestamptz[], $19::timestamptz[], $20::text[], $21::text[], $22::boolean[],
            $23::text[], $24::text[], $25::text[], $26::boolean[], $27::text[], $28::text[], $29::text[], $30::text[],
            $31::text[], $32::bytea[], $33::date[])
    AS b(id, sha256, size_bytes, trace, header, inline, is_compressed, blob_key, message_id, subject, from_text,
         to_text, preview, attachments, envelope, bodystructure, parts, sent_at, accepted_at, sender, submitter,
         on_behalf, sections, layout, sort_subject, is_reply, sort_from, sort_to, sort_cc, from_name, to_name, lineage,
         sent_on)
"""

INSERT_UNINDEXED = "INSERT INTO mail.unindexed (body_id) SELECT unnest($1::uuid[])"

_INSERT_BODIES_ALONE = f"WITH bodies AS ({INSERT_BODIES}) {INSERT_UNINDEXED}"


async def insert_bodies(connection: Connection, bodies: Sequence[Body]) -> None:
    """New bodies, which wait for their words from now on."""
    await connection.execute(_INSERT_BODIES_ALONE, *body_columns(bodies))


def body_columns(bodies: Sequence[Body]) -> list[list[Any]]:
    """One list for each column, in the order of INSERT_BODIES."""
    structures = [body.structure for body in bodies]
    return [
        [body.id for body in bodies],
        [body.sha256 for body in bodies],
        [body.size_bytes for body in bodies],
        [body.trace for body in bodies],
        [body.header for body in bodies],
        [body.rest.inline for body in bodies],
        [body.rest.is_compressed for body in bodies],
        [body.rest.blob_key for body in bodies],
        [structure.message_id for structure in structures],
        [structure.subject for structure in structures],
        [structure.from_text for structure in structures],
        [structure.to_text for structure in structures],
        [structure.preview for structure in structures],
        [structure.attachments for structure in structures],
        [structure.envelope for structure in structures],
        [structure.bodystructure for structure in structures],
        [body.parts_json for body in bodies],
        [structure.sent_at for structure in structures],
        [body.accepted_at for body in bodies],
        [body.sender for body in bodies],
        [body.submitter for body in bodies],
        [body.on_behalf for body in bodies],
        [body.sections_json for body in bodies],
        [body.rest.layout_json for body in bodies],
        *order_columns([structure.order for structure in structures]),
        [structure.sent_at and structure.sent_at.date() for structure in structures],
    ]


def order_columns(orders: Sequence[Order]) -> list[list[Any]]:
    """One list for each column: sort_subject, is_reply, sort_from, sort_to, sort_cc, from_name, to_name, lineage."""
    return [
        [order.subject for order in orders],
        [order.is_reply for order in orders],
        [order.from_mailbox for order in orders],
        [order.to_mailbox for order in orders],
        [order.cc_mailbox for order in orders],
        [order.from_name for order in orders],
        [order.to_name for order in orders],
        [order.lineage for order in orders],
    ]


REST_COLUMNS = "b.inline, b.is_compressed, b.blob_key, b.layout"


def to_rest(row: asyncpg.Record) -> Rest:
    """A row with REST_COLUMNS."""
    return Rest(row["inline"], row["is_compressed"], row["blob_key"], to_layout(row["layout"]))
