"""Logs: one JSON object a line, and never the reason that something fails."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

LOGGING = """
import logging, structlog
from comgov.logs import set_up_logs
set_up_logs("info")
structlog.get_logger().info("mail.taken", count=1)
logging.getLogger("library").warning("an odd thing")
print("went on")
"""


def test_an_event_is_a_json_object_on_a_line() -> None:
    done = subprocess.run([sys.executable, "-c", LOGGING], capture_output=True, text=True, check=True)
    own, library = (json.loads(line) for line in done.stderr.splitlines())
    assert (own["event"], own["count"], own["level"]) == ("mail.taken", 1, "info")
    assert (library["event"], library["logger"]) == ("an odd thing", "library")


def test_a_full_disk_under_the_log_stops_nothing() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", LOGGING], stdout=subprocess.PIPE, stderr=full, text=True, check=False
        )
    assert done.stdout == "went on\n"
