"""What can go wrong, in the words of the person concerned.

    ComgovError
    ├── Invalid            what was given cannot be taken as it is      400
    ├── Unauthenticated    nobody, or a session that ended              401
    ├── Forbidden          known, and not allowed                       403
    ├── NotFound           not there, or not for this person to know    404
    ├── Conflict           true a moment ago, no longer                 409
    ├── PreconditionFailed what the request supposed is not so          412
    ├── TooLarge           over a limit of size                         413
    ├── TooMany            over a limit of rate                         429
    ├── Unavailable        a part we lean on is down; try again         503
    └── Full               quota or disk                                507

`public` is an English sentence (a message id that catalogues translate) that says what happened, what was kept and
what to do; its `{names}` are filled from `values`. `reason` is for the log alone. The one middleware in
`comgov.web` turns `status` into a reply; nothing else does.
"""

from __future__ import annotations

from typing import ClassVar


class ComgovError(Exception):
    """A broken promise, with a sentence for the person and a reason for the log."""

    status: ClassVar[int] = 500

    def __init__(self, public: str, *, reason: str = "", **values: object) -> None:
        self.public = public
        self.reason = reason
        self.values = values
        super().__init__(public.format(**values) + (f" ({reason})" if reason else ""))


class Invalid(ComgovError):
    """What was given cannot be taken as it is."""

    status = 400


class Unauthenticated(ComgovError):
    """Nobody, or a session that ended."""

    status = 401


class Forbidden(ComgovError):
    """Known, and not allowed."""

    status = 403


class NotFound(ComgovError):
    """Not there, or not for this person to know."""

    status = 404


class Conflict(ComgovError):
    """True a moment ago, no longer."""

    status = 409


class PreconditionFailed(ComgovError):
    """What the request supposed is not so (RFC 9110 §13.1)."""

    status = 412


class TooLarge(ComgovError):
    """Over a limit of size."""

    status = 413


class TooMany(ComgovError):
    """Over a limit of rate."""

    status = 429


class Unavailable(ComgovError):
    """A part we lean on is down; trying again later helps."""

    status = 503


class Full(ComgovError):
    """A quota is reached or a disk is full."""

    status = 507
