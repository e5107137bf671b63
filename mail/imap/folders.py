"""Mailboxes as clients see them: LIST, LSUB, STATUS and names (RFC 9051 §6.3.9, RFC 5258, 5819, 6154)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mail.imap import names
from mail.imap.commands import List, StatusItem
from mail.mailbox.model import SpecialUse
from mail.message.strings import string

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mail.mailbox import Mailboxes
    from mail.mailbox.model import Mailbox
    from mail.mailbox.sync import DeepCounts

_NO_COUNTER = {StatusItem.DELETED, StatusItem.DELETED_STORAGE, StatusItem.RECENT}


def quoted(name: str, *, utf8: bool) -> bytes:
    """A name as it goes on the wire."""
    if not utf8:
        return string(names.encode(name))
    raw = name.encode()
    if '"' in name or "\\" in name:
        raw = raw.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    return b'"%b"' % raw


async def counts(
    mailboxes: Mailboxes, boxes: Sequence[Mailbox], items: Sequence[StatusItem]
) -> Mapping[int, DeepCounts]:
    """What the counters of these mailboxes do not tell of these items."""
    if not boxes or not _NO_COUNTER & set(items):
        return {}
    return await mailboxes.deep_counts([box.id for box in boxes])


def status(
    box: Mailbox, items: Sequence[StatusItem], deep: Mapping[int, DeepCounts], *, utf8: bool, limit_bytes: int
) -> bytes:
    """The reply of STATUS. limit_bytes: of a message, for APPENDLIMIT."""
    values = {
        StatusItem.MESSAGES: box.messages,
        StatusItem.UIDNEXT: box.uidnext,
        StatusItem.UIDVALIDITY: box.uidvalidity,
        StatusItem.UNSEEN: box.unseen,
        StatusItem.SIZE: box.size_bytes,
        StatusItem.HIGHESTMODSEQ: box.modseq,
        StatusItem.APPENDLIMIT: limit_bytes,
    }
    if box.id in deep:
        values[StatusItem.DELETED] = deep[box.id].deleted
        values[StatusItem.DELETED_STORAGE] = deep[box.id].deleted_bytes
        values[StatusItem.RECENT] = deep[box.id].recent
    shown = [f"{item} ({box.id})" if item is StatusItem.MAILBOXID else f"{item} {values[item]}" for item in items]
    return b"* STATUS %b (%b)\r\n" % (quoted(box.name, utf8=utf8), " ".join(shown).encode("ascii"))


def chosen(command: List, boxes: Sequence[Mailbox]) -> list[Mailbox]:
    """The mailboxes that exist among what LIST or LSUB asks for."""
    matches = names.matcher(command.reference, command.patterns)
    return [box for box in boxes if matches(box.name) and _is_selected(command, box)]


def _is_selected(command: List, box: Mailbox) -> bool:
    if (command.is_lsub or "SUBSCRIBED" in command.select) and not box.subscribed:
        return False
    return not ("SPECIAL-USE" in command.select and box.special_use in (None, SpecialUse.INBOX))


def listing(command: List, boxes: Sequence[Mailbox], *, utf8: bool) -> Iterator[bytes]:
    """The replies of LIST or LSUB, parents that are no mailboxes among them."""
    verb = b"LSUB" if command.is_lsub else b"LIST"
    if command.patterns == ("",) and not command.is_extended:
        yield b'* %b (\\Noselect) "/" ""\r\n' % verb
        return
    wanted = {box.name: box for box in chosen(command, boxes)}
    known = wanted if command.is_lsub else {box.name: box for box in boxes}
    parents = _parents(box.name for box in boxes)
    found = dict.fromkeys(wanted)
    found.update(dict.fromkeys(_implied(command, boxes, parents)))
    for name in sorted(found, key=lambda name: (name != names.INBOX, name)):
        attributes = [*_attributes(command, known.get(name)), _children(name in parents)]
        info = _child_info(command, name, boxes)
        shown = " ".join(attributes).encode("ascii")
        yield b'* %b (%b) "/" %b%b\r\n' % (verb, shown, quoted(name, utf8=utf8), info)


def described(box: Mailbox, boxes: Sequence[Mailbox], *, utf8: bool) -> bytes:
    """The reply of LIST that SELECT gives to clients of IMAP4rev2 (RFC 9051 §6.3.2). boxes: all, for its children."""
    parents = _parents(one.name for one in boxes)
    attributes = [*_attributes(List("", ()), box), _children(box.name in parents)]
    return b'* LIST (%b) "/" %b\r\n' % (" ".join(attributes).encode("ascii"), quoted(box.name, utf8=utf8))


def _children(has_some: bool) -> str:
    return "\\HasChildren" if has_some else "\\HasNoChildren"


def _attributes(command: List, box: Mailbox | None) -> list[str]:
    if box is None:
        return ["\\NonExistent" if command.is_extended else "\\Noselect"]  # who asks so knows RFC 5258
    found = []
    if box.special_use not in (None, SpecialUse.INBOX) and not command.is_lsub:
        found.append(f"\\{box.special_use}")
    if box.subscribed and "SUBSCRIBED" in command.select | command.returns:
        found.append("\\Subscribed")
    return found


def _implied(command: List, boxes: Sequence[Mailbox], parents: set[str]) -> list[str]:
    """Names that are no mailbox, or not a selected one, and stand above one that is."""
    matches = names.matcher(command.reference, command.patterns)
    exist = {box.name for box in boxes}
    if command.is_lsub or "RECURSIVEMATCH" in command.select:
        selected = [box.name for box in boxes if _is_selected(command, box)]
        above = {name for name in _parents(selected) if matches(name)}
        if command.is_lsub:  # RFC 3501 §6.3.9: with `%`, of subscribed children that do not match themselves
            return [name for name in above if not all(map(matches, _below(name, selected)))]
        return list(above)
    if command.select - {"REMOTE"}:
        return []
    return [name for name in parents - exist if matches(name)]


def _child_info(command: List, name: str, boxes: Sequence[Mailbox]) -> bytes:
    """RFC 5258 §4: that something below is selected."""
    if "RECURSIVEMATCH" not in command.select or "SUBSCRIBED" not in command.select:
        return b""
    below = _below(name, [box.name for box in boxes if box.subscribed])
    return b' ("CHILDINFO" ("SUBSCRIBED"))' if below else b""


def _parents(found: Iterator[str] | Sequence[str]) -> set[str]:
    """Every name that stands above one of these."""
    above = set()
    for name in found:
        while names.DELIMITER in name:
            name = name.rpartition(names.DELIMITER)[0]
            above.add(name)
    return above


def _below(name: str, found: Sequence[str]) -> list[str]:
    return [one for one in found if one.startswith(name + names.DELIMITER)]
