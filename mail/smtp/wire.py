"""The bytes of an SMTP session: command lines and messages, cut out of what arrives in whatever pieces.

A message ends at CRLF . CRLF and at nothing else; a command ends at CRLF and at nothing else. What resembles either
without being it is what SMTP smuggling is made of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mail.errors import MailError, Malformed, MessageTooLarge, Refused, SystemDown, SystemFull
from mail.octets import Spool
from mail.postgres import is_full

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from mail.octets import Octets

_END = b"\r\n.\r\n"
_READ_BYTES = 64 * 1024


class BadLine(Refused):
    """A command line that is none: too long, or not ended by CRLF."""

    code = 500
    status = "5.5.2"
    sentence = "A command ends in CRLF and holds no other CR, LF or NUL"


class Disconnected(Exception):
    """The client is gone, in the middle of something or between two commands."""


class Wire:
    """What has arrived and is not yet used."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self._pending = bytearray()

    def discard(self) -> None:
        """Forget what has arrived: after STARTTLS, nothing that came in clear may count (RFC 3207 §4.2)."""
        self._pending.clear()

    async def line(self, limit_bytes: int) -> bytes:
        """The next command line, without its CRLF. Raises BadLine, having passed over it, and Disconnected."""
        start = 0
        is_too_long = False
        while (end := self._pending.find(b"\n", start)) < 0:
            start = len(self._pending)
            if start > limit_bytes:
                is_too_long = True
                self._pending.clear()
                start = 0
            await self._receive()
        line = bytes(self._pending[: end + 1])
        del self._pending[: end + 1]
        if is_too_long or len(line) > limit_bytes:
            raise BadLine("The command line is too long")
        text = line[:-2]
        if not line.endswith(b"\r\n") or b"\r" in text or b"\0" in text:
            raise BadLine
        return text

    async def message(self, *, limit_bytes: int, line_limit_bytes: int, tick: Callable[[], None]) -> Octets:
        """The message that DATA announced, its dots unstuffed, up to the one true end, which is passed over.

        tick: called whenever something arrives.
        Raises, once the end was seen, MessageTooLarge, Malformed, SystemFull and SystemDown; Disconnected.
        """
        intake = _Intake(limit_bytes, line_limit_bytes)
        try:
            self._pending[:0] = b"\r\n"  # the end of the DATA command's line: a lone dot may follow it at once
            scanned = 0
            while (end := self._pending.find(_END, scanned)) < 0:
                self._hand_over(intake)
                scanned = max(0, len(self._pending) - len(_END) + 1)
                await self._receive()
                tick()
            intake.take(bytes(self._pending[: end + 2]))
            del self._pending[: end + len(_END)]
            return intake.finish()
        finally:
            intake.discard()

    def _hand_over(self, intake: _Intake) -> None:
        """Move whole lines from what is pending; the last line stays, with the CRLF before it."""
        if len(self._pending) < _READ_BYTES:
            return
        cut = self._pending.rfind(b"\r\n")
        if cut <= 0:
            cut = len(self._pending) - len(_END)
        intake.take(bytes(self._pending[:cut]))
        del self._pending[:cut]

    async def _receive(self) -> None:
        chunk = await self._reader.read(_READ_BYTES)
        if not chunk:
            raise Disconnected
        self._pending += chunk


class _Intake:
    """A message on its way in. Once something is wrong with it its bytes are dropped, until its end tells what.

    Pieces follow each other; the first begins with the CRLF that ended the DATA command, and none splits a CRLF from
    the dot after it.
    """

    def __init__(self, limit_bytes: int, line_limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._line_limit_bytes = line_limit_bytes
        self._spool = Spool()
        self._size_bytes = -2  # the CRLF of the DATA command is not the message's
        self._line_bytes = 0
        self._fault: MailError | None = None

    def take(self, piece: bytes) -> None:
        """Take a piece in: unstuffed, counted, its lines measured."""
        if self._fault is not None:
            return
        is_first = self._size_bytes < 0
        plain = piece.replace(b"\r\n.", b"\r\n") if b"." in piece else piece
        self._size_bytes += len(plain)
        if self._size_bytes > self._limit_bytes:
            self._fault = MessageTooLarge()
        elif not self._lines_are_short(plain):
            self._fault = Malformed(f"A line is longer than {self._line_limit_bytes} bytes")
        else:
            self._keep(plain[2:] if is_first else plain)

    def _keep(self, plain: bytes) -> None:
        try:
            self._spool.write(plain)
        except OSError as error:
            full = is_full(error)
            self._fault = (SystemFull if full else SystemDown)(reason=f"spool: {error}")

    def _lines_are_short(self, plain: bytes) -> bool:
        """_line_bytes: of the line that the pieces before left unfinished. Looks back from each limit for a line's end,
        so that most bytes are not looked at."""
        at = -self._line_bytes
        while len(plain) - at > self._line_limit_bytes:
            end = plain.rfind(b"\r\n", max(at, 0), max(at + self._line_limit_bytes, 0))
            if end < 0:
                return False
            at = end + 2
        last = plain.rfind(b"\r\n", max(at, 0))
        self._line_bytes = len(plain) - (at if last < 0 else last + 2)
        return True

    def finish(self) -> Octets:
        """The whole message; raises what is wrong with it."""
        if self._fault is not None:
            raise self._fault
        try:
            return self._spool.finish()
        except OSError as error:
            raise SystemDown(reason=f"spool: {error}") from error

    def discard(self) -> None:
        """Give back what it holds; what `finish` gave stays."""
        self._spool.discard()
