"""What a message is sorted and threaded by (RFC 5256 §2.2 and §3), computed once, as it is accepted."""

from __future__ import annotations

import re
from hashlib import blake2b
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from mail.message.header import first, last
from mail.message.people import people_of
from mail.message.subject import base_subject
from mail.message.text import collation_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mail.message.header import Fields

DIGEST_BYTES = 8
_ANCESTORS_LIMIT = 16  # of References: the first, and the last ones
# Possessive, and its quotes bounded: what is no Message-ID is passed over in linear time.
_MESSAGE_ID = re.compile(rb'<((?:[^<>"@]++|"(?:[^"\\]|\\.){0,250}+"){0,100}+@[^<>]*+)>')
_PLAIN = re.compile(rb"[!#-~]+")
_BLANKS = re.compile(rb"\s+")
_QUOTED_LOCAL = re.compile(rb'"([A-Za-z0-9!#$%&\'*+/=?^_`{|}~.-]+)"@')


class Order(NamedTuple):
    """Texts are keys to compare, not to show.

    subject: the base subject. is_reply: something such as `Re:` was cut from it. from_mailbox, to_mailbox, cc_mailbox:
    the local part of the first address. from_name, to_name: its display name, else the address (RFC 5957).
    lineage: digests of Message-IDs, 8 bytes each, from the first message of the thread down to this one.
    """

    subject: str
    is_reply: bool
    from_mailbox: str
    to_mailbox: str
    cc_mailbox: str
    from_name: str
    to_name: str
    lineage: bytes


def order_of(fields: Fields, header: bytes, subject: str) -> Order:
    """subject: decoded."""
    base = base_subject(subject)
    senders, recipients = people_of(fields, b"from"), people_of(fields, b"to")
    return Order(
        subject=collation_key(base.text),
        is_reply=base.is_reply,
        from_mailbox=senders.mailbox_key,
        to_mailbox=recipients.mailbox_key,
        cc_mailbox=people_of(fields, b"cc").mailbox_key,
        from_name=senders.name_key,
        to_name=recipients.name_key,
        lineage=_lineage(fields, header),
    )


def _lineage(fields: Fields, header: bytes) -> bytes:
    """A message without a Message-ID goes by the digest of its header."""
    own = next(_message_ids(last(fields, b"message-id") or b""), header)
    ancestors = list(_message_ids(first(fields, b"references")))
    if not ancestors:
        ancestors = list(islice(_message_ids(first(fields, b"in-reply-to")), 1))
    if len(ancestors) > _ANCESTORS_LIMIT:
        ancestors[1 : 1 - _ANCESTORS_LIMIT] = []
    return b"".join(blake2b(one, digest_size=DIGEST_BYTES).digest() for one in (*ancestors, own))


def _message_ids(value: bytes) -> Iterator[bytes]:
    """The valid Message-IDs of a field, in one form each: without blanks, nor quotes that need not be."""
    for found in _MESSAGE_ID.finditer(value):
        one = found[1]
        yield one if _PLAIN.fullmatch(one) else _QUOTED_LOCAL.sub(rb"\1@", _BLANKS.sub(b"", one))
