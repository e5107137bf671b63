"""`/metrics`: the platform's figures in Prometheus' text, read from the database at each scrape.

Workers keep no counters of their own, so that whichever answers gives the same. Traffic counts from midnight UTC:
Prometheus takes the fall at midnight for what it is, a counter that began anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from comgov.administration import actions, store
from comgov.administration.model import Period, Report
from comgov.institutions import actions as institutions
from mail.outbound.queue import Summary

if TYPE_CHECKING:
    from comgov.feature import Platform

CONTENT_TYPE = CONTENT_TYPE_LATEST


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What one scrape found."""

    report: Report
    now: datetime
    outgoing: Summary
    sessions: int
    journal_waiting: int
    database_bytes: int


async def scrape(platform: Platform) -> bytes:
    """The whole page; raises Unavailable."""
    now = platform.clock()
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    everyone = [branch.institution for branch in await institutions.everyone(platform)]
    report = await actions.report(platform, Period(midnight, now + timedelta(minutes=1)), everyone)
    outgoing = await actions.outgoing(platform)
    async with platform.db.connection() as connection:
        reading = Reading(
            report=report,
            now=now,
            outgoing=outgoing,
            sessions=await store.sessions(connection),
            journal_waiting=await store.journal_waiting(connection),
            database_bytes=await store.database_bytes(connection),
        )
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Read(reading))
    return generate_latest(registry)


class _Read(Collector):
    """Gives prometheus-client what was read already: it collects without awaiting."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    def collect(self) -> Iterable[Metric]:
        reading = self._reading
        yield from _of_institutions(reading.report)
        waiting = reading.outgoing
        age = (reading.now - waiting.oldest).total_seconds() if waiting.oldest else 0
        yield GaugeMetricFamily("comgov_mail_queue", "Recipients that wait for other servers.", waiting.waiting)
        yield GaugeMetricFamily("comgov_mail_queue_bytes", "What is to be sent to them.", waiting.size_bytes)
        yield GaugeMetricFamily("comgov_mail_queue_oldest_seconds", "How long the oldest has waited.", age)
        yield GaugeMetricFamily("comgov_sessions", "Sessions that have not ended.", reading.sessions)
        yield GaugeMetricFamily(
            "comgov_journal_waiting", "Entries of the journal not yet linked.", reading.journal_waiting
        )
        yield GaugeMetricFamily("comgov_database_bytes", "What the database fills.", reading.database_bytes)


_GAUGES = {
    "comgov_people": ("people", "Open accounts of people."),
    "comgov_posts": ("posts", "Open accounts of posts."),
    "comgov_mailbox_messages": ("mailbox_messages", "Messages that mailboxes hold."),
    "comgov_mailbox_bytes": ("mailbox_bytes", "What mailboxes hold."),
    "comgov_files": ("files", "Files in spaces, versions aside."),
    "comgov_files_bytes": ("files_bytes", "What spaces hold, versions and trash included."),
    "comgov_quota_bytes": ("quota_bytes", "What mailboxes and files may fill."),
}
_COUNTERS = {
    "comgov_mail_messages": ("", "Copies of messages since midnight UTC."),
    "comgov_mail_bytes": ("_bytes", "Bytes of those copies since midnight UTC."),
}


def _of_institutions(report: Report) -> Iterable[Metric]:
    for name, (figure, what) in _GAUGES.items():
        gauge = GaugeMetricFamily(name, what, labels=["institution"])
        for usage in report.usages:
            gauge.add_metric([usage.institution.code], getattr(usage.figures, figure))
        yield gauge
    for name, (suffix, what) in _COUNTERS.items():
        counter = CounterMetricFamily(name, what, labels=["institution", "direction"])
        for usage in report.usages:
            for direction in ("in", "out", "internal"):
                value = getattr(usage.figures, f"mail_{direction}{suffix}")
                counter.add_metric([usage.institution.code, direction], value)
        yield counter
    dossiers = CounterMetricFamily(
        "comgov_dossiers", "Dossiers numbered in the registers since midnight UTC.", labels=["institution", "direction"]
    )
    for usage in report.usages:
        dossiers.add_metric([usage.institution.code, "out"], usage.figures.dossiers_sent)
        dossiers.add_metric([usage.institution.code, "in"], usage.figures.dossiers_received)
    yield dossiers
