"""What may be configured about registers."""

from __future__ import annotations

from datetime import timedelta

from pydantic import BaseModel, Field


class Config(BaseModel, frozen=True, extra="forbid"):
    """Registers of departures and arrivals."""

    stamp_within: timedelta = Field(
        timedelta(hours=4),
        ge=timedelta(minutes=1),
        description="an institution whose oldest entry waits longer for another institution's time-stamp signs no more",
    )
