"""The people whom a field names, in the forms that acceptance keeps.

The same few write to each other again and again: what is told of a value is remembered, as it depends on nothing else.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import chain, islice
from typing import TYPE_CHECKING, NamedTuple

from mail.message.addresses import MAILBOXES_LIMIT, parse_addresses
from mail.message.header import decode
from mail.message.strings import nstring, words
from mail.message.text import collation_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mail.message.addresses import Mailbox
    from mail.message.header import Fields

_REMEMBERED = 2048  # values
_REMEMBERED_LIMIT_BYTES = 256  # of each
_JUST_SEEN_LIMIT_BYTES = 64 * 1024
_SHOWN_LIMIT = 1000  # characters of them all
_SHOWN_MAILBOXES = 20
_KEY_LIMIT = 200  # characters


class People(NamedTuple):
    """What From, To or their like say; empty when they name nobody.

    shown: `Claire N. <claire@sante.gov.test>, …`, for display. listed: as ENVELOPE has them. mailbox_key: the local
    part of the first; name_key: its display name, else its address (RFC 5957). Keys are to compare, not to show.
    """

    shown: str
    listed: bytes
    mailbox_key: str
    name_key: str


_NOBODY = People("", b"", "", "")


def people_of(fields: Fields, name: bytes) -> People:
    """Whom all fields of that (lower-case) name name: of addresses all count, none is hidden behind another."""
    values = fields.get(name)
    if values is None:
        return _NOBODY
    size_bytes = sum(map(len, values))
    if len(values) == 1 and size_bytes <= _REMEMBERED_LIMIT_BYTES:
        return _remembered(values[0])
    return _just_seen(tuple(values)) if size_bytes <= _JUST_SEEN_LIMIT_BYTES else _all_of(values)


@lru_cache(maxsize=_REMEMBERED)
def _remembered(value: bytes) -> People:
    return _described(parse_addresses(value))


@lru_cache(maxsize=8)  # a message's are asked for three times, with those of other fields between
def _just_seen(values: tuple[bytes, ...]) -> People:
    return _all_of(values)


def _all_of(values: Sequence[bytes]) -> People:
    return _described(list(islice(chain.from_iterable(map(parse_addresses, values)), MAILBOXES_LIMIT)))


def _described(mailboxes: Sequence[Mailbox]) -> People:
    if not mailboxes:
        return _NOBODY
    first = mailboxes[0]
    address = b"@".join(piece for piece in (first.local, first.host) if piece)
    return People(
        shown=_shown(mailboxes[:_SHOWN_MAILBOXES]),
        listed=b"(%b)" % b"".join(map(_listed, mailboxes)),
        mailbox_key=collation_key(decode(first.local or b"")[:_KEY_LIMIT]),
        name_key=collation_key(decode(first.name or address)[:_KEY_LIMIT]),
    )


def _shown(mailboxes: Sequence[Mailbox]) -> str:
    shown = []
    for mailbox in mailboxes:
        if mailbox.host is None:
            continue
        address = decode(mailbox.local or b"") + (f"@{decode(mailbox.host)}" if mailbox.host else "")
        name = decode(mailbox.name)
        shown.append(f"{name} <{address}>" if name else address)
    return ", ".join(shown)[:_SHOWN_LIMIT]


def _listed(mailbox: Mailbox) -> bytes:
    return b"(%b %b %b %b)" % (
        words(mailbox.name or None),
        nstring(mailbox.route or None),
        nstring(mailbox.local),
        nstring(mailbox.host),
    )
