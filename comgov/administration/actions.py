"""Gathering what institutions use, and proving the counters."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from comgov import journal
from comgov.administration import store
from comgov.administration.model import Figures, Period, Report, Usage, must_administer_something, total
from comgov.errors import Forbidden, Unavailable
from comgov.files.actions import spaces
from comgov.institutions import actions as institutions
from comgov.institutions.model import Institution, administers, must_administer_the_platform
from comgov.language import N_
from mail.errors import SystemDown
from mail.outbound.queue import Summary, summarise
from mail.traffic import traffic

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from comgov.actor import Actor
    from comgov.feature import Platform

_ACCOUNTS_AT_ONCE = 10_000


async def usage(platform: Platform, actor: Actor, period: Period, institution: str | None = None) -> Report:
    """What the institutions that the actor runs use, or that one (a code).

    Raises Forbidden, NotFound, Unavailable.
    """
    must_administer_something(actor)
    if institution is not None:
        chosen = await institutions.get(platform, institution)
        if not administers(actor, chosen.id):
            raise Forbidden(N_("Only an administrator of this institution may do this."))
        return await report(platform, period, [chosen])
    everyone = [branch.institution for branch in await institutions.everyone(platform)]
    return await report(platform, period, [one for one in everyone if administers(actor, one.id)])


async def report(platform: Platform, period: Period, chosen: Sequence[Institution]) -> Report:
    """What those institutions use; for one who was allowed to ask already."""
    only = chosen[0].id if len(chosen) == 1 else None
    async with platform.db.connection() as connection:
        accounts = await store.accounts(connection, only)
        numbers = await store.numbers(connection, period.since, period.until)
    sources = (
        {one.id: Figures(quota_bytes=one.quota_bytes) for one in chosen},
        {institution_id: Figures(people=of.people, posts=of.posts) for institution_id, of in accounts.items()},
        {
            institution_id: Figures(dossiers_sent=of.departures, dossiers_received=of.arrivals)
            for institution_id, of in numbers.items()
        },
        await _mailboxes(platform, accounts),
        await _traffic(platform, period, {one.domain: one.id for one in chosen}),
        await _files(platform, only),
    )
    return Report(
        period,
        tuple(
            Usage(one, total(source.get(one.id, Figures()) for source in sources))
            for one in sorted(chosen, key=lambda institution: institution.code)
        ),
    )


async def _mailboxes(platform: Platform, accounts: Mapping[int, store.Accounts]) -> Mapping[int, Figures]:
    """What the mailboxes of each institution hold."""
    owner = {account_id: institution_id for institution_id, of in accounts.items() for account_id in of.ids}
    ids = sorted(owner)
    found: dict[int, Figures] = defaultdict(Figures)
    for start in range(0, len(ids), _ACCOUNTS_AT_ONCE):
        try:
            used = await platform.mailboxes.usage(ids[start : start + _ACCOUNTS_AT_ONCE])
        except SystemDown as error:
            raise _down(error) from error
        for account_id, (messages, size_bytes) in used.items():
            found[owner[account_id]] += Figures(mailbox_messages=messages, mailbox_bytes=size_bytes)
    return found


async def _traffic(platform: Platform, period: Period, owner: Mapping[str, int]) -> Mapping[int, Figures]:
    """The mail of each institution. owner: its id by domain."""
    try:
        days = await traffic(platform.db.pool, period.since, period.until)
    except SystemDown as error:
        raise _down(error) from error
    found: dict[int, Figures] = defaultdict(Figures)
    for day in days:
        if day.domain in owner:
            found[owner[day.domain]] += Figures(
                mail_in=day.incoming.messages,
                mail_in_bytes=day.incoming.size_bytes,
                mail_out=day.outgoing.messages,
                mail_out_bytes=day.outgoing.size_bytes,
                mail_internal=day.internal.messages,
                mail_internal_bytes=day.internal.size_bytes,
            )
    return found


async def _files(platform: Platform, only: int | None) -> Mapping[int, Figures]:
    """What the spaces of each institution hold."""
    return {
        use.institution_id: Figures(files=use.files, files_bytes=use.size_bytes)
        for use in await spaces.usage(platform, only)
    }


def _down(error: SystemDown) -> Unavailable:
    return Unavailable(N_("The database does not answer. Try again in a minute."), reason=error.reason)


async def outgoing(platform: Platform) -> Summary:
    """The mail that waits for other servers; for one who was allowed to ask already. Raises Unavailable."""
    try:
        return await summarise(platform.db.pool)
    except SystemDown as error:
        raise _down(error) from error


@dataclass(frozen=True, kw_only=True)
class Rebuilt:
    """How many counters differed from a recount, and were set right: none, unless something is amiss."""

    mailboxes: int
    spaces: int


async def rebuild(platform: Platform, actor: Actor) -> Rebuilt:
    """Count mailboxes and spaces anew from what they hold. For a platform administrator.

    Traffic needs none: it is a ledger, written with the messages and never updated; nor do registers.
    """
    must_administer_the_platform(actor)
    rebuilt = Rebuilt(mailboxes=await platform.mailboxes.recount(), spaces=await spaces.recount(platform))
    async with platform.db.transaction() as connection:
        await journal.record(
            connection, actor, "rebuild", "counters", "all", mailboxes=rebuilt.mailboxes, spaces=rebuilt.spaces
        )
    return rebuilt
