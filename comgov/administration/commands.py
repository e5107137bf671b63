"""`comgov usage`: what administrators ask every month."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from comgov.administration import actions
from comgov.administration.model import Period, Report, month_named, month_of
from comgov.command import DEFAULT_CONFIG, ConfigOption, on_platform, operator
from comgov.table import Cell, Format, render
from comgov.web.formats import filesize

if TYPE_CHECKING:
    from comgov.feature import Platform

usage = typer.Typer()

_Instant = Annotated[datetime | None, typer.Option(help="In UTC, such as 2026-11-01 or 2026-11-01T08:00:00.")]


@usage.command("usage", epilog="Example: comgov usage --month 2026-11 --format csv > usage.csv")
def usage_(
    context: typer.Context,
    institution: Annotated[str | None, typer.Option(help="The code of one; all of them otherwise.")] = None,
    month: Annotated[str | None, typer.Option(help="Such as 2026-11; the present one otherwise.")] = None,
    since: _Instant = None,
    until: _Instant = None,
    style: Annotated[Format, typer.Option("--format", help="For people or for programs.")] = Format.TABLE,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="First count everything anew, and tell.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Show people, mail, files and dossiers of each institution: exact figures."""

    async def run(platform: Platform) -> tuple[Report, actions.Rebuilt | None]:
        rebuilt = await actions.rebuild(platform, operator()) if rebuild else None
        period = _period(month, since, until, platform.clock())
        return await actions.usage(platform, operator(), period, institution), rebuilt

    report, rebuilt = on_platform(context, config, run)
    if rebuilt is not None:
        typer.echo(
            f"Counted anew: {rebuilt.mailboxes} mailbox(es), {rebuilt.spaces} space(s) differed from their counters.",
            err=True,
        )
    rows = _for_people(report) if style is Format.TABLE else [found.as_row() for found in report.usages]
    print(render(rows, style), end="")


def _period(month: str | None, since: datetime | None, until: datetime | None, now: datetime) -> Period:
    if month is not None and (since or until):
        raise typer.BadParameter("give a month, or --since and --until")
    period = month_of(now) if month is None else month_named(month)
    return Period(
        since.replace(tzinfo=UTC) if since else period.since, until.replace(tzinfo=UTC) if until else period.until
    )


def _for_people(report: Report) -> list[dict[str, Cell]]:
    lines = [(found.institution.code, found.figures) for found in report.usages]
    if len(lines) != 1:
        lines.append(("together", report.total))
    return [
        {
            "institution": code,
            "people": figures.people,
            "mail_in": figures.mail_in,
            "mail_out": figures.mail_out,
            "internal": figures.mail_internal,
            "mailboxes": filesize(figures.mailbox_bytes, "en"),
            "files": figures.files,
            "size": filesize(figures.files_bytes, "en"),
            "dossiers_sent": figures.dossiers_sent,
            "received": figures.dossiers_received,
            "quota": filesize(figures.quota_bytes, "en"),
        }
        for code, figures in lines
    ]
