"""Frequent queries on tables that grow have an index to go by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comgov.dossiers.store import EVIDENCE_OF_PRESENTATION

if TYPE_CHECKING:
    from comgov.db import Database


async def test_the_receipt_of_a_presentation_is_found_by_its_index(db: Database) -> None:
    async with db.transaction() as connection:
        await connection.execute("SET LOCAL enable_seqscan = off")
        plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {EVIDENCE_OF_PRESENTATION}", 1))

    assert "evidence_presentation" in plan
