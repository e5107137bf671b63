"""Spaces, their trees, versions and links; and who may do what.

Two levels are always asked: what a person is in a space (`role_in`), and whether that role may do this to that thing
(`may`, `may_revoke`). Whoever has no role in a space is not told that it exists.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, IntEnum, StrEnum
from typing import TYPE_CHECKING

from comgov.actor import Role

if TYPE_CHECKING:
    from comgov.actor import Actor
    from comgov.language import Language


class SpaceKind(StrEnum):
    """Whose space it is. Those of services and posts come with the issues that need them."""

    PERSONAL = "personal"
    INSTITUTION = "institution"


class SpaceRole(IntEnum):
    """What a person is in a space; each role may all that the one before it may."""

    NONE = 0
    READER = 1
    CONTRIBUTOR = 2
    MANAGER = 3

    @property
    def code(self) -> str:
        """Its name in the database and in forms, such as `reader`."""
        return self.name.lower()

    @classmethod
    def of(cls, code: str) -> SpaceRole:
        """The role of that code; ValueError for anything else."""
        for role in cls:
            if role.code == code:
                return role
        raise ValueError(code)


class Deed(Enum):
    """What one may do in a space."""

    READ = "list, download, see versions"
    ADD = "upload, make a folder, copy or move to here"
    CHANGE = "rename, move away, throw away, take back, show an older version"
    SHARE = "make a link"
    PURGE = "delete for good, from the trash or from the versions"
    MANAGE = "say who is what; see and revoke everybody's links"


LEAST_ROLE: Mapping[Deed, SpaceRole] = {
    Deed.READ: SpaceRole.READER,
    Deed.ADD: SpaceRole.CONTRIBUTOR,
    Deed.CHANGE: SpaceRole.CONTRIBUTOR,
    Deed.SHARE: SpaceRole.CONTRIBUTOR,
    Deed.PURGE: SpaceRole.MANAGER,
    Deed.MANAGE: SpaceRole.MANAGER,
}
"""What one must at least be in a space for it."""


@dataclass(frozen=True, kw_only=True)
class Space:
    """A tree of files with a quota.

    owner_id: the person, for a personal space. quota_bytes: None for the configured quota.
    size_bytes, files: every version, the trash included. root_id: its root folder.
    """

    id: int
    root_id: int
    institution_id: int
    institution_code: str
    owner_id: int | None
    owner_name: str | None
    institution_name_fr: str
    institution_name_en: str
    default_role: SpaceRole
    quota_bytes: int | None
    size_bytes: int
    files: int

    @property
    def kind(self) -> SpaceKind:
        """Whose it is."""
        return SpaceKind.INSTITUTION if self.owner_id is None else SpaceKind.PERSONAL

    def institution_name(self, language: Language) -> str:
        """The name of its institution in that language."""
        return self.institution_name_en or self.institution_name_fr if language == "en" else self.institution_name_fr


def role_in(actor: Actor, space: Space, granted: SpaceRole | None) -> SpaceRole:
    """What `actor` is in `space`. granted: what its managers gave this very person, None for nothing said.

    A personal space knows its owner alone. In an institution's space its ICT focal point is a manager, whatever was
    granted; members are what was granted, or else the space's default; nobody from elsewhere enters.
    """
    if space.owner_id is not None:
        return SpaceRole.MANAGER if actor.person_id == space.owner_id else SpaceRole.NONE
    if actor.institution_id != space.institution_id:
        return SpaceRole.NONE
    if actor.has(Role.INSTITUTION_ADMINISTRATOR):
        return SpaceRole.MANAGER
    return space.default_role if granted is None else granted


def may(role: SpaceRole, deed: Deed) -> bool:
    """Whether that role may do that to what lies in its space."""
    return role >= LEAST_ROLE[deed]


def may_revoke(actor: Actor, role: SpaceRole, created_by: int) -> bool:
    """Whether `actor`, being `role` in the space of a link, may revoke it: its maker always, its managers too."""
    return actor.person_id == created_by or may(role, Deed.MANAGE)


@dataclass(frozen=True)
class Grant:
    """What one member of an institution is in its space, whatever the others are."""

    person_id: int
    name: str
    address: str
    role: SpaceRole


@dataclass(frozen=True, kw_only=True)
class Node:
    """A folder or a file.

    version: the number of the version shown, of `versions_made`; None for a folder, whose size is 0 and sha256 None.
    parent_id: None for a root, whose name is empty.
    """

    id: int
    space_id: int
    parent_id: int | None
    is_file: bool
    name: str
    version: int | None
    versions_made: int
    sha256: bytes | None
    size_bytes: int
    created_at: datetime
    changed_at: datetime
    changed_by: str | None
    trashed_at: datetime | None

    @property
    def is_root(self) -> bool:
        """Whether it is the top of its space."""
        return self.parent_id is None


@dataclass(frozen=True)
class Crumb:
    """A folder above, as breadcrumbs show it."""

    id: int
    name: str


@dataclass(frozen=True, kw_only=True)
class Place:
    """A node where it lies: its space, what the actor is there, and the folders above it from the root on."""

    space: Space
    role: SpaceRole
    node: Node
    above: tuple[Crumb, ...]

    @property
    def depth(self) -> int:
        """How many folders lie above: 0 for a root."""
        return len(self.above)

    @property
    def path(self) -> str:
        """Its path inside the space, such as `Rapports/bilan.pdf`; empty for the root."""
        return "/".join([crumb.name for crumb in self.above[1:]] + ([] if self.node.is_root else [self.node.name]))


class Sort(StrEnum):
    """What a list is sorted by."""

    NAME = "name"
    CHANGED = "changed"
    SIZE = "size"


@dataclass(frozen=True, kw_only=True)
class Listing:
    """How one wants a folder listed.

    matching: names must contain this, without regard to accents and case. after: the key of the last row seen, as
    `Rows.next` gave it.
    """

    sort: Sort = Sort.NAME
    descending: bool = False
    matching: str = ""
    after: tuple[object, ...] | None = None
    limit: int = 100


@dataclass(frozen=True)
class Rows:
    """A page of a list. total: how many rows match in all, exactly. next: the key to go on from, None at the end."""

    nodes: tuple[Node, ...]
    total: int
    next: tuple[object, ...] | None


@dataclass(frozen=True, kw_only=True)
class Trashed:
    """Something thrown away. path: of the folder it lay in, empty for the root."""

    node: Node
    path: str
    trashed_by: str | None


@dataclass(frozen=True, kw_only=True)
class Version:
    """One state of a file's bytes. is_shown: it is what one downloads."""

    number: int
    sha256: bytes
    size_bytes: int
    created_at: datetime
    created_by: str | None
    is_shown: bool


