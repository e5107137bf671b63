"""The zip of a container: what is written, and what is refused."""

from __future__ import annotations

import io
import struct
import warnings
import zipfile
import zlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comgov.signing import container
from comgov.signing.container import MIME_TYPE, Changed, Member, Part, Reader, part
from comgov.signing.errors import Malformed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Kept:
    """A visitor that keeps everything."""

    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}
        self.members: list[Member] = []
        self._name = ""

    def begin(self, name: str, size_bytes: int) -> None:
        self._name = name
        self.contents[name] = b""

    def data(self, chunk: memoryview) -> None:
        self.contents[self._name] += chunk

    def end(self, member: Member) -> None:
        self.members.append(member)


def read(raw: bytes, chunk_bytes: int = 1 << 16) -> Kept:
    kept = Kept()
    reader = Reader(kept)
    for start in range(0, len(raw), chunk_bytes):
        reader.feed(raw[start : start + chunk_bytes])
    reader.close()
    return kept


async def written(contents: dict[str, bytes]) -> bytes:
    return b"".join([chunk async for chunk in container.stream([part(*item) for item in contents.items()])])


PIECES = {"bordereau.json": b"{}", "Décret n° 12.pdf": b"%PDF" * 100, "vide.txt": b""}


async def test_any_zip_program_reads_what_is_written() -> None:
    raw = await written(PIECES)
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["mimetype", *PIECES]
        assert {name: archive.read(name) for name in PIECES} == PIECES
    assert raw[30:38] == b"mimetype"
    assert raw[38 : 38 + len(MIME_TYPE)] == MIME_TYPE


@pytest.mark.parametrize("chunk_bytes", [1, 7, 1000, 1 << 20])
async def test_what_is_written_is_read_whatever_the_chunks(chunk_bytes: int) -> None:
    kept = read(await written(PIECES), chunk_bytes)
    assert kept.contents == PIECES
    assert kept.members == [part(*item).member for item in PIECES.items()]


async def test_the_size_is_known_beforehand() -> None:
    members = [part(*item).member for item in PIECES.items()]
    assert container.size_bytes(members) == len(await written(PIECES))


async def test_a_part_that_changed_since_it_was_measured_stops_the_stream() -> None:
    async def other() -> AsyncIterator[bytes]:
        yield b"other bytes"

    with pytest.raises(Changed):
        async for _ in container.stream([Part(member=part("a.txt", b"these bytes").member, open=other)]):
            pass


async def test_every_altered_byte_is_noticed() -> None:
    raw = bytearray(await written({"bordereau.json": b"{}", "a.txt": b"abc"}))
    for place in range(len(raw)):
        raw[place] ^= 0x01
        with pytest.raises(Malformed):
            read(bytes(raw))
        raw[place] ^= 0x01
    read(bytes(raw))


async def test_a_container_cut_anywhere_is_refused() -> None:
    raw = await written({"a.txt": b"abc"})
    for end in range(len(raw)):
        with pytest.raises(Malformed, match="ends too early"):
            read(raw[:end])


async def test_bytes_after_the_end_are_refused() -> None:
    with pytest.raises(Malformed, match="bytes after the end"):
        read(await written(PIECES) + b"\0")


async def test_bytes_before_the_beginning_are_refused() -> None:
    with pytest.raises(Malformed, match="no file begins at byte 0"):
        read(b"#!/bin/sh\n" + await written(PIECES))


