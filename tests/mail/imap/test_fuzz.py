"""Any bytes at all, and what is nearly a command: read, or refused with a sentence, and never anything else."""

from __future__ import annotations

import asyncio
import time
import zlib
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mail.imap import names
from mail.imap.connection import Connection, Disconnected, LineTooLong
from mail.imap.parser import parse
from mail.imap.replies import NotDone
from mail.imap.wire import Hopeless, Limits, Unwanted, read_command
from mail.mailbox.sequence import SequenceSet, compress

_COMMANDS = [
    (b"LOGIN {6}", b"claire", b' "secret \\" x"'),
    (b"AUTHENTICATE PLAIN AGEAYg==",),
    (b'ID ("name" "Thunderbird" "version" NIL)',),
    (b"ENABLE QRESYNC UTF8=ACCEPT",),
    (b"SELECT INBOX (QRESYNC (7 90 1:5,9 (1,3 10,30)))",),
    (b"CREATE D&AOk-cisions (USE (\\Sent \\Archive))",),
    (b"RENAME {3}", b"a/b", b" &Jjo-"),
    (b'LIST (SUBSCRIBED RECURSIVEMATCH) "" ("a*" %/b) RETURN (CHILDREN STATUS (MESSAGES SIZE))',),
    (b'LSUB "" "*"',),
    (b"STATUS INBOX (MESSAGES UIDNEXT HIGHESTMODSEQ)",),
    (b'APPEND Sent (\\Seen x) " 1-Feb-2026 10:00:00 +0200" {5}', b"a\r\nb\r", b" UTF8 (~{1+}", b"z", b")"),
    (b"UID STORE 4,6:* (UNCHANGEDSINCE 12) +FLAGS.SILENT (\\Seen $Forwarded)",),
    (b"UID FETCH 1:* (UID BODY.PEEK[1.2.HEADER.FIELDS (From To)]<5.100> BINARY.SIZE[1]) (CHANGEDSINCE 7 VANISHED)",),
    (b"FETCH 1 (FLAGS RFC822.SIZE ENVELOPE BODYSTRUCTURE PREVIEW (LAZY))",),
    (b'UID SEARCH RETURN (MIN COUNT SAVE) CHARSET UTF-8 OR (FROM eric NOT SEEN) HEADER X-A "b" SINCE 1-Feb-2026',),
    (b'SORT (REVERSE DATE SUBJECT) UTF-8 MODSEQ "/flags/\\\\draft" all 620',),
    (b"UID THREAD REFERENCES UTF-8 KEYWORD $Junk",),
    (b"UID MOVE $ Trash",),
    (b"SETACL INBOX eric +lrs",),
    (b"GETQUOTAROOT INBOX",),
]
_TOKENS = [
    b" ",
    b"(",
    b")",
    b"[",
    b"]",
    b"<",
    b">",
    b'"',
    b"\\",
    b"*",
    b":",
    b",",
    b"0",
    b"99999999999999999999",
    b"{3}",
    b"&",
]
_EDITS = st.lists(
    st.tuples(st.integers(0, 200), st.integers(0, 3), st.sampled_from(_TOKENS) | st.binary(max_size=3)), max_size=4
)


def edited(text: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    """A text with some bytes taken out and others put in."""
    for place, count, new in edits:
        at = place % (len(text) + 1)
        text = text[:at] + new + text[at + count :]
    return text.replace(b"\n", b"")


@given(st.sampled_from(_COMMANDS), st.lists(_EDITS, min_size=5, max_size=5), st.booleans())
@settings(max_examples=1500, deadline=None)
def test_what_is_nearly_a_command_is_read_or_refused(
    pieces: tuple[bytes, ...], edits: list[list[tuple[int, int, bytes]]], utf8: bool
) -> None:
    changed = [edited(piece, edit) if edit else piece for piece, edit in zip(pieces, edits, strict=False)]
    with suppress(NotDone):
        parse([b"a " + changed[0], *changed[1:]], utf8=utf8)


@pytest.mark.parametrize("pieces", _COMMANDS, ids=lambda pieces: pieces[0].split(b" ")[0].decode())
def test_the_commands_that_are_changed_are_commands(pieces: tuple[bytes, ...]) -> None:
    parse([b"a " + pieces[0], *pieces[1:]], utf8=False)


@pytest.mark.parametrize(
    ("begin", "again"),
    [
        (b"SEARCH ", b"("),
        (b"SEARCH ", b"NOT "),
        (b"SEARCH ", b"OR ALL "),
        (b"FETCH 1 (", b"UID "),
        (b"FETCH 1 BODY[HEADER.FIELDS (", b"a "),
        (b"FETCH 1 BODY[", b"1."),
        (b"FETCH ", b"1:2,"),
        (b"STORE 1 FLAGS (", b"x "),
        (b'LOGIN "', b"\\\\"),
        (b"SELECT ", b"&AOk-"),
        (b"SELECT ", b"&"),
        (b'LIST "" ', b"%*"),
        (b'LIST "" (', b"a "),
        (b"ID (", b'"a" NIL '),
        (b"ENABLE ", b"X "),
        (b"AUTHENTICATE PLAIN ", b"A"),
        (b"STATUS a (", b"SIZE "),
        (b"SORT (", b"DATE "),
    ],
)
def test_long_commands_take_time_in_proportion(begin: bytes, again: bytes) -> None:
    """64 KiB of anything, in far less than a second."""
    text = b"a " + (begin + again * 65_536)[:65_536]
    began = time.process_time()
    with suppress(NotDone):
        parse([text], utf8=False)
    assert time.process_time() - began < 0.5


@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=60))
@settings(max_examples=500)
def test_a_name_comes_back_from_modified_utf_7(name: str) -> None:
    raw = names.encode(name)
    assert raw.isascii()
    assert names.decode(raw) == name