@dataclass(frozen=True, kw_only=True)
class Quota:
    """What is used and what may be, for a space and for all spaces of its institution."""

    space_used_bytes: int
    space_bytes: int
    institution_used_bytes: int
    institution_bytes: int

    @property
    def least_left_bytes(self) -> int:
        """How much may still come; negative when a quota is exceeded."""
        return min(self.space_bytes - self.space_used_bytes, self.institution_bytes - self.institution_used_bytes)

    @property
    def left_bytes(self) -> int:
        """How much may still come, 0 or more."""
        return max(0, self.least_left_bytes)

    @property
    def is_exceeded(self) -> bool:
        """Whether more is used than may be."""
        return self.least_left_bytes < 0

    @property
    def is_institution_tighter(self) -> bool:
        """Whether it is the institution that has the least room."""
        return self.institution_bytes - self.institution_used_bytes < self.space_bytes - self.space_used_bytes


@dataclass(frozen=True, kw_only=True)
class Link:
    """An address by which a file can be fetched.

    token: 192 random bits in base64url. downloads_max: None for any number. institution_id: of the file's space.
    is_suspended: that institution is, and while it is the link leads nowhere.
    """

    id: int
    token: str
    node_id: int
    space_id: int
    institution_id: int
    name: str
    size_bytes: int
    has_password: bool
    institution_only: bool
    downloads_max: int | None
    downloads: int
    created_at: datetime
    created_by: int
    creator: str
    expires_at: datetime
    revoked_at: datetime | None
    last_download_at: datetime | None
    is_suspended: bool

    @property
    def is_counted(self) -> bool:
        """Whether each download needs a ticket: it is behind a password or their number is limited."""
        return self.has_password or self.downloads_max is not None

    def state(self, now: datetime) -> LinkState:
        """What became of it."""
        if self.revoked_at is not None:
            return LinkState.REVOKED
        if now >= self.expires_at:
            return LinkState.EXPIRED
        if self.downloads_max is not None and self.downloads >= self.downloads_max:
            return LinkState.SPENT
        return LinkState.OPEN


class LinkState(StrEnum):
    """What became of a link."""

    OPEN = "open"
    EXPIRED = "expired"
    REVOKED = "revoked"
    SPENT = "spent"
