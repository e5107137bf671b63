"""Libraries and curl as mail clients: each reads and changes an account by its own means (see `sides.Side`)."""

from __future__ import annotations

import asyncio
import imaplib
import re
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self
from urllib.parse import quote

import aioimaplib
from imapclient import IMAPClient
from imapclient.imap_utf7 import decode, encode

from comgov.demo.government import PASSWORD
from tests.scenarios.programs import Server
from tests.scenarios.sides import NO_FOLDER, Marks, Side, State, digest, marks_of

_CURL_LINES = 50  # of one reply: curl 7.88 counts lines that wait again with each that it reads, up to 300 KiB
_LISTED = re.compile(rb'(?:\* )?(?:LIST )?\(([^)]*)\) "/" "?([^"\r\n]*)"?')
_FETCHED = re.compile(rb"UID (\d+) FLAGS \(([^)]*)\)")


class Library(Side):
    """One session at most, for as long as the block `opened` lasts."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._context = ssl.create_default_context(cafile=str(server.root))

    async def connect(self) -> None:
        """Sign in."""

    async def close(self) -> None:
        """Sign out."""

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Self]:
        """Signed in meanwhile."""
        await self.connect()
        try:
            yield self
        finally:
            await self.close()


class ImapClient(Library):
    """imapclient, which decodes names and parses replies itself."""

    async def connect(self) -> None:
        await asyncio.to_thread(self._connect)

    def _connect(self) -> None:
        self._client = IMAPClient("localhost", self._server.port, ssl_context=self._context, timeout=60)
        self._client.login(self._server.address, PASSWORD)

    async def close(self) -> None:
        await asyncio.to_thread(self._client.logout)

    async def state(self) -> State:
        return await asyncio.to_thread(self._state)

    def _state(self) -> State:
        found = {}
        for attributes, _, folder in self._client.list_folders():
            if NO_FOLDER & set(attributes):
                continue
            self._client.select_folder(folder, readonly=True)
            messages = self._client.fetch(self._client.search("ALL"), ["FLAGS", "BODY.PEEK[]"])
            found[folder] = Counter(
                (digest(one[b"BODY[]"]), marks_of(b" ".join(one[b"FLAGS"]))) for one in messages.values()
            )
        return found

    async def create(self, folder: str) -> None:
        await asyncio.to_thread(self._client.create_folder, folder)

    async def add(self, folder: str, contents: Sequence[bytes], marks: Collection[str] = ()) -> None:
        messages = [{"msg": content, "flags": tuple(marks)} for content in contents]
        await asyncio.to_thread(self._client.multiappend, folder, messages)

    async def mark(self, folder: str, name: str, add: Collection[str], remove: Collection[str] = ()) -> None:
        await asyncio.to_thread(self._mark, folder, name, add, remove)

    def _mark(self, folder: str, name: str, add: Collection[str], remove: Collection[str]) -> None:
        uids = self._uids(folder, [name])
        self._client.add_flags(uids, list(add), silent=True)
        told = self._client.remove_flags(uids, list(remove))
        assert all(not set(remove) & {flag.decode() for flag in flags} for flags in told.values())

    async def move(self, folder: str, names: Collection[str], to: str) -> None:
        await asyncio.to_thread(lambda: self._client.move(self._uids(folder, names), to))

    async def remove(self, folder: str, names: Collection[str]) -> None:
        await asyncio.to_thread(self._remove, folder, names)

    def _remove(self, folder: str, names: Collection[str]) -> None:
        uids = self._uids(folder, names)
        self._client.delete_messages(uids, silent=True)
        self._client.uid_expunge(uids)

    def _uids(self, folder: str, names: Collection[str]) -> list[int]:
        self._client.select_folder(folder)
        found = self._client.fetch(self._client.search("ALL"), ["BODY.PEEK[]"])
        return [uid for uid, one in found.items() if digest(one[b"BODY[]"]) in names]


class ImapLib(Library):
    """The library that comes with Python."""

    async def connect(self) -> None:
        await asyncio.to_thread(self._connect)

    def _connect(self) -> None:
        self._client = imaplib.IMAP4_SSL("localhost", self._server.port, ssl_context=self._context, timeout=60)
        self._client.login(self._server.address, PASSWORD)

    async def close(self) -> None:
        await asyncio.to_thread(self._client.logout)

    async def state(self) -> State:
        return await asyncio.to_thread(self._state)

    def _state(self) -> State:
        return {
            folder: Counter((name, marks) for _, name, marks in self._messages(folder))
            for folder in _names_listed(self._do(self._client.list))
        }

    async def create(self, folder: str) -> None:
        await asyncio.to_thread(self._do, self._client.create, _quoted(folder))

    async def add(self, folder: str, contents: Sequence[bytes], marks: Collection[str] = ()) -> None:
        for content in contents:
            flags = f"({' '.join(marks)})"
            await asyncio.to_thread(self._do, self._client.append, _quoted(folder), flags, None, content)

    async def mark(self, folder: str, name: str, add: Collection[str], remove: Collection[str] = ()) -> None:
        for sign, marks in (("+", add), ("-", remove)):
            await self._uid(folder, [name], "STORE", f"{sign}FLAGS", f"({' '.join(marks)})")

    async def move(self, folder: str, names: Collection[str], to: str) -> None:
        await self._uid(folder, names, "COPY", _quoted(to))
        await self.remove(folder, names)

    async def remove(self, folder: str, names: Collection[str]) -> None:
        await self._uid(folder, names, "STORE", "+FLAGS.SILENT", "(\\Deleted)")
        await asyncio.to_thread(self._do, self._client.expunge)

    async def _uid(self, folder: str, names: Collection[str], command: str, *arguments: str) -> None:
        def uid() -> None:
            uids = ",".join(str(uid) for uid, name, _ in self._messages(folder, readonly=False) if name in names)
            self._do(self._client.uid, command, uids, *arguments)

        await asyncio.to_thread(uid)

    def _messages(self, folder: str, *, readonly: bool = True) -> list[tuple[int, str, Marks]]:
        self._do(self._client.select, _quoted(folder), readonly)
        fetched = self._do(self._client.uid, "FETCH", "1:*", "(FLAGS BODY.PEEK[])")
        return [_fetched(one[0], one[1]) for one in fetched if isinstance(one, tuple)]

    def _do(self, command: Callable[..., tuple[str, Any]], *arguments: Any) -> Any:
        status, data = command(*arguments)
        assert status == "OK", (command, data)
        return data


class AioImapLib(Library):
    """aioimaplib, on asyncio."""

    async def connect(self) -> None:
        self._client = aioimaplib.IMAP4_SSL("localhost", self._server.port, ssl_context=self._context, timeout=60)
        await self._client.wait_hello_from_server()
        await self._do(self._client.login(self._server.address, PASSWORD))

    async def close(self) -> None:
        await self._do(self._client.logout())

    async def state(self) -> State:
        found = {}
        for folder in _names_listed((await self._do(self._client.list('""', "*")))[:-1]):
            found[folder] = Counter((name, marks) for _, name, marks in await self._messages(folder))
        return found

    async def create(self, folder: str) -> None:
        await self._do(self._client.create(_quoted(folder)))

    async def add(self, folder: str, contents: Sequence[bytes], marks: Collection[str] = ()) -> None:
        for content in contents:
            await self._do(self._client.append(content, _quoted(folder), flags=" ".join(marks) or None))

    async def mark(self, folder: str, name: str, add: Collection[str], remove: Collection[str] = ()) -> None:
        for sign, marks in (("+", add), ("-", remove)):
            await self._uid(folder, [name], "store", f"{sign}FLAGS", f"({' '.join(marks)})")

    async def move(self, folder: str, names: Collection[str], to: str) -> None:
        await self._uid(folder, names, "move", _quoted(to))

    async def remove(self, folder: str, names: Collection[str]) -> None:
        await self._uid(folder, names, "store", "+FLAGS.SILENT", "(\\Deleted)")
        await self._uid(folder, names, "expunge")

    async def hear(self, folder: str, until: bytes, seconds: float) -> None:
        """Wait in that folder (IDLE) until the server says this; TimeoutError when it does not in time."""
        await self._do(self._client.select(_quoted(folder)))
        ended = await self._client.idle_start(timeout=seconds)
        while not any(until in line for line in await self._client.wait_server_push(seconds)):
            pass
        self._client.idle_done()
        await asyncio.wait_for(ended, seconds)

    async def _uid(self, folder: str, names: Collection[str], command: str, *arguments: str) -> None:
        uids = ",".join(str(uid) for uid, name, _ in await self._messages(folder) if name in names)
        await self._do(self._client.uid(command, uids, *arguments))

    async def _messages(self, folder: str) -> list[tuple[int, str, Marks]]:
        await self._do(self._client.select(_quoted(folder)))
        lines = await self._do(self._client.uid("fetch", "1:*", "(FLAGS BODY.PEEK[])"))
        return [_fetched(line, bytes(lines[place + 1])) for place, line in enumerate(lines) if line.endswith(b"}")]

    async def _do(self, doing: Any) -> list[bytes]:
        response = await doing
        assert response.result == "OK", response
        return response.lines


class Curl(Library):
    """curl: a process for each command, as scripts have it. What it pulls by URL is seen thereby."""

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self._digests: dict[tuple[str, int], str] = {}

    async def state(self) -> State:
        found = {}
        for folder in _names_listed((await self._do("", 'LIST "" *')).splitlines()):
            found[folder] = Counter((name, marks) for _, name, marks in await self._messages(folder))
        return found

    async def create(self, folder: str) -> None:
        await self._do("", f"CREATE {_quoted(folder)}")

    async def add(self, folder: str, contents: Sequence[bytes], marks: Collection[str] = ()) -> None:
        with TemporaryDirectory() as made:
            for content in contents:
                file = Path(made) / "message"
                file.write_bytes(content)
                await self._run("--upload-file", str(file), self._url(folder))
        await self._uid(folder, {digest(content) for content in contents}, f"STORE {{}} FLAGS ({' '.join(marks)})")

    async def mark(self, folder: str, name: str, add: Collection[str], remove: Collection[str] = ()) -> None:
        for sign, marks in (("+", add), ("-", remove)):
            await self._uid(folder, [name], f"STORE {{}} {sign}FLAGS ({' '.join(marks)})")

    async def move(self, folder: str, names: Collection[str], to: str) -> None:
        await self._uid(folder, names, f"MOVE {{}} {_quoted(to)}")

    async def remove(self, folder: str, names: Collection[str]) -> None:
        await self._uid(folder, names, "STORE {} +FLAGS.SILENT (\\Deleted)")
        await self._uid(folder, names, "EXPUNGE {}")

    async def _uid(self, folder: str, names: Collection[str], command: str) -> None:
        uids = ",".join(str(uid) for uid, name, _ in await self._messages(folder) if name in names)
        await self._do(folder, f"UID {command.format(uids)}")

    async def _messages(self, folder: str) -> list[tuple[int, str, Marks]]:
        found: list[tuple[int, str, Marks]] = []
        uids = (await self._do(folder, "UID SEARCH ALL")).split()[2:]
        for start in range(0, len(uids), _CURL_LINES):
            told = await self._do(
                folder, f"UID FETCH {b','.join(uids[start : start + _CURL_LINES]).decode()} (UID FLAGS)"
            )
            marks = {int(one[1]): marks_of(one[2]) for one in _FETCHED.finditer(told)}
            if new := [uid for uid in marks if (folder, uid) not in self._digests]:
                await self._pull(folder, new)
                if unseen := ",".join(str(uid) for uid in new if "\\Seen" not in marks[uid]):
                    await self._do(folder, f"UID STORE {unseen} -FLAGS.SILENT (\\Seen)")
            found += [(uid, self._digests[folder, uid], marks[uid]) for uid in marks]
        return found

    async def _pull(self, folder: str, uids: Sequence[int]) -> None:
        """All over one connection."""
        with TemporaryDirectory() as made:
            wanted = [part for uid in uids for part in (f"{self._url(folder)};UID={uid}", "-o", f"{made}/{uid}")]
            await self._run(*wanted)
            for uid in uids:
                self._digests[folder, uid] = digest((Path(made) / str(uid)).read_bytes())

    async def _do(self, folder: str, command: str) -> bytes:
        return await self._run(self._url(folder), "--request", command)

    def _url(self, folder: str) -> str:
        return f"imaps://localhost:{self._server.port}/{quote(encode(folder), safe='')}"

    async def _run(self, *arguments: str) -> bytes:
        process = await asyncio.create_subprocess_exec(
            *("curl", "--silent", "--show-error", "--cacert", str(self._server.root)),
            *("--user", f"{self._server.address}:{PASSWORD}", *arguments),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        said, complaint = await process.communicate()
        assert process.returncode == 0, (arguments[-4:], complaint)
        return said


def _quoted(name: str) -> str:
    return f'"{encode(name).decode("ascii")}"'


def _names_listed(lines: Iterable[bytes]) -> Iterator[str]:
    for line in lines:
        found = _LISTED.match(line)
        assert found is not None, line
        if not NO_FOLDER & set(found[1].split()):
            yield decode(found[2])


def _fetched(head: bytes, content: bytes) -> tuple[int, str, Marks]:
    found = _FETCHED.search(head)
    assert found is not None, head
    return int(found[1]), digest(content), marks_of(found[2])
