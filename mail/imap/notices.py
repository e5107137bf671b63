"""Which mailboxes changed, as PostgreSQL tells every worker (`NOTIFY mail_mailbox`)."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import structlog

from mail.errors import TryLater
from mail.postgres import connected

if TYPE_CHECKING:
    from collections.abc import Iterator, Set

    from mail.postgres import Connection, Pool

_CHANNEL = "mail_mailbox"
_PAUSE = 1.0  # seconds, before listening again
_ANY = 0  # no mailbox has this id

log = structlog.get_logger()


class Notices:
    """Wakes whoever watches a mailbox that changed. While nobody can listen, everybody is woken once a second."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._watched: dict[int, set[asyncio.Event]] = {}
        self._hearers: list[set[int]] = []

    async def run(self) -> None:
        """Listen, until cancelled."""
        while True:
            try:
                async with connected(self._pool) as connection:
                    await self._listen(connection)
            except TryLater as error:
                log.warning("imap.cannot_listen", reason=error.reason)
            self._wake_all()
            await asyncio.sleep(_PAUSE)

    async def _listen(self, connection: Connection) -> None:
        """Until the connection is lost."""
        ended = asyncio.Event()
        connection.add_termination_listener(lambda _: ended.set())
        await connection.add_listener(_CHANNEL, self._hear)
        try:
            self._wake_all()  # of what was said while nobody listened
            await ended.wait()
        finally:
            if not connection.is_closed():
                await connection.remove_listener(_CHANNEL, self._hear)

    @contextmanager
    def watching(self, mailbox_id: int, heard: Set[int] = frozenset()) -> Iterator[asyncio.Event]:
        """An event that is set when that mailbox changes, as long as the block lasts; or was `heard` of before."""
        changed = asyncio.Event()
        if not heard.isdisjoint((mailbox_id, _ANY)):
            changed.set()
        watchers = self._watched.setdefault(mailbox_id, set())
        watchers.add(changed)
        try:
            yield changed
        finally:
            watchers.discard(changed)
            if not watchers:
                self._watched.pop(mailbox_id, None)

    @contextmanager
    def hearing(self) -> Iterator[Set[int]]:
        """Which mailboxes changed since the block began, 0 for any: to watch one that is only found in it."""
        heard: set[int] = set()
        self._hearers.append(heard)
        try:
            yield heard
        finally:
            self._hearers = [each for each in self._hearers if each is not heard]

    def _hear(self, *arguments: Any) -> None:
        mailbox_ids = [int(mailbox_id or 0) for mailbox_id in arguments[3].split(",")]
        for heard in self._hearers:
            heard.update(mailbox_ids)
        for mailbox_id in mailbox_ids:
            for changed in self._watched.get(mailbox_id, ()):
                changed.set()

    def _wake_all(self) -> None:
        for heard in self._hearers:
            heard.add(_ANY)
        for watchers in self._watched.values():
            for changed in watchers:
                changed.set()
