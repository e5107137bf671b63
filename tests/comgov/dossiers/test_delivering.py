"""The way survives a death at any moment, and ends in one chain of evidence."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes, policy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from comgov.actor import Role, console
from comgov.db import Database
from comgov.dossiers import store, story
from comgov.dossiers.actions import delivering, drafts, reading, registering, sealing
from comgov.dossiers.documents import Kind, read_evidence
from comgov.dossiers.jobs import sweep
from comgov.dossiers.model import Filter, State
from comgov.institutions import actions as institutions
from comgov.language import Catalogue
from comgov.people import actions as people
from mail.acceptance.front_door import Relay
from mail.errors import SystemDown
from mail.mailbox import SpecialUse
from tests.comgov.dossiers.journey import chain, delivery, drafted, revoke_seal, sent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from email.message import EmailMessage

    from comgov.actor import Actor
    from comgov.db import Connection
    from comgov.dossiers.model import Dossier
    from comgov.feature import Platform
    from tests.comgov.government import Government

FRENCH = Path(story.__file__).parent / "locale" / "fr.po"
ARRIVED = [Kind.SEALED, Kind.SUBMISSION_ACCEPTANCE, Kind.CONTENT_CONSIGNMENT]


class Killed(BaseException):
    """What SIGKILL looks like from inside: nothing after it runs."""


class DyingDatabase(Database):
    """Dies at one transaction: before its commit, or right after."""

    def __init__(self, pool: Any, transactions: int, *, committed: bool) -> None:
        super().__init__(pool)
        self.left = transactions
        self.committed = committed

    @asynccontextmanager
    async def transaction(self, *, isolation: str | None = None) -> AsyncIterator[Connection]:
        self.left -= 1
        async with super().transaction(isolation=isolation) as connection:
            yield connection
            if self.left == 0 and not self.committed:
                raise Killed
        if self.left == 0:
            raise Killed


def dying(platform: Platform, transactions: int, *, committed: bool) -> Platform:
    return replace(platform, db=DyingDatabase(platform.db.pool, transactions, committed=committed))


@pytest.mark.parametrize("committed", [False, True])
async def test_a_death_at_any_transaction_leaves_one_chain_after_resuming(
    government: Government, *, committed: bool
) -> None:
    deaths = 0
    for transactions in range(1, 30):
        dossier = await drafted(government, ("finances", "ngozi"))
        try:
            await sealing.seal(
                dying(government.platform, transactions, committed=committed),
                government.aline,
                dossier.message_id,
                dossier.fingerprint,
            )
        except Killed:
            deaths += 1
        else:
            break
        await delivering.resume(government.platform)
        found = await reading.draft(government.platform, government.aline, dossier.message_id)
        if found.state is State.DRAFT:  # it died before the seal: nothing was acknowledged, nothing is half-done
            assert transactions == 1 and not committed
            continue
        for code in ("finances", "ngozi"):
            assert [each.kind for each in await chain(government, dossier.message_id, code)] == ARRIVED
    assert deaths >= 6
    numbers = [
        row.number for row in (await reading.list_departures(government.platform, government.aline, Filter())).rows
    ]
    assert sorted(numbers) == [f"2026/D/{number:06d}" for number in range(1, len(numbers) + 1)]


@pytest.mark.parametrize("committed", [False, True])
async def test_a_death_while_registering_gives_one_number(government: Government, *, committed: bool) -> None:
    for transactions in range(1, 20):
        dossier = await sent(government)
        platform = dying(government.platform, transactions, committed=committed)
        try:
            await registering.register(platform, government.grace, dossier.message_id)
        except Killed:
            arrived = await registering.register(government.platform, government.grace, dossier.message_id)
            kinds = [each.kind for each in await chain(government, dossier.message_id)]
            assert kinds == [*ARRIVED, Kind.CONTENT_HANDOVER, Kind.REGISTERED]
            assert arrived.arrival == f"2026/A/{transactions:06d}"
        else:
            break
    assert transactions > 1


async def test_many_drivers_at_once_make_each_step_once(government: Government) -> None:
    dossier = await drafted(government, ("finances", "ngozi", "sgg"))
    platform = dying(government.platform, 1, committed=True)
    with pytest.raises(Killed):
        await sealing.seal(platform, government.aline, dossier.message_id, dossier.fingerprint)
    await asyncio.gather(*(delivering.resume(government.platform) for _ in range(6)))
    for code in ("finances", "ngozi", "sgg"):
        assert [each.kind for each in await chain(government, dossier.message_id, code)] == ARRIVED


async def test_a_suspended_recipient_receives_when_it_is_back(government: Government) -> None:
    await institutions.suspend(government.platform, console("test"), "finances")
    dossier = await sent(government)
    assert (await delivery(government, dossier.message_id)).state is State.SEALED
    await institutions.resume(government.platform, console("test"), "finances")
    await delivering.resume(government.platform)
    assert (await delivery(government, dossier.message_id)).state is State.RECEIVED


async def test_what_is_late_is_warned_about_once_then_given_up_with_evidence(
    government: Government, clock: Any
) -> None:
    await institutions.suspend(government.platform, console("test"), "finances")
    dossier = await sent(government)
    clock.advance(timedelta(hours=11, minutes=59))
    await delivering.resume(government.platform)
    assert (await delivery(government, dossier.message_id)).warned_at is None
    clock.advance(timedelta(minutes=1))
    await delivering.resume(government.platform)
    warned = (await delivery(government, dossier.message_id)).warned_at
    assert warned == clock()
    [row] = (await reading.list_departures(government.platform, government.aline, Filter())).rows
    assert row.is_late
    clock.advance(timedelta(hours=12))
    await delivering.resume(government.platform)
    await delivering.resume(government.platform)
    found = await delivery(government, dossier.message_id)
    assert (found.state, found.warned_at) == (State.FAILED, warned)
    evidence = await chain(government, dossier.message_id)
    assert [each.kind for each in evidence] == [Kind.SEALED, Kind.CONSIGNMENT_FAILURE]
    said = read_evidence(evidence[1].body)
    assert said.institution.code == "sante"
    assert said.recipient is not None and said.recipient.code == "finances"


async def with_people(government: Government) -> tuple[Actor, Actor]:
    """Véra, who prepares dossiers, and Rose, who keeps the register, as people of sante who read mail."""
    found = []
    for address, name, given in (("vera", "Véra Iradukunda", ()), ("rose", "Rose", (Role.REGISTRY_CLERK,))):
        where = f"{address}@sante.gov.test"
        await people.add_person(
            government.platform, console("test"), where, name, roles=set(given), password="un cheval de trop"
        )
        found.append(await people.actor_of(government.platform, where))
    return found[0], found[1]


async def mails(government: Government, actor: Actor) -> list[EmailMessage]:
    """What lies in somebody's inbox, the oldest first."""
    mailboxes = government.platform.mailboxes
    inbox = await mailboxes.standard(actor.person_id, SpecialUse.INBOX)
    page = await mailboxes.page(inbox.id)
    found = []
    for message in reversed(page.messages):
        raw = b"".join([chunk async for chunk in mailboxes.read(message)])
        found.append(message_from_bytes(raw, policy=policy.default))
    return found


