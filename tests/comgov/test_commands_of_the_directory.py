"""The commands of institutions, people, posts, lists and the journal, as someone types them."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import pytest
import typer
from typer.testing import CliRunner

from comgov import institutions, journal, people
from comgov.clock import system_clock
from comgov.command import parse_size
from comgov.config import Config
from comgov.db import open_database
from comgov.errors import ComgovError
from comgov.feature import Platform
from comgov.table import Format, render
from storage import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from mail.acceptance.front_door import Relay
    from mail.mailbox import Mailboxes

CHEAP = people.Config(password_memory_bytes=8 << 10, password_passes=1, password_lanes=1)


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str


class Terminal:
    """Types commands against a database of its own."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._program = typer.Typer()
        for feature in (journal.feature, institutions.feature, people.feature):
            for commands in feature.commands:
                self._program.add_typer(commands)

    def __call__(self, *words: str, typed: str | None = None) -> Answer:
        result = CliRunner().invoke(self._program, words, obj=self._open, input=typed)
        if isinstance(result.exception, ComgovError):
            return Answer(1, result.stdout, result.exception.public.format(**result.exception.values))
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Answer(result.exit_code, result.stdout, result.stderr)

    def _open(self, config: Path, work: Callable[[Platform], Awaitable[Any]]) -> Any:
        async def run() -> Any:
            async with open_database(self._url) as db:
                return await work(
                    Platform(
                        db=db,
                        blobs=MemoryStore(),
                        relay=cast("Relay", None),
                        mailboxes=cast("Mailboxes", None),
                        clock=system_clock,
                        configs=Config(people=CHEAP).by_kind(),
                    )
                )

        return asyncio.run(run())


@pytest.fixture
def comgov(db_url: str) -> Terminal:
    terminal = Terminal(db_url)
    assert terminal("institution", "add", "etat", "--name", "État", "--kind", "state").code == 0
    assert terminal("institution", "add", "sante", "--name", "Santé", "--parent", "etat", "--quota", "1.5G").code == 0
    assert terminal("person", "add", "jean@sante.gov.test", "--name", "Jean", "--no-password").code == 0
    return terminal


def test_institutions_are_added_listed_changed_suspended(comgov: Terminal) -> None:
    table = comgov("institution", "list").out.splitlines()
    assert table[0].split() == ["code", "name", "kind", "province", "domain", "state", "quota", "bytes"]
    assert table[2].startswith("  sante  Santé  ministry")
    assert "province: Gitega" in comgov("institution", "change", "sante", "--province", "Gitega").out
    assert comgov("institution", "disable", "sante").out == "sante is suspended.\n"
    assert "state: suspended" in comgov("institution", "show", "sante").out
    assert comgov("institution", "enable", "sante").out == "sante is active.\n"
    found = json.loads(comgov("institution", "list", "--format", "json").out)
    assert [(row["code"], row["quota_bytes"]) for row in found] == [("etat", 100 << 30), ("sante", 1536 << 20)]


def test_a_person_is_added_with_a_password_typed_twice(comgov: Terminal) -> None:
    typed = "quatre chevaux blancs\n" * 2
    added = comgov("person", "add", "Claire@sante.gov.test", "--name", "Claire", "--role", "signatory", typed=typed)
    assert added.out.endswith("Added Claire, claire@sante.gov.test.\n")
    shown = comgov("person", "show", "claire@sante.gov.test").out
    assert "roles: civil-servant signatory" in shown and "password: yes" in shown
    assert "chevaux" not in added.out + added.err


