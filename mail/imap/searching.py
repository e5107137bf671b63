"""SEARCH, SORT and THREAD: what is found of the open mailbox, in which order, and how it is told."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mail.imap.commands import Algorithm, Return
from mail.mailbox import threads
from mail.mailbox.criteria import ModSeq, holds
from mail.mailbox.sequence import compress

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mail.imap import commands
    from mail.imap.session import Session
    from mail.mailbox.criteria import Key, SortBy
    from mail.mailbox.threads import Node

_PUT = {Algorithm.ORDEREDSUBJECT: threads.by_subject, Algorithm.REFERENCES: threads.by_references}


async def search(session: Session, command: commands.Search) -> bytes:
    """SEARCH (RFC 9051 §6.4.4)."""
    if command.returns is None and session.is_rev2:
        command = replace(command, returns=frozenset({Return.ALL}))
    await _find(session, command, ())
    return b"OK SEARCH is done"


async def sort(session: Session, command: commands.Sort) -> bytes:
    """SORT (RFC 5256, 5267)."""
    await _find(session, command, command.criteria)
    return b"OK SORT is done"


async def thread(session: Session, command: commands.Thread) -> bytes:
    """THREAD (RFC 5256)."""
    selected = session.open_mailbox
    key = _resolved(session, command.key)
    nodes = await session.server.mailboxes.threads(selected.box.id, key, _PUT[command.algorithm])
    text = threads_text(nodes, (lambda uid: uid) if command.by_uid else selected.number)
    session.connection.write(b"* THREAD %b\r\n" % text if text else b"* THREAD\r\n")
    return b"OK THREAD is done"


async def _find(
    session: Session, command: commands.Search | commands.Sort, sort_by: Sequence[tuple[SortBy, bool]]
) -> None:
    selected, returns = session.open_mailbox, command.returns
    key = _resolved(session, command.key)
    if returns and Return.SAVE in returns:  # RFC 5182 §2.1: nothing is saved by a search that fails
        selected.save(())
    found = await session.server.mailboxes.find(selected.box.id, key, sort_by)
    meant = _meant(list(found), returns or frozenset())
    modseq = max((found[uid] for uid in meant), default=0) if holds(key, (ModSeq,)) else 0
    selected.note_modseq(modseq)
    numbers = list(found) if command.by_uid else [selected.number(uid) for uid in found]
    if returns is None:
        told = b"".join(b" %d" % number for number in numbers) + (b" (MODSEQ %d)" % modseq if modseq else b"")
        session.connection.write(b"* %b%b\r\n" % (b"SORT" if sort_by else b"SEARCH", told))
        return
    if Return.SAVE in returns:
        selected.save(meant)
    if returns != {Return.SAVE}:
        told = (b" UID" if command.by_uid else b"") + esearch(numbers, returns)
        told += b" MODSEQ %d" % modseq if modseq else b""
        session.connection.write(b'* ESEARCH (TAG "%b")%b\r\n' % (session.tag, told))


def _resolved(session: Session, key: Key) -> Key:
    """The key as the database takes it. A client that asks for MODSEQs is told them from now on (RFC 7162 §3.1)."""
    if holds(key, (ModSeq,)):
        session.enabled.add("CONDSTORE")
    return session.open_mailbox.resolved(key)


def _meant(uids: Sequence[int], returns: frozenset[Return]) -> Sequence[int]:
    """What of the found is saved, and has its MODSEQ told: when only the first or the last was asked for, that alone
    (RFC 5182 §2.1, RFC 4731 §3.2)."""
    ends = returns & {Return.MIN, Return.MAX}
    if not ends or returns & {Return.ALL, Return.COUNT}:
        return uids
    return [*(uids[:1] if Return.MIN in ends else ()), *(uids[-1:] if Return.MAX in ends else ())]


def esearch(found: Sequence[int], returns: frozenset[Return]) -> bytes:
    """What ESEARCH tells of a result (RFC 4731 §3.1), in its order; nothing but the count of an empty one."""
    told = []
    if found and Return.MIN in returns:
        told.append(b" MIN %d" % found[0])
    if found and Return.MAX in returns:
        told.append(b" MAX %d" % found[-1])
    if found and Return.ALL in returns:
        told.append(b" ALL " + compress(found))
    if Return.COUNT in returns:
        told.append(b" COUNT %d" % len(found))
    return b"".join(told)


def threads_text(nodes: Sequence[Node], number: Callable[[int], int]) -> bytes:
    """Threads in their parentheses (RFC 5256 §4): a message alone below another follows it, several have their own."""
    siblings = _siblings(nodes)
    pieces: list[bytes] = []
    open_at: list[int] = []
    for place, node in enumerate(nodes):
        while open_at and open_at[-1] >= node.depth:
            open_at.pop()
            pieces.append(b")")
        if siblings[place] > 1 or not node.depth:
            is_after_number = pieces and pieces[-1] not in (b"(", b" (", b")")
            pieces.append(b" (" if is_after_number else b"(")
            open_at.append(node.depth)
        else:
            pieces.append(b" ")
        if node.uid != threads.ABSENT:
            pieces.append(b"%d" % number(node.uid))
    return b"".join(pieces) + b")" * len(open_at)


def _siblings(nodes: Sequence[Node]) -> Sequence[int]:
    """Of each message, how many stand below the same one, itself too."""
    above: list[int] = []
    parents = []
    for place, node in enumerate(nodes):
        del above[node.depth :]
        parents.append(above[-1] if above else len(nodes))
        above.append(place)
    counts = [0] * (len(nodes) + 1)
    for parent in parents:
        counts[parent] += 1
    return [counts[parent] for parent in parents]
