"""Links: who may follow them, until when, how often."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from comgov.errors import Forbidden, Invalid, NotFound, TooMany, Unauthenticated
from comgov.files import expire
from comgov.files.actions.links import LAST, create, fetch, mine, of_file, revoke, take_ticket, visit
from comgov.files.actions.trash import purge, take_back, throw_away
from comgov.files.actions.tree import make_folder
from comgov.files.model import LinkState

if TYPE_CHECKING:
    from comgov.actor import Actor
    from comgov.feature import Platform
    from comgov.files.model import Node, Space

    from ...conftest import SetClock
    from .conftest import Put


@pytest.fixture
async def file(claire: Actor, own: Space, put: Put) -> Node:
    """Claire's file."""
    return await put(claire, own.root_id, "bilan.pdf", b"one")


async def test_whoever_has_the_link_gets_the_file_as_it_is_now(
    platform: Platform, claire: Actor, own: Space, file: Node, put: Put
) -> None:
    link = await create(platform, claire, file.id)
    assert len(link.token) == 32
    assert (await fetch(platform, None, link.token)).size_bytes == 3
    await put(claire, own.root_id, "bilan.pdf", b"three")
    content = await fetch(platform, None, link.token)
    assert (content.name, content.size_bytes) == ("bilan.pdf", 5)
    assert (await visit(platform, None, link.token)).downloads == 2


async def test_a_resumed_download_is_not_counted_twice(platform: Platform, claire: Actor, file: Node) -> None:
    link = await create(platform, claire, file.id)
    await fetch(platform, None, link.token)
    await fetch(platform, None, link.token, is_start=False)
    assert (await visit(platform, None, link.token)).downloads == 1


@pytest.mark.parametrize("token", ["", "nothing", "a" * 10_000, "é", "\0", "%00"])
async def test_an_invented_link_leads_nowhere(platform: Platform, file: Node, token: str) -> None:
    for attempt in (visit(platform, None, token), fetch(platform, None, token), take_ticket(platform, None, token)):
        with pytest.raises(NotFound):
            await attempt


async def test_a_link_ends(platform: Platform, claire: Actor, file: Node, clock: SetClock) -> None:
    link = await create(platform, claire, file.id, lifetime=timedelta(hours=1))
    clock.advance(timedelta(minutes=59))
    await fetch(platform, None, link.token)
    clock.advance(timedelta(minutes=1))
    for attempt in (visit(platform, None, link.token), fetch(platform, None, link.token)):
        with pytest.raises(NotFound):
            await attempt
    (ended,) = (await mine(platform, claire)).links
    assert (ended.token, ended.state(clock())) == (link.token, LinkState.EXPIRED)


@pytest.mark.parametrize("lifetime", [timedelta(0), timedelta(days=-1), timedelta(days=367)])
async def test_a_link_cannot_last_for_ever(platform: Platform, claire: Actor, file: Node, lifetime: timedelta) -> None:
    with pytest.raises(Invalid):
        await create(platform, claire, file.id, lifetime=lifetime)


async def test_a_revoked_link_leads_nowhere_nor_do_its_tickets(platform: Platform, claire: Actor, file: Node) -> None:
    link = await create(platform, claire, file.id, downloads_max=3)
    ticket = await take_ticket(platform, None, link.token)
    await revoke(platform, claire, link.id)
    await revoke(platform, claire, link.id)
    for attempt in (
        visit(platform, None, link.token),
        take_ticket(platform, None, link.token),
        fetch(platform, None, link.token, ticket),
    ):
        with pytest.raises(NotFound):
            await attempt


async def test_downloads_are_counted_exactly_and_resumed_freely(
    platform: Platform, claire: Actor, file: Node, clock: SetClock
) -> None:
    link = await create(platform, claire, file.id, downloads_max=3)
    with pytest.raises(Forbidden):
        await fetch(platform, None, link.token)
    results = await asyncio.gather(*(take_ticket(platform, None, link.token) for _ in range(8)), return_exceptions=True)
    tickets = [result for result in results if isinstance(result, str)]
    assert len(tickets) == 3
    assert sum(isinstance(result, NotFound) for result in results) == 5
    for ticket in tickets * 2:
        assert (await fetch(platform, None, link.token, ticket)).size_bytes == 3
    with pytest.raises(NotFound):
        await visit(platform, None, link.token)
    clock.advance(timedelta(days=2))
    await expire(platform)
    with pytest.raises(Forbidden):
        await fetch(platform, None, link.token, tickets[0])


async def test_a_ticket_opens_its_own_link_alone(platform: Platform, claire: Actor, file: Node) -> None:
    one = await create(platform, claire, file.id, downloads_max=3)
    other = await create(platform, claire, file.id, downloads_max=3)
    ticket = await take_ticket(platform, None, one.token)
    for wrong in (ticket, "", "nothing", ticket * 100):
        with pytest.raises(Forbidden):
            await fetch(platform, None, other.token, wrong)


