"""A mail program that believes no more than it may (`mirror`) and speaks at once when the server contradicts itself."""

from __future__ import annotations

import asyncio
import re
import zlib
from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ssl import SSLContext

from mail.mailbox.sequence import compress
from tests.mail.imap import grammar
from tests.mail.imap.client import Client
from tests.mail.imap.mirror import Flags, Inconsistent, Ledger, Memory, Mirror, digest

_NUMBERED = re.compile(rb"\* (\d+) (EXISTS|RECENT|EXPUNGE|FETCH)(?: (.*))?", re.DOTALL)
_VANISHED = re.compile(rb"\* VANISHED (\(EARLIER\) )?([\d,:]+)")
_CODE = re.compile(rb"(?:\* )?(OK|NO|BAD|BYE|PREAUTH) \[([A-Z]+)(?: ([^\]]*))?\]")
_OTHER = (b"* OK ", b"* LIST ", b"* FLAGS ", b"* CAPABILITY ", b"* ENABLED", b"* SEARCH", b"* ESEARCH", b"* NO ", b"+ ")
_BY_NUMBERS = ("FETCH", "STORE", "SEARCH")
_READ_BYTES = 64 * 1024


class Lost(Exception):
    """The connection is gone, or the server as good as gone."""


class Deflated:
    """Both ends of a deflated connection (RFC 4978), as a stream's."""

    def __init__(self, client: Client) -> None:
        self._reader = client.reader
        self._writer = client.writer
        self._inflater = zlib.decompressobj(-15)
        self._deflater = zlib.compressobj(wbits=-15)
        self._pending = bytearray()

    async def readline(self) -> bytes:
        while (end := self._pending.find(b"\n")) < 0:
            await self._receive()
        return self._cut(end + 1)

    async def readexactly(self, size: int) -> bytes:
        while len(self._pending) < size:
            await self._receive()
        return self._cut(size)

    async def _receive(self) -> None:
        piece = await self._reader.read(_READ_BYTES)
        if not piece:
            raise asyncio.IncompleteReadError(bytes(self._pending), None)
        self._pending += self._inflater.decompress(piece)

    def _cut(self, size: int) -> bytes:
        taken = bytes(self._pending[:size])
        del self._pending[:size]
        return taken

    def write(self, raw: bytes) -> None:
        self._writer.write(self._deflater.compress(raw) + self._deflater.flush(zlib.Z_SYNC_FLUSH))

    async def drain(self) -> None:
        await self._writer.drain()


@dataclass
class Answer:
    """The end of a command. status: OK, NO or BAD. code: of the response code, its arguments in `arguments`."""

    status: str
    text: str
    code: str = ""
    arguments: str = ""
    lines: list[bytes] = field(default_factory=list)

    @property
    def is_ok(self) -> bool:
        return self.status == "OK"


