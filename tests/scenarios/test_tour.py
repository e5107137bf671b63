"""The guided tour, as `comgov demo --check` walks it: the main job on the real server, through the real protocols."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_claim_of_the_tour_holds() -> None:
    done = _tour()
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line[:4] for line in done.stdout.splitlines()[:7]] == [f"✓ {number}." for number in range(1, 8)]


def _tour(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "comgov", "demo", "--check", *arguments],
        capture_output=True, text=True, check=False, timeout=600, cwd=ROOT,
    )  # fmt: skip
