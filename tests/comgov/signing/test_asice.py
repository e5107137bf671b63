"""Whole containers: verified by us and by openssl alone, and refused for a reason."""

from __future__ import annotations

import base64
import io
import subprocess
import tracemalloc
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from comgov.signing import asice, container, manifest
from comgov.signing.container import Part, part
from comgov.signing.errors import Malformed
from comgov.signing.trust import Trust
from comgov.signing.verdict import Commitment, Indeterminate, Invalid, Valid, Verdict
from tests.comgov.signing.world import NOW, World, openssl, sealed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

PIECES = {"Lettre d'envoi.pdf": b"%PDF-1.7 " * 50, "État & annexe.csv": b"a;b\n1;2\n"}


def verify(raw: bytes, pinned: Trust) -> Verdict:
    return asice.verify(io.BytesIO(raw), pinned)


def why(verdict: Verdict) -> str:
    assert isinstance(verdict, Invalid | Indeterminate), verdict
    return " ".join(map(str, verdict.reasons))


@pytest.mark.parametrize("steps", [1, 3])
async def test_a_container_is_valid_and_tells_its_steps_and_pieces(world: World, steps: int) -> None:
    verdict = verify(await sealed(world, PIECES, steps=steps), world.root_only)
    assert isinstance(verdict, Valid)
    commitments = [signature.commitment for signature in verdict.report.signatures]
    assert commitments == [Commitment.ORIGIN, Commitment.APPROVAL, Commitment.APPROVAL][:steps]
    assert [piece.name for piece in verdict.report.pieces] == ["bordereau.json", *PIECES]
    assert verdict.report.pieces[1].size_bytes == 450


async def test_anyone_can_verify_it_with_openssl_alone(world: World, tmp_path: Path) -> None:
    """The lines of exchange.md, run as they stand there."""
    (tmp_path / "c.asice").write_bytes(await sealed(world, PIECES, steps=2))
    (tmp_path / "root+crls.pem").write_bytes(world.trust.pem())
    (tmp_path / "root.pem").write_bytes(world.root_only.pem())
    out = tmp_path / "out"
    out.mkdir()
    with (tmp_path / "c.asice").open("rb") as file:
        assert isinstance(asice.verify(file, world.trust, extract_to=out), Valid)
    unzipped = subprocess.run(["unzip", "-q", "../c.asice", "-d", "../zip"], cwd=out, check=False)
    assert unzipped.returncode == 0
    for number in (1, 2):
        listed = manifest.manifest_name(number)
        assert (tmp_path / "zip" / listed).read_bytes() == (out / listed).read_bytes()
        done = openssl(
            *("cms", "-verify", "-cades", "-binary", "-inform", "DER", "-in", out / manifest.signature_name(number)),
            *("-content", out / listed, "-CAfile", tmp_path / "root+crls.pem", "-crl_check_all"),
            *("-purpose", "any", "-attime", int(NOW.timestamp()), "-out", "/dev/null"),
        )
        assert done.returncode == 0, done.stderr
        for reference in manifest.read((out / listed).read_bytes(), listed).references:
            digest = subprocess.run(
                ["openssl", "dgst", "-sha256", "-binary", out / reference.name], capture_output=True, check=True
            ).stdout
            assert base64.b64encode(digest) in (out / listed).read_bytes()
            assert digest == reference.sha256
        stamped = openssl(
            *("ts", "-verify", "-data", out / f"META-INF/signature{number:03d}.sigvalue.bin"),
            *("-in", out / f"META-INF/signature{number:03d}.token.der", "-token_in"),
            *("-CAfile", tmp_path / "root.pem", "-attime", int(NOW.timestamp())),
        )
        assert "Verification: OK" in stamped.stdout
    assert {path.name for path in out.iterdir()} == {"META-INF", "bordereau.json", *PIECES}


@pytest.mark.filterwarnings("ignore:Parsed a serial number")  # of an altered certificate
async def test_every_altered_byte_is_invalid(world: World) -> None:
    raw = bytearray(await sealed(world, {"a.txt": b"abc"}))
    for place in range(len(raw)):
        raw[place] ^= 0x04
        assert isinstance(verify(bytes(raw), world.trust), Invalid), place
        raw[place] ^= 0x04
    assert isinstance(verify(bytes(raw), world.trust), Valid)


async def test_a_container_in_chunks_is_verified_as_it_arrives(world: World) -> None:
    raw = await sealed(world, PIECES)

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(raw), 100):
            yield raw[start : start + 100]

    assert isinstance(await asice.verify_stream(chunks(), world.trust), Valid)


