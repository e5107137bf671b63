"""The file of an ASiC-E container: a zip in the one form that is written and accepted here (ETSI EN 319 162-1 §4.4).

Members are stored, not deflated, and every header field follows from their names, sizes and checksums: one content has
one form, byte for byte. Reading is therefore one pass over the stream, without seeking; a zip bomb cannot be expressed;
no byte is free to be altered; and the size of a container is known before a byte of it is sent.

    mimetype · bordereau.json · pieces · META-INF/ASiCManifest001.xml · META-INF/signature001.p7s · … · directory
"""

from __future__ import annotations

import hashlib
import re
import struct
import unicodedata
import zlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from comgov.language import N_
from comgov.signing.errors import Malformed

if TYPE_CHECKING:
    from collections.abc import Sequence

MIME_TYPE = b"application/vnd.etsi.asic-e+zip"
MAX_NAME_BYTES = 200
MAX_MEMBERS = 1_000
MAX_CONTAINER_BYTES = 0xFFFF_FFFF
"""4 GiB less one: the plain zip form, whose sizes and offsets have 32 bits."""

_LOCAL = struct.Struct("<IHHHHHIIIHH")
_CENTRAL = struct.Struct("<IHHHHHHIIIHHHHHII")
_END = struct.Struct("<IHHHHIIH")
_LOCAL_SIGNATURE, _CENTRAL_SIGNATURE, _END_SIGNATURE = 0x04034B50, 0x02014B50, 0x06054B50
_VERSION = 20
_MADE_ON_UNIX = 3 << 8 | _VERSION
_ENCRYPTED, _DESCRIPTOR, _UTF8 = 1 << 0, 1 << 3, 1 << 11
_MIDNIGHT, _FIRST_OF_1980 = 0, 1 << 5 | 1
_READABLE_FILE = 0o100644 << 16
_META = re.compile(r"META-INF/(ASiCManifest\d{3}\.xml|signature\d{3}\.p7s)")


@dataclass(frozen=True, kw_only=True)
class Member:
    """One file of a container, measured. sha256: 32 bytes."""

    name: str
    size_bytes: int
    crc32: int
    sha256: bytes


class Meter:
    """Measures bytes as they pass: size, CRC-32 (for the zip) and SHA-256 (for the manifest)."""

    def __init__(self) -> None:
        self.size_bytes = 0
        self.crc32 = 0
        self._sha256 = hashlib.sha256()

    def update(self, chunk: bytes | memoryview) -> None:
        """More bytes."""
        self.size_bytes += len(chunk)
        self.crc32 = zlib.crc32(chunk, self.crc32)
        self._sha256.update(chunk)

    @property
    def sha256(self) -> bytes:
        """The digest of what has passed so far."""
        return self._sha256.digest()

    def member(self, name: str) -> Member:
        """What has passed so far, under a name."""
        return Member(name=name, size_bytes=self.size_bytes, crc32=self.crc32, sha256=self.sha256)


@dataclass(frozen=True, kw_only=True)
class Part:
    """A member and where its bytes come from; `open` is called once, when their turn comes."""

    member: Member
    open: Callable[[], AsyncIterator[bytes]]


class Changed(Exception):
    """A part gave other bytes than were measured; what was streamed so far is no container."""


def part(name: str, content: bytes) -> Part:
    """A small part, held in memory."""
    meter = Meter()
    meter.update(content)

    async def once() -> AsyncIterator[bytes]:
        yield content

    return Part(member=meter.member(name), open=once)


_MIME_TYPE_PART = part("mimetype", MIME_TYPE)


def size_bytes(members: Sequence[Member]) -> int:
    """The exact size of the container of these members (`mimetype` is added by itself)."""
    placed = [_MIME_TYPE_PART.member, *members]
    names = sum(len(member.name.encode()) for member in placed)
    contents = sum(member.size_bytes for member in placed)
    return contents + 2 * names + len(placed) * (_LOCAL.size + _CENTRAL.size) + _END.size


async def stream(parts: Sequence[Part]) -> AsyncIterator[bytes]:
    """The container of these parts in this order, `mimetype` first; at most one chunk in memory.

    The same parts always give the same bytes. Raises Malformed before the first byte for duplicate or bad names or
    sizes over the limits, and Changed in the middle when a part is not what was measured.
    """
    _check_members([part.member for part in parts])
    layout = _Layout()
    for each in (_MIME_TYPE_PART, *parts):
        yield layout.add(each.member)
        meter = Meter()
        async for chunk in each.open():
            meter.update(chunk)
            yield chunk
        if meter.member(each.member.name) != each.member:
            raise Changed(each.member.name)
    yield layout.end()


