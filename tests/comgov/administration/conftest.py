"""Two ministries that work: people, mail in every direction, files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from comgov.actor import Role, console
from comgov.files.actions.spaces import doors
from comgov.files.actions.upload import upload
from comgov.institutions.actions import add, get
from comgov.people.actions import actor_of, add_person, add_post, disable_person
from comgov.registers.actions import append_numbered, lock
from comgov.registers.model import Direction
from mail.address import Address
from mail.directory import Identity
from mail.envelope import Client, Envelope, Origin

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from comgov.actor import Actor
    from comgov.feature import Platform

CONSOLE = console("root")
PASSWORD = "quatre chevaux blancs"


@dataclass(frozen=True)
class Government:
    """Shorthands on a platform with two ministries and their administrators."""

    platform: Platform
    admin: Actor
    jean: Actor
    claire: Actor

    async def send(self, sender: Actor, *recipients: str, size_bytes: int = 500) -> None:
        """A mail that a person submits."""
        identity = Identity(account_id=sender.person_id, address=Address.parse(sender.address), name=sender.name)
        await self._give(
            sender.address, recipients, size_bytes, Client(origin=Origin.SUBMISSION, ip="192.0.2.1", identity=identity)
        )

    async def receive(self, *recipients: str, size_bytes: int = 500) -> None:
        """A mail that another server brings."""
        client = Client(origin=Origin.OUTSIDE, ip="198.51.100.1", helo="mx.example.org")
        await self._give("someone@example.org", recipients, size_bytes, client)

    async def _give(self, sender: str, recipients: tuple[str, ...], size_bytes: int, client: Client) -> None:
        header = f"From: <{sender}>\r\nDate: Mon, 23 Nov 2026 08:00:00 +0000\r\nMessage-ID: <{id(self)}@x>\r\n\r\n"
        content = header.encode() + b"x" * (size_bytes - len(header) - 2) + b"\r\n"
        envelope = Envelope(
            sender=Address.parse(sender), recipients=tuple(Address.parse(recipient) for recipient in recipients)
        )
        await self.platform.relay.accept(envelope, content, client)

    async def number(self, code: str, direction: Direction, count: int = 1) -> None:
        """Entries with a number in the register of an institution."""
        institution = await get(self.platform, code)
        for _ in range(count):
            async with self.platform.db.transaction() as connection:
                register = await lock(connection, institution)
                await append_numbered(
                    connection, register, direction, lambda number: str(number).encode(), at=self.platform.clock()
                )

    async def upload(self, actor: Actor, name: str, content: bytes) -> None:
        """A file in a person's own space."""

        async def chunks() -> AsyncIterator[bytes]:
            yield content

        door = next(door for door in await doors(self.platform, actor) if door.space.owner_id is not None)
        await upload(self.platform, actor, door.space.root_id, name, chunks())


@pytest.fixture
async def government(platform: Platform) -> Government:
    await add(platform, CONSOLE, code="setic", name_fr="SETIC", quota_bytes=1 << 30)
    await add(platform, CONSOLE, code="sante", name_fr="Ministère de la Santé", name_en="Health", quota_bytes=10_000)
    for address, name, role in (
        ("admin@setic.gov.test", "Admin", Role.PLATFORM_ADMINISTRATOR),
        ("jean@sante.gov.test", "Jean", Role.INSTITUTION_ADMINISTRATOR),
        ("claire@sante.gov.test", "Claire Niyonzima", Role.CIVIL_SERVANT),
        ("gone@sante.gov.test", "Gone", Role.CIVIL_SERVANT),
    ):
        await add_person(platform, CONSOLE, address, name, password=PASSWORD, roles={role})
    await add_post(platform, CONSOLE, "secretariat@sante.gov.test", "Secrétariat")
    await disable_person(platform, CONSOLE, "gone@sante.gov.test")
    return Government(
        platform,
        admin=await actor_of(platform, "admin@setic.gov.test"),
        jean=await actor_of(platform, "jean@sante.gov.test"),
        claire=await actor_of(platform, "claire@sante.gov.test"),
    )
