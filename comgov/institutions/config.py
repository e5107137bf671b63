"""What one may configure about institutions."""

from __future__ import annotations

from pydantic import BaseModel, Field


class Config(BaseModel, frozen=True, extra="forbid"):
    """Institutions."""

    domain: str = Field("gov.test", description="a new institution's mail domain is <code>.<domain>")
    quota_bytes: int = Field(
        100 << 30, ge=0, description="what a new institution's mailboxes and files may fill together, in bytes"
    )
