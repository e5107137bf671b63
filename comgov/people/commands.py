"""`comgov person`, `comgov post`, `comgov list`: the directory, from the command line."""

from __future__ import annotations

import contextlib
import csv
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from comgov.actor import Role
from comgov.command import DEFAULT_CONFIG, ConfigOption, SizeOption, on_platform, operator, read_password
from comgov.errors import Invalid
from comgov.institutions import actions as institutions
from comgov.language import DEFAULT_LANGUAGE, Language
from comgov.people import actions
from comgov.people.model import AppPassword, MailingList, Person, Post, Posting, Rights
from comgov.people.passwords import generate_password
from comgov.people.roster import LARGEST_BYTES, Row, read
from comgov.table import Cell, Format, record, render

if TYPE_CHECKING:
    from comgov.feature import Platform

person = typer.Typer(name="person", help="People: their accounts, roles and passwords.", no_args_is_help=True)
post = typer.Typer(name="post", help="Posts: mailboxes of functions, held by people for a time.", no_args_is_help=True)
mailing_list = typer.Typer(name="list", help="Lists: addresses that lead to several.", no_args_is_help=True)

_PAGE = 200

_Address = Annotated[str, typer.Argument(help="Such as claire@sante.gov.test.")]
_Institution = Annotated[str, typer.Option(help="The institution's code.")]
_Style = Annotated[Format, typer.Option("--format", help="For people or for programs.")]
_Roles = Annotated[list[Role] | None, typer.Option("--role", help="Besides civil servant; give it once for each.")]
_PasswordFile = Annotated[Path | None, typer.Option(help="Holds the password; asked for otherwise.")]
_Until = Annotated[datetime | None, typer.Option(help="In UTC, such as 2027-01-31 or 2027-01-31T12:00:00.")]


