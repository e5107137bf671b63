"""`comgov space`: how full spaces are, and how full they may get."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from comgov.command import DEFAULT_CONFIG, ConfigOption, on_platform, operator, parse_size
from comgov.files.actions import spaces
from comgov.table import Cell, record
from comgov.web.formats import filesize

if TYPE_CHECKING:
    from comgov.feature import Platform
    from comgov.files.model import Quota, Space

space = typer.Typer(
    name="space", help="Spaces of files: how full they are, how full they may get.", no_args_is_help=True
)

_Owner = Annotated[str, typer.Argument(help="The address of a person, or the code of an institution.")]


@space.command(epilog="Example: comgov space show claire@sante.gov.test")
def show(context: typer.Context, owner: _Owner, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Show how full the space of a person or an institution is."""
    _show(owner, *on_platform(context, config, lambda platform: spaces.owned(platform, operator(), owner)))


@space.command(epilog="Example: comgov space quota claire@sante.gov.test 20G")
def quota(
    context: typer.Context,
    owner: _Owner,
    size: Annotated[str, typer.Argument(help="Bytes, or with K, M, G, T; “usual” for the configured quota.")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Say how much a space may hold."""
    quota_bytes = None if size == "usual" else parse_size(size)

    async def change(platform: Platform) -> tuple[Space, Quota]:
        found, _ = await spaces.owned(platform, operator(), owner)
        await spaces.set_quota(platform, operator(), found.id, quota_bytes)
        return await spaces.owned(platform, operator(), owner)

    _show(owner, *on_platform(context, config, change))


def _show(owner: str, found: Space, held: Quota) -> None:
    row: dict[str, Cell] = {
        "space": owner,
        "files": found.files,
        "used": filesize(held.space_used_bytes, "en"),
        "quota": filesize(held.space_bytes, "en"),
        "used_by_institution": filesize(held.institution_used_bytes, "en"),
        "quota_of_institution": filesize(held.institution_bytes, "en"),
    }
    print(record(row), end="")
