"""One SMTP connection, from the greeting to the last reply, whatever is said on it.

aiosmtpd carries its state and STARTTLS. What the client says is answered in the same pass of the loop that brought it;
only what must wait (a look into the directory, a commit, a handshake) is left to a task, and what the client says
meanwhile waits with it. Every failure, foreseen or not, becomes a reply that tells nothing of our insides.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import structlog
from aiosmtpd import smtp as aiosmtpd

from mail.errors import Closing, MailboxFull, MailError, SystemDown, TooManyRecipients
from mail.smtp.replies import Slow, TooManyConnections, TooManyErrors
from mail.smtp.transaction import Transaction
from mail.smtp.wire import Wire

if TYPE_CHECKING:
    from mail.directory import Identity
    from mail.envelope import Client
    from mail.octets import Octets
    from mail.smtp.server import Server

log = structlog.get_logger()

_COMMAND_LIMIT_BYTES = 12_288  # RFC 4954 §4, for AUTH; far above what the others need
_READ_AHEAD_BYTES = 64 * 1024  # of what waits for an answer
_ANSWERS_AT_ONCE = 100  # then others have their turn
_BLAMELESS = (MailboxFull, TooManyRecipients)  # what a well-meaning client may meet again and again in one message
_GOODBYE_SECONDS = 10.0  # for a client to read what it was told last

_GONE = (ConnectionError, aiosmtpd.TLSSetupException)  # the client is, or what it speaks is no TLS

Later: TypeAlias = Callable[[], Awaitable[str]]
"""Gives a reply, but not at once."""


class Facts(aiosmtpd.Session):
    """What this session has learnt; STARTTLS begins it anew (RFC 3207 §4.2). client: once it was asked for."""

    identity: Identity | None = None
    client: Client | None = None


class Disconnected(ConnectionError):
    """The client is gone, in the middle of something."""


class Connection(aiosmtpd.SMTP):
    """A connection. Who inherits it says how a command is obeyed."""

    session: Facts
    transport: asyncio.Transport | None
    transaction: Transaction

    # aiosmtpd's own set-up looks through all attributes for commands and hooks, and makes streams and a task, for each
    # connection: 5 % of a worker's time.
    _original_transport: asyncio.BaseTransport | None = None
    _timeout_handle: asyncio.TimerHandle | None = None
    _paused = False  # this and the next for asyncio's flow control, on which STARTTLS relies
    _drain_waiters: Sequence[asyncio.Future[None]] = ()

    def __init__(self, server: Server) -> None:
        self._server = server
        self._wire = Wire()
        self._errors = 0
        self._is_admitted = False
        self._is_busy = False  # with what must wait
        self._is_stalled = False  # for the client reads no replies
        self._is_paused = False  # as more has come than may wait
        self._has_ended = False  # the client says no more
        self._accept: Callable[[Octets], Awaitable[str]]  # the message that is coming in
        self._asked: asyncio.Future[bytes] | None = None
        self._deadline = 0.0  # these two by the loop's clock
        self._message_deadline = 0.0
        self.ip = ""
        self._cipher: tuple[str, str, int] | None = None
        self._work: asyncio.Task[None] | None = None  # what must wait
        self.loop = self._loop = asyncio.get_running_loop()
        self.hostname = server.relay.hostname
        self.tls_context = server.tls_context
        self.enable_SMTPUTF8 = True
        self.transport = None
        self._handle_hooks = {}
        self._timeout_duration = server.config.command_timeout.total_seconds()

    def obey(self, line: bytes) -> str | Later:
        """Do what a command line says, without its CRLF; gives the reply. Raises MailError."""
        raise NotImplementedError

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A new connection, or the same one after STARTTLS."""
        self._cipher = transport.get_extra_info("cipher")
        if not self.is_admitted(transport):
            self._say(TooManyConnections().reply)
            transport.close()
            return
        self._wire.discard()
        if self._original_transport is not None:
            super().connection_made(transport)
            return
        self.transport = transport  # type: ignore[assignment]  # over TLS not the one that was admitted
        self._set_rset_state()
        self.session = self._create_session()
        self._reset_timeout()
        self._server.relay.expect(self)
        self._say(f"220 {self.hostname} ESMTP")

    def is_admitted(self, transport: asyncio.BaseTransport) -> bool:
        """Whether there is room for the client, who is counted in at the first asking."""
        if not self._is_admitted:
            peer = transport.get_extra_info("peername")
            self.ip = peer[0] if isinstance(peer, tuple) else ""
            self._is_admitted = self._server.admit(self, self.ip)
            self.transport = transport  # type: ignore[assignment]  # a stream's, whatever the loop
        return self._is_admitted

    def data_received(self, data: bytes) -> None:
        """More from the client; nothing is heard from one that was turned away."""
        if self._is_admitted:
            self._wire.feed(data)
            self._go_on()

    def eof_received(self) -> bool | None:
        """The client has said all it will say. What it has said is still done and answered."""
        if not self._is_admitted:
            return False
        self._has_ended = True
        self._go_on()
        return not self.is_encrypted

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone; a commit that runs goes on."""
        self._let_go()
        if self._work is not None:
            self._work.cancel()
            self._work = None  # which holds the message it was about
        if self._original_transport is not None:  # under TLS: it would tell of its own end, too late
            self._original_transport.close()
        self.transport = None

    def _let_go(self) -> None:
        """Nothing waits for the client any more."""
        self._server.dismiss(self, self.ip)
        self._server.relay.expect_no_more(self)
        self._wire.discard()
        if self._timeout_handle is not None:
            self._timeout_handle.cancel()

    def pause_writing(self) -> None:
        """The client is slow to take its replies: it gets no others until it has."""
        super().pause_writing()
        self._is_stalled = True

    def resume_writing(self) -> None:
        """It has taken most of them."""
        super().resume_writing()
        self._is_stalled = False
        self._go_on()

    # What aiosmtpd calls

    def _create_session(self) -> Facts:
        return Facts(self.loop)

    def _set_rset_state(self) -> None:
        self.transaction = Transaction()

    def _reset_timeout(self, duration: float | None = None) -> None:
        """The client has so many seconds from now. A timer that runs is put off rather than set anew: it looks, when it
        is over, how much is left."""
        self._deadline = self.loop.time() + (duration or self._timeout_duration)
        if self._timeout_handle is None or self._deadline < self._timeout_handle.when():
            self._set_timer()

    def _set_timer(self) -> None:
        if self._timeout_handle is not None:
            self._timeout_handle.cancel()
        self._timeout_handle = self.loop.call_at(self._deadline, self._timeout_cb)

    def _timeout_cb(self) -> None:
        if self.loop.time() < self._deadline:
            self._set_timer()
        else:
            self.say_goodbye(Slow().reply)

    # The conversation

    def _go_on(self) -> None:
        """Answer what has arrived, up to what must wait."""
        answers = 0
        while not (self._is_busy or self._is_stalled or self._is_gone) and self._answer_one():
            answers += 1
            if answers == _ANSWERS_AT_ONCE and not self._is_busy:
                self._is_busy = True
                self.loop.call_soon(self._resume)
        self._hold_back()
        if self._has_ended and not self._is_busy and not self._is_stalled:
            self._end()

    def _resume(self) -> None:
        self._is_busy = False
        self._go_on()

    def _answer_one(self) -> bool:
        """Answer a command or a message; False when none is whole."""
        if self._asked is not None:
            return self._pass_on(self._asked)
        try:
            reply = self._next_reply()
        except Exception as error:  # noqa: BLE001 -- logged there
            reply = self._excuse(error)
        if reply is None:
            return False
        if isinstance(reply, str):
            self._answer(reply)
        else:
            self._is_busy = True
            self._work = self.loop.create_task(self._do(reply))
        return True

    async def _do(self, later: Later) -> None:
        """Do what must wait, answer, and go on; if that cannot be, the connection ends."""
        try:
            reply = await self._awaited(later)
            del later  # which may hold a message
            self._answer(reply)
            self._resume()
        except BaseException as error:
            self._let_go()  # nobody tells us of a connection that is lost while TLS is being set up
            if self.transport is not None and not self.transport.is_closing():  # closed twice, TLS cannot abort
                self.transport.close()
            if not isinstance(error, _GONE):
                raise

    async def _awaited(self, later: Later) -> str:
        try:
            return await later()
        except _GONE:
            raise
        except Exception as error:  # noqa: BLE001 -- logged there
            return self._excuse(error)

    def _pass_on(self, asked: asyncio.Future[bytes]) -> bool:
        try:
            line = self._wire.line(_COMMAND_LIMIT_BYTES)
        except MailError as error:
            asked.set_exception(error)
        else:
            if line is None:
                return False
            asked.set_result(line)
        self._asked = None
        self._is_busy = True
        return True

    def _next_reply(self) -> str | Later | None:
        """None when there is nothing to reply to. Raises MailError."""
        if self._wire.is_in_message:
            return self._reply_to_message()
        line = self._wire.line(_COMMAND_LIMIT_BYTES)
        return None if line is None else self.obey(line)

    def _reply_to_message(self) -> Later | None:
        content = self._wire.message()
        if content is not None:
            return partial(self._accept, content)
        silence = self._server.config.command_timeout.total_seconds()
        self._reset_timeout(max(0.001, min(silence, self._message_deadline - self.loop.time())))
        return None

    def _answer(self, reply: str) -> None:
        """Say it; the empty reply was said already. What comes next has its time from now."""
        self._reset_timeout()
        if reply:
            self._say(reply)
        if self._errors >= self._server.config.error_limit:
            self.say_goodbye(TooManyErrors().reply)
        elif self._server.is_closing:
            self.say_goodbye(Closing().reply)

    def _excuse(self, error: Exception) -> str:
        """The reply to what failed; it counts towards the limit of the session."""
        if not isinstance(error, MailError):  # the client learns nothing of it, the log does
            log.exception("smtp.failed", ip=self.ip, exc_info=error)
            self._errors += 1
            return SystemDown().reply
        if error.reason:
            log.warning("smtp.refused", ip=self.ip, reply=error.reply, reason=error.reason)
        self._errors += not isinstance(error, _BLAMELESS)
        return error.reply

    def _say(self, reply: str) -> None:
        if self.transport is not None:
            self.transport.write(f"{reply}\r\n".encode())

    def _hold_back(self) -> None:
        """Read no more of a client whose next commands wait and are many."""
        is_too_much = (self._is_busy or self._is_stalled) and len(self._wire) > _READ_AHEAD_BYTES
        if is_too_much != self._is_paused and self.transport is not None:
            self._is_paused = is_too_much
            if is_too_much:
                self.transport.pause_reading()
            else:
                self.transport.resume_reading()

    def _end(self) -> None:
        if self._asked is not None:
            self._asked.set_exception(Disconnected())
            self._asked = None
        elif self.transport is not None:
            self.transport.close()

    # What commands need

    @property
    def is_encrypted(self) -> bool:
        """Whether TLS is up."""
        return self._cipher is not None

    @property
    def encryption(self) -> str:
        """Such as `TLSv1.3 TLS_AES_256_GCM_SHA384`; empty in clear."""
        return f"{self._cipher[1]} {self._cipher[0]}" if self._cipher else ""

    def bear_no_more(self) -> None:
        """One more error ends the session."""
        self._errors = self._server.config.error_limit

    def expect_message(self, accept: Callable[[Octets], Awaitable[str]]) -> None:
        """What comes next is a message; `accept` gives the reply to it."""
        config = self._server.config
        self._wire.begin_message(limit_bytes=config.message_limit_bytes, line_limit_bytes=config.line_limit_bytes)
        self._message_deadline = self.loop.time() + config.data_timeout.total_seconds()
        self._accept = accept

    def say_goodbye(self, reply: str) -> None:
        """Say this and close."""
        if self.transport is not None and not self.transport.is_closing():
            self._say(reply)
            self.transport.close()
            if self.transport.get_write_buffer_size():  # a client that reads nothing would keep its place for ever
                self.loop.call_later(_GOODBYE_SECONDS, self.abort)

    async def ask(self, challenge: str) -> bytes:
        """Say this; gives the line that comes back. Raises BadLine, Disconnected."""
        self._say(challenge)
        asked: asyncio.Future[bytes] = self.loop.create_future()
        self._asked = asked
        self._resume()
        return await asked

    async def start_tls(self) -> str:
        """Say so and go on in TLS; whatever came in clear before, and is not yet answered, is forgotten."""
        if self.transport is None:
            raise Disconnected
        self._wire.discard()
        self._hold_back()
        reader = asyncio.StreamReader(loop=self.loop)
        asyncio.StreamReaderProtocol.__init__(self, reader, self._cb_client_connected, self.loop)
        asyncio.StreamReaderProtocol.connection_made(self, self.transport)
        await self.smtp_STARTTLS("")
        if not self.is_encrypted:
            raise Disconnected
        return ""

    # What the service asks

    def end_when_idle(self) -> None:
        """Close now if no command is being worked on, otherwise after it."""
        if self._timeout_handle is None:  # TLS is not up yet, nothing can be said
            self.abort()
        elif not (self._is_busy or self._asked or self._wire.is_in_message):
            self.say_goodbye(Closing().reply)

    def abort(self) -> None:
        """Close, whatever is going on."""
        if self.transport is not None:
            self.transport.abort()

    @property
    def _is_gone(self) -> bool:
        return self.transport is None or self.transport.is_closing()
