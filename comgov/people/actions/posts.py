"""Posts: mailboxes of functions, held by people for a time."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from comgov import journal
from comgov.errors import Conflict, Invalid, NotFound
from comgov.institutions import actions as institutions
from comgov.institutions.model import check_name, check_quota, must_administer
from comgov.language import N_
from comgov.people.actions.people import quota_of
from comgov.people.model import Actor, Person, Post, Rights, address_of, check_address, overlap
from comgov.people.store import people as people_store
from comgov.people.store import posts as store
from comgov.people.store.people import NewAccount

if TYPE_CHECKING:
    from datetime import datetime

    from comgov.db import Connection
    from comgov.feature import Platform

_MOST_ON_A_PAGE = 200


async def add_post(
    platform: Platform, actor: Actor, address: str, title: str, *, quota_bytes: int | None = None
) -> Post:
    """A new post with its mailbox, held by nobody yet, in the institution whose domain the address has.

    Raises Forbidden, Invalid, NotFound (no such domain), Conflict (the address is taken).
    """
    local_part, domain = check_address(address)
    async with platform.db.transaction() as connection:
        institution = await institutions.of_domain(connection, domain)
        must_administer(actor, institution.id)
        account = NewAccount(
            kind="post",
            institution_id=institution.id,
            address=f"{local_part}@{domain}",
            name=check_name(title),
            quota_bytes=quota_of(platform, quota_bytes),
        )
        [account_id] = await people_store.insert_accounts(connection, [account], platform.clock())
        await store.insert(connection, account_id)
        await journal.record(connection, actor, "add", "post", account_id, address=account.address, title=account.name)
        return await _post(connection, account.address)


async def change_post(
    platform: Platform, actor: Actor, address: str, *, title: str | None = None, quota_bytes: int | None = None
) -> Post:
    """Change what is given, leave what is None. Raises Forbidden, NotFound, Invalid."""
    async with platform.db.transaction() as connection:
        post = await _managed(connection, actor, address)
        changed = replace(
            post,
            name=post.name if title is None else check_name(title),
            quota_bytes=post.quota_bytes if quota_bytes is None else check_quota(quota_bytes),
        )
        await people_store.update_account(connection, post.id, changed.name, changed.quota_bytes)
        await journal.record(
            connection, actor, "change", "post", post.id, title=changed.name, quota_bytes=changed.quota_bytes
        )
    return changed


async def set_post_disabled(platform: Platform, actor: Actor, address: str, disabled: bool) -> Post:
    """Close a post's mailbox, or open it again; nothing of it is lost."""
    async with platform.db.transaction() as connection:
        post = await _managed(connection, actor, address)
        if post.disabled is not disabled:
            await people_store.set_disabled(connection, post.id, platform.clock() if disabled else None)
            await journal.record(connection, actor, "disable" if disabled else "enable", "post", post.id)
    return replace(post, disabled=disabled)


async def hold_post(
    platform: Platform,
    actor: Actor,
    address: str,
    person: str,
    rights: Rights = Rights.SENDER,
    *,
    held_from: datetime | None = None,
    held_until: datetime | None = None,
) -> Post:
    """Let a person hold a post. person: an address of the same institution.

    held_from: None for now; held_until: None for no end yet; both aware, in the past too, to record what was.
    Raises Forbidden, NotFound, Invalid (ends before it begins), Conflict (they hold it then already).
    """
    begin = held_from or platform.clock()
    if held_until is not None and held_until <= begin:
        raise Invalid(N_("A post is held until after it begins to be held."))
    async with platform.db.transaction() as connection:
        post = await _managed(connection, actor, address)
        holder = await _holder(connection, person)
        if holder.institution_id != post.institution_id:
            raise Invalid(N_("Only people of the institution hold its posts."))
        theirs = [holding for holding in post.holdings if holding.person_id == holder.id]
        if any(overlap(holding, begin, held_until) for holding in theirs):
            raise Conflict(N_("{person} holds this post at that time already: end it first."), person=holder.name)
        await store.insert_holding(connection, post.id, holder.id, rights, begin, held_until)
        await journal.record(
            connection, actor, "hold", "post", post.id, person=holder.address, rights=rights, begin=begin.isoformat()
        )
        return await _post(connection, post.address)


async def release_post(
    platform: Platform, actor: Actor, address: str, person: str, *, at: datetime | None = None
) -> Post:
    """End a person's holding of a post. at: None for now. One that has not begun by then is taken back.

    Raises Forbidden, NotFound (they do not hold it).
    """
    end = at or platform.clock()
    async with platform.db.transaction() as connection:
        post = await _managed(connection, actor, address)
        holder = await _holder(connection, person)
        open_ones = [
            holding
            for holding in post.holdings
            if holding.person_id == holder.id and (holding.held_until is None or holding.held_until > end)
        ]
        if not open_ones:
            raise NotFound(N_("{person} does not hold this post."), person=holder.name)
        for holding in open_ones:
            if holding.held_from >= end:
                await store.delete_holding(connection, holding.id)
            else:
                await store.end_holding(connection, holding.id, end)
        await journal.record(connection, actor, "release", "post", post.id, person=holder.address, end=end.isoformat())
        return await _post(connection, post.address)


async def get_post(platform: Platform, address: str) -> Post:
    """The post of that address with its holdings; raises NotFound."""
    async with platform.db.connection() as connection:
        return await _post(connection, address)


async def posts(platform: Platform, institution_id: int, *, after: str = "", limit: int = 50) -> list[Post]:
    """Posts of an institution, by address, after that address. limit: 1 to 200."""
    async with platform.db.connection() as connection:
        return await store.page(connection, institution_id, after, max(1, min(limit, _MOST_ON_A_PAGE)))


async def posts_of(platform: Platform, actor: Actor) -> list[Post]:
    """The open posts that the actor holds now, by address."""
    async with platform.db.connection() as connection:
        return [post for post in await store.by_ids(connection, actor.posts) if not post.disabled]


async def _post(connection: Connection, address: str) -> Post:
    known = address_of(address)
    return _found(await store.by_address(connection, known) if known else None, address)


async def _managed(connection: Connection, actor: Actor, address: str) -> Post:
    known = address_of(address)
    post = _found(await store.by_address_locked(connection, known) if known else None, address)
    must_administer(actor, post.institution_id)
    return post


async def _holder(connection: Connection, address: str) -> Person:
    known = address_of(address)
    person = await people_store.by_address(connection, known) if known else None
    if person is None:
        raise NotFound(N_("There is nobody at {address}."), address=address[:100])
    return person


def _found(post: Post | None, address: str) -> Post:
    if post is None:
        raise NotFound(N_("There is no post {address}."), address=address[:100])
    return post
