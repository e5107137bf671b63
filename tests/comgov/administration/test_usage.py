"""Usage: exact figures, for those who may see them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from comgov.administration.actions import rebuild, usage
from comgov.administration.metrics import scrape
from comgov.administration.model import (
    Figures,
    Period,
    Report,
    Usage,
    month_before,
    month_named,
    month_of,
    share,
    total,
)
from comgov.errors import Forbidden, Invalid, NotFound, Unavailable
from comgov.files.actions.spaces import doors
from comgov.institutions.actions import get
from comgov.registers.model import Direction

if TYPE_CHECKING:
    from .conftest import Government

NOVEMBER = month_named("2026-11")


async def work(government: Government) -> None:
    """Mail in every direction and two files."""
    claire, admin = government.claire, government.admin
    await government.send(claire, "jean@sante.gov.test", "admin@setic.gov.test", "x@example.org", size_bytes=600)
    await government.send(admin, "claire@sante.gov.test", "secretariat@sante.gov.test", size_bytes=700)
    await government.receive("claire@sante.gov.test", size_bytes=800)
    await government.upload(claire, "note.txt", b"n" * 1000)
    await government.upload(claire, "note.txt", b"m" * 500)
    await government.upload(government.jean, "plan.txt", b"p" * 250)


async def test_the_figures_are_what_was_done(government: Government) -> None:
    await work(government)
    report = await usage(government.platform, government.admin, NOVEMBER)
    sante, setic = (found.figures for found in report.usages)
    assert [found.institution.code for found in report.usages] == ["sante", "setic"]
    assert (sante.people, sante.posts, setic.people, setic.posts) == (2, 1, 1, 0)
    assert (sante.mail_internal, sante.mail_out, sante.mail_in) == (1, 2, 3)
    assert (setic.mail_internal, setic.mail_out, setic.mail_in) == (0, 2, 1)
    assert sante.mail_out_bytes >= 2 * 600 and sante.mail_in_bytes >= 2 * 700 + 800
    assert (sante.mailbox_messages, setic.mailbox_messages) == (4, 1)
    assert sante.mailbox_bytes >= 600 + 2 * 700 + 800
    assert (sante.files, sante.files_bytes, setic.files) == (2, 1750, 0)
    assert report.total == sante + setic == total([sante, setic])


async def test_what_is_sent_inside_adds_up_on_both_sides(government: Government) -> None:
    await work(government)
    sante, setic = (found.figures for found in (await usage(government.platform, government.admin, NOVEMBER)).usages)
    from_outside, to_outside = 1, 1
    assert sante.mail_in + setic.mail_in - from_outside == sante.mail_out + setic.mail_out - to_outside


async def test_concurrent_work_is_counted_exactly(government: Government) -> None:
    claire = government.claire
    await asyncio.gather(
        *(government.send(claire, "jean@sante.gov.test", size_bytes=500 + number) for number in range(60)),
        *(government.upload(claire, f"file {number}", bytes(number)) for number in range(20)),
    )
    [found] = (await usage(government.platform, government.admin, NOVEMBER, "sante")).usages
    assert (found.figures.mail_internal, found.figures.mailbox_messages, found.figures.files) == (60, 60, 20)
    assert found.figures.files_bytes == sum(range(20))
    rebuilt = await rebuild(government.platform, government.admin)
    assert (rebuilt.mailboxes, rebuilt.spaces) == (0, 0)


async def test_counting_anew_sets_right_what_was_wrong_and_changes_nothing_else(government: Government) -> None:
    await work(government)
    before = await usage(government.platform, government.admin, NOVEMBER)
    async with government.platform.db.connection() as connection:
        await connection.execute("UPDATE mail.mailbox SET messages = 7, unseen = 1 WHERE messages > 0")
        await connection.execute("UPDATE mail.mailbox SET size_bytes = 9 WHERE special_use = 'Trash'")
        await connection.execute("UPDATE comgov.space SET size_bytes = 1 WHERE size_bytes > 0")
    assert await usage(government.platform, government.admin, NOVEMBER) != before
    first = await rebuild(government.platform, government.admin)
    assert first.mailboxes > 0 and first.spaces > 0
    assert await usage(government.platform, government.admin, NOVEMBER) == before
    second = await rebuild(government.platform, government.admin)
    assert (second.mailboxes, second.spaces) == (0, 0)


async def test_counting_anew_beside_arriving_mail_loses_none(government: Government) -> None:
    await asyncio.gather(
        *(government.send(government.claire, "jean@sante.gov.test") for _ in range(40)),
        *(rebuild(government.platform, government.admin) for _ in range(4)),
    )
    [found] = (await usage(government.platform, government.admin, NOVEMBER, "sante")).usages
    assert found.figures.mailbox_messages == 40
    rebuilt = await rebuild(government.platform, government.admin)
    assert (rebuilt.mailboxes, rebuilt.spaces) == (0, 0)


async def test_a_period_counts_its_own_mail_only(government: Government, clock) -> None:
    await government.receive("claire@sante.gov.test")
    clock.advance(timedelta(days=8))
    await government.receive("claire@sante.gov.test", "jean@sante.gov.test")
    november = (await usage(government.platform, government.admin, NOVEMBER, "sante")).total
    december = (await usage(government.platform, government.admin, month_of(clock()), "sante")).total
    assert (november.mail_in, december.mail_in) == (1, 2)
    assert november.mailbox_messages == december.mailbox_messages == 3


async def test_who_sees_whose_figures(government: Government) -> None:
    platform = government.platform
    assert len((await usage(platform, government.admin, NOVEMBER)).usages) == 2
    [own] = (await usage(platform, government.jean, NOVEMBER)).usages
    assert own.institution.code == "sante"
    for refused in (
        usage(platform, government.jean, NOVEMBER, "setic"),
        usage(platform, government.claire, NOVEMBER),
        usage(platform, government.claire, NOVEMBER, "sante"),
        rebuild(platform, government.jean),
    ):
        with pytest.raises(Forbidden):
            await refused
    with pytest.raises(NotFound):
        await usage(platform, government.admin, NOVEMBER, "nowhere")


async def test_dossiers_are_counted_by_their_numbers_in_the_registers(government: Government, clock) -> None:
    await government.number("sante", Direction.DEPARTURE, 3)
    await government.number("sante", Direction.ARRIVAL)
    clock.advance(timedelta(days=8))
    await government.number("sante", Direction.DEPARTURE)
    await government.number("setic", Direction.ARRIVAL, 2)
    november = [found.figures for found in (await usage(government.platform, government.admin, NOVEMBER)).usages]
    december = (await usage(government.platform, government.admin, month_of(clock()))).total
    assert [(one.dossiers_sent, one.dossiers_received) for one in november] == [(3, 1), (0, 0)]
    assert (december.dossiers_sent, december.dossiers_received) == (1, 2)
    text = (await scrape(government.platform)).decode()
    assert 'comgov_dossiers_total{direction="in",institution="setic"} 2.0' in text.splitlines()


async def test_when_the_database_is_down_it_is_said(government: Government) -> None:
    await government.platform.db.pool.close()
    with pytest.raises(Unavailable):
        await usage(government.platform, government.admin, NOVEMBER)


async def test_metrics_are_the_figures_of_today_whichever_worker_answers(government: Government, clock) -> None:
    await work(government)
    text = (await scrape(government.platform)).decode()
    assert text == (await scrape(government.platform)).decode()
    for line in (
        'comgov_people{institution="sante"} 2.0',
        'comgov_mail_messages_total{direction="in",institution="sante"} 3.0',
        'comgov_mail_messages_total{direction="internal",institution="setic"} 0.0',
        'comgov_files_bytes{institution="sante"} 1750.0',
        'comgov_quota_bytes{institution="sante"} 10000.0',
        "comgov_sessions 0.0",
        "comgov_mail_queue 1.0",
        "comgov_mail_queue_oldest_seconds 0.0",
    ):
        assert line in text.splitlines()
    clock.advance(timedelta(days=1))
    text = (await scrape(government.platform)).decode()
    assert 'comgov_mail_messages_total{direction="in",institution="sante"} 0.0' in text
    assert 'comgov_mailbox_messages{institution="sante"} 4.0' in text


async def test_every_person_has_a_door_to_their_files(government: Government) -> None:
    assert any(door.space.owner_id for door in await doors(government.platform, government.claire))


@pytest.mark.parametrize(
    ("text", "since", "until"),
    [
        ("2026-11", datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)),
        ("2026-12", datetime(2026, 12, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)),
        ("2028-02", datetime(2028, 2, 1, tzinfo=UTC), datetime(2028, 3, 1, tzinfo=UTC)),
    ],
)
def test_a_month_is_named_by_year_and_number(text: str, since: datetime, until: datetime) -> None:
    assert month_named(text) == Period(since, until) == month_of(until - timedelta(seconds=1)) == month_of(since)
    assert month_before(month_of(until)) == month_named(text)


@pytest.mark.parametrize("text", ["", "2026", "2026-13", "2026-00", "26-11", "2026-11-01", "9999-12", "٢٠٢٦-١١"])
def test_what_is_no_month_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        month_named(text)


def test_a_period_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(Invalid):
        Period(NOVEMBER.until, NOVEMBER.since)


async def test_the_heaviest_and_the_nearly_full_are_named(government: Government) -> None:
    sante, setic = await get(government.platform, "sante"), await get(government.platform, "setic")
    report = Report(
        NOVEMBER,
        (
            Usage(sante, Figures(mailbox_bytes=5_000, files_bytes=3_000, quota_bytes=10_000)),
            Usage(setic, Figures(files_bytes=9_000, quota_bytes=1 << 30)),
        ),
    )
    assert report.heaviest is not None and report.heaviest.institution == setic
    assert [found.institution.code for found in report.nearly_full] == ["sante"]
    assert Report(NOVEMBER, (Usage(sante, Figures(quota_bytes=5)),)).heaviest is None


@pytest.mark.parametrize(
    ("figures", "used"),
    [
        (Figures(files_bytes=5, quota_bytes=10), 0.5),
        (Figures(quota_bytes=0), 0.0),
        (Figures(files_bytes=1, quota_bytes=0), float("inf")),
    ],
)
def test_the_share_of_a_quota(figures: Figures, used: float) -> None:
    assert share(figures) == used