async def test_a_password_is_asked_for(platform: Platform, claire: Actor, file: Node, clock: SetClock) -> None:
    link = await create(platform, claire, file.id, password="soleil de mai")
    assert link.has_password
    with pytest.raises(Forbidden):
        await fetch(platform, None, link.token)
    for wrong in ("", "soleil", "x" * 100_000, "\ud800"):
        with pytest.raises(Forbidden):
            await take_ticket(platform, None, link.token, wrong)
    ticket = await take_ticket(platform, None, link.token, "soleil de mai")
    assert (await fetch(platform, None, link.token, ticket)).size_bytes == 3


async def test_passwords_are_not_guessed_one_after_the_other(
    platform: Platform, claire: Actor, file: Node, clock: SetClock
) -> None:
    link = await create(platform, claire, file.id, password="soleil de mai")
    for _ in range(10):
        with pytest.raises(Forbidden):
            await take_ticket(platform, None, link.token, "wrong")
    with pytest.raises(TooMany):
        await take_ticket(platform, None, link.token, "soleil de mai")
    clock.advance(timedelta(minutes=15))
    await take_ticket(platform, None, link.token, "soleil de mai")


async def test_a_link_for_the_institution_asks_who_comes(
    platform: Platform, claire: Actor, aline: Actor, eric: Actor, file: Node
) -> None:
    link = await create(platform, claire, file.id, institution_only=True)
    with pytest.raises(Unauthenticated):
        await visit(platform, None, link.token)
    with pytest.raises(Forbidden):
        await fetch(platform, eric, link.token)
    assert (await fetch(platform, aline, link.token)).size_bytes == 3


async def test_a_link_follows_its_file_into_the_trash_and_back(platform: Platform, claire: Actor, file: Node) -> None:
    link = await create(platform, claire, file.id)
    await throw_away(platform, claire, file.id)
    with pytest.raises(NotFound):
        await fetch(platform, None, link.token)
    await take_back(platform, claire, file.id)
    await fetch(platform, None, link.token)
    await throw_away(platform, claire, file.id)
    await purge(platform, claire, file.id)
    with pytest.raises(NotFound):
        await visit(platform, None, link.token)
    assert (await mine(platform, claire)).total == 0


async def test_a_link_leads_to_a_file_one_may_share(
    platform: Platform, claire: Actor, aline: Actor, own: Space, file: Node
) -> None:
    folder = await make_folder(platform, claire, own.root_id, "Rapports")
    with pytest.raises(Invalid):
        await create(platform, claire, folder.id)
    with pytest.raises(NotFound):
        await create(platform, aline, file.id)
    for number in (0, -1, 10**9):
        with pytest.raises(Invalid):
            await create(platform, claire, file.id, downloads_max=number)


async def test_managers_revoke_what_others_shared(
    platform: Platform, claire: Actor, aline: Actor, jean: Actor, eric: Actor, shared: Space, put: Put
) -> None:
    file = await put(claire, shared.root_id, "commun.pdf")
    link = await create(platform, claire, file.id)
    with pytest.raises(Forbidden):
        await revoke(platform, aline, link.id)
    with pytest.raises(NotFound):
        await revoke(platform, eric, link.id)
    assert await of_file(platform, aline, file.id) == []
    assert [seen.id for seen in await of_file(platform, jean, file.id)] == [link.id]
    await revoke(platform, jean, link.id)
    assert await of_file(platform, jean, file.id) == []


async def test_pages_of_links_follow_each_other(platform: Platform, claire: Actor, file: Node) -> None:
    made = [(await create(platform, claire, file.id)).id for _ in range(5)]
    first = await mine(platform, claire, LAST, limit=3)
    rest = await mine(platform, claire, first.links[-1].id, limit=3)
    assert [link.id for link in (*first.links, *rest.links)] == made[::-1]
    assert (first.total, first.is_last, rest.is_last) == (5, False, True)


async def test_closed_links_can_be_left_out(platform: Platform, claire: Actor, file: Node, clock: SetClock) -> None:
    still_open = await create(platform, claire, file.id)
    await revoke(platform, claire, (await create(platform, claire, file.id)).id)
    await create(platform, claire, file.id, lifetime=timedelta(hours=1))
    spent = await create(platform, claire, file.id, downloads_max=1)
    await take_ticket(platform, None, spent.token)
    clock.advance(timedelta(hours=1))
    found = await mine(platform, claire, open_only=True)
    assert ([link.id for link in found.links], found.total) == ([still_open.id], 1)
    assert (await mine(platform, claire)).total == 4


async def test_passwords_are_not_guessed_all_at_once(platform: Platform, claire: Actor, file: Node) -> None:
    link = await create(platform, claire, file.id, password="soleil de mai")

    answers = await asyncio.gather(
        *(take_ticket(platform, None, link.token, f"guess {number}") for number in range(40)), return_exceptions=True
    )

    tried = sum(isinstance(answer, Forbidden) for answer in answers)
    assert 10 <= tried < 15
    assert sum(isinstance(answer, TooMany) for answer in answers) == 40 - tried