@person.command(epilog="Example: comgov person add claire@sante.gov.test --name 'Claire Niyonzima' --role signatory")
def add(
    context: typer.Context,
    address: _Address,
    name: Annotated[str, typer.Option(help="As others read it.")],
    role: _Roles = None,
    language: Annotated[Language, typer.Option(help="Of their pages.")] = DEFAULT_LANGUAGE,
    quota_bytes: SizeOption = None,
    password_file: _PasswordFile = None,
    no_password: Annotated[bool, typer.Option(help="Nobody signs in until a password is set.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Add a person with their mailbox."""
    password = None if no_password else read_password(password_file)
    added = on_platform(
        context,
        config,
        lambda platform: actions.add_person(
            platform,
            operator(),
            address,
            name,
            password=password,
            roles=role or (),
            language=language,
            quota_bytes=quota_bytes,
        ),
    )
    print(f"Added {added.name}, {added.address}.")


@person.command("list", epilog="Example: comgov person list --institution sante --format csv > people.csv")
def list_people(
    context: typer.Context,
    institution: _Institution,
    search: Annotated[str, typer.Option(help="A part of their name or address.")] = "",
    style: _Style = Format.TABLE,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """List the people of an institution."""

    async def run(platform: Platform) -> list[Person]:
        institution_id = (await institutions.get(platform, institution)).id
        found: list[Person] = []
        after: str | None = ""
        while after is not None:
            page = await actions.people(platform, institution_id, text=search, after=after, limit=_PAGE)
            found += page.people
            after = page.after
        return found

    people = on_platform(context, config, run)
    print(render([_person_row(one) for one in people], style, columns=_PERSON_COLUMNS), end="")


@person.command(epilog="Example: comgov person show claire@sante.gov.test")
def show(context: typer.Context, address: _Address, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Show all that is known of a person."""
    _show(_person_row(on_platform(context, config, lambda platform: actions.get_person(platform, address))))


@person.command(epilog="Example: comgov person change claire@sante.gov.test --role signatory --role registry-clerk")
def change(
    context: typer.Context,
    address: _Address,
    name: Annotated[str | None, typer.Option(help="As others read it.")] = None,
    role: Annotated[list[Role] | None, typer.Option(help="All roles from now on, besides civil servant.")] = None,
    language: Annotated[Language | None, typer.Option(help="Of their pages.")] = None,
    quota_bytes: SizeOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Change what is given and leave the rest."""
    changed = on_platform(
        context,
        config,
        lambda platform: actions.change_person(
            platform,
            operator(),
            address,
            name=name,
            roles=role,
            language=language,
            quota_bytes=quota_bytes,
        ),
    )
    _show(_person_row(changed))


@person.command(epilog="Example: comgov person password claire@sante.gov.test")
def password(
    context: typer.Context,
    address: _Address,
    password_file: _PasswordFile = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Give a person a new password; their sessions and app passwords end."""
    new = read_password(password_file)
    on_platform(context, config, lambda platform: actions.set_password(platform, operator(), address, new))
    print(f"{address} has a new password.")


@person.command(epilog="Example: comgov person disable claire@sante.gov.test")
def disable(context: typer.Context, address: _Address, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Close an account: no sign-in, no delivery; nothing of it is lost."""
    on_platform(context, config, lambda platform: actions.disable_person(platform, operator(), address))
    print(f"{address} is closed.")


@person.command(epilog="Example: comgov person enable claire@sante.gov.test")
def enable(context: typer.Context, address: _Address, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Open a closed account again."""
    on_platform(context, config, lambda platform: actions.enable_person(platform, operator(), address))
    print(f"{address} is open.")


@person.command("app-passwords", epilog="Example: comgov person app-passwords claire@sante.gov.test")
def app_passwords(
    context: typer.Context, address: _Address, style: _Style = Format.TABLE, config: ConfigOption = DEFAULT_CONFIG
) -> None:
    """List the devices that read a person's mail with a password of their own."""
    found = on_platform(context, config, lambda platform: actions.app_passwords_of(platform, operator(), address))
    print(render([_app_password_row(one) for one in found], style, columns=_APP_PASSWORD_COLUMNS), end="")


@person.command(epilog="Example: comgov person revoke claire@sante.gov.test --id 12")
def revoke(
    context: typer.Context,
    address: _Address,
    password_id: Annotated[
        int | None, typer.Option("--id", help="Of one, as app-passwords lists it; else all.")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Revoke a person's app passwords: what is signed in with them ends."""
    revoked = on_platform(
        context,
        config,
        lambda platform: actions.revoke_app_passwords_of(platform, operator(), address, password_id),
    )
    print(f"{len(revoked)} revoked{': ' if revoked else ''}{', '.join(revoked)}.")


@person.command("import", epilog="Example: comgov person import people.csv --passwords first-passwords.csv")
def import_(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="CSV in UTF-8: address,name[,roles,language,quota_bytes,password]")],
    passwords: Annotated[
        Path | None, typer.Option(help="Make a password for those who have none in FILE, and write them here.")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Add everyone that a file names, change those who differ; all or nothing, and twice is as good as once."""
    rows = _read_roster(file)
    made = {row.address: generate_password() for row in rows if row.password is None} if passwords else {}
    complete = [replace(row, password=row.password or made.get(row.address)) for row in rows]
    with _made_passwords(passwords) as keep, _progress(len(rows)) as progress:
        keep(made)
        done = on_platform(
            context, config, lambda platform: actions.import_people(platform, operator(), complete, progress)
        )
        keep({address: made[address] for address in done.added if address in made})
        if done.faults:
            _refuse([str(fault) for fault in done.faults], file)
    print(f"{len(done.added)} added, {len(done.changed)} changed, {len(done.unchanged)} as they were.")


def _read_roster(file: Path) -> Sequence[Row]:
    try:
        with file.open("rb") as stream:
            content = stream.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise Invalid("{file} cannot be read: {why}.", file=file, why=error.strerror) from error
    roster = read(content)
    if roster.faults:
        _refuse([str(fault) for fault in roster.faults], file)
    return roster.rows


def _refuse(faults: Sequence[str], file: Path) -> None:
    for fault in faults:
        typer.echo(f"{file}, {fault}", err=True)
    typer.echo(f"Nothing was imported: {len(faults)} fault(s).", err=True)
    raise typer.Exit(1)


@contextlib.contextmanager
def _made_passwords(file: Path | None) -> Iterator[Callable[[dict[str, str]], None]]:
    """Writes passwords to a new file that its owner alone reads, before anyone has them; gone if nothing was done."""
    if file is None:
        yield lambda _: None
        return
    try:
        descriptor = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except OSError as error:
        raise Invalid("{file} cannot be made: {why}.", file=file, why=error.strerror) from error

    def keep(made: dict[str, str]) -> None:
        stream.seek(0)
        stream.truncate()
        csv.writer(stream).writerows([("address", "password"), *made.items()])
        stream.flush()
        os.fsync(stream.fileno())

    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as stream:
            yield keep
    except BaseException:
        file.unlink()
        raise


@contextlib.contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None]]:
    """A bar on standard error, on a terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("Importing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("", total=total)
        yield lambda count: bar.advance(task, count)


@post.command("add", epilog="Example: comgov post add secretariat@sante.gov.test --title Secrétariat")
def add_post(
    context: typer.Context,
    address: _Address,
    title: Annotated[str, typer.Option(help="As others read it.")],
    quota_bytes: SizeOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Add a post with its mailbox, held by nobody yet."""
    added = on_platform(
        context,
        config,
        lambda platform: actions.add_post(platform, operator(), address, title, quota_bytes=quota_bytes),
    )
    print(f"Added {added.name}, {added.address}.")


@post.command("list", epilog="Example: comgov post list --institution sante")
def list_posts(
    context: typer.Context,
    institution: _Institution,
    style: _Style = Format.TABLE,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """List the posts of an institution and who holds them."""

    async def run(platform: Platform) -> list[dict[str, Cell]]:
        institution_id = (await institutions.get(platform, institution)).id
        found: list[Post] = []
        while page := await actions.posts(
            platform, institution_id, after=found[-1].address if found else "", limit=_PAGE
        ):
            found += page
        return [_post_row(one, platform.clock()) for one in found]

    print(render(on_platform(context, config, run), style, columns=_POST_COLUMNS), end="")


@post.command("show", epilog="Example: comgov post show secretariat@sante.gov.test")
def show_post(context: typer.Context, address: _Address, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Show a post and everyone who held, holds or will hold it."""
    found = on_platform(context, config, lambda platform: actions.get_post(platform, address))
    print(f"{found.name}, {found.address}{', closed' if found.disabled else ''}")
    for holding in found.holdings:
        until = f"{holding.held_until:%Y-%m-%d %H:%M}" if holding.held_until else "…"
        print(f"  {holding.person_address}  {holding.rights}  {holding.held_from:%Y-%m-%d %H:%M} – {until} UTC")


@post.command("change", epilog="Example: comgov post change secretariat@sante.gov.test --title 'Secrétariat général'")
def change_post(
    context: typer.Context,
    address: _Address,
    title: Annotated[str | None, typer.Option(help="As others read it.")] = None,
    quota_bytes: SizeOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Change what is given and leave the rest."""
    on_platform(
        context,
        config,
        lambda platform: actions.change_post(platform, operator(), address, title=title, quota_bytes=quota_bytes),
    )
    print(f"{address} is changed.")


@post.command(epilog="Example: comgov post hold secretariat@sante.gov.test claire@sante.gov.test --rights sender")
def hold(
    context: typer.Context,
    address: _Address,
    person: Annotated[str, typer.Argument(help="Who holds it: an address of the same institution.")],
    rights: Annotated[Rights, typer.Option(help="Each includes those before it.")] = Rights.SENDER,
    held_from: Annotated[datetime | None, typer.Option("--from", help="In UTC; now if not given.")] = None,
    until: _Until = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Let a person hold a post, for a time or until further notice."""
    on_platform(
        context,
        config,
        lambda platform: actions.hold_post(
            platform, operator(), address, person, rights, held_from=_utc(held_from), held_until=_utc(until)
        ),
    )
    print(f"{person} holds {address} as {rights}.")


@post.command(epilog="Example: comgov post release secretariat@sante.gov.test claire@sante.gov.test")
def release(
    context: typer.Context,
    address: _Address,
    person: Annotated[str, typer.Argument(help="Who holds it.")],
    at: Annotated[datetime | None, typer.Option(help="In UTC; now if not given.")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """End a person's holding of a post."""
    on_platform(
        context, config, lambda platform: actions.release_post(platform, operator(), address, person, at=_utc(at))
    )
    print(f"{person} no longer holds {address}.")


@post.command("disable", epilog="Example: comgov post disable secretariat@sante.gov.test")
def disable_post(context: typer.Context, address: _Address, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Close a post's mailbox; nothing of it is lost."""
    on_platform(context, config, lambda platform: actions.set_post_disabled(platform, operator(), address, True))
    print(f"{address} is closed.")


@post.command("enable", epilog="Example: comgov post enable secretariat@sante.gov.test")
def enable_post(context: typer.Context, address: _Address, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Open a post's mailbox again."""
    on_platform(context, config, lambda platform: actions.set_post_disabled(platform, operator(), address, False))
    print(f"{address} is open.")


@mailing_list.command(
    "add",
    epilog="Example: comgov list add tous@sante.gov.test --name Tous --owner jean@sante.gov.test --posting members",
)
def add_list(
    context: typer.Context,
    address: _Address,
    name: Annotated[str, typer.Option(help="As others read it.")],
    owner: Annotated[str, typer.Option(help="The person or post that answers for it.")],
    posting: Annotated[Posting, typer.Option(help="Who may post.")] = Posting.MEMBERS,
    member: Annotated[list[str] | None, typer.Option(help="A person or a post; give it once for each.")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Add a list."""
    added = on_platform(
        context,
        config,
        lambda platform: actions.add_list(
            platform, operator(), address, name, owner=owner, posting=posting, members=member or ()
        ),
    )
    print(f"Added {added.address} with {len(added.members)} member(s).")


@mailing_list.command("list", epilog="Example: comgov list list --institution sante")
def list_lists(
    context: typer.Context,
    institution: _Institution,
    style: _Style = Format.TABLE,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """List the lists of an institution."""

    async def run(platform: Platform) -> list[MailingList]:
        institution_id = (await institutions.get(platform, institution)).id
        found: list[MailingList] = []
        while page := await actions.lists(
            platform, institution_id, after=found[-1].address if found else "", limit=_PAGE
        ):
            found += page
        return found

    lists = on_platform(context, config, run)
    print(render([_list_row(one) for one in lists], style, columns=_LIST_COLUMNS), end="")


@mailing_list.command("show", epilog="Example: comgov list show tous@sante.gov.test")
def show_list(context: typer.Context, address: _Address, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Show a list and its members."""
    found = on_platform(context, config, lambda platform: actions.get_list(platform, address))
    _show(_list_row(found))
    for account in found.members:
        print(f"  {account.address}  {account.name}{', closed' if account.disabled else ''}")


@mailing_list.command("change", epilog="Example: comgov list change tous@sante.gov.test --posting institution")
def change_list(
    context: typer.Context,
    address: _Address,
    name: Annotated[str | None, typer.Option(help="As others read it.")] = None,
    posting: Annotated[Posting | None, typer.Option(help="Who may post.")] = None,
    owner: Annotated[str | None, typer.Option(help="The person or post that answers for it.")] = None,
    add_member: Annotated[list[str] | None, typer.Option(help="Give it once for each.")] = None,
    remove_member: Annotated[list[str] | None, typer.Option(help="Give it once for each.")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Change what is given and leave the rest."""

    async def run(platform: Platform) -> MailingList:
        actor = operator()
        await actions.change_list(platform, actor, address, name=name, posting=posting, owner=owner)
        if add_member:
            await actions.add_members(platform, actor, address, add_member)
        if remove_member:
            await actions.remove_members(platform, actor, address, remove_member)
        return await actions.get_list(platform, address)

    _show(_list_row(on_platform(context, config, run)))


@mailing_list.command("disable", epilog="Example: comgov list disable tous@sante.gov.test")
def disable_list(context: typer.Context, address: _Address, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Close a list: what is sent to it is refused."""
    on_platform(context, config, lambda platform: actions.change_list(platform, operator(), address, disabled=True))
    print(f"{address} is closed.")


@mailing_list.command("enable", epilog="Example: comgov list enable tous@sante.gov.test")
def enable_list(context: typer.Context, address: _Address, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Open a list again."""
    on_platform(context, config, lambda platform: actions.change_list(platform, operator(), address, disabled=False))
    print(f"{address} is open.")


_APP_PASSWORD_COLUMNS = ("id", "device", "made", "used", "used_for", "used_from")
_PERSON_COLUMNS = ("address", "name", "roles", "language", "quota_bytes", "password", "closed")
_POST_COLUMNS = ("address", "title", "held_by", "quota_bytes", "closed")
_LIST_COLUMNS = ("address", "name", "posting", "members", "closed")


def _person_row(found: Person) -> dict[str, Cell]:
    return {
        "address": found.address,
        "name": found.name,
        "roles": " ".join(role for role in Role if role in found.roles),
        "language": found.language,
        "quota_bytes": found.quota_bytes,
        "password": found.has_password,
        "closed": found.disabled,
    }


def _app_password_row(found: AppPassword) -> dict[str, Cell]:
    return {
        "id": found.id,
        "device": found.name,
        "made": f"{found.created_at:%Y-%m-%d %H:%M}",
        "used": f"{found.used_at:%Y-%m-%d %H:%M}" if found.used_at else "",
        "used_for": found.used_for,
        "used_from": found.used_ip,
    }


def _post_row(found: Post, now: datetime) -> dict[str, Cell]:
    return {
        "address": found.address,
        "title": found.name,
        "held_by": " ".join(holding.person_address for holding in found.holdings if holding.is_held(now)),
        "quota_bytes": found.quota_bytes,
        "closed": found.disabled,
    }


def _list_row(found: MailingList) -> dict[str, Cell]:
    return {
        "address": found.address,
        "name": found.name,
        "posting": found.posting.value,
        "members": len(found.members),
        "closed": found.disabled,
    }


def _show(row: dict[str, Cell]) -> None:
    print(record(row), end="")


def _utc(moment: datetime | None) -> datetime | None:
    return moment and moment.replace(tzinfo=UTC)
