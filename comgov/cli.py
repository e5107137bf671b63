"""The command line: the server's own commands, and those that each room brings."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from comgov import app, config, node
from comgov.command import DEFAULT_CONFIG, ConfigOption
from comgov.config import ConfigError
from comgov.db import MigrationError
from comgov.demo.commands import demo
from comgov.errors import ComgovError
from comgov.feature import Platform
from comgov.postgres import EmbeddedPostgresError
from comgov.supervisor import PortTakenError

T = TypeVar("T")

program = typer.Typer(
    name="comgov",
    help="Mail, files and signed dossiers between public institutions, in one server.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

_SENTENCES = (ComgovError, ConfigError, EmbeddedPostgresError, MigrationError, PortTakenError)


def main() -> None:
    """Run the command line; an error is one sentence on standard error, exit 1 (2 on bad usage)."""
    try:
        program()
    except ConfigError as error:
        _fail(error, 2)
    except _SENTENCES as error:
        _fail(error, 1)


def _fail(error: Exception, code: int) -> None:
    text = error.public.format(**error.values) if isinstance(error, ComgovError) else str(error)
    typer.echo(text, err=True)
    sys.exit(code)


@program.callback()
def _open(context: typer.Context) -> None:
    context.obj = _on_platform


def _on_platform(path: Path, work: Callable[[Platform], Awaitable[T]]) -> T:
    settings = config.load(path)

    async def run(url: str) -> T:
        async with app.open_platform(settings, url) as platform:
            return await work(platform)

    with node.database_for_command(settings) as url:
        return asyncio.run(run(url))


@program.command(epilog="Example: comgov serve --config /etc/comgov/comgov.toml --workers 4")
def serve(
    path: ConfigOption = DEFAULT_CONFIG,
    workers: Annotated[int | None, typer.Option(min=1, max=64, help="Instead of the file's server.workers.")] = None,
) -> None:
    """Run the server until it is told to stop (SIGTERM, or Ctrl-C)."""
    settings = config.load(path)
    if workers:
        server = settings.server.model_copy(update={"workers": workers})
        settings = settings.model_copy(update={"server": server})
    node.run(settings)


program.command(epilog="Example: comgov demo --check")(demo)

for _feature in app.FEATURES:
    for _commands in _feature.commands:
        program.add_typer(_commands)
