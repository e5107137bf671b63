"""What mail needs to know of people, and never looks up itself: the host supplies a Directory."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from mail.address import Address


@dataclass(frozen=True, kw_only=True)
class Account:
    """One who receives mail here: a person or a post.

    account_id: the host's, one sequence for people and posts together, 1 or more. address: the principal one.
    quota_bytes: of all its mailboxes together; None for no limit.
    """

    account_id: int
    address: Address
    quota_bytes: int | None = None


@dataclass(frozen=True, kw_only=True)
class MailingList:
    """An address that stands for several.

    owner: envelope sender of the copies, so that failures reach the keeper and not the author.
    accounts: members who receive here, lists within the list already opened. remote: members elsewhere.
    posters: keys (`Address.key`) of the senders who may post, aliases included; None for everyone.
    """

    address: Address
    owner: Address
    accounts: tuple[Account, ...]
    remote: tuple[Address, ...] = ()
    posters: frozenset[str] | None = None


class NotHere(Enum):
    """UNKNOWN: the domain is ours, the mailbox is not. REMOTE: the domain is another server's."""

    UNKNOWN = "unknown"
    REMOTE = "remote"


Recipient: TypeAlias = Account | MailingList | NotHere


@dataclass(frozen=True, kw_only=True)
class Identity:
    """A person who signed in.

    account_id: of the person's own mailbox. address: the person's own. name: as shown to others.
    """

    account_id: int
    address: Address
    name: str


class Directory(Protocol):
    """Who receives here, who signs in, who may send as whom.

    Methods raise `mail.errors.SystemDown` when they cannot know for now. `lookup` is asked at every RCPT and again at
    acceptance: keep it to microseconds (a cache that the directory's own changes empty).
    """

    async def lookup(self, address: Address) -> Recipient:
        """Who receives what is sent to that address; local parts compare without case."""
        ...

    async def authenticate(self, login: str, password: str, *, ip: str) -> Identity | None:
        """Who that is; None for a wrong login or password, whichever, after the same time.

        ip: the client's, to slow down guessing.
        """
        ...

    async def may_send_as(self, identity: Identity, address: Address) -> bool:
        """Whether that person may send with that address: an own one, or that of a post held now."""
        ...
