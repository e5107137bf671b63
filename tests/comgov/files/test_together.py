"""Everybody does everything at once; the trees, names and counters come out sound."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from comgov.errors import Conflict, Forbidden, Invalid, NotFound
from comgov.files.actions.spaces import recount
from comgov.files.actions.trash import list_trash, purge, take_back, throw_away
from comgov.files.actions.tree import copy, make_folder, move, rename
from comgov.files.actions.upload import upload
from comgov.files.actions.versions import delete, show

from .conftest import chunks

if TYPE_CHECKING:
    from comgov.actor import Actor
    from comgov.feature import Platform
    from comgov.files.model import Space

NAMES = ("a", "A", "b", "c", "d", "e.txt", "E.TXT", "f.txt")

LOST = """
WITH RECURSIVE reached AS (
    SELECT id, space_id FROM comgov.node WHERE parent_id IS NULL
    UNION ALL
    SELECT n.id, n.space_id FROM reached JOIN comgov.node n ON n.parent_id = reached.id
                                                            AND n.space_id = reached.space_id
)
SELECT count(*) FROM comgov.node WHERE id NOT IN (SELECT id FROM reached)
"""
TWICE = """
SELECT count(*) FROM (
    SELECT FROM comgov.node WHERE parent_id IS NOT NULL AND trashed_at IS NULL
     GROUP BY parent_id, name_key HAVING count(*) > 1
) AS twice
"""
UNSHOWN = """
SELECT count(*) FROM comgov.node n
  LEFT JOIN comgov.version v ON v.node_id = n.id AND v.number = n.version
 WHERE n.is_file AND (v.sha256, v.size_bytes) IS DISTINCT FROM (n.sha256, n.size_bytes)
"""


class Someone:
    """Does one thing after the other, at random, to what they know of."""

    def __init__(self, seed: str, platform: Platform, actor: Actor, *spaces: Space) -> None:
        self.some = random.Random(seed)
        self.platform, self.actor, self.spaces = platform, actor, spaces
        self.known = [space.root_id for space in spaces]
        self.done = 0

    async def live(self, acts: int) -> None:
        for _ in range(acts):
            with suppress(Conflict, Forbidden, Invalid, NotFound):
                await self.some.choice((self.send, self.make, self.put_elsewhere, self.change, self.take_out))()
                self.done += 1

    @property
    def any_node(self) -> int:
        return self.some.choice(self.known)

    async def send(self) -> None:
        content = self.some.randbytes(self.some.randrange(20))
        done = await upload(self.platform, self.actor, self.any_node, self.some.choice(NAMES), chunks(content))
        self.known.append(done.node.id)

    async def make(self) -> None:
        made = await make_folder(self.platform, self.actor, self.any_node, self.some.choice(NAMES))
        self.known.append(made.id)

    async def put_elsewhere(self) -> None:
        act = self.some.choice((move, copy))
        self.known.append((await act(self.platform, self.actor, self.any_node, self.any_node)).id)

    async def change(self) -> None:
        if self.some.random() < 0.5:
            await rename(self.platform, self.actor, self.any_node, self.some.choice(NAMES))
        else:
            await self.some.choice((show, delete))(self.platform, self.actor, self.any_node, self.some.randrange(1, 4))

    async def take_out(self) -> None:
        trash = await list_trash(self.platform, self.actor, self.some.choice(self.spaces).id)
        if trash.things and self.some.random() < 0.5:
            thing = self.some.choice(trash.things).node
            await self.some.choice((take_back, purge))(self.platform, self.actor, thing.id)
        else:
            await throw_away(self.platform, self.actor, self.any_node)


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_happens_at_once_leaves_sound_trees(
    platform: Platform, claire: Actor, jean: Actor, own: Space, shared: Space, seed: int
) -> None:
    everyone = [
        Someone(f"{seed} {number}", platform, actor, *spaces)
        for number, (actor, spaces) in enumerate(
            [(claire, (own, shared)), (jean, (shared,)), (claire, (own,)), (jean, (shared,))]
        )
    ]
    async with asyncio.timeout(60):
        await asyncio.gather(*(someone.live(60) for someone in everyone))
    assert sum(someone.done for someone in everyone) > 60
    async with platform.db.connection() as connection:
        for query in (LOST, TWICE, UNSHOWN):
            assert await connection.fetchval(query) == 0, query
    assert await recount(platform) == 0
