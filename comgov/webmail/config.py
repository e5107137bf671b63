"""What one may configure of the webmail."""

from __future__ import annotations

from datetime import timedelta

from pydantic import BaseModel, Field


class Config(BaseModel, frozen=True, extra="forbid"):
    """Mail in the browser."""

    attachments_limit_bytes: int = Field(
        25_000_000, ge=1_000_000, description="the most that the files of one message may weigh together, as they are"
    )
    recipient_limit: int = Field(200, ge=1, le=1000, description="recipients of one message written in the browser")
    page_limit: int = Field(40, ge=10, le=200, description="messages of one page of a list")
    sent_draft_kept: timedelta = Field(
        timedelta(days=30), description="how long a draft that was sent is remembered, so that it is never sent twice"
    )
