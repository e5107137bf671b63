"""Fills a new platform with the sample government; does nothing to one that has it."""

from __future__ import annotations

from comgov.actor import console
from comgov.authority import actions as authority
from comgov.demo.government import INSTITUTIONS, LISTS, PASSWORD, PEOPLE, POSTS, full
from comgov.errors import NotFound
from comgov.feature import Platform
from comgov.institutions import actions as institutions
from comgov.people import actions as people
from comgov.people.model import Posting

_SEEDER = console("demo")


async def seed(platform: Platform) -> None:
    """Add what is missing. Each addition stands for itself, so a start that was cut goes on where it was."""
    for institution in INSTITUTIONS:
        if not await institutions.has_domain(platform, full(institution.code)):
            await institutions.add(
                platform,
                _SEEDER,
                code=institution.code,
                name_fr=institution.name_fr,
                name_en=institution.name_en,
                kind=institution.kind,
                province=institution.province,
            )
    branches = await institutions.everyone(platform)
    for newcomer in await authority.not_enrolled(platform, [branch.institution for branch in branches]):
        await authority.enrol_institution(platform, _SEEDER, newcomer)
    await _add_people(platform)
    await _add_posts(platform)
    await _add_lists(platform)


async def _add_people(platform: Platform) -> None:
    for person in PEOPLE:
        try:
            await people.get_person(platform, full(person.address))
        except NotFound:
            await people.add_person(
                platform, _SEEDER, full(person.address), person.name, password=PASSWORD, roles=person.roles
            )


async def _add_posts(platform: Platform) -> None:
    for post in POSTS:
        try:
            found = await people.get_post(platform, full(post.address))
        except NotFound:
            found = await people.add_post(platform, _SEEDER, full(post.address), post.title)
        holders = {holding.person_address for holding in found.holdings}
        for holder in post.held_by:
            if full(holder) not in holders:
                await people.hold_post(platform, _SEEDER, full(post.address), full(holder))


async def _add_lists(platform: Platform) -> None:
    for one in LISTS:
        try:
            await people.get_list(platform, full(one.address))
        except NotFound:
            await people.add_list(
                platform,
                _SEEDER,
                full(one.address),
                one.name,
                owner=full(one.owner),
                posting=Posting.MEMBERS,
                members=[full(member) for member in one.members],
            )
