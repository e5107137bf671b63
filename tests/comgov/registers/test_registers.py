"""A register has no gap, proves what it holds, and is vouched for by others."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from comgov import authority
from comgov.actor import console
from comgov.errors import Unavailable
from comgov.institutions import actions as institutions
from comgov.registers import actions, store
from comgov.registers.model import Direction, Number, NumberFilter
from comgov.signing import checkpoint, merkle, tsp
from comgov.signing.certificates import Purpose, RevocationReason
from comgov.signing.trust import organization

if TYPE_CHECKING:
    from comgov.institutions.model import Institution
    from comgov.registers.model import Inclusion
    from tests.comgov.government import Government

AT = datetime(2026, 11, 23, 8, tzinfo=UTC)


def body(number: Number) -> bytes:
    return json.dumps({"number": str(number)}).encode()


async def enter(
    government: Government,
    code: str = "sante",
    *,
    direction: Direction = Direction.DEPARTURE,
    at: datetime = AT,
    fail: bool = False,
) -> tuple[Inclusion, Number]:
    async with government.platform.db.transaction() as connection:
        register = await actions.lock(connection, government.institutions[code])
        _, proof, number = await actions.append_numbered(connection, register, direction, body, at=at)
        if fail:
            raise RuntimeError("a crash")
        return proof, number


async def size(government: Government, institution: Institution) -> int:
    async with government.platform.db.connection() as connection:
        register = await store.lock(connection, institution.id)
    return register.frontier.size if register else 0


async def test_numbers_start_at_one_and_restart_each_year(government: Government) -> None:
    assert str((await enter(government))[1]) == "2026/D/000001"
    assert str((await enter(government))[1]) == "2026/D/000002"
    assert str((await enter(government, direction=Direction.ARRIVAL))[1]) == "2026/A/000001"
    assert str((await enter(government, at=AT + timedelta(days=60)))[1]) == "2027/D/000001"
    assert str((await enter(government, "ngozi"))[1]) == "2026/D/000001"


async def test_twenty_at_once_get_twenty_numbers_in_a_row(government: Government) -> None:
    entered = await asyncio.gather(*(enter(government) for _ in range(20)))
    assert sorted(number.number for _, number in entered) == list(range(1, 21))
    assert sorted(proof.index for proof, _ in entered) == list(range(20))
    assert all(proof.proves(body(number)) for proof, number in entered)


async def test_what_rolls_back_takes_its_number_with_it(government: Government) -> None:
    await enter(government)
    entered = await asyncio.gather(
        *(enter(government, fail=index % 3 == 0) for index in range(12)), return_exceptions=True
    )
    numbers = sorted(found[1].number for found in entered if not isinstance(found, BaseException))
    assert numbers == list(range(2, 10))
    assert await size(government, government.institutions["sante"]) == 9


async def test_every_entry_is_proven_at_every_size_from_stored_nodes(government: Government) -> None:
    sante = government.institutions["sante"]
    bodies = [body((await enter(government))[1]) for _ in range(13)]
    leaves = [merkle.leaf_hash(each) for each in bodies]
    async with government.platform.db.connection() as connection:
        for count in range(1, 14):
            root = merkle.tree(leaves[:count])[0].root
            for index in range(count):
                proof = await actions.inclusion(connection, sante.id, index, count)
                assert proof.root == root
                assert proof.proves(bodies[index])
                assert not proof.proves(b"another")
        for old in range(1, 14):
            path = await actions.consistency(connection, sante.id, old, 13)
            assert merkle.is_consistent(old, merkle.tree(leaves[:old])[0].root, 13, root, path)


async def test_nothing_in_a_register_can_be_changed(government: Government) -> None:
    await enter(government)
    for statement in (
        "UPDATE comgov.register_entry SET body = 'x'",
        "DELETE FROM comgov.register_entry",
        "TRUNCATE comgov.register_entry CASCADE",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
            async with government.platform.db.transaction() as connection:
                await connection.execute(statement)


async def test_a_checkpoint_is_signed_and_cosigned_by_two_others(government: Government) -> None:
    sante = government.institutions["sante"]
    await enter(government)
    await actions.publish(government.platform, sante)
    signed = await actions.newest_checkpoint(government.platform, sante.id)
    assert signed is not None
    assert signed.checkpoint.origin == "sante.gov.test/register"
    assert signed.checkpoint.size == 1
    async with government.platform.db.connection() as connection:
        keys = await store.keys(connection, await store.signatories(connection, sante.id))
    checkpoint.verify(signed, *(key.public_key for key in keys if key.origin == signed.checkpoint.origin))
    vouching = checkpoint.cosignatures(signed, [(key.origin, key.public_key) for key in keys])
    assert set(vouching) == {"finances.gov.test/register", "sgg.gov.test/register"}


async def test_checkpoints_come_once_a_second_at_most_and_only_for_news(government: Government, clock: Any) -> None:
    sante, platform = government.institutions["sante"], government.platform

    async def sizes() -> list[int]:
        async with platform.db.connection() as connection:
            return [each.checkpoint.size for each in await store.checkpoints(connection, sante.id, 1, 100)]

    await actions.publish(platform, sante)
    assert await sizes() == []
    clock.advance(timedelta(seconds=1))
    await enter(government)
    await actions.publish(platform, sante)
    await enter(government)
    await actions.publish(platform, sante)
    assert await sizes() == [1]
    clock.advance(timedelta(seconds=1))
    await actions.publish(platform, sante)
    await actions.publish(platform, sante)
    assert await sizes() == [1, 2]


async def test_a_witness_does_not_vouch_for_a_rewritten_register(government: Government, clock: Any) -> None:
    sante, platform = government.institutions["sante"], government.platform
    for _ in range(3):
        await enter(government)
    await actions.publish(platform, sante)
    await enter(government)
    async with platform.db.transaction() as connection:  # what an operator with the database in hand could do
        await connection.execute("ALTER TABLE comgov.register_entry DISABLE TRIGGER ALL")
        await connection.execute(
            "UPDATE comgov.register_entry SET hashes = decode(repeat('00', 32), 'hex') || substr(hashes, 33) "
            "WHERE index = 2"
        )
        forged = merkle.tree([merkle.leaf_hash(str(number).encode()) for number in range(4)])[0]
        await connection.execute("UPDATE comgov.register SET peaks = $1 WHERE size = 4", b"".join(forged.peaks))
    clock.advance(timedelta(seconds=2))
    await actions.publish(platform, sante)
    signed = await actions.newest_checkpoint(platform, sante.id)
    assert signed is not None
    assert signed.checkpoint.size == 4
    assert [line.name for line in signed.signatures] == ["sante.gov.test/register"]


async def test_a_checkpoint_is_stamped_by_another_institution_and_then_closed(
    government: Government, clock: Any
) -> None:
    sante, platform = government.institutions["sante"], government.platform
    await enter(government)
    await actions.publish(platform, sante)
    async with platform.db.connection() as connection:
        assert await store.open_checkpoint(connection, sante.id) is None
        assert await store.oldest_unstamped(connection, sante.id) is None
        [signed] = await store.checkpoints(connection, sante.id, 1, 1)
        tokens = await store.time_stamps(connection, sante.id, 1, 1)
    assert tsp.verify(tokens[1], signed.digest, await authority.trust(platform)) == (clock(), [])
    stamper = tsp.stamper(tokens[1])
    assert stamper is not None and organization(stamper)[1] == "finances"
    credential = await authority.register_credential(platform, government.institutions["ngozi"].id)
    await actions._cosign(platform, sante, government.institutions["ngozi"], credential)
    async with platform.db.connection() as connection:
        assert await store.checkpoints(connection, sante.id, 1, 1) == [signed]


async def test_what_was_left_undone_is_done_at_the_next_turn(
    government: Government, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dead after the signature, or after the first cosignature: the next turn brings what is missing."""
    platform, sante = government.platform, government.institutions["sante"]
    for dying in ("_have_cosigned", "_have_stamped"):
        await enter(government)
        clock.advance(timedelta(seconds=2))
        with monkeypatch.context() as patch:
            patch.setattr(actions, dying, lambda *_: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                await actions.publish(platform, sante)
        clock.advance(timedelta(seconds=2))
        await actions.publish_all(platform)
        signed = await actions.newest_checkpoint(platform, sante.id)
        assert signed is not None and len(signed.signatures) == 3
        async with platform.db.connection() as connection:
            assert await store.unstamped(connection) == []


async def revoke(government: Government, purpose: Purpose, *codes: str) -> None:
    for code in codes:
        institution = government.institutions[code]
        for issued in await authority.actions.issued(government.platform, console("test"), institution.id):
            if issued.purpose is purpose:
                await authority.revoke(
                    government.platform, console("test"), issued.serial_number, RevocationReason.SUPERSEDED
                )


async def test_an_institution_that_cannot_sign_holds_up_no_other_and_is_replaced_as_witness(
    government: Government, clock: Any
) -> None:
    await revoke(government, Purpose.REGISTER, "finances")
    for code in ("sante", "finances", "sgg"):
        await enter(government, code)
    await actions.publish_all(government.platform)
    async with government.platform.db.connection() as connection:
        assert await store.unstamped(connection) == [government.institutions["finances"].id]
    signed = await actions.newest_checkpoint(government.platform, government.institutions["sante"].id)
    assert signed is not None
    assert [line.name.partition(".")[0] for line in signed.signatures] == ["sante", "sgg", "ngozi"]


async def test_nothing_is_signed_once_an_entry_waits_too_long_for_its_time_stamp(
    government: Government, clock: Any
) -> None:
    sante, platform = government.institutions["sante"], government.platform
    await revoke(government, Purpose.TIME_STAMP, "finances", "sgg", "ngozi")
    await enter(government, at=clock())
    await actions.publish(platform, sante)
    clock.advance(timedelta(hours=4))
    await actions.must_be_stamped(platform, sante)
    clock.advance(timedelta(seconds=1))
    with pytest.raises(Unavailable, match="another institution's time-stamp"):
        await actions.must_be_stamped(platform, sante)
    await actions.must_be_stamped(platform, government.institutions["ngozi"])
    await authority.enrol_institution(platform, console("test"), government.institutions["ngozi"])
    clock.advance(timedelta(seconds=2))
    await actions.must_be_stamped(platform, sante)


async def test_an_institution_alone_on_its_server_is_not_held_up(government: Government, clock: Any) -> None:
    for code in ("finances", "sgg", "ngozi"):
        await institutions.suspend(government.platform, console("test"), code)
    await enter(government, at=clock())
    clock.advance(timedelta(days=1))
    await actions.must_be_stamped(government.platform, government.institutions["sante"])


async def test_a_logged_entry_comes_with_a_proof_that_stands_alone(government: Government) -> None:
    sante, platform = government.institutions["sante"], government.platform
    entered = [await enter(government) for _ in range(5)]
    assert await actions.logged(platform, [(sante.id, 3)]) == {}
    await actions.publish(platform, sante)
    proofs = await actions.logged(platform, [(sante.id, 3), (sante.id, 5), (sante.id + 1, 0)])
    assert list(proofs) == [(sante.id, 3)]
    proof = proofs[sante.id, 3]
    head, _, note = proof.partition("\n\n")
    version, index, *path = head.split("\n")
    assert (version, index) == ("c2sp.org/tlog-proof@v1", "index 3")
    found = checkpoint.parse(note.encode()).checkpoint
    leaf = merkle.leaf_hash(body(entered[3][1]))
    hashes = [b64decode(each) for each in path]
    assert merkle.is_included(leaf, 3, found.size, hashes, found.root)


async def test_a_page_of_numbers_is_the_newest_first_and_counts_all(government: Government) -> None:
    for _ in range(7):
        await enter(government)
    sante = government.institutions["sante"]
    wanted = NumberFilter(direction=Direction.DEPARTURE, year=2026, before=6, limit=3)
    rows, count = await actions.page(government.platform, sante.id, wanted)
    assert [str(row.number) for row in rows] == ["2026/D/000005", "2026/D/000004", "2026/D/000003"]
    assert count == 7


@pytest.mark.parametrize("text", ["", "2026/D/1", "2026/X/000001", "2026/D/000000", "26/D/000001", "2026/D/0000001"])
def test_what_is_no_register_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="register number"):
        Number.parse(text)


def test_a_register_number_is_read_as_it_is_written() -> None:
    assert str(Number.parse("2026/A/000123")) == "2026/A/000123"
    assert str(Number.parse("2026/A/1234567")) == "2026/A/1234567"
