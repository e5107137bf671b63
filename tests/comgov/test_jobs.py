"""Schedules run, on one worker at a time, and survive an error of their own."""

from __future__ import annotations

import asyncio

from comgov.jobs import Scheduled, run_schedules


async def test_a_schedule_runs_once_though_two_workers_know_it(db_url: str) -> None:
    runs: list[str] = []
    both = [asyncio.create_task(run_schedules(db_url, [_every_second(runs, name)])) for name in ("a", "b")]
    await asyncio.sleep(3.2)
    for task in both:
        task.cancel()
    await asyncio.gather(*both, return_exceptions=True)
    assert 1 <= len(runs) <= 4


async def test_a_job_that_fails_runs_again(db_url: str) -> None:
    runs: list[int] = []

    async def fail() -> None:
        runs.append(1)
        raise RuntimeError("broken on purpose")

    task = asyncio.create_task(run_schedules(db_url, [Scheduled(name="fails", cron="* * * * * *", run=fail)]))
    while len(runs) < 2:
        await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _every_second(runs: list[str], worker: str) -> Scheduled:
    async def run() -> None:
        runs.append(worker)

    return Scheduled(name="tick", cron="* * * * * *", run=run)
