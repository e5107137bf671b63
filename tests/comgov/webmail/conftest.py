"""A small ministry with mail, and browsers for its people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from comgov.actor import console
from comgov.institutions.actions import add
from comgov.people.actions import actor_of, add_list, add_person, add_post, hold_post
from comgov.people.model import Rights
from mail.address import Address
from mail.envelope import Client, Envelope, Origin
from mail.mailbox import SpecialUse

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from comgov.feature import Platform
    from mail.mailbox import Mailbox, Message

CONSOLE = console("root")
PASSWORD = "quatre chevaux blancs"
CLAIRE, JEAN, ERIC = "claire@sante.gov.test", "jean@sante.gov.test", "eric@finances.gov.test"
SECRETARIAT = "secretariat@sante.gov.test"
OUTSIDE = Client(origin=Origin.OUTSIDE, ip="192.0.2.7", helo="mx.example.org")


@dataclass
class Ministry:
    """Shorthands for tests: who is there, what lies in their mailboxes, what comes in."""

    platform: Platform
    ids: dict[str, int]

    async def box(self, address: str, use: SpecialUse = SpecialUse.INBOX) -> Mailbox:
        return await self.platform.mailboxes.standard(self.ids[address], use)

    async def messages(self, address: str, use: SpecialUse = SpecialUse.INBOX) -> list[Message]:
        """Newest first."""
        return list((await self.platform.mailboxes.page((await self.box(address, use)).id, limit=500)).messages)

    async def raw(self, message: Message) -> bytes:
        return b"".join([chunk async for chunk in self.platform.mailboxes.read(message)])

    async def receive(self, content: bytes | str, to: str = CLAIRE) -> str:
        """A message from outside; gives the path of its page. Line ends become CRLF."""
        raw = content.encode() if isinstance(content, str) else content
        raw = raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        envelope = Envelope(sender=Address.parse("anna@example.org"), recipients=(Address.parse(to),))
        await self.platform.relay.accept(envelope, raw, OUTSIDE)
        message = (await self.messages(to))[0]
        return f"/mail/{message.mailbox_id}/{message.uid}"


@pytest.fixture
async def ministry(platform: Platform) -> Ministry:
    """Claire and Jean of Santé, Éric of Finances; Claire sends for the Secrétariat, Jean may only read it."""
    await add(platform, CONSOLE, code="sante", name_fr="Ministère de la Santé", name_en="Ministry of Health")
    await add(platform, CONSOLE, code="finances", name_fr="Ministère des Finances")
    for address, name in ((CLAIRE, "Claire Niyonzima"), (JEAN, "Jean Bizimana"), (ERIC, "Éric Ndayishimiye")):
        await add_person(platform, CONSOLE, address, name, password=PASSWORD)
    post = await add_post(platform, CONSOLE, SECRETARIAT, "Secrétariat")
    await hold_post(platform, CONSOLE, SECRETARIAT, CLAIRE, rights=Rights.SENDER)
    await hold_post(platform, CONSOLE, SECRETARIAT, JEAN, rights=Rights.VIEWER)
    await add_list(platform, CONSOLE, "tous@sante.gov.test", "Tous", owner=JEAN, members=[CLAIRE, JEAN])
    ids = {address: (await actor_of(platform, address)).person_id for address in (CLAIRE, JEAN, ERIC)}
    return Ministry(platform, ids | {SECRETARIAT: post.id})


@pytest.fixture
def sign_in(ministry: Ministry, open_browser: Callable[..., Awaitable[Any]]) -> Callable[[str], Awaitable[Any]]:
    async def sign_in(address: str) -> Any:
        browser = await open_browser(ministry.platform)
        assert (await browser.sign_in(address, PASSWORD)).status == 303
        return browser

    return sign_in


@pytest.fixture
async def claire(sign_in: Callable[[str], Awaitable[Any]]) -> Any:
    return await sign_in(CLAIRE)
