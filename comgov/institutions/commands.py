"""`comgov institution`: the tree, from the command line."""

from __future__ import annotations

from typing import Annotated

import typer

from comgov.command import DEFAULT_CONFIG, ConfigOption, SizeOption, on_platform, operator
from comgov.institutions import actions
from comgov.institutions.model import Branch, Institution, Kind
from comgov.table import Cell, Format, record, render

institution = typer.Typer(
    name="institution", help="Institutions: the State, its ministries, their services.", no_args_is_help=True
)

_Code = Annotated[str, typer.Argument(help="The label of its mail domain, such as sante.")]
_Parent = Annotated[str | None, typer.Option(help="The code of the institution above it.")]
_Province = Annotated[str | None, typer.Option(help="Where it is.")]
_NameEn = Annotated[str | None, typer.Option("--name-en", help="Its name in English.")]


@institution.command(
    epilog="Example: comgov institution add sante --name 'Ministère de la Santé publique' --parent etat"
)
def add(
    context: typer.Context,
    code: _Code,
    name: Annotated[str, typer.Option(help="Its name in French.")],
    name_en: _NameEn = None,
    kind: Annotated[Kind, typer.Option(help="What it is.")] = Kind.MINISTRY,
    province: _Province = None,
    parent: _Parent = None,
    domain: Annotated[str | None, typer.Option(help="Its mail domain, if not <code>.<institutions.domain>.")] = None,
    quota_bytes: SizeOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Add an institution."""
    added = on_platform(
        context,
        config,
        lambda platform: actions.add(
            platform,
            operator(),
            code=code,
            name_fr=name,
            name_en=name_en or "",
            kind=kind,
            province=province or "",
            parent=parent,
            domain=domain,
            quota_bytes=quota_bytes,
        ),
    )
    print(f"Added {added.code}, with the mail domain {added.domain}.")


@institution.command("list", epilog="Example: comgov institution list --format csv > institutions.csv")
def list_(
    context: typer.Context,
    style: Annotated[Format, typer.Option("--format", help="For people or for programs.")] = Format.TABLE,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Show the tree: each institution after the one above it."""
    branches = on_platform(context, config, actions.everyone)
    print(render([_row(branch, style) for branch in branches], style, columns=_COLUMNS), end="")


@institution.command(epilog="Example: comgov institution show sante")
def show(context: typer.Context, code: _Code, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Show all that is known of an institution."""
    _show(on_platform(context, config, lambda platform: actions.get(platform, code)))


@institution.command(epilog="Example: comgov institution change sante --quota 500G --province Gitega")
def change(
    context: typer.Context,
    code: _Code,
    name: Annotated[str | None, typer.Option(help="Its name in French.")] = None,
    name_en: _NameEn = None,
    kind: Annotated[Kind | None, typer.Option(help="What it is.")] = None,
    province: _Province = None,
    parent: Annotated[str | None, typer.Option(help="The code of the institution above it; '' for the top.")] = None,
    quota_bytes: SizeOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Change what is given and leave the rest. Code and domain never change."""
    _show(
        on_platform(
            context,
            config,
            lambda platform: actions.change(
                platform,
                operator(),
                code,
                name_fr=name,
                name_en=name_en,
                kind=kind,
                province=province,
                parent=parent,
                quota_bytes=quota_bytes,
            ),
        )
    )


@institution.command(epilog="Example: comgov institution disable sante")
def disable(context: typer.Context, code: _Code, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Suspend an institution: nobody of it signs in, nothing of it is lost."""
    on_platform(context, config, lambda platform: actions.suspend(platform, operator(), code))
    print(f"{code} is suspended.")


@institution.command(epilog="Example: comgov institution enable sante")
def enable(context: typer.Context, code: _Code, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Let a suspended institution work again."""
    on_platform(context, config, lambda platform: actions.resume(platform, operator(), code))
    print(f"{code} is active.")


_COLUMNS = ("code", "name", "kind", "province", "domain", "state", "quota_bytes")


def _row(branch: Branch, style: Format) -> dict[str, Cell]:
    found = branch.institution
    indent = "  " * branch.depth if style is Format.TABLE else ""
    return {
        "code": indent + found.code,
        "name": found.name_fr,
        "kind": found.kind.value,
        "province": found.province,
        "domain": found.domain,
        "state": found.state.value,
        "quota_bytes": found.quota_bytes,
    }


def _show(found: Institution) -> None:
    print(record({**_row(Branch(found, 0), Format.CSV), "name_en": found.name_en}), end="")