async def test_a_large_piece_is_never_whole_in_memory(world: World) -> None:
    """64 MiB written and verified at once, chunk by chunk."""
    chunk, count = bytes(1 << 20), 64
    meter = container.Meter()
    for _ in range(count):
        meter.update(chunk)

    async def content() -> AsyncIterator[bytes]:
        for _ in range(count):
            yield chunk

    parts, signature = await built(world, Part(member=meter.member("grand.bin"), open=content))
    tracemalloc.start()
    verdict = await asice.verify_stream(container.stream([*parts, signature]), world.trust)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert isinstance(verdict, Valid)
    assert peak_bytes < 4 << 20


async def test_a_foreign_container_is_invalid(world: World, stranger: World) -> None:
    assert "was not issued by" in why(verify(await sealed(stranger, PIECES), world.trust))


async def test_without_lists_a_container_at_b_t_is_indeterminate(world: World) -> None:
    listed, signature = await built(world, crls=())
    verdict = verify(await joined([*listed, signature]), world.root_only)
    assert isinstance(verdict, Indeterminate)


async def built(
    world: World, *extra: Part, crls: tuple[x509.CertificateRevocationList, ...] | None = None
) -> tuple[list[Part], Part]:
    """Parts signed once (bordereau, a piece, `extra`, the manifest), and the signature."""
    parts = [part("bordereau.json", b"{}"), part("a.txt", b"abc"), *extra]
    listed = manifest.write(1, [each.member for each in parts])
    signature = part(manifest.signature_name(1), world.sign(listed, crls=crls))
    return [*parts, part(manifest.manifest_name(1), listed)], signature


async def joined(parts: list[Part]) -> bytes:
    return b"".join([chunk async for chunk in container.stream(parts)])


async def test_what_nobody_signed_is_invalid(world: World) -> None:
    parts, signature = await built(world)
    for name in ("b.txt", manifest.manifest_name(3), manifest.signature_name(2)):
        verdict = verify(await joined([*parts, signature, part(name, b"x")]), world.trust)
        assert f"{name} is in the container and nobody signed it" in why(verdict)


async def test_a_piece_that_is_missing_or_altered_is_named(world: World) -> None:
    parts, signature = await built(world)
    assert "a.txt is signed and missing" in why(verify(await joined([parts[0], parts[2], signature]), world.trust))
    altered = [parts[0], part("a.txt", b"abd"), parts[2], signature]
    assert "a.txt was altered after it was signed" in why(verify(await joined(altered), world.trust))


async def test_a_missing_signature_is_named(world: World) -> None:
    parts, _ = await built(world)
    assert "META-INF/signature001.p7s is missing" in why(verify(await joined(parts), world.trust))


async def test_a_container_without_manifest_is_invalid(world: World) -> None:
    assert "has no signature" in why(verify(await joined([part("bordereau.json", b"{}")]), world.trust))
    assert "no bordereau.json" in why(verify(await joined([part("a.txt", b"{}")]), world.trust))


async def test_a_step_that_forgets_an_earlier_one_is_invalid(world: World) -> None:
    parts, signature = await built(world)
    forgetful = manifest.write(2, [each.member for each in parts[:2]])
    parts += [signature, part(manifest.manifest_name(2), forgetful)]
    parts.append(part(manifest.signature_name(2), world.sign(forgetful)))
    verdict = verify(await joined(parts), world.trust)
    assert "ASiCManifest002.xml leaves out META-INF/ASiCManifest001.xml" in why(verdict)
    assert "ASiCManifest002.xml leaves out META-INF/signature001.p7s" in why(verdict)


async def test_two_manifests_that_claim_the_same_step_are_invalid(world: World) -> None:
    """The second names the first one's signature as its own."""
    parts, signature = await built(world)
    names = manifest.write(2, [each.member for each in [*parts, signature]])
    claiming = names.replace(b'SigReference URI="META-INF/signature002', b'SigReference URI="META-INF/signature001')
    parts += [signature, part(manifest.manifest_name(2), claiming)]
    parts.append(part(manifest.signature_name(2), world.sign(claiming)))
    assert "ASiCManifest002.xml is for another signature" in why(verify(await joined(parts), world.trust))


async def test_removing_the_first_step_of_two_is_invalid(world: World) -> None:
    parts, signature = await built(world)
    second = manifest.write(2, [each.member for each in [*parts, signature]])
    later = [part(manifest.manifest_name(2), second), part(manifest.signature_name(2), world.sign(second))]
    assert isinstance(verify(await joined([*parts, signature, *later]), world.trust), Valid)
    assert isinstance(verify(await joined([*parts[:2], *later]), world.trust), Invalid)


