"""A dossier goes from institution to institution, and each step leaves evidence that anyone can verify."""

from __future__ import annotations

import asyncio
import subprocess
import threading
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest

from comgov import authority
from comgov.db import Database
from comgov.dossiers import documents
from comgov.dossiers.actions import reading, registering, sealing
from comgov.dossiers.documents import Kind
from comgov.dossiers.model import Filter, Note, State
from comgov.dossiers.receipts import bundle, verification
from comgov.registers import actions as registers
from comgov.registers.model import Direction, NumberFilter
from comgov.signing import asice
from comgov.signing.verdict import Commitment, Indication, Valid, Verdict
from tests.comgov.dossiers.journey import PIECES, chain, container, delivery, drafted, sent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path
    from uuid import UUID

    from comgov.db import Connection
    from tests.comgov.government import Government

WHOLE_WAY = [
    Kind.SEALED,
    Kind.SUBMISSION_ACCEPTANCE,
    Kind.CONTENT_CONSIGNMENT,
    Kind.CONTENT_HANDOVER,
    Kind.REGISTERED,
    Kind.ACKNOWLEDGED,
]


async def test_a_sealed_dossier_is_at_its_recipient_at_once(government: Government) -> None:
    dossier = await sent(government)
    assert dossier.number == "2026/D/000001"
    assert dossier.state is State.SEALED
    assert (await delivery(government, dossier.message_id)).state is State.RECEIVED
    page = await reading.list_arrivals(government.platform, government.grace, Filter())
    assert [(row.number, row.designation, row.sender.code) for row in page.rows] == [
        ("2026/D/000001", "Rapport annuel 2026", "sante")
    ]
    assert page.count == 1


async def test_the_whole_way_leaves_one_chain_that_holds(government: Government) -> None:
    dossier = await sent(government)
    arrived = await registering.register(government.platform, government.grace, dossier.message_id)
    assert arrived.arrival == "2026/A/000001"
    await registering.acknowledge(government.platform, government.grace, dossier.message_id)
    evidence = await chain(government, dossier.message_id)
    assert [each.kind for each in evidence] == WHOLE_WAY
    trust = await authority.trust(government.platform)
    receipts = [verification.Receipt(name=each.kind, body=each.body, signature=each.signature) for each in evidence]
    verdict = verification.verify_chain(receipts, trust)
    assert isinstance(verdict, Valid)
    assert [each.institution_code for each in verdict.report.signatures] == ["sante", *["finances"] * 5]
    registered = documents.read_evidence(evidence[4].body)
    assert registered.number == "2026/A/000001"
    assert registered.person == "Grace"
    assert registered.departure is not None
    assert registered.departure.origin == "sante.gov.test/register"
    assert registered.register_.origin == "finances.gov.test/register"
    assert registered.manifest == dossier.manifest.hex()


async def test_two_recipients_go_their_own_ways(government: Government) -> None:
    dossier = await sent(government, ("finances", "ngozi"))
    await registering.register(government.platform, government.paul, dossier.message_id)
    assert (await delivery(government, dossier.message_id, "finances")).state is State.RECEIVED
    assert (await delivery(government, dossier.message_id, "ngozi")).arrival == "2026/A/000001"
    kinds = [each.kind for each in await chain(government, dossier.message_id, "finances")]
    assert kinds == WHOLE_WAY[:3]
    page = await reading.list_departures(government.platform, government.aline, Filter())
    [row] = page.rows
    assert (len(row.recipient_ids), row.received, row.registered, row.acknowledged) == (2, 1, 1, 0)


async def test_both_registers_show_it(government: Government) -> None:
    dossier = await sent(government)
    await registering.register(government.platform, government.grace, dossier.message_id)
    wanted = NumberFilter(direction=Direction.DEPARTURE, year=2026)
    [departure], _ = await reading.register_page(government.platform, government.aline, wanted)
    wanted = NumberFilter(direction=Direction.ARRIVAL, year=2026)
    [arrival], _ = await reading.register_page(government.platform, government.grace, wanted)
    assert departure.message_id == arrival.message_id == dossier.message_id
    assert str(departure.number) == "2026/D/000001"
    assert str(arrival.number) == "2026/A/000001"
    assert arrival.sender == "Institution sante"


