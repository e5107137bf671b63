"""What every directory promises to mail, on each of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from comgov.actor import console
from comgov.institutions.actions import add
from comgov.people.actions import add_list, add_person, add_post, hold_post
from comgov.people.directory import PeopleDirectory
from comgov.people.model import Posting
from mail.address import Address
from mail.directory import Account, Directory, Identity, MailingList, NotHere, Rights
from mail.memory import MemoryDirectory

if TYPE_CHECKING:
    from comgov.feature import Platform

PASSWORD = "quatre chevaux blancs"
CLAIRE, ERIC = Address.parse("claire@sante.gov.test"), Address.parse("eric@finances.gov.test")
SECRETARIAT, TOUS, AVIS = (Address.parse(f"{name}@sante.gov.test") for name in ("secretariat", "tous", "avis"))
IP = "192.0.2.1"


def in_memory() -> Directory:
    directory = MemoryDirectory("sante.gov.test", "finances.gov.test")
    claire = directory.add_person(CLAIRE, PASSWORD, name="Claire", quota_bytes=1 << 20)
    directory.add_person(ERIC, PASSWORD, name="Éric")
    post = directory.add_account(SECRETARIAT)
    directory.grant(claire, SECRETARIAT)
    member = directory.recipients[CLAIRE.key]
    assert isinstance(member, Account)
    for address, posters in ((TOUS, frozenset({CLAIRE.key, SECRETARIAT.key})), (AVIS, None)):
        directory.add_list(MailingList(address=address, owner=CLAIRE, accounts=(member, post), posters=posters))
    return directory


async def of_people(platform: Platform) -> Directory:
    who = console("root")
    for code in ("sante", "finances"):
        await add(platform, who, code=code, name_fr=code)
    await add_person(platform, who, str(CLAIRE), "Claire", password=PASSWORD, quota_bytes=1 << 20)
    await add_person(platform, who, str(ERIC), "Éric", password=PASSWORD)
    await add_post(platform, who, str(SECRETARIAT), "Secrétariat")
    await hold_post(platform, who, str(SECRETARIAT), str(CLAIRE))
    members = [str(CLAIRE), str(SECRETARIAT)]
    await add_list(platform, who, str(TOUS), "Tous", owner=str(CLAIRE), members=members)
    await add_list(platform, who, str(AVIS), "Avis", owner=str(CLAIRE), members=members, posting=Posting.ANYONE)
    return PeopleDirectory(platform)


@dataclass
class Subject:
    """A directory with the same people in it, and two of them."""

    directory: Directory
    claire: Identity
    eric: Identity


@pytest.fixture(params=["memory", "people"])
async def subject(request: pytest.FixtureRequest, platform: Platform) -> Subject:
    directory = in_memory() if request.param == "memory" else await of_people(platform)
    found = [await directory.authenticate(str(who), PASSWORD, ip=IP, service="IMAP") for who in (CLAIRE, ERIC)]
    claire, eric = found
    assert claire is not None and eric is not None
    return Subject(directory, claire, eric)


@pytest.mark.parametrize("written", ["claire@sante.gov.test", "CLAIRE@Sante.GOV.test", "Claire@sante.gov.test"])
async def test_an_account_is_found_whatever_the_case(subject: Subject, written: str) -> None:
    found = await subject.directory.lookup(Address.parse(written))
    assert isinstance(found, Account)
    assert (found.account_id, found.address, found.quota_bytes) == (subject.claire.account_id, CLAIRE, 1 << 20)


@pytest.mark.parametrize(
    ("written", "answer"),
    [
        ("nobody@sante.gov.test", NotHere.UNKNOWN),
        ("claire@finances.gov.test", NotHere.UNKNOWN),
        ("\u0441laire@sante.gov.test", NotHere.UNKNOWN),  # Cyrillic
        ("\u017fecretariat@sante.gov.test", NotHere.UNKNOWN),  # a long s
        ("clai\u0280e@sante.gov.test", NotHere.UNKNOWN),
        ('"claire@sante.gov.test"@sante.gov.test', NotHere.UNKNOWN),
        ("claire@gov.test", NotHere.REMOTE),
        ("claire@sante.gov.test.example.org", NotHere.REMOTE),
    ],
)
async def test_nobody_else_is(subject: Subject, written: str, answer: NotHere) -> None:
    assert await subject.directory.lookup(Address.parse(written)) is answer


@pytest.mark.parametrize("written", ["claire@sante.gov.test", "nobody@sante.gov.test", "claire@gov.test"])
async def test_what_is_recalled_is_what_was_found(subject: Subject, written: str) -> None:
    address = Address.parse(written)
    assert subject.directory.recall(address) in (None, await subject.directory.lookup(address))
    assert subject.directory.recall(address) in (None, await subject.directory.lookup(address))


async def test_a_list_opens_to_its_members_and_names_who_may_post(subject: Subject) -> None:
    tous, avis = await subject.directory.lookup(TOUS), await subject.directory.lookup(AVIS)
    assert isinstance(tous, MailingList) and isinstance(avis, MailingList)
    assert {member.address for member in tous.accounts} == {CLAIRE, SECRETARIAT}
    assert (tous.owner, tous.remote) == (CLAIRE, ())
    assert tous.posters == {CLAIRE.key, SECRETARIAT.key}
    assert avis.posters is None


@pytest.mark.parametrize(
    ("login", "password", "is_right"),
    [
        (str(CLAIRE), PASSWORD, True),
        ("CLAIRE@sante.gov.test", PASSWORD, True),
        (str(CLAIRE), PASSWORD.upper(), False),
        (str(CLAIRE), "", False),
        (str(SECRETARIAT), PASSWORD, False),
        (str(TOUS), PASSWORD, False),
        ("claire", PASSWORD, False),
        ("", "", False),
    ],
)
async def test_signing_in_takes_the_address_of_a_person_and_their_password(
    subject: Subject, login: str, password: str, is_right: bool
) -> None:
    found = await subject.directory.authenticate(login, password, ip=IP, service="IMAP")
    assert found == (subject.claire if is_right else None)


async def test_one_sends_as_oneself_and_as_what_one_was_given(subject: Subject) -> None:
    may = subject.directory.may_send_as
    assert [await may(subject.claire, address) for address in (CLAIRE, SECRETARIAT, TOUS, ERIC)] == [
        True, True, False, False,
    ]  # fmt: skip
    assert [await may(subject.eric, address) for address in (CLAIRE, SECRETARIAT, ERIC)] == [False, False, True]
    assert not await may(subject.claire, Address.parse("claire@example.org"))


async def test_one_opens_ones_own_mailboxes_and_those_of_what_one_was_given(subject: Subject) -> None:
    own, post = await subject.directory.accesses(subject.claire)
    assert (own.account, own.rights) == (await subject.directory.lookup(CLAIRE), Rights.MANAGER)
    found = await subject.directory.lookup(SECRETARIAT)
    assert (post.account.address, post.rights) == (SECRETARIAT, Rights.SENDER)
    assert isinstance(found, Account) and found.account_id == post.account.account_id
    [own] = await subject.directory.accesses(subject.eric)
    assert own.account.address == ERIC


async def test_an_account_says_who_opens_it(subject: Subject) -> None:
    own, post = await subject.directory.accesses(subject.claire)
    assert await subject.directory.holders(own.account) == {CLAIRE: Rights.MANAGER}
    assert await subject.directory.holders(post.account) == {CLAIRE: Rights.SENDER}


async def test_nobody_opens_anything_by_a_sign_in_that_is_none(subject: Subject) -> None:
    nobody = Identity(account_id=1_000_000, address=ERIC, name="Nobody")
    assert await subject.directory.accesses(nobody) == ()
    assert not await subject.directory.may_send_as(nobody, ERIC)
