"""The wiring: the one place that knows every room.

Below it, code receives values; here they are made, in order, and closed in reverse.
"""

from __future__ import annotations

import asyncio
import functools
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Self

import structlog

import mail
from comgov import (
    administration,
    authority,
    dossiers,
    files,
    institutions,
    jobs,
    journal,
    people,
    registers,
    web,
    webmail,
)
from comgov.actor import console
from comgov.authority import ServerTls
from comgov.clock import system_clock
from comgov.config import Config, HttpConfig
from comgov.db import Migrations, migrate, once_reachable, open_database
from comgov.errors import Unavailable
from comgov.feature import Feature, Ground, Job, Platform
from comgov.people.directory import PeopleDirectory
from comgov.people.web import visitors
from comgov.supervisor import Listen, Sockets
from comgov.web.health import database_answers
from mail import imap, smtp
from mail.acceptance.front_door import Relay
from mail.config import Listener
from mail.imap.config import Config as ImapConfig
from mail.imap.notices import Notices
from mail.imap.renderings import Renderings
from mail.mailbox import Mailboxes
from mail.mailbox.quota import Quotas
from mail.outbound.courier import Courier
from mail.outbound.queue import Queue
from mail.outbound.resolver import DnsResolver
from mail.outbound.route import Router
from storage import MissingError, StorageError, open_store

log = structlog.get_logger()

FEATURES: tuple[Feature, ...] = (
    journal.feature,
    institutions.feature,
    people.feature,
    authority.feature,
    registers.feature,
    webmail.feature,
    files.feature,
    dossiers.feature,
    administration.feature,
)

_MAIL_JOBS = (
    Job(name="mail.index", cron="* * * * *", run=lambda platform: platform.mailboxes.index_pending()),
    Job(name="mail.sweep", cron="11 2 * * *", run=lambda platform: platform.mailboxes.sweep()),
)
_MAIL = Migrations(package="mail", directory=Path(mail.__file__).parent / "migrations")
_GOODBYE_SECONDS = 8.0  # what accepted work is given to finish; the supervisor waits ten


def migrations() -> list[Migrations]:
    """Every package's tables, in the order they lean on each other."""
    return [_MAIL, jobs.migrations, *(found for feature in FEATURES if (found := feature.migrations))]


def listeners(config: Config) -> dict[str, Listen]:
    """Every port that a node opens, by the name of what listens there."""
    wanted: dict[str, HttpConfig | Listener | ImapConfig] = {
        "http": config.server.http,
        "relay": config.mail.relay,
        "submission": config.mail.submission,
        "submissions": config.mail.submissions,
        "imap": config.mail.imap,
        "imaps": config.mail.imaps,
    }
    return {name: Listen(one.host, one.port) for name, one in wanted.items() if one.port}


def server_names(config: Config) -> list[str]:
    """What clients may know this server by, for its certificate."""
    return [config.server.hostname, "localhost", "127.0.0.1"]


@asynccontextmanager
async def open_platform(config: Config, database_url: str, *, is_patient: bool = False) -> AsyncIterator[Platform]:
    """What every room shares, for as long as the block lasts.

    is_patient: go on without a database that is away; what needs it fails until it is back. Otherwise raises
    DatabaseDown and DatabaseRefused.
    """
    configs = config.by_kind()
    async with (
        open_database(database_url, min_size=0 if is_patient else 1, max_size=config.database.connections) as db,
        open_store(config.storage) as blobs,
    ):
        ground = Ground(db=db, blobs=blobs, clock=system_clock, configs=configs)
        bodies = await blobs.drawer("mail")
        relay = Relay(
            hostname=config.server.hostname,
            pool=db.pool,
            blobs=bodies,
            directory=PeopleDirectory(ground),
            clock=system_clock,
            config=config.mail,
        )
        mailboxes = Mailboxes(
            pool=db.pool, blobs=bodies, clock=system_clock, header_limit_bytes=config.mail.header_limit_bytes
        )
        yield Platform(
            db=db,
            blobs=blobs,
            clock=system_clock,
            configs=configs,
            owned=ground.owned,
            relay=relay,
            mailboxes=mailboxes,
        )


async def prepare(config: Config, database_url: str, more: Callable[[Platform], Awaitable[None]] | None = None) -> None:
    """Bring everything that outlives a worker up to date, before the first one runs."""
    for name in await migrate(database_url, migrations()):
        log.info("migration.applied", name=name)
    async with open_platform(config, database_url) as platform:
        await authority.actions.establish(platform, console("comgov"))
        if more:
            await more(platform)


@functools.cache
def warm_up() -> web.Site:
    """What costs time or memory and is the same in every worker: made before they are forked."""
    return web.prepare(FEATURES)


