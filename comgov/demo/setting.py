"""Where a demo runs: its directory, its ports, its configuration."""

from __future__ import annotations

import json
import random
import socket
from pathlib import Path

from comgov.demo.clients import Ports
from comgov.demo.government import DOMAIN, PEOPLE, full

_OFFSETS = (25, 80, 143, 465, 587, 993)
# Below the ports that Linux gives to outgoing connections, which come and go; apart by what no two offsets are apart,
# nor a multiple of it, so that no port belongs to two bases.
_BASES = range(10_000, 31_500, 19)
_TRIES = 200
_reserved: list[socket.socket] = []


def write_configuration(directory: Path, ports: Ports) -> Path:
    """Write the demo's configuration, with these ports; gives its path."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "comgov.toml"
    path.write_text(
        f"""\
# Written by `comgov demo` at each start.
[server]
data = "data"
hostname = "localhost"
workers = 2
http = {{ port = {ports.http} }}

[institutions]
domain = {json.dumps(DOMAIN)}

[mail]
postmaster = {json.dumps(full(PEOPLE[0].address))}
relay = {{ port = {ports.relay} }}
submission = {{ port = {ports.submission} }}
submissions = {{ port = {ports.submissions} }}
imap = {{ port = {ports.imap} }}
imaps = {{ port = {ports.imaps} }}

[log]
level = "warning"
""",
        encoding="utf-8",
    )
    return path


def free_ports() -> Ports:
    """A base all of whose ports are free, and which nobody else is given while this process lives: ports are bound a
    while after they are chosen, and again after a restart."""
    for base in random.sample(_BASES, _TRIES):
        if all(_is_free(base + offset) for offset in _OFFSETS) and _reserve(base):
            return Ports(base=base)
    raise OSError("no free ports were found on 127.0.0.1; name their first with --port-base")


def _reserve(base: int) -> bool:
    """Take the port of the base itself, which serves nothing."""
    sign = socket.socket()
    try:
        sign.bind(("127.0.0.1", base))
    except OSError:
        sign.close()
        return False
    _reserved.append(sign)
    return True


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
