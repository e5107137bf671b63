"""Messages whose attachments lie apart, on each store that keeps them."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from mail.body.after_header import keep, read, read_part
from mail.message import scan
from storage import MemoryStore, Store, open_disk_store
from storage.s3 import open_s3_store
from tests.mail.parts import TEXT, data, leaf, lines, mixed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.storage.seaweedfs import SeaweedFS

MIB = 1 << 20
FILES = [data(3 * MIB + 1, 1), data(100_000, 2)]
OWN = leaf(data(200_000).hex().encode(), encoding=b"7bit", kind=b"text/plain")


@asynccontextmanager
async def opened(kind: str, request: pytest.FixtureRequest, folder: Path) -> AsyncIterator[Store]:
    if kind == "memory":
        yield MemoryStore()
    elif kind == "disk":
        async with open_disk_store(folder / "blobs") as store:
            yield store
    else:
        seaweedfs: SeaweedFS = request.getfixturevalue("seaweedfs")
        async with open_s3_store(seaweedfs.config("contract", prefix=f"{folder.name}/"), folder / "spool") as store:
            yield store


@pytest.fixture(params=["memory", "disk", pytest.param("s3", marks=pytest.mark.xdist_group("seaweedfs"))])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    async with opened(request.param, request, tmp_path) as found:
        yield found


async def whole(chunks: AsyncIterator[bytes]) -> bytes:
    return b"".join([chunk async for chunk in chunks])


async def test_a_message_comes_back_and_so_do_its_parts(store: Store) -> None:
    content = mixed(TEXT, leaf(lines(FILES[0])), OWN, leaf(lines(FILES[1], 60)))
    structure = scan(content)
    rest = await keep(content, structure, store)
    assert sorted([blob.size_bytes async for blob in store.list()]) == [
        len(FILES[1]),
        len(content) - structure.header_size - sum(one.stop - one.start for one in rest.layout),
        len(FILES[0]),
    ]

    expected = content[structure.header_size :]
    assert await whole(read(rest, store, 0, len(expected))) == expected
    for at in (one.start for one in rest.layout):
        for start, stop in ((at - 40, at + 130_000), (at + 77, at + 79), (at, at + 1)):
            assert await whole(read(rest, store, start, stop)) == expected[start:stop]
    for number, file in ((1, FILES[0]), (3, FILES[1])):
        assert await whole(read_part(rest, store, structure.parts[number], structure.header_size)) == file
