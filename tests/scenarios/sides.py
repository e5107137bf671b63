"""Two sides that a mail program keeps equal: an account on the server, and what the program holds of it.

Both say the same of themselves (`state`) and can be changed the same way, so that one life is led on either.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from tests.mail.imap.client import Client

Marks: TypeAlias = frozenset[str]
"""Flags and keywords, as IMAP writes them."""
State: TypeAlias = Mapping[str, Counter[tuple[str, Marks]]]
"""By folder, INBOX or a name such as `Dossiers/Décisions`: how many messages there are of each digest and marks."""

NO_FOLDER = {b"\\Noselect", b"\\NonExistent"}
"""Attributes of names that only stand above folders."""

_ADDED = re.compile(rb"^X-TUID: [^\n]*\n", re.MULTILINE)
_KEPT = {b"\\Drafts", b"\\Sent", b"\\Trash", b"\\Junk", b"\\Archive"}
_LIST = re.compile(rb'\* LIST \(([^)]*)\) "/" "?([^"]*)"?\Z')
_FETCHED = re.compile(rb"\* \d+ FETCH \(UID (\d+) FLAGS \(([^)]*)\)")
_BODY = re.compile(rb"\* \d+ FETCH \(UID (\d+) BODY\[\] \{\d+\}\r\n(.*)\)\Z", re.DOTALL)


def digest(content: bytes) -> str:
    """Of the bytes of a message, three things aside that programs do to their copies: line ends are as on disk, mbsync
    adds a line by which it finds again what it puts on a server, offlineimap puts a space into an empty field."""
    plain = content.replace(b"\r\n", b"\n").replace(b": \n", b":\n")
    return hashlib.sha256(_ADDED.sub(b"", plain)).hexdigest()[:16]


class Side(ABC):
    """Messages are named by their digests."""

    @abstractmethod
    async def state(self) -> State:
        """All of it."""

    @abstractmethod
    async def create(self, folder: str) -> None:
        """A folder, and those above it."""

    @abstractmethod
    async def add(self, folder: str, contents: Sequence[bytes], marks: Collection[str] = ()) -> None:
        """New messages."""

    @abstractmethod
    async def mark(self, folder: str, name: str, add: Collection[str], remove: Collection[str] = ()) -> None:
        """Other marks on a message."""

    @abstractmethod
    async def move(self, folder: str, names: Collection[str], to: str) -> None:
        """Messages to another folder, their marks with them."""

    @abstractmethod
    async def remove(self, folder: str, names: Collection[str]) -> None:
        """Messages away for good."""


class Account(Side):
    """On the server, by its own commands: names go in UTF-8, which is not how the programs say them."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._digests: dict[str, dict[int, str]] = {}

    @classmethod
    async def open(cls, client: Client, address: str, password: str) -> Account:
        """Sign in, and away with everything that others left there."""
        account = cls(client)
        await account._say(f"LOGIN {address} {password}")
        await account._say("ENABLE UTF8=ACCEPT")
        for name, attributes in (await account._list()).items():
            await account._say(f'SELECT "{name}"')
            await account._say("UID STORE 1:* +FLAGS.SILENT (\\Deleted)")
            await account._say("CLOSE")
            if name != "INBOX" and not _KEPT & attributes:
                await account._say(f'DELETE "{name}"')
        return account

    async def versions(self) -> list[bytes]:
        """Of each folder UIDNEXT and HIGHESTMODSEQ: they stay as they are when nothing happens."""
        found = await self._say('LIST "" * RETURN (STATUS (UIDNEXT HIGHESTMODSEQ MESSAGES))')
        return sorted(line for line in found if line.startswith(b"* STATUS"))

    async def state(self) -> State:
        found = {}
        for folder in await self._list():
            await self._say(f'EXAMINE "{folder}"')
            names = await self._names(folder)
            marked = map(_FETCHED.match, await self._say("UID FETCH 1:* FLAGS"))
            found[folder] = Counter((names[int(one[1])], marks_of(one[2])) for one in marked if one is not None)
        return found

    async def create(self, folder: str) -> None:
        levels = folder.split("/")
        for depth in range(1, len(levels) + 1):
            await self._say(f'CREATE "{"/".join(levels[:depth])}"', may_fail=depth < len(levels))

    async def add(self, folder: str, contents: Sequence[bytes], marks: Collection[str] = ()) -> None:
        for start in range(0, len(contents), 100):
            some = contents[start : start + 100]
            await self._say(f'APPEND "{folder}"' + f" ({' '.join(marks)}) {{}}" * len(some), *some)

    async def mark(self, folder: str, name: str, add: Collection[str], remove: Collection[str] = ()) -> None:
        uids = await self._select(folder, [name])
        await self._say(f"UID STORE {uids} +FLAGS.SILENT ({' '.join(add)})")
        await self._say(f"UID STORE {uids} -FLAGS.SILENT ({' '.join(remove)})")

    async def move(self, folder: str, names: Collection[str], to: str) -> None:
        await self._say(f'UID MOVE {await self._select(folder, names)} "{to}"')

    async def remove(self, folder: str, names: Collection[str]) -> None:
        uids = await self._select(folder, names)
        await self._say(f"UID STORE {uids} +FLAGS.SILENT (\\Deleted)")
        await self._say(f"UID EXPUNGE {uids}")

    async def _list(self) -> dict[str, set[bytes]]:
        found = map(_LIST.match, (await self._say('LIST "" *'))[:-1])
        every = {one[2].decode(): set(one[1].split()) for one in found if one is not None}
        return {name: attributes for name, attributes in every.items() if not NO_FOLDER & attributes}

    async def _select(self, folder: str, names: Collection[str]) -> str:
        await self._say(f'SELECT "{folder}"')
        return ",".join(str(uid) for uid, name in (await self._names(folder)).items() if name in names)

    async def _names(self, folder: str) -> dict[int, str]:
        """Digests by UID, of the folder that is open: of those that are there and that were."""
        known = self._digests.setdefault(folder, {})
        for line in await self._say(f"UID FETCH {max(known, default=0) + 1}:* BODY.PEEK[]"):
            if found := _BODY.match(line):
                known[int(found[1])] = digest(found[2])
        return known

    async def _say(self, command: str, *literals: bytes, may_fail: bool = False) -> list[bytes]:
        told = await self._client.say(command, *literals)
        assert may_fail or told[-1].startswith(b"OK"), (command, told[-1])
        return told


