"""The command line: the server's own commands, and those that each room brings."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from comgov import app, config, node
from comgov.command import DEFAULT_CONFIG, ConfigOption, read_password
from comgov.config import ConfigError
from comgov.db import MigrationError
from comgov.demo.commands import demo
from comgov.doctor import examine
from comgov.errors import ComgovError
from comgov.feature import Platform
from comgov.logs import set_up_logs
from comgov.postgres import EmbeddedPostgresError
from comgov.setup import FirstAdministrator, initialise
from comgov.supervisor import PortTakenError
from storage import StorageError

T = TypeVar("T")

program = typer.Typer(
    name="comgov",
    help="Mail, files and signed dossiers between public institutions, in one server.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

_SENTENCES = (EmbeddedPostgresError, MigrationError, PortTakenError, StorageError)


def main() -> None:
    """Run the command line; an error is one sentence on standard error, exit 1 (2 on bad usage)."""
    try:
        _run()
    except ConfigError as error:
        _fail(str(error), 2)
    except ComgovError as error:
        _fail(_one_line(error.public.format(**error.values)), 1)
    except _SENTENCES as error:
        _fail(_one_line(str(error)), 1)
    except OSError as error:
        what = error.strerror or str(error)
        _fail(_one_line(f"{error.filename}: {what}." if error.filename else f"{what}."), 1)


def _run() -> None:
    try:
        program()
    finally:
        try:
            sys.stdout.flush()
        except OSError:  # a full disk, a closed pipe: nothing more is written there, not even at exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise


def _one_line(text: str) -> str:
    return " ".join(text.splitlines())


def _fail(text: str, code: int) -> None:
    typer.echo(text, err=True)
    sys.exit(code)


@program.callback()
def _open(context: typer.Context) -> None:
    set_up_logs("warning")  # a command says itself what it did; a server goes by its configuration
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


@program.command(epilog="Example: comgov init /var/lib/comgov --administrator admin@setic.gov.bi")
def init(
    directory: Annotated[Path, typer.Argument(help="Where the configuration and all data will lie.")],
    administrator: Annotated[str, typer.Option(prompt="Address of the first administrator")],
    name: Annotated[str, typer.Option(prompt="Their name")],
    institution: Annotated[str, typer.Option(prompt="The name of their institution")],
    hostname: Annotated[str, typer.Option(help="The name peers know the server by.")] = socket.getfqdn(),
    password_file: Annotated[Path | None, typer.Option(help="Holds the password; asked for otherwise.")] = None,
) -> None:
    """Make a new server: configuration, database, keys and first administrator."""
    first = FirstAdministrator(
        address=administrator, name=name, institution=institution, password=read_password(password_file)
    )
    path = initialise(directory, hostname, first)
    typer.echo(f"The server is made. Start it with: comgov serve --config {path}")


@program.command(epilog="Example: comgov doctor --config /var/lib/comgov/comgov.toml")
def doctor(path: ConfigOption = DEFAULT_CONFIG) -> None:
    """Look at database, storage, disk, clock, ports: a line each, exit 1 on any fault."""
    settings = config.load(path)

    async def run(url: str) -> bool:
        is_well = True
        async with aclosing(examine(settings, url)) as findings:
            async for finding in findings:
                typer.echo(f"{'ok    ' if finding.is_well else 'FAULT '} {finding.part:12} {finding.sentence}")
                is_well &= finding.is_well
        return is_well

    with node.database_for_command(settings) as url:
        if not asyncio.run(run(url)):
            raise typer.Exit(1)


program.command(epilog="Example: comgov demo --check")(demo)

for _feature in app.FEATURES:
    for _commands in _feature.commands:
        program.add_typer(_commands)