async def test_registering_twice_gives_the_same_number_and_no_new_evidence(government: Government) -> None:
    dossier = await sent(government)
    first = await registering.register(government.platform, government.grace, dossier.message_id)
    second = await registering.register(government.platform, government.grace, dossier.message_id)
    assert first == second
    await registering.acknowledge(government.platform, government.grace, dossier.message_id)
    await registering.acknowledge(government.platform, government.grace, dossier.message_id)
    assert [each.kind for each in await chain(government, dossier.message_id)] == WHOLE_WAY


async def test_reading_the_content_hands_it_over_once(government: Government) -> None:
    dossier = await sent(government)
    for _ in range(2):
        story = await reading.content(government.platform, government.grace, dossier.message_id)
    assert story.container_bytes > 0
    kinds = [each.kind for each in await chain(government, dossier.message_id)]
    assert kinds == WHOLE_WAY[:4]


async def test_the_container_holds_the_pieces_and_verifies(government: Government) -> None:
    dossier = await sent(government)
    content = await container(government, dossier.message_id)
    verdict = asice.verify(BytesIO(content), await authority.trust(government.platform))
    assert isinstance(verdict, Valid)
    story = await reading.content(government.platform, government.grace, dossier.message_id)
    for position, piece in enumerate(PIECES.values(), start=1):
        start, stop = story.span(position)
        assert content[start:stop] == piece


async def test_an_answer_is_evidence_for_who_asked(government: Government) -> None:
    dossier = await sent(government)
    await registering.register(government.platform, government.grace, dossier.message_id)
    signatory = government.actor("finances", *government.grace.roles, *government.aline.roles, name="Luc")
    note = Note(designation="Réponse", in_reply_to=dossier.message_id)
    reply = await drafted(government, ["sante"], actor=signatory, note=note)
    await sealing.seal(government.platform, signatory, reply.message_id, reply.fingerprint)
    assert (await delivery(government, dossier.message_id)).state is State.ANSWERED
    assert [each.kind for each in await chain(government, dossier.message_id)] == [*WHOLE_WAY[:5], Kind.ANSWERED]


async def test_openssl_alone_verifies_the_container_and_every_receipt(government: Government, tmp_path: Path) -> None:
    dossier = await sent(government)
    await registering.register(government.platform, government.grace, dossier.message_id)
    bundle_pem = tmp_path / "root+crls.pem"
    bundle_pem.write_bytes((await authority.trust(government.platform)).pem())
    (tmp_path / "c.asice").write_bytes(await container(government, dossier.message_id))
    extracted = tmp_path / "c"
    extracted.mkdir()
    with (tmp_path / "c.asice").open("rb") as file:
        asice.verify(file, await authority.trust(government.platform), extract_to=extracted)
    subprocess.run(["unzip", "-q", "-d", tmp_path / "unzipped", tmp_path / "c.asice"], check=True)
    meta = tmp_path / "unzipped" / "META-INF"
    at = int(government.platform.clock().timestamp())
    _openssl_cms(meta / "signature001.p7s", meta / "ASiCManifest001.xml", bundle_pem, at)
    token = extracted / "META-INF" / "signature001.token.der"
    value = extracted / "META-INF" / "signature001.sigvalue.bin"
    command = ["openssl", "ts", "-verify", "-data", value, "-in", token, "-token_in", "-CAfile", bundle_pem]
    stamped = subprocess.run([*command, "-attime", str(at)], capture_output=True, text=True, check=False)
    assert "Verification: OK" in stamped.stdout, stamped.stderr
    for each in await chain(government, dossier.message_id):
        (tmp_path / "receipt.json").write_bytes(each.body)
        (tmp_path / "receipt.p7s").write_bytes(each.signature)
        _openssl_cms(tmp_path / "receipt.p7s", tmp_path / "receipt.json", bundle_pem, at)