async def sent_by(government: Government, author: Actor) -> Dossier:
    dossier = await drafted(government, actor=author)
    return await sealing.seal(government.platform, government.aline, dossier.message_id, dossier.fingerprint)


async def test_the_author_is_told_by_mail_once_when_late_and_once_when_given_up(
    government: Government, clock: Any
) -> None:
    vera, rose = await with_people(government)
    await institutions.suspend(government.platform, console("test"), "finances")
    dossier = await sent_by(government, vera)
    clock.advance(timedelta(hours=11, minutes=59))
    await delivering.resume(government.platform)
    assert await mails(government, vera) == []
    clock.advance(timedelta(minutes=1))
    for _ in range(3):
        await delivering.resume(government.platform)
        clock.advance(timedelta(minutes=1))
    [late] = await mails(government, vera)
    assert late["Subject"] == "2026/D/000001 : pas encore remis à Institution finances / not delivered yet"
    assert late["Auto-Submitted"] == "auto-generated"
    assert late["Return-Path"] in (None, "<>")
    text = late.get_content()
    assert "« Rapport annuel 2026 », scellé le 23 novembre 2026 10:00" in text
    assert "Sans remise avant le 24 novembre 2026 10:00" in text
    clock.advance(timedelta(hours=12))
    for _ in range(2):
        await delivering.resume(government.platform)
    [_, failed] = await mails(government, vera)
    assert "non remis à Institution finances" in failed["Subject"]
    assert (await delivery(government, dossier.message_id)).state is State.FAILED
    assert await mails(government, rose) == []
    [way] = (await reading.story(government.platform, government.aline, dossier.message_id)).ways
    given_up = story.tell(way, Catalogue("fr", [FRENCH]).gettext, "fr", timedelta(hours=24))[-1]
    assert (given_up.state, given_up.detail) == ("danger", "Le dossier n’a pas été remis dans le délai prévu.")


async def test_the_story_shows_that_the_sender_was_warned(government: Government, clock: Any) -> None:
    await institutions.suspend(government.platform, console("test"), "finances")
    dossier = await sent(government)
    clock.advance(timedelta(hours=12))
    await delivering.resume(government.platform)
    warned = clock()

    async def told() -> list[tuple[str, object]]:
        [way] = (await reading.story(government.platform, government.aline, dossier.message_id)).ways
        return [(step.title, step.at) for step in story.tell(way, str, "fr", timedelta(hours=24))]

    assert (await told())[1] == ("Late: the sender was warned", warned)
    clock.advance(timedelta(hours=1))
    await institutions.resume(government.platform, console("test"), "finances")
    await delivering.resume(government.platform)
    assert [title for title, _ in await told()] == [
        *("Sealed", "Late: the sender was warned", "Accepted by the recipient's server", "Received"),
        "Expected: an arrival number",
    ]


