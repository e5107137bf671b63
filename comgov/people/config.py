"""What one may configure about people, their passwords and their sessions."""

from __future__ import annotations

from datetime import timedelta

from pydantic import BaseModel, Field, model_validator


class Config(BaseModel, frozen=True, extra="forbid"):
    """People, passwords, sessions.

    The cost of a password is the second recommended choice of RFC 9106 §4 (64 MiB, 3 passes, 4 lanes). A server with
    little memory may go down to OWASP's 19 MiB, 2 passes, 1 lane: passwords are hashed again as people sign in.
    """

    password_memory_bytes: int = Field(64 << 20, ge=8 << 10, le=4 << 30, description="memory that one hashing fills")
    password_passes: int = Field(3, ge=1, le=100, description="times that it goes over that memory")
    password_lanes: int = Field(4, ge=1, le=64, description="threads of one hashing")
    password_parallel: int = Field(2, ge=1, le=64, description="hashings at once in a worker; others wait")
    verified_for: timedelta = Field(
        timedelta(minutes=15), description="a password verified or used so recently is not hashed again"
    )
    session_idle: timedelta = Field(timedelta(hours=2), description="a session ends when nothing was asked for so long")
    session_longest: timedelta = Field(timedelta(hours=12), description="and after so long in any case")
    failures_window: timedelta = Field(timedelta(minutes=15), description="failures are forgotten over this time")
    failures_of_pair: int = Field(10, ge=1, description="failures allowed to one client for one address, meanwhile")
    failures_of_address: int = Field(50, ge=1, description="failures allowed for one address, from anywhere")
    failures_of_client: int = Field(
        100, ge=1, description="failures allowed to one client, a whole institution perhaps"
    )
    mailbox_quota_bytes: int = Field(2 << 30, ge=0, description="what a new mailbox may fill, in bytes")

    @model_validator(mode="after")
    def _lanes_fit(self) -> Config:
        if self.password_memory_bytes < self.password_lanes * (8 << 10):
            raise ValueError("password_memory_bytes must be at least 8 KiB for each of password_lanes")
        return self
