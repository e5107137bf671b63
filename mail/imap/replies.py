"""What a command that is not done is answered: an error knows its own reply (RFC 9051 §7.1)."""

from __future__ import annotations

from typing import ClassVar

from mail.errors import (
    MailboxExists,
    MailboxFull,
    MailError,
    Malformed,
    MessageTooLarge,
    NoSuchMailbox,
    NoSuchMessage,
    NotPermitted,
    SystemDown,
    SystemFull,
    TooMany,
)


class NotDone(Exception):
    """A tagged NO. code: a response code without brackets, empty for none. sentence: ASCII, one line."""

    status: ClassVar[bytes] = b"NO"

    def __init__(self, sentence: str, *, code: str = "") -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence

    @property
    def reply(self) -> bytes:
        """What follows the tag."""
        code = f"[{self.code}] " if self.code else ""
        return b"%b %b" % (self.status, f"{code}{self.sentence}".encode("ascii", "replace"))


class Bad(NotDone):
    """A tagged BAD: the command is not one, or not now."""

    status = b"BAD"


_CODES: dict[type[MailError], str] = {
    NoSuchMailbox: "NONEXISTENT",
    MailboxExists: "ALREADYEXISTS",
    NoSuchMessage: "EXPUNGEISSUED",
    NotPermitted: "NOPERM",
    MailboxFull: "OVERQUOTA",
    MessageTooLarge: "TOOBIG",
    TooMany: "LIMIT",
    Malformed: "CANNOT",
    SystemFull: "UNAVAILABLE",
    SystemDown: "UNAVAILABLE",
}


def refusal(error: MailError) -> NotDone:
    """What mail's own errors are called here (RFC 5530)."""
    code = next((code for kind, code in _CODES.items() if isinstance(error, kind)), "")
    return NotDone(error.public, code=code)
