"""The program from outside: its commands, their sentences and exit codes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from typer.core import TyperGroup
from typer.main import get_group

from comgov import cli
from comgov.config import load

pytestmark = pytest.mark.xdist_group("command line")

ROOT = Path(__file__).parents[2]
_USAGE_LINES = 4  # how it is used, where there is help, what was wrong
FIRST = ["--administrator", "admin@setic.gov.bi", "--name", "Ada Nimubona", "--institution", "SETIC"]


@pytest.fixture(scope="module")
def server_directory() -> Iterator[Path]:
    """A server made by `comgov init`, not running."""
    with TemporaryDirectory(prefix="comgov-cli-", ignore_cleanup_errors=True) as made:
        directory = Path(made)
        directory.chmod(0o755)
        (directory / "password").write_text("une phrase assez longue\n")
        done = comgov(
            *("init", str(directory / "server"), "--administrator", "admin@setic.gov.bi", "--name", "Ada Nimubona"),
            *("--institution", "SETIC", "--hostname", "localhost", "--password-file", str(directory / "password")),
        )
        assert done.returncode == 0, done.stderr
        yield directory / "server"


def run_here(arguments: list[str]) -> int:
    """Run the program in this process; gives its exit code."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sys, "argv", ["comgov", *arguments])
        patched.setattr(cli, "set_up_logs", lambda _level: None)  # other tests' logs stay as they are
        with pytest.raises(SystemExit) as left:
            cli.main()
    return int(left.value.code or 0)


