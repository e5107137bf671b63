"""What mail needs to know of people, and never looks up itself: the host supplies a Directory."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

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
    sign_in: with what they signed in, in words that only the directory reads; empty when the host vouches for them.
    """

    account_id: int
    address: Address
    name: str
    sign_in: str = ""


class Rights(StrEnum):
    """What one may do in an account's mailboxes, in the letters of RFC 4314 §2.1; each includes those before it."""

    VIEWER = "lr"
    EDITOR = "lrswite"
    SENDER = "lrswipte"
    MANAGER = "lrswipkxtea"


@dataclass(frozen=True, kw_only=True)
class Access:
    """An account whose mailboxes a person may open: their own, or that of a post they hold."""

    account: Account
    rights: Rights


class Directory(Protocol):
    """Who receives here, who signs in, who may send as whom.

    Methods raise `mail.errors.SystemDown` when they cannot know for now. `lookup` is asked at every RCPT and again at
    acceptance: keep it to microseconds (a cache that the directory's own changes empty).
    """

    async def lookup(self, address: Address) -> Recipient:
        """Who receives what is sent to that address; local parts compare without case."""
        ...

    def recall(self, address: Address) -> Recipient | None:
        """What `lookup` gives, if that is known without asking anyone; None when it is not."""
        ...

    async def authenticate(self, login: str, password: str, *, ip: str, service: str) -> Identity | None:
        """Who that is; None for a wrong login or password, whichever, after the same time.

        ip: the client's, to slow down guessing. service: such as `IMAP`, for the person,
        who sees where a password was used.
        """
        ...

    async def accesses(self, identity: Identity) -> tuple[Access, ...]:
        """The accounts whose mailboxes that person may open now: their own first, then those of posts, by address.

        Empty once the sign-in is worth nothing any more: its password was changed or revoked, the account closed.
        Asked before every command: keep it to microseconds. An answer may be a second old, no more.
        """
        ...

    async def holders(self, account: Account) -> Mapping[Address, Rights]:
        """Who may open that account's mailboxes now, by address."""
        ...

    async def may_send_as(self, identity: Identity, address: Address) -> bool:
        """Whether that person may send with that address: an own one, or that of a post held now."""
        ...
