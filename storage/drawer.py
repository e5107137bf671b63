"""The names of drawers, which become folders and prefixes of keys."""

from __future__ import annotations

import re

_NAME = re.compile(r"[a-z]{3,20}")


def check_drawer(name: str) -> str:
    """The name, if a drawer may have it; ValueError otherwise. Two letters could be a folder of blobs."""
    if not _NAME.fullmatch(name) or name == "incoming":
        raise ValueError(f"a drawer's name is 3 to 20 lower-case letters, not {name!r}")
    return name
