"""What a room's `commands.py` needs: the platform, opened from the configuration that the command line names.

How it is opened is known above (`cli` puts it in the context), so that a room's commands stay in its room:

    @institution.command("show")
    def show(context: typer.Context, code: str, config: ConfigOption = DEFAULT_CONFIG) -> None:
        found = on_platform(context, config, lambda platform: actions.show(platform, operator(), code))
        print(found.name)
"""

from __future__ import annotations

import getpass
import re
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Protocol, TypeVar

import typer

from comgov.actor import Actor, console
from comgov.errors import Invalid
from comgov.feature import Platform

T = TypeVar("T")

DEFAULT_CONFIG = Path("comgov.toml")
ConfigOption = Annotated[
    Path,
    typer.Option("--config", "-c", envvar="COMGOV_CONFIG", help="The server's configuration.", show_default=True),
]


class Opener(Protocol):
    """Opens the platform that a configuration describes, runs the work on it and closes it."""

    def __call__(self, config: Path, work: Callable[[Platform], Awaitable[T]]) -> T: ...


def on_platform(context: typer.Context, config: Path, work: Callable[[Platform], Awaitable[T]]) -> T:
    """What `work` gives, on the platform of that configuration, whether or not its server runs."""
    opener: Opener = context.find_root().obj
    return opener(config, work)


def operator() -> Actor:
    """Who types this command, for the journal."""
    return console(getpass.getuser())


def plain(text: object) -> str:
    """A stranger's text for the terminal: whatever could move the cursor or hide what follows is written as escapes."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in str(text))


def read_password(file: Path | None) -> str:
    """The first line of that file, without its line end; asked twice on the terminal when there is no file."""
    if file is None:
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    try:
        with file.open(encoding="utf-8") as stream:
            return stream.readline(1000).rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid("The password file {file} cannot be read as text.", file=file, reason=str(error)) from error


def parse_size(text: str) -> int:
    """Bytes of a size such as `500000`, `50M` or `1.5G`; K, M, G, T are powers of 1024."""
    plain = text.strip().lower().removesuffix("ib").removesuffix("b")
    match = re.fullmatch(r"(\d{1,15}(?:\.\d{1,3})?)([kmgt]?)", plain, re.ASCII)
    if match is None:
        raise typer.BadParameter(f"{text!r} is not a size such as 500000, 50M or 1.5G")
    return int(Decimal(match[1]) * 1024 ** " kmgt".index(match[2] or " "))


SizeOption = Annotated[
    int | None, typer.Option("--quota", parser=parse_size, metavar="SIZE", help="Bytes, or with K, M, G, T.")
]
