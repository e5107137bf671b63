"""What the files room lets one configure."""

from __future__ import annotations

from datetime import timedelta

from pydantic import BaseModel, Field

GIGABYTE = 1_000_000_000


class Config(BaseModel, frozen=True, extra="forbid"):
    """Spaces, quotas and delays of files."""

    personal_quota_bytes: int = Field(
        default=5 * GIGABYTE, ge=0, description="What one person's own space may hold, old versions and trash included."
    )
    institution_space_quota_bytes: int = Field(
        default=100 * GIGABYTE, ge=0, description="What the shared space of an institution may hold."
    )
    file_limit_bytes: int = Field(default=50 * GIGABYTE, ge=1, description="The largest single file.")
    depth_limit: int = Field(default=40, ge=1, le=100, description="How deep folders may lie in one another.")
    copy_limit: int = Field(default=10_000, ge=1, description="How many files and folders one copy may make.")
    versions_kept: int = Field(
        default=50, ge=1, le=10_000, description="How many versions of a file are kept; beyond, the oldest goes."
    )
    trash_kept: timedelta = Field(
        default=timedelta(days=30), description="How long what was thrown away can be restored."
    )
    link_lifetime: timedelta = Field(default=timedelta(days=30), description="How long a link lasts unless said.")
    link_lifetime_limit: timedelta = Field(default=timedelta(days=366), description="The longest a link may last.")
    download_resumable: timedelta = Field(
        default=timedelta(days=2),
        description="How long a counted download by link may be resumed: 1 GB takes an hour on a line of 2.5 Mbit/s.",
    )
