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
from comgov.institutions.model import check_name
from comgov.language import N_
from comgov.people import actions as people
from comgov.people.model import check_address, check_password


@dataclass(frozen=True, kw_only=True)
class FirstAdministrator:
    """address: whose domain becomes that of the first institution; institution: its name."""

    address: str
    name: str
    institution: str
    password: str


def initialise(directory: Path, hostname: str, administrator: FirstAdministrator) -> Path:
    """Make the server in `directory`; gives the path of its configuration.

    A start that was cut goes on where it was. Raises Conflict when the server has an administrator already; Invalid,
    before anything is written, for an address, a name or a password that cannot be.
    """
    local_part, domain = check_address(administrator.address)
    check_password(administrator.password, address=administrator.address, name=check_name(administrator.name))
    path = directory / "comgov.toml"
    if not path.exists():
        text = _configuration(hostname, local_part, domain)
        directory.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
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


def _configuration(hostname: str, local_part: str, domain: str) -> str:
    """local_part, domain: the first administrator's address."""
    address = f"{local_part}@{domain}"
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

[mail]
postmaster = {json.dumps(address)}
"""