def marks_of(text: bytes) -> Marks:
    """Flags and keywords, as they stand between the parentheses."""
    return frozenset(text.decode("ascii").split()) - {"\\Recent"}


class Maildir(Side):
    """On disk, a Maildir for each folder.

    letters: of the marks that stand in a file's name. encode, decode: of folders' names, as the program writes them.
    """

    def __init__(
        self, root: Path, letters: Mapping[str, str], *, encode: Callable[[str], str], decode: Callable[[str], str]
    ) -> None:
        self._root = root
        self._letters = letters
        self._marks = {letter: mark for mark, letter in letters.items()}
        self._encode = encode
        self._decode = decode

    async def state(self) -> State:
        return {
            self._decode(str(path.relative_to(self._root))): Counter(
                (digest(file.read_bytes()), self._marks_of(file)) for file in _files(path)
            )
            for path in self._root.rglob("*")
            if (path / "cur").is_dir()
        }

    async def create(self, folder: str) -> None:
        levels = folder.split("/")
        for depth in range(1, len(levels) + 1):
            for part in ("cur", "new", "tmp"):
                (self._path("/".join(levels[:depth])) / part).mkdir(parents=True, exist_ok=True)

    async def add(self, folder: str, contents: Sequence[bytes], marks: Collection[str] = ()) -> None:
        for content in contents:
            (self._path(folder) / "cur" / self._new_name(marks)).write_bytes(content.replace(b"\r\n", b"\n"))

    async def mark(self, folder: str, name: str, add: Collection[str], remove: Collection[str] = ()) -> None:
        for file in self._named(folder, [name]):
            marks = self._marks_of(file) - set(remove) | set(add)
            file.rename(file.parent.parent / "cur" / f"{file.name.partition(':')[0]}{self._info(marks)}")

    async def move(self, folder: str, names: Collection[str], to: str) -> None:
        for file in self._named(folder, names):
            file.rename(self._path(to) / "cur" / self._new_name(self._marks_of(file)))

    async def remove(self, folder: str, names: Collection[str]) -> None:
        for file in self._named(folder, names):
            file.unlink()

    def _path(self, folder: str) -> Path:
        return self._root / self._encode(folder)

    def _named(self, folder: str, names: Collection[str]) -> list[Path]:
        return [file for file in _files(self._path(folder)) if digest(file.read_bytes()) in names]

    def _marks_of(self, file: Path) -> Marks:
        return frozenset(self._marks[letter] for letter in file.name.rpartition(":2,")[2] if ":2," in file.name)

    def _new_name(self, marks: Collection[str]) -> str:
        return f"1795420800.{os.getpid()}_{secrets.token_hex(6)}.test{self._info(marks)}"

    def _info(self, marks: Collection[str]) -> str:
        return ":2," + "".join(sorted(self._letters[mark] for mark in marks))


def _files(folder: Path) -> list[Path]:
    return [file for part in ("cur", "new") for file in (folder / part).iterdir() if not file.name.startswith(".")]
