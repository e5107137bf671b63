"""comgov authority: what was issued, revoking it, taking it along."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from comgov.authority import actions
from comgov.command import DEFAULT_CONFIG, ConfigOption, on_platform, operator, read_password
from comgov.institutions import actions as institutions
from comgov.signing.certificates import RevocationReason

if TYPE_CHECKING:
    from comgov.authority.model import Issued
    from comgov.feature import Platform

authority = typer.Typer(name="authority", help="Keys, certificates, seals and revocation lists.", no_args_is_help=True)


@authority.command(epilog="Example: comgov authority show --institution sante")
def show(
    context: typer.Context,
    institution: Annotated[str | None, typer.Option(help="Its code; all of them otherwise.")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """List certificates: purpose, whose, until when, serial number."""

    async def run(platform: Platform) -> None:
        whose = None if institution is None else (await institutions.get(platform, institution)).id
        after = 0
        while page := await actions.issued(platform, operator(), whose, after):
            for one in page:
                typer.echo(_line(one, platform.clock()))
            after = page[-1].id

    on_platform(context, config, run)


def _line(one: Issued, now: datetime) -> str:
    if one.revoked_at is not None:
        state = f"revoked {one.revoked_at:%Y-%m-%d %H:%M} ({one.reason})"
    else:
        state = f"{'good' if one.is_good(now) else 'not good'} until {one.not_after:%Y-%m-%d}"
    return f"{one.purpose:12} {one.name:40} {state:28} {one.serial_number}"


@authority.command(epilog="Example: comgov authority enrol sante")
def enrol(
    context: typer.Context,
    code: Annotated[str, typer.Argument(help="The institution's code.")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Issue what an institution needs to seal; also a new seal after one was revoked."""

    async def run(platform: Platform) -> Issued:
        return await actions.enrol_institution(platform, operator(), await institutions.get(platform, code))

    typer.echo(_line(found := on_platform(context, config, run), found.not_before))


@authority.command(epilog="Example: comgov authority revoke 5a1f… --reason key-compromise --since 2026-11-20T08:00:00Z")
def revoke(
    context: typer.Context,
    serial_number: Annotated[str, typer.Argument(help="In hexadecimal, as `comgov authority show` gives it.")],
    reason: Annotated[RevocationReason, typer.Option(help="Why.")] = RevocationReason.UNSPECIFIED,
    since: Annotated[str | None, typer.Option(help="When it stopped being good, ISO 8601; now otherwise.")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Withdraw a certificate and publish the new revocation list."""
    moment = None if since is None else _moment(since)
    found = on_platform(
        context,
        config,
        lambda platform: actions.revoke(platform, operator(), serial_number, reason, since=moment),
    )
    typer.echo(_line(found, found.not_before))


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(
            f"{text} is not an instant such as 2026-11-20T08:00:00Z", param_hint="--since"
        ) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@authority.command(epilog="Example: comgov authority publish")
def publish(context: typer.Context, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Sign new revocation lists now, and write the files that others verify with."""

    async def run(platform: Platform) -> int:
        count = await actions.publish_crls(platform, older_than=actions.AT_ONCE)
        await actions.publish_directory(platform)
        return count

    typer.echo(f"{on_platform(context, config, run)} revocation lists published.")


@authority.command("export-root", epilog="Example: comgov authority export-root /media/usb/root.pem")
def export_root(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A new file, for offline keeping.")],
    password_file: Annotated[Path | None, typer.Option(help="Holds its passphrase; asked for otherwise.")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Write the root's certificate and private key, encrypted under a passphrase of its own."""
    if file.exists():
        raise typer.BadParameter(f"{file} exists already.", param_hint="FILE")
    passphrase = read_password(password_file).encode()
    exported = on_platform(context, config, lambda platform: actions.export_root(platform, operator(), passphrase))
    file.touch(mode=0o600, exist_ok=False)
    file.write_bytes(exported)
    typer.echo(f"{file} holds the root. `openssl pkey -in {file}` reads its key.")