def _openssl_cms(signature: Path, content: Path, trust: Path, at: int) -> None:
    command = ["openssl", "cms", "-verify", "-cades", "-binary", "-inform", "DER", "-in", signature]
    command += ["-content", content, "-CAfile", trust, "-crl_check_all", "-purpose", "any", "-attime", str(at)]
    done = subprocess.run([*command, "-out", "/dev/null"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


async def test_the_bundle_of_receipts_holds_their_proofs_and_verifies(government: Government) -> None:
    dossier = await sent(government, ("finances", "ngozi"))
    await registering.register(government.platform, government.grace, dossier.message_id)
    government.platform.clock.advance(timedelta(seconds=2))  # type: ignore[attr-defined]
    for institution in government.institutions.values():
        await registers.publish(government.platform, institution)
    name, content = await reading.receipts(government.platform, government.aline, dossier.message_id)
    assert name == "2026-D-000001"
    chains = bundle.read(BytesIO(content))
    assert {code: len(found) for code, found in chains.items()} == {"finances": 5, "ngozi": 3}
    trust = await authority.trust(government.platform)
    assert all(isinstance(verification.verify_chain(found, trust), Valid) for found in chains.values())
    assert content.count(b".tlog-proof") == 2 * 7


class CountingDatabase(Database):
    """Counts what is asked of PostgreSQL."""

    queries = 0

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        def count(_query: object) -> None:
            self.queries += 1

        async with super().connection() as connection:
            with connection.query_logger(count):
                yield connection


async def test_receipts_cost_the_same_few_queries_whatever_their_number(government: Government) -> None:
    counted = []
    for recipients in (("ngozi",), ("finances",), ("finances", "sgg", "ngozi")):
        dossier = await sent(government, recipients)
        government.platform.clock.advance(timedelta(seconds=2))  # type: ignore[attr-defined]
        await registers.publish_all(government.platform)
        database = CountingDatabase(government.platform.db.pool)
        platform = replace(government.platform, db=database)
        _, content = await reading.receipts(platform, government.aline, dossier.message_id)
        assert content.count(b".tlog-proof") == 2 * (1 + 2 * len(recipients))
        counted.append(database.queries)
    assert counted[1] == counted[2] <= 8  # the first time the driver also asks about types


async def test_receipts_are_zipped_outside_the_loop_and_two_at_a_time(
    government: Government, monkeypatch: pytest.MonkeyPatch
) -> None:
    dossier = await sent(government)
    loop_thread, running, most = threading.get_ident(), 0, 0

    def slow(receipts: object) -> bytes:
        nonlocal running, most
        assert threading.get_ident() != loop_thread
        running += 1
        most = max(most, running)
        time.sleep(0.05)
        running -= 1
        return b"zip"

    monkeypatch.setattr(bundle, "write", slow)
    wanted = [reading.receipts(government.platform, government.aline, dossier.message_id) for _ in range(6)]
    assert await asyncio.gather(*wanted) == [("2026-D-000001", b"zip")] * 6
    assert most == 2


async def test_a_receipt_that_names_another_instant_than_its_time_stamp_does_not_hold(government: Government) -> None:
    """The maker's clock stands in the receipt; what counts in a dispute is the token."""
    dossier = await sent(government)
    said = documents.read_evidence((await chain(government, dossier.message_id))[0].body)
    sealer = await authority.sealer(government.platform, government.institutions["sante"].id)
    trust = await authority.trust(government.platform)
    for back, expected in ((timedelta(minutes=9), False), (timedelta(minutes=11), True)):
        body = said.model_copy(update={"at": said.at - back}).canonical()
        receipt = verification.Receipt(name="r", body=body, signature=sealer.seal(body, Commitment.ORIGIN))
        _, _, reasons = verification.verify_receipt(receipt, trust)
        found = {each.indication for each in reasons}
        assert (Indication.TIMESTAMP_ORDER_FAILURE in found) is expected
        assert Indication.HASH_FAILURE in found  # its entry in the register says the true one


async def told(government: Government, message: UUID, code: str = "finances") -> list[verification.Receipt]:
    evidence = await chain(government, message, code)
    return [verification.Receipt(name=each.kind, body=each.body, signature=each.signature) for each in evidence]


async def resigned(
    government: Government, code: str, receipt: verification.Receipt, **changes: Any
) -> verification.Receipt:
    """The same receipt saying something else, under the true seal of an institution."""
    body = documents.read_evidence(receipt.body).model_copy(update=changes).canonical()
    sealer = await authority.sealer(government.platform, government.institutions[code].id)
    return replace(receipt, body=body, signature=sealer.seal(body, Commitment.RECEIPT))


def why(verdict: Verdict) -> list[str]:
    return [] if isinstance(verdict, Valid) else [str(each) for each in verdict.reasons]


async def test_receipts_of_two_recipients_make_no_chain(government: Government) -> None:
    """Each holds, all are about this dossier and in order; only the digests tell that they do not follow."""
    dossier = await sent(government, ("finances", "ngozi"))
    ours, theirs = [await told(government, dossier.message_id, code) for code in ("finances", "ngozi")]
    trust = await authority.trust(government.platform)
    assert why(verification.verify_chain(ours, trust)) == []
    mixed = verification.verify_chain([*ours[:2], theirs[2]], trust)
    assert why(mixed) == [
        "ContentConsignment does not follow SubmissionAcceptance: it names another receipt as the one before it."
    ]


async def test_a_receipt_under_anothers_seal_does_not_hold(government: Government) -> None:
    dossier = await sent(government)
    ours, trust = await told(government, dossier.message_id), await authority.trust(government.platform)
    forged = await resigned(government, "ngozi", ours[2])
    [reason] = why(verification.verify_chain([*ours[:2], forged], trust))
    assert reason == "ContentConsignment is not signed by finances, which it says made it."


async def test_a_receipt_that_proves_no_entry_or_leaves_the_senders_out_does_not_hold(government: Government) -> None:
    dossier = await sent(government)
    ours, trust = await told(government, dossier.message_id), await authority.trust(government.platform)
    said = documents.read_evidence(ours[2].body)
    unproven = said.register_.model_copy(update={"index": 0, "size": 1, "path": ()})
    forged = await resigned(government, "finances", ours[2], register_=unproven)
    assert why(verification.verify_chain([*ours[:2], forged], trust)) == [
        "ContentConsignment does not prove its entry in the register finances.gov.test/register."
    ]
    for other in (None, said.register_):
        forged = await resigned(government, "finances", ours[2], departure=other)
        assert why(verification.verify_chain([*ours[:2], forged], trust)) == [
            "ContentConsignment does not carry the sender's entry in the register."
        ]


async def test_a_receipt_that_comes_too_early_does_not_hold(government: Government) -> None:
    """Finances states what it may only state later, and names the right receipt as the one before."""
    dossier = await sent(government)
    await registering.register(government.platform, government.grace, dossier.message_id)
    ours, trust = await told(government, dossier.message_id), await authority.trust(government.platform)
    early = await resigned(government, "finances", ours[4], previous=documents.digest(ours[1].body).hex())
    reasons = why(verification.verify_chain([*ours[:2], early], trust))
    assert "REGISTERED cannot come at this point: a dossier does not go this way." in reasons
    assert not any("does not follow" in each for each in reasons)


@pytest.mark.parametrize("leave_out", [0, 1, 2, 3])
async def test_a_chain_with_a_receipt_less_does_not_hold(government: Government, leave_out: int) -> None:
    dossier = await sent(government)
    await registering.register(government.platform, government.grace, dossier.message_id)
    evidence = await chain(government, dossier.message_id)
    receipts = [verification.Receipt(name=each.kind, body=each.body, signature=each.signature) for each in evidence]
    del receipts[leave_out]
    verdict = verification.verify_chain(receipts, await authority.trust(government.platform))
    assert not isinstance(verdict, Valid)
