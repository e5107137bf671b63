"""What FETCH says of messages and never changes, kept ready: envelopes, sizes, fields of the header.

Mail programs ask for the same of every message of a mailbox again and again. UIDs are never used twice and messages
never change but for their flags, so what was written once for a UID holds for ever; what was not asked for lately goes.
"""

from __future__ import annotations

from collections import OrderedDict
from itertools import groupby
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mail.imap.commands import Item, Section

    Items: TypeAlias = tuple[Item | Section, ...]
    _Key: TypeAlias = tuple[int, Items, int]

_LARGEST_BYTES = 64 * 1024  # a few larger ones would push out what everybody else asks for
_PAGE_BITS = 9  # 512 UIDs stay or go together
_OVERHEAD_BYTES = 150  # of a text beyond its own bytes
_PAGE_OVERHEAD_BYTES = 1024


class Renderings:
    """Texts by mailbox, by what was asked, by UID; for all sessions of a process together."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._pages: OrderedDict[_Key, dict[int, bytes]] = OrderedDict()
        self._bytes = 0

    def known(self, mailbox_id: int, items: Items, uids: Sequence[int]) -> dict[int, bytes]:
        """The texts there are of these. uids: ascending."""
        found: dict[int, bytes] = {}
        for number, group in groupby(uids, key=_page_of):
            key = (mailbox_id, items, number)
            if (page := self._pages.get(key)) is not None:
                self._pages.move_to_end(key)
                found.update((uid, page[uid]) for uid in group if uid in page)
        return found

    def keep(self, mailbox_id: int, items: Items, texts: Mapping[int, bytes]) -> None:
        """Texts that were not known, by UID in ascending order; large ones are written anew each time."""
        for number, group in groupby(texts, key=_page_of):
            key = (mailbox_id, items, number)
            page = self._pages.get(key)
            if page is None:
                page = self._pages[key] = {}
                self._bytes += _PAGE_OVERHEAD_BYTES
            for uid in group:
                if uid not in page and len(texts[uid]) <= _LARGEST_BYTES:
                    page[uid] = texts[uid]
                    self._bytes += len(texts[uid]) + _OVERHEAD_BYTES
        while self._bytes > self._limit_bytes:
            _, gone = self._pages.popitem(last=False)
            self._bytes -= _PAGE_OVERHEAD_BYTES + sum(len(text) + _OVERHEAD_BYTES for text in gone.values())


def _page_of(uid: int) -> int:
    return uid >> _PAGE_BITS