def zipped(*entries: tuple[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """A zip by Python's own library, dated as canonical ones are."""
    file = io.BytesIO()
    with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(file, "w", method) as archive:
        for name, content in entries:
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return file.getvalue()


MIME = ("mimetype", MIME_TYPE)


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (b"", "ends too early"),
        (b"PK\x05\x06" + bytes(18), "no file begins at byte 0"),
        (zipped(("bordereau.json", b"{}"), MIME), "does not begin with its mimetype, but with 'bordereau.json'"),
        (zipped(("mimetype", b"application/zip")), "mimetype is not application/vnd.etsi"),
        (zipped(("mimetype", MIME_TYPE[::-1])), "mimetype is not application/vnd.etsi"),
        (zipped(MIME, ("a", b""), ("a", b"")), "two files named 'a'"),
        (zipped(MIME, MIME), "two files named 'mimetype'"),
        (zipped(MIME, ("A.pdf", b""), ("a.PDF", b"")), "two files named 'a.PDF'"),
        (zipped(MIME, ("/etc/passwd", b"")), "may not hold a file named '/etc/passwd'"),
        (zipped(MIME, ("../a", b"")), "may not hold a file named '../a'"),
        (zipped(MIME, ("..", b"")), "may not hold a file named"),
        (zipped(MIME, ("a\\b", b"")), "may not hold a file named"),
        (zipped(MIME, ("C:a", b"")), "may not hold a file named"),
        (zipped(MIME, ("dossier/", b"")), "may not hold a file named"),
        (zipped(MIME, ("META-INF/container.xml", b"")), "may not hold a file named"),
        (zipped(MIME, ("fdp\u202egnp.exe", b"")), "may not hold a file named"),
        (zipped(MIME, ("cafe\u0301.txt", b"")), "may not hold a file named"),
        (zipped(MIME, ("n" * 201, b"")), "has 201 bytes"),
        (zipped(MIME, ("bombe.bin", bytes(10_000_000)), method=zipfile.ZIP_DEFLATED), "'mimetype' is compressed"),
        (zipped(*[MIME, *((f"{n}.txt", b"") for n in range(1001))]), "more than 1000 files"),
    ],
)
def test_a_hostile_container_is_refused_with_a_reason(raw: bytes, sentence: str) -> None:
    with pytest.raises(Malformed, match=sentence):
        read(raw)


def _with_header(name: str, *, flags: int = 0, method: int = 0, size: int = 0) -> bytes:
    fields = (0x04034B50, 20, flags, method, 0, 33, 0, size, size, len(name), 0)
    return zipped(MIME)[: 38 + len(MIME_TYPE)] + struct.pack("<IHHHHHIIIHH", *fields) + name.encode() + bytes(100)


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (_with_header("a.bin", method=8), "'a.bin' is compressed"),
        (_with_header("a.bin", flags=1), "'a.bin' is encrypted"),
        (_with_header("a.bin", flags=8), "does not say its size"),
        (_with_header("a.bin", flags=0x800), "not in its one canonical form"),
        (_with_header("a.bin", size=10), "do not agree with their checksum|ends too early"),
    ],
)
def test_a_hostile_member_is_refused_with_a_reason(raw: bytes, sentence: str) -> None:
    with pytest.raises(Malformed, match=sentence):
        read(raw)