def comgov(*arguments: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    """Run the program as a shell would."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", "comgov", *arguments],
        capture_output=True, text=True, check=False, timeout=timeout, env=environment,
    )  # fmt: skip


def test_a_second_administrator_is_not_made_by_init(server_directory: Path) -> None:
    done = comgov(
        *("init", str(server_directory), "--administrator", "autre@setic.gov.bi", "--name", "Autre"),
        *("--institution", "SETIC", "--password-file", str(server_directory.parent / "password")),
    )
    assert done.returncode == 1
    assert done.stderr == "This platform has an administrator already.\n"


def test_app_passwords_are_listed_and_revoked(server_directory: Path) -> None:
    asked = ("admin@setic.gov.bi", "--config", str(server_directory / "comgov.toml"))
    listed = comgov("person", "app-passwords", *asked, "--format", "csv")
    assert (listed.returncode, listed.stdout) == (0, "id,device,made,used,used_for,used_from\n"), listed.stderr
    revoked = comgov("person", "revoke", *asked)
    assert (revoked.returncode, revoked.stdout) == (0, "0 revoked.\n"), revoked.stderr
    unknown = comgov("person", "revoke", *asked, "--id", "7")
    assert (unknown.returncode, unknown.stderr) == (1, "There is no such app password, or it is revoked already.\n")


def test_init_makes_the_first_administrator_postmaster(server_directory: Path) -> None:
    assert load(server_directory / "comgov.toml").mail.postmaster == "admin@setic.gov.bi"


@pytest.mark.parametrize(
    ("address", "password"),
    [("admin@setic.gov.bi", "court"), ("a b@setic.gov.bi", "une phrase assez longue"), ("admin@bi", "longue phrase")],
)
def test_an_init_that_cannot_be_leaves_nothing(tmp_path: Path, address: str, password: str) -> None:
    (tmp_path / "password").write_text(password)
    done = comgov(
        *("init", str(tmp_path / "server"), "--administrator", address, "--name", "Ada Nimubona"),
        *("--institution", "SETIC", "--password-file", str(tmp_path / "password")),
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "server").exists()


def test_the_doctor_finds_a_new_server_well(server_directory: Path) -> None:
    done = comgov("doctor", "--config", str(server_directory / "comgov.toml"))
    assert done.returncode == 0, done.stdout
    parts = [line.split()[1] for line in done.stdout.splitlines()]
    assert {"database", "storage", "disk", "clock", "certificates", "ports", "queue"} <= set(parts)


def test_a_configuration_with_faults_names_them_all_and_exits_2(tmp_path: Path) -> None:
    path = tmp_path / "comgov.toml"
    path.write_text("[server]\nworkers = 0\nhostnam = 'x'\n[log]\nlevel = 'loud'\n")
    done = comgov("serve", "--config", str(path))
    assert done.returncode == 2
    assert done.stderr.startswith(f"{path}: 3 faults\n")
    assert all(key in done.stderr for key in ("server.workers", "server.hostnam", "log.level"))


def test_a_taken_port_is_one_clear_sentence(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = comgov("demo", "--dir", str(tmp_path / "demo"), "--port-base", str(port - 80))
    assert done.returncode == 1
    assert done.stderr == (
        f"Port {port} on 127.0.0.1 (http) is taken: stop the program that listens there, or choose another port.\n"
    )


@pytest.fixture
def odd_files(tmp_path: Path) -> Path:
    """A directory of what nobody means to give to a command."""
    (tmp_path / "directory").mkdir()
    (tmp_path / "empty").touch()
    (tmp_path / "junk").write_bytes(bytes(range(256)) * 100)
    (tmp_path / "deep").write_text("[" * 100_000)
    return tmp_path


ODD = ["empty", "junk", "deep", "x" * 300, "/proc/self/mem"]
NOTHING = ["missing", "directory"]
INIT = ["init", "FILE/server", "--password-file", "KNOWN", *FIRST]  # which is at home where there is nothing


@pytest.mark.parametrize(
    ("command", "name"),
    [
        *(
            pytest.param(command, name, id=f"{' '.join(command)}-{name}")
            for command in (
                ["journal", "check", "FILE"],
                ["register", "verify", "FILE"],
                ["register", "verify", "KNOWN", "--trust", "FILE"],
                ["dossier", "verify", "FILE", "--trust", "FILE"],
                ["dossier", "verify", "KNOWN", "--trust", "FILE"],
                ["serve", "--config", "FILE/comgov.toml"],
                ["institution", "list", "--config", "FILE/comgov.toml"],
            )
            for name in (*NOTHING, *ODD)
        ),
        *(pytest.param(INIT, name, id=f"init-{name}") for name in ODD),
    ],
)
def test_odd_files_are_refused_in_a_sentence(
    odd_files: Path, command: list[str], name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    known = odd_files / "known"
    known.write_text("une phrase assez longue\n")
    arguments = [word.replace("FILE", str(odd_files / name)).replace("KNOWN", str(known)) for word in command]
    code = run_here(arguments)
    printed, complained = capfd.readouterr()
    assert code in (1, 2)
    assert "Traceback" not in printed + complained
    assert printed.startswith("INVALID:") or 0 < len(complained.splitlines()) <= _USAGE_LINES


@pytest.mark.parametrize("arguments", [["--help"], ["institution", "list"], ["doctor"]])
def test_output_that_cannot_be_written_is_told_in_a_sentence(server_directory: Path, arguments: list[str]) -> None:
    configuration = [] if arguments == ["--help"] else ["--config", str(server_directory / "comgov.toml")]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "comgov", *arguments, *configuration],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False, cwd=ROOT,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, "No space left on device.\n")


INTERRUPTED = """
import os, signal, sys
from comgov.__main__ import main

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job is born deaf to it

class Interrupt:
    def find_spec(self, name, *_):
        if name == "comgov.cli":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupt())
main()
"""


def test_a_ctrl_c_while_the_program_is_loaded_ends_it_without_a_word() -> None:
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, check=False, cwd=ROOT)
    assert (done.returncode, done.stderr) == (-signal.SIGINT, b"")


@pytest.mark.parametrize("arguments", [["fly"], ["serve", "--workers", "none"], ["demo", "--stop", "9"]])
def test_bad_usage_exits_2(arguments: list[str]) -> None:
    done = comgov(*arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def _commands(group: TyperGroup, *names: str) -> Iterator[list[str]]:
    """Each command of the program, by its words."""
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from _commands(command, *names, name)
        else:
            yield [*names, name]


@pytest.mark.parametrize("words", list(_commands(get_group(cli.program))), ids=" ".join)
def test_every_command_helps_with_an_example(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run_here([*words, "--help"]) == 0
    assert f"Example: comgov {' '.join(words)}" in capsys.readouterr().out
