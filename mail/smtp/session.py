"""One SMTP connection (RFC 5321 and 6409), from the greeting to the last reply.

aiosmtpd carries the connection, its timer and STARTTLS; the commands are here. They read through `Wire`, which is
strict about line ends, and every failure, foreseen or not, becomes a reply that tells nothing of our insides.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog
from aiosmtpd import smtp as aiosmtpd

from mail.envelope import Client, Origin
from mail.errors import AuthenticationNeeded, BadSyntax, Closing, MailboxFull, MailError, SystemDown, TooManyRecipients
from mail.smtp.authentication import MECHANISMS, credentials
from mail.smtp.replies import (
    AuthenticationFailed,
    BadSequence,
    EncryptionNeeded,
    NotImplementedHere,
    Slow,
    TooManyConnections,
    TooManyErrors,
    UnknownParameter,
)
from mail.smtp.transaction import Argument, Transaction, parse_argument
from mail.smtp.wire import Disconnected, Wire

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mail.directory import Identity
    from mail.smtp.server import Server

log = structlog.get_logger()

_COMMAND_LIMIT_BYTES = 12_288  # RFC 4954 §4, for AUTH; far above what the others need
_READER_LIMIT_BYTES = 64 * 1024
_BLAMELESS = (MailboxFull, TooManyRecipients)  # what a well-meaning client may meet again and again in one message
_GOODBYE_SECONDS = 10.0  # for a client to read what it was told last
_HTTP = frozenset({"GET", "POST", "PUT", "HEAD", "CONNECT", "OPTIONS"})  # a browser that was lured here


class Facts(aiosmtpd.Session):
    """What this session has learnt; STARTTLS begins it anew (RFC 3207 §4.2)."""

    identity: Identity | None = None


class _NoHooks:
    """aiosmtpd's handler of events: there is none to call."""

    def __dir__(self) -> list[str]:
        return []


_NO_HOOKS = _NoHooks()


