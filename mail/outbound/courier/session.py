"""One connection to another server: opened by aiosmtplib, then used for transactions in few round trips.

aiosmtplib waits for the reply to each command and takes a message as one piece. Behind a satellite (600 ms) that
costs n + 3 round trips for n recipients, and two copies of 40 MB; so, once the session stands (greeting, EHLO,
STARTTLS), its transport is handed to asyncio streams: commands go in one group (RFC 2920), content in chunks.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, cast

import aiosmtplib
from pydantic import BaseModel, Field

from mail.errors import MailError
from mail.outbound.courier.reply import (
    LINE_LIMIT_BYTES,
    LINES_LIMIT,
    ProtocolError,
    Reply,
    final_outcome,
    parse_line,
    refusal,
)
from mail.outbound.dsn import one_line
from mail.outbound.outcome import Deferred, Failed
from mail.outbound.route import Tls

if TYPE_CHECKING:
    from mail.outbound.courier.budget import Budget
    from mail.outbound.outcome import Outcome
    from mail.outbound.route import Host

Content: TypeAlias = Callable[[], AsyncIterator[bytes]]
"""Gives the bytes of a message from the start, in chunks, with CRLF line ends; raises MailError."""

_PIECE_BYTES = 64 * 1024  # written at once; each has `data_block` to leave
_QUIT_PATIENCE = 2.0
_LOST = (ConnectionError, TimeoutError, asyncio.IncompleteReadError, ProtocolError, ssl.SSLError, OSError)


class Config(BaseModel, frozen=True, extra="forbid"):
    """How long the courier waits for other servers (RFC 5321 §4.5.3.2), and whom it trusts."""

    connect_within: timedelta = Field(timedelta(seconds=30), description="for one address to answer")
    greeting_within: timedelta = Field(timedelta(minutes=5), description="for the greeting, EHLO and STARTTLS, each")
    reply_within: timedelta = Field(timedelta(minutes=5), description="for the reply to MAIL and RCPT")
    data_start_within: timedelta = Field(timedelta(minutes=2), description="for the reply to DATA")
    data_block_within: timedelta = Field(timedelta(minutes=3), description="for 64 KiB of a message to leave")
    data_end_within: timedelta = Field(timedelta(minutes=10), description="for the reply to the end of a message")
    ca_file: Path | None = Field(
        None, description="PEM certificates to trust where tls is verified; empty: the system's"
    )


@dataclass(frozen=True, kw_only=True)
class Parcel:
    """One message for recipients of one site. sender: empty for `<>`. size_bytes: as declared with SIZE.

    is_8bit, smtputf8: what the message needs of the other server (RFC 6152, RFC 6531).
    """

    sender: str
    recipients: tuple[str, ...]
    size_bytes: int
    is_8bit: bool = False
    smtputf8: bool = False


class StaleError(Exception):
    """The other side had closed an idle connection: nothing of the transaction was heard, another may try it."""


class _TlsError(Exception):
    """The connection could not be protected as asked."""


@dataclass(frozen=True, kw_only=True)
class Terms:
    """How this server presents itself, and under which conditions it talks.

    own_names: lower case; a server that greets with one of them is ourselves.
    """

    hostname: str
    own_names: frozenset[str]
    config: Config
    contexts: Mapping[Tls, ssl.SSLContext]


def tls_contexts(config: Config) -> Mapping[Tls, ssl.SSLContext]:
    """A TLS context for each level of protection; reads the trusted certificates from disk."""
    unverified = ssl.create_default_context()
    unverified.check_hostname = False
    unverified.verify_mode = ssl.CERT_NONE
    verified = ssl.create_default_context(cafile=config.ca_file)
    return {Tls.OPPORTUNISTIC: unverified, Tls.REQUIRED: unverified, Tls.VERIFIED: verified}


async def open_session(host: Host, address: str, terms: Terms) -> Session | Deferred | Failed:
    """A session ready for transactions; Deferred when none can be had now, Failed if the server is ourselves."""
    try:
        return await _open_protected(host, address, terms)
    except _TlsError as error:
        return Deferred(status="4.7.5", reply=f"{host.name}: {error}")
    except aiosmtplib.SMTPResponseException as error:
        return Deferred(status="4.3.2", reply=f"{host.name}: {one_line(f'{error.code} {error.message}')}")
    except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
        return Deferred(status="4.4.1", reply=one_line(f"{host.name} [{address}]: {_what(error)}"))


async def _open_protected(host: Host, address: str, terms: Terms) -> Session | Failed:
    try:
        return await _open(host, address, terms, encrypt=True)
    except _TlsError:
        if host.tls is not Tls.OPPORTUNISTIC:
            raise
    return await _open(host, address, terms, encrypt=False)  # RFC 7435: better in clear than not at all


async def _open(host: Host, address: str, terms: Terms, *, encrypt: bool) -> Session | Failed:
    client = aiosmtplib.SMTP(
        hostname=host.name,
        sock=await _connect(address, host.port, terms.config.connect_within),
        local_hostname=terms.hostname,
        start_tls=False,
        timeout=terms.config.greeting_within.total_seconds(),
    )
    try:
        greeting = await client.connect()
        if _greets_as(greeting.message) in terms.own_names:
            client.close()
            return Failed(status="5.4.6", reply=f"{host.name} [{address}] is this server: mail would loop")
        await _hello(client)
        if encrypt:
            await _encrypt(client, host, terms.contexts[host.tls])
    except BaseException:
        client.close()
        raise
    return Session(client, host.name, terms.config)


async def _connect(address: str, port: int, within: timedelta) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    # Named as TCP, or asyncio would leave Nagle's algorithm on: 40 ms for each message.
    made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    made.setblocking(False)
    try:
        async with asyncio.timeout(within.total_seconds()):
            await asyncio.get_running_loop().sock_connect(made, (address, port))
    except BaseException:
        made.close()
        raise
    return made


def _greets_as(greeting: str) -> str:
    return greeting.partition(" ")[0].rstrip(".").lower()


async def _hello(client: aiosmtplib.SMTP) -> None:
    try:
        await client.ehlo()
    except aiosmtplib.SMTPHeloError as error:
        if error.code // 100 != 5:
            raise
        await client.helo()


async def _encrypt(client: aiosmtplib.SMTP, host: Host, context: ssl.SSLContext) -> None:
    if not client.supports_extension("starttls"):
        if host.tls is Tls.OPPORTUNISTIC:
            return
        raise _TlsError("encryption is required here and not offered there")
    try:
        await client.starttls(tls_context=context, server_hostname=host.name)
        await _hello(client)
    except (aiosmtplib.SMTPException, ssl.SSLError, ConnectionError) as error:
        raise _TlsError(f"the connection could not be encrypted: {one_line(str(error))}") from error


class Session:
    """An open connection, for one transaction after another."""

    def __init__(self, client: aiosmtplib.SMTP, name: str, config: Config) -> None:
        """client: after EHLO; its transport is taken over. name: the server's, for reports."""
        self.name = name
        self.is_open = True
        self._config = config
        self._extensions = dict(client.esmtp_extensions)
        self._transactions = 0
        self._needs_reset = False
        transport = cast("asyncio.Transport", client.transport)
        self.is_encrypted = transport.get_extra_info("sslcontext") is not None
        self._reader = asyncio.StreamReader(limit=LINE_LIMIT_BYTES)
        protocol = asyncio.StreamReaderProtocol(self._reader)
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        self._writer = asyncio.StreamWriter(transport, protocol, self._reader, asyncio.get_running_loop())

    async def transact(self, parcel: Parcel, content: Content, budget: Budget) -> list[Outcome]:
        """Send a message; gives the outcome for each recipient, in their order.

        A server that goes silent after the end of the message may have taken it: it is sent again later, and the
        recipient may see it twice, which RFC 5321 §4.5.4.2 says no client can avoid.
        Raises StaleError if a connection used before turns out to be closed.
        """
        if (failed := self._cannot_carry(parcel)) is not None:
            return [failed] * len(parcel.recipients)
        replies: list[Reply] = []
        final: Outcome
        try:
            await self._announce(parcel, replies)
            final = await self._send_content(replies, content, budget)
        except _LOST as error:
            self.abort()
            if self._transactions and not replies:
                raise StaleError(self.name) from error
            final = Deferred(status="4.4.2", reply=one_line(f"The connection was lost: {_what(error)}"))
        except MailError as error:
            self.abort()
            final = Deferred(status="4.3.0", reply=f"The message cannot be read here for now: {error.public}")
        self._transactions += 1
        return recipient_outcomes(replies, len(parcel.recipients), final)

    def _cannot_carry(self, parcel: Parcel) -> Failed | None:
        limit = self._extensions.get("size", "")
        if limit.isdigit() and 0 < int(limit) < parcel.size_bytes:
            return Failed(status="5.3.4", reply=f"{self.name} takes messages of {limit} bytes at most")
        if parcel.smtputf8 and "smtputf8" not in self._extensions:
            return Failed(status="5.6.7", reply=f"{self.name} takes no internationalised addresses (SMTPUTF8)")
        if parcel.is_8bit and "8bitmime" not in self._extensions:
            return Failed(status="5.6.3", reply=f"{self.name} takes no 8-bit messages (8BITMIME)")
        return None

    async def _announce(self, parcel: Parcel, replies: list[Reply]) -> None:
        """Say MAIL, RCPT and DATA; each reply is added to `replies` as it comes."""
        commands = [self._mail_command(parcel), *(f"RCPT TO:<{one}>" for one in parcel.recipients), "DATA"]
        lines = [_line(command) for command in commands]
        if self._needs_reset:
            await self._command(_line("RSET"))
            self._needs_reset = False
        pipelines = "pipelining" in self._extensions
        if pipelines:
            self._writer.write(b"".join(lines))
        for line in lines:
            if not pipelines:
                self._writer.write(line)
            to_data = line == b"DATA\r\n"
            within = self._config.data_start_within if to_data else self._config.reply_within
            replies.append(await self._reply(within))

    def _mail_command(self, parcel: Parcel) -> str:
        command = f"MAIL FROM:<{parcel.sender}>"
        if "size" in self._extensions:
            command += f" SIZE={parcel.size_bytes}"
        if parcel.is_8bit:
            command += " BODY=8BITMIME"
        return command + (" SMTPUTF8" if parcel.smtputf8 else "")

    async def _send_content(self, replies: Sequence[Reply], content: Content, budget: Budget) -> Outcome:
        sender, *recipients, data = replies
        if data.code != 354:
            self._needs_reset = True
            return refusal(data)
        if not (sender.is_positive and any(reply.is_positive for reply in recipients)):
            return refusal(await self._command(b".\r\n"))  # RFC 2920 §3.1: nobody takes it, so end it at once
        stuffing = DotStuffing()
        async for chunk in content():
            for start in range(0, len(chunk), _PIECE_BYTES):
                piece = stuffing.stuff(chunk[start : start + _PIECE_BYTES])
                await budget.spend(len(piece))
                self._writer.write(piece)
                async with asyncio.timeout(self._config.data_block_within.total_seconds()):
                    await self._writer.drain()
        self._writer.write(stuffing.end())
        return final_outcome(await self._reply(self._config.data_end_within))

    async def _command(self, line: bytes) -> Reply:
        self._writer.write(line)
        return await self._reply(self._config.reply_within)

    async def _reply(self, within: timedelta) -> Reply:
        texts: list[str] = []
        async with asyncio.timeout(within.total_seconds()):
            for _ in range(LINES_LIMIT):
                try:
                    line = await self._reader.readuntil(b"\n")
                except asyncio.LimitOverrunError as error:
                    raise ProtocolError("a reply has a line without end") from error
                code, text, has_more = parse_line(line)
                texts.append(text)
                if not has_more:
                    self.is_open = self.is_open and code != 421
                    return Reply(code, one_line(" ".join(texts)))
        raise ProtocolError("a reply has lines without end")

    async def close(self) -> None:
        """Say goodbye and close; never raises for what the other side does."""
        try:
            if self.is_open:
                self._writer.write(b"QUIT\r\n")
                await self._reply(timedelta(seconds=_QUIT_PATIENCE))
        except _LOST:
            pass
        finally:
            self.abort()

    def abort(self) -> None:
        """Drop the connection where it stands: what was not ended is not taken."""
        self.is_open = False
        self._writer.transport.abort()


