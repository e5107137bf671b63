"""What may be configured about dossiers."""

from __future__ import annotations

from datetime import timedelta

from pydantic import BaseModel, Field


class Config(BaseModel, frozen=True, extra="forbid"):
    """Signed dossiers between institutions."""

    piece_limit_bytes: int = Field(500_000_000, ge=1, le=4_000_000_000, description="the largest piece")
    dossier_limit_bytes: int = Field(1_000_000_000, ge=1, le=4_000_000_000, description="all pieces of one dossier")
    pieces: int = Field(200, ge=1, le=900, description="how many pieces a dossier may have")
    warn_after: timedelta = Field(
        timedelta(hours=12), description="the sender is warned when a dossier is not consigned by then"
    )
    fail_after: timedelta = Field(
        timedelta(hours=24), description="a dossier that is not consigned by then is given up, with evidence"
    )
