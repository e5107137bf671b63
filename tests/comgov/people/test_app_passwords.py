"""Passwords for devices: what they open, how they end, what is known of them."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

from comgov import journal
from comgov.actor import console
from comgov.errors import Conflict, Forbidden, Invalid, NotFound, TooMany, Unauthenticated
from comgov.institutions.actions import add, suspend
from comgov.people.actions import (
    MOST_APP_PASSWORDS,
    actor_of,
    add_person,
    app_passwords,
    app_passwords_of,
    authenticate,
    authenticate_for_mail,
    change_password,
    disable_person,
    make_app_password,
    revoke_app_password,
    revoke_app_passwords_of,
    sessions,
    set_password,
    sign_in,
    sweep,
)
from comgov.people.directory import ACCESS_REMEMBERED_FOR, PeopleDirectory
from comgov.people.passwords import app_password_digest, generate_app_password
from mail.errors import SystemDown

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from comgov.feature import Platform
    from comgov.people.model import Actor, AppPassword
    from mail.directory import Identity

sign_in_actions = import_module("comgov.people.actions.sign_in")
CONSOLE = console("root")
CLAIRE, ERIC, PASSWORD = "claire@sante.gov.test", "eric@sante.gov.test", "quatre chevaux blancs"
IP = "192.0.2.7"


@dataclass
class Office:
    """Claire, and what she does with her devices."""

    platform: Platform
    directory: PeopleDirectory
    claire: Actor

    async def make(self, name: str = "Téléphone", seed: bytes | None = None) -> tuple[AppPassword, str]:
        return await make_app_password(self.platform, self.claire, name, PASSWORD, seed=seed or secrets.token_bytes(32))

    async def open(self, password: str, *, login: str = CLAIRE, service: str = "IMAP") -> Identity | None:
        return await self.directory.authenticate(login, password, ip=IP, service=service)

    async def names(self) -> list[str]:
        return [one.name for one in await app_passwords(self.platform, self.claire)]


@pytest.fixture
async def office(platform: Platform) -> Office:
    await add(platform, CONSOLE, code="sante", name_fr="Ministère de la Santé")
    for address in (CLAIRE, ERIC):
        await add_person(platform, CONSOLE, address, address, password=PASSWORD)
    return Office(platform, PeopleDirectory(platform), await actor_of(platform, CLAIRE, ip=IP))


def test_an_app_password_is_six_groups_of_letters_that_are_not_taken_for_each_other() -> None:
    made = [generate_app_password(secrets.token_bytes(32)) for _ in range(50)]
    assert len(set(made)) == 50
    for text in made:
        assert [len(group) for group in text.split("-")] == [4] * 6
        assert not set(text) & set("lo01")
    assert len(set("".join(made))) == 33  # 32 letters and digits, and the hyphen


def test_the_same_seed_gives_the_same_app_password() -> None:
    assert generate_app_password(b"s" * 16) == generate_app_password(b"s" * 16)
    assert generate_app_password(b"s" * 16) != generate_app_password(b"t" * 16)


def test_an_app_password_is_read_however_its_groups_are_typed() -> None:
    text = generate_app_password(b"s" * 16)
    digest = app_password_digest(text)
    assert digest is not None
    for typed in (text.replace("-", ""), text.replace("-", " "), text.capitalize(), f" {text} "):
        assert app_password_digest(typed) == digest
    for other in ("", text[:-1], text + "a", PASSWORD, text.replace(text[0], "0"), "é" * 24, "a" * 100_000):
        assert app_password_digest(other) is None


async def test_an_app_password_opens_mail_of_its_owner_and_nothing_else(office: Office) -> None:
    made, text = await office.make()
    found = await office.open(text)
    assert found is not None
    assert (found.account_id, str(found.address)) == (office.claire.person_id, CLAIRE)
    assert found.sign_in == f"app {made.id}"
    assert await office.open(text, login=CLAIRE.upper()) is not None
    assert await office.open(text, login=ERIC) is None
    assert await office.open(text, login="") is None
    for way_in in (authenticate, sign_in):
        with pytest.raises(Unauthenticated):
            await way_in(office.platform, CLAIRE, text, ip=IP)


async def test_it_is_made_by_whoever_knows_the_password(office: Office) -> None:
    with pytest.raises(Unauthenticated):
        await make_app_password(office.platform, office.claire, "Téléphone", "cinq chevaux noirs", seed=b"s" * 16)
    _, text = await office.make()
    with pytest.raises(Unauthenticated):
        await make_app_password(office.platform, office.claire, "Tablette", text, seed=b"t" * 16)
    assert await office.names() == ["Téléphone"]


@pytest.mark.parametrize("name", ["", "   ", "x" * 61, "a\u202eb"])
async def test_a_device_has_a_name_that_one_can_read(office: Office, name: str) -> None:
    with pytest.raises(Invalid):
        await office.make(name)


async def test_a_form_sent_twice_makes_one(office: Office) -> None:
    first, again = await asyncio.gather(office.make(seed=b"s" * 32), office.make(seed=b"s" * 32))
    assert first == again
    assert await office.names() == ["Téléphone"]


async def test_a_revoked_one_is_not_made_again_by_the_form_that_made_it(office: Office) -> None:
    made, text = await office.make(seed=b"s" * 32)
    await revoke_app_password(office.platform, office.claire, made.id)
    with pytest.raises(Conflict):
        await office.make(seed=b"s" * 32)
    assert await office.open(text) is None


async def test_twenty_are_enough_even_when_asked_for_at_once(office: Office) -> None:
    await asyncio.gather(*(office.make(f"Appareil {number}") for number in range(MOST_APP_PASSWORDS - 1)))
    asked = await asyncio.gather(office.make("A"), office.make("B"), office.make("C"), return_exceptions=True)
    assert sum(isinstance(one, Conflict) for one in asked) == 2
    names = await office.names()
    assert len(names) == MOST_APP_PASSWORDS
    [newest, *_] = await app_passwords(office.platform, office.claire)
    assert await revoke_app_password(office.platform, office.claire, newest.id) == names[0]
    await office.make("Une autre")


async def test_the_last_use_is_noted_to_the_hour(office: Office, clock) -> None:
    made, text = await office.make()
    assert made.used_at is None
    began = clock()
    await office.open(text, service="IMAP")
    clock.advance(timedelta(minutes=59))
    await office.open(text, service="SMTP")
    [used] = await app_passwords(office.platform, office.claire)
    assert (used.used_at, used.used_ip, used.used_for) == (began, IP, "IMAP")
    clock.advance(timedelta(minutes=1))
    await office.open(text, service="SMTP")
    [used] = await app_passwords(office.platform, office.claire)
    assert (used.used_at, used.used_for) == (clock(), "SMTP")


async def test_what_is_signed_in_with_a_revoked_one_opens_nothing_more(office: Office, clock) -> None:
    (telephone, one), (_, other) = await office.make("Téléphone"), await office.make("Tablette")
    by_one, by_other = await office.open(one), await office.open(other)
    assert by_one and by_other
    assert await office.directory.accesses(by_one) and await office.directory.accesses(by_other)
    await revoke_app_password(office.platform, office.claire, telephone.id)
    assert await office.open(one) is None
    assert not await office.directory.may_send_as(by_one, by_one.address)
    clock.advance(ACCESS_REMEMBERED_FOR)
    assert await office.directory.accesses(by_one) == ()
    assert await office.directory.accesses(by_other)
    with pytest.raises(NotFound):
        await revoke_app_password(office.platform, office.claire, telephone.id)


async def test_nobody_revokes_anothers(office: Office) -> None:
    made, text = await office.make()
    eric = await actor_of(office.platform, ERIC)
    with pytest.raises(NotFound):
        await revoke_app_password(office.platform, eric, made.id)
    with pytest.raises(Forbidden):
        await revoke_app_passwords_of(office.platform, eric, CLAIRE)
    with pytest.raises(Forbidden):
        await app_passwords_of(office.platform, eric, CLAIRE)
    assert await office.open(text)


async def test_an_administrator_revokes_one_or_all(office: Office) -> None:
    (first, _), (_, second), (_, third) = [await office.make(name) for name in ("A", "B", "C")]
    assert [one.name for one in await app_passwords_of(office.platform, CONSOLE, CLAIRE)] == ["C", "B", "A"]
    assert await revoke_app_passwords_of(office.platform, CONSOLE, CLAIRE, first.id) == ["A"]
    with pytest.raises(NotFound):
        await revoke_app_passwords_of(office.platform, CONSOLE, CLAIRE, first.id)
    assert await office.open(second)
    assert sorted(await revoke_app_passwords_of(office.platform, CONSOLE, CLAIRE)) == ["B", "C"]
    assert await revoke_app_passwords_of(office.platform, CONSOLE, CLAIRE) == []
    assert await office.open(third) is None


async def test_a_password_given_by_an_administrator_ends_them_one_changed_oneself_does_not(office: Office) -> None:
    _, text = await office.make()
    await change_password(office.platform, office.claire, PASSWORD, "cinq chevaux blancs")
    assert await office.open(text)
    await set_password(office.platform, CONSOLE, CLAIRE, "six chevaux blancs")
    assert await office.open(text) is None


@pytest.mark.parametrize(("close", "what"), [(suspend, "sante"), (disable_person, CLAIRE)])
async def test_a_closed_account_or_institution_opens_nothing(
    office: Office, close: Callable[[Platform, Actor, str], Awaitable[object]], what: str
) -> None:
    _, text = await office.make()
    assert await office.open(text)
    await close(office.platform, CONSOLE, what)
    assert await office.open(text) is None


async def test_who_was_given_another_password_meanwhile_makes_none(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither an app password nor a session outlives what ended them all."""
    verified = sign_in_actions.verified

    async def overtaken(*arguments: Any, **more: Any) -> Any:
        found = await verified(*arguments, **more)
        await set_password(office.platform, CONSOLE, CLAIRE, "six chevaux blancs")
        return found

    monkeypatch.setattr(sign_in_actions, "verified", overtaken)
    with pytest.raises(Unauthenticated):
        await office.make()
    await set_password(office.platform, CONSOLE, CLAIRE, PASSWORD)
    with pytest.raises(Unauthenticated):
        await sign_in(office.platform, CLAIRE, PASSWORD, ip=IP)
    assert await app_passwords(office.platform, office.claire) == []
    assert await sessions(office.platform, office.claire) == []


