"""What every store promises, on each of them."""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import TYPE_CHECKING, Protocol

import pytest

from storage import (
    Blob,
    CorruptError,
    IncompleteError,
    MemoryStore,
    MissingError,
    Store,
    open_disk_store,
    verify,
)
from storage.s3 import open_s3_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.storage.seaweedfs import SeaweedFS

MIB = 1 << 20
LARGE = b"".join(hashlib.sha256(number.to_bytes(4, "big")).digest() for number in range(7 * MIB // 32)) + b"end"
"""7 MiB and 3 bytes that no two places share: several chunks, several parts, the last one short."""


class Damaged(Protocol):
    """Puts other bytes under a digest, as a failing disk would."""

    async def __call__(self, sha256: bytes, content: bytes) -> None: ...


@dataclass
class Subject:
    """A store to test, and how to damage what it keeps."""

    store: Store
    damage: Damaged


@pytest.fixture
async def memory() -> Subject:
    store = MemoryStore()

    async def damage(sha256: bytes, content: bytes) -> None:
        store.damage(sha256, content)

    return Subject(store, damage)


@pytest.fixture
async def disk(tmp_path: Path) -> AsyncIterator[Subject]:
    async with open_disk_store(tmp_path / "blobs") as store:

        async def damage(sha256: bytes, content: bytes) -> None:
            store.path(sha256).write_bytes(content)

        yield Subject(store, damage)


@pytest.fixture
async def s3(seaweedfs: SeaweedFS, tmp_path: Path) -> AsyncIterator[Subject]:
    """A prefix of its own in one bucket, and parts small enough that 7 MiB are two."""
    config = seaweedfs.config("contract", prefix=f"{tmp_path.name}/", part_size_bytes=5 * MIB)
    client = seaweedfs.client()

    async def damage(sha256: bytes, content: bytes) -> None:
        key = f"{config.prefix}{sha256.hex()}"
        await asyncio.to_thread(client.put_object, config.bucket, key, BytesIO(content), len(content))

    async with open_s3_store(config, tmp_path / "spool") as store:
        yield Subject(store, damage)


@pytest.fixture(params=["memory", "disk", pytest.param("s3", marks=pytest.mark.xdist_group("seaweedfs"))])
def subject(request: pytest.FixtureRequest) -> Subject:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Subject)
    return found


@pytest.fixture
def store(subject: Subject) -> Store:
    return subject.store


async def chunked(content: bytes, size: int = 64 * 1024) -> AsyncIterator[bytes]:
    """A client that sends in pieces."""
    for position in range(0, len(content), size):
        yield content[position : position + size]


async def chunks_of(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def whole(chunks: AsyncIterator[bytes]) -> bytes:
    return b"".join([chunk async for chunk in chunks])


async def kept(store: Store) -> set[Blob]:
    return {blob async for blob in store.list()}


def blob_of(content: bytes) -> Blob:
    return Blob(hashlib.sha256(content).digest(), len(content))


@pytest.mark.parametrize("content", [b"", b"x", b"y" * MIB, LARGE], ids=["0 bytes", "1 byte", "1 MiB", "7 MiB"])
async def test_what_is_written_is_read_back(store: Store, content: bytes) -> None:
    blob = await store.write(chunked(content))
    assert blob == blob_of(content)
    assert await whole(store.read(blob.sha256)) == content
    assert await store.stat(blob.sha256) == blob
    assert await kept(store) == {blob}


async def test_pieces_may_be_of_any_size(store: Store) -> None:
    pieces = [b"", b"a", LARGE[: 3 * MIB], *[b"b"] * 3000, b"", bytes(70_000)]
    blob = await store.write(chunks_of(*pieces))
    assert await whole(store.read(blob.sha256)) == b"".join(pieces)


async def test_a_declared_size_that_holds_is_kept(store: Store) -> None:
    assert await store.write(chunked(LARGE), size_bytes=len(LARGE)) == blob_of(LARGE)


@pytest.mark.parametrize("declared", [5 << 30, len(LARGE) + 1], ids=["5 GiB", "one more"])
async def test_fewer_bytes_than_declared_keep_nothing(store: Store, declared: int) -> None:
    with pytest.raises(IncompleteError) as raised:
        await store.write(chunked(LARGE), size_bytes=declared)
    assert (raised.value.declared_bytes, raised.value.received_bytes) == (declared, len(LARGE))
    assert await kept(store) == set()


@pytest.mark.parametrize("declared", [0, 1, len(LARGE) - 1])
async def test_more_bytes_than_declared_keep_nothing(store: Store, declared: int) -> None:
    with pytest.raises(IncompleteError):
        await store.write(chunked(LARGE), size_bytes=declared)
    assert await kept(store) == set()


async def test_more_bytes_than_declared_are_not_waited_for(store: Store) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(MIB)

    with pytest.raises(IncompleteError):
        await store.write(endless(), size_bytes=10)


async def test_a_client_that_breaks_off_is_told_as_it_was_and_keeps_nothing(store: Store) -> None:
    async def cut() -> AsyncIterator[bytes]:
        yield LARGE[: 2 * MIB]
        raise ConnectionResetError("gone")

    with pytest.raises(ConnectionResetError, match="gone"):
        await store.write(cut())
    assert await kept(store) == set()


async def test_a_cancelled_write_keeps_nothing(store: Store) -> None:
    is_waiting = asyncio.Event()

    async def stalled() -> AsyncIterator[bytes]:
        yield LARGE
        is_waiting.set()
        await asyncio.Event().wait()

    writing = asyncio.create_task(store.write(stalled()))
    await is_waiting.wait()
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert await kept(store) == set()


async def test_the_same_bytes_written_at_once_are_kept_once(store: Store) -> None:
    blobs = await asyncio.gather(*(store.write(chunked(LARGE, size)) for size in (1000, 64 * 1024, MIB, len(LARGE))))
    assert set(blobs) == {blob_of(LARGE)}
    assert [blob async for blob in store.list()] == [blob_of(LARGE)]
    assert await whole(store.read(blobs[0].sha256)) == LARGE


async def test_different_bytes_written_at_once_are_all_kept(store: Store) -> None:
    contents = [bytes([number]) * 100_000 for number in range(20)]
    blobs = await asyncio.gather(*(store.write(chunked(content)) for content in contents))
    assert await kept(store) == set(blobs) == set(map(blob_of, contents))


RANGES = [
    (0, 0),
    (0, 1),
    (0, 100),
    (1, None),
    (MIB - 1, MIB + 1),
    (123_456, 5_000_000),
    (len(LARGE) - 1, len(LARGE)),
    (len(LARGE) - 1, None),
    (5, len(LARGE) + 100),
    (len(LARGE), None),
    (len(LARGE) + 1, None),
    (len(LARGE) + 1, len(LARGE) + 10),
    (10, 5),
]


async def test_a_range_is_what_a_slice_would_give(store: Store) -> None:
    blob = await store.write(chunked(LARGE))
    for start, stop in RANGES:
        assert await whole(store.read(blob.sha256, start, stop)) == LARGE[start:stop], (start, stop)


async def test_a_range_of_nothing_is_nothing(store: Store) -> None:
    blob = await store.write(chunked(b""))
    assert await whole(store.read(blob.sha256, 0, 10)) == b""
    assert await whole(store.read(blob.sha256, 3)) == b""


@pytest.mark.parametrize(("start", "stop"), [(-1, None), (0, -1), (-5, -1)])
async def test_a_negative_bound_is_refused(store: Store, start: int, stop: int | None) -> None:
    blob = await store.write(chunked(b"abc"))
    with pytest.raises(ValueError, match="bounds"):
        await whole(store.read(blob.sha256, start, stop))


async def test_reading_may_stop_early(store: Store) -> None:
    blob = await store.write(chunked(LARGE))
    for _ in range(40):
        async with aclosing(store.read(blob.sha256)) as chunks:
            async for chunk in chunks:
                assert LARGE.startswith(chunk)
                break
    assert await whole(store.read(blob.sha256)) == LARGE


async def test_many_readers_at_once_each_get_it_all(store: Store) -> None:
    blob = await store.write(chunked(LARGE))
    contents = await asyncio.gather(*(whole(store.read(blob.sha256)) for _ in range(8)))
    assert all(content == LARGE for content in contents)


async def test_what_was_never_written_is_missing(store: Store) -> None:
    missing = hashlib.sha256(b"never").digest()
    with pytest.raises(MissingError):
        await store.stat(missing)
    with pytest.raises(MissingError):
        await whole(store.read(missing))
    with pytest.raises(MissingError):
        await whole(store.read(missing, 5, 10))
    with pytest.raises(MissingError):
        await verify(store, missing)


async def test_deleting_twice_is_as_good_as_once(store: Store) -> None:
    blob = await store.write(chunked(b"brief"))
    other = await store.write(chunked(b"stays"))
    await store.delete(blob.sha256)
    await store.delete(blob.sha256)
    with pytest.raises(MissingError):
        await store.stat(blob.sha256)
    assert await kept(store) == {other}


async def test_what_was_deleted_can_be_written_again(store: Store) -> None:
    blob = await store.write(chunked(LARGE))
    await store.delete(blob.sha256)
    assert await store.write(chunked(LARGE)) == blob
    assert await whole(store.read(blob.sha256)) == LARGE


async def test_a_sweep_leaves_what_was_written_since(store: Store) -> None:
    blob = await store.write(chunked(b"recent"))
    long_ago, later = datetime.now(UTC) - timedelta(hours=1), datetime.now(UTC) + timedelta(hours=1)
    assert [found async for found in store.list(written_before=long_ago)] == []
    await store.delete(blob.sha256, written_before=long_ago)
    assert [found async for found in store.list(written_before=later)] == [blob]
    await store.delete(blob.sha256, written_before=later)
    assert await kept(store) == set()


async def test_an_empty_store_lists_nothing(store: Store) -> None:
    assert await kept(store) == set()


def _flipped(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


@pytest.mark.parametrize("damaged", [_flipped(LARGE), LARGE[:-1], LARGE + b"x", b""], ids=["bit", "cut", "more", "0"])
async def test_a_damaged_blob_is_never_given_whole(subject: Subject, damaged: bytes) -> None:
    blob = await subject.store.write(chunked(LARGE))
    await subject.damage(blob.sha256, damaged)
    given = bytearray()
    with pytest.raises(CorruptError):  # noqa: PT012  # what came before it matters too
        async for chunk in subject.store.read(blob.sha256):
            given += chunk
    assert not damaged or len(given) < len(damaged)
    with pytest.raises(CorruptError):
        await verify(subject.store, blob.sha256)


async def test_a_small_damaged_blob_gives_not_one_byte(subject: Subject) -> None:
    blob = await subject.store.write(chunked(b"a receipt"))
    await subject.damage(blob.sha256, b"A receipt")
    with pytest.raises(CorruptError):
        await anext(subject.store.read(blob.sha256))


async def test_a_damaged_blob_once_deleted_can_be_written_again(subject: Subject) -> None:
    blob = await subject.store.write(chunked(b"a receipt"))
    await subject.damage(blob.sha256, b"A receipt")
    await subject.store.delete(blob.sha256)
    await subject.store.write(chunked(b"a receipt"))
    assert await verify(subject.store, blob.sha256) == blob


async def test_a_sound_blob_verifies(store: Store) -> None:
    blob = await store.write(chunked(LARGE))
    assert await verify(store, blob.sha256) == blob


async def test_a_drawer_shares_nothing_with_its_store(store: Store) -> None:
    drawer, other = await store.drawer("files"), await store.drawer("dossiers")
    blob = await drawer.write(chunked(b"a receipt"))
    await store.write(chunked(b"a receipt"))
    await store.delete(blob.sha256)
    assert [found async for found in drawer.list()] == [blob]
    assert [found async for found in store.list()] == []
    assert [found async for found in other.list()] == []


async def test_a_drawer_opened_again_holds_what_was_put_in(store: Store) -> None:
    blob = await (await store.drawer("files")).write(chunked(b"a receipt"))
    assert await (await store.drawer("files")).stat(blob.sha256) == blob


@pytest.mark.parametrize("name", ["", "ab", "../files", "Files", "incoming", "a" * 21])
async def test_a_drawer_cannot_have_a_name_that_leads_elsewhere(store: Store, name: str) -> None:
    with pytest.raises(ValueError, match="lower-case"):
        await store.drawer(name)
