"""Links: an address by which a file can be fetched, for a time.

A token is 192 random bits, kept as it is: its maker must be able to see the address again, and whoever reads the
database reads the names and digests of the files anyway. That is why every link ends, at the latest after
`link_lifetime_limit`, and why a password is kept hashed.

A link with a password or a limit of downloads gives *tickets*: one for each counted download, good for resuming it.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from comgov import journal
from comgov.errors import Forbidden, Invalid, NotFound, TooMany, Unauthenticated
from comgov.files.actions.versions import Content, content_of
from comgov.files.config import Config
from comgov.files.model import Deed, Link, LinkState, SpaceRole, may_revoke, role_in
from comgov.files.reach import reach
from comgov.files.store import links as store
from comgov.files.store import nodes, spaces
from comgov.language import N_
from comgov.people.actions.sign_in import passwords_of

if TYPE_CHECKING:
    from comgov.actor import Actor
    from comgov.db import Connection
    from comgov.feature import Platform

LAST = 2**63 - 1
"""Above every link's id."""

_TOKEN_BYTES = 24
_TOKEN_LIMIT = 100  # characters: longer ones are nobody's
_PASSWORD_LIMIT = 200  # characters
_DOWNLOADS_LIMIT = 1_000_000
_WRONG_PASSWORDS = 10
_LOCKED_FOR = timedelta(minutes=15)
_SHOWN_OF_FILE = 50

_CLOSED = N_("This link does not lead anywhere any more. Ask the person who sent it for a new one.")
_NO_LINK = N_("This link is not there, or not for you.")


async def create(
    platform: Platform,
    actor: Actor,
    node_id: int,
    *,
    lifetime: timedelta | None = None,
    password: str = "",
    institution_only: bool = False,
    downloads_max: int | None = None,
) -> Link:
    """An address by which a file can be fetched, always as it is shown at that moment.

    lifetime: None for the configured one. password: none if empty. institution_only: people of the institution of
    the file's space alone, signed in. downloads_max: None for any number.
    Raises NotFound, Forbidden, Invalid.
    """
    lifetime = _check_lifetime(platform, lifetime)
    if downloads_max is not None and not 1 <= downloads_max <= _DOWNLOADS_LIMIT:
        raise Invalid(N_("The number of downloads goes from 1 to {limit}."), limit=_DOWNLOADS_LIMIT)
    if len(password) > _PASSWORD_LIMIT:
        raise Invalid(N_("The password of a link has at most {limit} characters."), limit=_PASSWORD_LIMIT)
    password_hash = await passwords_of(platform).hash(password) if password else None
    now = platform.clock()
    async with platform.db.transaction() as connection:
        place = await reach(connection, actor, node_id, Deed.SHARE)
        if not place.node.is_file:
            raise Invalid(N_("A link leads to a file. Please choose a file in this folder."))
        link_id = await store.insert(
            connection,
            node_id,
            secrets.token_urlsafe(_TOKEN_BYTES),
            password_hash,
            institution_only,
            downloads_max,
            now,
            actor.person_id,
            now + lifetime,
        )
        await journal.record(
            connection,
            actor,
            "create",
            "link",
            link_id,
            file=node_id,
            expires_at=(now + lifetime).isoformat(),
            institution_only=institution_only,
            has_password=bool(password),
            downloads_max=downloads_max,
        )
        return await _got(connection, link_id)


def _check_lifetime(platform: Platform, lifetime: timedelta | None) -> timedelta:
    config = platform.config(Config)
    if lifetime is None:
        return config.link_lifetime
    if not timedelta(0) < lifetime <= config.link_lifetime_limit:
        raise Invalid(N_("A link lasts from 1 to {days} days. No link was made."), days=config.link_lifetime_limit.days)
    return lifetime


async def revoke(platform: Platform, actor: Actor, link_id: int) -> None:
    """Close a link, for its maker and the managers of its space; closed already is fine. Raises NotFound, Forbidden."""
    async with platform.db.transaction() as connection:
        link = await store.get(connection, link_id)
        found = await spaces.get(connection, actor.person_id, link.space_id) if link else None
        role = role_in(actor, *found) if found else SpaceRole.NONE
        if link is None or (role is SpaceRole.NONE and link.created_by != actor.person_id):
            raise NotFound(_NO_LINK)
        if not may_revoke(actor, role, link.created_by):
            raise Forbidden(N_("Only its maker or a manager of the space can revoke a link."))
        await store.revoke(connection, link_id, platform.clock())
        await journal.record(connection, actor, "revoke", "link", link_id, file=link.node_id)


@dataclass(frozen=True, kw_only=True)
class Links:
    """A page of links, latest first. total: how many there are, exactly. is_last: nothing comes after."""

    links: Sequence[Link]
    total: int
    is_last: bool