class Session(aiosmtpd.SMTP):
    """A connection. Its methods `smtp_…` are the commands: each gives its reply, or raises MailError."""

    line_length_limit = _READER_LIMIT_BYTES  # of aiosmtpd's reader: how much is read ahead
    session: Facts

    def __init__(self, server: Server) -> None:
        self._server = server
        self._errors = 0
        self._is_admitted = False
        self._is_idle = False
        self._deadline = 0.0
        self.ip = ""
        self._cipher: tuple[str, str, int] | None = None
        super().__init__(
            _NO_HOOKS,
            enable_SMTPUTF8=True,
            hostname=server.relay.hostname,
            ident="ESMTP",
            tls_context=server.tls_context,
            timeout=server.config.command_timeout.total_seconds(),
            loop=asyncio.get_running_loop(),
        )
        self._wire: Wire

    def __dir__(self) -> list[str]:
        """Nothing: aiosmtpd looks through every attribute at each connection for commands, which costs 0.3 ms."""
        return []

    # The connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A new connection, or the same one after STARTTLS."""
        self._cipher = transport.get_extra_info("cipher")
        if not self.is_admitted(transport):
            assert isinstance(transport, asyncio.Transport)
            transport.write(f"{TooManyConnections().reply}\r\n".encode())
            transport.close()
            return
        super().connection_made(transport)
        if self._original_transport is None:
            self._wire = Wire(self._reader)
        else:
            self._wire.discard()

    def is_admitted(self, transport: asyncio.BaseTransport) -> bool:
        """Whether there is room for the client, who is counted in at the first asking."""
        if not self._is_admitted:
            peer = transport.get_extra_info("peername")
            self.ip = peer[0] if isinstance(peer, tuple) else ""
            self._is_admitted = self._server.admit(self, self.ip)
            self.transport = transport
        return self._is_admitted

    def data_received(self, data: bytes) -> None:
        """More from the client; nothing is heard from one that was turned away."""
        if self._is_admitted:
            super().data_received(data)

    def eof_received(self) -> bool | None:
        """The client has said all it will say. What it has said is still done and answered."""
        if not self._is_admitted:
            return False
        asyncio.StreamReaderProtocol.eof_received(self)
        return not self.is_encrypted

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone; a commit that runs goes on."""
        self._server.dismiss(self, self.ip)
        if self._is_admitted:
            super().connection_lost(error)

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
            self._say_goodbye(Slow().reply)

    def end_when_idle(self) -> None:
        """Close now if no command is being worked on, otherwise after it."""
        if self._is_idle:
            self._say_goodbye(Closing().reply)
        elif self._handler_coroutine is None:  # TLS is not up yet, nothing can be said
            self.abort()

    def abort(self) -> None:
        """Close, whatever is going on."""
        if self.transport is not None:
            assert isinstance(self.transport, asyncio.Transport)
            self.transport.abort()

    def _say_goodbye(self, reply: str) -> None:
        if self.transport is not None:
            assert isinstance(self.transport, asyncio.Transport)
            self._writer.write(f"{reply}\r\n".encode())
            self.transport.close()
            if self.transport.get_write_buffer_size():  # a client that reads nothing would keep its place for ever
                self.loop.call_later(_GOODBYE_SECONDS, self.abort)

    @property
    def is_encrypted(self) -> bool:
        """Whether TLS is up."""
        return self._cipher is not None

    # The conversation

    async def _handle_client(self) -> None:
        try:
            await self.push(f"220 {self.hostname} ESMTP")
            while self.transport is not None and not self.transport.is_closing():
                await self._answer_one()
        except (Disconnected, ConnectionError, aiosmtpd.TLSSetupException):
            pass  # the client is gone, or what it speaks is no TLS
        finally:
            self._server.dismiss(self, self.ip)  # nobody tells us of a connection lost while TLS was being set up
            if self.transport is not None and not self.transport.is_closing():  # closed twice, TLS cannot abort
                self.transport.close()

    async def _answer_one(self) -> None:
        """Read a command and reply. Errors count towards the limit of the session."""
        try:
            reply = await self._obey(*await self._next_command())
        except MailError as error:
            if error.reason:
                log.warning("smtp.refused", ip=self.ip, reply=error.reply, reason=error.reason)
            reply = error.reply
            self._errors += not isinstance(error, _BLAMELESS)
        except (Disconnected, ConnectionError, aiosmtpd.TLSSetupException):
            raise
        except Exception:  # the client learns nothing of it, the log does
            log.exception("smtp.failed", ip=self.ip)
            reply = SystemDown().reply
            self._errors += 1
        if reply:
            await self.push(reply)
        if self._errors >= self._server.config.error_limit:
            self._say_goodbye(TooManyErrors().reply)
        elif self._server.is_closing:
            self._say_goodbye(Closing().reply)

    async def _next_command(self) -> tuple[str, str]:
        """The verb in upper case and what follows it. Raises BadLine, BadSyntax, Disconnected."""
        self._is_idle = True
        self._reset_timeout()
        try:
            line = await self._wire.line(_COMMAND_LIMIT_BYTES)
        finally:
            self._is_idle = False
        verb, _, argument = line.partition(b" ")
        try:
            return verb.decode("ascii").upper(), argument.decode().strip(" ")
        except UnicodeDecodeError:
            raise BadSyntax("Commands are ASCII, addresses UTF-8") from None

    async def _obey(self, verb: str, argument: str) -> str:
        command = _COMMANDS.get(verb)
        if command is not None:
            return await command(self, argument)
        if verb in _HTTP:
            self._errors = self._server.config.error_limit
        raise NotImplementedHere

    # Commands

    async def smtp_HELO(self, argument: str) -> str:
        """The client's name, without extensions."""
        self._greet(argument, extended=False)
        return f"250 {self.hostname}"

    async def smtp_EHLO(self, argument: str) -> str:
        """The client's name; the extensions that it may use."""
        self._greet(argument, extended=True)
        words = [
            self.hostname,
            f"SIZE {self._server.config.message_limit_bytes}",
            "PIPELINING",
            "8BITMIME",
            "SMTPUTF8",
            "ENHANCEDSTATUSCODES",
        ]
        if self.tls_context and not self.is_encrypted:
            words.append("STARTTLS")
        if self._server.is_for_people and self.is_encrypted and not self.session.identity:
            words.append(f"AUTH {MECHANISMS}")
        return "\r\n".join([*(f"250-{word}" for word in words[:-1]), f"250 {words[-1]}"])

    def _greet(self, name: str, *, extended: bool) -> None:
        if not name:
            raise BadSyntax("Say who you are")
        self.session.host_name = name[:255]
        self.session.extended_smtp = extended
        self._set_rset_state()

    async def smtp_STARTTLS(self, argument: str) -> str:
        """Go on in TLS; whatever came in clear before, and is not yet answered, is forgotten."""
        if argument:
            raise BadSyntax("STARTTLS takes no argument")
        if not self.tls_context or self.is_encrypted:
            raise BadSequence("TLS is not available now")
        await super().smtp_STARTTLS("")
        return ""

    async def smtp_AUTH(self, argument: str) -> str:
        """Sign in."""
        self._check_may_authenticate()
        login, password = await credentials(argument, self._ask)
        identity = await self._server.relay.directory.authenticate(login, password, ip=self.ip, service="SMTP")
        if identity is None:
            log.warning("smtp.sign_in_refused", ip=self.ip)
            raise AuthenticationFailed
        self.session.identity = identity
        return "235 2.7.0 Signed in"

    def _check_may_authenticate(self) -> None:
        if not self._server.is_for_people:
            raise NotImplementedHere("Nobody signs in here; use the submission port")
        if not self.is_encrypted:
            raise EncryptionNeeded
        if not self.session.host_name or self.session.identity or self.transaction.has_sender:
            raise BadSequence("AUTH comes after EHLO, once, outside a message")

    async def _ask(self, challenge: str) -> bytes:
        await self.push(challenge)
        return await self._wire.line(_COMMAND_LIMIT_BYTES)

    async def smtp_MAIL(self, argument: str) -> str:
        """Begin a message: its envelope sender."""
        self._check_may_send()
        if self.transaction.has_sender:
            raise BadSequence("A message is begun already")
        transaction = Transaction.begin(
            self._parse("FROM:", argument),
            size_limit_bytes=self._server.config.message_limit_bytes,
            takes_auth=self._server.is_for_people,
        )
        await self._server.relay.check_sender(transaction.sender, self._client())
        self.transaction = transaction
        return "250 2.1.0 Go on"

    def _check_may_send(self) -> None:
        if not self.session.host_name:
            raise BadSequence("Say EHLO first")
        if self._server.is_for_people and not self.is_encrypted:
            raise AuthenticationNeeded("Begin TLS with STARTTLS first")
        if self._server.is_for_people and not self.session.identity:
            raise AuthenticationNeeded

    def _parse(self, keyword: str, text: str) -> Argument:
        argument = parse_argument(keyword, text)
        if argument.parameters and not self.session.extended_smtp:
            raise UnknownParameter("Parameters are for those who say EHLO")
        return argument

    async def smtp_RCPT(self, argument: str) -> str:
        """One more recipient."""
        if not self.transaction.has_sender:
            raise BadSequence("MAIL comes first")
        target = self._parse("TO:", argument)
        if target.parameters:
            raise UnknownParameter
        if len(self.transaction.recipients) >= self._server.config.recipient_limit:
            raise TooManyRecipients
        if target.path.lower() == "postmaster":  # RFC 5321 §4.5.1
            target = Argument(self._server.config.postmaster or f"postmaster@{self.hostname}", {})
        recipient = target.address(smtputf8=self.transaction.smtputf8)
        await self._server.relay.check_recipient(recipient, self.transaction.sender, self._client())
        self.transaction.recipients.append(recipient)
        return "250 2.1.5 Go on"

    async def smtp_DATA(self, argument: str) -> str:
        """The message itself; 250 says that it is in every inbox here, and in the queue for elsewhere."""
        if argument:
            raise BadSyntax("DATA takes no argument")
        if not self.transaction.recipients:
            raise BadSequence("No recipient was accepted")
        envelope = self.transaction.envelope()
        self._set_rset_state()
        await self.push("354 End with a dot on a line of its own")
        content = await self._wire.message(
            limit_bytes=self._server.config.message_limit_bytes,
            line_limit_bytes=self._server.config.line_limit_bytes,
            tick=self._patience(),
        )
        accepted = await self._server.relay.accept(envelope, content, self._client())
        log.info("smtp.accepted", id=accepted.body_id.hex, ip=self.ip, inboxes=accepted.inboxes, queued=accepted.queued)
        return f"250 2.0.0 Accepted as {accepted.body_id.hex}"

    def _patience(self) -> Callable[[], None]:
        """Called as a message arrives: neither a silence nor the whole may last too long."""
        silence = self._server.config.command_timeout.total_seconds()
        deadline = self.loop.time() + self._server.config.data_timeout.total_seconds()
        return lambda: self._reset_timeout(max(0.001, min(silence, deadline - self.loop.time())))

    async def smtp_RSET(self, argument: str) -> str:
        """Forget the message that was begun."""
        if argument:
            raise BadSyntax("RSET takes no argument")
        self._set_rset_state()
        return "250 2.0.0 Forgotten"

    async def smtp_NOOP(self, argument: str) -> str:
        """Nothing."""
        del argument
        return "250 2.0.0 Still here"

    async def smtp_VRFY(self, argument: str) -> str:
        """Addresses are not told to who asks (RFC 5321 §7.3)."""
        if not argument:
            raise BadSyntax("An address is expected")
        return "252 2.5.2 Send it some mail and see"

    async def smtp_HELP(self, argument: str) -> str:
        """What there is."""
        del argument
        return "214 2.0.0 " + " ".join(sorted(_COMMANDS))

    async def smtp_QUIT(self, argument: str) -> str:
        """The end."""
        if argument:
            raise BadSyntax("QUIT takes no argument")
        self._say_goodbye("221 2.0.0 Goodbye")
        return ""

    async def smtp_EXPN(self, argument: str) -> str:
        """Lists are not told to who asks."""
        del argument
        raise NotImplementedHere

    def _client(self) -> Client:
        encryption = f"{self._cipher[1]} {self._cipher[0]}" if self._cipher else ""
        protocol = "SMTP"
        if self.session.extended_smtp:
            protocol = f"ESMTP{'S' if encryption else ''}{'A' if self.session.identity else ''}"
        return Client(
            origin=Origin.SUBMISSION if self._server.is_for_people else Origin.OUTSIDE,
            ip=self.ip,
            helo=self.session.host_name or "",
            protocol=protocol,
            tls=encryption,
            identity=self.session.identity,
        )


_COMMANDS: dict[str, Callable[[Session, str], Awaitable[str]]] = {
    name.removeprefix("smtp_"): method for name, method in vars(Session).items() if name.startswith("smtp_")
}
