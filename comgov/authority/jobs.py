"""What happens later: enrolling new institutions, renewing seals, publishing revocation lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comgov.actor import console
from comgov.authority import actions
from comgov.feature import Job
from comgov.institutions import actions as institutions

if TYPE_CHECKING:
    from comgov.feature import Platform


async def enrol(platform: Platform) -> int:
    """Enrol the institutions that never were; gives how many."""
    missing = await actions.not_enrolled(
        platform, [branch.institution for branch in await institutions.everyone(platform)]
    )
    for institution in missing:
        await actions.enrol_institution(platform, console("enrolment"), institution)
    await actions.complete(platform)
    return len(missing)


async def keep_up(platform: Platform) -> None:
    """Renew what ends soon; sign today's revocation lists."""
    await actions.establish(platform, console("renewal"))
    await actions.renew(platform)


jobs = [
    Job(name="authority.enrol", cron="* * * * *", run=enrol),
    Job(name="authority.keep-up", cron="23 2 * * *", run=keep_up),
]
