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
    from mail.octets import Octets

_END = b"\r\n.\r\n"
_PIECE_BYTES = 64 * 1024  # of a message, from which on it is taken in before its end has come


class BadLine(Refused):
    """A command line that is none: too long, or not ended by CRLF."""

    code = 500
    status = "5.5.2"
    sentence = "A command ends in CRLF and holds no other CR, LF or NUL"


class Wire:
    """What has arrived and is not yet used. Nothing waits here: what is not whole yet is None."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self._looked_at = 0  # so many bytes, which hold no end of a line or of the message
        self._is_too_long = False
        self._intake: _Intake | None = None

    def __len__(self) -> int:
        """How many bytes wait."""
        return len(self._pending)

    def feed(self, data: bytes) -> None:
        """More has arrived."""
        self._pending += data

    def discard(self) -> None:
        """Forget what has arrived: after STARTTLS, nothing that came in clear may count (RFC 3207 §4.2)."""
        self._pending.clear()
        self._looked_at = 0
        self._is_too_long = False
        self._end_message()

    def line(self, limit_bytes: int) -> bytes | None:
        """The next command line, without its CRLF. Raises BadLine, having passed over it."""
        end = self._pending.find(b"\n", self._looked_at)
        if end < 0:
            self._looked_at = len(self._pending)
            if self._looked_at > limit_bytes:
                self._is_too_long = True
                self._pending.clear()
                self._looked_at = 0
            return None
        line = bytes(self._pending[: end + 1])
        del self._pending[: end + 1]
        self._looked_at = 0
        if self._is_too_long or end >= limit_bytes:
            self._is_too_long = False
            raise BadLine("The command line is too long")
        text = line[:-2]
        if not line.endswith(b"\r\n") or b"\r" in text or b"\0" in text:
            raise BadLine
        return text

    @property
    def is_in_message(self) -> bool:
        """Whether what comes next is a message, or the rest of one."""
        return self._intake is not None

    def begin_message(self, *, limit_bytes: int, line_limit_bytes: int) -> None:
        """DATA was said: what comes is a message."""
        self._intake = _Intake(limit_bytes, line_limit_bytes)
        self._pending[:0] = b"\r\n"  # the end of the DATA command's line: a lone dot may follow it at once
        self._looked_at = 0

    def message(self) -> Octets | None:
        """The message, its dots unstuffed, up to the one true end, which is passed over.

        Raises, once the end was seen, MessageTooLarge, Malformed, SystemFull and SystemDown.
        """
        assert self._intake is not None
        end = self._pending.find(_END, self._looked_at)
        if end < 0:
            self._hand_over(self._intake)
            self._looked_at = max(0, len(self._pending) - len(_END) + 1)
            return None
        try:
            self._intake.take(bytes(self._pending[: end + 2]))
            del self._pending[: end + len(_END)]
            return self._intake.finish()
        finally:
            self._looked_at = 0
            self._end_message()

    def _hand_over(self, intake: _Intake) -> None:
        """Move whole lines from what is pending; the last line stays, with the CRLF before it."""
        if len(self._pending) < _PIECE_BYTES:
            return
        cut = self._pending.rfind(b"\r\n")
        if cut <= 0:
            cut = len(self._pending) - len(_END)
        intake.take(bytes(self._pending[:cut]))
        del self._pending[:cut]

    def _end_message(self) -> None:
        if self._intake is not None:
            self._intake.discard()
            self._intake = None


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
