"""One IMAP connection, from the greeting to BYE: states, commands, and what is told in between (RFC 9051 §3)."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from functools import partial, singledispatchmethod
from typing import TYPE_CHECKING

import structlog

from mail import sasl
from mail.directory import Account
from mail.errors import MailboxFull, MailError, MessageTooLarge, NoSuchMailbox, SystemDown
from mail.imap import commands, fetch, folders
from mail.imap.connection import Connection, Disconnected, LineTooLong
from mail.imap.parser import parse
from mail.imap.replies import Bad, NotDone, refusal
from mail.imap.selected import SYSTEM_FLAGS, Selected, esearch, flags_text
from mail.imap.wire import BEFORE_SIGN_IN, Hopeless, Limits, Unwanted, read_command
from mail.mailbox.model import Draft, Flag
from mail.mailbox.sequence import compress

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from mail.directory import Identity
    from mail.imap.commands import Command
    from mail.imap.server import Server
    from mail.mailbox.model import Mailbox
    from mail.mailbox.sequence import SequenceSet
    from mail.mailbox.sync import Changed, Changes

log = structlog.get_logger()

_LINE_BYTES = 64 * 1024
_LITERAL_BYTES = 64 * 1024
_DONE_BYTES = 64
_EXTENSIONS = (
    "IMAP4rev1 SASL-IR LITERAL+ ID ENABLE IDLE NAMESPACE UIDPLUS MOVE UNSELECT CHILDREN SPECIAL-USE LIST-EXTENDED "
    "LIST-STATUS STATUS=SIZE CONDSTORE QRESYNC ESEARCH SEARCHRES WITHIN BINARY MULTIAPPEND OBJECTID PREVIEW UTF8=ACCEPT"
)
_BEFORE = "IMAP4rev1 SASL-IR LITERAL+ ID ENABLE"
_ANYWHERE = {"CAPABILITY", "NOOP", "LOGOUT", "STARTTLS"}
_IN_A_MAILBOX = {"CHECK", "CLOSE", "UNSELECT"}
_SIGNING_IN = (commands.Login, commands.Authenticate)
_ON_MESSAGES = (commands.Expunge, commands.Store, commands.Copy, commands.Fetch, commands.Search)


class Session:
    """A connection. `_do` carries a command out; what it writes goes before the tagged reply that `_do` gives."""

    def __init__(self, server: Server) -> None:
        self._server = server
        config = server.config
        patience_seconds = config.write_timeout.total_seconds()
        self.connection = Connection(begin=self._begin, end=self._end, patience_seconds=patience_seconds)
        self.ip = ""
        self._identity: Identity | None = None
        self._selected: Selected | None = None
        self._watching = ExitStack()
        self._enabled: set[str] = set()
        self._errors = 0
        self._tag = b"*"
        self._is_idle = False
        self._is_over = False
        self._task: asyncio.Task[None] | None = None
        self._afterwards: Callable[[], Awaitable[None]] | None = None

    # The connection

    def _begin(self) -> None:
        self.ip = self.connection.ip
        if not self._server.admit(self, self.ip):
            self.connection.write(b"* BYE [UNAVAILABLE] Too many connections; try again later\r\n")
            self.connection.close()
            return
        self._task = asyncio.create_task(self._run(), name="imap session")

    def _end(self) -> None:
        self._server.dismiss(self, self.ip)

    def end_when_idle(self) -> None:
        """Close now if no command is being worked on, otherwise after it."""
        if self._is_idle:
            self._bye("UNAVAILABLE", "The server is going down for a moment")
        elif self._task is None:
            self.abort()

    def abort(self) -> None:
        """Close, whatever is going on."""
        self.connection.abort()

    def _bye(self, code: str, sentence: str) -> None:
        code = f"[{code}] " if code else ""
        self.connection.write(f"* BYE {code}{sentence}\r\n".encode("ascii"))
        self._is_over = True
        self.connection.close()

    # The conversation

    async def _run(self) -> None:
        try:
            greeting = f"* OK [CAPABILITY {self._capabilities}] {self._server.hostname} is ready\r\n"
            self.connection.write(greeting.encode("ascii"))
            while not self._is_over and not self.connection.is_gone:
                await self._answer_one()
            await self.connection.flush()
        except (Disconnected, ConnectionError):
            pass
        finally:
            self._watching.close()
            self._server.dismiss(self, self.ip)
            self.connection.close()

    async def _answer_one(self) -> None:
        if self.connection.is_full or not self.connection.has_more:
            await self.connection.flush()
        try:
            tag, command = await self._next_command()
        except Unwanted as unwanted:
            self._errors += 1
            self._reply(unwanted.tag, unwanted.answer.reply)
        except TimeoutError:
            self._bye("", "You were silent for too long")
        except Hopeless as error:
            self._bye("", str(error))
        else:
            self._tag = tag
            self._reply(tag, await self._carry_out(command))
            if self._afterwards is not None:
                await self.connection.flush()
                await self._afterwards()
                self._afterwards = None
        if self._errors >= self._server.config.error_limit:
            self._bye("", "Too many commands were not understood")
        elif self._server.is_closing and not self._is_over:
            self._bye("UNAVAILABLE", "The server is going down for a moment")

    def _reply(self, tag: bytes, text: bytes) -> None:
        if not self._is_over or text:
            self.connection.write(b"%b %b\r\n" % (tag, text))

    async def _next_command(self) -> tuple[bytes, Command]:
        """Raises Unwanted for one that is none, Hopeless, TimeoutError, Disconnected."""
        config = self._server.config
        signed_in = self._identity is not None
        limits = Limits(_LINE_BYTES, _LITERAL_BYTES, self._server.message_limit_bytes) if signed_in else BEFORE_SIGN_IN
        patience = config.idle_timeout if signed_in else config.sign_in_timeout
        self._is_idle = True
        try:
            async with asyncio.timeout(patience.total_seconds()):
                raw = await read_command(self.connection, limits)
        finally:
            self._is_idle = False
        try:
            return raw.tag, parse(raw.pieces, utf8=self._is_utf8, oversize=raw.oversize)
        except NotDone as answer:
            raise Unwanted(raw.tag, answer) from answer

    async def _carry_out(self, command: Command) -> bytes:
        """What follows the tag, when all is done that can be."""
        try:
            self._check_state(command)
            reply: bytes = await self._do(command)
            await self._tell_news(command)
        except NotDone as answer:
            self._errors += isinstance(answer, Bad)
            return answer.reply
        except MailError as error:
            if error.reason:
                log.warning("imap.refused", ip=self.ip, error=type(error).__name__, reason=error.reason)
            return refusal(error).reply
        except (Disconnected, ConnectionError):
            raise
        except Exception:  # the client learns nothing of it, the log does
            log.exception("imap.failed", ip=self.ip, command=type(command).__name__)
            self._errors += 1
            return refusal(SystemDown()).reply
        return reply

    def _check_state(self, command: Command) -> None:
        if isinstance(command, commands.Id) or (isinstance(command, commands.Simple) and command.name in _ANYWHERE):
            return
        if isinstance(command, _SIGNING_IN):
            if self._identity is not None:
                raise Bad("You are signed in already")
            if not self.connection.is_encrypted:
                raise NotDone("Begin TLS with STARTTLS first", code="PRIVACYREQUIRED")
        elif self._identity is None:
            raise Bad("Sign in first")
        elif self._selected is None and _is_on_messages(command):
            raise Bad("Select a mailbox first")

    @property
    def _is_utf8(self) -> bool:
        return "UTF8=ACCEPT" in self._enabled

    @property
    def _capabilities(self) -> str:
        if self._identity is not None:
            return f"{_EXTENSIONS} APPENDLIMIT={self._server.message_limit_bytes}" + (
                "" if self.connection.is_compressed else " COMPRESS=DEFLATE"
            )
        if self.connection.is_encrypted:
            return f"{_BEFORE} AUTH=PLAIN"
        return f"{_BEFORE} STARTTLS LOGINDISABLED"

    @property
    def _account_id(self) -> int:
        assert self._identity is not None
        return self._identity.account_id

    # News of the selected mailbox

    async def _tell_news(self, command: Command) -> None:
        """What others did meanwhile, and what this command did; no number changes while some commands refer to them."""
        if (selected := self._selected) is None or isinstance(command, commands.Select):
            return
        if not selected.changed.is_set() and not isinstance(command, commands.Simple):
            return
        keeps_numbers = isinstance(command, commands.Store | commands.Fetch | commands.Search) and not command.by_uid
        await self._learn(selected, keeps_numbers=keeps_numbers)

    async def _learn(self, selected: Selected, *, keeps_numbers: bool = False, silent: bool = False) -> None:
        selected.changed.clear()
        try:
            changes = await self._server.mailboxes.changes(selected.box.id, selected.modseq)
        except NoSuchMailbox:
            self._bye("", "The mailbox was deleted")
            raise Disconnected from None
        known, has_new = selected.learn(changes)
        write = self.connection.write
        if selected.new_keywords(changes.changed):
            write(_flags_line(selected))
        self._tell_changed(selected, known, silent=silent)
        if not keeps_numbers:
            write(*selected.tell_gone(as_uids="QRESYNC" in self._enabled))
        if has_new:
            await self._claim_recent(selected)
            write(b"* %d EXISTS\r\n* %d RECENT\r\n" % (len(selected.uids), selected.recent))

    def _tell_changed(self, selected: Selected, changed: Sequence[Changed], *, silent: bool) -> None:
        with_modseq = "CONDSTORE" in self._enabled
        if silent and not with_modseq:
            return
        for one in changed:
            items = [b"UID %d" % one.uid]
            if not silent:
                items.append(b"FLAGS " + flags_text(one.flags, one.keywords, is_recent=selected.is_recent(one.uid)))
            if with_modseq:
                items.append(b"MODSEQ (%d)" % one.modseq)
            self.connection.write(b"* %d FETCH (%b)\r\n" % (selected.number(one.uid), b" ".join(items)))

    async def _check_room(self) -> None:
        """Raises MailboxFull when the account holds its quota."""
        assert self._identity is not None
        account = await self._server.directory.lookup(self._identity.address)
        if isinstance(account, Account) and await self._server.quotas.is_full(account):
            raise MailboxFull

    def _note_change(self, box: Mailbox) -> None:
        """Something was put into that mailbox; if it is the selected one the client is told with this command."""
        if self._selected is not None and self._selected.box.id == box.id:
            self._selected.changed.set()

    async def _claim_recent(self, selected: Selected) -> None:
        if selected.is_read_only:
            return
        first = await self._server.mailboxes.claim_recent(selected.box.id, selected.uidnext)
        selected.recent_from = min(selected.recent_from, first)

    # Commands: each gives what follows the tag

    @singledispatchmethod
    async def _do(self, command: Command) -> bytes:
        raise Bad(f"{type(command).__name__.upper()} is not done here")

    @_do.register
    async def _(self, command: commands.Simple) -> bytes:
        return await _SIMPLE[command.name](self) or b"OK %b is done" % command.name.encode("ascii")

    async def _noop(self) -> None:
        """Nothing, but that the client hears what is new."""

    async def _capability(self) -> None:
        self.connection.write(f"* CAPABILITY {self._capabilities}\r\n".encode("ascii"))

    async def _namespace(self) -> None:
        self.connection.write(b'* NAMESPACE (("" "/")) NIL NIL\r\n')

    async def _logout(self) -> None:
        self.connection.write(b"* BYE Goodbye\r\n")
        self._is_over = True

    async def _close(self) -> None:
        if not self._open_mailbox.is_read_only:
            await self._server.mailboxes.expunge_deleted(self._open_mailbox.box.id)
        await self._unselect()

    async def _unselect(self) -> None:
        self._watching.close()
        self._selected = None

    async def _start_tls(self) -> bytes:
        context = self._server.tls_context
        if self.connection.is_encrypted or context is None:
            raise Bad("TLS is not available now")
        self._afterwards = partial(self.connection.start_tls, context)
        return b"OK Begin TLS now"

    @_do.register
    async def _(self, command: commands.Id) -> bytes:
        told = {name: command.fields.get(name, "")[:80] for name in ("name", "version")}
        log.info("imap.client", ip=self.ip, program=told["name"], version=told["version"])
        self.connection.write(b'* ID ("name" "COMGOV")\r\n')
        return b"OK ID is done"

    @_do.register
    async def _(self, command: commands.Login) -> bytes:
        return await self._sign_in(command.login, command.password)

    @_do.register
    async def _(self, command: commands.Authenticate) -> bytes:
        if command.mechanism != "PLAIN":
            raise NotDone("Only PLAIN is known here", code="CANNOT")
        initial = command.initial
        if initial is None:
            self.connection.write(b"+ \r\n")
            await self.connection.flush()
            try:
                initial = await self.connection.line(BEFORE_SIGN_IN.line_bytes)
            except LineTooLong:
                raise Bad("The response is too long") from None
        try:
            login, password = sasl.split_plain(sasl.decode(initial.decode("ascii")))
        except ValueError:
            raise Bad("The response is none of PLAIN") from None
        return await self._sign_in(login, password)

    async def _sign_in(self, login: str, password: str) -> bytes:
        identity = await self._server.directory.authenticate(login, password, ip=self.ip)
        if identity is None:
            log.warning("imap.sign_in_refused", ip=self.ip)
            self._errors += 1
            raise NotDone("Wrong name or password", code="AUTHENTICATIONFAILED")
        self._identity = identity
        self._errors = 0
        return f"OK [CAPABILITY {self._capabilities}] Signed in".encode()

    @_do.register
    async def _(self, command: commands.Enable) -> bytes:
        known = {"CONDSTORE", "QRESYNC", "UTF8=ACCEPT"}
        found = [name for name in dict.fromkeys(command.capabilities) if name in known and name not in self._enabled]
        self._enabled.update(found)
        if "QRESYNC" in found:
            self._enabled.add("CONDSTORE")
        self.connection.write(" ".join(["* ENABLED", *found]).encode("ascii") + b"\r\n")
        return b"OK ENABLE is done"

    @_do.register
    async def _(self, command: commands.Compress) -> bytes:
        if command.algorithm != "DEFLATE":
            raise Bad("Only DEFLATE is known here")
        if self.connection.is_compressed:
            raise NotDone("The connection is deflated already", code="COMPRESSIONACTIVE")
        self._afterwards = self._start_compression
        return b"OK Deflate from now on"

    async def _start_compression(self) -> None:
        self.connection.start_compression()

    # Mailboxes

    async def _box(self, name: str) -> Mailbox:
        return await folders.find(self._server.mailboxes, self._account_id, name)

    @_do.register
    async def _(self, command: commands.Select) -> bytes:
        if self._selected is not None:
            await self._unselect()
            self.connection.write(b"* OK [CLOSED] The mailbox before is closed\r\n")
        if command.resync is not None and "QRESYNC" not in self._enabled:
            raise Bad("ENABLE QRESYNC comes first")
        if command.condstore:
            self._enabled.add("CONDSTORE")
        box = await self._box(command.name)
        changed = self._watching.enter_context(self._server.notices.watching(box.id))
        snapshot = await self._server.mailboxes.snapshot(box.id)
        selected = Selected(box, snapshot, changed, is_read_only=command.is_read_only)
        await self._claim_recent(selected)
        self._selected = selected
        write = self.connection.write
        write(_flags_line(selected))
        permanent = b"" if command.is_read_only else SYSTEM_FLAGS + rb" \*"
        write(b"* OK [PERMANENTFLAGS (%b)] These are kept\r\n" % permanent)
        write(b"* %d EXISTS\r\n* %d RECENT\r\n" % (len(selected.uids), selected.recent))
        if snapshot.unseen_uid:
            write(b"* OK [UNSEEN %d] The first unseen\r\n" % selected.number(snapshot.unseen_uid))
        write(b"* OK [UIDVALIDITY %d] UIDs are valid\r\n" % snapshot.uidvalidity)
        write(b"* OK [UIDNEXT %d] The next UID\r\n" % snapshot.uidnext)
        write(b"* OK [HIGHESTMODSEQ %d] The latest change\r\n" % snapshot.modseq)
        write(b"* OK [MAILBOXID (%d)] The mailbox's own name\r\n" % box.id)
        if command.resync is not None and command.resync.uidvalidity == snapshot.uidvalidity:
            await self._resync(selected, command.resync)
        return b"OK [READ-ONLY] EXAMINE is done" if command.is_read_only else b"OK [READ-WRITE] SELECT is done"

    async def _resync(self, selected: Selected, resync: commands.Resync) -> None:
        """What happened since the client was here, up to what it was just told; the rest is news (RFC 7162 §3.2.5)."""
        changes = await self._server.mailboxes.changes(selected.box.id, resync.modseq)
        self._tell_vanished(selected, changes, resync.known_uids)
        known = [one for one in changes.changed if one.uid < selected.uidnext and one.modseq <= selected.modseq]
        if resync.known_uids is not None:
            wanted = set(resync.known_uids.uids([one.uid for one in known], star=selected.uidnext - 1))
            known = [one for one in known if one.uid in wanted]
        self._tell_changed(selected, known, silent=False)

    def _tell_vanished(self, selected: Selected, changes: Changes, wanted: SequenceSet | None) -> None:
        """What is gone, among these (None: all). What is forgotten is told as all that is not there."""
        present = set(selected.uids)
        gone: Sequence[int] = changes.vanished
        if not changes.is_complete:
            gone = range(1, selected.uidnext)
        if wanted is not None:
            gone = wanted.uids(gone, star=selected.uidnext - 1)
        text = compress(uid for uid in gone if uid not in present and uid < selected.uidnext)
        if text:
            self.connection.write(b"* VANISHED (EARLIER) %b\r\n" % text)

    @_do.register
    async def _(self, command: commands.Create) -> bytes:
        box = await self._server.mailboxes.create(self._account_id, command.name)
        return b"OK [MAILBOXID (%d)] CREATE is done" % box.id

    @_do.register
    async def _(self, command: commands.Delete) -> bytes:
        box = await self._box(command.name)
        await self._server.mailboxes.delete(box.id)
        return b"OK DELETE is done"

    @_do.register
    async def _(self, command: commands.Rename) -> bytes:
        box = await self._box(command.name)
        await self._server.mailboxes.rename(box.id, command.new_name)
        return b"OK RENAME is done"

    @_do.register
    async def _(self, command: commands.Subscribe) -> bytes:
        box = await self._box(command.name)
        await self._server.mailboxes.subscribe(box.id, subscribed=command.subscribed)
        return b"OK SUBSCRIBE is done" if command.subscribed else b"OK UNSUBSCRIBE is done"

    @_do.register
    async def _(self, command: commands.List) -> bytes:
        boxes = await self._server.mailboxes.mailboxes(self._account_id)
        self.connection.write(*folders.listing(command, boxes, utf8=self._is_utf8))
        if command.status:
            await self._tell_status(folders.chosen(command, boxes), command.status)
        return b"OK LSUB is done" if command.is_lsub else b"OK LIST is done"

    @_do.register
    async def _(self, command: commands.Status) -> bytes:
        await self._tell_status([await self._box(command.name)], command.items)
        return b"OK STATUS is done"

    async def _tell_status(self, boxes: Sequence[Mailbox], items: Sequence[commands.StatusItem]) -> None:
        if commands.StatusItem.HIGHESTMODSEQ in items:
            self._enabled.add("CONDSTORE")
        deep = await folders.counts(self._server.mailboxes, boxes, items)
        limit_bytes = self._server.message_limit_bytes
        for box in boxes:
            self.connection.write(folders.status(box, items, deep, utf8=self._is_utf8, limit_bytes=limit_bytes))

    @_do.register
    async def _(self, command: commands.Append) -> bytes:
        try:
            box = await self._box(command.name)
        except MailError as error:
            raise NotDone(error.public, code="TRYCREATE") from error
        await self._check_room()
        uids = await self._server.mailboxes.append_all(box.id, [_draft(message) for message in command.messages])
        self._note_change(box)
        return b"OK [APPENDUID %d %b] APPEND is done" % (box.uidvalidity, compress(uids))

    # Messages

    @_do.register
    async def _(self, command: commands.Fetch) -> bytes:
        selected = self._open_mailbox
        uids = selected.chosen(command.messages, by_uid=command.by_uid)
        items = command.items
        if command.by_uid and commands.Item.UID not in items:
            items = (commands.Item.UID, *items)
        if command.changed_since is not None:
            self._enabled.add("CONDSTORE")
            items = items if commands.Item.MODSEQ in items else (*items, commands.Item.MODSEQ)
        if command.vanished and command.changed_since is not None:
            if "QRESYNC" not in self._enabled:
                raise Bad("ENABLE QRESYNC comes first")
            changes = await self._server.mailboxes.changes(selected.box.id, command.changed_since)
            self._tell_vanished(selected, changes, command.messages)
        if fetch.marks_seen(items) and not selected.is_read_only:
            await self._server.mailboxes.store(selected.box.id, uids, action="+", flags=Flag.SEEN, keywords=())
            selected.changed.set()
        fetcher = fetch.Fetcher(self.connection, self._server.mailboxes, selected, items)
        pages = self._server.mailboxes.rows(
            selected.box.id, uids, fetch.depth(items), changed_since=command.changed_since or 0
        )
        async for page in pages:
            for row in page:
                await fetcher.write(row)
        return b"OK FETCH is done"

    @_do.register
    async def _(self, command: commands.Store) -> bytes:
        selected = self._writable_mailbox
        if command.unchanged_since is not None:
            self._enabled.add("CONDSTORE")
        uids = selected.chosen(command.messages, by_uid=command.by_uid)
        refused = await self._server.mailboxes.store(
            selected.box.id,
            uids,
            action=command.action.value,
            flags=command.flags,
            keywords=command.keywords,
            unchanged_since=command.unchanged_since,
        )
        await self._learn(selected, keeps_numbers=not command.by_uid, silent=command.is_silent)
        if refused:
            named = refused if command.by_uid else selected.numbers(refused)
            return b"OK [MODIFIED %b] STORE is done for the others" % compress(named)
        return b"OK STORE is done"

    @_do.register
    async def _(self, command: commands.Copy) -> bytes:
        selected = self._writable_mailbox if command.is_move else self._open_mailbox
        uids = selected.chosen(command.messages, by_uid=command.by_uid)
        try:
            target = await self._box(command.name)
        except MailError as error:
            raise NotDone(error.public, code="TRYCREATE") from error
        mailboxes = self._server.mailboxes
        if not command.is_move:
            await self._check_room()
        copied = await (mailboxes.move if command.is_move else mailboxes.copy)(selected.box.id, uids, target.id)
        if not copied:
            return b"OK Nothing was there"
        code = b"[COPYUID %d %b %b]" % (target.uidvalidity, compress(copied), compress(copied.values()))
        if not command.is_move:
            self._note_change(target)
            return b"OK %b COPY is done" % code
        self.connection.write(b"* OK %b Moved\r\n" % code)
        await self._learn(selected)
        return b"OK MOVE is done"

    @_do.register
    async def _(self, command: commands.Expunge) -> bytes:
        selected = self._writable_mailbox
        uids = None if command.uids is None else selected.chosen(command.uids, by_uid=True)
        await self._server.mailboxes.expunge_deleted(selected.box.id, uids)
        await self._learn(selected)
        return b"OK EXPUNGE is done"

    @_do.register
    async def _(self, command: commands.Search) -> bytes:
        selected = self._open_mailbox
        key = selected.resolved(command.key)
        known = set(selected.uids)
        uids = [uid for uid in await self._server.mailboxes.find(selected.box.id, key) if uid in known]
        found = uids if command.by_uid else list(selected.numbers(uids))
        if command.returns is None:
            self.connection.write(b"* SEARCH%b\r\n" % b"".join(b" %d" % number for number in found))
        else:
            if commands.Return.SAVE in command.returns:
                selected.saved = tuple(uids)
            shown = esearch(found, command.returns)
            by_uid = b" UID" if command.by_uid else b""
            self.connection.write(b'* ESEARCH (TAG "%b")%b%b\r\n' % (self._tag, by_uid, shown))
        return b"OK SEARCH is done"

    @property
    def _open_mailbox(self) -> Selected:
        assert self._selected is not None
        return self._selected

    @property
    def _writable_mailbox(self) -> Selected:
        if self._open_mailbox.is_read_only:
            raise NotDone("The mailbox was opened to be read only", code="NOPERM")
        return self._open_mailbox

    async def _idle(self) -> None:
        """Tell what happens until the client says DONE (RFC 2177)."""
        self.connection.write(b"+ Waiting\r\n")
        changed = self._selected.changed if self._selected else asyncio.Event()
        done = asyncio.create_task(self.connection.line(_DONE_BYTES))
        deadline = asyncio.get_running_loop().time() + self._server.config.idle_timeout.total_seconds()
        try:
            while not done.done():
                if self._selected and changed.is_set():
                    await self._learn(self._selected)
                await self.connection.flush()
                await self._wait_for_news(changed, done, deadline)
        finally:
            done.cancel()
        try:
            if done.result().upper() != b"DONE":
                raise Bad("DONE is expected")
        except LineTooLong:
            raise Bad("DONE is expected") from None

    async def _wait_for_news(self, changed: asyncio.Event, done: asyncio.Task[bytes], deadline: float) -> None:
        news = asyncio.create_task(changed.wait())
        self._is_idle = True
        try:
            left = deadline - asyncio.get_running_loop().time()
            finished, _ = await asyncio.wait([news, done], timeout=left, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._is_idle = False
            news.cancel()
        if not finished:
            self._bye("", "You were silent for too long")
            raise Disconnected


_SIMPLE: dict[str, Callable[[Session], Awaitable[bytes | None]]] = {
    "CAPABILITY": Session._capability,
    "NOOP": Session._noop,
    "CHECK": Session._noop,
    "LOGOUT": Session._logout,
    "STARTTLS": Session._start_tls,
    "NAMESPACE": Session._namespace,
    "IDLE": Session._idle,
    "CLOSE": Session._close,
    "UNSELECT": Session._unselect,
}


def _is_on_messages(command: Command) -> bool:
    return isinstance(command, _ON_MESSAGES) or (isinstance(command, commands.Simple) and command.name in _IN_A_MAILBOX)


def _draft(message: commands.Appended) -> Draft:
    if message.content is None:
        raise MessageTooLarge
    return Draft(
        content=message.content,
        flags=message.flags,
        keywords=message.keywords,
        internal_date=message.internal_date,
    )


def _flags_line(selected: Selected) -> bytes:
    keywords = b"".join(b" " + keyword.encode("ascii") for keyword in sorted(selected.keywords))
    return b"* FLAGS (%b%b)\r\n" % (SYSTEM_FLAGS, keywords)
