"""The wiring: the one place that knows every room.

Below it, code receives values; here they are made, in order, and closed in reverse.
"""

from __future__ import annotations

import asyncio
import functools
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

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
from comgov.db import Migrations, migrate, open_database
from comgov.feature import Feature, Ground, Job, Platform
from comgov.people.directory import PeopleDirectory
from comgov.people.web import visitors
from comgov.supervisor import Listen, Sockets
from comgov.web.health import database_answers
from mail import smtp
from mail.config import Listener
from mail.courier import Courier
from mail.mailbox import Mailboxes
from mail.queue import Queue
from mail.relay import Relay
from mail.resolver import DnsResolver
from mail.route import Router
from storage import MissingError, open_store

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
    wanted: dict[str, HttpConfig | Listener] = {
        "http": config.server.http,
        "relay": config.mail.relay,
        "submission": config.mail.submission,
        "submissions": config.mail.submissions,
    }
    return {name: Listen(one.host, one.port) for name, one in wanted.items() if one.port}


def server_names(config: Config) -> list[str]:
    """What clients may know this server by, for its certificate."""
    return [config.server.hostname, "localhost", "127.0.0.1"]


@asynccontextmanager
async def open_platform(config: Config, database_url: str) -> AsyncIterator[Platform]:
    """What every room shares, for as long as the block lasts."""
    configs = config.by_kind()
    async with (
        open_database(database_url, max_size=config.database.connections) as db,
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
        mailboxes = Mailboxes(pool=db.pool, blobs=bodies, clock=system_clock)
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

    A background task that fails takes the worker down with it, and the supervisor starts another.
    """
    stopping = _stop_requests(life)
    async with open_platform(config, database_url) as platform:
        tls = ServerTls(platform, server_names(config))
        await tls.renew()
        queue = await _mail_queue(config, platform)
        services = [
            _serve_http(config, platform, sockets["http"]),
            *(
                smtp.serve(platform.relay, service, [sockets[service.value]], tls_context=tls.context)
                for service in smtp.Service
                if service.value in sockets
            ),
        ]
        async with _together(services), asyncio.TaskGroup() as group:
            background = [
                group.create_task(work)
                for work in (
                    jobs.run_schedules(database_url, _scheduled(platform)),
                    queue.run(),
                    tls.keep_renewing(),
                    dossiers.resume(platform),
                )
            ]
            await stopping.wait()
            for task in background:
                task.cancel()


@asynccontextmanager
async def _together(services: Sequence[AbstractAsyncContextManager[object]]) -> AsyncIterator[None]:
    """All of them open for the block, and closed side by side, so that each has the whole time for its goodbyes."""
    opened: list[AbstractAsyncContextManager[object]] = []
    try:
        for service in services:
            await service.__aenter__()
            opened.append(service)
        yield
    finally:
        await asyncio.gather(*(service.__aexit__(None, None, None) for service in opened))


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


_CHECKS = {"database": database_answers, "storage": _storage_answers}


@asynccontextmanager
async def _serve_http(config: Config, platform: Platform, listening: socket.socket) -> AsyncIterator[None]:
    application = web.application(platform, FEATURES, site=warm_up(), visitors=visitors, checks=_CHECKS)
    async with web.serve(application, listening, goodbye_seconds=_GOODBYE_SECONDS):
        yield
