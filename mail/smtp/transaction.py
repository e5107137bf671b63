"""What MAIL and RCPT say: the envelope while it is being written."""

from __future__ import annotations

from dataclasses import dataclass, field

from mail.address import Address, AddressError, parse_path
from mail.envelope import Envelope
from mail.errors import BadAddress, BadSyntax, MessageTooLarge
from mail.smtp.replies import UnknownParameter, Utf8Needed


@dataclass(frozen=True)
class Argument:
    """What follows MAIL FROM: or RCPT TO:. path: within the brackets. parameters: by upper-case name, "" for none."""

    path: str
    parameters: dict[str, str]

    def address(self, *, smtputf8: bool) -> Address:
        """The path as an address. Raises BadAddress, and Utf8Needed for one beyond ASCII without SMTPUTF8."""
        if not self.path.isascii() and not smtputf8:
            raise Utf8Needed
        try:
            return Address.parse(self.path)
        except AddressError as error:
            raise BadAddress(f"Malformed address: {error}") from error


def parse_argument(keyword: str, text: str) -> Argument:
    """keyword: `FROM:` or `TO:`. Raises BadSyntax, BadAddress."""
    if text[: len(keyword)].upper() != keyword:
        raise BadSyntax(f"{keyword}<address> is expected")
    try:
        path, rest = parse_path(text[len(keyword) :])
    except AddressError as error:
        raise BadAddress(f"Malformed address: {error}") from error
    pairs = (word.partition("=") for word in rest.split())
    return Argument(path, {name.upper(): value for name, _, value in pairs})


@dataclass(slots=True)
class Transaction:
    """has_sender: MAIL was given; its sender None is `<>`."""

    has_sender: bool = False
    sender: Address | None = None
    recipients: list[Address] = field(default_factory=list)
    is_8bit: bool = False
    smtputf8: bool = False

    @classmethod
    def begin(cls, argument: Argument, *, size_limit_bytes: int, takes_auth: bool) -> Transaction:
        """What MAIL began. takes_auth: AUTH= is a parameter here (RFC 4954 §5), taken and not believed.

        Raises BadSyntax, BadAddress, UnknownParameter, MessageTooLarge.
        """
        transaction = cls(has_sender=True)
        for name, value in argument.parameters.items():
            if name == "SIZE":
                _check_size(value, size_limit_bytes)
            elif name == "BODY" and value.upper() in ("7BIT", "8BITMIME"):
                transaction.is_8bit = value.upper() == "8BITMIME"
            elif name == "SMTPUTF8" and not value:
                transaction.smtputf8 = True
            elif name != "AUTH" or not takes_auth:
                raise UnknownParameter
        if argument.path:
            transaction.sender = argument.address(smtputf8=transaction.smtputf8)
        return transaction

    def envelope(self) -> Envelope:
        """The same, closed."""
        return Envelope(
            sender=self.sender, recipients=tuple(self.recipients), is_8bit=self.is_8bit, smtputf8=self.smtputf8
        )


def _check_size(value: str, limit_bytes: int) -> None:
    if not (value.isascii() and value.isdigit() and len(value) <= 20):
        raise BadSyntax("SIZE takes a number of bytes")
    if int(value) > limit_bytes:
        raise MessageTooLarge
