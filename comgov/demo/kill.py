"""The tour's last stop: the server is killed in the middle of its work, and nothing acknowledged is missing."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from secrets import token_bytes, token_hex
from typing import Any

import aiohttp
import aiosmtplib

from comgov.demo.clients import Api, Clients, RefusedError, connect, sha256
from comgov.demo.expectation import TourError, expect
from comgov.demo.government import full
from comgov.demo.messages import compose, find_mail
from comgov.demo.papers import seal, until_received
from comgov.demo.process import DemoProcess

_LOST_CONNECTION = (aiohttp.ClientError, aiosmtplib.SMTPException, OSError, TimeoutError, RefusedError)


_FIRST_SECONDS = 60.0  # how long the first acknowledgement may take, on a machine that is still starting


@dataclass
class Acknowledged:
    """What the server said it had: each of these must be there afterwards, once. `begun` is set by the first."""

    message_ids: set[str] = field(default_factory=set)
    files: dict[str, str] = field(default_factory=dict)
    dossiers: set[str] = field(default_factory=set)
    begun: asyncio.Event = field(default_factory=asyncio.Event)

    def __str__(self) -> str:
        return f"{len(self.message_ids)} messages, {len(self.files)} files, {len(self.dossiers)} dossiers"


async def survive_a_kill(demo: DemoProcess) -> Acknowledged:
    """Send from several clients, kill at a random moment after the first acknowledgement, start again, look for
    everything that was acknowledged.

    Gives what had been acknowledged; raises TourError for anything missing or doubled, and when nothing is acknowledged
    within a minute.
    """
    acknowledged = Acknowledged()
    async with connect(demo.ports, demo.directory) as clients, _senders(clients, acknowledged):
        try:
            await asyncio.wait_for(acknowledged.begun.wait(), _FIRST_SECONDS)
            await asyncio.sleep(random.uniform(0.0, 2.5))  # noqa: S311  # no secret: a moment
        except TimeoutError:
            raise TourError(f"nothing was acknowledged within {_FIRST_SECONDS:.0f} s") from None
        finally:
            demo.kill()
    await demo.start()
    async with connect(demo.ports, demo.directory) as clients:
        await _look_for_mail(clients, acknowledged.message_ids)
        await _look_for_files(clients, acknowledged.files)
        await _look_for_dossiers(clients, acknowledged.dossiers)
    return acknowledged


@asynccontextmanager
async def _senders(clients: Clients, acknowledged: Acknowledged) -> AsyncIterator[None]:
    """Clients that send one thing after another until the connection is lost."""
    senders = [_send_mail] * 4 + [_send_file] * 2 + [_send_dossier] * 2
    tasks = [asyncio.create_task(_again_and_again(send, clients, acknowledged)) for send in senders]
    try:
        yield
    finally:
        await asyncio.gather(*tasks)


async def _again_and_again(
    send: Callable[[Clients, Acknowledged], Awaitable[None]], clients: Clients, acknowledged: Acknowledged
) -> None:
    while True:
        try:
            await send(clients, acknowledged)
            acknowledged.begun.set()
        except _LOST_CONNECTION:
            return


async def _send_mail(clients: Clients, acknowledged: Acknowledged) -> None:
    sender, recipient = full("claire@sante"), full("eric@finances")
    message = compose(sender, [recipient], attachment=token_bytes(random.choice((100, 5_000, 150_000))))  # noqa: S311
    await clients.submit(sender, [recipient], bytes(message))
    acknowledged.message_ids.add(message["Message-ID"])


async def _send_file(clients: Clients, acknowledged: Acknowledged) -> None:
    path = f"/api/files/me/kill-{token_hex(8)}.bin"
    content = token_bytes(random.choice((1, 50_000, 2_000_000)))  # noqa: S311
    await clients.api(full("claire@sante")).request("PUT", path, data=content, expect=201)
    acknowledged.files[path] = sha256(content)


async def _send_dossier(clients: Clients, acknowledged: Acknowledged) -> None:
    acknowledged.dossiers.add((await seal(clients))["message"])


async def _look_for_mail(clients: Clients, message_ids: set[str]) -> None:
    found = [one["message_id"] for one in await find_mail(clients.api(full("eric@finances")), message_ids)]
    missing, doubled = message_ids - set(found), len(found) - len(set(found))
    expect(not missing, f"{len(missing)} of {len(message_ids)} acknowledged messages are missing")
    expect(not doubled, f"{doubled} messages are there twice")


async def _look_for_files(clients: Clients, files: dict[str, str]) -> None:
    claire = clients.api(full("claire@sante"))
    for path, digest in files.items():
        reply = await claire.request("GET", path)
        expect(sha256(reply.body) == digest, f"{path} is not what was acknowledged")


async def _look_for_dossiers(clients: Clients, messages: set[str]) -> None:
    """Each is with its recipient once, under a departure number of its own."""
    grace, aline = clients.api(full("grace@finances")), clients.api(full("aline@sante"))
    for message in messages:
        await until_received(clients, message)
    arrived = [row["message"] for row in await _rows(grace, "/api/dossiers/arrivals")]
    doubled = [message for message in messages if arrived.count(message) != 1]
    expect(not doubled, f"{len(doubled)} dossiers did not arrive once")
    left = {row["message"]: row["number"] for row in await _rows(aline, "/api/dossiers/departures")}
    expect(messages <= left.keys(), "an acknowledged dossier has no departure")
    expect(len(set(left.values())) == len(left), "a departure number was given twice")


async def _rows(api: Api, address: str) -> list[dict[str, Any]]:
    """Every row of a list, page after page."""
    page = await api.json("GET", address)
    rows = [*page["rows"]]
    while page["after"] is not None:
        page = await api.json("GET", address, params={"after": page["after"]})
        rows += page["rows"]
    return rows
