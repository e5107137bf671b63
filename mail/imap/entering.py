"""Coming in and going: what a client may say before it has chosen a mailbox, and how it signs in."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

import structlog

from mail import sasl
from mail.imap.connection import Disconnected, LineTooLong
from mail.imap.replies import Bad, NotDone
from mail.imap.wire import BEFORE_SIGN_IN

if TYPE_CHECKING:
    from mail.imap import commands
    from mail.imap.session import Session

log = structlog.get_logger()

_CAN_BE_ENABLED = {name.upper(): name for name in ("CONDSTORE", "QRESYNC", "UTF8=ACCEPT", "IMAP4rev2")}


async def noop(session: Session) -> None:
    """Nothing, but that the client hears what is new."""


async def capability(session: Session) -> None:
    """CAPABILITY (RFC 9051 §6.1.1)."""
    session.connection.write(f"* CAPABILITY {session.capabilities}\r\n".encode("ascii"))


async def logout(session: Session) -> None:
    """LOGOUT (RFC 9051 §6.1.3)."""
    session.connection.write(b"* BYE Goodbye\r\n")
    session.is_over = True


async def start_tls(session: Session) -> bytes:
    """STARTTLS (RFC 9051 §6.2.1)."""
    if session.connection.is_encrypted:
        raise Bad("TLS is up already")
    session.afterwards = partial(session.connection.start_tls, session.server.tls_context)
    return b"OK Begin TLS now"


async def identify(session: Session, command: commands.Id) -> bytes:
    """ID (RFC 2971)."""
    told = {name: command.fields.get(name, "")[:80] for name in ("name", "version")}
    log.info("imap.client", ip=session.ip, program=told["name"], version=told["version"])
    session.connection.write(b'* ID ("name" "COMGOV")\r\n')
    return b"OK ID is done"


async def login(session: Session, command: commands.Login) -> bytes:
    """LOGIN (RFC 9051 §6.2.3)."""
    return await _sign_in(session, command.login, command.password)


async def authenticate(session: Session, command: commands.Authenticate) -> bytes:
    """AUTHENTICATE PLAIN (RFC 9051 §6.2.2, RFC 4959)."""
    if command.mechanism != "PLAIN":
        raise NotDone("Only PLAIN is known here", code="CANNOT")
    initial = command.initial
    if initial is None:
        session.connection.write(b"+ \r\n")
        await session.connection.flush()
        try:
            async with asyncio.timeout_at(session.sign_in_by):
                initial = await session.connection.line(BEFORE_SIGN_IN.line_bytes)
        except TimeoutError:
            session.say_bye("", "You were silent for too long")
            raise Disconnected from None
        except LineTooLong:
            raise Bad("The response is too long") from None
    try:
        login, password = sasl.split_plain(sasl.decode(initial.decode("ascii")))
    except ValueError:
        raise Bad("The response is none of PLAIN") from None
    return await _sign_in(session, login, password)


async def _sign_in(session: Session, login: str, password: str) -> bytes:
    identity = await session.server.directory.authenticate(login, password, ip=session.ip, service="IMAP")
    if identity is None:
        log.warning("imap.sign_in_refused", ip=session.ip)
        session.errors += 1
        raise NotDone("Wrong name or password", code="AUTHENTICATIONFAILED")
    session.identity = identity
    session.errors = 0
    return f"OK [CAPABILITY {session.capabilities}] Signed in".encode()


async def enable(session: Session, command: commands.Enable) -> bytes:
    """ENABLE (RFC 5161)."""
    wanted = dict.fromkeys(command.capabilities)
    known = [_CAN_BE_ENABLED[name] for name in wanted if name in _CAN_BE_ENABLED]
    found = [name for name in known if name not in session.enabled]
    session.enabled.update(found)
    if "QRESYNC" in found:
        session.enabled.add("CONDSTORE")
    session.connection.write(" ".join(["* ENABLED", *found]).encode("ascii") + b"\r\n")
    return b"OK ENABLE is done"


async def compress(session: Session, command: commands.Compress) -> bytes:
    """COMPRESS DEFLATE (RFC 4978)."""
    if command.algorithm != "DEFLATE":
        raise Bad("Only DEFLATE is known here")
    if session.connection.is_compressed:
        raise NotDone("The connection is deflated already", code="COMPRESSIONACTIVE")
    session.afterwards = session.connection.start_compression
    return b"OK Deflate from now on"