async def test_an_oversize_manifest_is_refused_before_it_is_read(world: World) -> None:
    huge = part(manifest.manifest_name(1), b" " * (manifest.MAX_MANIFEST_BYTES + 1))
    raw = await joined([part("bordereau.json", b"{}"), huge])
    assert "is larger than 1048576 bytes" in why(verify(raw, world.trust))
    verification = asice.Verification(world.trust)
    verification.feed(raw[: raw.index(b"ASiCManifest") + 100])
    assert verification.is_settled


async def test_manifests_and_signatures_have_a_limit_together(world: World) -> None:
    """Each within its own limit; a thousand of them would fill the memory."""
    huge = [part(manifest.signature_name(number), bytes(4 << 20)) for number in range(1, 10)]
    assert "exceed 33554432 bytes" in why(verify(await joined([part("bordereau.json", b"{}"), *huge]), world.trust))


HEAD = f'<asic:ASiCManifest xmlns:asic="{manifest.ASIC}" xmlns:ds="{manifest.DSIG}">'
SIGREF = '<asic:SigReference URI="META-INF/signature001.p7s"/>'
VALUE = f'<ds:DigestMethod Algorithm="{manifest.SHA256}"/><ds:DigestValue>{"A" * 43}=</ds:DigestValue>'
REF = f'<asic:DataObjectReference URI="a">{VALUE}</asic:DataObjectReference>'
TAIL = "</asic:ASiCManifest>"


@pytest.mark.parametrize(
    ("xml", "why"),
    [
        ("", "no element found"),
        ("<a>", "unexpected element a"),
        ('<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>', "it has a document type"),
        ('<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "it has a document type"),
        (HEAD + REF + TAIL, "no SigReference"),
        (HEAD + SIGREF * 2 + REF + TAIL, "two SigReference"),
        (HEAD + SIGREF + TAIL, "must name at least one file"),
        (HEAD + SIGREF + REF * 2 + TAIL, "each once"),
        (HEAD + SIGREF + "words" + TAIL, "unexpected text"),
        (HEAD + SIGREF + f"<asic:ASiCManifest>{TAIL}" + TAIL, "unexpected element ASiCManifest"),
        (HEAD * 5000, "unexpected element ASiCManifest"),
        (HEAD + SIGREF + REF.replace("sha256", "md5") + TAIL, "not SHA-256"),
        (HEAD + SIGREF + REF.replace("AAAA", "AA") + TAIL, "not SHA-256|not in base64"),
        (HEAD + SIGREF + REF.replace("AAAA", "A!AA") + TAIL, "not in base64"),
        (HEAD + SIGREF + REF + TAIL + HEAD, "junk after document element"),
        (HEAD + SIGREF + REF + "&x;" + TAIL, "undefined entity"),
    ],
)
def test_a_hostile_manifest_is_refused_with_a_reason(xml: str, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        manifest.read(xml.encode(), "M")


@given(st.lists(st.text(min_size=1), min_size=1, max_size=8))
def test_a_manifest_says_what_was_written(names: list[str]) -> None:
    members = [part(container.fit_name(name), name.encode(errors="replace")).member for name in dict.fromkeys(names)]
    members = list({member.name: member for member in members}.values())
    read = manifest.read(manifest.write(7, members), "M")
    assert read.signature == "META-INF/signature007.p7s"
    assert [(each.name, each.sha256) for each in read.references] == [(m.name, m.sha256) for m in members]


@given(raw=st.binary(max_size=300))
def test_no_bytes_make_verification_stumble(world: World, raw: bytes) -> None:
    assert isinstance(verify(raw, world.trust), Invalid)


def test_a_trust_file_holds_one_root(world: World) -> None:
    assert Trust.from_pem(world.trust.pem()) == Trust(root=world.root.certificate, crls=world.crls)
    for raw in (b"", b"junk", world.root_only.pem() * 2, world.trust.pem().replace(b"-----END X509 CRL", b"--")):
        with pytest.raises(Malformed):
            Trust.from_pem(raw)


async def test_extracting_never_writes_over_a_file(world: World, tmp_path: Path) -> None:
    (tmp_path / "bordereau.json").write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        asice.verify(io.BytesIO(await sealed(world, PIECES)), world.trust, extract_to=tmp_path)
    assert (tmp_path / "bordereau.json").read_bytes() == b"mine"