async def serve_worker(config: Config, database_url: str, sockets: Sockets, life: int) -> None:
    """One worker: serve on these sockets until told to stop, or until the parent is gone (`life` is at its end).

    A database that is away is waited for: the web answers meanwhile (`/readyz` says what is amiss), mail clients wait
    to be greeted. A background task that fails takes the worker down with it, and the supervisor starts another.
    """
    stopping = _stop_requests(life)
    async with (
        open_platform(config, database_url, is_patient=True) as platform,
        _Services() as services,
        asyncio.TaskGroup() as group,
    ):
        await services.open(_serve_http(platform, sockets["http"], services))
        working = group.create_task(_work(config, platform, database_url, sockets, services))
        await stopping.wait()
        working.cancel()
        await services.close()  # while the work comes to its end


async def _work(config: Config, platform: Platform, database_url: str, sockets: Sockets, services: _Services) -> None:
    """Mail, once it has a certificate to show, and what goes on in the background; until cancelled."""
    tls = ServerTls(platform, server_names(config))
    await once_reachable(tls.renew)
    for service in smtp.Service:
        if service.value in sockets:
            listening = [sockets[service.value]]
            await services.open(smtp.serve(platform.relay, service, listening, tls_context=tls.context))
    notices, quotas = Notices(platform.db.pool), Quotas(platform.db.pool)
    renderings = Renderings(config.mail.imap.cache_bytes)
    for name in ("imap", "imaps"):
        if name in sockets:
            server = imap.Server(
                hostname=config.server.hostname,
                mailboxes=platform.mailboxes,
                directory=platform.relay.directory,
                notices=notices,
                quotas=quotas,
                renderings=renderings,
                config=config.mail.imap,
                message_limit_bytes=config.mail.message_limit_bytes,
                tls_context=tls.context,
                is_tls=name == "imaps",
            )
            await services.open(imap.serve(server, [sockets[name]]))
    services.are_complete = True
    queue = await _mail_queue(config, platform)
    async with asyncio.TaskGroup() as group:
        for work in (
            jobs.run_schedules(database_url, _scheduled(platform)),
            queue.run(),
            notices.run(),
            tls.keep_renewing(),
            dossiers.resume(platform),
        ):
            group.create_task(work)


class _Services:
    """Opened one after the other, closed side by side, so that each has the whole time for its goodbyes."""

    def __init__(self) -> None:
        self.are_complete = False
        self._opened: list[AbstractAsyncContextManager[object]] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.close()

    async def open(self, service: AbstractAsyncContextManager[object]) -> None:
        """Enter it; `close` leaves it."""
        await service.__aenter__()
        self._opened.append(service)

    async def close(self) -> None:
        """Leave all that are open."""
        leaving, self._opened = self._opened, []
        await asyncio.gather(*(service.__aexit__(None, None, None) for service in leaving))


async def _mail_queue(config: Config, platform: Platform) -> Queue:
    """Mail for other servers, on its way from this worker."""
    hostname = config.server.hostname
    router = Router(config.mail, DnsResolver(), frozenset({hostname.lower()}))
    return Queue(
        pool=platform.db.pool,
        blobs=await platform.blobs.drawer("mail"),
        courier=Courier(hostname=hostname, own_names=frozenset(), router=router, config=config.mail.courier),
        accept=platform.relay.accept,
        hostname=hostname,
        clock=platform.clock,
        config=config.mail.queue,
    )


def _scheduled(platform: Platform) -> list[jobs.Scheduled]:
    return [
        jobs.Scheduled(name=job.name, cron=job.cron, run=functools.partial(job.run, platform))
        for job in (*_MAIL_JOBS, *(job for feature in FEATURES for job in feature.jobs))
    ]


def _stop_requests(life: int) -> asyncio.Event:
    """Set at SIGTERM, SIGINT or the end of the pipe."""
    loop, stopping = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)

    def parent_is_gone() -> None:
        loop.remove_reader(life)
        stopping.set()

    loop.add_reader(life, parent_is_gone)
    return stopping


async def _storage_answers(platform: Platform) -> None:
    try:
        await platform.blobs.stat(bytes(32))
    except MissingError:
        return
    except StorageError as error:
        raise Unavailable(error.public, reason=error.reason) from error


@asynccontextmanager
async def _serve_http(platform: Platform, listening: socket.socket, services: _Services) -> AsyncIterator[None]:
    async def mail_answers(_platform: Platform) -> None:
        if not services.are_complete:
            raise Unavailable("Mail is not served yet.")

    checks = {"database": database_answers, "storage": _storage_answers, "mail": mail_answers}
    application = web.application(platform, FEATURES, site=warm_up(), visitors=visitors, checks=checks)
    async with web.serve(application, listening, goodbye_seconds=_GOODBYE_SECONDS):
        yield
