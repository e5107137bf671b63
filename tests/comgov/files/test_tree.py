"""Folders: looking around, renaming, moving, copying, also all at once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from comgov.errors import ComgovError, Conflict, Forbidden, Full, Invalid, NotFound, TooLarge
from comgov.files import Config
from comgov.files.actions.spaces import doors, quota, recount, set_default_role
from comgov.files.actions.trash import throw_away
from comgov.files.actions.tree import copy, folders, follow, list_folder, look, make_folder, move, rename
from comgov.files.actions.versions import history
from comgov.files.addresses import decode_key, encode_key
from comgov.files.model import Listing, Sort, SpaceRole

if TYPE_CHECKING:
    from comgov.actor import Actor
    from comgov.feature import Platform
    from comgov.files.model import Node, Space

    from .conftest import Put


async def names(platform: Platform, actor: Actor, folder_id: int, wish: Listing | None = None) -> list[str]:
    return [node.name for node in (await list_folder(platform, actor, folder_id, wish or Listing()))[1].nodes]


def configured(platform: Platform, **values: int) -> Platform:
    return replace(platform, configs={**platform.configs, Config: Config(**values)})  # type: ignore[arg-type]


async def chain(platform: Platform, actor: Actor, folder_id: int, *path: str) -> list[Node]:
    made = []
    for name in path:
        made.append(await make_folder(platform, actor, folder_id, name))
        folder_id = made[-1].id
    return made


async def test_a_folder_knows_the_way_from_the_top(platform: Platform, claire: Actor, own: Space) -> None:
    await chain(platform, claire, own.root_id, "Rapports", "2026", "Mai")
    place = await follow(platform, claire, own, "/rapports/2026/MAI/")
    assert [crumb.name for crumb in place.above] == ["", "Rapports", "2026"]
    assert (place.path, place.depth) == ("Rapports/2026/Mai", 3)
    assert (await follow(platform, claire, own, "")).node.id == own.root_id


@pytest.mark.parametrize("path", ["nothing", "Rapports/nothing", "Rapports/bilan.pdf/below"])
async def test_a_path_to_nothing_is_not_found(
    platform: Platform, claire: Actor, own: Space, put: Put, path: str
) -> None:
    (folder,) = await chain(platform, claire, own.root_id, "Rapports")
    await put(claire, folder.id, "bilan.pdf")
    with pytest.raises(NotFound):
        await follow(platform, claire, own, path)


async def test_a_name_is_taken_once_in_a_folder(platform: Platform, claire: Actor, own: Space, put: Put) -> None:
    await put(claire, own.root_id, "Bilan.pdf")
    (folder,) = await chain(platform, claire, own.root_id, "Rapports")
    for name in ("bilan.pdf", "RAPPORTS"):
        with pytest.raises(Conflict):
            await make_folder(platform, claire, own.root_id, name)
    with pytest.raises(Conflict):
        await rename(platform, claire, folder.id, "bilan.PDF")
    assert (await rename(platform, claire, folder.id, "RAPPORTS")).name == "RAPPORTS"
    await make_folder(platform, claire, folder.id, "Bilan.pdf")


async def test_folders_do_not_lie_too_deep(platform: Platform, claire: Actor, own: Space, put: Put) -> None:
    flat = configured(platform, depth_limit=3)
    one, two, three = await chain(flat, claire, own.root_id, "1", "2", "3")
    for attempt in (
        make_folder(flat, claire, three.id, "4"),
        put(claire, own.root_id, "other"),
    ):
        if attempt.__name__ == "put":
            await attempt
            continue
        with pytest.raises(Invalid):
            await attempt
    other = (await chain(flat, claire, own.root_id, "a", "b"))[0]
    with pytest.raises(Invalid):
        await move(flat, claire, other.id, two.id)
    with pytest.raises(Invalid):
        await copy(flat, claire, other.id, two.id)
    await move(flat, claire, other.id, one.id)
    assert (await follow(platform, claire, own, "1/a/b")).depth == 3


async def test_a_folder_is_moved_with_all_it_holds(platform: Platform, claire: Actor, own: Space, put: Put) -> None:
    source, inner = await chain(platform, claire, own.root_id, "Source", "Dedans")
    await put(claire, inner.id, "bilan.pdf")
    (target,) = await chain(platform, claire, own.root_id, "Cible")
    await move(platform, claire, source.id, target.id, "Renommé")
    assert (await follow(platform, claire, own, "Cible/Renommé/Dedans/bilan.pdf")).node.is_file
    with pytest.raises(NotFound):
        await follow(platform, claire, own, "Source")


async def test_a_folder_cannot_lie_in_itself(platform: Platform, claire: Actor, own: Space) -> None:
    one, two, three = await chain(platform, claire, own.root_id, "1", "2", "3")
    for target in (one, two, three):
        for act in (move, copy):
            with pytest.raises(Conflict):
                await act(platform, claire, one.id, target.id)


async def test_two_folders_moved_into_each_other_at_once_do_not_vanish(
    platform: Platform, claire: Actor, own: Space
) -> None:
    for round_number in range(10):
        (top,) = await chain(platform, claire, own.root_id, f"{round_number}")
        one = await make_folder(platform, claire, top.id, "one")
        two = await make_folder(platform, claire, top.id, "two")
        results = await asyncio.gather(
            move(platform, claire, one.id, two.id), move(platform, claire, two.id, one.id), return_exceptions=True
        )
        assert [isinstance(result, Conflict) for result in results].count(True) == 1
        assert {(await look(platform, claire, folder.id)).depth for folder in (one, two)} == {2, 3}


async def test_moving_between_spaces_both_ways_at_once_neither_blocks_nor_miscounts(
    platform: Platform, claire: Actor, own: Space, shared: Space, put: Put
) -> None:
    mine = [await put(claire, own.root_id, f"m{number}", b"123") for number in range(4)]
    ours = [await put(claire, shared.root_id, f"s{number}", b"12345") for number in range(4)]
    async with asyncio.timeout(20):
        await asyncio.gather(
            *(move(platform, claire, node.id, shared.root_id) for node in mine),
            *(move(platform, claire, node.id, own.root_id) for node in ours),
        )
    assert (await quota(platform, claire, own.id)).space_used_bytes == 20
    assert (await quota(platform, claire, shared.id)).space_used_bytes == 12
    assert await recount(platform) == 0


async def test_what_moves_to_another_space_counts_there_with_its_versions(
    platform: Platform, claire: Actor, own: Space, shared: Space, put: Put
) -> None:
    (folder,) = await chain(platform, claire, own.root_id, "Rapports")
    file = await put(claire, folder.id, "bilan.pdf", b"one")
    await put(claire, folder.id, "bilan.pdf", b"three")
    thrown = await put(claire, folder.id, "jeté.pdf", b"seven77")
    await throw_away(platform, claire, thrown.id)
    await move(platform, claire, folder.id, shared.root_id)
    assert (await quota(platform, claire, own.id)).space_used_bytes == 0
    assert (await quota(platform, claire, shared.id)).space_used_bytes == 15
    assert (await look(platform, claire, file.id)).space.id == shared.id
    assert await recount(platform) == 0


async def test_a_space_without_room_takes_nothing(
    platform: Platform, claire: Actor, own: Space, shared: Space, put: Put
) -> None:
    file = await put(claire, own.root_id, "bilan.pdf", b"12345")
    small = configured(platform, institution_space_quota_bytes=4)
    for act in (move, copy):
        with pytest.raises(Full):
            await act(small, claire, file.id, shared.root_id)
    assert (await look(platform, claire, file.id)).space.id == own.id
    assert await recount(platform) == 0


async def test_nothing_moves_to_or_from_where_one_may_only_read(
    platform: Platform, claire: Actor, jean: Actor, own: Space, shared: Space, put: Put
) -> None:
    ours = await put(claire, shared.root_id, "ours.pdf")
    mine = await put(claire, own.root_id, "mine.pdf")
    await set_default_role(platform, jean, shared.id, SpaceRole.READER)
    for attempt in (
        move(platform, claire, ours.id, own.root_id),
        move(platform, claire, mine.id, shared.root_id),
        copy(platform, claire, mine.id, shared.root_id),
        rename(platform, claire, ours.id, "renamed.pdf"),
        make_folder(platform, claire, shared.root_id, "new"),
    ):
        with pytest.raises(Forbidden):
            await attempt
    assert (await copy(platform, claire, ours.id, own.root_id)).name == "ours.pdf"


async def test_a_copy_holds_what_is_shown_and_nothing_thrown_away(
    platform: Platform, claire: Actor, own: Space, shared: Space, put: Put
) -> None:
    folder, inner = await chain(platform, claire, own.root_id, "Rapports", "2026")
    await put(claire, inner.id, "bilan.pdf", b"one")
    await put(claire, inner.id, "bilan.pdf", b"three")
    await throw_away(platform, claire, (await put(claire, inner.id, "jeté.pdf")).id)
    copied = await copy(platform, claire, folder.id, shared.root_id)
    assert await names(platform, claire, copied.id) == ["2026"]
    file = await follow(platform, claire, shared, "Rapports/2026/bilan.pdf")
    assert (file.node.size_bytes, file.node.version) == (5, 1)
    assert (await history(platform, claire, file.node.id)).total == 1
    assert (await quota(platform, claire, shared.id)).space_used_bytes == 5
    assert await recount(platform) == 0


async def test_a_copy_beside_the_original_gets_a_free_name(
    platform: Platform, claire: Actor, own: Space, put: Put
) -> None:
    file = await put(claire, own.root_id, "bilan.pdf")
    assert (await copy(platform, claire, file.id, own.root_id)).name == "bilan (2).pdf"
    assert (await copy(platform, claire, file.id, own.root_id)).name == "bilan (3).pdf"
    with pytest.raises(Conflict):
        await copy(platform, claire, file.id, own.root_id, "BILAN.pdf")


async def test_a_copy_has_a_largest_number_of_things(platform: Platform, claire: Actor, own: Space, put: Put) -> None:
    (folder,) = await chain(platform, claire, own.root_id, "Rapports")
    for number in range(3):
        await put(claire, folder.id, f"{number}.pdf")
    (target,) = await chain(platform, claire, own.root_id, "Cible")
    with pytest.raises(TooLarge):
        await copy(configured(platform, copy_limit=3), claire, folder.id, target.id)
    await copy(configured(platform, copy_limit=4), claire, folder.id, target.id)


async def test_the_top_of_a_space_stays_as_it_is(platform: Platform, claire: Actor, own: Space, shared: Space) -> None:
    (folder,) = await chain(platform, claire, shared.root_id, "Rapports")
    for attempt in (
        rename(platform, claire, own.root_id, "new"),
        move(platform, claire, own.root_id, folder.id),
        copy(platform, claire, own.root_id, folder.id),
        throw_away(platform, claire, own.root_id),
    ):
        with pytest.raises(Invalid):
            await attempt


@pytest.mark.parametrize("sort", Sort)
@pytest.mark.parametrize("descending", [False, True])
async def test_pages_follow_each_other_without_gap_or_repeat(
    platform: Platform, claire: Actor, own: Space, put: Put, sort: Sort, descending: bool
) -> None:
    for number in range(12):
        await put(claire, own.root_id, f"n{number}.txt", bytes(number % 5))
    await chain(platform, claire, own.root_id, "dossier")
    whole = await names(platform, claire, own.root_id, Listing(sort=sort, descending=descending))
    assert len(whole) == 13
    paged: list[str] = []
    wish = Listing(sort=sort, descending=descending, limit=5)
    while True:
        _, rows = await list_folder(platform, claire, own.root_id, wish)
        assert rows.total == 13
        paged += [node.name for node in rows.nodes]
        if rows.next is None:
            break
        wish = replace(wish, after=decode_key(sort, encode_key(rows.next)))
    assert paged == whole


async def test_by_name_folders_stand_first_and_numbers_by_value(
    platform: Platform, claire: Actor, own: Space, put: Put
) -> None:
    for name in ("rapport 10.pdf", "Rapport 9.pdf", "été.pdf", "Zone"):
        await put(claire, own.root_id, name)
    await chain(platform, claire, own.root_id, "Zèbre")
    assert await names(platform, claire, own.root_id) == [
        "Zèbre",
        "été.pdf",
        "Rapport 9.pdf",
        "rapport 10.pdf",
        "Zone",
    ]


async def test_a_filter_ignores_accents_and_counts_exactly(
    platform: Platform, claire: Actor, own: Space, put: Put
) -> None:
    for name in ("Été 2026.pdf", "ete.pdf", "100%_sûr.pdf", "autre.pdf"):
        await put(claire, own.root_id, name)
    _, rows = await list_folder(platform, claire, own.root_id, Listing(matching="ÉTÉ", limit=1))
    assert (len(rows.nodes), rows.total) == (1, 2)
    assert await names(platform, claire, own.root_id, Listing(matching="%_s")) == ["100%_sûr.pdf"]
    assert await names(platform, claire, own.root_id, Listing(matching="\0")) == []


async def test_a_choice_of_folders_shows_folders_alone(platform: Platform, claire: Actor, own: Space, put: Put) -> None:
    await put(claire, own.root_id, "bilan.pdf")
    await chain(platform, claire, own.root_id, "Rapports")
    _, found = await folders(platform, claire, own.root_id)
    assert [node.name for node in found] == ["Rapports"]


async def test_what_others_own_is_not_found(
    platform: Platform, claire: Actor, aline: Actor, eric: Actor, own: Space, shared: Space, put: Put
) -> None:
    mine = await put(claire, own.root_id, "mine.pdf")
    ours = await put(claire, shared.root_id, "ours.pdf")
    (theirs, *_) = await doors(platform, aline)
    for actor, node in ((aline, mine), (eric, mine), (eric, ours)):
        for attempt in (
            look(platform, actor, node.id),
            rename(platform, actor, node.id, "taken.pdf"),
            copy(platform, actor, node.id, theirs.space.root_id),
            move(platform, actor, node.id, theirs.space.root_id),
            throw_away(platform, actor, node.id),
            history(platform, actor, node.id),
        ):
            with pytest.raises(NotFound):
                await attempt
    with pytest.raises(ComgovError):
        await look(platform, aline, 10**15)
