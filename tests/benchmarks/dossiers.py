"""Signed dossiers: drafted, sealed, examined, consigned and registered, each with its evidence, in one process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

from comgov import authority
from comgov.actor import Actor, Role, console
from comgov.app import migrations
from comgov.clock import system_clock
from comgov.config import Config
from comgov.db import migrate, open_database
from comgov.dossiers.actions import drafts, reading, registering, sealing
from comgov.dossiers.model import Dossier, Note
from comgov.feature import Platform
from comgov.institutions import actions as institutions
from comgov.institutions.model import Institution
from comgov.postgres import embedded_postgres_server
from mail.acceptance.front_door import Relay
from mail.mailbox import Mailboxes
from storage import open_disk_store
from tests.benchmarks.harness import Contest, Round

INSTITUTIONS = 8
EACH_ROUND = 64
PIECE = b"%PDF-1.7 " + bytes(range(256)) * 40  # 10 kB


@asynccontextmanager
async def contests(folder: Path) -> AsyncIterator[Sequence[Contest]]:
    with embedded_postgres_server(folder / "postgres") as server:
        await migrate(server.url, migrations())
        async with open_database(server.url, max_size=40) as db, open_disk_store(folder / "blobs") as blobs:
            keys = authority.Config(passphrase_file=folder / "passphrase", pki_directory=folder / "pki")
            platform = Platform(
                db=db,
                blobs=blobs,
                relay=cast("Relay", None),
                mailboxes=cast("Mailboxes", None),
                clock=system_clock,
                configs=Config(authority=keys).by_kind(),
            )
            found = await _government(platform)
            yield [
                Contest(
                    name="seal to registered, two pieces of 10 kB",
                    unit="/s",
                    contestants={
                        "32 at once, 8 institutions": _round(platform, found, 32),
                        "32 at once, from 1 to 1": _round(platform, found[:2], 32),
                        "1 at a time": _round(platform, found[:2], 1),
                    },
                )
            ]


async def _government(platform: Platform) -> list[Institution]:
    lead = console("benchmark")
    await authority.establish(platform, lead)
    found = [
        await institutions.add(platform, lead, code=f"i{number}", name_fr=f"Institution {number}")
        for number in range(INSTITUTIONS)
    ]
    for institution in found:
        await authority.enrol_institution(platform, lead, institution)
    return found


def _round(platform: Platform, found: Sequence[Institution], at_once: int) -> Round:
    """How many dossiers a second go from sealed to registered; drafting them does not count."""

    async def once() -> float:
        count = EACH_ROUND if at_once > 1 else EACH_ROUND // 4
        pairs = [(found[number % len(found)], found[(number + 1) % len(found)]) for number in range(count)]
        if len(found) == 2:
            pairs = [(found[0], found[1])] * count
        ready = [await _draft(platform, *pair) for pair in pairs]
        turns = asyncio.Semaphore(at_once)

        async def go(work: tuple[Actor, Actor, Dossier]) -> None:
            sender, recipient, dossier = work
            async with turns:
                await sealing.seal(platform, sender, dossier.message_id, dossier.fingerprint)
                registered = await registering.register(platform, recipient, dossier.message_id)
                assert registered.arrival

        started = time.perf_counter()
        await asyncio.gather(*(go(work) for work in ready))
        return count / (time.perf_counter() - started)

    return once


async def _draft(platform: Platform, sender: Institution, recipient: Institution) -> tuple[Actor, Actor, Dossier]:
    signatory, clerk = _actor(sender, Role.SIGNATORY), _actor(recipient, Role.REGISTRY_CLERK)
    dossier = await drafts.create(platform, signatory, Note(designation="Mesure"), [recipient.code])
    for name in ("Lettre.pdf", "Annexe.pdf"):
        await drafts.add_piece(platform, signatory, dossier.message_id, name, _chunks(), "application/pdf")
    return signatory, clerk, await reading.draft(platform, signatory, dossier.message_id)


async def _chunks() -> AsyncIterator[bytes]:
    yield PIECE


def _actor(institution: Institution, role: Role) -> Actor:
    return Actor(
        person_id=institution.id,
        institution_id=institution.id,
        name="Mesure",
        address=f"mesure@{institution.domain}",
        roles=frozenset({role}),
        institution_code=institution.code,
    )
