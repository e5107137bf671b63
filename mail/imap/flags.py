r"""Flags as IMAP writes them: `\Seen` and its like, and keywords, which are anybody's (RFC 9051 §2.3.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mail.mailbox.model import Flag

if TYPE_CHECKING:
    from collections.abc import Sequence

NAMES = {
    Flag.ANSWERED: rb"\Answered",
    Flag.FLAGGED: rb"\Flagged",
    Flag.DELETED: rb"\Deleted",
    Flag.SEEN: rb"\Seen",
    Flag.DRAFT: rb"\Draft",
}
BY_NAME = {name.lower(): flag for flag, name in NAMES.items()}
SYSTEM_FLAGS = b" ".join(NAMES.values())
_BY_BITS = tuple(b" ".join(name for flag, name in NAMES.items() if flag & bits) for bits in range(32))


def flags_text(flags: int, keywords: Sequence[str], *, is_recent: bool) -> bytes:
    r"""Such as `(\Seen $Forwarded)`."""
    text = _BY_BITS[flags]
    if keywords:
        text = b" ".join((text, *(keyword.encode("ascii") for keyword in keywords))).lstrip()
    if is_recent:
        text = (text + rb" \Recent").lstrip()
    return b"(%b)" % text
