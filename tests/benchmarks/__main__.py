"""`python -m tests.benchmarks [NAME…]`: hold the benchmarks named, or all of them."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import tempfile
from pathlib import Path

from tests.benchmarks.harness import hold_all, save, show

HERE = Path(__file__).parent
RESULTS = HERE.parents[1] / ".bench"
NOT_BENCHMARKS = {"__main__", "harness"}


def names() -> list[str]:
    """The benchmarks there are."""
    return sorted(path.stem for path in HERE.glob("*.py") if path.stem not in NOT_BENCHMARKS)


async def run(name: str, rounds: int, within: Path | None) -> None:
    """Hold one benchmark, print its table and keep its figures."""
    module = importlib.import_module(f"tests.benchmarks.{name}")
    with tempfile.TemporaryDirectory(prefix="comgov-bench-", dir=within) as folder:
        Path(folder).chmod(0o755)
        outcomes = [outcome async for outcome in hold_all(module.contests, Path(folder), rounds)]
    show(outcomes, title=module.__doc__.splitlines()[0])
    print(f"{save(outcomes, name, RESULTS)}\n")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="Ours against its peers.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(names())}; all when none is given")
    parser.add_argument("--rounds", type=int, default=5, help="that count, after one that does not (default 5)")
    parser.add_argument("--dir", type=Path, help="where files go while it runs; on the disk that is to be measured")
    options = parser.parse_args()
    if unknown := set(options.names) - set(names()):
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}; there are {', '.join(names())}")
    for name in options.names or names():
        asyncio.run(run(name, options.rounds, options.dir))


if __name__ == "__main__":
    main()
