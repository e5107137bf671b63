"""What mail says went wrong, in the platform's errors: translated once, here."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from comgov.errors import Conflict, Forbidden, Full, Invalid, NotFound, TooLarge, Unavailable
from comgov.language import N_
from mail import errors as mail
from storage import StorageError, StoreFullError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from comgov.errors import ComgovError


@contextmanager
def in_our_words() -> Iterator[None]:
    """Errors of `mail`, and of the store under it, as errors of the platform, the cause kept."""
    try:
        yield
    except (mail.MailError, StorageError) as error:
        raise ours(error) from error


def ours(error: mail.MailError | StorageError) -> ComgovError:
    """The platform's error for one of mail's or of the store's."""
    kind, sentence = next(
        (answer for known, answer in _ANSWERS if isinstance(error, known)),
        (Unavailable, N_("The mail could not be handled. Nothing was lost; try again in a minute.")),
    )
    return kind(sentence, reason=f"{type(error).__name__}: {error}")


_ANSWERS: tuple[tuple[type[mail.MailError | StorageError], tuple[type[ComgovError], str]], ...] = (
    (mail.NoSuchMailbox, (NotFound, N_("There is no such mailbox, or it is not yours to open."))),
    (mail.NoSuchMessage, (NotFound, N_("This message is no longer here: it was moved or deleted meanwhile."))),
    (mail.MailboxExists, (Conflict, N_("A mailbox of that name is there already. Choose another name."))),
    (mail.MessageTooLarge, (TooLarge, N_("The message is too large to be sent. Share its files by a link instead."))),
    (mail.MailboxFull, (Full, N_("The mailbox of one of the recipients is full. The message is kept as a draft."))),
    (mail.NotPermitted, (Forbidden, N_("You may not do this with this address or mailbox. Nothing was changed."))),
    (mail.SystemFull, (Full, N_("There is no room left on the server. The message is kept as a draft."))),
    (StoreFullError, (Full, N_("There is no room left on the server. The message is kept as a draft."))),
    (StorageError, (Unavailable, N_("This part of the mail cannot be read for now. Try again in a minute."))),
    (mail.SystemDown, (Unavailable, N_("The mail does not answer. Nothing was lost; try again in a minute."))),
    (mail.Refused, (Invalid, N_("The message was refused as it is. It is kept as a draft."))),
)