@given(
    st.lists(st.sampled_from([b"&", b"-", b"a", b"AOk", b"2AA", b",", b"+", b"/"]), max_size=12).map(b"".join)
    | st.binary()
)
@settings(max_examples=500)
def test_a_name_has_one_form_in_modified_utf_7(raw: bytes) -> None:
    with suppress(ValueError):
        assert names.encode(names.decode(raw)) == raw


_NUMBER = st.integers(1, 30).map(str) | st.just("*")
_RANGE = _NUMBER | st.tuples(_NUMBER, _NUMBER).map(":".join)


@given(st.lists(_RANGE, min_size=1, max_size=8), st.sets(st.integers(1, 30)))
@settings(max_examples=500)
def test_a_set_names_what_its_ranges_name(ranges: list[str], there: set[int]) -> None:
    known = sorted(there)
    found = SequenceSet.parse(",".join(ranges).encode())
    wanted: set[int] = set()
    for one in ranges:
        ends = [(max(there, default=0) if end == "*" else int(end)) for end in one.split(":")]
        wanted.update(range(min(ends), max(ends) + 1))
    assert found.uids(known) == [uid for uid in known if uid in wanted]
    count = max(there, default=0)
    numbers = found.numbers(count)
    assert numbers == (sorted(wanted) if count and max(wanted) <= count else None)
    assert numbers is None or SequenceSet.parse(compress(numbers)).numbers(count) == numbers


class FakeTransport(asyncio.Transport):
    """Takes everything and keeps it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.is_closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True

    abort = close

    def pause_reading(self) -> None:
        """It was told to; what it has is given all the same."""

    def resume_reading(self) -> None:
        """Likewise."""


def connected() -> Connection:
    connection = Connection(begin=lambda _: None, end=lambda: None, patience_seconds=1)
    connection.connection_made(FakeTransport())
    return connection


def cut(content: bytes, cuts: list[int]) -> list[bytes]:
    """A content in pieces."""
    places = sorted({0, len(content), *(place % (len(content) + 1) for place in cuts)})
    return [content[start:stop] for start, stop in pairwise(places)]


_LIMITS = Limits(line_bytes=400, literal_bytes=200, message_bytes=300)
_PIECES = st.sampled_from(
    [
        b"a APPEND x {5}\r\n",
        b"a LOGIN {3+}\r\n",
        b"abc",
        b"\r\n",
        b"{999}\r\n",
        b"{301+}\r\n",
        b"~{2}\r\n",
        b" ",
        b"x" * 150,
    ]
)


@given(
    st.lists(_PIECES | st.binary(max_size=30), max_size=20).map(b"".join), st.lists(st.integers(0, 2000), max_size=6)
)
@settings(max_examples=400, deadline=None)
def test_any_bytes_on_a_connection_are_commands_or_refused(content: bytes, cuts: list[int]) -> None:
    async def read() -> None:
        connection = connected()
        for piece in cut(content, cuts):
            connection.data_received(piece)
        connection.eof_received()
        for _ in range(200):
            with suppress(Unwanted):
                raw = await read_command(connection, _LIMITS)
                assert sum(len(one) for one in raw.pieces) <= 400 + 200 + 300

    with suppress(Disconnected, Hopeless):
        asyncio.run(read())
        raise AssertionError("more commands than there are bytes")


@given(st.lists(st.binary(max_size=50), max_size=30), st.lists(st.integers(0, 5000), max_size=10), st.integers(0, 9))
@settings(max_examples=300, deadline=None)
def test_a_deflated_stream_is_read_wherever_it_is_cut(lines: list[bytes], cuts: list[int], level: int) -> None:
    told = [line.replace(b"\n", b"").replace(b"\r", b"") for line in lines]
    deflater = zlib.compressobj(level, wbits=-15)
    stream = b"".join(deflater.compress(line + b"\r\n") + deflater.flush(zlib.Z_SYNC_FLUSH) for line in told)

    async def read() -> list[bytes]:
        connection = connected()
        await connection.start_compression()

        async def send() -> None:
            for piece in cut(stream, cuts):
                connection.data_received(piece)
                await asyncio.sleep(0)

        sending = asyncio.create_task(send())
        found = [await connection.line(100) for _ in told]
        await sending
        return found

    assert asyncio.run(read()) == told


@given(st.binary(max_size=300))
@settings(max_examples=300, deadline=None)
def test_what_is_no_deflated_stream_ends_the_session(content: bytes) -> None:
    async def read() -> None:
        connection = connected()
        await connection.start_compression()
        connection.data_received(content)
        connection.eof_received()
        while True:
            await connection.line(1000)

    with suppress(Disconnected, LineTooLong):
        asyncio.run(read())
