"""Adding institutions, changing them, suspending them; reading the tree."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from comgov import journal
from comgov.errors import Conflict, Invalid, NotFound
from comgov.institutions import store
from comgov.institutions.config import Config
from comgov.institutions.model import (
    DEEPEST,
    Branch,
    Institution,
    Kind,
    State,
    check_code,
    check_domain,
    check_name,
    check_quota,
    must_administer_the_platform,
    tree,
)
from comgov.language import N_

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from comgov.actor import Actor
    from comgov.db import Connection
    from comgov.feature import Platform


async def add(
    platform: Platform,
    actor: Actor,
    *,
    code: str,
    name_fr: str,
    name_en: str = "",
    kind: Kind = Kind.MINISTRY,
    province: str = "",
    parent: str | None = None,
    domain: str | None = None,
    quota_bytes: int | None = None,
) -> Institution:
    """A new institution, active.

    parent: a code, None at the top. domain, quota_bytes: None for what the configuration says.
    Raises Forbidden, Invalid, NotFound (the parent), Conflict (code or domain taken).
    """
    must_administer_the_platform(actor)
    config = platform.config(Config)
    columns: dict[str, Any] = {
        "code": check_code(code),
        "domain": check_domain(domain or f"{code}.{config.domain}"),
        "name_fr": check_name(name_fr),
        "name_en": check_name(name_en) if name_en else "",
        "kind": kind,
        "province": check_name(province) if province else "",
        "quota_bytes": check_quota(config.quota_bytes if quota_bytes is None else quota_bytes),
        "created_at": platform.clock(),
    }
    async with platform.db.transaction() as connection:
        await store.lock_tree(connection)
        parent_id = await _parent_of(connection, None, parent) if parent else None
        institution = await store.insert(connection, **columns, parent_id=parent_id)
        await journal.record(connection, actor, "add", "institution", institution.id, code=code, name=name_fr)
    return institution


async def change(
    platform: Platform,
    actor: Actor,
    code: str,
    *,
    name_fr: str | None = None,
    name_en: str | None = None,
    kind: Kind | None = None,
    province: str | None = None,
    parent: str | None = None,
    quota_bytes: int | None = None,
) -> Institution:
    """Change what is given, leave what is None. parent: a code, "" for the top.

    Code and domain never change: addresses, certificates and registers carry them.
    """
    must_administer_the_platform(actor)
    changes: dict[str, Any] = {
        "name_fr": name_fr if name_fr is None else check_name(name_fr),
        "name_en": check_name(name_en) if name_en else name_en,
        "kind": kind,
        "province": check_name(province) if province else province,
        "quota_bytes": quota_bytes if quota_bytes is None else check_quota(quota_bytes),
    }
    given = {name: value for name, value in changes.items() if value is not None}
    async with platform.db.transaction() as connection:
        if parent is not None:
            await store.lock_tree(connection)
        institution = await _locked(connection, code)
        if parent is not None:
            given["parent_id"] = await _parent_of(connection, institution, parent) if parent else None
        changed = await store.update(connection, replace(institution, **given))
        await journal.record(connection, actor, "change", "institution", changed.id, fields=sorted(given))
    return changed


async def suspend(platform: Platform, actor: Actor, code: str) -> Institution:
    """Close it for a time: nobody of it signs in, nothing of it is lost. Already suspended is fine."""
    return await _set_state(platform, actor, code, State.SUSPENDED)


async def resume(platform: Platform, actor: Actor, code: str) -> Institution:
    """Open it again. Already active is fine."""
    return await _set_state(platform, actor, code, State.ACTIVE)


async def _set_state(platform: Platform, actor: Actor, code: str, state: State) -> Institution:
    must_administer_the_platform(actor)
    if state is State.SUSPENDED and code == actor.institution_code:
        raise Conflict(N_("You cannot suspend your own institution: nobody could open it again."))
    async with platform.db.transaction() as connection:
        institution = await _locked(connection, code)
        if institution.state is state:
            return institution
        changed = await store.update(connection, replace(institution, state=state))
        verb = "suspend" if state is State.SUSPENDED else "resume"
        await journal.record(connection, actor, verb, "institution", changed.id, code=code)
    return changed


async def get(platform: Platform, code: str) -> Institution:
    """The institution of that code; raises NotFound. Everyone signed in may know the tree."""
    async with platform.db.connection() as connection:
        return _found(await store.by_code(connection, code), code)


async def get_by_id(platform: Platform, institution_id: int) -> Institution:
    """The institution of that id; raises NotFound."""
    async with platform.db.connection() as connection:
        return _found(await store.by_id(connection, institution_id), str(institution_id))


async def of_domain(connection: Connection, domain: str) -> Institution:
    """The institution of that mail domain, within the caller's transaction; raises NotFound."""
    institution = await store.by_domain(connection, domain)
    if institution is None:
        raise _not_ours(domain)
    return institution


async def ids_of_domains(connection: Connection, domains: Collection[str]) -> dict[str, int]:
    """The institutions of those mail domains, within the caller's transaction; those that there are."""
    return await store.ids_of_domains(connection, domains)


def must_be_ours(ids: Mapping[str, int], domain: str) -> int:
    """The institution of a domain among those found; raises NotFound."""
    if domain not in ids:
        raise _not_ours(domain)
    return ids[domain]


def _not_ours(domain: str) -> NotFound:
    return NotFound(N_("No institution has the domain {domain}."), domain=domain[:100])


async def has_domain(platform: Platform, domain: str) -> bool:
    """Whether that mail domain is one of ours."""
    async with platform.db.connection() as connection:
        return await store.by_domain(connection, domain) is not None


async def everyone(platform: Platform) -> list[Branch]:
    """The whole tree, each institution after its parent."""
    async with platform.db.connection() as connection:
        return tree(await store.everyone(connection))


async def by_ids(platform: Platform, institution_ids: Collection[int]) -> dict[int, Institution]:
    """Those institutions, by id; what does not exist is missing."""
    async with platform.db.connection() as connection:
        return await store.by_ids(connection, institution_ids)


async def following(platform: Platform, institution_id: int, limit: int) -> list[Institution]:
    """Active institutions after that one in the order of their ids, round and round; at most so many."""
    async with platform.db.connection() as connection:
        return await store.following(connection, institution_id, limit)


async def _locked(connection: Connection, code: str) -> Institution:
    return _found(await store.by_code_locked(connection, code), code)


def _found(institution: Institution | None, code: str) -> Institution:
    if institution is None:
        raise NotFound(N_("There is no institution {code}."), code=code[:80])
    return institution


async def _parent_of(connection: Connection, institution: Institution | None, parent: str) -> int:
    """The parent's id, if the tree (locked) stays one and does not grow too deep. institution: None for a new one."""
    above = _found(await store.by_code(connection, parent), parent)
    line = await store.line(connection, above.id)
    if institution is not None and institution.id in line:
        raise Invalid(
            N_("{code} is under the institution that you move: an institution cannot be under itself."), code=parent
        )
    height = await store.height(connection, institution.id) if institution else 1
    if len(line) + height > DEEPEST:
        raise Invalid(N_("The tree has at most {deepest} levels."), deepest=DEEPEST)
    return above.id
