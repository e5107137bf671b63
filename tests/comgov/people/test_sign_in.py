"""Signing in: passwords, sessions, and how often one may fail."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from comgov import institutions
from comgov.actor import Role, console
from comgov.errors import Forbidden, Invalid, NotFound, TooMany, Unauthenticated
from comgov.institutions.actions import add, suspend
from comgov.people import Config
from comgov.people.actions import (
    actor_of,
    add_person,
    authenticate,
    change_password,
    disable_person,
    enable_person,
    end_session,
    resolve_session,
    sessions,
    set_password,
    sign_in,
    sign_out,
    sweep,
)
from comgov.people.actions.sign_in import passwords_of
from comgov.people.limits import client_of
from comgov.people.passwords import Passwords

if TYPE_CHECKING:
    from comgov.actor import Actor
    from comgov.feature import Platform

CONSOLE = console("root")
PASSWORD = "quatre chevaux blancs"
CLAIRE = "claire@sante.gov.test"
IP = "192.0.2.7"


@pytest.fixture
async def claire(platform: Platform) -> Actor:
    await add(platform, CONSOLE, code="sante", name_fr="Ministère de la Santé")
    await add_person(platform, CONSOLE, CLAIRE, "Claire Niyonzima", password=PASSWORD)
    return await actor_of(platform, CLAIRE)


async def test_the_right_password_tells_who_it_is(platform: Platform, claire: Actor) -> None:
    assert await authenticate(platform, " Claire@SANTE.gov.test", PASSWORD, ip=IP) == replace(claire, ip=IP)


@pytest.mark.parametrize(
    ("address", "password"),
    [
        (CLAIRE, "quatre chevaux noirs"),
        (CLAIRE, ""),
        (CLAIRE, PASSWORD.upper()),
        (CLAIRE, "\0" * 3),
        (CLAIRE, "x" * 1_000_000),
        (CLAIRE, "\ud800"),
        ("nobody@sante.gov.test", PASSWORD),
        ("\u212alaire@sante.gov.test", PASSWORD),
        ("сlaire@sante.gov.test", PASSWORD),
        ("claire@sante.gov.test\0", PASSWORD),
        ("a" * 100_000, PASSWORD),
        ("", PASSWORD),
        ("\ud800@sante.gov.test", PASSWORD),
    ],
)
async def test_whatever_is_wrong_the_answer_is_the_same(
    platform: Platform, claire: Actor, address: str, password: str
) -> None:
    with pytest.raises(Unauthenticated) as refusal:
        await authenticate(platform, address, password, ip=IP)
    assert refusal.value.public == "The address or the password is not right."


async def test_an_unknown_address_costs_one_hash_like_a_known_one(
    platform: Platform, claire: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    worked = []
    matches = Passwords._matches
    monkeypatch.setattr(Passwords, "_matches", lambda *given: worked.append(given[1] is None) or matches(*given))
    for address in (CLAIRE, "nobody@sante.gov.test"):
        with pytest.raises(Unauthenticated):
            await authenticate(platform, address, "quatre chevaux noirs", ip=IP)
    assert worked == [False, True]


async def test_a_password_is_one_text_however_its_accents_are_typed(platform: Platform, claire: Actor) -> None:
    await set_password(platform, CONSOLE, CLAIRE, "l'été à Gitega")
    assert await authenticate(platform, CLAIRE, "l'e\u0301te\u0301 a\u0300 Gitega", ip=IP)


async def test_a_password_verified_a_moment_ago_is_not_hashed_again_until_it_changes(
    platform: Platform, claire: Actor, clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await authenticate(platform, CLAIRE, PASSWORD, ip=IP)
    hashed = []
    matches = Passwords._matches
    monkeypatch.setattr(Passwords, "_matches", lambda *given: hashed.append(1) or matches(*given))
    await asyncio.gather(*(authenticate(platform, CLAIRE, PASSWORD, ip=IP) for _ in range(20)))
    assert not hashed

    await set_password(platform, CONSOLE, CLAIRE, "trois moutons noirs")
    with pytest.raises(Unauthenticated):
        await authenticate(platform, CLAIRE, PASSWORD, ip=IP)
    assert len(hashed) == 1

    await authenticate(platform, CLAIRE, "trois moutons noirs", ip=IP)
    for _ in range(3):
        clock.advance(timedelta(minutes=14))
        await authenticate(platform, CLAIRE, "trois moutons noirs", ip=IP)
    assert len(hashed) == 2
    clock.advance(timedelta(minutes=15))
    await authenticate(platform, CLAIRE, "trois moutons noirs", ip=IP)
    assert len(hashed) == 3


async def test_fifty_sign_ins_at_once_hash_once(
    platform: Platform, claire: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed = []
    matches = Passwords._matches
    monkeypatch.setattr(Passwords, "_matches", lambda *given: hashed.append(1) or matches(*given))
    await asyncio.gather(*(authenticate(platform, CLAIRE, PASSWORD, ip=IP) for _ in range(50)))
    assert len(hashed) <= platform.config(Config).password_parallel


async def test_a_costlier_configuration_hashes_again_at_the_next_sign_in(platform: Platform, claire: Actor) -> None:
    costlier = platform.config(Config).model_copy(update={"password_passes": 2})
    later = replace(platform, configs={**platform.configs, Config: costlier}, owned={})
    await authenticate(later, CLAIRE, PASSWORD, ip=IP)
    async with platform.db.connection() as connection:
        kept = await connection.fetchval("SELECT password_hash FROM comgov.person")
    assert "t=2" in kept
    await authenticate(platform, CLAIRE, PASSWORD, ip=IP)


async def test_a_client_that_guesses_stops_while_the_person_still_signs_in_from_elsewhere(
    platform: Platform, claire: Actor, clock
) -> None:
    for _ in range(10):
        with pytest.raises(Unauthenticated):
            await authenticate(platform, CLAIRE, "guess guess guess", ip="198.51.100.1")
    with pytest.raises(TooMany):
        await authenticate(platform, CLAIRE, PASSWORD, ip="198.51.100.1")
    assert await authenticate(platform, CLAIRE, PASSWORD, ip=IP)

    clock.advance(timedelta(minutes=2))
    assert await authenticate(platform, CLAIRE, PASSWORD, ip="198.51.100.1")


async def test_guesses_sent_together_from_several_workers_do_not_slip_by_the_limit(
    platform: Platform, claire: Actor
) -> None:
    workers = [replace(platform, owned={}) for _ in range(3)]
    answers = await asyncio.gather(
        *(
            authenticate(workers[number % 3], CLAIRE, f"guess number {number}", ip="198.51.100.1")
            for number in range(60)
        ),
        return_exceptions=True,
    )
    guessed = sum(isinstance(answer, Unauthenticated) for answer in answers)
    assert 10 <= guessed <= 10 + 3 * platform.config(Config).password_parallel
    assert guessed + sum(isinstance(answer, TooMany) for answer in answers) == 60


async def test_a_client_over_the_limit_does_not_wait_for_a_turn(platform: Platform, claire: Actor) -> None:
    for _ in range(10):
        with pytest.raises(Unauthenticated):
            await authenticate(platform, CLAIRE, "guess guess guess", ip="198.51.100.1")
    passwords = passwords_of(platform)
    for _ in range(platform.config(Config).password_parallel):
        await passwords.turn.acquire()
    with pytest.raises(TooMany):
        await asyncio.wait_for(authenticate(platform, CLAIRE, PASSWORD, ip="198.51.100.1"), timeout=5)


async def test_an_address_guessed_from_everywhere_stops_for_all(platform: Platform, claire: Actor) -> None:
    for number in range(50):
        with pytest.raises(Unauthenticated):
            await authenticate(platform, CLAIRE, "guess guess guess", ip=f"198.51.100.{number}")
    with pytest.raises(TooMany):
        await authenticate(platform, CLAIRE, PASSWORD, ip=IP)


async def test_a_client_that_tries_every_address_stops_for_all_of_them(platform: Platform, claire: Actor) -> None:
    for number in range(100):
        with pytest.raises(Unauthenticated):
            await authenticate(platform, f"person{number}@sante.gov.test", "guess guess guess", ip="198.51.100.1")
    with pytest.raises(TooMany):
        await authenticate(platform, CLAIRE, PASSWORD, ip="198.51.100.1")


async def test_signing_in_forgives_the_mistakes_before(platform: Platform, claire: Actor) -> None:
    for _ in range(3):
        for _ in range(9):
            with pytest.raises(Unauthenticated):
                await authenticate(platform, CLAIRE, "mistake mistake", ip=IP)
        await authenticate(platform, CLAIRE, PASSWORD, ip=IP)
        platform.owned.clear()


@pytest.mark.parametrize(
    ("ip", "client"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:aaaa::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:bbbb::2", "2001:db8:1:2::/64"),
        ("", ""),
        ("unix", "unix"),
    ],
)
def test_a_client_is_an_address_or_a_subscriber_of_ipv6(ip: str, client: str) -> None:
    assert client_of(ip) == client


async def test_a_session_tells_who_asks_and_is_kept_by_its_digest_alone(platform: Platform, claire: Actor) -> None:
    signed_in = await sign_in(platform, CLAIRE, PASSWORD, ip=IP, agent="Firefox\0" * 100)
    assert len(signed_in.token) == 43
    assert signed_in.token not in repr(signed_in)
    assert await resolve_session(platform, signed_in.token, ip=IP) == replace(claire, ip=IP)
    async with platform.db.connection() as connection:
        kept = await connection.fetch("SELECT session::text FROM comgov.session")
    assert signed_in.token not in str(kept)


@pytest.mark.parametrize("token", ["", "x", "A" * 43, "\ud800", "\0", "x" * 1_000_000])
async def test_a_made_up_token_opens_nothing(platform: Platform, claire: Actor, token: str) -> None:
    with pytest.raises(Unauthenticated):
        await resolve_session(platform, token)


async def test_a_session_left_alone_ends(platform: Platform, claire: Actor, clock) -> None:
    token = (await sign_in(platform, CLAIRE, PASSWORD, ip=IP)).token
    clock.advance(timedelta(hours=2))
    with pytest.raises(Unauthenticated):
        await resolve_session(platform, token)


async def test_a_session_in_use_lasts_up_to_its_longest(platform: Platform, claire: Actor, clock) -> None:
    token = (await sign_in(platform, CLAIRE, PASSWORD, ip=IP)).token
    for _ in range(11):
        clock.advance(timedelta(hours=1, minutes=5))
        await resolve_session(platform, token)
    clock.advance(timedelta(minutes=6))
    with pytest.raises(Unauthenticated):
        await resolve_session(platform, token)


async def test_signing_out_ends_it(platform: Platform, claire: Actor) -> None:
    token = (await sign_in(platform, CLAIRE, PASSWORD, ip=IP)).token
    await sign_out(platform, token)
    await sign_out(platform, token)
    with pytest.raises(Unauthenticated):
        await resolve_session(platform, token)


async def test_one_sees_and_ends_ones_own_sessions_and_nobody_elses(platform: Platform, claire: Actor) -> None:
    await add_person(platform, CONSOLE, "jean@sante.gov.test", "Jean", password=PASSWORD)
    jean = await actor_of(platform, "jean@sante.gov.test")
    first = await sign_in(platform, CLAIRE, PASSWORD, ip=IP)
    second = await sign_in(platform, CLAIRE, PASSWORD, ip="2001:db8::1")
    opened = await sessions(platform, claire)
    assert {session.ip for session in opened} == {IP, "2001:db8::1"}
    assert await sessions(platform, jean) == []

    ended = next(session for session in opened if session.ip == IP)
    with pytest.raises(NotFound):
        await end_session(platform, jean, ended.id)
    await end_session(platform, claire, ended.id)
    with pytest.raises(Unauthenticated):
        await resolve_session(platform, first.token)
    assert await resolve_session(platform, second.token)


async def test_a_new_password_ends_every_other_session(platform: Platform, claire: Actor) -> None:
    mine = (await sign_in(platform, CLAIRE, PASSWORD, ip=IP)).token
    other = (await sign_in(platform, CLAIRE, PASSWORD, ip=IP)).token
    await change_password(platform, claire, PASSWORD, "trois moutons noirs", token=mine)
    assert await resolve_session(platform, mine)
    with pytest.raises(Unauthenticated):
        await resolve_session(platform, other)
    assert await authenticate(platform, CLAIRE, "trois moutons noirs", ip=IP)


@pytest.mark.parametrize(
    "weak", ["court", "aaaaaaaaaaaa", "abababababab", CLAIRE, CLAIRE.upper(), "Claire Niyonzima", PASSWORD, "x" * 201]
)
async def test_a_weak_password_is_refused(platform: Platform, claire: Actor, weak: str) -> None:
    with pytest.raises(Invalid):
        await change_password(platform, claire, PASSWORD, weak)
    assert await authenticate(platform, CLAIRE, PASSWORD, ip=IP)


async def test_changing_ones_password_asks_for_the_present_one(platform: Platform, claire: Actor) -> None:
    with pytest.raises(Unauthenticated):
        await change_password(platform, claire, "not my password", "trois moutons noirs")


async def test_a_closed_account_is_closed_at_once_and_says_so_only_to_who_knows_the_password(
    platform: Platform, claire: Actor
) -> None:
    token = (await sign_in(platform, CLAIRE, PASSWORD, ip=IP)).token
    await disable_person(platform, CONSOLE, CLAIRE)
    with pytest.raises(Unauthenticated):
        await resolve_session(platform, token)
    with pytest.raises(Forbidden):
        await authenticate(platform, CLAIRE, PASSWORD, ip=IP)
    with pytest.raises(Unauthenticated):
        await authenticate(platform, CLAIRE, "not the password", ip=IP)
    with pytest.raises(NotFound):
        await actor_of(platform, CLAIRE)
    await enable_person(platform, CONSOLE, CLAIRE)
    assert await authenticate(platform, CLAIRE, PASSWORD, ip=IP)
    with pytest.raises(Unauthenticated):
        await resolve_session(platform, token)


async def test_nobody_of_a_suspended_institution_signs_in_or_stays(platform: Platform, claire: Actor) -> None:
    token = (await sign_in(platform, CLAIRE, PASSWORD, ip=IP)).token
    await suspend(platform, CONSOLE, "sante")
    with pytest.raises(Unauthenticated):
        await resolve_session(platform, token)
    with pytest.raises(Forbidden):
        await authenticate(platform, CLAIRE, PASSWORD, ip=IP)


async def test_nobody_signs_in_before_a_password_is_set(platform: Platform, claire: Actor) -> None:
    await add_person(platform, CONSOLE, "paul@sante.gov.test", "Paul")
    for password in ("", "None", PASSWORD):
        with pytest.raises(Unauthenticated):
            await authenticate(platform, "paul@sante.gov.test", password, ip=IP)


async def test_sweeping_forgets_what_ended_and_nothing_else(platform: Platform, claire: Actor, clock) -> None:
    old = (await sign_in(platform, CLAIRE, PASSWORD, ip=IP)).token
    with pytest.raises(Unauthenticated):
        await authenticate(platform, CLAIRE, "not the password", ip=IP)
    clock.advance(timedelta(hours=3))
    new = (await sign_in(platform, CLAIRE, PASSWORD, ip=IP)).token
    await sweep(platform)
    async with platform.db.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM comgov.session") == 1
        assert await connection.fetchval("SELECT count(*) FROM comgov.sign_in_failures") == 0
    assert await resolve_session(platform, new)
    with pytest.raises(Unauthenticated):
        await resolve_session(platform, old)


async def test_failures_are_written_in_the_journal_as_nobodys_deed(platform: Platform, claire: Actor) -> None:
    with pytest.raises(Unauthenticated):
        await authenticate(platform, CLAIRE, "not the password", ip=IP)
    async with platform.db.connection() as connection:
        row = await connection.fetchrow("SELECT * FROM comgov.journal WHERE verb = 'fail to sign in'")
    assert (row["actor_id"], row["ip"], row["thing"]) == (0, IP, str(claire.person_id))


async def test_the_roles_of_an_actor_are_those_of_now(platform: Platform, claire: Actor) -> None:
    assert claire.roles == {Role.CIVIL_SERVANT}
    assert claire.institution_code == "sante"
    assert institutions.Config in platform.configs