class Program:
    """One session. level: `plain`, `condstore` or `qresync`. ledger: of all programs of that person.

    told, quiet: UIDs whose flags, or whose MODSEQ alone, the command under way told. transcript: what was last said.
    """

    def __init__(self, client: Client, ledger: Ledger, level: str) -> None:
        self.client = client
        self.ledger = ledger
        self.level = level
        self.mirror: Mirror | None = None
        self._opening: Mirror | None = None
        self._name = ""
        self.told: set[int] = set()
        self.quiet: dict[int, int] = {}
        self._silent: set[int] = set()
        self.copied: list[tuple[str, str, str]] = []
        self.numbers_found: list[int] = []
        self.transcript: deque[bytes] = deque(maxlen=60)

    # Commands as they are

    async def begin(self, login: str, password: str, *, is_deflated: bool, is_rev2: bool = False) -> None:
        """Sign in and say what is understood."""
        self.must(await self.command(f"LOGIN {login} {password}"))
        if is_rev2:
            self.must(await self.command("ENABLE IMAP4rev2"))
        if self.level != "plain":
            self.must(await self.command(f"ENABLE {self.level.upper()}"))
        if is_deflated:
            self.must(await self.command("COMPRESS DEFLATE"))
            streams = Deflated(self.client)
            self.client.reader = streams  # type: ignore[assignment]
            self.client.writer = streams  # type: ignore[assignment]

    async def command(self, text: str, *literals: bytes) -> Answer:
        """Say it, take in what is told, give how it ended. Raises Lost, Inconsistent."""
        self._name = text.partition(" ")[0]
        self.told, self.quiet, self.copied = set(), {}, []
        self.client.commands += 1
        tag = b"t%d" % self.client.commands
        pieces = text.encode().split(b"{}")
        raw = tag + b" " + pieces[0]
        for literal, rest in zip(literals, pieces[1:], strict=True):
            raw += b"{%d+}\r\n%b%b" % (len(literal), literal, rest)
        await self._send(raw + b"\r\n")
        return await self._until(tag)

    async def idle(self, seconds: float) -> Answer:
        """IDLE for a while; what is told meanwhile is taken in as it comes."""
        self._name = "IDLE"
        self.client.commands += 1
        tag = b"t%d" % self.client.commands
        await self._send(tag + b" IDLE\r\n")
        ending = asyncio.create_task(self._done_after(seconds))
        try:
            answer = await self._until(tag)
        finally:
            ending.cancel()
            await asyncio.gather(ending, return_exceptions=True)
        return answer

    async def _done_after(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self._send(b"DONE\r\n")

    async def _send(self, raw: bytes) -> None:
        self.transcript.append(b"C: " + raw[:200])
        try:
            await self.client.send(raw)
        except OSError as error:
            raise Lost(str(error)) from error

    async def _line(self) -> bytes:
        try:
            return await self.client.line()
        except (AssertionError, OSError, asyncio.IncompleteReadError, TimeoutError) as error:
            raise Lost(f"{type(error).__name__} in {self._name}: {error!s:.200}") from error

    async def _until(self, tag: bytes) -> Answer:
        lines = []
        while True:
            line = await self._line()
            if line.startswith(tag + b" "):
                self.transcript.append(b"S: " + line[:200])
                return self._answer(line.removeprefix(tag + b" "), lines)
            self.transcript.append(b"S: " + line[:200])
            self._take(line)
            lines.append(line)

    def _answer(self, text: bytes, lines: list[bytes]) -> Answer:
        status = text.partition(b" ")[0].decode()
        if status not in ("OK", "NO", "BAD"):
            raise Inconsistent(f"{self._name} is answered {text!r}")
        if status == "BAD":
            raise Inconsistent(f"{self._name} is answered {text!r}")
        answer = Answer(status, text.decode(), lines=lines)
        if found := _CODE.match(text):
            answer.code, answer.arguments = found[2].decode(), (found[3] or b"").decode()
        return answer

    def must(self, answer: Answer) -> Answer:
        """It must be OK; Lost when a part of the server is down."""
        if answer.code == "UNAVAILABLE":
            raise Lost(answer.text)
        if not answer.is_ok:
            raise Inconsistent(f"{self._name} is answered {answer.text}")
        return answer

    # What is told

    def _take(self, line: bytes) -> None:
        if found := _NUMBERED.fullmatch(line):
            self._take_numbered(int(found[1]), found[2], found[3])
        elif found := _VANISHED.fullmatch(line):
            self._take_vanished(grammar.numbers(found[2].decode()), is_earlier=found[1] is not None)
        elif line.startswith(b"* BYE"):
            raise Lost(line.decode())
        elif found := _CODE.match(line):
            self._take_code(found[2].decode(), (found[3] or b"").decode())
        elif line.startswith((b"* SEARCH", b"* ESEARCH")):
            self._take_search(line)
        elif not line.startswith(_OTHER):
            raise Inconsistent(f"{self._name} is told {line!r}")

    def _take_numbered(self, number: int, what: bytes, rest: bytes | None) -> None:
        mirror = self.mirror
        if mirror is None:
            raise Inconsistent(f"{what.decode()} while no mailbox is open")
        if what == b"EXISTS":
            mirror.exists(number)
        elif what == b"EXPUNGE":
            self._check_may_go()
            if self.level == "qresync":
                raise Inconsistent("EXPUNGE although QRESYNC is enabled")
            mirror.expunge(number)
        elif what == b"FETCH":
            self._take_fetch(mirror, number, rest or b"")

    def _take_fetch(self, mirror: Mirror, number: int, rest: bytes) -> None:
        (values,) = grammar.read(rest)
        assert isinstance(values, list)
        items = grammar.fetched(values)
        uid = mirror.fetched(number, items)
        if "FLAGS" in items:
            self.told.add(uid)
            self.quiet.pop(uid, None)
        elif "MODSEQ" in items:
            if uid not in self._silent:
                raise Inconsistent(f"{self._name} is told of {uid}, and not its flags: {rest!r:.200}")
            self.quiet[uid] = mirror.modseqs[uid]

    def _take_vanished(self, uids: list[int], *, is_earlier: bool) -> None:
        if self.mirror is None or self.level != "qresync":
            raise Inconsistent("VANISHED to one who did not ask for it")
        if is_earlier:
            self.mirror.vanished_earlier(uids)
        else:
            self._check_may_go()
            self.mirror.vanish(uids)

    def _check_may_go(self) -> None:
        if self._name in _BY_NUMBERS:
            raise Inconsistent(f"a number is taken away during {self._name}")

    def _take_code(self, code: str, arguments: str) -> None:
        if code == "CLOSED":
            self.mirror, self._opening = self._opening, None
        elif code == "COPYUID":
            self._take_copied(arguments)
        elif self.mirror is not None:
            told = {
                "UIDVALIDITY": self.mirror.told_uidvalidity,
                "UIDNEXT": self.mirror.told_uidnext,
                "HIGHESTMODSEQ": self.mirror.told_highest_modseq,
            }.get(code)
            if told is not None:
                told(int(arguments))

    def _take_copied(self, arguments: str) -> None:
        validity, source, target = arguments.split(" ")
        self.copied.append((validity, source, target))

    def _take_search(self, line: bytes) -> None:
        words = line.decode().split(" ")
        if words[1] == "SEARCH":
            self.numbers_found = [int(word) for word in words[2:]]
        else:
            self.numbers_found = grammar.numbers(words[words.index("ALL") + 1]) if "ALL" in words else []

    # Commands and what they mean

    async def select(self, box: str, memory: Memory | None = None) -> None:
        """Open a mailbox; with a memory by QRESYNC, and then everything in it is looked at again."""
        if memory is not None and memory.uidvalidity != self.ledger.uidvalidity.get(box):
            memory = None
        opening = Mirror(self.ledger, box, knows_modseq=self.level != "plain", memory=memory)
        if self.mirror is None:
            self.mirror = opening
        else:
            self._opening = opening
        how = ""
        if memory is not None:
            how = f" (QRESYNC ({memory.uidvalidity} {max(1, memory.modseq)}))"
        try:
            self.must(await self.command(f"SELECT {box}{how}"))
        except BaseException:
            self.mirror = self._opening = None
            raise
        if self.mirror is not opening:
            raise Inconsistent("a mailbox was opened while another one was not closed")
        opening.opened()
        await self.look("1:*")

    async def look(self, numbers: str) -> None:
        """UIDs, flags and all that goes with them, by number."""
        if self.mirror is None or not self.mirror.uids:
            return
        modseq = "" if self.level == "plain" else " MODSEQ"
        self.must(await self.command(f"FETCH {numbers} (UID FLAGS{modseq} EMAILID)"))

    async def look_at_new(self) -> None:
        """What is only known by its number."""
        mirror = self.mirror
        if mirror is not None and 0 in mirror.uids:
            await self.look(f"{mirror.uids.index(0) + 1}:*")

    async def store(
        self, uids: Sequence[int], action: str, flags: Iterable[str], *, is_silent: bool, by_uid: bool, since: int = 0
    ) -> None:
        """STORE; of a silent one the program knows the result itself, unless it is told (RFC 9051 §6.4.6)."""
        mirror = self.open
        named = compress(uids if by_uid else sorted(mirror.uids.index(uid) + 1 for uid in uids)).decode()
        before = {uid: mirror.flags[uid] for uid in uids}
        unchanged = f" (UNCHANGEDSINCE {since})" if since else ""
        wanted = frozenset(flags)
        verb = f"{'UID ' if by_uid else ''}STORE {named}{unchanged} {action}FLAGS{'.SILENT' if is_silent else ''}"
        self._silent = set(uids) if is_silent else set()
        try:
            answer = self.must(await self.command(f"{verb} ({' '.join(sorted(wanted))})"))
        finally:
            self._silent = set()
        refused: set[int] = set()
        if answer.code == "MODIFIED":
            found = grammar.numbers(answer.arguments)
            refused = set(found if by_uid else [mirror.uids[number - 1] for number in found])
        for uid in uids:
            if is_silent and uid not in self.told and uid not in refused and uid in mirror.flags:
                mirror.flags[uid] = _applied(before[uid], action, wanted)
                if uid in self.quiet:
                    self.ledger.flagged(mirror.box, uid, self.quiet[uid], mirror.flags[uid])
        self._over(by_uid=by_uid)

    async def append(self, box: str, *contents: bytes, flags: Iterable[str] = ()) -> None:
        """APPEND, of several at once too."""
        digests = [digest(content) for content in contents]
        self.ledger.doubtful.update(digests)
        said = " ".join([f"({' '.join(flags)}) {{}}"] * len(contents))
        answer = self.must(await self.command(f"APPEND {box} {said}", *contents))
        validity, uids = answer.arguments.split(" ")
        self.ledger.opened(box, int(validity))
        given = grammar.numbers(uids)
        if answer.code != "APPENDUID" or len(given) != len(contents):
            raise Inconsistent(f"APPEND of {len(contents)} is answered {answer.text}")
        self.ledger.doubtful.difference_update(digests)
        for uid, content in zip(given, digests, strict=True):
            self.ledger.bear(box, uid, f"APPEND in {answer.text}", content)

    async def copy(self, uids: Sequence[int], box: str, *, by_uid: bool, is_move: bool = False) -> None:
        """COPY and MOVE: each copy is the message it was made of."""
        mirror = self.open
        named = compress(uids if by_uid else sorted(mirror.uids.index(uid) + 1 for uid in uids)).decode()
        verb = f"{'UID ' if by_uid else ''}{'MOVE' if is_move else 'COPY'}"
        answer = self.must(await self.command(f"{verb} {named} {box}"))
        if answer.code == "COPYUID":
            self._take_copied(answer.arguments)
        for validity, source, target in self.copied:
            self.ledger.opened(box, int(validity))
            pairs = zip(grammar.numbers(source), grammar.numbers(target), strict=True)
            for uid, new_uid in pairs:
                self.ledger.bear(box, new_uid, f"{verb} {uid} in {answer.text}")
                if email_id := self.ledger.email_ids.get((mirror.box, uid)):
                    self.ledger.identify(box, new_uid, email_id)
                if is_move and uid in mirror.uids:
                    raise Inconsistent(f"UID {uid} was moved and is still there")
        self._told_latest(answer)
        self._over(by_uid=True)

    def _told_latest(self, answer: Answer) -> None:
        """HIGHESTMODSEQ in the tagged reply (RFC 7162 §3.2.7)."""
        if answer.code == "HIGHESTMODSEQ":
            self.open.told_highest_modseq(int(answer.arguments))

    async def expunge(self, uids: Sequence[int] | None) -> None:
        """EXPUNGE, or UID EXPUNGE of some: what has \\Deleted and is known is gone when it ends."""
        named = "EXPUNGE" if uids is None else f"UID EXPUNGE {compress(uids).decode()}"
        self._told_latest(self.must(await self.command(named)))
        self._over(by_uid=True)

    async def close(self) -> Memory | None:
        """CLOSE; gives what is worth remembering."""
        memory = self.open.remember()
        self.must(await self.command("CLOSE"))
        self.mirror = None
        return memory

    async def unselect(self) -> Memory | None:
        """UNSELECT; gives what is worth remembering."""
        memory = self.open.remember()
        self.must(await self.command("UNSELECT"))
        self.mirror = None
        return memory

    async def fetch(self, uids: Sequence[int], items: str, *, by_uid: bool) -> None:
        mirror = self.open
        named = compress(uids if by_uid else sorted(mirror.uids.index(uid) + 1 for uid in uids)).decode()
        self.must(await self.command(f"{'UID ' if by_uid else ''}FETCH {named} ({items})"))
        self._over(by_uid=by_uid)

    async def catch_up(self) -> None:
        """UID FETCH with CHANGEDSINCE and VANISHED (RFC 7162 §3.2.6)."""
        since = max(1, self.open.synced)
        self.must(await self.command(f"UID FETCH 1:* (UID FLAGS) (CHANGEDSINCE {since} VANISHED)"))
        self._over(by_uid=True)

    async def search(self, key: str, *, by_uid: bool, returns: str = "") -> list[int]:
        """SEARCH; what it finds must be what has a number."""
        mirror = self.open
        self.numbers_found = []
        known, count = set(mirror.uids), len(mirror.uids)
        last = max(mirror.uids, default=0)
        self.must(await self.command(f"{'UID ' if by_uid else ''}SEARCH {returns}{key}"))
        for found in self.numbers_found:
            is_there = (found in known or (0 in known and found > last)) if by_uid else 1 <= found <= count
            if not is_there:
                raise Inconsistent(f"SEARCH finds {found} among {count} up to {last}")
        self._over(by_uid=by_uid)
        return self.numbers_found

    async def noop(self) -> Answer:
        answer = self.must(await self.command("NOOP"))
        self._over(by_uid=True)
        return answer

    def _over(self, *, by_uid: bool) -> None:
        """By numbers, what is gone may still be untold."""
        if by_uid and self.mirror is not None:
            self.mirror.all_told()

    @property
    def open(self) -> Mirror:
        assert self.mirror is not None
        return self.mirror


def _applied(flags: Flags, action: str, wanted: Flags) -> Flags:
    wanted = frozenset(one.lower() for one in wanted)
    return {"+": flags | wanted, "-": flags - wanted, "": wanted}[action]


@asynccontextmanager
async def connect(port: int, context: SSLContext) -> AsyncIterator[Client]:
    """A connection in TLS, past its greeting. Raises Lost."""
    try:
        reader, writer = await _open(port, context)
    except (OSError, TimeoutError) as error:
        raise Lost(f"no connection: {error}") from error
    try:
        client = Client(reader, writer)
        try:
            greeting = await client.line()
        except (AssertionError, OSError, TimeoutError) as error:
            raise Lost(f"no greeting: {error}") from error
        if not greeting.startswith(b"* OK "):
            raise Lost(greeting.decode())
        yield client
    finally:
        writer.transport.abort()


async def _open(port: int, context: SSLContext) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A handshake that is cancelled half-way leaves its socket open (asyncio), so it is ended first."""
    opening = asyncio.create_task(
        asyncio.open_connection(
            "127.0.0.1", port, ssl=context, server_hostname="localhost", limit=1 << 24, ssl_handshake_timeout=20
        )
    )
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        await asyncio.wait([opening])
        if not opening.cancelled() and opening.exception() is None:
            opening.result()[1].transport.abort()
        raise
