"""An exported register is worth what its certificates were worth when its last checkpoint was time-stamped."""

from __future__ import annotations

import json
import subprocess
from base64 import b64decode, b64encode
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from comgov import authority
from comgov.actor import console
from comgov.registers import actions, audit
from comgov.signing import checkpoint
from comgov.signing.certificates import Purpose, RevocationReason
from comgov.signing.trust import Trust
from comgov.signing.verdict import Indeterminate, Indication, Invalid, Valid, Verdict
from tests.comgov.registers.test_registers import enter

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.comgov.government import Government

CONSOLE = console("test")


async def root(government: Government) -> Trust:
    """The root alone, as somebody pinned it long ago."""
    return Trust(root=(await authority.trust(government.platform)).root)


async def exported(government: Government, clock: Any, code: str = "sante") -> list[bytes]:
    clock.advance(timedelta(seconds=2))
    return [line async for line in actions.export(government.platform, government.institutions[code])]


async def revoke(
    government: Government,
    code: str,
    purpose: Purpose = Purpose.REGISTER,
    *,
    ago: timedelta = timedelta(0),
    reason: RevocationReason = RevocationReason.SUPERSEDED,
) -> None:
    """Withdraw the institution's certificates for that, from that long ago on."""
    platform = government.platform
    for issued in await authority.actions.issued(platform, CONSOLE, government.institutions[code].id):
        if issued.purpose is purpose:
            await authority.revoke(platform, CONSOLE, issued.serial_number, reason, since=platform.clock() - ago)


def indications(verdict: Verdict) -> set[Indication]:
    return set() if isinstance(verdict, Valid) else {each.indication for each in verdict.reasons}


async def test_a_register_whose_certificate_was_revoked_afterwards_stays_valid(
    government: Government, clock: Any
) -> None:
    await enter(government)
    await exported(government, clock)
    clock.advance(timedelta(days=1))
    await revoke(government, "sante")
    found = audit.audit(await exported(government, clock), await root(government))
    assert isinstance(found.verdict, Valid)
    assert found.stamped == clock() - timedelta(days=1, seconds=2)


async def test_a_register_whose_certificate_was_revoked_before_is_invalid_until_signed_anew(
    government: Government, clock: Any
) -> None:
    await enter(government)
    await exported(government, clock)
    clock.advance(timedelta(days=1))
    await revoke(government, "sante", ago=timedelta(days=2), reason=RevocationReason.KEY_COMPROMISE)
    found = audit.audit(await exported(government, clock), await root(government))
    assert isinstance(found.verdict, Invalid)
    assert indications(found.verdict) == {Indication.REVOKED}
    await authority.enrol_institution(government.platform, CONSOLE, government.institutions["sante"])
    await enter(government)
    assert isinstance(audit.audit(await exported(government, clock), await root(government)).verdict, Valid)


async def test_what_nobody_signed_beside_an_entry_is_refused(government: Government, clock: Any) -> None:
    """An instant beside it, say, which a reader would take for proven."""
    await enter(government)
    lines = await exported(government, clock)
    [place] = [at for at, line in enumerate(lines) if line.startswith(b'{"entry"')]
    said = {**json.loads(lines[place]), "at": "2020-01-01T00:00:00+00:00"}
    with pytest.raises(audit.AuditError, match="says more than what was entered"):
        audit.audit([*lines[:place], json.dumps(said).encode(), *lines[place + 1 :]], await root(government))


async def test_a_number_left_out_beside_an_entry_is_noticed(government: Government, clock: Any) -> None:
    await enter(government)
    lines = await exported(government, clock)
    [place] = [at for at, line in enumerate(lines) if line.startswith(b'{"entry"')]
    said = json.loads(lines[place])
    del said["number"]
    with pytest.raises(audit.AuditError, match="is no register number"):
        audit.audit([*lines[:place], json.dumps(said).encode(), *lines[place + 1 :]], await root(government))


async def test_an_empty_register_is_called_so(government: Government, clock: Any) -> None:
    found = audit.audit(await exported(government, clock), await root(government))
    assert isinstance(found.verdict, Indeterminate)
    assert [str(each) for each in found.verdict.reasons] == [
        "The register is empty: nothing was entered or signed yet."
    ]


async def test_a_revoked_authority_takes_its_register_with_it(government: Government, clock: Any) -> None:
    await enter(government)
    await exported(government, clock)
    await revoke(government, "sante", Purpose.INSTITUTION, ago=timedelta(hours=1))
    found = audit.audit(await exported(government, clock), await root(government))
    assert indications(found.verdict) == {Indication.REVOKED}


async def test_the_cosignature_of_a_revoked_certificate_does_not_count(government: Government, clock: Any) -> None:
    await enter(government)
    await exported(government, clock)
    await revoke(government, "finances", ago=timedelta(hours=1))
    found = audit.audit(await exported(government, clock), await root(government))
    assert isinstance(found.verdict, Valid)
    assert found.witnesses == ("sgg.gov.test/register",)
    assert [each.indication for each in found.discounted] == [Indication.REVOKED]
    await revoke(government, "sgg", ago=timedelta(hours=1))
    found = audit.audit(await exported(government, clock), await root(government))
    assert isinstance(found.verdict, Indeterminate)
    assert "No other institution vouches" in str(found.verdict.reasons[0])


async def test_a_register_without_its_revocation_lists_is_undecided_unless_they_are_given(
    government: Government, clock: Any
) -> None:
    await enter(government)
    lines = [line for line in await exported(government, clock) if not line.startswith(b'{"revocations"')]
    assert indications(audit.audit(lines, await root(government)).verdict) == {Indication.TRY_LATER, Indication.NO_POE}
    assert isinstance(audit.audit(lines, await authority.trust(government.platform)).verdict, Valid)