def _check_members(members: Sequence[Member]) -> None:
    names = _Names()
    for member in members:
        names.add(member.name)
    if size_bytes(members) > MAX_CONTAINER_BYTES:
        raise Malformed(N_("A container holds at most 4 GiB."))


_FORBIDDEN = re.compile(r'[/\\:*?"<>|]')


def check_name(name: str) -> None:
    """Raise Malformed unless `name` may stand in a container.

    Plain file names, at most 200 bytes of UTF-8 in NFC, that every system can write to disk as they are; the only
    folder is META-INF, for manifests and signatures.
    """
    if not _META.fullmatch(name) and fit_name(name) != name:
        raise Malformed(N_("A container may not hold a file named {name!r}."), name=name[:MAX_NAME_BYTES])


def fit_name(name: str) -> str:
    """The nearest name that may stand in a container: what a person's file is called there.

    Folders are cut off, characters that some system refuses become `_`, long names are shortened before their suffix.
    """
    name = unicodedata.normalize("NFC", name.replace("\\", "/").rpartition("/")[2])
    name = _FORBIDDEN.sub("_", "".join("_" if _is_hidden(character) else character for character in name))
    name = name.strip(" .")
    stem, dot, suffix = name.rpartition(".")
    tail = (dot + suffix) if stem and len(suffix.encode()) <= 20 else ""
    head = name.removesuffix(tail).encode()[: MAX_NAME_BYTES - len(tail.encode())].decode(errors="ignore")
    return (head.rstrip(" .") + tail) or "_"


def _is_hidden(character: str) -> bool:
    """Control, format (such as text direction), surrogate and unassigned characters, and line separators."""
    category = unicodedata.category(character)
    return category[0] == "C" or category in ("Zl", "Zp")


class _Names:
    """The names so far; two that differ by case alone would overwrite each other on some systems."""

    def __init__(self) -> None:
        self.are_begun = False
        self._seen = {"mimetype", "meta-inf"}

    def add(self, name: str) -> None:
        check_name(name)
        folded = name.casefold()
        if folded in self._seen:
            raise Malformed(N_("The container has two files named {name!r}."), name=name)
        self._seen.add(folded)
        if len(self._seen) > MAX_MEMBERS:
            raise Malformed(N_("The container has more than {limit} files."), limit=MAX_MEMBERS)


class _Layout:
    """The headers around members, as they are placed one after the other (PKWARE APPNOTE 6.3 §4.3)."""

    def __init__(self) -> None:
        self.offset = 0
        self._count = 0
        self._directory = bytearray()

    def add(self, member: Member) -> bytes:
        """The header before the member's bytes."""
        name = member.name.encode()
        size = member.size_bytes
        common = (_VERSION, _flags(member.name), 0, _MIDNIGHT, _FIRST_OF_1980, member.crc32, size, size, len(name), 0)
        self._directory += _CENTRAL.pack(
            _CENTRAL_SIGNATURE, _MADE_ON_UNIX, *common, 0, 0, 0, _READABLE_FILE, self.offset
        )
        self._directory += name
        self._count += 1
        self.offset += _LOCAL.size + len(name) + size
        return _LOCAL.pack(_LOCAL_SIGNATURE, *common) + name

    def end(self) -> bytes:
        """The directory that closes the file."""
        size = len(self._directory)
        return bytes(self._directory) + _END.pack(_END_SIGNATURE, 0, 0, self._count, self._count, size, self.offset, 0)


def _flags(name: str) -> int:
    return 0 if name.isascii() else _UTF8


class Visitor(Protocol):
    """Whoever wants a container's members as they pass."""

    def begin(self, name: str, size_bytes: int) -> None:
        """A member starts; raising refuses the container."""
        ...

    def data(self, chunk: memoryview) -> None:
        """Bytes of the member that started last; valid during the call only."""
        ...

    def end(self, member: Member) -> None:
        """It is complete, and its checksum agrees."""
        ...


