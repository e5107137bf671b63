"""Attachments of large messages lie apart, decoded and once, and every message comes back byte for byte."""

from __future__ import annotations

import base64
import binascii
import random
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mail.body import attachments
from mail.body.after_header import Rest, in_row, keep, read, read_part, to_layout
from mail.errors import SystemDown
from mail.message import scan
from mail.octets import Spool
from storage import MemoryStore
from tests.mail.parts import CRLF, TEXT, data, leaf, lines, mixed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mail.octets import Octets

KIB = 1024
LENGTHS = (16, 60, 64, 72, 76, 100, 996, 65_536)
ODD_LENGTHS = (4, 15, 61, 75, 77, 998)


class Counting(MemoryStore):
    """Remembers how many bytes were asked of it, by key."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[bytes, int]] = []

    async def read(self, sha256: bytes, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        given = 0
        async for chunk in super().read(sha256, start, stop):
            given += len(chunk)
            yield chunk
        self.asked.append((sha256, given))

    @property
    def sizes(self) -> list[int]:
        """Of all that is kept, ascending."""
        return sorted(len(kept.content) for kept in self._kept.values())


async def kept(content: Octets, blobs: MemoryStore) -> tuple[bytes, Rest]:
    """What follows the header, and how it is kept: as both ways in do it."""
    structure = scan(content)
    rest = in_row(content, structure) or await keep(content, structure, blobs)
    return content[structure.header_size :], rest


async def collect(chunks: AsyncIterator[bytes]) -> bytes:
    return b"".join([chunk async for chunk in chunks])


def corners(rest: Rest, size_bytes: int) -> list[int]:
    """Offsets where something begins or ends: attachments, their first and last lines, CRLFs; and some between."""
    found = {0, size_bytes}
    for one in rest.layout[:4] + rest.layout[-2:]:
        line = one.line_length + 2
        last = one.start + (one.stop - one.start) // line * line
        block = one.start + attachments.lines_of(attachments.BLOCK_BYTES, one.line_length) * line
        for at in (one.start, one.start + line, last, one.stop, block):
            found |= {at - 3, at - 2, at - 1, at, at + 1, at + 2}
    found |= {random.Random(size_bytes).randrange(size_bytes + 1) for _ in range(4)} if size_bytes else set()
    return sorted(at for at in found if 0 <= at <= size_bytes)


async def check(content: Octets) -> Rest:
    """It comes back byte for byte, whole and at every range between its corners; so do its parts, decoded."""
    blobs = Counting()
    expected, rest = await kept(content, blobs)
    assert to_layout(rest.layout_json) == rest.layout
    assert await collect(read(rest, blobs, 0, len(expected))) == expected
    places = corners(rest, len(expected))
    for start, stop in [*pairwise(places), *zip(places, places[7:], strict=False)]:
        assert await collect(read(rest, blobs, start, stop)) == expected[start:stop], (start, stop)
    structure = scan(content)
    for part in structure.parts:
        if part.encoding == "base64" and any(one.start == part.start - structure.header_size for one in rest.layout):
            decoded = await collect(read_part(rest, blobs, part, structure.header_size))
            assert decoded == base64.b64decode(content[part.start : part.stop])
    return rest


# What lies apart


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("size_bytes", [98_304, 98_305, 98_306, 98_307, 57 * 7000])
async def test_base64_in_even_lines_lies_apart_whatever_their_length(length: int, size_bytes: int) -> None:
    rest = await check(mixed(TEXT, leaf(lines(data(size_bytes), length))))
    assert [(one.size_bytes, one.line_length) for one in rest.layout] == [(size_bytes, length)]
    assert rest.inline is not None


@pytest.mark.parametrize("end", [b"", CRLF, CRLF * 2, CRLF * 3000])
async def test_the_line_ends_after_the_last_line_stay_with_the_message(end: bytes) -> None:
    rest = await check(mixed(TEXT, leaf(lines(data(100_000)) + end), TEXT))
    assert len(rest.layout) == 1


async def test_a_message_that_is_all_one_attachment_keeps_nothing_else() -> None:
    rest = await check(leaf(lines(data(300_000))))
    assert rest.inline == b""
    assert [one.size_bytes for one in rest.layout] == [300_000]


async def test_what_is_left_of_a_large_message_is_a_blob_beside_those_of_its_attachments() -> None:
    text = leaf(data(150_000).hex().encode(), encoding=b"7bit", kind=b"text/plain")
    rest = await check(mixed(text, leaf(lines(data(90_000, 1))), leaf(lines(data(80_000, 2)))))
    assert rest.inline is None
    assert [one.size_bytes for one in rest.layout] == [90_000, 80_000]


async def test_attachments_of_a_message_within_lie_apart_too() -> None:
    within = mixed(TEXT, leaf(lines(data(120_000))), boundary=b"within")
    rest = await check(mixed(TEXT, b"Content-Type: message/rfc822\r\n\r\n" + within, leaf(lines(data(70_000, 1)))))
    assert [one.size_bytes for one in rest.layout] == [120_000, 70_000]


async def test_a_message_of_a_thousand_parts_comes_back() -> None:
    large, small = leaf(lines(data(65_536))), leaf(lines(data(200), 61))
    rest = await check(mixed(*([large, small, small, small] * 250)))
    assert len(rest.layout) == 250


async def test_one_file_in_many_messages_is_kept_once() -> None:
    blobs = Counting()
    file = data(500_000)
    for number, length in enumerate([76, 72, 60] * 3):
        text = leaf(b"Message %d\r\n" % number, encoding=b"7bit", kind=b"text/plain")
        boundary = b"boundary%d" % number
        expected, rest = await kept(mixed(text, leaf(lines(file, length)), boundary=boundary), blobs)
        assert await collect(read(rest, blobs, 0, len(expected))) == expected
    assert blobs.sizes == [500_000]


async def test_small_messages_and_small_attachments_stay_as_they_were() -> None:
    blobs = Counting()
    _, rest = await kept(mixed(TEXT, leaf(lines(data(49_000)))), blobs)
    assert (rest.inline is not None, rest.layout, blobs.sizes) == (True, (), [])
    content = mixed(*(leaf(lines(data(20_000, seed))) for seed in range(20)))
    expected, rest = await kept(content, blobs)
    assert (rest.layout, blobs.sizes) == ((), [len(expected)])


# What does not


def _broken() -> dict[str, bytes]:
    good = lines(data(100_000))
    block = attachments.lines_of(attachments.BLOCK_BYTES, 76) * 78
    long = lines(data(400_002))
    return {
        "a space at the end of a line": good.replace(CRLF, b" \r\n", 1),
        "spaces at the end of every line": good.replace(CRLF, b" \r\n"),
        "padding in the middle": good[:7800].replace(good[74:76], b"==", 1) + good[7800:],
        "padding at the end of a block": long[: block - 6] + b"AA==" + long[block - 2 :],
        "padding at the end of a line": good[:152] + b"==" + good[154:],
        "more after the padding": lines(data(100_001)) + b"AAAA",
        "text after the last line": good + b"\r\n_______\r\nA list of ours\r\n",
        "an empty line first": CRLF + good,
        "an empty line between": good[:78] + CRLF + good[78:],
        "mixed line lengths": good[:78] + lines(data(100_000), 72),
        "a short line between": good[:78] + b"AAAA\r\n" + good[78:],
        "a long last line": good + base64.b64encode(data(60)),
        "a letter of another alphabet": good[:500] + b"-" + good[501:],
        "four letters of another alphabet": good[:500] + b"-_-_" + good[504:],
        "one line shorter and the next longer": good[:150] + CRLF + good[150:154] + good[156:],
        "a CR and an LF apart": good[:154] + b"\r" + good[156:160] + b"\n" + good[160:],
        "a byte above 127": good[:500] + b"\xe9" + good[501:],
        "a letter missing at the end": good[:-3],
        "no padding": lines(data(100_001)).rstrip(b"="),
        "bits that are lost": _lossy(data(100_001)),
        "a header": b"begin 644 x\r\n" + good,
        "one line without end": base64.b64encode(data(200_000)),
        "no letters at all": b"=" * 76 + (CRLF + b"=" * 76) * 1500,
        "line ends alone": CRLF * 60_000,
    } | {f"lines of {length}": lines(data(120_000), length) for length in ODD_LENGTHS}


def _lossy(content: bytes) -> bytes:
    """Base64 whose last letter holds a bit that decoding drops."""
    text = lines(content)
    found = text.rstrip(b"=")
    other = next(bytes([letter]) for letter in b"BCDEF" if bytes([letter]) != found[-1:])
    changed = found[:-1] + other + text[len(found) :]
    assert binascii.a2b_base64(changed)[:-1] == content[:-1]
    assert lines(binascii.a2b_base64(changed)) != changed
    return changed


@pytest.mark.parametrize("name", _broken())
async def test_what_would_not_come_back_the_same_stays_as_it_came(name: str) -> None:
    rest = await check(mixed(TEXT, leaf(_broken()[name]), leaf(lines(data(70_000, 1)))))
    assert [one.size_bytes for one in rest.layout] == [70_000]


# Whatever comes in


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """Base64 as clients write it, and as nobody should."""
    size_bytes = draw(st.sampled_from([0, 1, 30_000, 65_400, 98_304, 147_456, 200_000]))
    size_bytes += draw(st.integers(0, 200))
    body = lines(data(size_bytes, draw(st.integers(0, 3))), draw(st.sampled_from(LENGTHS + ODD_LENGTHS)))
    for _ in range(draw(st.sampled_from([0, 0, 0, 0, 1, 2]))):
        at = draw(st.integers(0, len(body)))
        cut = draw(st.integers(0, 5))
        put = draw(
            st.sampled_from([b"", b"A", b"=", b"==", b" ", CRLF, b"AAAA", b"\xff", b"--b0", b"\r\n--b0\r\n\r\n"])
        )
        body = body[:at] + put + body[at + cut :]
    return body + draw(st.sampled_from([b"", CRLF, CRLF * 2, b" \r\n", b"=\r\n", b"\r\n-- \r\nA list\r\n"]))


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """Messages of some such bodies, within each other or not."""
    encodings = st.sampled_from([b"base64", b"base64", b"BASE64", b"base64 ", b"7bit"])
    leaves = draw(st.lists(st.builds(lambda body, how: leaf(body, encoding=how), bodies(), encodings), max_size=4))
    shape = draw(st.sampled_from(["mixed", "mixed", "within", "alone", "text"]))
    if shape == "alone" and leaves:
        return leaves[0]
    if shape == "within":
        inner = b"Content-Type: message/rfc822\r\n\r\n" + mixed(*leaves, boundary=b"b1")
        return mixed(TEXT, inner, *leaves[:1])
    own = [leaf(data(draw(st.sampled_from([90_000, 600_000]))).hex().encode(), encoding=b"7bit")] * (shape == "text")
    return mixed(*own, *leaves)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(messages())
@example(leaf(lines(data(200_000)) + CRLF))
async def test_whatever_comes_in_comes_out_at_every_range(content: bytes) -> None:
    await check(content)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(1, 200), st.sampled_from([16, 20, 76])), max_size=5),
    st.integers(0, 1000),
    st.integers(0, 1000),
)
def test_pieces_cover_a_range_once_and_in_order(gaps: list[tuple[int, int, int]], start: int, stop: int) -> None:
    layout: list[attachments.Attached] = []
    at = 0
    for number, (gap, size_bytes, length) in enumerate(gaps):
        layout.append(attachments.Attached(bytes([number]), at + gap, size_bytes, length))
        at = layout[-1].stop
    owners: list[attachments.Attached | None] = [None] * (at + 1000)
    for one in layout:
        owners[one.start : one.stop] = [one] * (one.stop - one.start)
    passed: Counter[attachments.Attached | None] = Counter()
    whole = []
    for owner in owners:
        whole.append((owner, passed[owner]))
        passed[owner] += 1
    found = [
        (one, place) for one, first, last in attachments.pieces(layout, start, stop) for place in range(first, last)
    ]
    assert found == whole[start:stop]


# What is read


async def test_one_part_of_a_large_message_is_read_without_the_others() -> None:
    blobs = Counting()
    files = [data(6_000_000, seed) for seed in range(3)]
    content = mixed(TEXT, *(leaf(lines(file)) for file in files))
    expected, rest = await kept(content, blobs)
    assert len(expected) > 24_000_000
    second = rest.layout[1]

    structure = scan(content)
    assert await collect(read_part(rest, blobs, structure.parts[2], structure.header_size)) == files[1]
    assert blobs.asked == [(second.key, 6_000_000)]

    blobs.asked.clear()
    assert await collect(read(rest, blobs, second.start, second.stop)) == expected[second.start : second.stop]
    assert blobs.asked == [(second.key, 6_000_000)]

    blobs.asked.clear()
    at = second.start + 1_000_001
    assert await collect(read(rest, blobs, at, at + 1_000)) == expected[at : at + 1_000]
    [(key, given)] = blobs.asked
    assert key == second.key
    assert given <= 1_000 * 3 // 4 + 2 * 57

    blobs.asked.clear()
    assert await collect(read(rest, blobs, 0, rest.layout[0].start)) == expected[: rest.layout[0].start]
    assert blobs.asked == []


async def test_a_large_message_is_read_in_pieces_of_bounded_size() -> None:
    blobs = MemoryStore()
    spool = Spool()
    spool.write(mixed(TEXT, leaf(lines(data(3_000_000))), leaf(lines(data(3_000_000, 1), 65_536))))
    content = spool.finish()
    expected, rest = await kept(content, blobs)
    spool.discard()
    chunks = [chunk async for chunk in read(rest, blobs, 0, len(expected))]
    assert b"".join(chunks) == expected
    assert max(map(len, chunks)) < 300 * KIB


async def test_a_blob_that_is_shorter_than_it_was_is_told() -> None:
    blobs = MemoryStore()
    content = mixed(TEXT, leaf(lines(data(300_000))))
    expected, rest = await kept(content, blobs)
    one = rest.layout[0]
    blobs.damage(one.key, data(200_000))
    with pytest.raises(SystemDown):
        await collect(read(rest, blobs, one.start + 5, len(expected)))
    await blobs.delete(one.key)
    with pytest.raises(SystemDown):
        await collect(read_part(rest, blobs, scan(content).parts[1], len(content) - len(expected)))