def test_a_password_comes_from_a_file(comgov: Terminal, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("quatre chevaux blancs\n")
    done = comgov("person", "password", "jean@sante.gov.test", "--password-file", str(tmp_path / "password"))
    assert done.code == 0
    assert "password: yes" in comgov("person", "show", "jean@sante.gov.test").out
    (tmp_path / "password").write_text("short")
    refused = comgov("person", "password", "jean@sante.gov.test", "--password-file", str(tmp_path / "password"))
    assert (refused.code, "10 to 200 characters" in refused.err) == (1, True)


def test_a_person_is_changed_closed_and_opened(comgov: Terminal) -> None:
    changed = comgov("person", "change", "jean@sante.gov.test", "--language", "en", "--quota", "50M").out
    assert "language: en" in changed and f"quota bytes: {50 << 20}" in changed
    assert comgov("person", "disable", "jean@sante.gov.test").code == 0
    [row] = csv.DictReader(
        io.StringIO(comgov("person", "list", "--institution", "sante", "--format", "csv").out), strict=True
    )
    assert (row["address"], row["closed"]) == ("jean@sante.gov.test", "yes")
    assert comgov("person", "enable", "jean@sante.gov.test").code == 0


def test_a_roster_is_imported_once_and_its_passwords_are_for_its_owner_alone(comgov: Terminal, tmp_path: Path) -> None:
    roster, passwords = tmp_path / "people.csv", tmp_path / "passwords.csv"
    roster.write_text("address;name;password\na@sante.gov.test;A;\nb@sante.gov.test;B;quatre chevaux blancs\n")
    done = comgov("person", "import", str(roster), "--passwords", str(passwords))
    assert done.out == "2 added, 0 changed, 0 as they were.\n"
    assert passwords.stat().st_mode & 0o777 == 0o600
    rows = list(csv.reader(passwords.read_text().splitlines(), strict=True))
    assert [row[0] for row in rows] == ["address", "a@sante.gov.test"]
    assert comgov("person", "import", str(roster)).out == "0 added, 0 changed, 2 as they were.\n"

    again = comgov("person", "import", str(roster), "--passwords", str(passwords))
    assert again.code == 1 and "cannot be made" in again.err
    assert list(csv.reader(passwords.read_text().splitlines(), strict=True)) == rows


def test_every_fault_of_a_roster_is_told_and_nothing_is_left_behind(comgov: Terminal, tmp_path: Path) -> None:
    roster, passwords = tmp_path / "people.csv", tmp_path / "passwords.csv"
    roster.write_text("address,name\nnot an address,A\nb@nowhere.test,B\n")
    refused = comgov("person", "import", str(roster), "--passwords", str(passwords))
    assert (refused.code, "line 2" in refused.err, "1 fault" in refused.err) == (1, True, True)
    roster.write_text("address,name\na@sante.gov.test,A\nb@nowhere.test,B\njean@sante.gov.test,J\n")
    refused = comgov("person", "import", str(roster), "--passwords", str(passwords))
    assert (refused.code, "line 3" in refused.err) == (1, True)
    assert not passwords.exists()
    assert comgov("person", "show", "a@sante.gov.test").code == 1
    assert "cannot be read" in comgov("person", "import", str(tmp_path / "nowhere.csv")).err


def test_a_post_is_held_for_a_time_and_released(comgov: Terminal) -> None:
    address, jean = "secretariat@sante.gov.test", "jean@sante.gov.test"
    assert comgov("post", "add", address, "--title", "Secrétariat").code == 0
    assert comgov("post", "hold", address, jean, "--rights", "manager", "--until", "2999-01-31").code == 0
    assert "manager" in comgov("post", "show", address).out and "2999-01-31" in comgov("post", "show", address).out
    assert jean in comgov("post", "list", "--institution", "sante").out
    assert comgov("post", "release", address, jean).code == 0
    assert comgov("post", "change", address, "--title", "Secrétariat général").code == 0
    assert comgov("post", "disable", address).code == 0
    [row] = json.loads(comgov("post", "list", "--institution", "sante", "--format", "json").out)
    assert (row["title"], row["held_by"], row["closed"]) == ("Secrétariat général", "", True)
    assert comgov("post", "enable", address).code == 0


def test_a_list_is_added_changed_and_closed(comgov: Terminal) -> None:
    address, jean = "tous@sante.gov.test", "jean@sante.gov.test"
    added = comgov("list", "add", address, "--name", "Tous", "--owner", jean, "--member", jean)
    assert added.out == "Added tous@sante.gov.test with 1 member(s).\n"
    assert comgov("person", "add", "claire@sante.gov.test", "--name", "Claire", "--no-password").code == 0
    changed = comgov(
        "list", "change", address, "--posting", "anyone",
        "--add-member", "claire@sante.gov.test", "--remove-member", jean,
    )  # fmt: skip
    assert "posting: anyone" in changed.out
    assert "claire@sante.gov.test" in comgov("list", "show", address).out
    assert comgov("list", "disable", address).code == 0
    assert json.loads(comgov("list", "list", "--institution", "sante", "--format", "json").out)[0]["closed"] is True
    assert comgov("list", "enable", address).code == 0


def test_the_journal_is_verified_exported_and_checked(comgov: Terminal, tmp_path: Path) -> None:
    from comgov.journal.actions import link

    comgov._open(tmp_path, link)
    verified = comgov("journal", "verify").out
    assert "3 entries, 0 waiting" in verified
    head = verified.rpartition("Head: ")[2].strip()
    assert comgov("journal", "verify", "--head", head).code == 0
    another = head[:-1] + ("0" if head[-1] != "0" else "1")
    assert comgov("journal", "verify", "--head", another).code == 1
    assert comgov("journal", "verify", "--head", "nonsense").code == 2

    file = tmp_path / "journal.ndjson"
    assert comgov("journal", "export", str(file)).code == 0
    assert comgov("journal", "export", str(file)).code == 1
    assert comgov("journal", "check", str(file)).code == 0
    file.write_text(file.read_text().replace("sante", "vente"))
    assert comgov("journal", "check", str(file)).code == 1
    file.write_text("not JSON")
    assert comgov("journal", "check", str(file)).code == 1


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [("0", 0), ("500000", 500_000), ("50M", 50 << 20), ("1.5G", 1536 << 20), ("2 TiB", None), ("2TiB", 2 << 40)],
)
def test_sizes_are_read_as_people_write_them(text: str, size_bytes: int | None) -> None:
    if size_bytes is None:
        with pytest.raises(typer.BadParameter):
            parse_size(text)
    else:
        assert parse_size(text) == size_bytes


@pytest.mark.parametrize("text", ["", "-1", "1e9", "G", "1.2345M", "9" * 30, "½G", "٣"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        parse_size(text)


def test_a_table_lines_up_and_its_other_forms_are_exact() -> None:
    rows = [{"name": "Santé, «a\nb»", "size_bytes": 5}, {"name": "財務", "size_bytes": 12_000}]
    assert list(csv.reader(io.StringIO(render(rows, Format.CSV)), strict=True))[1] == ["Santé, «a\nb»", "5"]
    assert json.loads(render(rows, Format.JSON)) == rows
    table = render([{"name": "e\u0301", "size_bytes": 5}, {"name": "財務", "size_bytes": 12}], Format.TABLE)
    assert table == "name  size bytes\ne\u0301              5\n財務          12\n"
    assert render([], Format.CSV, columns=["a", "b"]) == "a,b\r\n"