async def test_reading_stops_at_the_limit_of_a_container(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = await written({"a": bytes(1000)})
    monkeypatch.setattr(container, "MAX_CONTAINER_BYTES", len(raw))
    read(raw)
    monkeypatch.setattr(container, "MAX_CONTAINER_BYTES", len(raw) - 1)
    with pytest.raises(Malformed, match="at most 4 GiB"):
        read(raw)


def test_a_mimetype_of_the_same_checksum_is_refused() -> None:
    """CRC-32 is no digest: another text of the same length and checksum is made in a moment."""
    text = bytearray(MIME_TYPE.upper())
    wanted = zlib.crc32(MIME_TYPE) ^ zlib.crc32(text)
    pairs: dict[int, tuple[int, int]] = {}  # by its highest bit: what turning some bits of the text turns in the sum
    for bit in range(8 * len(text)):
        turned = bytearray(text)
        turned[bit // 8] ^= 1 << bit % 8
        effect, bits = zlib.crc32(turned) ^ zlib.crc32(text), 1 << bit
        while effect and effect.bit_length() in pairs:
            effect, bits = effect ^ pairs[effect.bit_length()][0], bits ^ pairs[effect.bit_length()][1]
        if effect:
            pairs[effect.bit_length()] = (effect, bits)
    turn = 0
    while wanted:
        wanted, turn = wanted ^ pairs[wanted.bit_length()][0], turn ^ pairs[wanted.bit_length()][1]
    forged = (int.from_bytes(text, "little") ^ turn).to_bytes(len(text), "little")
    assert zlib.crc32(forged) == zlib.crc32(MIME_TYPE) and forged != MIME_TYPE
    with pytest.raises(Malformed, match="mimetype is not"):
        read(zipped(MIME).replace(MIME_TYPE, forged))


async def test_a_symbolic_link_is_refused() -> None:
    """What a member is stands in the directory alone: `unzip` would make a link of it."""
    raw = bytearray(await written({"lien": b"/etc/passwd"}))
    place = raw.rindex(struct.pack("<I", 0o100644 << 16))
    raw[place : place + 4] = struct.pack("<I", 0o120777 << 16)
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        assert archive.infolist()[-1].external_attr >> 28 == 0o12
    with pytest.raises(Malformed, match="directory does not agree"):
        read(bytes(raw))


async def test_a_file_that_the_directory_hides_or_adds_is_refused() -> None:
    """Programs that trust the directory and programs that read on would see two different containers."""
    two, one = await written({"a": b"1", "b": b"2"}), await written({"a": b"1"})
    hidden = two[: two.index(b"PK\1\2")] + one[one.index(b"PK\1\2") :]
    added = one[: one.index(b"PK\1\2")] + two[two.index(b"PK\1\2") :]
    for raw in (hidden, added):
        with pytest.raises(Malformed):
            read(raw)


async def test_zip64_in_any_place_is_refused() -> None:
    raw = await written({"a": b"abc"})
    start, end = raw.index(b"PK\3\4", 4), raw.index(b"PK\5\6")
    extra = struct.pack("<HHQQ", 1, 16, 3, 3)
    header = bytearray(raw[start : start + 31])
    header[18:30] = struct.pack("<IIHH", 0xFFFF_FFFF, 0xFFFF_FFFF, 1, len(extra))
    with_extra = raw[:start] + bytes(header) + extra + raw[start + 31 :]
    only_sizes = raw[: start + 18] + struct.pack("<II", 0xFFFF_FFFF, 0xFFFF_FFFF) + raw[start + 26 :]
    record = b"PK\6\6" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, 2, 2, 0, 0)
    locator = b"PK\6\7" + struct.pack("<IQI", 0, end, 1)
    with_record = raw[:end] + record + locator + raw[end:]
    for forged in (with_extra, only_sizes, with_record):
        with pytest.raises(Malformed):
            read(forged)


async def test_a_container_over_4_gib_is_refused_before_it_is_written() -> None:
    async def never() -> AsyncIterator[bytes]:
        pytest.fail("opened")
        yield b""

    member = Member(name="a", size_bytes=0xFFFF_FFFF, crc32=0, sha256=bytes(32))
    with pytest.raises(Malformed, match="4 GiB"):
        await anext(container.stream([Part(member=member, open=never)]))


@given(st.text(max_size=300))
def test_any_name_can_be_fitted(name: str) -> None:
    fitted = container.fit_name(name)
    container.check_name(fitted)
    assert container.fit_name(fitted) == fitted


@pytest.mark.parametrize(
    ("name", "fitted"),
    [
        ("C:\\Users\\Claire\\Rapport.pdf", "Rapport.pdf"),
        ("../../etc/passwd", "passwd"),
        ("Où ? Quand ?.pdf", "Où _ Quand _.pdf"),
        ("é" * 150 + ".pdf", "é" * 98 + ".pdf"),
        ("...", "_"),
    ],
)
def test_a_name_keeps_what_it_can(name: str, fitted: str) -> None:
    assert container.fit_name(name) == fitted


@given(st.binary(max_size=400))
def test_no_bytes_make_the_reader_stumble(raw: bytes) -> None:
    with pytest.raises(Malformed):
        read(raw)
