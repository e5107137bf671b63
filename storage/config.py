"""Where bytes are kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, Field, model_validator

if TYPE_CHECKING:
    from typing import Self

MIB = 1 << 20


class S3Config(BaseModel, frozen=True, extra="forbid"):
    """Where an S3 server is, how it knows us, and how large blobs go there."""

    endpoint: str = Field(pattern=r"^https?://[^/\s]+$", description="as in https://s3.example.org:9000")
    bucket: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", description="made at the start if it is missing")
    region: str = Field(default="us-east-1", min_length=1, description="what signatures name; any for most servers")
    prefix: str = Field(default="blobs/", pattern=r"^([\w.-]+/)*$", max_length=200, description="what keys begin with")
    access_key_id: str = Field(min_length=1, description="who we are to the server")
    secret_key_file: Path = Field(description="a file that holds the secret access key alone")
    ca_file: Path | None = Field(default=None, description="certificates to trust instead of the system's")
    part_size_bytes: int = Field(default=64 * MIB, ge=5 * MIB, le=5 << 30, description="larger blobs go in such parts")
    parts_at_once: int = Field(default=4, ge=1, le=32, description="sent side by side, for each blob")


class Config(BaseModel, frozen=True, extra="forbid"):
    """One kind of store for the whole node."""

    kind: Literal["disk", "s3"] = Field(default="disk", description="disk, or s3 for a server that speaks it")
    path: Path = Field(default=Path("data/blobs"), description="disk: where blobs lie; s3: where they wait until whole")
    reserve_bytes: int = Field(
        default=256 * MIB, ge=0, description="room on that file system which is left to others, such as the database"
    )
    s3: S3Config | None = Field(default=None, description="needed when kind is s3")

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        if self.kind == "s3" and self.s3 is None:
            raise ValueError('kind = "s3" needs a table [storage.s3] with endpoint, bucket and keys')
        return self