class DotStuffing:
    """Doubles the dots that begin lines (RFC 5321 §4.5.2), wherever the chunks are cut."""

    def __init__(self) -> None:
        self._tail = b"\r\n"  # the last two bytes seen

    def stuff(self, chunk: bytes) -> bytes:
        """The next bytes of the message, as they go on the wire."""
        joined = self._tail + chunk
        stuffed = joined.replace(b"\r\n.", b"\r\n..")[len(self._tail) :]
        self._tail = joined[-2:]
        return stuffed

    def end(self) -> bytes:
        """What ends the message."""
        return b".\r\n" if self._tail == b"\r\n" else b"\r\n.\r\n"


def recipient_outcomes(replies: Sequence[Reply], recipients: int, final: Outcome) -> list[Outcome]:
    """The outcome of each recipient: what MAIL, its RCPT or else the whole transaction got.

    replies: to MAIL, to each RCPT and to DATA, as many as came. final: for those who were not refused before.
    """
    if replies and not replies[0].is_positive:
        return [refusal(replies[0])] * recipients
    refused = {
        number: refusal(reply, to_rcpt=True)
        for number, reply in enumerate(replies[1 : recipients + 1])
        if not reply.is_positive
    }
    return [refused.get(number, final) for number in range(recipients)]


def _line(command: str) -> bytes:
    assert command.isprintable(), "an address never holds a control character"
    return command.encode() + b"\r\n"


def _what(error: BaseException) -> str:
    """What an error says of itself; some say nothing but their name."""
    return str(error) or type(error).__name__
