"""How much mail each domain of this server moved, by day."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mail.postgres import connected

if TYPE_CHECKING:
    from datetime import date, datetime

    from mail.postgres import Pool


@dataclass(frozen=True, kw_only=True)
class Volume:
    """messages: copies, one for each recipient. size_bytes: theirs together."""

    messages: int
    size_bytes: int


@dataclass(frozen=True, kw_only=True)
class DayOfTraffic:
    """A domain's day (UTC).

    incoming: from other domains, here or elsewhere. outgoing: to other domains. internal: within the domain.
    """

    day: date
    domain: str
    incoming: Volume
    outgoing: Volume
    internal: Volume


_TRAFFIC = """
SELECT (minute AT TIME ZONE 'UTC')::date AS day, domain,
       coalesce(sum(messages) FILTER (WHERE direction = 'in'), 0)::bigint AS messages_in,
       coalesce(sum(size_bytes) FILTER (WHERE direction = 'in'), 0)::bigint AS size_bytes_in,
       coalesce(sum(messages) FILTER (WHERE direction = 'out'), 0)::bigint AS messages_out,
       coalesce(sum(size_bytes) FILTER (WHERE direction = 'out'), 0)::bigint AS size_bytes_out,
       coalesce(sum(messages) FILTER (WHERE direction = 'internal'), 0)::bigint AS messages_internal,
       coalesce(sum(size_bytes) FILTER (WHERE direction = 'internal'), 0)::bigint AS size_bytes_internal
FROM mail.traffic
WHERE minute >= $1 AND minute < $2
GROUP BY 1, 2
ORDER BY 1, 2
"""


async def traffic(pool: Pool, since: datetime, until: datetime) -> list[DayOfTraffic]:
    """Each domain's days from `since` up to, not including, `until` (aware); days without mail are absent.

    Raises SystemDown.
    """
    async with connected(pool) as connection:
        rows = await connection.fetch(_TRAFFIC, since, until)
    return [
        DayOfTraffic(
            day=row["day"],
            domain=row["domain"],
            incoming=Volume(messages=row["messages_in"], size_bytes=row["size_bytes_in"]),
            outgoing=Volume(messages=row["messages_out"], size_bytes=row["size_bytes_out"]),
            internal=Volume(messages=row["messages_internal"], size_bytes=row["size_bytes_internal"]),
        )
        for row in rows
    ]
