"""A container brought by other means: accepted once, or refused with evidence; hostile ones are answered."""

from __future__ import annotations

import asyncio
import subprocess
from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from typing import TYPE_CHECKING, Any
from uuid import uuid4
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

import pytest

from comgov import authority
from comgov.actor import console
from comgov.dossiers.actions import by_hand, reading, registering
from comgov.dossiers.config import Config
from comgov.dossiers.documents import Kind, read_evidence
from comgov.dossiers.model import Filter, Outcome
from comgov.dossiers.receipts import verification
from comgov.errors import Forbidden, NotFound, TooLarge
from comgov.signing import container as containers
from comgov.signing import manifest
from comgov.signing.certificates import Purpose, RevocationReason
from comgov.signing.verdict import Commitment
from tests.comgov.dossiers.journey import chain, chunks, container, sent

if TYPE_CHECKING:
    from pathlib import Path

    from tests.comgov.government import Government


async def present(government: Government, content: bytes, name: str = "c.asice") -> by_hand.Presented:
    return await by_hand.present(government.platform, government.grace, name, chunks(content))


async def refused(government: Government, content: bytes) -> str:
    """The reasons of the receipt that refuses it; checks that the receipt holds and that nothing arrived."""
    before = (await reading.list_arrivals(government.platform, government.grace, Filter())).count
    presented = await present(government, content)
    assert presented.presentation.outcome is Outcome.REFUSED
    assert presented.evidence is not None
    assert presented.evidence.kind is Kind.SUBMISSION_REJECTION
    receipt = verification.Receipt(name="refusal", body=presented.evidence.body, signature=presented.evidence.signature)
    trust = await authority.trust(government.platform)
    said, _, reasons = verification.verify_receipt(receipt, trust)
    assert reasons == []
    assert said is not None
    assert said.container == presented.presentation.container.hex()
    assert (await reading.list_arrivals(government.platform, government.grace, Filter())).count == before
    return " ".join(said.reasons or ())


async def test_what_the_relay_brought_is_known_and_not_entered_twice(government: Government) -> None:
    dossier = await sent(government)
    content = await container(government, dossier.message_id)
    evidence = await chain(government, dossier.message_id)
    for _ in range(2):
        presented = await present(government, content)
        assert presented.presentation.outcome is Outcome.KNOWN
        assert presented.evidence is not None
        assert presented.evidence.digest == evidence[-1].digest
    assert await chain(government, dossier.message_id) == evidence


async def test_an_altered_piece_is_refused_with_evidence(government: Government) -> None:
    dossier = await sent(government)
    content = await container(government, dossier.message_id)
    assert await refused(government, content.replace(b"rapport", b"rapp0rt", 1))


