"""What FETCH remembers."""

from __future__ import annotations

from mail.imap.commands import Item
from mail.imap.renderings import Renderings

ITEMS = (Item.ENVELOPE,)


def texts(*uids: int) -> dict[int, bytes]:
    return {uid: b"%d" % uid for uid in uids}


def test_what_was_kept_is_known_for_its_mailbox_and_items_alone() -> None:
    renderings = Renderings(1 << 20)
    renderings.keep(1, ITEMS, texts(1, 2, 700))
    renderings.keep(1, ITEMS, texts(3))
    assert renderings.known(1, ITEMS, [1, 3, 4, 700]) == texts(1, 3, 700)
    assert renderings.known(2, ITEMS, [1]) == {}
    assert renderings.known(1, (Item.BODY,), [1]) == {}


def test_what_was_not_asked_for_lately_goes_first() -> None:
    renderings = Renderings(5000)
    for page in range(4):
        renderings.keep(1, ITEMS, texts(page * 512))
    renderings.known(1, ITEMS, [0])
    renderings.keep(1, ITEMS, texts(4 * 512))
    assert renderings.known(1, ITEMS, [page * 512 for page in range(5)]) == texts(0, 2 * 512, 3 * 512, 4 * 512)


def test_nothing_is_kept_without_room() -> None:
    renderings = Renderings(0)
    renderings.keep(1, ITEMS, texts(*range(1000)))
    assert renderings.known(1, ITEMS, range(1000)) == {}


def test_a_large_text_pushes_no_others_out() -> None:
    renderings = Renderings(100_000)
    renderings.keep(1, ITEMS, texts(1))
    renderings.keep(1, ITEMS, {2: b"x" * 70_000})
    renderings.keep(1, ITEMS, {3: b"x" * 70_000})
    assert renderings.known(1, ITEMS, [1, 2, 3]) == texts(1)
