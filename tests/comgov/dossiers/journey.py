"""Steps of a dossier's way that tests take."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

from comgov import authority
from comgov.actor import console
from comgov.dossiers.actions import drafts, reading, sealing
from comgov.dossiers.model import Note
from comgov.signing.certificates import Purpose, RevocationReason

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from uuid import UUID

    from comgov.actor import Actor
    from comgov.dossiers.model import Delivery, Dossier, Evidence
    from tests.comgov.government import Government

PIECES = {"Rapport annuel.pdf": b"%PDF-1.7 rapport" * 40, "Annexe.csv": b"a;b\n1;2\n"}


async def chunks(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), 1000):
        yield content[start : start + 1000]


async def drafted(
    government: Government,
    recipients: Sequence[str] = ("finances",),
    *,
    actor: Actor | None = None,
    note: Note | None = None,
    pieces: dict[str, bytes] | None = None,
) -> Dossier:
    """A complete draft of sante."""
    author = actor or government.claire
    found = note or Note(designation="Rapport annuel 2026", observations="Pour suite.")
    dossier = await drafts.create(government.platform, author, found, recipients)
    for name, content in (PIECES if pieces is None else pieces).items():
        await drafts.add_piece(government.platform, author, dossier.message_id, name, chunks(content))
    return await reading.draft(government.platform, author, dossier.message_id)


async def sent(government: Government, recipients: Sequence[str] = ("finances",), note: Note | None = None) -> Dossier:
    """A dossier that Aline sealed."""
    dossier = await drafted(government, recipients, note=note)
    return await sealing.seal(government.platform, government.aline, dossier.message_id, dossier.fingerprint)


async def chain(government: Government, message: UUID, code: str = "finances") -> list[Evidence]:
    """The receipts of the way to one recipient."""
    story = await reading.story(government.platform, government.aline, message)
    [way] = [way for way in story.ways if way.recipient.code == code]
    return way.evidence


async def delivery(government: Government, message: UUID, code: str = "finances") -> Delivery:
    """How far it came."""
    story = await reading.story(government.platform, government.aline, message)
    [way] = [way for way in story.ways if way.recipient.code == code]
    return way.delivery


async def container(government: Government, message: UUID) -> bytes:
    """The sealed file, as its sender has it."""
    story = await reading.story(government.platform, government.aline, message)
    async with aclosing(reading.read_blob(government.platform, story.container)) as found:
        return b"".join([chunk async for chunk in found])


async def revoke_seal(government: Government, code: str) -> None:
    """Withdraw the institution's present seal."""
    institution = government.institutions[code]
    for issued in await authority.actions.issued(government.platform, console("test"), institution.id):
        if issued.purpose is Purpose.SEAL:
            await authority.revoke(
                government.platform, console("test"), issued.serial_number, RevocationReason.KEY_COMPROMISE
            )
