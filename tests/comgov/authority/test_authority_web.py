"""What anyone may fetch, and time-stamps for whoever asks."""

from __future__ import annotations

import asyncio
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import typer
from aiohttp.test_utils import TestClient, TestServer
from cryptography import x509
from typer.testing import CliRunner

from comgov import authority, web
from comgov.authority.commands import authority as commands
from comgov.signing import tsp
from comgov.signing.certificates import CRL_LIFETIME
from comgov.signing.trust import Trust

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from comgov.feature import Platform
    from comgov.institutions.model import Institution

    Client = TestClient[Any, Any]


@pytest.fixture
async def client(established: Platform, site: web.Site) -> AsyncIterator[Client]:
    app = web.application(established, [authority.feature], site=site)
    async with TestClient(TestServer(app)) as client:
        yield client


async def test_root_and_lists_are_there_for_anyone(client: Client, sante: Institution) -> None:
    root = await (await client.get("/pki/root.pem")).read()
    bundle = await (await client.get("/pki/root+crls.pem")).read()
    assert bundle.startswith(root)
    assert Trust.from_pem(root).crls == ()
    assert len(Trust.from_pem(bundle).crls) == 3
    for name in ("root", "platform", "sante.gov.test"):
        answer = await client.get(f"/pki/{name}.crl")
        assert answer.content_type == "application/pkix-crl"
        assert x509.load_der_x509_crl(await answer.read()) in Trust.from_pem(bundle).crls
    assert (await client.get("/pki/nobody.crl")).status == 404


async def test_what_did_not_change_is_not_sent_again(client: Client) -> None:
    first = await client.get("/pki/root+crls.pem")
    again = await client.get("/pki/root+crls.pem", headers={"If-None-Match": first.headers["ETag"]})
    assert (first.status, again.status) == (200, 304)


def openssl(*arguments: object) -> str:
    return subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, check=False).stdout


async def test_openssl_gets_a_time_stamp(client: Client, tmp_path: Path, clock: Any) -> None:
    (tmp_path / "data").write_bytes(b"hello")
    (tmp_path / "root.pem").write_bytes(await (await client.get("/pki/root.pem")).read())
    openssl("ts", "-query", "-data", tmp_path / "data", "-sha256", "-cert", "-out", tmp_path / "query")
    answer = await client.post(
        "/timestamp", data=(tmp_path / "query").read_bytes(), headers={"Content-Type": tsp.QUERY_TYPE}
    )
    assert (answer.status, answer.content_type) == (200, tsp.REPLY_TYPE)
    (tmp_path / "reply").write_bytes(await answer.read())
    said = openssl(
        *("ts", "-verify", "-queryfile", tmp_path / "query", "-in", tmp_path / "reply"),
        *("-CAfile", tmp_path / "root.pem", "-attime", int(clock().timestamp())),
    )
    assert "Verification: OK" in said


async def rejection(client: Client, tmp_path: Path, query: bytes) -> str:
    answer = await client.post("/timestamp", data=query, headers={"Content-Type": tsp.QUERY_TYPE})
    assert (answer.status, answer.content_type) == (200, tsp.REPLY_TYPE)
    (tmp_path / "reply").write_bytes(await answer.read())
    return openssl("ts", "-reply", "-in", tmp_path / "reply", "-text")


async def test_a_bad_query_is_rejected_in_the_protocol(client: Client, tmp_path: Path) -> None:
    assert "the data submitted has the wrong format" in await rejection(client, tmp_path, b"junk")


async def test_when_the_lists_ran_out_the_time_is_not_available(client: Client, tmp_path: Path, clock: Any) -> None:
    clock.advance(CRL_LIFETIME)
    assert "the TSA's time source is not available" in await rejection(client, tmp_path, b"junk")


async def test_an_oversize_or_untyped_query_is_refused(client: Client) -> None:
    headers = {"Content-Type": tsp.QUERY_TYPE}
    assert (await client.post("/timestamp", data=bytes(tsp.MAX_QUERY_BYTES + 1), headers=headers)).status == 413
    answer = await client.post("/timestamp", data=b"x", headers={"Content-Type": "application/json"})
    assert answer.status == 400
    assert (await client.get("/timestamp")).status == 405


async def test_the_commands_show_revoke_and_export(established: Platform, sante: Institution, tmp_path: Path) -> None:
    """Through the real command line, on the same database; the opener is what `cli` provides."""
    loop = asyncio.get_running_loop()

    def opener(_config: Path, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work(established), loop).result(20)

    program = typer.Typer()
    program.add_typer(commands)

    @program.callback()
    def _open(context: typer.Context) -> None:
        context.obj = opener

    async def run(*arguments: object) -> str:
        result = await asyncio.to_thread(CliRunner().invoke, program, ["authority", *map(str, arguments)])
        assert result.exit_code == 0, result.output
        return result.output

    lines = (await run("show", "--institution", "sante")).splitlines()
    assert [line.split()[0] for line in lines] == ["institution", "seal", "register", "time-stamp"]
    serial_number = lines[1].split()[-1]
    assert "revoked 2026-11-23 08:00 (superseded)" in await run("revoke", serial_number, "--reason", "superseded")
    assert serial_number not in await run("enrol", "sante")
    assert "3 revocation lists" in await run("publish")
    (tmp_path / "password").write_text("un cheval blanc de trop\n")
    await run("export-root", tmp_path / "root.pem", "--password-file", tmp_path / "password")
    assert (tmp_path / "root.pem").stat().st_mode & 0o777 == 0o600
    again = await asyncio.to_thread(
        CliRunner().invoke, program, ["authority", "export-root", str(tmp_path / "root.pem")]
    )
    assert again.exit_code == 2
