"""The stops about sealed dossiers: sent, registered, verified by strangers' tools; forged, revoked, replayed."""

from __future__ import annotations

import asyncio
import io
import sys
import tempfile
import zipfile
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from secrets import token_bytes, token_hex
from typing import Any
from xml.etree import ElementTree

from comgov import app, config, node
from comgov.authority import actions as authority
from comgov.demo.clients import Clients
from comgov.demo.expectation import TourError, expect
from comgov.demo.government import full
from comgov.feature import Platform
from comgov.institutions import actions as institutions
from comgov.signing import container, manifest
from comgov.signing.verdict import Commitment

_RECEIPTS = ("SEALED", "SubmissionAcceptance", "ContentConsignment", "ContentHandover", "REGISTERED")
_DIGEST_VALUE = ".//{http://www.w3.org/2000/09/xmldsig#}DigestValue"
_REFERENCE = ".//{http://uri.etsi.org/02918/v1.2.1#}DataObjectReference"


async def a_sealed_dossier_is_registered_and_verifies(clients: Clients) -> None:
    """Sante seals two pieces to finances; Grace registers them; both registers show it; openssl agrees."""
    aline, grace = clients.api(full("aline@sante")), clients.api(full("grace@finances"))
    sent = await seal(clients)
    await until_received(clients, sent["message"])
    arrival = await grace.json("POST", f"/api/dossiers/{sent['message']}/register")
    for api, direction, number in ((aline, "D", sent["number"]), (grace, "A", arrival["arrival"])):
        register = await api.json("GET", f"/api/register?direction={direction}")
        expect(number in {row["number"] for row in register["rows"]}, f"{number} is not in its register")
    receipts = (await aline.json("GET", f"/api/dossiers/{sent['message']}/receipts"))["finances"]
    kinds = tuple(receipt["kind"] for receipt in receipts)
    expect(kinds == _RECEIPTS, f"the receipts are {kinds}")
    sealed = (await grace.request("GET", f"/api/dossiers/{sent['message']}/container")).body
    bundle = (await aline.request("GET", f"/api/dossiers/{sent['message']}/receipts.zip")).body
    await _verify_with_openssl(clients, sealed, receipts)
    await _verify_withadminister(clients, sealed, bundle)


async def forgeries_are_refused_with_evidence(clients: Clients) -> None:
    """An altered container, another content under a known message and a revoked seal: each refused, with a receipt."""
    began = datetime.now(UTC) - timedelta(seconds=1)
    grace = clients.api(full("grace@finances"))
    sent = await seal(clients)
    await until_received(clients, sent["message"])
    sealed = (await grace.request("GET", f"/api/dossiers/{sent['message']}/container")).body
    await _expect_refusal(clients, _altered(sealed), "an altered container")
    await _expect_refusal(clients, await _forged(clients, sealed), "another content under a known message")
    await _revoke_seal(clients, began)
    try:
        await _expect_refusal(clients, sealed, "a container whose seal was revoked")
        await seal(clients, expect=409)
    finally:
        await administer(clients, "authority", "enrol", "sante")
    await until_received(clients, (await seal(clients))["message"])


async def seal(clients: Clients, *, expect: int = 200) -> dict[str, Any]:
    """Aline seals and sends a dossier of two pieces to finances; gives its story, or the refusal that is expected."""
    aline = clients.api(full("aline@sante"))
    note = {"designation": f"Rapport trimestriel {token_hex(4)}", "recipients": ["finances"]}
    draft = await aline.json("POST", "/api/dossiers", json=note, expect=201)
    for name, content in (("Rapport.pdf", token_bytes(40_000)), ("Budget.csv", b"poste;montant\nvaccins;1200\n")):
        await aline.request("PUT", f"/api/dossiers/{draft['message']}/pieces/{name}", data=content, expect=201)
    story: dict[str, Any] = await aline.json("POST", f"/api/dossiers/{draft['message']}/seal", json={}, expect=expect)
    return story


async def until_received(clients: Clients, message: str) -> None:
    """Return once Grace sees it among the arrivals."""
    grace = clients.api(full("grace@finances"))
    for _ in range(100):
        arrivals = await grace.json("GET", "/api/dossiers/arrivals")
        if any(row["message"] == message and row["state"] == "received" for row in arrivals["rows"]):
            return
        await asyncio.sleep(0.1)
    raise TourError(f"finances did not receive the dossier {message} within 10 s")


async def _expect_refusal(clients: Clients, content: bytes, what: str) -> None:
    grace = clients.api(full("grace@finances"))
    found = await grace.json("POST", "/api/containers?name=tour.asice", data=content, expect=422)
    expect(found["outcome"] == "refused", f"{what} was {found['outcome']}")
    expect(found["receipt"]["kind"] == "SubmissionRejection", f"{what} was refused without evidence")
    body, signature = found["receipt"]["body"].encode(), bytes.fromhex(found["receipt"]["signature"])
    with tempfile.TemporaryDirectory() as made:
        await _openssl_cms(clients, Path(made), "refusal", body, signature)


