"""The processes of a running node, found and weighed."""

from __future__ import annotations

import sys
from pathlib import Path

from comgov.demo.process import DemoProcess


def postmaster(demo: DemoProcess) -> int:
    """PostgreSQL's first process, by its own file."""
    pid = demo.directory / "data" / "postgres" / "data" / "postmaster.pid"
    return int(pid.read_text().split("\n", 1)[0])


def workers(parent: int) -> list[int]:
    """The Python children of that process which are alive."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [pid for pid in map(int, children) if _is_python(pid)]


def pss_bytes(pid: int) -> int:
    """What a process holds, memory that it shares counted by its part."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return next(int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith("Pss:"))


def most_mib(demo: DemoProcess) -> int:
    """What the largest worker holds."""
    return max(map(pss_bytes, workers(demo.pid))) >> 20


def _is_python(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().startswith(sys.executable.encode())
    except (FileNotFoundError, ProcessLookupError):  # gone between the listing and the look
        return False
