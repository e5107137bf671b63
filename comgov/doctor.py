"""The doctor: a line about each thing that the server leans on, and what to do about it."""

from __future__ import annotations

import shutil
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from comgov import app, authority
from comgov.config import Config
from comgov.errors import ComgovError
from comgov.feature import Platform
from comgov.supervisor import Listen
from mail.errors import MailError
from mail.outbound.queue import summarise
from storage import StorageError

_LEAST_FREE = 0.05  # of the disk
_MOST_SKEW = timedelta(seconds=2)
_LEAST_LEFT = timedelta(days=1)
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Finding:
    """part: what was looked at. sentence: what was found, and what to do when it is not well."""

    part: str
    is_well: bool
    sentence: str


Check = Callable[[Config, Platform], Awaitable[str]]


class _UnwellError(Exception):
    """A part is not well; the message says what to do."""


async def examine(config: Config, database_url: str) -> AsyncGenerator[Finding, None]:
    """Look at one part after the other, whatever the ones before gave."""
    try:
        async with app.open_platform(config, database_url) as platform:
            for part, check in _CHECKS.items():
                yield await _look(part, check, config, platform)
    except ComgovError as error:
        yield Finding("database", False, str(error))


async def _look(part: str, check: Check, config: Config, platform: Platform) -> Finding:
    try:
        return Finding(part, True, await check(config, platform))
    except (_UnwellError, ComgovError, MailError, StorageError, OSError) as error:
        return Finding(part, False, str(error))


async def _database(_config: Config, platform: Platform) -> str:
    async with platform.db.connection() as connection:
        version = await connection.fetchval("SHOW server_version")
        applied = await connection.fetchval("SELECT count(*) FROM comgov.migration")
    return f"PostgreSQL {version}, {applied} migrations applied"


async def _storage(_config: Config, platform: Platform) -> str:
    async def probe() -> AsyncIterator[bytes]:
        yield b"comgov doctor"

    drawer = await platform.blobs.drawer("doctor")
    blob = await drawer.write(probe())
    read = b"".join([chunk async for chunk in drawer.read(blob.sha256)])
    await drawer.delete(blob.sha256)
    if read != b"comgov doctor":
        raise _UnwellError("What was written did not come back: check the disk.")
    return "writes and reads back"


async def _disk(config: Config, _platform: Platform) -> str:
    usage = shutil.disk_usage(config.server.data)
    free = f"{usage.free / 1e9:.1f} of {usage.total / 1e9:.1f} GB free"
    if usage.free < _LEAST_FREE * usage.total:
        raise _UnwellError(f"{free}: make room before mail and files are refused.")
    return free


async def _clock(_config: Config, platform: Platform) -> str:
    async with platform.db.connection() as connection:
        there = await connection.fetchval("SELECT clock_timestamp()")
    skew = abs(there - datetime.now(UTC))
    if skew > _MOST_SKEW:
        raise _UnwellError(f"{skew.total_seconds():.0f} s apart from the database: set both by NTP.")
    return f"agrees with the database within {skew.total_seconds() * 1000:.0f} ms"


async def _certificates(config: Config, platform: Platform) -> str:
    await authority.stamp(platform, bytes(32))
    trust = await authority.trust(platform)
    tls = await authority.issue_tls(platform, app.server_names(config))
    soonest = min(crl.next_update_utc or _LONG_AGO for crl in trust.crls)
    if soonest < datetime.now(UTC) + _LEAST_LEFT:
        raise _UnwellError(f"A revocation list ends on {soonest:%Y-%m-%d}: run `comgov authority publish`.")
    return f"time-stamps work, revocation lists until {soonest:%Y-%m-%d}, TLS until {tls.not_after:%Y-%m-%d}"


async def _ports(config: Config, _platform: Platform) -> str:
    states = [f"{name} {listen.port} {_port_state(listen)}" for name, listen in app.listeners(config).items()]
    if any(state.endswith("refused") for state in states):
        raise _UnwellError(", ".join(states) + ": run as a user who may open them (see deploy/comgov.service).")
    return ", ".join(states)


async def _queue(config: Config, platform: Platform) -> str:
    waiting = await summarise(platform.db.pool, sites=1)
    if waiting.oldest is None:
        return "no mail waits for other servers"
    hours = (platform.clock() - waiting.oldest) / timedelta(hours=1)
    sentence = f"{waiting.waiting} recipients elsewhere wait, the oldest for {hours:.0f} h"
    if platform.clock() - waiting.oldest > config.mail.queue.warn_after:
        site = waiting.sites[0]
        raise _UnwellError(f"{sentence}, most of them at {site.site}: {site.last_reply or 'not tried yet'}.")
    return sentence


def _port_state(listen: Listen) -> str:
    with socket.socket(socket.AF_INET6 if ":" in listen.host else socket.AF_INET) as probe:
        probe.settimeout(2)
        if probe.connect_ex((listen.host, listen.port)) == 0:
            return "answers"
    with socket.socket(socket.AF_INET6 if ":" in listen.host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((listen.host, listen.port))
        except OSError:
            return "refused"
    return "free"


_CHECKS: dict[str, Check] = {
    "database": _database,
    "storage": _storage,
    "disk": _disk,
    "clock": _clock,
    "certificates": _certificates,
    "ports": _ports,
    "queue": _queue,
}
