"""`comgov dossier verify` and `comgov register verify`: offline, with a sentence and an exit status."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
import zipfile
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from typer.testing import CliRunner

from comgov import authority
from comgov.cli import program
from comgov.clock import system_clock
from comgov.dossiers.actions import reading, registering
from comgov.registers import actions as registers
from comgov.registers import audit
from comgov.registers import commands as commands_of_registers
from comgov.signing import asice as signing_asice
from comgov.signing.trust import Trust
from comgov.signing.verdict import Indeterminate, Invalid, Valid
from tests.comgov.dossiers.journey import container, revoke_seal, sent
from tests.comgov.signing.world import make_world

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from uuid import UUID

    from tests.comgov.government import Government


@pytest.fixture(autouse=True)
def same_clock(clock: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line lives at the time of the government."""
    monkeypatch.setattr(commands_of_registers, "system_clock", clock)


def run(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(program, [str(each) for each in arguments])
    structlog.reset_defaults()  # the command line sends the log to a stream that the runner has closed
    return done.exit_code, done.output


async def files(government: Government, directory: Path, message: UUID) -> tuple[Path, Path, Path]:
    """The container, its receipts and the trust, as somebody would have them on a key."""
    (directory / "c.asice").write_bytes(await container(government, message))
    _, receipts = await reading.receipts(government.platform, government.aline, message)
    (directory / "receipts.zip").write_bytes(receipts)
    (directory / "root+crls.pem").write_bytes((await authority.trust(government.platform)).pem())
    return directory / "c.asice", directory / "receipts.zip", directory / "root+crls.pem"


async def test_a_container_and_its_receipts_verify_offline(government: Government, tmp_path: Path) -> None:
    dossier = await sent(government, ("finances", "ngozi"))
    await registering.register(government.platform, government.grace, dossier.message_id)
    asice, receipts, trust = await files(government, tmp_path, dossier.message_id)
    status, said = run("dossier", "verify", asice, "--trust", trust, "--receipts", receipts)
    assert status == 0, said
    assert "2026/D/000001 of Institution sante: Rapport annuel 2026" in said
    assert "REGISTERED" in said
    assert said.strip().endswith("VALID.")
    assert run("dossier", "verify", receipts, "--trust", trust)[0] == 0


async def test_an_altered_container_is_invalid_and_says_why(government: Government, tmp_path: Path) -> None:
    dossier = await sent(government)
    asice, _, trust = await files(government, tmp_path, dossier.message_id)
    asice.write_bytes(asice.read_bytes().replace(b"rapport", b"rapp0rt", 1))
    status, said = run("dossier", "verify", asice, "--trust", trust)
    assert status == 1
    assert "INVALID" in said


async def test_another_root_is_invalid_and_a_root_without_lists_is_enough(
    government: Government, tmp_path: Path
) -> None:
    dossier = await sent(government)
    asice, _, trust = await files(government, tmp_path, dossier.message_id)
    trust.write_bytes(make_world().trust.pem())
    assert run("dossier", "verify", asice, "--trust", trust)[0] == 1
    trust.write_bytes(Trust(root=(await authority.trust(government.platform)).root).pem())
    assert run("dossier", "verify", asice, "--trust", trust)[0] == 0  # the seal carries the lists of its time


async def test_what_strangers_wrote_cannot_play_with_the_terminal(government: Government, tmp_path: Path) -> None:
    dossier = await sent(government)
    _, _, trust = await files(government, tmp_path, dossier.message_id)
    lines = [line async for line in registers.export(government.platform, government.institutions["sante"])]
    header = json.loads(lines[0])
    forged = "sante.gov.test/register\x1b[2J\nVALID: nothing was changed, removed or inserted."
    for each in header["certificates"]:
        each["origin"] = forged if each["origin"] == header["origin"] else each["origin"]
    header["origin"] = forged
    (tmp_path / "forged.register").write_text("\n".join([json.dumps(header), lines[-2].decode().strip()]))
    status, said = run("register", "verify", tmp_path / "forged.register", "--trust", trust)
    assert status == 1
    assert "\x1b" not in said
    assert not any(line.startswith("VALID") for line in said.splitlines())


async def test_a_container_zipped_again_is_called_so(government: Government, tmp_path: Path) -> None:
    dossier = await sent(government)
    asice, _, trust = await files(government, tmp_path, dossier.message_id)
    with zipfile.ZipFile(asice) as sealed, zipfile.ZipFile(tmp_path / "again.zip", "w", zipfile.ZIP_DEFLATED) as again:
        for name in sorted(sealed.namelist()):
            again.writestr(name, sealed.read(name))
    status, said = run("dossier", "verify", tmp_path / "again.zip", "--trust", trust)
    assert status == 1
    assert "is compressed; files in a container are stored as they are" in said


async def test_what_cannot_be_read_or_written_is_bad_usage_and_no_verdict(
    government: Government, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dossier = await sent(government)
    asice, _, trust = await files(government, tmp_path, dossier.message_id)
    assert run("dossier", "verify", tmp_path, "--trust", trust)[0] == 2
    assert run("dossier", "verify", asice, "--trust", tmp_path)[0] == 2
    assert run("dossier", "verify", asice, "--trust", asice)[0] == 2
    assert run("dossier", "verify", asice, "--trust", trust, "--extract", asice)[0] == 2

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(signing_asice, "verify", full)
    status, said = run("dossier", "verify", asice, "--trust", trust, "--extract", tmp_path / "out")
    assert status == 2
    assert "No space left" in said
    assert "VALID" not in said


async def test_receipts_of_another_dossier_do_not_vouch_for_this_one(government: Government, tmp_path: Path) -> None:
    first, second = await sent(government), await sent(government)
    asice, receipts, trust = await files(government, tmp_path, first.message_id)
    _, others = await reading.receipts(government.platform, government.aline, second.message_id)
    receipts.write_bytes(others)
    status, said = run("dossier", "verify", asice, "--trust", trust, "--receipts", receipts)
    assert status == 1
    assert "is about another dossier" in said


async def test_extracting_gives_pieces_and_what_openssl_wants(government: Government, tmp_path: Path) -> None:
    dossier = await sent(government)
    asice, _, trust = await files(government, tmp_path, dossier.message_id)
    target = tmp_path / "out"
    assert run("dossier", "verify", asice, "--trust", trust, "--extract", target)[0] == 0
    names = {str(path.relative_to(target)) for path in target.rglob("*") if path.is_file()}
    assert {"Rapport annuel.pdf", "bordereau.json", "META-INF/signature001.token.der"} <= names
    status, said = run("dossier", "verify", asice, "--trust", trust, "--extract", target)
    assert status == 2
    assert "not empty" in said


async def test_extracting_receipts_gives_what_openssl_wants_for_each(
    government: Government, tmp_path: Path, clock: Any
) -> None:
    dossier = await sent(government)
    _, receipts, trust = await files(government, tmp_path, dossier.message_id)
    target = tmp_path / "out"
    assert run("dossier", "verify", receipts, "--trust", trust, "--extract", target)[0] == 0
    stems = [path.with_suffix("") for path in sorted(target.rglob("*.json"))]
    assert [stem.name for stem in stems] == ["00-SEALED", "01-SubmissionAcceptance", "02-ContentConsignment"]
    at = str(int(clock().timestamp()))
    for stem in stems:
        command = ["openssl", "ts", "-verify", "-data", f"{stem}.sigvalue.bin", "-in", f"{stem}.token.der"]
        command += ["-token_in", "-CAfile", str(trust), "-attime", at]
        assert "Verification: OK" in subprocess.run(command, capture_output=True, text=True, check=False).stdout
    assert run("dossier", "verify", receipts, "--trust", trust, "--extract", target)[0] == 2


async def test_a_root_without_lists_is_said_to_know_no_later_revocation(government: Government, tmp_path: Path) -> None:
    dossier = await sent(government)
    asice, _, trust = await files(government, tmp_path, dossier.message_id)
    assert "published since" not in run("dossier", "verify", asice, "--trust", trust)[1]
    trust.write_bytes(Trust(root=(await authority.trust(government.platform)).root).pem())
    status, said = run("dossier", "verify", asice, "--trust", trust)
    assert status == 0
    assert "give root+crls.pem to --trust for those published since" in said


async def test_a_revoked_seal_is_named_once_for_container_and_receipts(
    government: Government, tmp_path: Path, clock: Any
) -> None:
    dossier = await sent(government)
    await revoke_seal(government, "sante")
    asice, receipts, trust = await files(government, tmp_path, dossier.message_id)
    status, said = run("dossier", "verify", asice, "--trust", trust, "--receipts", receipts)
    assert status == 1
    assert said.count("was revoked on 2026-11-23 08:00:00 UTC") == 1


async def test_a_malformed_container_is_called_so_once(government: Government, tmp_path: Path) -> None:
    dossier = await sent(government)
    asice, _, trust = await files(government, tmp_path, dossier.message_id)
    asice.write_bytes(asice.read_bytes().replace(b"asic-e", b"asic-x", 1))
    status, said = run("dossier", "verify", asice, "--trust", trust)
    assert status == 1
    assert said.count("FORMAT_FAILURE") == 1


@pytest.mark.parametrize("content", [b"", b"PK\3\4", b"nonsense", b"PK\5\6" + bytes(18)])
async def test_whatever_is_given_to_verify_is_answered(government: Government, tmp_path: Path, content: bytes) -> None:
    trust = tmp_path / "root.pem"
    trust.write_bytes((await authority.trust(government.platform)).pem())
    (tmp_path / "x").write_bytes(content)
    status, said = run("dossier", "verify", tmp_path / "x", "--trust", trust)
    assert status == 1
    assert "INVALID" in said
    (tmp_path / "bad.pem").write_bytes(content)
    assert run("dossier", "verify", tmp_path / "x", "--trust", tmp_path / "bad.pem")[0] == 2


def test_bad_usage_is_exit_2(tmp_path: Path) -> None:
    assert run("dossier", "verify", tmp_path / "missing", "--trust", tmp_path / "missing")[0] == 2
    assert run("dossier", "verify")[0] == 2
    assert run("register", "verify")[0] == 2


@pytest.fixture
def present(clock: Any) -> None:
    """The clock set by hand shows what that of this machine does."""
    clock.now = system_clock().replace(microsecond=0)


async def test_verifying_needs_neither_server_nor_configuration(
    present: None, government: Government, tmp_path: Path
) -> None:
    dossier = await sent(government)
    asice, _, trust = await files(government, tmp_path, dossier.message_id)
    command = [sys.executable, "-m", "comgov", "dossier", "verify", asice, "--trust", trust]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={"PATH": "/usr/bin"})
    assert done.returncode == 0, done.stdout + done.stderr


async def exported(government: Government, clock: Any, *, count: int = 3) -> list[bytes]:
    """The lines of sante's register after some dossiers, with a checkpoint after each."""
    sante = government.institutions["sante"]
    for _ in range(count):
        await sent(government)
        clock.advance(timedelta(seconds=2))
        await registers.publish(government.platform, sante)
    return [line async for line in registers.export(government.platform, sante)]


async def test_an_exported_register_verifies_by_itself(government: Government, clock: Any, tmp_path: Path) -> None:
    (tmp_path / "sante.register").write_bytes(b"".join(await exported(government, clock)))
    (tmp_path / "root.pem").write_bytes((await authority.trust(government.platform)).pem())
    status, said = run("register", "verify", tmp_path / "sante.register", "--trust", tmp_path / "root.pem")
    assert status == 0, said
    assert "3 departures, 0 arrivals" in said
    assert "finances.gov.test/register, sgg.gov.test/register" in said
    status, said = run("register", "verify", tmp_path / "sante.register")
    assert status == 2
    assert "no root certificate was given" in said


def changed(line: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    value = json.loads(line)
    change(value)
    return json.dumps(value).encode()


async def test_whatever_is_changed_in_an_exported_register_is_noticed(government: Government, clock: Any) -> None:
    lines = await exported(government, clock)
    trust = await authority.trust(government.platform)
    assert isinstance(audit.audit(lines, trust).verdict, Valid)
    entries = [at for at, line in enumerate(lines) if line.startswith(b'{"entry"')]
    numbered = next(at for at in entries if b"2026/D/000002" in lines[at])
    first = entries[0]

    def body(value: dict[str, Any]) -> None:
        value["body"] = value["body"].replace("sante", "santé")

    altered = [*lines]
    altered[first] = changed(lines[first], body)
    assert isinstance(audit.audit(altered, trust).verdict, Invalid)
    renumbered = [*lines]
    renumbered[numbered] = changed(lines[numbered], lambda value: value.update(number="2026/D/000009"))
    assert isinstance(audit.audit(renumbered, trust).verdict, Invalid)
    cut = lines[: entries[-1] + 1]
    assert isinstance(audit.audit(cut, trust).verdict, Indeterminate)
    for broken in (
        lines[:first] + lines[first + 1 :],
        lines[1:],
        [],
        [b"[]"],
        [lines[0], b"{}"],
        [b"x" * (audit.MAX_LINE_BYTES + 1)],
    ):
        with pytest.raises(audit.AuditError):
            audit.audit(broken, trust)
    assert isinstance(audit.audit(lines, make_world().trust).verdict, Invalid)


async def test_a_register_under_anothers_certificate_is_noticed(government: Government, clock: Any) -> None:
    lines = await exported(government, clock, count=1)
    header = json.loads(lines[0])
    trust = await authority.trust(government.platform)
    header["origin"] = "finances.gov.test/register"
    with_other = [json.dumps(header).encode(), *lines[1:]]
    assert isinstance(audit.audit(with_other, trust).verdict, Invalid)
    header["origin"] = "ailleurs.gov.test/register"
    header["certificates"] = [{**header["certificates"][0], "origin": "ailleurs.gov.test/register"}]
    assert isinstance(audit.audit([json.dumps(header).encode()], trust).verdict, Invalid)