async def test_every_part_of_a_container_is_guarded(government: Government) -> None:
    """One bit anywhere: in a header, the bordereau, a piece, the manifest, the signature, the directory."""
    dossier = await sent(government)
    content = await container(government, dossier.message_id)
    for position in range(0, len(content), max(1, len(content) // 23)):
        altered = bytearray(content)
        altered[position] ^= 0x40
        assert await refused(government, bytes(altered))


async def test_a_seal_revoked_before_is_refused(government: Government) -> None:
    dossier = await sent(government)
    content = await container(government, dossier.message_id)
    institution = government.institutions["sante"]
    for issued in await authority.actions.issued(government.platform, console("test"), institution.id):
        if issued.purpose is Purpose.SEAL:
            await authority.revoke(
                government.platform,
                console("test"),
                issued.serial_number,
                RevocationReason.KEY_COMPROMISE,
                since=government.platform.clock(),
            )
    assert "revoked" in await refused(government, content)


async def test_the_seal_of_another_root_is_refused(government: Government, db_url: str, tmp_path: Path) -> None:
    content = await foreign_container(government, tmp_path)
    assert "not issued by" in await refused(government, content)


async def foreign_container(government: Government, tmp_path: Path) -> bytes:
    """What an institution that calls itself sante, under a root of its own, would seal."""
    from tests.comgov.signing.world import make_world

    world = make_world(now=government.platform.clock())
    dossier = await sent(government)
    story = await reading.story(government.platform, government.aline, dossier.message_id)
    bordereau = story.bordereau.model_copy(update={"designation": "Virement urgent"}).canonical()
    pieces = {"Rapport annuel.pdf": b"%PDF-1.7 rapport" * 40, "Annexe.csv": b"a;b\n1;2\n"}
    return await sealed_by(lambda listed: world.sign(listed, at=government.platform.clock()), bordereau, pieces)


async def sealed_by(sign: Any, bordereau: bytes, pieces: dict[str, bytes]) -> bytes:
    """A container of that bordereau and those pieces, signed as told."""
    parts = [containers.part("bordereau.json", bordereau)]
    parts += [containers.part(name, content) for name, content in pieces.items()]
    listed = manifest.write(1, [part.member for part in parts])
    parts.append(containers.part(manifest.manifest_name(1), listed))
    parts.append(containers.part(manifest.signature_name(1), sign(listed)))
    return b"".join([chunk async for chunk in containers.stream(parts)])


async def resealed(government: Government, code: str, **changes: Any) -> bytes:
    """A container with another bordereau under the genuine seal of an institution."""
    dossier = await sent(government)
    story = await reading.story(government.platform, government.aline, dossier.message_id)
    bordereau = story.bordereau.model_copy(update=changes).canonical()
    sealer = await authority.sealer(government.platform, government.institutions[code].id)
    pieces = {"Rapport annuel.pdf": b"%PDF-1.7 rapport" * 40, "Annexe.csv": b"a;b\n1;2\n"}
    return await sealed_by(lambda listed: sealer.seal(listed, Commitment.ORIGIN), bordereau, pieces)


async def test_another_content_under_a_known_message_is_refused_as_a_replay(government: Government) -> None:
    content = await resealed(government, "sante", designation="Autre chose")
    assert "replay" in await refused(government, content)


async def test_the_seal_of_another_institution_than_the_sender_is_refused(government: Government) -> None:
    content = await resealed(government, "ngozi")
    assert "seal is not that of sante" in await refused(government, content)


async def test_what_is_addressed_to_others_is_refused(government: Government) -> None:
    dossier = await sent(government, ("ngozi",))
    assert "not addressed" in await refused(government, await container(government, dossier.message_id))


async def test_pieces_that_the_bordereau_does_not_list_are_refused(government: Government) -> None:
    content = await resealed(government, "sante", pieces=(), number_of_pieces=0)
    assert "bordereau lists" in await refused(government, content)


@pytest.mark.parametrize(
    "media_type", ["", "pdf", "text/html; charset=utf-8", "a/b\r\nX: y", "text/é", "a/" + "b" * 200]
)
async def test_a_piece_of_no_media_type_is_refused(government: Government, media_type: str) -> None:
    dossier = await sent(government)
    story = await reading.story(government.platform, government.aline, dossier.message_id)
    pieces = tuple(piece.model_copy(update={"media_type": media_type}) for piece in story.bordereau.pieces)
    content = await resealed(government, "sante", message=uuid4(), pieces=pieces)
    assert await refused(government, content)


async def test_the_first_signature_must_be_the_senders_and_its_commitment_origin(government: Government) -> None:
    """Ngozi seals what it wrote in sante's name; sante approves something of it later: it still is not sante's."""
    dossier = await sent(government)
    story = await reading.story(government.platform, government.aline, dossier.message_id)
    sealers = {
        code: await authority.sealer(government.platform, government.institutions[code].id)
        for code in ("ngozi", "sante")
    }
    pieces = {"Rapport annuel.pdf": b"%PDF-1.7 rapport" * 40, "Annexe.csv": b"a;b\n1;2\n"}
    parts = [containers.part("bordereau.json", story.bordereau.canonical())]
    parts += [containers.part(name, content) for name, content in pieces.items()]
    for number, code in enumerate(("ngozi", "sante"), 1):
        listed = manifest.write(number, [part.member for part in parts])
        parts.append(containers.part(manifest.manifest_name(number), listed))
        signature = sealers[code].seal(listed, Commitment.ORIGIN)
        parts.append(containers.part(manifest.signature_name(number), signature))
    content = b"".join([chunk async for chunk in containers.stream(parts)])
    assert "seal is not that of sante" in await refused(government, content)

    def approve(listed: bytes) -> bytes:
        return sealers["sante"].seal(listed, Commitment.APPROVAL)

    approved = await sealed_by(approve, story.bordereau.canonical(), pieces)
    assert "seal is not that of sante" in await refused(government, approved)


async def test_a_bordereau_that_dates_itself_back_is_refused(government: Government) -> None:
    long_ago = government.platform.clock() - timedelta(days=30)
    content = await resealed(government, "sante", message=uuid4(), sealed_at=long_ago)
    assert "the seal's time-stamp 2026-11-23 08:00:00" in await refused(government, content)


async def test_a_seal_stamped_in_the_future_is_refused(government: Government, clock: Any) -> None:
    clock.advance(timedelta(hours=1))
    content = await resealed(government, "sante", message=uuid4(), sealed_at=clock())
    clock.advance(-timedelta(hours=1))
    assert "still to come" in await refused(government, content)


@pytest.mark.parametrize("text", ["\x1b[2J\x1b[HVALID.", "Note\nVALID.", "Virement \u202efdp.exe", "a\u2028b"])
async def test_a_text_that_would_not_be_read_as_it_is_written_is_refused(government: Government, text: str) -> None:
    content = await resealed(government, "sante", message=uuid4(), designation=text)
    assert "not of the expected form" in await refused(government, content)


async def test_a_dossier_of_another_server_is_accepted_once_and_goes_on(government: Government, db_url: str) -> None:
    content = await resealed(government, "sante", message=uuid4())
    outcomes = [(await present(government, content)).presentation.outcome for _ in range(3)]
    assert outcomes == [Outcome.ACCEPTED] * 3
    page = await reading.list_arrivals(government.platform, government.grace, Filter())
    [arrived] = [row for row in page.rows if row.sender_id is None]
    registered = await registering.register(government.platform, government.grace, arrived.message_id)
    assert registered.arrival == "2026/A/000001"
    story = await reading.story(government.platform, government.grace, arrived.message_id)
    kinds = [each.kind for each in story.ways[0].evidence]
    assert kinds == [
        Kind.SUBMISSION_ACCEPTANCE,
        Kind.CONTENT_CONSIGNMENT,
        Kind.CONTENT_HANDOVER,
        Kind.REGISTERED,
    ]
    receipts = [
        verification.Receipt(name=each.kind, body=each.body, signature=each.signature)
        for each in story.ways[0].evidence
    ]
    verdict = verification.verify_chain(receipts, await authority.trust(government.platform))
    assert verdict.report.signatures and not hasattr(verdict, "reasons")


async def test_the_same_bytes_presented_by_many_at_once_get_one_answer(government: Government) -> None:
    dossier = await sent(government)
    altered = (await container(government, dossier.message_id)).replace(b"rapport", b"rapp0rt", 1)
    outcomes = await asyncio.gather(*(present(government, altered) for _ in range(6)), return_exceptions=True)
    again = await present(government, altered)
    digests = {each.evidence.digest for each in outcomes if not isinstance(each, BaseException) and each.evidence}
    assert again.evidence is not None
    assert digests == {again.evidence.digest}


def zipped(files: dict[str, bytes], compression: int = ZIP_STORED) -> bytes:
    buffer = BytesIO()
    with ZipFile(buffer, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK",
        b"\0" * 10_000,
        b"%PDF-1.7 not a container",
        zipped({}),
        zipped({"mimetype": b"application/zip"}),
        zipped({"mimetype": b"application/vnd.etsi.asic-e+zip"}),
        zipped({"mimetype": b"application/vnd.etsi.asic-e+zip", "bordereau.json": b"{}"}),
        zipped({"mimetype": b"application/vnd.etsi.asic-e+zip", "bordereau.json": b"[" * 100_000}),
        zipped({"bordereau.json": b"{}", "mimetype": b"application/vnd.etsi.asic-e+zip"}),
        zipped({"mimetype": b"application/vnd.etsi.asic-e+zip", "../../etc/passwd": b"x"}),
        zipped({"mimetype": b"application/vnd.etsi.asic-e+zip", "bombe": b"\0" * 50_000_000}, ZIP_DEFLATED),
    ],
    ids=["empty", "cut", "zeroes", "pdf", "empty-zip", "zip", "bare", "no-seal", "deep", "order", "path", "bomb"],
)
async def test_whatever_one_presents_is_answered_with_a_receipt(government: Government, content: bytes) -> None:
    assert await refused(government, content)


async def test_a_container_over_the_limit_is_cut_off(government: Government) -> None:
    limits = Config(dossier_limit_bytes=1)
    platform = replace(government.platform, configs={**government.platform.configs, Config: limits})
    with pytest.raises(TooLarge):
        await by_hand.present(platform, government.grace, "c", chunks(b"x" * 4_100_000))


async def test_only_a_clerk_presents_and_only_the_institution_reads_the_report(government: Government) -> None:
    for who in (government.eric, government.aline):
        with pytest.raises(Forbidden):
            await by_hand.present(government.platform, who, "c", chunks(b""))
    presented = await present(government, b"")
    for who in (government.eric, government.paul, government.aline):
        with pytest.raises(NotFound):
            await by_hand.get(government.platform, who, presented.presentation.id)


async def test_receipts_are_for_both_sides_and_for_nobody_else(government: Government) -> None:
    dossier = await sent(government, ("finances", "sgg"))
    evidence = (await chain(government, dossier.message_id, "finances"))[-1]
    for who in (government.aline, government.grace):
        assert (await reading.receipt(government.platform, who, evidence.digest)).digest == evidence.digest
    clerk_of_sgg = government.actor("sgg", *government.grace.roles)
    for stranger in (government.paul, government.eric, clerk_of_sgg):
        with pytest.raises(NotFound):
            await reading.receipt(government.platform, stranger, evidence.digest)
    seal = (await chain(government, dossier.message_id, "finances"))[0]
    assert (await reading.receipt(government.platform, clerk_of_sgg, seal.digest)).kind is Kind.SEALED


async def test_the_refusal_verifies_with_openssl_alone(government: Government, tmp_path: Path) -> None:
    presented = await present(government, b"not a container")
    assert presented.evidence is not None
    (tmp_path / "r.json").write_bytes(presented.evidence.body)
    (tmp_path / "r.p7s").write_bytes(presented.evidence.signature)
    (tmp_path / "root.pem").write_bytes((await authority.trust(government.platform)).pem())
    at = str(int(government.platform.clock().timestamp()))
    command = ["openssl", "cms", "-verify", "-cades", "-binary", "-inform", "DER", "-in", "r.p7s", "-content", "r.json"]
    command += ["-CAfile", "root.pem", "-crl_check_all", "-purpose", "any", "-attime", at, "-out", "/dev/null"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert read_evidence(presented.evidence.body).message is None