def _altered(sealed: bytes) -> bytes:
    """The same with one bit of a piece turned."""
    with zipfile.ZipFile(io.BytesIO(sealed)) as archive:
        piece = archive.read("Budget.csv")
    place = sealed.index(piece)
    return sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :]


async def _forged(clients: Clients, sealed: bytes) -> bytes:
    """What only the holder of sante's keys could make: another content, truly sealed, under the same message."""
    with zipfile.ZipFile(io.BytesIO(sealed)) as archive:
        members = {name: archive.read(name) for name in archive.namelist() if "/" not in name and name != "mimetype"}
    members["bordereau.json"] = members["bordereau.json"].replace(b"Rapport trimestriel", b"Rapport semestriel")
    parts = [container.part(name, content) for name, content in members.items()]
    listed = manifest.write(1, [part.member for part in parts])

    async def sign(platform: Platform) -> bytes:
        sante = await institutions.get(platform, "sante")
        return await authority.seal(platform, sante.id, listed, Commitment.ORIGIN)

    settings = config.load(clients.directory / "comgov.toml")
    with node.database_for_command(settings) as url:
        async with app.open_platform(settings, url) as platform:
            signature = await sign(platform)
    parts += [
        container.part(manifest.manifest_name(1), listed),
        container.part(manifest.signature_name(1), signature),
    ]
    return b"".join([chunk async for chunk in container.stream(parts)])


async def _revoke_seal(clients: Clients, since: datetime) -> None:
    listed = await administer(clients, "authority", "show", "--institution", "sante")
    seals = [line.split() for line in listed.splitlines() if line.startswith("seal ") and " good until " in line]
    await administer(clients, "authority", "revoke", seals[-1][-1], "--since", since.isoformat())


async def _verify_withadminister(clients: Clients, sealed: bytes, bundle: bytes) -> None:
    with tempfile.TemporaryDirectory() as made:
        file, receipts = Path(made) / "sealed.asice", Path(made) / "receipts.zip"
        file.write_bytes(sealed)
        receipts.write_bytes(bundle)
        trust = ("--trust", str(clients.trust))
        await run(sys.executable, "-m", "comgov", "dossier", "verify", str(file), *trust, "--receipts", str(receipts))


async def _verify_with_openssl(clients: Clients, sealed: bytes, receipts: list[dict[str, Any]]) -> None:
    """The seal, its time-stamp, the digest of each piece and each receipt, without a line of ours."""
    with tempfile.TemporaryDirectory() as made:
        directory = Path(made)
        with zipfile.ZipFile(io.BytesIO(sealed)) as archive:
            listed, signature = archive.read("META-INF/ASiCManifest001.xml"), archive.read("META-INF/signature001.p7s")
            _expect_digests(archive, listed)
        await _openssl_cms(clients, directory, "seal", listed, signature)
        await _openssl_time_stamp(clients, directory, sealed)
        for number, receipt in enumerate(receipts):
            body, signature = receipt["body"].encode(), bytes.fromhex(receipt["signature"])
            await _openssl_cms(clients, directory, f"receipt{number}", body, signature)


def _expect_digests(archive: zipfile.ZipFile, listed: bytes) -> None:
    references = ElementTree.fromstring(listed).findall(_REFERENCE)  # noqa: S314  # our own server's, a moment ago
    expect(len(references) == 3, f"the manifest lists {len(references)} files instead of the bordereau and two pieces")
    for reference in references:
        digest = b64encode(sha256(archive.read(reference.attrib["URI"])).digest()).decode()
        expect(reference.findtext(_DIGEST_VALUE) == digest, f"the digest of {reference.attrib['URI']} is another one")


async def _openssl_cms(clients: Clients, directory: Path, name: str, content: bytes, signature: bytes) -> None:
    signed, detached = directory / name, directory / f"{name}.p7s"
    signed.write_bytes(content)
    detached.write_bytes(signature)
    await run(
        *("openssl", "cms", "-verify", "-cades", "-binary", "-inform", "DER", "-in", str(detached)),
        *("-content", str(signed), "-CAfile", str(clients.trust), "-crl_check_all", "-purpose", "any"),
        *("-out", "/dev/null"),
    )


async def _openssl_time_stamp(clients: Clients, directory: Path, sealed: bytes) -> None:
    file, extracted = directory / "sealed.asice", directory / "extracted"
    file.write_bytes(sealed)
    await run(
        *(sys.executable, "-m", "comgov", "dossier", "verify", str(file)),
        *("--trust", str(clients.trust), "--extract", str(extracted)),
    )
    stem = extracted / "META-INF" / "signature001"
    await run(
        *("openssl", "ts", "-verify", "-data", f"{stem}.sigvalue.bin", "-in", f"{stem}.token.der", "-token_in"),
        *("-CAfile", str(clients.root)),
    )


async def administer(clients: Clients, *arguments: str) -> str:
    """A command of the administrator, on the demo's own configuration."""
    configuration = clients.directory / "comgov.toml"
    return await run(sys.executable, "-m", "comgov", *arguments, "--config", str(configuration))


async def run(*command: str) -> str:
    """What a program prints; TourError when it does not end well."""
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    text = output.decode(errors="replace")
    expect(process.returncode == 0, f"{' '.join(command[:4])} …: {text.strip()}")
    return text
