"""What a client says to sign in: PLAIN (RFC 4616) and LOGIN, within AUTH (RFC 4954)."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, TypeAlias

from mail.sasl import decode, split_plain
from mail.smtp.replies import AuthenticationCancelled, BadResponse, UnknownMechanism

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Ask: TypeAlias = Callable[[str], Awaitable[bytes]]
    """Sends a line such as `334 VXNlcm5hbWU6` and gives the line that comes back."""

MECHANISMS = "PLAIN LOGIN"


async def credentials(argument: str, ask: Ask) -> tuple[str, str]:
    """Login and password, from what follows AUTH and from what the client answers.

    Raises UnknownMechanism, BadResponse, AuthenticationCancelled.
    """
    mechanism, _, initial = argument.partition(" ")
    initial = initial.strip(" ")
    if mechanism.upper() == "PLAIN":
        return _split_plain(_decode(initial or await _challenge(ask, "")))
    if mechanism.upper() == "LOGIN":
        login = _decode(initial or await _challenge(ask, "Username:"))
        return login, _decode(await _challenge(ask, "Password:"))
    raise UnknownMechanism


async def _challenge(ask: Ask, text: str) -> str:
    line = await ask(f"334 {b64encode(text.encode()).decode()}")
    if line == b"*":
        raise AuthenticationCancelled
    return line.decode("ascii", "replace")


def _split_plain(response: str) -> tuple[str, str]:
    try:
        return split_plain(response)
    except ValueError:
        raise BadResponse from None


def _decode(text: str) -> str:
    try:
        return decode(text)
    except ValueError:
        raise BadResponse from None
