"""Refusals that only the SMTP dialogue knows."""

from __future__ import annotations

from mail.errors import BadSyntax, Closing, Refused


class BadSequence(Refused):
    """A command out of its order."""

    code = 503
    status = "5.5.1"
    sentence = "Not now"


class NotImplementedHere(Refused):
    """No such command, or not on this port."""

    code = 502
    status = "5.5.1"
    sentence = "There is no such command here"


class UnknownParameter(Refused):
    """MAIL or RCPT with something that was not offered."""

    code = 555
    status = "5.5.4"
    sentence = "Unknown parameter"


class Utf8Needed(Refused):
    """An address beyond ASCII, without SMTPUTF8 (RFC 6531 §3.5)."""

    code = 553
    status = "5.6.7"
    sentence = "An address beyond ASCII needs SMTPUTF8"


class EncryptionNeeded(Refused):
    """Signing in without TLS."""

    code = 538
    status = "5.7.11"
    sentence = "Begin TLS with STARTTLS first"


class AuthenticationFailed(Refused):
    """Wrong login or password, whichever."""

    code = 535
    status = "5.7.8"
    sentence = "Wrong login or password"


class UnknownMechanism(Refused):
    """A way to sign in that is not offered."""

    code = 504
    status = "5.5.4"
    sentence = "Sign in with PLAIN or LOGIN"


class AuthenticationCancelled(Refused):
    """The client gave up signing in."""

    code = 501
    status = "5.7.0"
    sentence = "Signing in was given up"


class BadResponse(BadSyntax):
    """A response to a challenge that cannot be read."""

    status = "5.5.2"
    sentence = "The response cannot be read"


class TooManyConnections(Closing):
    """In all, or from one address."""

    status = "4.7.0"
    sentence = "Too many connections; try again later"


class TooManyErrors(Closing):
    """In one session."""

    status = "4.7.0"
    sentence = "Too many errors; closing the connection"


class Slow(Closing):
    """Nothing came for too long, or a message took too long."""

    status = "4.4.2"
    sentence = "Too slow; closing the connection"
