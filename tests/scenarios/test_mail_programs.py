"""Real mail programs synchronise with a node of two workers, both ways, until both sides are equal."""

from __future__ import annotations

import asyncio
import time
from itertools import islice
from pathlib import Path

import pytest

from comgov.demo.process import DemoProcess
from tests.scenarios.letters import letters
from tests.scenarios.libraries import AioImapLib, Curl, ImapClient, ImapLib, Library
from tests.scenarios.programs import InterImap, Mbsync, OfflineImap, Program, Server
from tests.scenarios.sides import Account, Side, State

pytestmark = pytest.mark.xdist_group("mail programs")

FOLDER = "Dossiers/Décisions à prendre"
KEYWORDS = ("$Label1", "Urgent", "$Forwarded")


def program(name: str, demo: DemoProcess, accounts: tuple[Account, Account], home: Path) -> Program:
    """The program of that name, set up to synchronise Jean's account."""
    far, near = Server.of(demo, "jean@sante"), Server.of(demo, "eric@finances")
    if name == "interimap":
        return InterImap(home, far, near=accounts[1], near_server=near)
    return {"mbsync": Mbsync, "offlineimap": OfflineImap}[name](home, far)


@pytest.mark.parametrize("count", [200, pytest.param(5000, marks=pytest.mark.prove)])
@pytest.mark.parametrize("name", ["mbsync", "offlineimap", "interimap"])
async def test_both_sides_are_equal_whatever_happens_on_either(
    demo: DemoProcess, accounts: tuple[Account, Account], tmp_path: Path, name: str, count: int
) -> None:
    far = accounts[0]
    synchronised = program(name, demo, accounts, tmp_path)
    near = synchronised.near
    mail = letters(count + 20)
    first = list(islice(mail, count))
    await far.create(FOLDER)
    await far.add("INBOX", first[:-20])
    await far.add(FOLDER, first[-20:], ["\\Seen", *synchronised.keywords])
    pull = await synchronised.run()
    assert sum((await near.state())["INBOX"].values()) == count - 20
    await _expect_equal(near, far)

    for side, keywords in ((far, synchronised.keywords), (near, synchronised.keywords_up)):
        await _live(side, list(islice(mail, 10)), keywords)
        expected = await side.state()
        await synchronised.run()
        assert _differences(await side.state(), expected) == {}
        await _expect_equal(near, far)

    before = await far.versions(), await near.state()
    again = await synchronised.run()
    assert (await far.versions(), await near.state()) == before
    print(f"{name}: {count} messages pulled in {pull:.1f} s, nothing to do in {again:.1f} s")
    assert again < max(10, pull / 2)


@pytest.mark.parametrize("count", [200, pytest.param(5000, marks=pytest.mark.prove)])
@pytest.mark.parametrize("library", [ImapClient, ImapLib, AioImapLib, Curl], ids=lambda library: library.__name__)
async def test_a_library_reads_all_of_it_and_changes_it(
    demo: DemoProcess, accounts: tuple[Account, Account], library: type[Library], count: int
) -> None:
    account = accounts[0]
    mail = letters(count + 20)
    first = list(islice(mail, count))
    await account.create(FOLDER)
    await account.add("INBOX", first[:-20])
    await account.add(FOLDER, first[-20:], ["\\Seen", *KEYWORDS])
    async with library(Server.of(demo, "jean@sante")).opened() as client:
        began = time.monotonic()
        read = await client.state()
        print(f"{library.__name__}: {count} messages read in {time.monotonic() - began:.1f} s")
        assert _differences(read, await account.state()) == {}
        for side in (account, client):
            await _live(side, list(islice(mail, 10)), KEYWORDS)
            assert _differences(await client.state(), await account.state()) == {}


async def test_aioimaplib_hears_of_mail_that_another_session_brings(
    demo: DemoProcess, accounts: tuple[Account, Account]
) -> None:
    async with AioImapLib(Server.of(demo, "jean@sante")).opened() as client:
        for content in letters(3):
            heard = asyncio.create_task(client.hear("INBOX", b" EXISTS", 10))
            await asyncio.sleep(0.3)
            await accounts[0].add("INBOX", [content])
            await heard


async def _live(side: Side, new: list[bytes], keywords: tuple[str, ...]) -> None:
    """What happens to mail: it comes, is read, marked, filed, thrown away; and folders are made."""
    inbox = sorted(name for name, marks in (await side.state())["INBOX"] if not marks)
    folder = f"Dossiers/Été {len(inbox)}/À classer"
    await side.create(folder)
    await side.add("INBOX", new[:6], ["\\Seen"])
    await side.add(folder, new[6:], ["\\Flagged", *keywords[:1]])
    for number, name in enumerate(inbox[:10]):
        await side.mark("INBOX", name, ["\\Seen", "\\Answered", *keywords[number % 3 : number % 3 + 1]])
    await side.mark("INBOX", inbox[0], ["\\Flagged"], ["\\Seen", *keywords[:1]])
    await side.move("INBOX", inbox[5:12], folder)
    await side.move("INBOX", inbox[12:14], FOLDER)
    await side.remove("INBOX", inbox[14:20])


async def _expect_equal(near: Side, far: Side) -> None:
    one, other = await near.state(), await far.state()
    assert _differences(one, other) == {}


def _differences(near: State, far: State) -> dict[str, tuple[object, object]]:
    """By folder, what only the near and what only the far side has."""
    found = {}
    for folder in near.keys() | far.keys():
        here, there = near.get(folder), far.get(folder)
        if here != there:
            found[folder] = (here, there) if here is None or there is None else (here - there, there - here)
    return found
