"""Whose mailboxes a person reaches, under which names (RFC 2342), and what they may do there (RFC 4314 §4)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from mail.imap.names import DELIMITER, INBOX
from mail.imap.replies import NotDone
from mail.mailbox.model import OTHER_USERS

if TYPE_CHECKING:
    from mail.directory import Access, Account, Rights
    from mail.mailbox.model import Mailbox


class Deed(StrEnum):
    """What needs rights, as a refusal calls it."""

    SUBSCRIBE = "subscribe to this mailbox"
    READ = "read this mailbox"
    INSERT = "put messages into this mailbox"
    MARK = "change flags in this mailbox"
    EXPUNGE = "remove messages from this mailbox"
    TAKE_AWAY = "move messages out of this mailbox"
    CREATE = "create mailboxes here"
    RENAME = "rename this mailbox"
    DELETE = "delete this mailbox"
    SEE_RIGHTS = "see who has rights on this mailbox"


_NEEDED = {
    Deed.SUBSCRIBE: "l",
    Deed.READ: "r",
    Deed.INSERT: "i",
    Deed.MARK: "swt",
    Deed.EXPUNGE: "e",
    Deed.TAKE_AWAY: "te",
    Deed.CREATE: "k",
    Deed.RENAME: "xk",
    Deed.DELETE: "x",
    Deed.SEE_RIGHTS: "a",
}


def may(rights: Rights, deed: Deed) -> bool:
    """Whether these rights allow it."""
    return set(_NEEDED[deed]) <= set(rights)


def changes_nothing(rights: Rights) -> bool:
    """Whether a mailbox opens READ-ONLY with them (RFC 4314 §5.2)."""
    return not any(may(rights, deed) for deed in (Deed.INSERT, Deed.MARK, Deed.EXPUNGE))


def letters(rights: Rights) -> str:
    """The rights as replies tell them, with what RFC 2086 knew instead (RFC 4314 §2.1.1): c for k; d for e, t and x."""
    return rights + "c" * ("k" in rights) + "d" * any(right in rights for right in "etx")


@dataclass(frozen=True, slots=True)
class Realm:
    """An account's mailboxes as one person calls them. prefix: what their names begin with; empty for one's own."""

    access: Access
    prefix: str

    @classmethod
    def of(cls, access: Access, own: Account) -> Realm:
        """A person's, whose own account is `own`."""
        is_own = access.account.account_id == own.account_id
        return cls(access, "" if is_own else f"{OTHER_USERS}{DELIMITER}{access.account.address}")

    @property
    def is_own(self) -> bool:
        """Whether it is the person's own account."""
        return not self.prefix

    def holds(self, name: str) -> bool:
        """Whether the person's name for a mailbox is of this account, be there such a mailbox or not."""
        return is_within(name, self.prefix) if self.prefix else not is_within(name, OTHER_USERS)

    def inward(self, name: str) -> str:
        """What the account calls the mailbox of that name, which it holds. Raises NotDone for a second name of one."""
        if self.is_own:
            return name
        if name == self.prefix:
            return INBOX
        inner = name.removeprefix(self.prefix + DELIMITER)
        if inner in ("", INBOX):
            raise no_such_mailbox()
        return inner

    def key(self, name: str) -> tuple[int, str]:
        """The account, and what it calls the mailbox of that name, which it holds. Raises NotDone as `inward`."""
        return self.access.account.account_id, self.inward(name)

    def shown(self, box: Mailbox) -> Mailbox:
        """The mailbox with the person's name for it: a post's inbox has the name of the post itself.

        What it is for is for who writes in the post's name (RFC 6154): nobody's own mail goes to a post's Sent.
        """
        if self.is_own:
            return box
        name = self.prefix if box.name == INBOX else f"{self.prefix}{DELIMITER}{box.name}"
        return replace(box, name=name, special_use=None)

    def must(self, deed: Deed) -> None:
        """Raises NotDone unless the rights allow it."""
        if not may(self.access.rights, deed):
            raise NotDone(f"You may not {deed}", code="NOPERM")


def is_within(name: str, parent: str) -> bool:
    """Whether that is the name of the parent or of something below it."""
    return name == parent or name.startswith(parent + DELIMITER)


def no_such_mailbox() -> NotDone:
    """The refusal of a name that nothing can have."""
    return NotDone("There is no such mailbox", code="NONEXISTENT")