class Reader:
    """Reads a container from chunks of any size, in one pass: `feed` each, then `close`.

    Both raise Malformed, with a sentence that says what is wrong and where. Memory stays bounded by the directory,
    a quarter of a MiB at most. The visitor is not told of `mimetype`.
    """

    def __init__(self, visitor: Visitor) -> None:
        self._visitor = visitor
        self._names = _Names()
        self._layout = _Layout()
        self._size_bytes = 0
        self._held = bytearray()
        self._wanted = 4
        self._then: Callable[[bytes], None] = self._signature
        self._member: Member | None = None
        self._meter = Meter()
        self._is_complete = False

    def feed(self, chunk: bytes) -> None:
        """More bytes of the file."""
        self._size_bytes += len(chunk)
        if self._size_bytes > MAX_CONTAINER_BYTES:
            raise Malformed(N_("A container holds at most 4 GiB."))
        view = memoryview(chunk)
        while view:
            view = self._content(self._member, view) if self._member else self._header(view)

    def close(self) -> None:
        """No more bytes: the container must be complete."""
        if not self._is_complete:
            raise Malformed(N_("The container ends too early: it was cut, or it is not a container."))

    def _header(self, view: memoryview) -> memoryview:
        """Hold what belongs to a header until all of it is there; gives the rest."""
        if self._is_complete:
            raise Malformed(N_("There are bytes after the end of the container."))
        taken = self._wanted - len(self._held)
        self._held += view[:taken]
        if len(self._held) == self._wanted:
            self._then(bytes(self._held))
        return view[taken:]

    def _expect(self, size: int, then: Callable[[bytes], None]) -> None:
        self._wanted = size
        self._then = then

    def _signature(self, held: bytes) -> None:
        signature = int.from_bytes(held, "little")
        if signature == _LOCAL_SIGNATURE:
            self._expect(_LOCAL.size, self._local)
        elif signature == _CENTRAL_SIGNATURE and self._names.are_begun:
            self._expect(len(self._layout.end()), self._directory)
        else:
            raise Malformed(
                N_("This is not an ASiC-E container: no file begins at byte {offset}."), offset=self._layout.offset
            )

    def _local(self, held: bytes) -> None:
        name_bytes = _LOCAL.unpack(held)[9]
        if not 0 < name_bytes <= MAX_NAME_BYTES:
            raise Malformed(N_("A file name in the container has {count} bytes."), count=name_bytes)
        self._expect(_LOCAL.size + name_bytes, self._named)

    def _named(self, held: bytes) -> None:
        try:
            name = held[_LOCAL.size :].decode()
        except UnicodeDecodeError as error:
            raise Malformed(N_("A file name in the container is not UTF-8.")) from error
        _, _, flags, method, _, _, crc32, _, size, _, _ = _LOCAL.unpack(held[: _LOCAL.size])
        _check_form(name, flags, method)
        if self._names.are_begun:
            self._names.add(name)
        member = Member(name=name, size_bytes=size, crc32=crc32, sha256=b"")
        self._check_mime_type(member)
        self._names.are_begun = True
        if self._layout.add(member) != held:
            raise Malformed(N_("The header of {name!r} is not in its one canonical form."), name=name)
        self._begin(member)

    def _check_mime_type(self, member: Member) -> None:
        """The first member, and only the first, says what the file is (ETSI EN 319 162-1 §A.1)."""
        if self._names.are_begun:
            return
        expected = _MIME_TYPE_PART.member
        if member.name != expected.name:
            raise Malformed(N_("The container does not begin with its mimetype, but with {name!r}."), name=member.name)
        if (member.size_bytes, member.crc32) != (expected.size_bytes, expected.crc32):
            raise Malformed(N_("The container's mimetype is not {expected}."), expected=MIME_TYPE.decode())

    def _begin(self, member: Member) -> None:
        self._held.clear()
        self._member = member
        self._meter = Meter()
        if member.name != _MIME_TYPE_PART.member.name:
            self._visitor.begin(member.name, member.size_bytes)
        if member.size_bytes == 0:
            self._end(member)

    def _content(self, member: Member, view: memoryview) -> memoryview:
        """Pass on what belongs to the member; gives the rest."""
        left = member.size_bytes - self._meter.size_bytes
        chunk = view[:left]
        self._meter.update(chunk)
        if member.name != _MIME_TYPE_PART.member.name:
            self._visitor.data(chunk)
        if self._meter.size_bytes == member.size_bytes:
            self._end(member)
        return view[left:]

    def _end(self, member: Member) -> None:
        measured = replace(member, crc32=self._meter.crc32, sha256=self._meter.sha256)
        if measured.crc32 != member.crc32:
            raise Malformed(N_("The bytes of {name!r} do not agree with their checksum."), name=member.name)
        self._member = None
        self._expect(4, self._signature)
        if member.name == _MIME_TYPE_PART.member.name:
            if measured != _MIME_TYPE_PART.member:
                raise Malformed(N_("The container's mimetype is not {expected}."), expected=MIME_TYPE.decode())
        else:
            self._visitor.end(measured)

    def _directory(self, held: bytes) -> None:
        if held != self._layout.end():
            raise Malformed(N_("The container's directory does not agree with its files."))
        self._is_complete = True


def _check_form(name: str, flags: int, method: int) -> None:
    if flags & _ENCRYPTED:
        raise Malformed(N_("{name!r} is encrypted; files in a container are stored as they are."), name=name)
    if method != 0:
        raise Malformed(N_("{name!r} is compressed; files in a container are stored as they are."), name=name)
    if flags & _DESCRIPTOR:
        raise Malformed(N_("{name!r} does not say its size before its bytes."), name=name)
