"""One IMAP connection, from the greeting to BYE: states, commands, and what is told in between (RFC 9051 §3)."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from typing import TYPE_CHECKING, NoReturn

import structlog

from mail.errors import MailboxFull, MailError, NoSuchMailbox, SystemDown
from mail.imap import access, commands
from mail.imap.connection import Connection, Disconnected
from mail.imap.flags import flags_text
from mail.imap.obey import is_of_no_mailbox, obey
from mail.imap.parser import parse
from mail.imap.replies import Bad, NotDone, refusal
from mail.imap.selected import Selected, flags_line, permanent_flags
from mail.imap.wire import BEFORE_SIGN_IN, Hopeless, Limits, Unwanted, read_command

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from mail.directory import Access, Identity
    from mail.imap.access import Deed, Realm
    from mail.imap.commands import Command
    from mail.imap.server import Server
    from mail.mailbox.model import Mailbox
    from mail.mailbox.sync import Changed

log = structlog.get_logger()

_LINE_BYTES = 64 * 1024
_LITERAL_BYTES = 64 * 1024
_EXTENSIONS = (
    "IMAP4rev1 IMAP4rev2 SASL-IR LITERAL+ ID ENABLE IDLE NAMESPACE UIDPLUS MOVE UNSELECT CHILDREN SPECIAL-USE "
    "LIST-EXTENDED "
    "SORT SORT=DISPLAY ESORT THREAD=ORDEREDSUBJECT THREAD=REFERENCES "
    "ACL RIGHTS=tekx LIST-MYRIGHTS QUOTA QUOTA=RES-STORAGE "
    "LIST-STATUS STATUS=SIZE CONDSTORE QRESYNC ESEARCH SEARCHRES WITHIN BINARY MULTIAPPEND OBJECTID PREVIEW UTF8=ACCEPT"
)
_BY_NUMBERS = commands.Store | commands.Fetch | commands.Search | commands.Sort | commands.Thread
_BEFORE = "IMAP4rev1 IMAP4rev2 SASL-IR LITERAL+ ID ENABLE"


class Session:
    """A connection, and what is known of its client. `obey` carries commands out, on what is public here.

    identity: None until somebody signed in. realms: whose mailboxes that person reaches, as of the command under way.
    selected: the mailbox that is open. enabled: extensions that the client
    wants, CONDSTORE among them once it used it. tag: of the command under way. afterwards: what follows its reply.
    """

    def __init__(self, server: Server) -> None:
        self.server = server
        config = server.config
        patience_seconds = config.write_timeout.total_seconds()
        self.connection = Connection(begin=self._begin, end=self._end, patience_seconds=patience_seconds)
        self.ip = ""
        self.identity: Identity | None = None
        self.realms: tuple[Realm, ...] = ()
        self._accesses: tuple[Access, ...] = ()
        self.selected: Selected | None = None
        self.watching = ExitStack()
        self.enabled: set[str] = set()
        self.errors = 0
        self.tag = b"*"
        self.sign_in_by = 0.0
        self.is_idle = False
        self.is_over = False
        self._first_transport: asyncio.Transport | None = None
        self._is_admitted = False
        self._task: asyncio.Task[None] | None = None
        self.afterwards: Callable[[], Awaitable[None]] | None = None

    # The connection

    def is_admitted(self, transport: asyncio.Transport) -> bool:
        """Whether there is room for the client, who is counted in at the first asking."""
        if self._first_transport is None:
            self._first_transport = transport
            peer = transport.get_extra_info("peername")
            self.ip = peer[0] if isinstance(peer, tuple) else ""
            self._is_admitted = self.server.admit(self, self.ip)
        return self._is_admitted

    def _begin(self, transport: asyncio.Transport) -> None:
        if not self.is_admitted(transport):
            self.connection.write(b"* BYE [UNAVAILABLE] Too many connections; try again later\r\n")
            self.connection.close()
            return
        self.sign_in_by = asyncio.get_running_loop().time() + self.server.config.sign_in_timeout.total_seconds()
        self._task = asyncio.create_task(self._run(), name="imap session")

    def _end(self) -> None:
        self.server.dismiss(self, self.ip)

    def end_when_idle(self) -> None:
        """Close now if no command is being worked on, otherwise after it."""
        if self.is_idle:
            self.say_bye("UNAVAILABLE", "The server is going down for a moment")
        elif self._task is None:
            self.abort()

    def abort(self) -> None:
        """Close, whatever is going on, a handshake of TLS too."""
        if self._first_transport is not None:
            self._first_transport.abort()

    def say_bye(self, code: str, sentence: str) -> None:
        """Tell the client why this is the end. code: without brackets, empty for none."""
        code = f"[{code}] " if code else ""
        self.connection.write(f"* BYE {code}{sentence}\r\n".encode("ascii"))
        self.is_over = True
        self.connection.close()

    # The conversation

    async def _run(self) -> None:
        try:
            greeting = f"* OK [CAPABILITY {self.capabilities}] {self.server.hostname} is ready\r\n"
            self.connection.write(greeting.encode("ascii"))
            while not self.is_over and not self.connection.is_gone:
                await self._answer_one()
            await self.connection.flush()
        except (Disconnected, ConnectionError):
            pass
        finally:
            self.watching.close()
            self.connection.close()
            if self.connection.is_lost:  # nobody tells us of one lost while TLS was being set up
                self._end()

    async def _answer_one(self) -> None:
        if self.connection.is_full or not self.connection.has_more:
            await self.connection.flush()
        else:
            await asyncio.sleep(0)  # commands that came together leave others their turn
        try:
            tag, command = await self._next_command()
        except Unwanted as unwanted:
            self.errors += isinstance(unwanted.answer, Bad)
            self._reply(unwanted.tag, unwanted.answer.reply)
        except TimeoutError:
            self.say_bye("", "You were silent for too long")
        except Hopeless as error:
            self.say_bye("", str(error))
        else:
            self.tag = tag
            self._reply(tag, await self._carry_out(command))
            if self.afterwards is not None:
                await self.connection.flush()
                await self.afterwards()
                self.afterwards = None
        if self.errors >= self.server.config.error_limit:
            self.say_bye("", "Too many commands were not understood")
        elif self.server.is_closing and not self.is_over:
            self.say_bye("UNAVAILABLE", "The server is going down for a moment")

    def _reply(self, tag: bytes, text: bytes) -> None:
        self.connection.write(b"%b %b\r\n" % (tag, text))

    async def _next_command(self) -> tuple[bytes, Command]:
        """Raises Unwanted for one that is none, Hopeless, TimeoutError, Disconnected."""
        config = self.server.config
        signed_in = self.identity is not None
        limits = Limits(_LINE_BYTES, _LITERAL_BYTES, self.server.message_limit_bytes) if signed_in else BEFORE_SIGN_IN
        until = asyncio.get_running_loop().time() + config.idle_timeout.total_seconds()
        self.is_idle = True
        try:
            async with asyncio.timeout_at(until if signed_in else self.sign_in_by):
                raw = await read_command(self.connection, limits)
        finally:
            self.is_idle = False
        try:
            return raw.tag, parse(raw.pieces, utf8=self.is_utf8, oversize=raw.oversize)
        except NotDone as answer:
            raise Unwanted(raw.tag, answer) from answer

    async def _carry_out(self, command: Command) -> bytes:
        """What follows the tag, when all is done that can be."""
        try:
            reply = await obey(self, command)
            await self._tell_news(command)
        except NotDone as answer:
            self.errors += isinstance(answer, Bad)
            return answer.reply
        except MailError as error:
            if error.reason:
                log.warning("imap.refused", ip=self.ip, error=type(error).__name__, reason=error.reason)
            return refusal(error).reply
        except (Disconnected, ConnectionError):
            raise
        except Exception:  # the client learns nothing of it, the log does
            log.exception("imap.failed", ip=self.ip, command=type(command).__name__)
            self.errors += 1
            return refusal(SystemDown()).reply
        return reply

    @property
    def is_utf8(self) -> bool:
        """Whether names go in UTF-8 rather than in modified UTF-7 (RFC 6855)."""
        return self.is_rev2 or "UTF8=ACCEPT" in self.enabled

    @property
    def is_rev2(self) -> bool:
        """Whether the client speaks IMAP4rev2 (RFC 9051), which knows no \\Recent."""
        return "IMAP4rev2" in self.enabled

    @property
    def capabilities(self) -> str:
        """What the client may use now."""
        if self.identity is not None:
            return f"{_EXTENSIONS} APPENDLIMIT={self.server.message_limit_bytes}" + (
                "" if self.connection.is_compressed else " COMPRESS=DEFLATE"
            )
        if self.connection.is_encrypted:
            return f"{_BEFORE} AUTH=PLAIN"
        return f"{_BEFORE} STARTTLS LOGINDISABLED"

    @property
    def account_id(self) -> int:
        """Of the person who signed in."""
        assert self.identity is not None
        return self.identity.account_id

    def unselect(self) -> None:
        """No mailbox is chosen any more."""
        self.watching.close()
        self.selected = None

    # Whose mailboxes

    async def look_round(self) -> None:
        """Ask whose mailboxes the person may open now. Raises Disconnected, after BYE, when the open one is not."""
        assert self.identity is not None
        accesses = await self.server.directory.accesses(self.identity)
        if not accesses:
            self._dismiss("Sign in again: your password was changed or revoked, or your account closed")
        if accesses == self._accesses:
            return
        self._accesses = accesses
        self.realms = tuple(access.Realm.of(one, accesses[0].account) for one in accesses)
        if (selected := self.selected) is None:
            return
        if selected.box.account_id not in {one.account.account_id for one in accesses}:
            self._dismiss("The mailbox is no longer yours to open")
        if not selected.is_read_only and access.changes_nothing(self.realm_of(selected.box).access.rights):
            selected.is_read_only = True
            self.connection.write(permanent_flags(selected))

    def _dismiss(self, sentence: str) -> NoReturn:
        self.say_bye("", sentence)
        raise Disconnected

    def realm(self, name: str) -> Realm:
        """The account whose mailbox that is by its name. Raises NotDone when there is none."""
        for realm in self.realms:
            if realm.holds(name):
                return realm
        raise access.no_such_mailbox()

    def realm_of(self, box: Mailbox) -> Realm:
        """The account of a mailbox that the person was given."""
        return next(realm for realm in self.realms if realm.access.account.account_id == box.account_id)

    def may(self, deed: Deed) -> bool:
        """Whether the person may do that in the selected mailbox, which was not opened by EXAMINE."""
        selected = self.open_mailbox
        return not selected.is_read_only and access.may(self.realm_of(selected.box).access.rights, deed)

    # News of the selected mailbox

    async def _tell_news(self, command: Command) -> None:
        """What others did meanwhile, and what this command did; no number changes while some commands refer to them."""
        if (selected := self.selected) is None or is_of_no_mailbox(command):
            return
        if isinstance(command, commands.Select | commands.Expunge):
            return  # EXPUNGE has told them: its own reply names the MODSEQ that they go up to
        if isinstance(command, commands.Copy) and command.is_move:  # likewise
            return
        if not selected.changed.is_set() and not isinstance(command, commands.Simple):
            return
        keeps_numbers = isinstance(command, _BY_NUMBERS) and not command.by_uid
        await self.learn(selected, keeps_numbers=keeps_numbers)

    async def learn(
        self, selected: Selected, *, keeps_numbers: bool = False, quiet: int | None = None, tells_modseq: bool = True
    ) -> None:
        """Ask what happened and tell the client.

        keeps_numbers: what is gone is told later. quiet: of flags with that MODSEQ nothing else is told, as the client
        set them itself (RFC 7162 §3.1.3). tells_modseq: the command's own reply does not tell the latest MODSEQ.
        """
        selected.changed.clear()
        try:
            changes = await self.server.mailboxes.changes(selected.box.id, selected.modseq)
        except NoSuchMailbox:
            self._dismiss("The mailbox was deleted")
        except MailError:
            selected.changed.set()  # it is still to be asked
            raise
        known, has_new = selected.learn(changes)
        write = self.connection.write
        if selected.new_keywords(changes.changed):
            write(flags_line(selected))
        await self.tell_changed(selected, known, quiet=quiet)
        gone: list[bytes] = []
        if not keeps_numbers:
            gone = selected.tell_gone(as_uids="QRESYNC" in self.enabled)
            write(*gone)
        elif selected.has_untold:
            selected.changed.set()  # with the next command that may
        if has_new:
            try:
                await self.claim_recent(selected)
            finally:
                self.tell_size(selected)
        if tells_modseq and (has_new or gone) and not selected.has_untold and "CONDSTORE" in self.enabled:
            # neither comes with a MODSEQ, and who keeps them would ask for all of it again
            write(b"* OK [HIGHESTMODSEQ %d] The latest change\r\n" % changes.modseq)

    async def tell_changed(self, selected: Selected, changed: Sequence[Changed], *, quiet: int | None = None) -> None:
        """Tell of new flags; of those with the MODSEQ `quiet` that alone, to who knows what it is."""
        with_modseq = "CONDSTORE" in self.enabled
        for one in changed:
            if one.modseq == quiet and not with_modseq:
                continue
            items = [b"UID %d" % one.uid]
            if one.modseq != quiet:
                items.append(b"FLAGS " + flags_text(one.flags, one.keywords, is_recent=selected.is_recent(one.uid)))
            if with_modseq:
                items.append(b"MODSEQ (%d)" % one.modseq)
            self.connection.write(b"* %d FETCH (%b)\r\n" % (selected.number(one.uid), b" ".join(items)))
            if self.connection.is_full:
                await self.connection.flush()

    async def check_room(self, box: Mailbox) -> None:
        """Raises MailboxFull when the mailbox's account holds its quota."""
        if await self.server.quotas.is_full(self.realm_of(box).access.account):
            raise MailboxFull

    def note_change(self, box: Mailbox) -> None:
        """Something was put into that mailbox; if it is the selected one the client is told with this command."""
        if self.selected is not None and self.selected.box.id == box.id:
            self.selected.changed.set()

    def tell_size(self, selected: Selected) -> None:
        """Tell how many messages there are, and how many of them are recent."""
        self.connection.write(b"* %d EXISTS\r\n" % len(selected.uids))
        if not self.is_rev2:
            self.connection.write(b"* %d RECENT\r\n" % selected.recent)

    async def claim_recent(self, selected: Selected, *, claimed: int = 0) -> None:
        r"""This session is the one that is told of new messages as \Recent, unless it only looks.

        claimed: up to that UID others were told of them.
        """
        if self.is_rev2:
            selected.forget_recent()
        elif selected.is_read_only or claimed >= selected.uidnext:
            selected.note_recent(selected.asked_from)
        else:
            selected.note_recent(await self.server.mailboxes.claim_recent(selected.box.id, selected.uidnext))

    @property
    def open_mailbox(self) -> Selected:
        """The mailbox that is selected, where a command needs one."""
        assert self.selected is not None
        return self.selected

    def mailbox_to(self, deed: Deed) -> Selected:
        """The same, for something that changes it. Raises NotDone when the person may not, or opened it by EXAMINE."""
        selected = self.open_mailbox
        self.realm_of(selected.box).must(deed)
        if selected.is_read_only:
            raise NotDone("The mailbox was opened to be read only", code="NOPERM")
        return selected
