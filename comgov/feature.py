"""What a feature is, and what every feature is handed.

Adding a feature is: its folder, its line in `app.FEATURES`. Each room is furnished alike (model, actions, store,
web, commands, jobs, templates, locale, migrations); a missing file means that nothing of that kind happens there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from aiohttp import web

from comgov.actor import Actor, Role
from comgov.db import Migrations

if TYPE_CHECKING:
    import typer

    from comgov.clock import Clock
    from comgov.db import Database
    from mail.acceptance.front_door import Relay
    from mail.mailbox import Mailboxes
    from storage import Store

C = TypeVar("C")


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What the platform stands on: enough for what mail itself asks for, such as who receives here and who signs in.

    configs: each package's own Config, found by its class: `platform.config(files.Config)`.
    owned: what rooms keep in this process's memory, found by its class.
    """

    db: Database
    blobs: Store
    clock: Clock
    configs: Mapping[type[object], object]
    owned: dict[type[object], object] = field(default_factory=dict, repr=False, compare=False)

    def config(self, kind: type[C]) -> C:
        """The configuration of that kind."""
        found = self.configs[kind]
        assert isinstance(found, kind)
        return found

    def own(self, kind: type[C], make: Callable[[], C]) -> C:
        """What a room keeps in this process's memory (a cache, a semaphore): made when first asked for."""
        found = self.owned.get(kind)
        if found is None:
            found = self.owned[kind] = make()
        assert isinstance(found, kind)
        return found


@dataclass(frozen=True, kw_only=True)
class Platform(Ground):
    """The few things that every room shares in one process. `app` alone makes one; actions take it first."""

    relay: Relay
    mailboxes: Mailboxes


PLATFORM: web.AppKey[Platform] = web.AppKey("platform")
"""Where a handler finds the platform: `request.app[PLATFORM]`."""


@dataclass(frozen=True, kw_only=True)
class Gesture:
    """What one most often goes to a place for, offered on the home page. title: an English message id."""

    title: str
    path: str
    icon: str


@dataclass(frozen=True, kw_only=True)
class Place:
    """A feature's entry in the left rail.

    title: an English message id. order: small numbers first.
    """

    title: str
    path: str
    icon: str
    order: int
    gesture: Gesture | None = None


@dataclass(frozen=True, kw_only=True)
class Job:
    """Something done again and again, by one worker of all nodes at a time.

    name: unique over all rooms. cron: five fields, in UTC, such as `*/5 * * * *`.
    run: takes the platform; must be harmless when done twice.
    """

    name: str
    cron: str
    run: Callable[[Platform], Awaitable[object]]


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """Something that waits for a person: a line of the home page, and part of the number in the rail.

    title: an English message id whose `{names}` are filled from `values`, such as "Unread mail of {mailbox}".
    path: where it is dealt with. since: how long the oldest has waited.
    """

    title: str
    count: int
    path: str
    values: Mapping[str, object] = field(default_factory=dict)
    since: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Feature:
    """One room of the platform, as `app` sees it.

    folder: the room itself, where `templates/`, `static/`, `locale/` and `migrations/` lie.
    roles: which of them its place is shown to, any of them; empty: everyone. Actions check for themselves.
    waiting: what waits for a person, asked for each page: at most one quick query.
    """

    name: str
    folder: Path
    place: Place | None = None
    roles: frozenset[Role] = frozenset()
    routes: Sequence[web.AbstractRouteDef] = ()
    commands: Sequence[typer.Typer] = ()
    jobs: Sequence[Job] = field(default=())
    waiting: Callable[[Platform, Actor], Awaitable[Sequence[Waiting]]] | None = None

    def is_shown_to(self, actor: Actor) -> bool:
        """Whether the rail leads that person here."""
        return not self.roles or any(actor.has(role) for role in self.roles)

    @property
    def migrations(self) -> Migrations | None:
        """Its tables, if it has any."""
        directory = self.folder / "migrations"
        return Migrations(package=self.name, directory=directory) if directory.is_dir() else None
