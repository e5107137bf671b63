"""What the other server says, and what it means for a recipient. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mail.outbound.dsn import one_line
from mail.outbound.outcome import Deferred, Delivered, Failed

LINE_LIMIT_BYTES = 2048  # RFC 5321 §4.5.3.1.5 allows 512; some say more
LINES_LIMIT = 100
_LINE = re.compile(rb"([2-5]\d\d)(?:([ -])([^\r\n]*))?\r?\n")
_ENHANCED = re.compile(r"([245])\.\d{1,3}\.\d{1,3}(?=\s|$)")
_STATUS_OF_CODE = {
    421: "4.3.2",
    450: "4.2.0",
    451: "4.3.0",
    452: "4.3.1",
    550: "5.1.0",
    551: "5.1.6",
    552: "5.2.2",
    553: "5.1.3",
    556: "5.1.10",
}


class ProtocolError(Exception):
    """The other side does not speak SMTP, or says too much."""


@dataclass(frozen=True)
class Reply:
    """code: 200 to 599. text: of all its lines, joined by a space, harmless (see `one_line`)."""

    code: int
    text: str

    def __str__(self) -> str:
        return f"{self.code} {self.text}".rstrip()

    @property
    def is_positive(self) -> bool:
        """Whether the command did what it asks."""
        return 200 <= self.code < 300

    @property
    def status(self) -> str:
        """The enhanced code of the text if it agrees with the reply's class (RFC 2034), else a fair guess."""
        kind = self.code // 100
        if (found := _ENHANCED.match(self.text)) and int(found[1]) == kind:
            return found[0]
        return _STATUS_OF_CODE.get(self.code, f"{kind}.0.0")


def parse_line(line: bytes) -> tuple[int, str, bool]:
    """The code, the text and whether more lines follow. Raises ProtocolError."""
    found = _LINE.fullmatch(line)
    if found is None:
        raise ProtocolError(f"not an SMTP reply: {one_line(line.decode('utf-8', 'replace'), 80)}")
    return int(found[1]), (found[3] or b"").decode("utf-8", "replace"), found[2] == b"-"


def final_outcome(reply: Reply) -> Delivered | Deferred | Failed:
    """What the reply to the end of a message means for the recipients who were taken."""
    return Delivered(reply=str(reply)) if reply.is_positive else refusal(reply)


def refusal(reply: Reply, *, to_rcpt: bool = False) -> Deferred | Failed:
    """What a reply means that is not the one hoped for.

    to_rcpt: it answers RCPT, where 552 says "too many recipients, later" (RFC 5321 §4.5.3.1.10).
    A code out of place, such as 250 to DATA, is the other server's fault and may pass: tried again.
    """
    if to_rcpt and reply.code == 552:
        return Deferred(status="4.5.3", reply=str(reply))
    if reply.code >= 500:
        return Failed(status=reply.status, reply=str(reply))
    if reply.code >= 400:
        return Deferred(status=reply.status, reply=str(reply))
    return Deferred(status="4.5.0", reply=str(reply))
