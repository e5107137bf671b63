"""What DATA brings is the same message in whatever pieces it arrives."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mail.errors import Malformed
from mail.smtp.wire import Wire

LINE_LIMIT_BYTES = 24
LINES = st.lists(st.binary(max_size=LINE_LIMIT_BYTES).filter(lambda line: not set(line) & set(b"\r\n")), max_size=12)


def received(stream: bytes, piece_bytes: int, filler: bytes) -> bytes:
    """`stream` after a filler that makes pieces be handed over before the end has come."""
    wire = Wire()
    wire.begin_message(limit_bytes=1 << 20, line_limit_bytes=LINE_LIMIT_BYTES)
    whole = filler + stream
    message = None
    for at in range(0, len(whole), piece_bytes):
        assert message is None
        wire.feed(whole[at : at + piece_bytes])
        message = wire.message()
    assert isinstance(message, bytes)
    assert not wire.is_in_message
    return message.removeprefix(filler)


@given(lines=LINES, piece_bytes=st.sampled_from((65_535, 65_536, 70_001)), shift=st.integers(0, 40))
def test_dots_are_unstuffed_and_long_lines_refused_wherever_a_piece_ends(
    lines: list[bytes], piece_bytes: int, shift: int
) -> None:
    filler = (b"z" * 20 + b"\r\n") * (65_500 // 22) + b"y" * (shift % 21) + b"\r\n"
    message = b"".join(line + b"\r\n" for line in lines)
    stuffed = b"".join((b"." if line.startswith(b".") else b"") + line + b"\r\n" for line in lines) + b".\r\n"
    if all(len(line) + 2 <= LINE_LIMIT_BYTES for line in lines):
        assert received(stuffed, piece_bytes, filler) == message
    else:
        with pytest.raises(Malformed):
            received(stuffed, piece_bytes, filler)
