"""What can go wrong with mail; each error knows its own reply on the wire.

    MailError
    ├── Refused               for good: 5xx
    │   ├── BadSyntax             501 5.5.4    a command's arguments are malformed
    │   ├── BadAddress            553 5.1.3
    │   ├── UnknownMailbox        550 5.1.1
    │   ├── RelayDenied           550 5.7.1    no open relay
    │   ├── NotPermitted          550 5.7.1    this sender may not: another's address, a closed list
    │   ├── AuthenticationNeeded  530 5.7.0
    │   ├── MessageTooLarge       552 5.3.4    or its header
    │   ├── Malformed             550 5.6.0    bare CR, LF or NUL, no From
    │   ├── TooMany               552 5.2.2    mailboxes, keywords, work: more than this server takes on
    │   └── Looping               554 5.4.6    too many Received fields
    ├── TryLater              not now: 4xx
    │   ├── MailboxFull           452 4.2.2
    │   ├── TooManyRecipients     452 4.5.3
    │   ├── SystemFull            452 4.3.1    no room on disk, ours or the database's
    │   ├── SystemDown            451 4.3.0    the database or the object store does not answer
    │   └── Closing               421 4.3.2    a limit of this session or server was reached
    ├── NoSuchMailbox         of the reading side: not there
    ├── NoSuchMessage
    ├── MailboxExists
    └── AlreadyKept           a message was kept under this id before

`public` is a sentence in ASCII that may go on the wire and on a page; `reason` is for the log alone.
"""

from __future__ import annotations

from typing import ClassVar


class MailError(Exception):
    """A broken promise, with a sentence for the one who asked and a reason for the log."""

    code: ClassVar[int] = 451
    status: ClassVar[str] = "4.3.0"
    sentence: ClassVar[str] = "The request could not be done"

    def __init__(self, public: str = "", *, reason: str = "") -> None:
        self.public = public or self.sentence
        self.reason = reason
        super().__init__(self.public + (f" ({reason})" if reason else ""))

    @property
    def reply(self) -> str:
        """The SMTP reply, without its CRLF: one line of ASCII."""
        text = self.public.encode("ascii", "replace").decode("ascii").translate(_ONE_LINE)
        return f"{self.code} {self.status} {text}"


_ONE_LINE = dict.fromkeys([*range(32), 127], " ")


class Refused(MailError):
    """For good: trying again changes nothing."""

    code = 554
    status = "5.0.0"
    sentence = "Refused"


class BadSyntax(Refused):
    """A command's arguments are malformed."""

    code = 501
    status = "5.5.4"
    sentence = "Malformed arguments"


class BadAddress(Refused):
    """Not an address."""

    code = 553
    status = "5.1.3"
    sentence = "Malformed address"


class UnknownMailbox(Refused):
    """The domain is here, the mailbox is not."""

    code = 550
    status = "5.1.1"
    sentence = "No such mailbox here"


class RelayDenied(Refused):
    """The domain is elsewhere and the client is nobody to us."""

    code = 550
    status = "5.7.1"
    sentence = "Relaying denied; sign in on the submission port to send elsewhere"


class NotPermitted(Refused):
    """This sender may not do this: another's address, a list open to its members only."""

    code = 550
    status = "5.7.1"
    sentence = "Not permitted"


class AuthenticationNeeded(Refused):
    """Only for people who signed in."""

    code = 530
    status = "5.7.0"
    sentence = "Sign in first"


class MessageTooLarge(Refused):
    """Over the limit of size."""

    code = 552
    status = "5.3.4"
    sentence = "The message is too large"


class Malformed(Refused):
    """Bytes that no message may hold, or a header that cannot be taken."""

    code = 550
    status = "5.6.0"
    sentence = "The message is malformed"


class TooMany(Refused):
    """More of something than this server keeps, or does at once."""

    code = 552
    status = "5.2.2"
    sentence = "There are too many of them"


class Looping(Refused):
    """It has passed through too many servers."""

    code = 554
    status = "5.4.6"
    sentence = "Too many hops, the message is looping"


class TryLater(MailError):
    """Not now: the same request may succeed later."""


class MailboxFull(TryLater):
    """The recipient's quota is used up."""

    code = 452
    status = "4.2.2"
    sentence = "The mailbox is full"


class TooManyRecipients(TryLater):
    """Over the limit for one message; the rest may follow in another."""

    code = 452
    status = "4.5.3"
    sentence = "Too many recipients in one message; send the rest in another"


class SystemFull(TryLater):
    """No room on a disk we lean on."""

    code = 452
    status = "4.3.1"
    sentence = "No room left here for now; try again later"


class SystemDown(TryLater):
    """The database or the object store does not answer."""

    code = 451
    status = "4.3.0"
    sentence = "A part of this server is down for now; try again later"


class Closing(TryLater):
    """This session is at its end: the server stops, or a limit was reached."""

    code = 421
    status = "4.3.2"
    sentence = "The server stops; try again later"


class NoSuchMailbox(MailError):
    """There is no such mailbox, or no longer."""

    code = 550
    status = "5.1.1"
    sentence = "There is no such mailbox"


class NoSuchMessage(MailError):
    """There is no such message, or no longer."""

    code = 550
    status = "5.1.1"
    sentence = "There is no such message"


class MailboxExists(MailError):
    """A mailbox of that name is there already."""

    code = 550
    status = "5.1.1"
    sentence = "A mailbox of that name is there already"


class AlreadyKept(MailError):
    """A message was kept under this id before: the caller asked again, and need not."""

    code = 550
    status = "5.6.0"
    sentence = "This message is there already"