async def test_when_the_author_has_left_the_register_is_told(government: Government, clock: Any) -> None:
    vera, rose = await with_people(government)
    await institutions.suspend(government.platform, console("test"), "finances")
    await sent_by(government, vera)
    await people.disable_person(government.platform, console("test"), vera.address)
    clock.advance(timedelta(hours=12))
    await delivering.resume(government.platform)
    assert len(await mails(government, rose)) == 1


async def test_a_warning_that_cannot_be_mailed_is_tried_again_and_holds_nothing_up(
    government: Government, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mail is down, and the recipient back: the dossier goes on, and nobody is warned of what has arrived."""
    vera, _ = await with_people(government)
    await institutions.suspend(government.platform, console("test"), "finances")
    dossier = await sent_by(government, vera)
    clock.advance(timedelta(hours=12))

    async def down(*_: object, **__: object) -> None:
        raise SystemDown

    with monkeypatch.context() as patch:
        patch.setattr(Relay, "accept", down)
        await delivering.resume(government.platform)
        assert (await delivery(government, dossier.message_id)).warned_at is None
        await institutions.resume(government.platform, console("test"), "finances")
        await delivering.resume(government.platform)
    assert (await delivery(government, dossier.message_id)).state is State.RECEIVED
    await delivering.resume(government.platform)
    assert await mails(government, vera) == []


async def test_a_death_between_the_mail_and_its_mark_tells_once(
    government: Government, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    vera, _ = await with_people(government)
    await institutions.suspend(government.platform, console("test"), "finances")
    await sent_by(government, vera)
    clock.advance(timedelta(hours=12))

    async def dead(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(store, "warn", dead)
        with pytest.raises(Killed):
            await delivering.resume(government.platform)
    await delivering.resume(government.platform)
    assert len(await mails(government, vera)) == 1


async def test_a_container_spoilt_on_the_way_is_rejected_with_evidence(
    government: Government, monkeypatch: pytest.MonkeyPatch
) -> None:
    dossier = await drafted(government)
    honest = delivering._read

    async def spoiling(drawer: Any, sha256: bytes) -> AsyncIterator[bytes]:
        async for chunk in honest(drawer, sha256):
            yield chunk.replace(b"rapport", b"rapp0rt") if chunk.startswith(b"PK") else chunk

    with monkeypatch.context() as patch:
        patch.setattr(delivering, "_read", spoiling)
        await sealing.seal(government.platform, government.aline, dossier.message_id, dossier.fingerprint)
    assert (await delivery(government, dossier.message_id)).state is State.REJECTED
    evidence = await chain(government, dossier.message_id)
    assert [each.kind for each in evidence] == [Kind.SEALED, Kind.SUBMISSION_REJECTION]
    assert read_evidence(evidence[1].body).reasons
    assert (await reading.list_arrivals(government.platform, government.grace, Filter())).count == 0


async def test_sweeping_keeps_everything_that_a_dossier_needs(government: Government, clock: Any) -> None:
    dossier = await sent(government)
    thrown = await drafted(government, pieces={"brouillon.txt": b"to be thrown away"})
    await drafts.discard(government.platform, government.claire, thrown.message_id)
    assert await sweep(government.platform) == 0
    clock.advance(timedelta(hours=25))
    assert await sweep(government.platform) == 1
    drawer = await drafts.blobs(government.platform)
    for piece in dossier.pieces:
        await drawer.stat(piece.sha256)
    await drawer.stat((await delivery(government, dossier.message_id)).container)


async def test_what_holds_up_one_dossier_holds_up_no_other(government: Government, clock: Any) -> None:
    await institutions.suspend(government.platform, console("test"), "finances")
    await institutions.suspend(government.platform, console("test"), "ngozi")
    stuck = await sent(government, ("finances",))
    clock.advance(timedelta(hours=20))
    other = await drafted(government, ("ngozi",))
    await sealing.seal(government.platform, government.aline, other.message_id, other.fingerprint)
    clock.advance(timedelta(seconds=1))
    await revoke_seal(government, "sante")
    await institutions.resume(government.platform, console("test"), "ngozi")
    clock.advance(timedelta(hours=5))
    await delivering.resume(government.platform)  # giving the first one up needs a seal that sante has no more
    assert (await delivery(government, stuck.message_id)).state is State.SEALED
    assert (await delivery(government, other.message_id, "ngozi")).state is State.RECEIVED