async def test_a_later_list_at_hand_overrules_those_of_the_file(government: Government, clock: Any) -> None:
    await enter(government)
    lines = await exported(government, clock)
    await revoke(government, "sante", ago=timedelta(hours=1))
    assert isinstance(audit.audit(lines, await root(government)).verdict, Valid)
    known = await authority.trust(government.platform)
    assert indications(audit.audit(lines, known).verdict) == {Indication.REVOKED}


def with_last(lines: list[bytes], change: Callable[[dict[str, Any]], object]) -> list[bytes]:
    """The same with its last checkpoint changed."""
    last = json.loads(lines[-1])
    assert "checkpoint" in last
    change(last)
    return [*lines[:-1], json.dumps(last).encode()]


async def test_a_checkpoint_without_time_stamp_is_undecided_and_revoked_ones_invalid(
    government: Government, clock: Any
) -> None:
    await enter(government)
    lines = with_last(await exported(government, clock), lambda last: last.pop("time_stamp"))
    found = audit.audit(lines, await root(government))
    assert isinstance(found.verdict, Indeterminate)
    assert indications(found.verdict) == {Indication.NO_POE}
    assert found.stamped is None
    clock.advance(timedelta(days=1))
    await revoke(government, "sante")
    lines = with_last(await exported(government, clock), lambda last: last.pop("time_stamp"))
    assert Indication.REVOKED in indications(audit.audit(lines, await root(government)).verdict)


@pytest.mark.parametrize("by", ["sante", ""])
async def test_a_time_stamp_of_the_institution_itself_or_of_its_server_is_invalid(
    government: Government, clock: Any, by: str
) -> None:
    await enter(government)
    lines = await exported(government, clock)
    digest = checkpoint.parse(json.loads(lines[-1])["checkpoint"].encode()).digest
    whose = government.institutions[by].id if by else 0
    token = await authority.stamp(government.platform, digest, institution_id=whose)
    changed = with_last(lines, lambda last: last.update(time_stamp=b64encode(token).decode()))
    found = audit.audit(changed, await root(government))
    assert isinstance(found.verdict, Invalid)
    assert indications(found.verdict) == {Indication.SIG_CONSTRAINTS_FAILURE}


async def test_the_time_stamp_of_something_else_is_invalid(government: Government, clock: Any) -> None:
    await enter(government)
    lines = await exported(government, clock)
    sgg = government.institutions["sgg"].id
    token = await authority.stamp(government.platform, bytes(32), institution_id=sgg)
    changed = with_last(lines, lambda last: last.update(time_stamp=b64encode(token).decode()))
    assert Indication.HASH_FAILURE in indications(audit.audit(changed, await root(government)).verdict)
    garbage = with_last(lines, lambda last: last.update(time_stamp="AAAA"))
    assert isinstance(audit.audit(garbage, await root(government)).verdict, Invalid)


async def test_a_cosignature_taken_away_or_added_breaks_the_time_stamp(government: Government, clock: Any) -> None:
    await enter(government)
    lines = await exported(government, clock)

    def without_witness(last: dict[str, Any]) -> None:
        last["checkpoint"] = last["checkpoint"].rpartition("— ")[0]

    found = audit.audit(with_last(lines, without_witness), await root(government))
    assert Indication.HASH_FAILURE in indications(found.verdict)


async def test_what_is_no_revocation_list_or_stands_in_the_wrong_place_is_refused(
    government: Government, clock: Any
) -> None:
    await enter(government)
    lines = await exported(government, clock)
    trust = await root(government)
    for bad in (b'{"revocations": 1}', b'{"revocations": "AAAA"}', b'{"revocations": "\\u00e9"}'):
        with pytest.raises(audit.AuditError, match="revocation list is not readable"):
            audit.audit([lines[0], bad, *lines[1:]], trust)
    with pytest.raises(audit.AuditError, match="stand before the entries"):
        audit.audit([*lines, lines[1]], trust)
    with pytest.raises(audit.AuditError, match="at most"):
        audit.audit([lines[0], *[lines[1]] * 201], trust)
    with pytest.raises(audit.AuditError, match="time-stamp is not readable"):
        audit.audit(with_last(lines, lambda last: last.update(time_stamp=[])), trust)


@pytest.mark.filterwarnings("ignore:Parsed a serial number")  # of an altered certificate
@pytest.mark.filterwarnings("ignore:Attribute's length")
async def test_every_altered_byte_of_the_last_checkpoint_is_noticed(government: Government, clock: Any) -> None:
    await enter(government)
    lines = await exported(government, clock)
    trust = await authority.trust(government.platform)
    assert isinstance(audit.audit(lines, trust).verdict, Valid)
    last = bytearray(lines[-1])
    for place in range(len(last) - 1):
        last[place] ^= 0x01
        with suppress(audit.AuditError):
            assert not isinstance(audit.audit([*lines[:-1], bytes(last)], trust).verdict, Valid), bytes(last)
        last[place] ^= 0x01


async def test_openssl_verifies_the_time_stamp_of_a_checkpoint(
    government: Government, clock: Any, tmp_path: Path
) -> None:
    await enter(government)
    last = json.loads((await exported(government, clock))[-1])
    (tmp_path / "note").write_text(last["checkpoint"])
    (tmp_path / "token").write_bytes(b64decode(last["time_stamp"]))
    (tmp_path / "root.pem").write_bytes((await root(government)).pem())
    command = ["openssl", "ts", "-verify", "-data", "note", "-in", "token", "-token_in", "-CAfile", "root.pem"]
    at = str(int(clock().timestamp()))
    done = subprocess.run([*command, "-attime", at], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "Verification: OK" in done.stdout, done.stderr
