"""The program from outside: its commands, their sentences and exit codes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from comgov.config import load

pytestmark = pytest.mark.xdist_group("command line")

ROOT = Path(__file__).parents[2]


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


@pytest.mark.parametrize("arguments", [["fly"], ["serve", "--workers", "none"], ["demo", "--stop", "9"]])
def test_bad_usage_exits_2(arguments: list[str]) -> None:
    done = comgov(*arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["init", "serve", "doctor", "demo"])
def test_every_command_helps_with_an_example(command: str) -> None:
    done = comgov(command, "--help")
    assert done.returncode == 0
    assert f"Example: comgov {command}" in done.stdout
