"""Establishing, enrolling, sealing, revoking, publishing: what holds afterwards, and what openssl says."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
import stat
import subprocess
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509

from comgov import authority
from comgov.actor import Actor, Role, console
from comgov.authority import actions, store
from comgov.authority.jobs import enrol, keep_up
from comgov.authority.keyring import WrongPassphrase
from comgov.clock import system_clock
from comgov.errors import Conflict, Forbidden, Invalid, NotFound, Unavailable
from comgov.institutions.actions import add
from comgov.signing import cades, certificates, tsp
from comgov.signing.certificates import CRL_LIFETIME, SEAL_LIFETIME, TLS_LIFETIME, Purpose, RevocationReason
from comgov.signing.trust import Trust, organization
from comgov.signing.verdict import Commitment, Indeterminate, Indication, Level, Valid
from comgov.signing.verdict import Invalid as InvalidVerdict

if TYPE_CHECKING:
    from pathlib import Path

    from comgov.db import Database
    from comgov.feature import Platform
    from comgov.institutions.model import Institution

    SetClock = Any

CONSOLE = console("root")
FOCAL = Actor(
    person_id=1,
    institution_id=1,
    name="Jean",
    address="jean@sante.gov.test",
    roles=frozenset({Role.INSTITUTION_ADMINISTRATOR}),
)
CONTENT = b"manifest"


def openssl(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, check=False)


async def seal_of(platform: Platform, institution: Institution) -> store.Issued:
    async with platform.db.connection() as connection:
        found = await store.current(connection, institution.id, Purpose.SEAL, platform.clock())
    assert found is not None
    return found


def another_process(platform: Platform) -> Platform:
    """The same database and files, nothing remembered."""
    return replace(platform, owned={})


async def test_establishing_twice_keeps_the_root(platform: Platform) -> None:
    first = await authority.establish(platform, CONSOLE)
    assert await authority.establish(another_process(platform), CONSOLE) == first


async def test_two_nodes_that_establish_at_once_make_one_root(platform: Platform) -> None:
    roots = await asyncio.gather(*(authority.establish(another_process(platform), CONSOLE) for _ in range(4)))
    assert len({root.serial_number for root in roots}) == 1


async def test_the_passphrase_is_made_for_its_owner_alone(established: Platform) -> None:
    path = established.config(authority.Config).passphrase_file
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(path.read_text()) > 40


async def test_no_key_stands_in_clear_in_the_database(established: Platform, sante: Institution) -> None:
    async with established.db.connection() as connection:
        keys = [row["key"] for row in await connection.fetch("SELECT key FROM comgov.certificate")]
    assert len(keys) == 7
    ec_public_key_oid = bytes.fromhex("2a8648ce3d0201")
    assert not any(ec_public_key_oid in key for key in keys)


async def test_another_passphrase_is_refused_in_words(established: Platform, sante: Institution) -> None:
    other = another_process(established)
    path = other.config(authority.Config).passphrase_file
    path.write_text("another one\n")
    with pytest.raises(WrongPassphrase, match="not the one that the keys were encrypted with"):
        await authority.seal(other, sante.id, CONTENT, Commitment.ORIGIN)
    path.unlink()
    with pytest.raises(Unavailable, match="cannot be read"):
        await authority.seal(other, sante.id, CONTENT, Commitment.ORIGIN)


async def test_a_lost_passphrase_is_never_replaced(established: Platform) -> None:
    path = established.config(authority.Config).passphrase_file
    path.unlink()
    institution = await add(established, CONSOLE, code="sgg", name_fr="SGG")
    with pytest.raises(Unavailable):
        await authority.enrol_institution(another_process(established), CONSOLE, institution)
    assert not path.exists()


async def test_a_key_put_in_the_place_of_another_is_refused(established: Platform, sante: Institution) -> None:
    async with established.db.connection() as connection:
        await connection.execute(
            "UPDATE comgov.certificate SET key = (SELECT key FROM comgov.certificate WHERE purpose = 'root') "
            "WHERE purpose = 'seal'"
        )
    with pytest.raises(Unavailable, match="damaged"):
        await authority.seal(established, sante.id, CONTENT, Commitment.ORIGIN)


async def test_a_seal_verifies_with_the_root_alone(established: Platform, sante: Institution) -> None:
    signature = await authority.seal(established, sante.id, CONTENT, Commitment.ORIGIN)
    root = Trust(root=(await authority.trust(established)).root)
    verdict = cades.verify(signature, CONTENT, root)
    assert isinstance(verdict, Valid)
    [report] = verdict.report.signatures
    assert (report.institution_code, report.level, report.proven) == ("sante", Level.B_LT, established.clock())


async def test_openssl_verifies_a_seal_with_the_published_files(
    established: Platform, sante: Institution, finances: Institution, tmp_path: Path
) -> None:
    pki = established.config(authority.Config).pki_directory
    assert {path.name for path in pki.iterdir()} == {
        *("root.pem", "root+crls.pem", "root.crl", "platform.crl", "sante.gov.test.crl", "finances.gov.test.crl"),
    }
    (tmp_path / "s.p7s").write_bytes(await authority.seal(established, finances.id, CONTENT, Commitment.RECEIPT))
    (tmp_path / "content").write_bytes(CONTENT)
    for trusted in ("root.pem", "root+crls.pem"):
        done = openssl(
            *("cms", "-verify", "-cades", "-binary", "-inform", "DER", "-in", tmp_path / "s.p7s"),
            *("-content", tmp_path / "content", "-CAfile", pki / trusted, "-crl_check_all", "-purpose", "any"),
            *("-attime", int(established.clock().timestamp()), "-out", "/dev/null"),
        )
        assert done.returncode == 0, done.stderr


async def test_an_institution_without_seal_cannot_seal(established: Platform) -> None:
    with pytest.raises(Conflict, match="no seal"):
        await authority.seal(established, 42, CONTENT, Commitment.ORIGIN)


async def test_before_anything_is_established_it_is_said_so(platform: Platform) -> None:
    for work in (authority.trust(platform), authority.stamp(platform, bytes(32)), authority.issue_tls(platform, ["a"])):
        with pytest.raises(Unavailable, match="no keys yet"):
            await work


async def test_a_revoked_seal_signs_no_more_and_another_can_be_issued(
    established: Platform, sante: Institution, clock: SetClock
) -> None:
    before = await authority.seal(established, sante.id, CONTENT, Commitment.ORIGIN)
    clock.advance(timedelta(hours=1))
    old = await seal_of(established, sante)
    revoked = await authority.revoke(established, CONSOLE, old.serial_number.upper(), RevocationReason.KEY_COMPROMISE)
    assert revoked.revoked_at == clock()
    with pytest.raises(Conflict, match="no seal"):
        await authority.seal(another_process(established), sante.id, CONTENT, Commitment.ORIGIN)
    pinned = await authority.trust(established, sante.id)
    assert isinstance(cades.verify(before, CONTENT, pinned), Valid)
    again = await authority.enrol_institution(established, CONSOLE, sante)
    assert again.serial_number != old.serial_number
    signature = await authority.seal(established, sante.id, CONTENT, Commitment.ORIGIN)
    assert isinstance(cades.verify(signature, CONTENT, await authority.trust(established, sante.id)), Valid)


async def test_after_its_authority_was_revoked_an_institution_begins_anew(
    established: Platform, sante: Institution, clock: SetClock, tmp_path: Path
) -> None:
    before = await authority.seal(established, sante.id, CONTENT, Commitment.ORIGIN)
    clock.advance(timedelta(days=1))
    async with established.db.connection() as connection:
        old = await store.current(connection, sante.id, Purpose.INSTITUTION, clock())
    assert old is not None
    await authority.revoke(established, CONSOLE, old.serial_number, RevocationReason.KEY_COMPROMISE)
    with pytest.raises(Conflict):
        await authority.seal(established, sante.id, CONTENT, Commitment.ORIGIN)
    await authority.enrol_institution(established, CONSOLE, sante)
    await authority.register_credential(established, sante.id)
    await authority.publish_crls(established)
    after = await authority.seal(established, sante.id, CONTENT, Commitment.ORIGIN)
    pinned = await authority.trust(established, sante.id)
    assert isinstance(cades.verify(before, CONTENT, pinned), Valid)
    assert isinstance(cades.verify(after, CONTENT, pinned), Valid)
    (tmp_path / "s.p7s").write_bytes(after)
    (tmp_path / "content").write_bytes(CONTENT)
    (tmp_path / "root+crls.pem").write_bytes(pinned.pem())
    done = openssl(
        *("cms", "-verify", "-cades", "-binary", "-inform", "DER", "-in", tmp_path / "s.p7s"),
        *("-content", tmp_path / "content", "-CAfile", tmp_path / "root+crls.pem", "-crl_check_all"),
        *("-purpose", "any", "-attime", int(clock().timestamp()), "-out", "/dev/null"),
    )
    assert done.returncode == 0, done.stderr


async def test_what_a_seal_signed_after_it_was_stolen_is_invalid(
    established: Platform, sante: Institution, clock: SetClock
) -> None:
    stolen = clock() - timedelta(minutes=5)
    signature = await authority.seal(established, sante.id, CONTENT, Commitment.ORIGIN)
    serial_number = (await seal_of(established, sante)).serial_number
    await authority.revoke(established, CONSOLE, serial_number, RevocationReason.KEY_COMPROMISE, since=stolen)
    verdict = cades.verify(signature, CONTENT, await authority.trust(established, sante.id))
    assert isinstance(verdict, InvalidVerdict)
    assert [reason.indication for reason in verdict.reasons] == [Indication.REVOKED]
    bundle = Trust.from_pem((established.config(authority.Config).pki_directory / "root+crls.pem").read_bytes())
    assert isinstance(cades.verify(signature, CONTENT, bundle), InvalidVerdict)


async def test_revoking_twice_keeps_what_was_written_first(
    established: Platform, sante: Institution, clock: SetClock
) -> None:
    serial_number = (await seal_of(established, sante)).serial_number
    first = await authority.revoke(established, CONSOLE, serial_number, RevocationReason.SUPERSEDED)
    clock.advance(timedelta(days=1))
    assert await authority.revoke(established, CONSOLE, serial_number, RevocationReason.UNSPECIFIED) == first


async def test_what_a_process_holds_is_read_again_once_another_list_came(
    established: Platform, sante: Institution
) -> None:
    other = another_process(established)
    held = await authority.trust(other)
    assert (await authority.trust(other)).crls is held.crls
    serial_number = (await seal_of(established, sante)).serial_number
    await authority.revoke(established, CONSOLE, serial_number, RevocationReason.SUPERSEDED)
    fresh = await authority.trust(other)
    assert [len(crl) for crl in fresh.crls] == [0, 0, 1]
    assert (await actions.bundle(other)).pem == fresh.pem()


async def test_every_revocation_list_is_kept_and_numbered(established: Platform, sante: Institution) -> None:
    serial_number = (await seal_of(established, sante)).serial_number
    await authority.revoke(established, CONSOLE, serial_number, RevocationReason.SUPERSEDED)
    async with established.db.connection() as connection:
        lists = await connection.fetch(
            "SELECT number, crl.der FROM comgov.crl JOIN comgov.certificate issuer ON issuer.id = crl.issuer_id "
            "WHERE issuer.institution_id = $1 ORDER BY number",
            sante.id,
        )
    assert [row["number"] for row in lists] == [1, 2]
    for row, lines in zip(lists, (0, 1), strict=True):
        crl = x509.load_der_x509_crl(row["der"])
        assert crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == row["number"]
        assert len(crl) == lines


async def test_revoking_needs_a_certificate_a_past_time_and_an_administrator(
    established: Platform, sante: Institution, clock: SetClock
) -> None:
    serial_number = (await seal_of(established, sante)).serial_number
    reason = RevocationReason.UNSPECIFIED
    with pytest.raises(NotFound):
        await authority.revoke(established, CONSOLE, "abc", reason)
    with pytest.raises(Invalid):
        await authority.revoke(established, CONSOLE, serial_number, reason, since=clock() + timedelta(seconds=1))
    with pytest.raises(Forbidden):
        await authority.revoke(established, FOCAL, serial_number, reason)
    root = await authority.establish(established, CONSOLE)
    with pytest.raises(Forbidden, match="root cannot be revoked"):
        await authority.revoke(established, CONSOLE, root.serial_number, reason)


@pytest.mark.parametrize(
    "work",
    [
        lambda platform, sante: authority.establish(platform, FOCAL),
        lambda platform, sante: authority.enrol_institution(platform, FOCAL, sante),
        lambda platform, sante: actions.issued(platform, FOCAL),
        lambda platform, sante: actions.export_root(platform, FOCAL, b"long enough passphrase"),
    ],
)
async def test_only_a_platform_administrator_issues(established: Platform, sante: Institution, work: Any) -> None:
    with pytest.raises(Forbidden):
        await work(established, sante)


async def test_lists_that_ran_out_stop_sealing_until_new_ones_are_published(
    established: Platform, sante: Institution, clock: SetClock
) -> None:
    clock.advance(CRL_LIFETIME)
    with pytest.raises(Unavailable, match="revocation lists have run out"):
        await authority.seal(established, sante.id, CONTENT, Commitment.ORIGIN)
    with pytest.raises(Unavailable, match="revocation lists have run out"):
        await authority.stamp(established, bytes(32))
    assert await authority.publish_crls(established) == 3
    assert await authority.publish_crls(established) == 0
    assert await authority.seal(established, sante.id, CONTENT, Commitment.ORIGIN)


async def test_a_server_that_was_off_for_weeks_can_seal_once_it_starts(
    established: Platform, sante: Institution, clock: SetClock
) -> None:
    clock.advance(3 * CRL_LIFETIME)
    await authority.establish(another_process(established), CONSOLE)
    assert await authority.seal(established, sante.id, CONTENT, Commitment.ORIGIN)


async def test_a_clock_that_went_back_stops_sealing(established: Platform, sante: Institution, clock: SetClock) -> None:
    clock.advance(timedelta(days=1))
    await authority.publish_crls(established)
    clock.advance(-timedelta(hours=1))
    with pytest.raises(Unavailable, match="clock is behind"):
        await authority.seal(established, sante.id, CONTENT, Commitment.ORIGIN)
    with pytest.raises(Unavailable, match="clock is behind"):
        await authority.stamp(established, bytes(32))


async def test_without_a_time_stamp_authority_nothing_is_sealed(established: Platform, sante: Institution) -> None:
    async with established.db.connection() as connection:
        stamper = await store.current(connection, 0, Purpose.TIME_STAMP, established.clock())
    assert stamper is not None
    await authority.revoke(established, CONSOLE, stamper.serial_number, RevocationReason.KEY_COMPROMISE)
    with pytest.raises(Unavailable, match="Nothing can be time-stamped now, so that nothing is sealed"):
        await authority.seal(established, sante.id, CONTENT, Commitment.ORIGIN)
    await authority.establish(established, CONSOLE)
    with pytest.raises(Unavailable):
        await authority.stamp(established, bytes(32))


async def test_a_stamp_proves_the_present(established: Platform) -> None:
    digest = hashlib.sha256(CONTENT).digest()
    token = await authority.stamp(established, digest)
    assert tsp.verify(token, digest, await authority.trust(established)) == (established.clock(), [])


async def test_seals_are_renewed_before_they_end_and_old_signatures_stay_valid(
    established: Platform, sante: Institution, clock: SetClock
) -> None:
    old = await seal_of(established, sante)
    signature = await authority.seal(established, sante.id, CONTENT, Commitment.ORIGIN)
    assert await actions.renew(established) == 0
    clock.advance(SEAL_LIFETIME - timedelta(days=59))
    await keep_up(established)
    new = await seal_of(established, sante)
    assert new.serial_number != old.serial_number
    assert await actions.renew(established) == 0
    pinned = await authority.trust(established, sante.id)
    for signed in (signature, await authority.seal(established, sante.id, CONTENT, Commitment.ORIGIN)):
        assert isinstance(cades.verify(signed, CONTENT, pinned), Valid)


async def test_a_revoked_seal_is_not_renewed_by_itself(
    established: Platform, sante: Institution, clock: SetClock
) -> None:
    serial_number = (await seal_of(established, sante)).serial_number
    await authority.revoke(established, CONSOLE, serial_number, RevocationReason.KEY_COMPROMISE)
    clock.advance(SEAL_LIFETIME)
    await keep_up(established)
    with pytest.raises(Conflict):
        await authority.seal(established, sante.id, CONTENT, Commitment.ORIGIN)


async def test_an_institution_enrolled_without_a_time_stamp_authority_is_given_one(
    established: Platform, sante: Institution
) -> None:
    with pytest.raises(Unavailable):
        await authority.stamp(established, bytes(32), institution_id=sante.id + 1)
    async with established.db.connection() as connection:
        await connection.execute("DELETE FROM comgov.certificate WHERE purpose = 'time-stamp' AND institution_id > 0")
    with pytest.raises(Unavailable):
        await authority.stamp(established, bytes(32), institution_id=sante.id)
    assert await enrol(established) == 0
    token = await authority.stamp(established, bytes(32), institution_id=sante.id)
    stamper = tsp.stamper(token)
    assert stamper is not None and organization(stamper) == ("Ministère de la Santé", "sante")
    assert tsp.verify(token, bytes(32), await authority.trust(established)) == (established.clock(), [])


async def test_a_revoked_time_stamp_authority_is_replaced_by_a_person_only(
    established: Platform, sante: Institution
) -> None:
    for issued in await actions.issued(established, CONSOLE, sante.id):
        if issued.purpose is Purpose.TIME_STAMP:
            await authority.revoke(established, CONSOLE, issued.serial_number, RevocationReason.SUPERSEDED)
    assert await actions.renew(established) == 0
    with pytest.raises(Unavailable):
        await authority.stamp(established, bytes(32), institution_id=sante.id)
    await authority.enrol_institution(established, CONSOLE, sante)
    assert await authority.stamp(established, bytes(32), institution_id=sante.id)


async def test_new_institutions_are_enrolled_by_the_job(established: Platform) -> None:
    institution = await add(established, CONSOLE, code="ngozi", name_fr="Province de Ngozi")
    assert await enrol(established) == 1
    assert await enrol(established) == 0
    assert await authority.seal(established, institution.id, CONTENT, Commitment.ORIGIN)


async def test_names_too_long_for_a_certificate_are_cut(established: Platform) -> None:
    institution = await add(established, CONSOLE, code="long", name_fr="Ministère " + "é" * 190)
    await authority.enrol_institution(established, CONSOLE, institution)
    signature = await authority.seal(established, institution.id, CONTENT, Commitment.ORIGIN)
    verdict = cades.verify(signature, CONTENT, await authority.trust(established, institution.id))
    assert isinstance(verdict, Valid)
    assert verdict.report.signatures[0].signer.endswith(" - cachet")


async def test_a_register_has_a_key_of_its_own(established: Platform, sante: Institution) -> None:
    credential = await authority.register_credential(established, sante.id)
    usage = credential.certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.digital_signature
    assert not usage.content_commitment
    with pytest.raises(Conflict):
        await authority.register_credential(established, 42)


async def test_a_server_serves_tls_with_what_it_is_issued(platform: Platform, clock: SetClock) -> None:
    clock.now = system_clock()  # which `ssl` goes by
    await authority.establish(platform, CONSOLE)
    established = platform
    server = authority.ServerTls(established, ["Mail.gov.test", "localhost", "127.0.0.1"])
    await server.renew()
    client = ssl.create_default_context(
        cadata=(await authority.trust(established)).pem().decode().split("-----BEGIN X")[0]
    )
    for name in ("mail.gov.test", "localhost", "127.0.0.1"):
        shake_hands(server.context, client, name)
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(server.context, client, "other.gov.test")
    other = authority.ServerTls(established, ["other.gov.test"])
    await other.renew()
    shake_hands(other.context, client, "other.gov.test")


def shake_hands(server: ssl.SSLContext, client: ssl.SSLContext, hostname: str) -> None:
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    one = client.wrap_bio(to_client, to_server, server_hostname=hostname)
    other = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for side in (one, other):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    assert one.version() == "TLSv1.3"


async def test_every_query_can_be_prepared(db: Database) -> None:
    queries = [value for name, value in vars(store).items() if name.isupper() and isinstance(value, str)]
    assert len(queries) > 15
    async with db.connection() as connection:
        for query in queries:
            await connection.prepare(query)


async def test_a_server_gets_another_certificate_once_the_authority_of_servers_was_revoked(
    established: Platform,
) -> None:
    first = await authority.issue_tls(established, ["a.gov.test"])
    async with established.db.connection() as connection:
        servers = await store.current(connection, 0, Purpose.PLATFORM, established.clock())
    assert servers is not None
    await authority.revoke(established, CONSOLE, servers.serial_number, RevocationReason.KEY_COMPROMISE)
    with pytest.raises(Unavailable):
        await authority.issue_tls(established, ["a.gov.test"])
    await authority.establish(established, CONSOLE)
    assert (await authority.issue_tls(established, ["a.gov.test"])).chain != first.chain


async def test_nodes_share_a_tls_certificate_until_two_thirds_of_its_life(
    established: Platform, clock: SetClock
) -> None:
    first = await authority.issue_tls(established, ["a.gov.test", "b.gov.test"])
    clock.advance(TLS_LIFETIME / 3 * 2)
    assert await authority.issue_tls(another_process(established), ["a.gov.test", "b.gov.test"]) == first
    clock.advance(timedelta(seconds=1))
    assert await authority.issue_tls(established, ["a.gov.test", "b.gov.test"]) != first
    assert await authority.issue_tls(established, ["b.gov.test"]) != first


@pytest.mark.parametrize(
    "hostnames", [[], [""], ["x" * 254], ["." * 5], ["é" * 70 + ".test"], ["a"] + [f"h{n}" for n in range(100)]]
)
async def test_impossible_host_names_are_refused(established: Platform, hostnames: list[str]) -> None:
    with pytest.raises(Invalid):
        await authority.issue_tls(established, hostnames)


async def test_the_root_can_be_taken_along_under_a_passphrase_of_its_own(established: Platform, tmp_path: Path) -> None:
    exported = await actions.export_root(established, CONSOLE, b"un cheval blanc de trop")
    (tmp_path / "root.pem").write_bytes(exported)
    key = openssl("pkey", "-in", tmp_path / "root.pem", "-passin", "pass:un cheval blanc de trop", "-pubout").stdout
    assert key == openssl("x509", "-in", tmp_path / "root.pem", "-noout", "-pubkey").stdout
    assert openssl("pkey", "-in", tmp_path / "root.pem", "-passin", "pass:wrong").returncode != 0
    with pytest.raises(Invalid):
        await actions.export_root(established, CONSOLE, b"short")


async def test_without_lists_for_a_foreign_time_a_seal_is_indeterminate(
    established: Platform, sante: Institution, finances: Institution
) -> None:
    """The lists of another institution say nothing about this one."""
    sealer = await authority.sealer(established, sante.id)
    bare = replace(sealer, crls=()).seal(CONTENT, Commitment.ORIGIN)
    verdict = cades.verify(bare, CONTENT, await authority.trust(established, finances.id))
    assert isinstance(verdict, Indeterminate)


async def test_the_journal_tells_what_was_issued_and_revoked(established: Platform, sante: Institution) -> None:
    serial_number = (await seal_of(established, sante)).serial_number
    await authority.revoke(established, CONSOLE, serial_number, RevocationReason.CESSATION)
    async with established.db.connection() as connection:
        rows = await connection.fetch("SELECT verb, kind FROM comgov.journal ORDER BY id")
    told = [f"{row['verb']} {row['kind']}" for row in rows]
    assert told.count("establish authority") == 1
    assert told.count("issue certificate") == 4
    assert told[-1] == "revoke certificate"


async def test_a_subject_is_read_back_from_its_authority(established: Platform, sante: Institution) -> None:
    async with established.db.connection() as connection:
        issued = await store.current(connection, sante.id, Purpose.INSTITUTION, established.clock())
    assert issued is not None
    subject = certificates.subject_of(issued.certificate)
    assert (subject.name, subject.code, subject.domain) == ("Ministère de la Santé", "sante", "sante.gov.test")
