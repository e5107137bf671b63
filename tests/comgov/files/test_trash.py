"""Throwing away, taking back, deleting for good; and the sweep of bytes that nothing refers to."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from comgov.errors import Conflict, Forbidden, NotFound
from comgov.files import blobs, jobs
from comgov.files.actions.spaces import quota, recount
from comgov.files.actions.trash import empty, list_trash, purge, take_back, throw_away
from comgov.files.actions.tree import follow, list_folder, look, make_folder
from comgov.files.actions.versions import LAST, delete, history, open_file, show
from comgov.files.model import Listing

if TYPE_CHECKING:
    from comgov.actor import Actor
    from comgov.feature import Platform
    from comgov.files.model import Space

    from ...conftest import SetClock
    from .conftest import Put


async def test_what_was_thrown_away_comes_back_whole(platform: Platform, claire: Actor, own: Space, put: Put) -> None:
    folder = await make_folder(platform, claire, own.root_id, "Rapports")
    file = await put(claire, folder.id, "bilan.pdf")
    await throw_away(platform, claire, folder.id)
    for node_id in (folder.id, file.id):
        with pytest.raises(NotFound):
            await look(platform, claire, node_id)
    found = await list_trash(platform, claire, own.id)
    assert [(thing.node.name, thing.path, thing.trashed_by) for thing in found.things] == [
        ("Rapports", "", "Claire Niyonzima")
    ]
    assert (found.total, found.is_last) == (1, True)
    await take_back(platform, claire, folder.id)
    assert (await follow(platform, claire, own, "Rapports/bilan.pdf")).node.id == file.id
    assert (await list_trash(platform, claire, own.id)).total == 0


async def test_a_name_taken_meanwhile_is_numbered(platform: Platform, claire: Actor, own: Space, put: Put) -> None:
    first = await put(claire, own.root_id, "bilan.pdf", b"first")
    await throw_away(platform, claire, first.id)
    await put(claire, own.root_id, "Bilan.pdf", b"second")
    assert (await take_back(platform, claire, first.id)).name == "bilan (2).pdf"


async def test_without_its_folder_it_comes_back_at_the_top(
    platform: Platform, claire: Actor, own: Space, put: Put
) -> None:
    folder = await make_folder(platform, claire, own.root_id, "Rapports")
    file = await put(claire, folder.id, "bilan.pdf")
    await throw_away(platform, claire, file.id)
    await throw_away(platform, claire, folder.id)
    assert {thing.path for thing in (await list_trash(platform, claire, own.id)).things} == {"", "Rapports"}
    assert (await take_back(platform, claire, file.id)).parent_id == own.root_id


async def test_what_lies_in_a_folder_in_the_trash_is_taken_back_with_it_alone(
    platform: Platform, claire: Actor, own: Space, put: Put
) -> None:
    folder = await make_folder(platform, claire, own.root_id, "Rapports")
    file = await put(claire, folder.id, "bilan.pdf")
    await throw_away(platform, claire, folder.id)
    for act in (take_back, purge, throw_away):
        with pytest.raises(NotFound):
            await act(platform, claire, file.id)


async def test_deleted_for_good_the_quota_is_free(platform: Platform, claire: Actor, own: Space, put: Put) -> None:
    folder = await make_folder(platform, claire, own.root_id, "Rapports")
    await put(claire, folder.id, "bilan.pdf", b"one")
    await put(claire, folder.id, "bilan.pdf", b"three")
    inner = await put(claire, folder.id, "jeté.pdf", b"seven77")
    await put(claire, own.root_id, "reste.pdf", b"rest")
    await throw_away(platform, claire, inner.id)
    await throw_away(platform, claire, folder.id)
    assert (await quota(platform, claire, own.id)).space_used_bytes == 19
    await purge(platform, claire, folder.id)
    held = await quota(platform, claire, own.id)
    assert (held.space_used_bytes, held.institution_used_bytes) == (4, 4)
    assert (await list_trash(platform, claire, own.id)).total == 0
    assert await recount(platform) == 0


async def test_the_trash_is_emptied_of_everything(platform: Platform, claire: Actor, own: Space, put: Put) -> None:
    for number in range(450):
        node = await put(claire, own.root_id, f"{number}.txt", b"x")
        await throw_away(platform, claire, node.id)
    assert await empty(platform, claire, own.id) == 450
    assert (await quota(platform, claire, own.id)).space_used_bytes == 0


async def test_pages_of_the_trash_follow_each_other(
    platform: Platform, claire: Actor, own: Space, put: Put, clock: SetClock
) -> None:
    for number in range(5):
        await throw_away(platform, claire, (await put(claire, own.root_id, f"{number}.txt")).id)
        clock.advance(timedelta(seconds=number % 2))
    first = await list_trash(platform, claire, own.id, limit=3)
    last = first.things[-1].node
    assert last.trashed_at is not None
    rest = await list_trash(platform, claire, own.id, (last.trashed_at, last.id), limit=3)
    assert [thing.node.name[0] for thing in (*first.things, *rest.things)] == ["4", "3", "2", "1", "0"]
    assert (first.is_last, rest.is_last, first.total) == (False, True, 5)


async def test_the_trash_expires(platform: Platform, claire: Actor, own: Space, put: Put, clock: SetClock) -> None:
    old = await put(claire, own.root_id, "old.txt")
    await throw_away(platform, claire, old.id)
    clock.advance(timedelta(days=29))
    young = await put(claire, own.root_id, "young.txt")
    await throw_away(platform, claire, young.id)
    await jobs.expire(platform)
    assert (await list_trash(platform, claire, own.id)).total == 2
    clock.advance(timedelta(days=1))
    await jobs.expire(platform)
    assert [thing.node.id for thing in (await list_trash(platform, claire, own.id)).things] == [young.id]
    assert await recount(platform) == 0


async def test_contributors_throw_away_and_managers_delete(
    platform: Platform, claire: Actor, jean: Actor, shared: Space, put: Put
) -> None:
    file = await put(claire, shared.root_id, "bilan.pdf", b"one")
    await put(claire, shared.root_id, "bilan.pdf", b"two")
    for attempt in (empty(platform, claire, shared.id), delete(platform, claire, file.id, 1)):
        with pytest.raises(Forbidden):
            await attempt
    await delete(platform, jean, file.id, 1)
    await throw_away(platform, claire, file.id)
    with pytest.raises(Forbidden):
        await purge(platform, claire, file.id)
    await purge(platform, jean, file.id)


async def test_an_older_version_is_shown_again_at_no_cost(
    platform: Platform, claire: Actor, own: Space, put: Put
) -> None:
    file = await put(claire, own.root_id, "bilan.pdf", b"one")
    await put(claire, own.root_id, "bilan.pdf", b"three")
    shown = await show(platform, claire, file.id, 1)
    assert (shown.version, shown.size_bytes) == (1, 3)
    assert (await open_file(platform, claire, file.id)).size_bytes == 3
    assert (await open_file(platform, claire, file.id, 2)).size_bytes == 5
    assert (await quota(platform, claire, own.id)).space_used_bytes == 8
    assert (await put(claire, own.root_id, "bilan.pdf", b"four")).version == 3
    for act in (show, delete):
        with pytest.raises(NotFound):
            await act(platform, claire, file.id, 9)
    with pytest.raises(NotFound):
        await open_file(platform, claire, file.id, 9)


async def test_a_version_deleted_frees_its_room_and_the_shown_one_stays(
    platform: Platform, claire: Actor, own: Space, put: Put
) -> None:
    file = await put(claire, own.root_id, "bilan.pdf", b"one")
    await put(claire, own.root_id, "bilan.pdf", b"three")
    with pytest.raises(Conflict):
        await delete(platform, claire, file.id, 2)
    await delete(platform, claire, file.id, 1)
    assert (await quota(platform, claire, own.id)).space_used_bytes == 5
    assert [version.number for version in (await history(platform, claire, file.id, LAST)).versions] == [2]
    assert await recount(platform) == 0


async def test_bytes_that_nothing_refers_to_are_swept_after_a_day(
    platform: Platform, claire: Actor, own: Space, put: Put, clock: SetClock
) -> None:
    store = await blobs.drawer(platform)
    kept = await put(claire, own.root_id, "kept.txt", b"kept")
    await put(claire, own.root_id, "kept.txt", b"and its next version")
    await throw_away(platform, claire, (await put(claire, own.root_id, "trashed.txt", b"trashed")).id)
    twin = await put(claire, own.root_id, "twin.txt", b"kept")
    gone = await put(claire, own.root_id, "gone.txt", b"gone")
    for node in (twin, gone):
        await throw_away(platform, claire, node.id)
        await purge(platform, claire, node.id)
    assert await jobs.sweep(platform) == 0
    clock.advance(timedelta(hours=25))
    assert await jobs.sweep(platform) == 1
    left = {blob.sha256 async for blob in store.list()}
    assert len(left) == 3
    assert kept.sha256 in left
    assert gone.sha256 not in left


async def test_bytes_that_came_again_meanwhile_are_not_swept(
    platform: Platform, claire: Actor, own: Space, put: Put, clock: SetClock
) -> None:
    gone = await put(claire, own.root_id, "gone.txt", b"gone")
    await throw_away(platform, claire, gone.id)
    await purge(platform, claire, gone.id)
    clock.advance(timedelta(hours=25))
    again = await blobs.write(platform, _once(b"gone"), None)
    assert await jobs.sweep(platform) == 0
    assert (await put(claire, own.root_id, "again.txt", b"gone")).sha256 == again.sha256


async def test_what_other_rooms_keep_is_none_of_the_sweepers_business(platform: Platform, clock: SetClock) -> None:
    await platform.blobs.write(_once(b"a mail"))
    await (await platform.blobs.drawer("dossiers")).write(_once(b"a piece"))
    clock.advance(timedelta(days=365))
    assert await jobs.sweep(platform) == 0


async def _once(content: bytes):  # type: ignore[no-untyped-def]
    yield content


async def test_a_folder_of_the_trash_lists_nothing(platform: Platform, claire: Actor, own: Space) -> None:
    folder = await make_folder(platform, claire, own.root_id, "Rapports")
    await throw_away(platform, claire, folder.id)
    with pytest.raises(NotFound):
        await list_folder(platform, claire, folder.id, Listing())
