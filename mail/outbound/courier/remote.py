"""The way to a site and back: finds its servers, keeps one session for all that waits there."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mail.outbound.courier.session import Session, StaleError, Terms, open_session, tls_contexts
from mail.outbound.outcome import Deferred, Failed
from mail.outbound.route import Route

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mail.outbound.courier.budget import Budget
    from mail.outbound.courier.session import Config, Content, Parcel
    from mail.outbound.outcome import Outcome
    from mail.outbound.route import Router


UNREACHABLE = ("4.4.1", "4.4.2", "4.4.3")
"""Statuses of an attempt that found no server, or lost it on the way."""


@dataclass(frozen=True)
class Attempt:
    """What became of one recipient, and the server that said so (empty: none was reached)."""

    outcome: Outcome
    remote_mta: str

    @property
    def has_answer(self) -> bool:
        """Whether the other server said something, be it no."""
        return bool(self.remote_mta) and getattr(self.outcome, "status", "") not in UNREACHABLE


class Courier:
    """Takes parcels to other servers. One per process."""

    def __init__(self, *, hostname: str, own_names: frozenset[str], router: Router, config: Config) -> None:
        """hostname: what we say in EHLO. own_names: every name this server goes by, lower case."""
        self._router = router
        self._terms = Terms(
            hostname=hostname,
            own_names=own_names | {hostname.lower()},
            config=config,
            contexts=tls_contexts(config),
        )

    def destination(self, site: str) -> str:
        """What sites that share servers by configuration have in common: limits are counted by it."""
        return self._router.destination(site)

    @asynccontextmanager
    async def visit(self, site: str, budget: Budget) -> AsyncIterator[Visit]:
        """Go to a site for as long as the block lasts; connects when there is something to deliver."""
        visit = Visit(site, self._router, self._terms, budget)
        try:
            yield visit
            await visit.close()
        finally:
            visit.abort()


class Visit:
    """One connection at a time to one site. What cannot be reached is asked once, not once for each message."""

    def __init__(self, site: str, router: Router, terms: Terms, budget: Budget) -> None:
        self._site = site
        self._router = router
        self._terms = terms
        self._budget = budget
        self._session: Session | None = None
        self._closed_door: Deferred | Failed | None = None

    async def deliver(self, parcel: Parcel, content: Content) -> list[Attempt]:
        """What became of each of the parcel's recipients, in their order."""
        session = await self._open()
        try:
            return await self._transact(session, parcel, content)
        except StaleError:
            return await self._transact(await self._open(), parcel, content)

    async def close(self) -> None:
        """End the session in peace."""
        if self._session is not None:
            await self._session.close()

    def abort(self) -> None:
        """Drop the connection, if there still is one."""
        if self._session is not None and self._session.is_open:
            self._session.abort()

    async def _transact(self, session: Session | Deferred | Failed, parcel: Parcel, content: Content) -> list[Attempt]:
        if not isinstance(session, Session):
            return [Attempt(session, "")] * len(parcel.recipients)
        outcomes = await session.transact(parcel, content, self._budget)
        return [Attempt(outcome, session.name) for outcome in outcomes]

    async def _open(self) -> Session | Deferred | Failed:
        if self._session is not None and self._session.is_open:
            return self._session
        if self._closed_door is not None:
            return self._closed_door
        opened = await self._try_hosts()
        if isinstance(opened, Session):
            self._session = opened
        else:
            self._closed_door = opened
        return opened

    async def _try_hosts(self) -> Session | Deferred | Failed:
        route = await self._router.find(self._site)
        if not isinstance(route, Route):
            return route
        opened: Session | Deferred | Failed = Deferred(status="4.4.1", reply=f"{self._site} has no server to try")
        for host in route.hosts:
            for address in host.addresses:
                opened = await open_session(host, address, self._terms)
                if not isinstance(opened, Deferred):
                    return opened
        return opened
