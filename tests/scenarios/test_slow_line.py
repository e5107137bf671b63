"""What a mail program moves over an institution's line of 2.5 Mbit/s, handshakes and records of TLS among it.

The program is interimap, which deflates (COMPRESS) and asks only for what changed (QRESYNC), as K-9 and Thunderbird do
in part. `tests.scenarios.letters` says what mail it is.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from comgov.demo.process import DemoProcess
from tests.scenarios.counting import Counted, counting
from tests.scenarios.letters import letters, papers
from tests.scenarios.programs import InterImap, Server
from tests.scenarios.sides import Account

pytestmark = pytest.mark.xdist_group("slow line")

AMOUNTS = [200, pytest.param(5000, marks=pytest.mark.prove)]


@pytest.fixture
async def line(demo: DemoProcess) -> AsyncIterator[Counted]:
    async with counting(demo.ports.imaps) as counted:
        yield counted


@pytest.fixture
def program(demo: DemoProcess, accounts: tuple[Account, Account], line: Counted, tmp_path: Path) -> InterImap:
    """Reaches Jean's account over the line, and Eric's, where it puts what it finds, beside it."""
    far = Server.of(demo, "jean@sante", port=line.port)
    return InterImap(tmp_path, far, near=accounts[1], near_server=Server.of(demo, "eric@finances"))


@pytest.mark.parametrize("count", AMOUNTS)
async def test_a_first_synchronisation_moves_a_quarter_of_the_mail_and_ten_changes_4_kb(
    accounts: tuple[Account, Account], program: InterImap, line: Counted, count: int
) -> None:
    far, near = accounts
    mail = list(letters(count))
    await far.add("INBOX", mail)
    seconds = await program.run()
    size_bytes = sum(map(len, mail))
    share = line.total_bytes / size_bytes
    print(f"{count} messages, {size_bytes:,} bytes, as {line.total_bytes:,} ({share:.1%}) in {seconds:.1f} s")
    assert share <= 0.25

    names = sorted(name for name, _ in (await near.state())["INBOX"])
    for name in names[:4]:
        await far.mark("INBOX", name, ["\\Seen"])
    for name in names[4:6]:
        await far.mark("INBOX", name, ["Urgent", "\\Flagged"])
    await far.remove("INBOX", names[6:10])
    before = line.total_bytes
    await program.run()
    print(f"ten changes: {line.total_bytes - before:,} bytes")
    assert await near.state() == await far.state()
    assert line.total_bytes - before <= 4096


@pytest.mark.parametrize("count", AMOUNTS)
async def test_office_documents_cost_hardly_more_than_their_own_bytes(
    accounts: tuple[Account, Account], program: InterImap, line: Counted, count: int
) -> None:
    """They are deflated already: what base64 adds to them is all that can be saved. Letters among them deflate a little
    worse, for a document drives what was said before out of the window."""
    mail = list(papers(count))
    documents_bytes = sum(size_bytes for _, size_bytes in mail)
    others_bytes = sum(len(content) for content, _ in mail) - documents_bytes
    await accounts[0].add("INBOX", [content for content, _ in mail])
    await program.run()
    total_bytes = documents_bytes + others_bytes
    print(f"{total_bytes:,} bytes, {documents_bytes:,} of documents, as {line.total_bytes / total_bytes:.1%}")
    assert line.total_bytes <= 0.28 * others_bytes + 0.77 * documents_bytes
