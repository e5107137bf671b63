"""Sealing happens once, for what was read, by who may; numbers have no gap."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from comgov.actor import Role
from comgov.dossiers.actions import drafts, reading, registering, sealing
from comgov.dossiers.config import Config
from comgov.dossiers.documents import Classification, Kind
from comgov.dossiers.model import Filter, Note, State
from comgov.errors import ComgovError, Conflict, Forbidden, Full, Invalid, NotFound, TooLarge, Unavailable
from storage import StoreFullError
from tests.comgov.dossiers.journey import chain, chunks, drafted, revoke_seal, sent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.comgov.government import Government


async def test_twenty_seals_at_once_take_twenty_numbers_in_a_row(government: Government) -> None:
    ready = [await drafted(government, pieces={"a.txt": str(number).encode()}) for number in range(20)]
    sealed = await asyncio.gather(
        *(sealing.seal(government.platform, government.aline, each.message_id, each.fingerprint) for each in ready)
    )
    assert sorted(each.number for each in sealed) == [f"2026/D/{number:06d}" for number in range(1, 21)]
    registered = await asyncio.gather(
        *(registering.register(government.platform, government.grace, each.message_id) for each in sealed)
    )
    assert sorted(each.arrival for each in registered) == [f"2026/A/{number:06d}" for number in range(1, 21)]


async def test_one_dossier_sealed_by_many_hands_at_once_is_sealed_once(government: Government) -> None:
    dossier = await drafted(government)
    outcomes = await asyncio.gather(
        *(
            sealing.seal(government.platform, government.aline, dossier.message_id, dossier.fingerprint)
            for _ in range(8)
        ),
        return_exceptions=True,
    )
    sealed = [each for each in outcomes if not isinstance(each, BaseException)]
    assert len(sealed) == 1
    assert all(isinstance(each, Conflict) for each in outcomes if isinstance(each, BaseException))
    assert [each.kind for each in await chain(government, dossier.message_id)].count(Kind.SEALED) == 1


@pytest.mark.parametrize("roles", [(), (Role.REGISTRY_CLERK,), (Role.INSTITUTION_ADMINISTRATOR,), (Role.AUDITOR,)])
async def test_only_a_signatory_seals(government: Government, roles: tuple[Role, ...]) -> None:
    dossier = await drafted(government)
    who = government.actor("sante", *roles)
    with pytest.raises(Forbidden):
        await sealing.seal(government.platform, who, dossier.message_id, dossier.fingerprint)
    assert (await reading.draft(government.platform, government.claire, dossier.message_id)).state is State.DRAFT


async def test_a_signatory_of_another_institution_does_not_even_learn_of_it(government: Government) -> None:
    dossier = await drafted(government)
    with pytest.raises(NotFound):
        await sealing.seal(government.platform, government.paul, dossier.message_id, dossier.fingerprint)
    with pytest.raises(NotFound):
        await reading.draft(government.platform, government.paul, dossier.message_id)


async def test_what_changed_since_it_was_read_is_not_sealed(government: Government) -> None:
    dossier = await drafted(government)
    await drafts.add_piece(government.platform, government.claire, dossier.message_id, "plus.txt", chunks(b"plus"))
    with pytest.raises(Conflict, match="changed since"):
        await sealing.seal(government.platform, government.aline, dossier.message_id, dossier.fingerprint)


@pytest.mark.parametrize(("recipients", "pieces"), [((), {"a": b"a"}), (("finances",), {})])
async def test_an_incomplete_dossier_is_not_sealed(
    government: Government, recipients: tuple[str, ...], pieces: dict[str, bytes]
) -> None:
    dossier = await drafted(government, recipients, pieces=pieces)
    with pytest.raises(Invalid):
        await sealing.seal(government.platform, government.aline, dossier.message_id, dossier.fingerprint)


async def test_nothing_changes_any_more_once_sealed(government: Government) -> None:
    dossier = await sent(government)
    platform, claire, message = government.platform, government.claire, dossier.message_id
    for attempt in (
        drafts.change(platform, claire, message, Note(designation="autre"), ["ngozi"]),
        drafts.discard(platform, claire, message),
        drafts.add_piece(platform, claire, message, "tard.txt", chunks(b"x")),
        drafts.remove_piece(platform, claire, message, dossier.pieces[0].id),
        sealing.seal(platform, government.aline, message, dossier.fingerprint),
    ):
        with pytest.raises(Conflict):
            await attempt


async def test_no_seal_no_dossier(government: Government) -> None:
    dossier = await drafted(government)
    await revoke_seal(government, "sante")
    with pytest.raises(Conflict, match="no seal"):
        await sealing.seal(government.platform, government.aline, dossier.message_id, dossier.fingerprint)
    assert (await reading.list_departures(government.platform, government.aline, Filter())).count == 0


async def test_a_piece_that_is_gone_from_the_store_is_noticed_before_sealing(government: Government) -> None:
    dossier = await drafted(government)
    await (await drafts.blobs(government.platform)).delete(dossier.pieces[0].sha256)
    with pytest.raises(Unavailable):
        await sealing.seal(government.platform, government.aline, dossier.message_id, dossier.fingerprint)


async def test_a_piece_over_the_limit_is_refused_while_it_arrives(government: Government) -> None:
    limits = Config(piece_limit_bytes=5000, dossier_limit_bytes=6000)
    platform = replace(government.platform, configs={**government.platform.configs, Config: limits})
    dossier = await drafted(government, pieces={})
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 1000
            yield b"x" * 1000

    with pytest.raises(TooLarge):
        await drafts.add_piece(platform, government.claire, dossier.message_id, "a", endless())
    assert taken <= 7000
    await drafts.add_piece(platform, government.claire, dossier.message_id, "b", chunks(b"b" * 4000))
    with pytest.raises(TooLarge):
        await drafts.add_piece(platform, government.claire, dossier.message_id, "c", chunks(b"c" * 4000))
    found = await reading.draft(platform, government.claire, dossier.message_id)
    assert [piece.name for piece in found.pieces] == ["b"]


async def test_an_upload_that_is_cut_leaves_nothing_in_the_draft(government: Government) -> None:
    dossier = await drafted(government, pieces={})

    async def cut() -> AsyncIterator[bytes]:
        yield b"x" * 1000
        raise Invalid("The form did not arrive whole.")

    with pytest.raises(Invalid):
        await drafts.add_piece(government.platform, government.claire, dossier.message_id, "a", cut())
    assert (await reading.draft(government.platform, government.claire, dossier.message_id)).pieces == ()


async def test_a_full_disk_is_said_and_the_draft_stays(government: Government, monkeypatch: pytest.MonkeyPatch) -> None:
    dossier = await drafted(government)

    class Filled:
        async def write(self, chunks: AsyncIterator[bytes], *, size_bytes: int | None = None) -> None:
            raise StoreFullError("no space left on device")

    async def filled(_platform: object) -> Filled:
        return Filled()

    with monkeypatch.context() as patch:
        patch.setattr(drafts, "blobs", filled)
        with pytest.raises(Full):
            await drafts.add_piece(government.platform, government.claire, dossier.message_id, "z", chunks(b"z"))
    sealed = await sealing.seal(government.platform, government.aline, dossier.message_id, dossier.fingerprint)
    assert sealed.number == "2026/D/000001"


async def test_strangers_and_colleagues_do_not_touch_a_draft(government: Government) -> None:
    dossier = await drafted(government)
    for who, expected in ((government.eric, NotFound), (government.actor("sante", person_id=77), NotFound)):
        with pytest.raises(expected):
            await drafts.add_piece(government.platform, who, dossier.message_id, "x", chunks(b"x"))
        with pytest.raises(expected):
            await drafts.discard(government.platform, who, dossier.message_id)


async def test_an_answer_needs_something_to_answer(government: Government) -> None:
    with pytest.raises(Invalid):
        await drafts.create(government.platform, government.claire, Note(designation="x", in_reply_to=uuid4()))


async def test_one_answers_only_what_one_may_know_of(government: Government) -> None:
    note = Note(designation="Secret", classification=Classification.CONFIDENTIAL)
    dossier = await sent(government, note=note)
    await registering.register(government.platform, government.grace, dossier.message_id)
    answer = Note(designation="Réponse", in_reply_to=dossier.message_id)
    with pytest.raises(Invalid):
        await drafts.create(government.platform, government.eric, answer)
    draft = await drafts.create(government.platform, government.grace, answer)
    assert draft.note.in_reply_to == dossier.message_id


@pytest.mark.parametrize(
    ("claimed", "kept"),
    [
        ("text/plain; charset=utf-8", "text/plain"),
        ("Application/PDF", "application/pdf"),
        ("pdf", "application/octet-stream"),
        ("a/b c", "application/octet-stream"),
        ("text/" + "x" * 200, "application/octet-stream"),
        ("", "application/octet-stream"),
    ],
)
async def test_a_piece_has_a_media_type_that_the_bordereau_can_name(
    government: Government, claimed: str, kept: str
) -> None:
    dossier = await drafted(government)
    piece = await drafts.add_piece(
        government.platform, government.claire, dossier.message_id, "x", chunks(b"x"), claimed
    )
    assert piece.media_type == kept


async def test_recipients_are_institutions_that_exist_and_others(government: Government) -> None:
    for codes in (["inconnue"], ["sante"]):
        with pytest.raises(ComgovError):
            await drafts.create(government.platform, government.claire, Note(designation="x"), codes)
