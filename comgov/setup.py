"""A new server: its configuration, its database, its first administrator."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path

from comgov import app, config, node
from comgov.command import operator
from comgov.errors import Conflict
from comgov.feature import Platform
from comgov.language import N_
from comgov.people import actions as people


@dataclass(frozen=True, kw_only=True)
class FirstAdministrator:
    """address: whose domain becomes that of the first institution; institution: its name."""

    address: str
    name: str
    institution: str
    password: str


def initialise(directory: Path, hostname: str, administrator: FirstAdministrator) -> Path:
    """Make the server in `directory`; gives the path of its configuration.

    A start that was cut goes on where it was. Raises Conflict when the server has an administrator already.
    """
    path = directory / "comgov.toml"
    directory.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.write_text(_configuration(hostname, administrator.address), encoding="utf-8")
    settings = config.load(path)

    async def add(platform: Platform) -> None:
        await people.add_first_administrator(
            platform,
            operator(),
            administrator.address,
            administrator.name,
            administrator.password,
            institution=administrator.institution,
        )

    with node.database_for_command(settings) as url:
        asyncio.run(app.prepare(settings, url, add))
    return path


def _configuration(hostname: str, address: str) -> str:
    _, _, domain = address.rpartition("@")
    _, dot, parent = domain.partition(".")
    if not dot:
        raise Conflict(N_("{address} has no institution's domain, such as admin@setic.gov.bi."), address=address)
    return f"""\
# Made by `comgov init`. deploy/comgov.toml explains every key; what is not here has its default.
[server]
data = "data"
hostname = {json.dumps(hostname)}

[institutions]
domain = {json.dumps(parent)}
"""
