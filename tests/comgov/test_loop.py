"""The loop of a worker answers as asyncio's own does."""

from __future__ import annotations

import socket
from selectors import EVENT_READ, EpollSelector

import pytest

from comgov.loop import Selector, new_loop


@pytest.mark.parametrize("make", [EpollSelector, Selector])
def test_what_is_watched_is_found_and_nothing_else(make: type[EpollSelector]) -> None:
    with make() as selector, socket.socket() as watched, socket.socket() as other:
        key = selector.register(watched, EVENT_READ, "data")
        assert selector.get_key(watched) == selector.get_key(watched.fileno()) == key
        for absent in (other, other.fileno()):
            with pytest.raises(KeyError):
                selector.get_key(absent)


def test_a_closed_selector_has_nothing() -> None:
    loop = new_loop()
    loop.close()
    assert loop.is_closed()
