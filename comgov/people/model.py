"""People, the posts they hold, the lists they are on, and what each lets them do."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

from comgov.actor import Actor as Actor
from comgov.actor import Role as Role
from comgov.errors import Forbidden, Invalid
from comgov.institutions.model import administers
from comgov.language import N_, Language

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

SHORTEST_PASSWORD = 10
LONGEST_PASSWORD = 200  # characters: a bound on work, not a hindrance to phrases

_LOCAL_PART = re.compile(r"[a-z0-9](?:[a-z0-9_-]|\.(?!\.))*(?<![.])")
_LONGEST_LOCAL_PART = 64  # RFC 5321 §4.5.3.1.1
_LONGEST_ADDRESS = 254  # RFC 5321 §4.5.3.1.3, less the angle brackets


class Rights(StrEnum):
    """What holding a post lets one do; each includes those before it."""

    VIEWER = "viewer"
    EDITOR = "editor"
    SENDER = "sender"
    MANAGER = "manager"

    def includes(self, other: Rights) -> bool:
        """Whether these rights are at least those."""
        order = list(Rights)
        return order.index(self) >= order.index(other)


class Posting(StrEnum):
    """Who may post to a list: its members, people and posts of its institution, or anyone at all."""

    MEMBERS = "members"
    INSTITUTION = "institution"
    ANYONE = "anyone"


@dataclass(frozen=True, kw_only=True)
class Account:
    """What owns a mailbox: a person or a post. Ids are of one sequence."""

    id: int
    kind: Literal["person", "post"]
    institution_id: int
    address: str
    name: str
    quota_bytes: int
    disabled: bool


@dataclass(frozen=True, kw_only=True)
class Person:
    """Someone with an account. has_password: False until one is set, and nobody can sign in as them before."""

    id: int
    institution_id: int
    address: str
    name: str
    roles: frozenset[Role]
    language: Language
    quota_bytes: int
    disabled: bool
    has_password: bool
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class Holding:
    """That a person holds, held or will hold a post. held_until: None while no end is set."""

    id: int
    post_id: int
    person_id: int
    person_name: str
    person_address: str
    rights: Rights
    held_from: datetime
    held_until: datetime | None

    def is_held(self, now: datetime) -> bool:
        """Whether the post is held at that instant: from `held_from` on, up to and without `held_until`."""
        return self.held_from <= now and (self.held_until is None or now < self.held_until)


@dataclass(frozen=True, kw_only=True)
class Post:
    """A function with a mailbox that survives those who hold it. name: its title.

    holdings: all of them, past ones too, oldest first.
    """

    id: int
    institution_id: int
    address: str
    name: str
    quota_bytes: int
    disabled: bool
    created_at: datetime
    holdings: tuple[Holding, ...] = ()


@dataclass(frozen=True, kw_only=True)
class MailingList:
    """An address that leads to several accounts. owner_id: the account that answers for it."""

    id: int
    institution_id: int
    address: str
    name: str
    posting: Posting
    owner_id: int
    disabled: bool
    created_at: datetime
    members: tuple[Account, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Entry:
    """An open person or post, as everyone finds them in the directory.

    ties: of a person, the titles of the posts held now; of a post, the names of those who hold it now.
    """

    id: int
    kind: Literal["person", "post"]
    institution_id: int
    name: str
    address: str
    ties: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Session:
    """A sign-in that has not ended. agent: what the browser calls itself."""

    id: int
    created_at: datetime
    seen_at: datetime
    expires_at: datetime
    ip: str
    agent: str


@dataclass(frozen=True, kw_only=True)
class AppPassword:
    """A password of one device for mail, not revoked. name: of the device.

    used_at: when it was last used, to the hour; None until it was. used_ip, used_for: from where then, and for IMAP
    or SMTP.
    """

    id: int
    name: str
    created_at: datetime
    used_at: datetime | None
    used_ip: str
    used_for: str


@dataclass(frozen=True, kw_only=True)
class SignedIn:
    """token: 43 URL-safe characters, for the cookie and nowhere else: it is never shown again."""

    actor: Actor
    expires_at: datetime
    token: str = field(repr=False)


_BROWSERS = (("Edg", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"))
_SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iOS"),
    ("iPad", "iPadOS"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)


def browser_named(agent: str) -> str:
    """A browser as its owner calls it, such as "Firefox, Windows", by what it says of itself; empty when unknown."""
    browser = next((name for mark, name in _BROWSERS if mark in agent), "")
    system = next((name for mark, name in _SYSTEMS if mark in agent), "")
    return ", ".join(filter(None, (browser, system)))


def address_of(text: str) -> str | None:
    """An address as it is kept, in lower case; None when no address of ours can read so.

    Only ASCII letters are folded: `str.lower` would turn the Kelvin sign into a k, and let one person's
    look-alike reach another.
    """
    clean = text.strip()
    if not (clean.isascii() and clean.isprintable()) or len(clean) > _LONGEST_ADDRESS:
        return None
    return clean.lower()


def check_address(text: str) -> tuple[str, str]:
    """The local part and the domain of a new address, in lower case.

    The local part has 1 to 64 of a-z, 0-9, `.`, `_`, `-`, begins with a letter or digit, neither ends with a point
    nor has two in a row: what every system writes and reads without quoting.
    """
    address = address_of(text)
    local_part, _, domain = (address or "").rpartition("@")
    if not domain or len(local_part) > _LONGEST_LOCAL_PART or not _LOCAL_PART.fullmatch(local_part):
        raise Invalid(
            N_("“{address}” cannot be an address: use letters without accents, digits, points and hyphens before @."),
            address=text[:80],
        )
    return local_part, domain


def check_password(password: str, *, address: str, name: str) -> str:
    """A new password in Unicode NFC (RFC 8265 §4.2), if it is hard enough to guess.

    10 to 200 characters, at least 5 different ones, and not the person's own name or address.
    """
    clean = unicodedata.normalize("NFC", password)
    if len(clean) < SHORTEST_PASSWORD or len(clean) > LONGEST_PASSWORD:
        raise Invalid(
            N_("A password has {shortest} to {longest} characters; a short sentence is easy to remember."),
            shortest=SHORTEST_PASSWORD,
            longest=LONGEST_PASSWORD,
        )
    folded = clean.casefold()
    if len(set(folded)) < 5 or folded in (address.casefold(), name.casefold()):
        raise Invalid(N_("This password is too easy to guess: choose one that is not your name, nor a repetition."))
    return clean


def may_grant(actor: Actor, institution_id: int, roles: Collection[Role]) -> bool:
    """Whether the actor may give or take these roles there: nobody but a platform administrator makes another."""
    if Role.PLATFORM_ADMINISTRATOR in roles:
        return actor.has(Role.PLATFORM_ADMINISTRATOR)
    return administers(actor, institution_id)


def must_be_able_to_grant(actor: Actor, institution_id: int, roles: Collection[Role]) -> None:
    """Raises Forbidden unless `may_grant`."""
    if not may_grant(actor, institution_id, roles):
        raise Forbidden(N_("Only an administrator of the platform may give or take that role."))


def may_open(person_id: int, account: Account, holdings: Iterable[Holding], now: datetime) -> Rights | None:
    """What a person may do with that account's mailbox: everything with their own, a post's rights while it is held.

    holdings: those of the post, when the account is one. None for a closed account too.
    """
    if account.disabled:
        return None
    if account.kind == "person":
        return Rights.MANAGER if account.id == person_id else None
    held = [
        holding.rights
        for holding in holdings
        if holding.post_id == account.id and holding.person_id == person_id and holding.is_held(now)
    ]
    return max(held, key=list(Rights).index, default=None)


def overlap(holding: Holding, begin: datetime, end: datetime | None) -> bool:
    """Whether a holding and the time from `begin` up to `end` (None: for ever) have an instant in common."""
    return (end is None or holding.held_from < end) and (holding.held_until is None or begin < holding.held_until)
