"""Every way a file comes in, and what a broken upload leaves."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from comgov.errors import Conflict, Forbidden, Full, Invalid, NotFound, PreconditionFailed, TooLarge
from comgov.files import Config, blobs
from comgov.files.actions.spaces import doors, grant, quota, recount, set_quota, usage
from comgov.files.actions.trash import throw_away
from comgov.files.actions.tree import follow, list_folder, make_folder
from comgov.files.actions.upload import Expected, upload
from comgov.files.actions.versions import history
from comgov.files.model import Listing, SpaceRole
from storage import StoreFullError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from comgov.actor import Actor
    from comgov.feature import Platform
    from comgov.files.model import Space
    from storage import Blob


async def chunks(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def kept(platform: Platform) -> list[Blob]:
    return [blob async for blob in (await blobs.drawer(platform)).list()]


async def names(platform: Platform, actor: Actor, folder_id: int) -> list[str]:
    return [node.name for node in (await list_folder(platform, actor, folder_id, Listing()))[1].nodes]


def configured(platform: Platform, **values: int) -> Platform:
    config = Config(**values)  # type: ignore[arg-type]
    return replace(platform, configs={**platform.configs, Config: config})


async def test_a_file_lies_where_it_was_put(platform: Platform, claire: Actor, own: Space) -> None:
    done = await upload(platform, claire, own.root_id, " Bilan.pdf", chunks(b"one", b"two"), declared_bytes=6)
    assert (done.is_new, done.is_changed) == (True, True)
    found = await follow(platform, claire, own, "bilan.PDF")
    assert found.node == done.node
    assert (found.node.name, found.node.size_bytes, found.node.version) == ("Bilan.pdf", 6, 1)
    assert found.node.sha256 == hashlib.sha256(b"onetwo").digest()
    assert found.node.changed_by == "Claire Niyonzima"
    assert found.path == "Bilan.pdf"


async def test_an_empty_file_is_a_file(platform: Platform, claire: Actor, own: Space) -> None:
    done = await upload(platform, claire, own.root_id, "vide", chunks(), declared_bytes=0)
    assert (done.node.size_bytes, done.node.sha256) == (0, hashlib.sha256().digest())


async def test_the_same_name_again_is_the_next_version(platform: Platform, claire: Actor, own: Space) -> None:
    first = await upload(platform, claire, own.root_id, "bilan.pdf", chunks(b"one"))
    second = await upload(platform, claire, own.root_id, "BILAN.pdf", chunks(b"two!"))
    assert (second.is_new, second.is_changed, second.node.id, second.node.version) == (False, True, first.node.id, 2)
    assert second.node.name == "bilan.pdf"
    found = await history(platform, claire, first.node.id)
    assert [(version.number, version.size_bytes, version.is_shown) for version in found.versions] == [
        (2, 4, True),
        (1, 3, False),
    ]
    held = await quota(platform, claire, own.id)
    assert held.space_used_bytes == held.institution_used_bytes == 7


async def test_the_same_bytes_again_change_nothing(platform: Platform, claire: Actor, own: Space) -> None:
    await upload(platform, claire, own.root_id, "bilan.pdf", chunks(b"one"))
    again = await upload(platform, claire, own.root_id, "bilan.pdf", chunks(b"one"))
    assert (again.is_new, again.is_changed, again.node.version) == (False, False, 1)


async def test_beyond_the_versions_kept_the_oldest_goes(platform: Platform, claire: Actor, own: Space) -> None:
    few = configured(platform, versions_kept=2)
    for content in (b"1", b"22", b"333"):
        done = await upload(few, claire, own.root_id, "bilan.pdf", chunks(content))
    assert [version.number for version in (await history(platform, claire, done.node.id)).versions] == [3, 2]
    assert (await quota(platform, claire, own.id)).space_used_bytes == 5
    assert await recount(platform) == 0


async def test_a_folder_of_that_name_stands_in_the_way(platform: Platform, claire: Actor, own: Space) -> None:
    await make_folder(platform, claire, own.root_id, "Rapports")
    with pytest.raises(Conflict):
        await upload(platform, claire, own.root_id, "rapports", chunks(b"one"))


async def test_a_file_is_no_folder(platform: Platform, claire: Actor, own: Space) -> None:
    done = await upload(platform, claire, own.root_id, "bilan.pdf", chunks(b"one"))
    with pytest.raises(Invalid):
        await upload(platform, claire, done.node.id, "autre.pdf", chunks(b"one"))


@pytest.mark.parametrize("declared", [2, 4, 10**9])
async def test_a_lying_length_leaves_nothing(platform: Platform, claire: Actor, own: Space, declared: int) -> None:
    with pytest.raises(Invalid, match="whole"):
        await upload(platform, claire, own.root_id, "bilan.pdf", chunks(b"one"), declared_bytes=declared)
    assert await names(platform, claire, own.root_id) == []
    assert await kept(platform) == []


async def test_a_cut_connection_leaves_nothing(platform: Platform, claire: Actor, own: Space) -> None:
    async def cut() -> AsyncIterator[bytes]:
        yield b"half of"
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await upload(platform, claire, own.root_id, "bilan.pdf", cut())
    assert await names(platform, claire, own.root_id) == []
    assert await kept(platform) == []


async def test_other_bytes_than_announced_are_refused(platform: Platform, claire: Actor, own: Space) -> None:
    expected = Expected(sha256=hashlib.sha256(b"two").digest())
    with pytest.raises(Invalid, match="announced"):
        await upload(platform, claire, own.root_id, "bilan.pdf", chunks(b"one"), expected=expected)
    assert await names(platform, claire, own.root_id) == []
    done = await upload(platform, claire, own.root_id, "bilan.pdf", chunks(b"two"), expected=expected)
    assert done.node.sha256 == expected.sha256


async def test_what_must_be_absent_or_unchanged_is_left_alone(platform: Platform, claire: Actor, own: Space) -> None:
    first = await upload(platform, claire, own.root_id, "bilan.pdf", chunks(b"one"), expected=Expected(absent=True))
    assert first.node.sha256 is not None
    other, same = (Expected(current=frozenset({digest})) for digest in (bytes(32), first.node.sha256))
    for expected in (Expected(absent=True), other):
        with pytest.raises(PreconditionFailed):
            await upload(platform, claire, own.root_id, "bilan.pdf", chunks(b"two"), expected=expected)
    with pytest.raises(PreconditionFailed):
        await upload(platform, claire, own.root_id, "nouveau.pdf", chunks(b"two"), expected=same)
    assert (await upload(platform, claire, own.root_id, "bilan.pdf", chunks(b"two"), expected=same)).node.version == 2


async def test_declared_beyond_the_quota_not_a_byte_is_read(platform: Platform, claire: Actor, own: Space) -> None:
    read = []

    async def watched() -> AsyncIterator[bytes]:
        read.append(1)
        yield b""

    small = configured(platform, personal_quota_bytes=10)
    with pytest.raises(Full, match="not enough room"):
        await upload(small, claire, own.root_id, "gros.bin", watched(), declared_bytes=11)
    assert read == []


async def test_undeclared_beyond_the_quota_it_stops_there(platform: Platform, claire: Actor, own: Space) -> None:
    small = configured(platform, personal_quota_bytes=10)
    with pytest.raises(Full):
        await upload(small, claire, own.root_id, "gros.bin", chunks(*[b"12345"] * 1000))
    assert await kept(platform) == []
    exactly = await upload(small, claire, own.root_id, "juste.bin", chunks(b"1234567890"))
    assert exactly.node.size_bytes == 10


async def test_two_uploads_together_do_not_exceed_a_quota(platform: Platform, claire: Actor, own: Space) -> None:
    small = configured(platform, personal_quota_bytes=10)
    results = await asyncio.gather(
        *(upload(small, claire, own.root_id, f"{n}.bin", chunks(bytes([n]) * 4)) for n in range(6)),
        return_exceptions=True,
    )
    assert [isinstance(result, Full) for result in results].count(True) == 4
    assert (await quota(platform, claire, own.id)).space_used_bytes == 8
    assert await recount(platform) == 0


async def test_old_versions_and_the_trash_count(platform: Platform, claire: Actor, own: Space) -> None:
    small = configured(platform, personal_quota_bytes=10)
    done = await upload(small, claire, own.root_id, "a.bin", chunks(b"1234"))
    await upload(small, claire, own.root_id, "a.bin", chunks(b"5678"))
    await throw_away(small, claire, done.node.id)
    with pytest.raises(Full):
        await upload(small, claire, own.root_id, "b.bin", chunks(b"123"))


async def test_the_quota_of_the_institution_holds_all_its_spaces(
    platform: Platform, claire: Actor, jean: Actor, shared: Space, own: Space
) -> None:
    async with platform.db.connection() as connection:
        await connection.execute("UPDATE comgov.institution SET quota_bytes = 10 WHERE id = $1", claire.institution_id)
    await upload(platform, claire, own.root_id, "a.bin", chunks(b"123456"))
    with pytest.raises(Full):
        await upload(platform, claire, shared.root_id, "b.bin", chunks(b"12345"))
    await upload(platform, claire, shared.root_id, "b.bin", chunks(b"1234"))
    (held,) = await usage(platform, claire.institution_id)
    assert (held.size_bytes, held.files, held.quota_bytes) == (10, 2, 10)


async def test_a_space_can_have_a_quota_of_its_own(platform: Platform, claire: Actor, jean: Actor, own: Space) -> None:
    await set_quota(platform, jean, own.id, 3)
    with pytest.raises(Full):
        await upload(platform, claire, own.root_id, "a.bin", chunks(b"1234"))
    await set_quota(platform, jean, own.id, None)
    await upload(platform, claire, own.root_id, "a.bin", chunks(b"1234"))
    with pytest.raises(Forbidden):
        await set_quota(platform, claire, own.id, 10**12)


async def test_a_file_has_a_largest_size(platform: Platform, claire: Actor, own: Space) -> None:
    small = configured(platform, file_limit_bytes=10)
    for declared in (11, None):
        with pytest.raises(TooLarge):
            await upload(small, claire, own.root_id, "a.bin", chunks(b"12345678901"), declared_bytes=declared)


async def test_a_full_disk_is_said_and_nothing_stays(
    platform: Platform, claire: Actor, own: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await blobs.drawer(platform)

    async def full(_chunks: object, *, size_bytes: int | None = None) -> Blob:
        raise StoreFullError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(store, "write", full)
        with pytest.raises(Full):
            await upload(platform, claire, own.root_id, "a.bin", chunks(b"1234"))
    assert await names(platform, claire, own.root_id) == []
    assert (await upload(platform, claire, own.root_id, "a.bin", chunks(b"1234"))).is_new


async def test_a_folder_thrown_away_during_an_upload_takes_nothing(
    platform: Platform, claire: Actor, own: Space
) -> None:
    folder = await make_folder(platform, claire, own.root_id, "Rapports")

    async def slow() -> AsyncIterator[bytes]:
        yield b"half"
        await throw_away(platform, claire, folder.id)
        yield b"half"

    with pytest.raises(NotFound):
        await upload(platform, claire, folder.id, "a.bin", slow())
    assert (await quota(platform, claire, own.id)).space_used_bytes == 0


async def test_the_same_name_sent_twice_at_once_is_two_versions(
    platform: Platform, claire: Actor, aline: Actor, shared: Space
) -> None:
    done = await asyncio.gather(
        *(
            upload(platform, actor, shared.root_id, "bilan.pdf", chunks(actor.name.encode()))
            for actor in (claire, aline)
        )
    )
    assert {one.node.id for one in done} == {done[0].node.id}
    assert [one.is_new for one in done].count(True) == 1
    assert (await history(platform, claire, done[0].node.id)).total == 2


async def test_a_space_of_others_does_not_exist(platform: Platform, aline: Actor, eric: Actor, own: Space) -> None:
    for other in (aline, eric):
        with pytest.raises(NotFound):
            await upload(platform, other, own.root_id, "a.bin", chunks(b"1234"))


async def test_a_reader_may_not_upload(
    platform: Platform, claire: Actor, aline: Actor, jean: Actor, shared: Space
) -> None:
    await grant(platform, jean, shared.id, aline.person_id, SpaceRole.READER)
    with pytest.raises(Forbidden):
        await upload(platform, aline, shared.root_id, "a.bin", chunks(b"1234"))
    await upload(platform, claire, shared.root_id, "a.bin", chunks(b"1234"))
    with pytest.raises(Forbidden):
        await grant(platform, claire, shared.id, aline.person_id, None)
    await grant(platform, jean, shared.id, aline.person_id, SpaceRole.NONE)
    assert [door.space.owner_id for door in await doors(platform, aline)] == [aline.person_id]


async def test_nobody_else_is_given_a_role_in_a_space(
    platform: Platform, jean: Actor, claire: Actor, eric: Actor, shared: Space, own: Space
) -> None:
    with pytest.raises(Invalid):
        await grant(platform, jean, shared.id, eric.person_id, SpaceRole.READER)
    with pytest.raises(Invalid):
        await grant(platform, claire, own.id, eric.person_id, SpaceRole.READER)


async def test_spaces_asked_for_at_once_are_made_once(platform: Platform, claire: Actor, aline: Actor) -> None:
    found = await asyncio.gather(*(doors(platform, actor) for actor in (claire, aline, claire, aline)))
    assert len({door.space.id for one in found for door in one}) == 3
