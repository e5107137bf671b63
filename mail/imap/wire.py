"""Commands, cut out of the bytes of a connection: lines, and the literals within them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mail.errors import SystemDown, SystemFull
from mail.imap.connection import LineTooLong
from mail.imap.replies import Bad, NotDone, refusal
from mail.octets import Spool
from mail.postgres import is_full

if TYPE_CHECKING:
    from mail.imap.connection import Connection
    from mail.octets import Octets

_LITERAL = re.compile(rb"(~?)\{(\d{1,20})(\+?)\}\Z")
_APPEND = re.compile(rb"[^ ]+ APPEND ", re.IGNORECASE)
_TAG = re.compile(rb"[^\x00-\x20\x7f-\xff(){%*\"\\\]+]{1,100}(?= )")
_CHUNK_BYTES = 64 * 1024
_PIECES_LIMIT = 2000
_PASSED_OVER_BYTES = 1 << 30  # of a literal that is not wanted and comes all the same


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a command is taken. message_bytes: of a literal of APPEND; 0 for nobody who has not signed in."""

    line_bytes: int
    literal_bytes: int
    message_bytes: int = 0


BEFORE_SIGN_IN = Limits(line_bytes=8 * 1024, literal_bytes=4 * 1024)


@dataclass(kw_only=True, slots=True)
class Raw:
    """A command as it came.

    pieces: text, literal, text, …, text; a text before a literal ends in its marker, such as `{12+}`.
    oversize: places among the pieces where a literal of APPEND is left out as too large.
    fault: why the command cannot be done although it came whole.
    """

    pieces: list[Octets] = field(default_factory=list)
    oversize: set[int] = field(default_factory=set)
    fault: NotDone | None = None
    message_bytes: int = 0

    @property
    def tag(self) -> bytes:
        """The client's name for it; `*` when there is none."""
        found = _TAG.match(bytes(self.pieces[0]))
        return found[0] if found else b"*"


class Unwanted(Exception):
    """A command that cannot be taken; it was passed over and the session goes on. tag: `*` when there is none."""

    def __init__(self, tag: bytes, answer: NotDone) -> None:
        super().__init__(answer.sentence)
        self.tag = tag
        self.answer = answer


class Hopeless(Exception):
    """The session cannot go on: what follows cannot be told from what is too large. The sentence is for BYE."""


async def read_command(connection: Connection, limits: Limits) -> Raw:
    """The next command, literals included. Raises Unwanted, Hopeless and Disconnected."""
    raw = Raw()
    left_bytes = limits.line_bytes
    literal_bytes = limits.literal_bytes
    while True:
        try:
            text = await connection.line(left_bytes)
        except LineTooLong:
            raise Hopeless("The command is too long") from None
        raw.pieces.append(text)
        left_bytes -= len(text)
        marker = _LITERAL.search(text)
        if marker is None:
            if raw.fault:
                raise Unwanted(raw.tag, raw.fault)
            return raw
        if len(raw.pieces) > _PIECES_LIMIT:
            raise Hopeless("The command has too many literals")
        size_bytes, is_sent = int(marker[2]), bool(marker[3])
        is_message = limits.message_bytes > 0 and _APPEND.match(bytes(raw.pieces[0])) is not None
        if is_message and (size_bytes > literal_bytes or len(raw.pieces) > 1):
            await _take_message(connection, raw, size_bytes, limits.message_bytes, is_sent=is_sent)
        elif size_bytes <= literal_bytes:
            literal_bytes -= size_bytes
            await _invite(connection, is_sent=is_sent)
            raw.pieces.append(await connection.take(size_bytes))
        elif is_sent:
            raise Hopeless(f"A literal of {size_bytes} bytes is too large here")
        else:
            raise Unwanted(raw.tag, Bad(f"A literal of {size_bytes} bytes is too large here", code="TOOBIG"))


async def _take_message(connection: Connection, raw: Raw, size_bytes: int, limit_bytes: int, *, is_sent: bool) -> None:
    """A message of APPEND: kept up to the limit, which is of all its messages together; passed over beyond it if the
    client does not wait to be asked."""
    if raw.message_bytes + size_bytes > limit_bytes:
        if not is_sent:
            raise Unwanted(raw.tag, NotDone(f"An APPEND may have {limit_bytes} bytes", code="TOOBIG"))
        if size_bytes > _PASSED_OVER_BYTES:
            raise Hopeless(f"A message may have {limit_bytes} bytes")
        await _pass_over(connection, size_bytes)
        raw.oversize.add(len(raw.pieces))
        raw.pieces.append(b"")
        return
    raw.message_bytes += size_bytes
    await _invite(connection, is_sent=is_sent)
    raw.pieces.append(await _spool(connection, raw, size_bytes))


async def _spool(connection: Connection, raw: Raw, size_bytes: int) -> Octets:
    spool = Spool()
    left_bytes = size_bytes
    try:
        while left_bytes:
            chunk = await connection.some(min(_CHUNK_BYTES, left_bytes))
            left_bytes -= len(chunk)
            spool.write(chunk)
        return spool.finish()
    except OSError as error:
        await _pass_over(connection, left_bytes)
        raw.fault = refusal((SystemFull if is_full(error) else SystemDown)(reason=f"spool: {error}"))
        return b""
    finally:
        spool.discard()


async def _invite(connection: Connection, *, is_sent: bool) -> None:
    if not is_sent:
        connection.write(b"+ Go on\r\n")
        await connection.flush()


async def _pass_over(connection: Connection, size_bytes: int) -> None:
    while size_bytes:
        size_bytes -= len(await connection.some(min(_CHUNK_BYTES, size_bytes)))
