"""The supervisor, with real processes: a worker that only says its number and process id to whoever connects."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from comgov.supervisor import Listen, PortTakenError, open_ports

NODE = """
import os, select, signal, socket, sys
from comgov.supervisor import Listen, Supervisor, open_ports

def work(sockets, life):
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    listening = sockets["echo"]
    while True:
        ready, _, _ = select.select([listening, life], [], [])
        if life in ready:
            return
        connection, _ = listening.accept()
        connection.sendall(str(os.getpid()).encode())
        connection.close()

port = int(sys.argv[1])
Supervisor(open_ports({"echo": Listen("127.0.0.1", port)}, 2), work).run()
"""


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
def node(port: int) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", NODE, str(port)], stderr=subprocess.DEVNULL)
    _until(lambda: len(_pids(port)) == 2)
    yield process
    process.kill()
    process.wait()


def test_two_workers_share_a_port(node: subprocess.Popen[bytes], port: int) -> None:
    assert node.pid not in _pids(port)


def test_a_dead_worker_is_replaced(node: subprocess.Popen[bytes], port: int) -> None:
    before = _pids(port)
    os.kill(min(before), signal.SIGKILL)
    _until(lambda: len(_pids(port) - before) == 1)


def test_sigterm_ends_every_worker(node: subprocess.Popen[bytes], port: int) -> None:
    pids = _pids(port)
    node.terminate()
    assert node.wait(timeout=5) == 0
    assert not any(_is_alive(pid) for pid in pids)


def test_workers_leave_when_their_parent_was_killed(node: subprocess.Popen[bytes], port: int) -> None:
    pids = _pids(port)
    node.kill()
    _until(lambda: not any(_is_alive(pid) for pid in pids))


def test_a_taken_port_is_refused_though_it_allows_sharing(port: int) -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        with pytest.raises(PortTakenError, match=f"Port {port} on 127.0.0.1 .http. is taken"):
            open_ports({"http": Listen("127.0.0.1", port)}, 1)


def _pids(port: int) -> set[int]:
    """Who answers, over enough connections for every worker to have its turn."""
    found = set()
    for _ in range(40):
        with suppress(ConnectionError), socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            found.add(int(connection.recv(20)))
    return found


def _is_alive(pid: int) -> bool:
    try:
        with Path(f"/proc/{pid}/stat").open() as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _until(condition: object, patience: float = 10.0) -> None:
    assert callable(condition)
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)
