"""What a person may do where, and how much may be kept there (RFC 4314, RFC 9208). Neither is changed from here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mail.imap import access, filing, folders
from mail.imap.access import Deed
from mail.imap.replies import Bad, NotDone
from mail.message.strings import string

if TYPE_CHECKING:
    from mail.directory import Account
    from mail.imap import commands
    from mail.imap.session import Session
    from mail.mailbox.model import Mailbox

_RIGHTS = frozenset("lrswipkxteacd")
_UNIT_BYTES = 1024  # of STORAGE (RFC 9208 §5.1)


async def rights(session: Session, command: commands.Acl) -> bytes:
    """MYRIGHTS, GETACL, LISTRIGHTS; SETACL and DELETEACL are refused (RFC 4314 §3)."""
    if command.command == "MYRIGHTS":
        session.connection.write(my_rights(session, await filing.find_box(session, command.name, Deed.SUBSCRIBE)))
        return b"OK MYRIGHTS is done"
    box = await filing.find_box(session, command.name, Deed.SEE_RIGHTS)
    if command.command in ("SETACL", "DELETEACL"):
        _check_acl(command)
        raise NotDone("Rights come with the holding of a post; an administrator changes them", code="NOPERM")
    account = session.realm_of(box).access.account
    holders = {str(address): held for address, held in (await session.server.directory.holders(account)).items()}
    name = folders.quoted(box.name, utf8=session.is_utf8)
    if command.command == "GETACL":
        pairs = (b" %b %b" % (_text(who), access.letters(held).encode("ascii")) for who, held in holders.items())
        session.connection.write(b"* ACL %b%b\r\n" % (name, b"".join(pairs)))
        return b"OK GETACL is done"
    held = holders.get(command.identifier.lower())
    always = access.letters(held).encode("ascii") if held else b'""'
    session.connection.write(b"* LISTRIGHTS %b %b %b\r\n" % (name, _text(command.identifier), always))
    return b"OK LISTRIGHTS is done"


def _check_acl(command: commands.Acl) -> None:
    if not command.identifier or not set(command.rights.lstrip("+-")) <= _RIGHTS:
        raise Bad("There is no such right, or nobody is named")


def my_rights(session: Session, box: Mailbox) -> bytes:
    """The reply of MYRIGHTS."""
    held = access.letters(session.realm_of(box).access.rights).encode("ascii")
    return b"* MYRIGHTS %b %b\r\n" % (folders.quoted(box.name, utf8=session.is_utf8), held)


async def quota(session: Session, command: commands.Quota) -> bytes:
    """GETQUOTAROOT and GETQUOTA. An account's mailboxes share one root, of its address; none without a limit."""
    if command.is_root:
        box = await filing.find_box(session, command.name, Deed.READ)
        account = session.realm_of(box).access.account
        root = b"" if account.quota_bytes is None else b" " + _text(str(account.address))
        session.connection.write(b"* QUOTAROOT %b%b\r\n" % (folders.quoted(box.name, utf8=session.is_utf8), root))
        await _tell_quota(session, account)
        return b"OK GETQUOTAROOT is done"
    await _tell_quota(session, _account_of_root(session, command.name))
    return b"OK GETQUOTA is done"


async def set_quota(session: Session, command: commands.SetQuota) -> bytes:
    """SETQUOTA, which is refused."""
    _account_of_root(session, command.root)
    raise NotDone("An administrator changes quotas", code="NOPERM")


def _account_of_root(session: Session, root: str) -> Account:
    for realm in session.realms:
        account = realm.access.account
        if root.lower() == account.address.key and account.quota_bytes is not None:
            return account
    raise NotDone("There is no such quota root", code="NONEXISTENT")


async def _tell_quota(session: Session, account: Account) -> None:
    """What is used, rounded up, and the limit, rounded down, in KiB."""
    if account.quota_bytes is None:
        return
    _, used_bytes = (await session.server.mailboxes.usage([account.account_id])).get(account.account_id, (0, 0))
    used, limit = -(-used_bytes // _UNIT_BYTES), account.quota_bytes // _UNIT_BYTES
    session.connection.write(b"* QUOTA %b (STORAGE %d %d)\r\n" % (_text(str(account.address)), used, limit))


def _text(text: str) -> bytes:
    return string(text.encode())