async def mine(
    platform: Platform, actor: Actor, before: int = LAST, limit: int = 100, *, open_only: bool = False
) -> Links:
    """The links that the actor made, of those with ids below `before`. open_only: not those that are closed."""
    open_at = platform.clock() if open_only else None
    async with platform.db.transaction(isolation="repeatable_read") as connection:
        found = await store.of_person(connection, actor.person_id, open_at, before, limit + 1)
        total = await store.of_person_count(connection, actor.person_id, open_at)
    return Links(links=found[:limit], total=total, is_last=len(found) <= limit)


async def of_file(platform: Platform, actor: Actor, node_id: int) -> Sequence[Link]:
    """The links of a file that are open, latest first: all for those who may revoke them, else one's own."""
    async with platform.db.connection() as connection:
        place = await reach(connection, actor, node_id, Deed.READ)
        found = await store.of_node(connection, node_id, platform.clock(), _SHOWN_OF_FILE)
    return [link for link in found if may_revoke(actor, place.role, link.created_by)]


async def visit(platform: Platform, actor: Actor | None, token: str) -> Link:
    """The link of that token, if it is open to this visitor. actor: None for one who is not signed in.

    Raises NotFound (unknown, revoked, expired, spent, its file in the trash or its institution suspended),
    Unauthenticated or Forbidden (for people of the institution alone).
    """
    async with platform.db.connection() as connection:
        return await _visit(platform, connection, actor, token, {LinkState.OPEN})


async def take_ticket(platform: Platform, actor: Actor | None, token: str, password: str = "") -> str:
    """A ticket for one download, which is counted now. Raises as `visit`, Forbidden (password), TooMany."""
    link = await visit(platform, actor, token)
    await _check_password(platform, link, password)
    ticket, now = secrets.token_urlsafe(_TOKEN_BYTES), platform.clock()
    async with platform.db.transaction() as connection:
        if not await store.count(connection, link.id, now):
            raise NotFound(_CLOSED)
        await store.insert_ticket(connection, ticket, link.id, now + platform.config(Config).download_resumable)
    return ticket


async def _check_password(platform: Platform, link: Link, password: str) -> None:
    if not link.has_password:
        return
    passwords = passwords_of(platform)
    async with passwords.turn:  # around all of it: guesses sent together must not slip by each other
        async with platform.db.connection() as connection:
            lock = await store.lock(connection, link.id)
        now = platform.clock()
        if lock.locked_until is not None and now < lock.locked_until:
            raise TooMany(N_("Too many wrong passwords for this link. Wait a quarter of an hour, then try again."))
        if not await passwords.matches(lock.password_hash, password[: _PASSWORD_LIMIT + 1]):
            async with platform.db.connection() as connection:
                await store.wrong_password(connection, link.id, _WRONG_PASSWORDS, now + _LOCKED_FOR)
            raise Forbidden(N_("This is not the password of this link. Ask the person who sent it."))


async def fetch(
    platform: Platform, actor: Actor | None, token: str, ticket: str = "", *, is_start: bool = True
) -> Content:
    """What a link leads to, to be sent. ticket: of `take_ticket`, for links whose downloads are counted by it.

    is_start: the download begins, as opposed to being resumed; without tickets that is what is counted.
    Raises as `visit`; Forbidden when there is no valid ticket.
    """
    now = platform.clock()
    async with platform.db.connection() as connection:
        states = {LinkState.OPEN, LinkState.SPENT} if ticket else {LinkState.OPEN}
        link = await _visit(platform, connection, actor, token, states)
        if link.is_counted:
            if not await store.has_ticket(connection, ticket[:_TOKEN_LIMIT], link.id, now):
                raise Forbidden(N_("This download has to be started again from the page of the link."))
        elif is_start:
            await store.count(connection, link.id, now)
        node = await nodes.get(connection, link.node_id)
    if node is None:
        raise NotFound(_CLOSED)
    return content_of(node)


async def _visit(
    platform: Platform, connection: Connection, actor: Actor | None, token: str, states: set[LinkState]
) -> Link:
    if len(token) > _TOKEN_LIMIT or not token.isascii() or "\0" in token:
        raise NotFound(_CLOSED)
    link = await store.by_token(connection, token)
    if link is None or link.is_suspended or link.state(platform.clock()) not in states:
        raise NotFound(_CLOSED)
    if await nodes.is_trashed(connection, link.node_id):
        raise NotFound(_CLOSED)
    if link.institution_only:
        if actor is None:
            raise Unauthenticated(N_("This link is for people of one institution. Please sign in."))
        if actor.institution_id != link.institution_id:
            raise Forbidden(N_("This link is for people of another institution."))
    return link


async def drop_expired(platform: Platform) -> None:
    """Forget the tickets that no longer open anything."""
    async with platform.db.connection() as connection:
        await store.drop_expired_tickets(connection, platform.clock())


async def _got(connection: Connection, link_id: int) -> Link:
    link = await store.get(connection, link_id)
    assert link is not None
    return link
