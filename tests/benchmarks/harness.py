"""Comparing ours with a peer fairly on a machine that others use too: side by side, round by round.

A benchmark is a module of this folder with an asynchronous context manager `contests(folder)`, which sets everything
up under `folder` (servers, files, clients) and gives the contests. Every contestant of a contest is called once a
round, in an order that turns and turns back, so that a slow minute of the machine falls on all and nobody always comes
after the same one. The medians are compared, and each round of ours with the peer's of the same round: the second holds
when the machine itself grows faster or slower meanwhile. The first round warms caches and does not count.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import statistics
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Measure:
    """figure: in the contest's unit. cpu_milliseconds: of the server's processor time, for each thing done."""

    figure: float
    cpu_milliseconds: float | None = None


Round = Callable[[], Awaitable[float | Measure]]
"""Does the work once; gives the figure, in the contest's unit."""

Contests = Callable[[Path], AbstractAsyncContextManager[Sequence["Contest"]]]
"""What a benchmark module calls `contests`."""


@dataclass(frozen=True, kw_only=True)
class Contest:
    """One thing done by ours and by peers.

    unit: "s", "ms", "MiB" and "KiB" are costs, where less is better; "/s" and "MiB/s" are rates.
    contestants: by name, ours first.
    """

    name: str
    unit: Literal["s", "ms", "MiB", "KiB", "/s", "MiB/s"]
    contestants: Mapping[str, Round]


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What one contestant did: in the contest's unit, without the warm-up round."""

    contestant: str
    rounds: Sequence[float]
    cpu_milliseconds: Sequence[float] = ()

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)

    @property
    def median_cpu_milliseconds(self) -> float | None:
        return statistics.median(self.cpu_milliseconds) if self.cpu_milliseconds else None


_COSTS = {"s", "ms", "MiB", "KiB"}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A contest that was held; the first figures are ours."""

    name: str
    unit: str
    figures: Sequence[Figures]

    def times(self, peer: Figures) -> float:
        """How many times as good as this peer ours is, by medians: above 1 ours is ahead."""
        return self._ratio(self.figures[0].median, peer.median)

    def times_by_round(self, peer: Figures) -> list[float]:
        """The same for each round by itself."""
        return [self._ratio(*both) for both in zip(self.figures[0].rounds, peer.rounds, strict=True)]

    def _ratio(self, ours: float, theirs: float) -> float:
        return theirs / ours if self.unit in _COSTS else ours / theirs


async def hold(contest: Contest, rounds: int) -> Outcome:
    """Every contestant, `rounds` times after a warm-up."""
    measures: dict[str, list[Measure]] = {name: [] for name in contest.contestants}
    names = list(contest.contestants)
    for number in range(rounds + 1):
        for name in _order(names, number):
            measure = await contest.contestants[name]()
            if number:
                measures[name].append(measure if isinstance(measure, Measure) else Measure(measure))
    return Outcome(
        name=contest.name,
        unit=contest.unit,
        figures=[_figures(name, found) for name, found in measures.items()],
    )


def _order(names: Sequence[str], number: int) -> Sequence[str]:
    turns, first = divmod(number, len(names))
    order = [*names[first:], *names[:first]]
    return order[::-1] if turns % 2 else order


def _figures(contestant: str, measures: Sequence[Measure]) -> Figures:
    return Figures(
        contestant=contestant,
        rounds=[measure.figure for measure in measures],
        cpu_milliseconds=[m.cpu_milliseconds for m in measures if m.cpu_milliseconds is not None],
    )


async def hold_all(contests: Contests, folder: Path, rounds: int) -> AsyncIterator[Outcome]:
    """Each contest of a benchmark, one after the other."""
    async with contests(folder) as found:
        for contest in found:
            yield await hold(contest, rounds)


def show(outcomes: Sequence[Outcome], title: str) -> None:
    """A table: median, range, and how many times as good as each peer ours is, by medians and by rounds."""
    table = Table(title=title, title_justify="left")
    for heading in ("", "median", "range", "CPU each", "ours is", "by rounds"):
        table.add_column(heading, justify="left" if not heading else "right")
    for outcome in outcomes:
        table.add_row(f"[bold]{outcome.name}[/bold]")
        for index, figures in enumerate(outcome.figures):
            table.add_row(
                f"  {figures.contestant}",
                f"{_number(figures.median)} {outcome.unit}",
                f"{_number(min(figures.rounds))} – {_number(max(figures.rounds))}",
                "" if (cpu := figures.median_cpu_milliseconds) is None else f"{_number(cpu)} ms",
                f"{outcome.times(figures):.2f} ×" if index else "",
                _spread(outcome.times_by_round(figures)) if index else "",
                end_section=index == len(outcome.figures) - 1,
            )
    Console().print(table)


def _spread(ratios: Sequence[float]) -> str:
    return f"{statistics.median(ratios):.2f} × ({min(ratios):.2f} – {max(ratios):.2f})"


def save(outcomes: Sequence[Outcome], benchmark: str, folder: Path) -> Path:
    """Write every figure, with what it was measured on, to `<folder>/<benchmark>.json`; gives that path."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{benchmark}.json"
    document = {
        "benchmark": benchmark,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": _machine(),
        "contests": [
            asdict(outcome)
            | {
                "times": {peer.contestant: outcome.times(peer) for peer in outcome.figures[1:]},
                "times_by_round": {peer.contestant: outcome.times_by_round(peer) for peer in outcome.figures[1:]},
            }
            for outcome in outcomes
        ],
    }
    path.write_text(json.dumps(document, indent=2) + "\n")
    return path


def _number(figure: float) -> str:
    return f"{figure:,.2f}" if figure < 100 else f"{figure:,.0f}"


def _machine() -> dict[str, object]:
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return {
        "commit": commit.stdout.strip(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def cpu_seconds(pid: int) -> float:
    """Processor time of a process, of those below it, and of those below that have ended."""
    ticks = sum(sum(map(int, fields[11:15])) for fields in _family(pid).values())  # proc(5)
    return ticks / os.sysconf("SC_CLK_TCK")


def memory_mebibytes(pid: int) -> float:
    """Proportional set size of a process and of those below it."""
    rollups = [Path(f"/proc/{member}/smaps_rollup").read_text() for member in _family(pid)]
    kibibytes = sum(
        int(line.split()[1]) for rollup in rollups for line in rollup.splitlines() if line.startswith("Pss:")
    )
    return kibibytes / 1024


def _family(pid: int) -> dict[int, list[str]]:
    """By process, this one and all below it: the fields of /proc/PID/stat after the name (proc(5))."""
    children: dict[int, list[int]] = {}
    stats: dict[int, list[str]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()  # the name may hold anything
        except (FileNotFoundError, ProcessLookupError):
            continue
        number = int(path.parent.name)
        children.setdefault(int(fields[1]), []).append(number)
        stats[number] = fields
    found, waiting = {}, [pid]
    while waiting:
        number = waiting.pop()
        if number in stats:
            found[number] = stats[number]
        waiting += children.get(number, [])
    return found


async def answers(port: int, patience: float) -> None:
    """Wait until something listens there, on this machine; raises ConnectionRefusedError after so many seconds."""
    deadline = time.monotonic() + patience
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return
