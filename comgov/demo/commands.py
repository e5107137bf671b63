"""`comgov demo`: the sample government, and its guided tour."""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path
from typing import Annotated

import aiohttp
import aiosmtplib
import typer
from rich.console import Console

from comgov import node
from comgov.config import load
from comgov.demo.clients import Ports, connect
from comgov.demo.expectation import TourError
from comgov.demo.government import DOMAIN, PASSWORD, PEOPLE, full
from comgov.demo.kill import survive_a_kill
from comgov.demo.process import DemoProcess
from comgov.demo.seed import seed
from comgov.demo.setting import free_ports, write_configuration
from comgov.demo.tour import STOPS

console = Console(highlight=False, soft_wrap=True)

_LAST_STOP = 7


def demo(
    directory: Annotated[
        Path | None, typer.Option("--dir", help="Where its data lies; with --check a new temporary directory.")
    ] = None,
    port_base: Annotated[
        int | None, typer.Option(min=0, max=64000, help="First of its ports: 8000, with --check any free ones.")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Run the guided tour against itself, then leave.")] = False,
    stop: Annotated[list[int] | None, typer.Option(min=1, max=_LAST_STOP, help="Only these stops of the tour.")] = None,
    times: Annotated[int, typer.Option(min=1, max=1000, help="How often to repeat each stop.")] = 1,
) -> None:
    """The sample government, ready to use."""
    if check:
        ports = Ports(base=port_base) if port_base is not None else free_ports()
        raise typer.Exit(_check(directory, ports, stop or list(range(1, _LAST_STOP + 1)), times))
    _serve(directory or Path(".demo"), Ports(base=8000 if port_base is None else port_base))


def _serve(directory: Path, ports: Ports) -> None:
    began = time.monotonic()
    config = load(write_configuration(directory, ports))
    node.run(
        config,
        prepare=seed,
        progress=lambda what: console.print(f"[dim]{time.monotonic() - began:5.1f} s[/dim]  {what} …"),
        ready=lambda: _announce(ports, directory, time.monotonic() - began),
    )


def _announce(ports: Ports, directory: Path, seconds: float) -> None:
    console.print(f"[bold]COMGOV is ready[/bold] (started in {seconds:.1f} s; data in {directory.resolve()})\n")
    console.print(f"  web                http://127.0.0.1:{ports.http}")
    console.print(f"  SMTP relay         127.0.0.1:{ports.relay}")
    console.print(f"  submission         127.0.0.1:{ports.submission} (STARTTLS), {ports.submissions} (TLS)")
    console.print(f"  IMAP               127.0.0.1:{ports.imap} (STARTTLS), {ports.imaps} (TLS)")
    console.print(f"  root certificate   {directory / 'pki' / 'root.pem'}\n")
    console.print(f"Sign in with the password [bold]{PASSWORD}[/bold] as")
    for person in PEOPLE:
        roles = ", ".join(sorted(role.replace("-", " ") for role in person.roles)) or "civil servant"
        console.print(f"  {full(person.address):32} {person.name}, {roles}")
    console.print(f"\nInstitutions are <code>.{DOMAIN}. Ctrl-C stops; what you do here is kept.")


def _check(directory: Path | None, ports: Ports, stops: list[int], times: int) -> int:
    if directory is not None:
        return asyncio.run(_tour(directory, ports, stops, times))
    with tempfile.TemporaryDirectory(prefix="comgov-tour-", ignore_cleanup_errors=True) as temporary:
        Path(temporary).chmod(0o755)  # PostgreSQL runs as another user when this is root
        return asyncio.run(_tour(Path(temporary), ports, stops, times))


async def _tour(directory: Path, ports: Ports, stops: list[int], times: int) -> int:
    demo_process = DemoProcess(directory, ports)
    failed = 0
    try:
        with console.status("Starting the sample government …"):
            await demo_process.start()
        for number in stops:
            for _ in range(times):
                failed += not await _visit(number, demo_process)
    finally:
        demo_process.stop()
    console.print("[green]Every claim holds.[/green]" if not failed else f"[red]{failed} did not hold.[/red]")
    return 1 if failed else 0


async def _visit(number: int, demo_process: DemoProcess) -> bool:
    began = time.monotonic()
    title, detail = _title(number), ""
    try:
        with console.status(f"{number}. {title} …"):
            if number == _LAST_STOP:
                detail = f" ({await survive_a_kill(demo_process)})"
            else:
                async with connect(demo_process.ports, demo_process.directory) as clients:
                    await STOPS[number].step(clients)
    except (TourError, aiosmtplib.SMTPException, aiohttp.ClientError, OSError) as error:
        console.print(f"[red]✗[/red] {number}. {title}: {error} [dim]{time.monotonic() - began:.1f} s[/dim]")
        return False
    console.print(f"[green]✓[/green] {number}. {title}{detail} [dim]{time.monotonic() - began:.1f} s[/dim]")
    return True


def _title(number: int) -> str:
    return STOPS[number].title if number in STOPS else "Killed while sending, nothing acknowledged is lost"