async def test_wrong_ones_are_counted_and_shut_out_neither_the_right_one_nor_the_web(office: Office) -> None:
    _, right = await office.make()
    wrong = generate_app_password(secrets.token_bytes(32))
    for _ in range(10):
        assert await office.open(wrong) is None
    with pytest.raises(SystemDown, match="Too many"):
        await office.open(wrong)
    with pytest.raises(TooMany):
        await authenticate_for_mail(office.platform, CLAIRE, wrong, ip=IP, service="IMAP")
    assert await office.open(right)
    assert await authenticate(office.platform, CLAIRE, PASSWORD, ip=IP)


async def test_wrong_ones_cost_no_hashing(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    async def hashing(*_: object) -> bool:
        raise AssertionError("argon2 was asked")

    monkeypatch.setattr("comgov.people.passwords.Passwords.matches", hashing)
    assert await office.open(generate_app_password(secrets.token_bytes(32))) is None
    assert await office.open(generate_app_password(secrets.token_bytes(32)), login="nobody@sante.gov.test") is None


async def test_the_journal_tells_what_was_made_and_revoked_and_no_secret(office: Office) -> None:
    made, text = await office.make()
    await revoke_app_password(office.platform, office.claire, made.id)
    await journal.link(office.platform)
    async with office.platform.db.connection() as connection:
        entries = await connection.fetch("SELECT * FROM comgov.journal ORDER BY number DESC LIMIT 2")
    told = [str(dict(entry)) for entry in entries]
    assert "revoke app password of" in told[0] and "make app password of" in told[1]
    assert all("Téléphone" in one and text not in one for one in told)


async def test_the_text_is_kept_nowhere(office: Office) -> None:
    _, text = await office.make()
    async with office.platform.db.connection() as connection:
        [row] = await connection.fetch("SELECT * FROM comgov.app_password")
    assert text not in str(dict(row))
    assert text.replace("-", "") not in str(dict(row))


async def test_a_revoked_one_is_forgotten_after_a_day(office: Office, clock) -> None:
    made, _ = await office.make()
    await office.make("Tablette")
    await revoke_app_password(office.platform, office.claire, made.id)

    async def kept() -> int:
        await sweep(office.platform)
        async with office.platform.db.connection() as connection:
            return await connection.fetchval("SELECT count(*) FROM comgov.app_password")

    assert await kept() == 2
    clock.advance(timedelta(days=1))
    assert await kept() == 1
