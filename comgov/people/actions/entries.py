"""Looking people and posts up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from comgov.people.store import entries as store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from comgov.feature import Platform
    from comgov.people.model import Entry

_MOST_ON_A_PAGE = 200


@dataclass(frozen=True)
class LookedUp:
    """A page of entries; how many posts and people there are in all; the id to go on after, None at the end."""

    entries: Sequence[Entry]
    posts: int
    people: int
    after: int | None


async def look_up(
    platform: Platform, text: str, *, institution_id: int | None = None, after: int = 0, limit: int = 50
) -> LookedUp:
    """Open people and posts whose name and address hold words that begin like each word of `text`.

    Neither accents nor case matter. Posts come before people, each by name. Everyone signed in may look.
    text: empty for everyone of the institution. institution_id: None for all of them, which needs a text.
    after: the id that the page begins after. limit: 1 to 200.
    """
    text, limit, now = text.replace("\0", ""), max(1, min(limit, _MOST_ON_A_PAGE)), platform.clock()
    async with platform.db.connection() as connection:
        if text or institution_id is None:
            found = await store.found(connection, text, institution_id, after, limit + 1, now)
            count = await store.count_found(connection, text, institution_id)
        else:
            found = await store.page(connection, institution_id, after, limit + 1, now)
            count = await store.count(connection, institution_id)
    page = found[:limit]
    return LookedUp(page, count.posts, count.people, page[-1].id if len(found) > limit else None)
