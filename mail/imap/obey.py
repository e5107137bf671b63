"""Which function carries out which command, and in which state of the session (RFC 9051 §3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mail.imap import commands, entering, filing, reading, searching, sharing
from mail.imap.replies import Bad, NotDone

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mail.imap.commands import Command
    from mail.imap.session import Session

_SIMPLE: dict[str, Callable[[Session], Awaitable[bytes | None]]] = {
    "CAPABILITY": entering.capability,
    "NOOP": entering.noop,
    "CHECK": entering.noop,
    "LOGOUT": entering.logout,
    "STARTTLS": entering.start_tls,
    "NAMESPACE": filing.namespace,
    "IDLE": reading.idle,
    "CLOSE": reading.close,
    "UNSELECT": reading.unselect,
}
_HANDLERS: dict[type[Command], Callable[[Session, Any], Awaitable[bytes]]] = {
    commands.Id: entering.identify,
    commands.Login: entering.login,
    commands.Authenticate: entering.authenticate,
    commands.Enable: entering.enable,
    commands.Compress: entering.compress,
    commands.Select: filing.select,
    commands.Create: filing.create,
    commands.Delete: filing.delete,
    commands.Rename: filing.rename,
    commands.Subscribe: filing.subscribe,
    commands.List: filing.list_boxes,
    commands.Status: filing.status,
    commands.Append: filing.append,
    commands.Fetch: reading.fetch_messages,
    commands.Store: reading.store,
    commands.Copy: reading.copy,
    commands.Expunge: reading.expunge,
    commands.Search: searching.search,
    commands.Sort: searching.sort,
    commands.Thread: searching.thread,
    commands.Acl: sharing.rights,
    commands.Quota: sharing.quota,
    commands.SetQuota: sharing.set_quota,
}
_ANYWHERE = {"CAPABILITY", "NOOP", "LOGOUT", "STARTTLS"}
_IN_A_MAILBOX = {"CHECK", "CLOSE", "UNSELECT"}
_SIGNING_IN = (commands.Login, commands.Authenticate)
_ON_MESSAGES = (
    commands.Expunge,
    commands.Store,
    commands.Copy,
    commands.Fetch,
    commands.Search,
    commands.Sort,
    commands.Thread,
)


async def obey(session: Session, command: Command) -> bytes:
    """Carry a command out; what it writes goes before the tagged reply that this gives, its tag aside.

    Raises NotDone, MailError, Disconnected.
    """
    _check_state(session, command)
    if session.identity is not None and not is_of_no_mailbox(command):
        await session.look_round()
    if isinstance(command, commands.Simple):
        return await _SIMPLE[command.name](session) or b"OK %b is done" % command.name.encode("ascii")
    return await _HANDLERS[type(command)](session, command)


def _check_state(session: Session, command: Command) -> None:
    if isinstance(command, commands.Id) or (isinstance(command, commands.Simple) and command.name in _ANYWHERE):
        return
    if isinstance(command, _SIGNING_IN):
        if session.identity is not None:
            raise Bad("You are signed in already")
        if not session.connection.is_encrypted:
            raise NotDone("Begin TLS with STARTTLS first", code="PRIVACYREQUIRED")
    elif session.identity is None:
        raise Bad("Sign in first")
    elif session.selected is None and _is_on_messages(command):
        raise Bad("Select a mailbox first")


def is_of_no_mailbox(command: Command) -> bool:
    """Whether it looks at no mailbox: nobody is asked whose they are, and there is no news of any."""
    return isinstance(command, commands.Id) or (
        isinstance(command, commands.Simple) and command.name in ("CAPABILITY", "LOGOUT")
    )


def _is_on_messages(command: Command) -> bool:
    return isinstance(command, _ON_MESSAGES) or (isinstance(command, commands.Simple) and command.name in _IN_A_MAILBOX)
