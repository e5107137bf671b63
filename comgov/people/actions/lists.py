"""Lists: addresses that lead to several accounts, and who may post to them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from comgov import journal
from comgov.errors import Forbidden, Invalid, NotFound
from comgov.institutions import actions as institutions
from comgov.institutions.model import administers, check_name, must_administer
from comgov.language import N_
from comgov.people.model import Account, Actor, MailingList, Posting, address_of, check_address
from comgov.people.store import lists as store
from comgov.people.store import people as people_store

if TYPE_CHECKING:
    from collections.abc import Collection

    from comgov.db import Connection
    from comgov.feature import Platform

_MOST_ON_A_PAGE = 200
MOST_MEMBERS = 10_000


async def add_list(
    platform: Platform,
    actor: Actor,
    address: str,
    name: str,
    *,
    owner: str,
    posting: Posting = Posting.MEMBERS,
    members: Collection[str] = (),
) -> MailingList:
    """A new list in the institution whose domain the address has. owner, members: addresses of people or posts.

    Raises Forbidden, Invalid, NotFound (domain, owner or a member), Conflict (the address is taken).
    """
    local_part, domain = check_address(address)
    async with platform.db.transaction() as connection:
        institution = await institutions.of_domain(connection, domain)
        must_administer(actor, institution.id)
        [owner_account] = await _accounts(connection, [owner])
        listed = await _accounts(connection, members)
        list_id = await store.insert(
            connection,
            institution.id,
            f"{local_part}@{domain}",
            check_name(name),
            posting,
            owner_account.id,
            platform.clock(),
        )
        await store.add_members(connection, list_id, [account.id for account in listed])
        await journal.record(
            connection, actor, "add", "list", list_id, address=f"{local_part}@{domain}", posting=posting
        )
        return await _list(connection, f"{local_part}@{domain}")


async def change_list(
    platform: Platform,
    actor: Actor,
    address: str,
    *,
    name: str | None = None,
    posting: Posting | None = None,
    owner: str | None = None,
    disabled: bool | None = None,
) -> MailingList:
    """Change what is given, leave what is None; by its owner or an administrator. Raises Forbidden, NotFound."""
    async with platform.db.transaction() as connection:
        found = await _managed(connection, actor, address)
        owner_id = found.owner_id if owner is None else (await _accounts(connection, [owner]))[0].id
        changed = replace(
            found,
            name=found.name if name is None else check_name(name),
            posting=posting or found.posting,
            owner_id=owner_id,
            disabled=found.disabled if disabled is None else disabled,
        )
        since = platform.clock() if changed.disabled else None
        await store.update(connection, found.id, changed.name, changed.posting, owner_id, since)
        await journal.record(
            connection,
            actor,
            "change",
            "list",
            found.id,
            name=changed.name,
            posting=changed.posting,
            disabled=changed.disabled,
        )
    return changed


async def add_members(platform: Platform, actor: Actor, address: str, members: Collection[str]) -> MailingList:
    """Put people or posts on a list; those on it already stay.

    Raises Forbidden, NotFound, Invalid (more than 10,000 members).
    """
    async with platform.db.transaction() as connection:
        found = await _managed(connection, actor, address)
        listed = await _accounts(connection, members)
        if len({*found.members, *listed}) > MOST_MEMBERS:
            raise Invalid(N_("A list has at most {most} members."), most=MOST_MEMBERS)
        await store.add_members(connection, found.id, [account.id for account in listed])
        await journal.record(
            connection, actor, "add members to", "list", found.id, members=[account.address for account in listed[:50]]
        )
        return await _list(connection, found.address)


async def remove_members(platform: Platform, actor: Actor, address: str, members: Collection[str]) -> MailingList:
    """Take people or posts off a list; those not on it do no harm. Raises Forbidden, NotFound."""
    async with platform.db.transaction() as connection:
        found = await _managed(connection, actor, address)
        listed = await _accounts(connection, members)
        await store.remove_members(connection, found.id, [account.id for account in listed])
        await journal.record(
            connection,
            actor,
            "remove members from",
            "list",
            found.id,
            members=[account.address for account in listed[:50]],
        )
        return await _list(connection, found.address)


async def get_list(platform: Platform, address: str) -> MailingList:
    """The list of that address with its members; raises NotFound."""
    async with platform.db.connection() as connection:
        return await _list(connection, address)


async def lists(platform: Platform, institution_id: int, *, after: str = "", limit: int = 50) -> list[MailingList]:
    """Lists of an institution, by address, after that address. limit: 1 to 200."""
    async with platform.db.connection() as connection:
        return await store.page(connection, institution_id, after, max(1, min(limit, _MOST_ON_A_PAGE)))


async def _list(connection: Connection, address: str) -> MailingList:
    known = address_of(address)
    return _found(await store.by_address(connection, known) if known else None, address)


async def _managed(connection: Connection, actor: Actor, address: str) -> MailingList:
    known = address_of(address)
    found = _found(await store.by_address_locked(connection, known) if known else None, address)
    if not administers(actor, found.institution_id) and found.owner_id not in {actor.person_id, *actor.posts}:
        raise Forbidden(N_("Only the list's owner or an administrator of its institution may do this."))
    return found


async def _accounts(connection: Connection, addresses: Collection[str]) -> list[Account]:
    """The accounts of those addresses, in their order; raises NotFound for the first that is none."""
    known = {address: address_of(address) for address in addresses}
    found = await people_store.accounts(connection, [address for address in known.values() if address])
    for address, kept in known.items():
        if kept not in found:
            raise NotFound(N_("There is neither a person nor a post at {address}."), address=address[:100])
    return [found[kept] for kept in known.values() if kept]


def _found(found: MailingList | None, address: str) -> MailingList:
    if found is None:
        raise NotFound(N_("There is no list {address}."), address=address[:100])
    return found
