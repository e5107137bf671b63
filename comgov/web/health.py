"""Whether this node lives, and whether it can serve: for load balancers and monitoring."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from aiohttp import web

from comgov.errors import ComgovError
from comgov.feature import PLATFORM, Platform

Check: TypeAlias = Callable[[Platform], Awaitable[None]]
"""Returns if the dependency answers; raises what is the matter."""

CHECKS: web.AppKey[Mapping[str, Check]] = web.AppKey("checks")
_PATIENCE_SECONDS = 3.0


@dataclass(frozen=True, kw_only=True)
class Finding:
    """error: empty if the dependency answered."""

    name: str
    milliseconds: float
    error: str

    def as_json(self) -> str:
        """The finding on one line."""
        return json.dumps({"name": self.name, "ok": not self.error, "ms": self.milliseconds, "error": self.error})


async def alive(_request: web.Request) -> web.Response:
    """`/healthz`: the process answers."""
    return web.json_response({"status": "ok"})


async def ready(request: web.Request) -> web.Response:
    """`/readyz`: JSON, a line for each dependency; 503 as long as one does not answer."""
    platform = request.app[PLATFORM]
    checks = request.app[CHECKS].items()
    findings = await asyncio.gather(*(_find(platform, name, check) for name, check in checks))
    is_ready = not any(finding.error for finding in findings)
    lines = ",\n".join(finding.as_json() for finding in findings)
    text = f'{{"status": "{"ready" if is_ready else "unavailable"}", "checks": [\n{lines}\n]}}\n'
    return web.Response(status=200 if is_ready else 503, text=text, content_type="application/json")


async def database_answers(platform: Platform) -> None:
    """Raises Unavailable unless the database answers a query."""
    async with platform.db.connection() as connection:
        await connection.execute("SELECT 1")


async def _find(platform: Platform, name: str, check: Check) -> Finding:
    started = time.perf_counter()
    looking = asyncio.ensure_future(check(platform))
    done, _ = await asyncio.wait({looking}, timeout=_PATIENCE_SECONDS)
    if done:
        error = _fault(looking.exception())
    else:
        error = f"no answer within {_PATIENCE_SECONDS:.0f} s"
        _abandon(looking)
    return Finding(name=name, milliseconds=round(1000 * (time.perf_counter() - started), 1), error=error)


def _fault(failure: BaseException | None) -> str:
    if failure is None:
        return ""
    if isinstance(failure, ComgovError):
        return failure.public.format(**failure.values)
    if isinstance(failure, OSError):
        return type(failure).__name__
    raise failure


def _abandon(looking: asyncio.Future[None]) -> None:
    """Have it end without waiting for that: a database that hangs holds up even the release of its connection."""
    _abandoned.add(looking)
    looking.add_done_callback(_forget)
    looking.cancel()


def _forget(looking: asyncio.Future[None]) -> None:
    _abandoned.discard(looking)
    if not looking.cancelled():
        looking.exception()  # it was said already that there was no answer


_abandoned: set[asyncio.Future[None]] = set()
"""What nobody waits for any more; the loop alone would let it be collected before its end."""
