"""FETCH of well-formed and broken messages: told as Dovecot tells them, but for the differences that are known."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.mail.imap.like_dovecot.corpus import GROUPS
from tests.mail.imap.like_dovecot.known import IN_MESSAGES

if TYPE_CHECKING:
    from tests.mail.imap.like_dovecot.conftest import Both

PARTS = ("1", "2", "3", "1.1", "1.2", "2.1", "2.2", "1.1.1", "2.1.1")
ITEMS = (
    "ENVELOPE",
    "BODYSTRUCTURE",
    "BODY",
    "RFC822.SIZE",
    "INTERNALDATE",
    "FLAGS",
    "RFC822.HEADER",
    "BODY.PEEK[]",
    "BODY.PEEK[HEADER]",
    "BODY.PEEK[TEXT]",
    "BODY.PEEK[]<5.20>",
    "BODY.PEEK[TEXT]<3.10>",
    "BODY.PEEK[HEADER.FIELDS (SUBJECT to X-None)]",
    "BODY.PEEK[HEADER.FIELDS (Content-Type)]<2.9>",
    "BODY.PEEK[HEADER.FIELDS.NOT (Subject FROM)]",
    *(f"BODY.PEEK[{part}]" for part in PARTS),
    *(f"BODY.PEEK[{part}.{text}]" for part in PARTS[:6] for text in ("MIME", "HEADER", "TEXT")),
    *(f"BODY.PEEK[{part}.HEADER.FIELDS (Subject From)]" for part in PARTS[:4]),
)
BINARIES = tuple(f"{name}[{part}]" for part in PARTS[:4] for name in ("BINARY.PEEK", "BINARY.SIZE"))
DECODED = ("structures", "bodies", "python")
APPEND = 'APPEND INBOX (\\Seen $Mark) "22-Nov-2025 09:30:15 +0000" {}'
NUMBER = re.compile(r"[A-Z.]+\[((?:\d+\.)+1)\b.*")


async def test_messages_are_told_as_dovecot_tells_them(both: Both) -> None:
    await both.say("SELECT INBOX")
    found: dict[str, tuple[str, str]] = {}
    explained: set[str] = set()
    for group, messages in GROUPS.items():
        for name, message in messages.items():
            await both.say(APPEND, message)
            await both.say(f"FETCH * ({' '.join(ITEMS)})")
            ours, theirs = both.ours.reader.items, both.theirs.reader.items
            if group in DECODED:
                await _add_decoded(both, ours, theirs)
            for item in ours.keys() | theirs.keys():
                told = ours.get(item, "nothing"), _without_words(theirs.get(item, "nothing"), explained)
                if told[0] != told[1] and not (reason := _reason(item, *told)):
                    found[f"{group}: {name}: {item}"] = told
                elif told[0] != told[1]:
                    explained.add(reason)
    unknown = {key: told for key, told in found.items() if not _is_known(key)}
    assert not unknown, "\n".join(f"{key}\n  ours   {o[:400]}\n  theirs {t[:400]}" for key, (o, t) in unknown.items())
    assert not {key for keys in IN_MESSAGES.values() for key in keys if not _occurs(key, found)}
    assert explained == {"MISSING", "a part that is not there", "a leaf's only part"}


async def _add_decoded(both: Both, ours: dict[str, str], theirs: dict[str, str]) -> None:
    """What each gives of decoded parts; a refusal or a connection that ends is an answer too."""
    for item in BINARIES:
        answers = await both.say(f"FETCH * {item}")
        for side, told, replies in zip((both.ours, both.theirs), (ours, theirs), answers, strict=True):
            told[item] = next(iter(side.reader.items.values()), replies[-1])
            if replies == ["closed"]:
                await side.say("1", "SELECT INBOX")


def _without_words(told: str, explained: set[str]) -> str:
    """What Dovecot tells without the words it makes up for what an address lacks."""
    plain = told.replace('"MISSING_MAILBOX"', '""').replace('"MISSING_DOMAIN"', '""')
    if plain != told:
        explained.add("MISSING")
    return plain


def _reason(item: str, ours: str, theirs: str) -> str:
    """Why a section differs that is not there at all; empty when it is."""
    if ours == "NIL" and theirs == '""':
        return "a part that is not there"
    return "a leaf's only part" if ours in ("NIL", "0") and NUMBER.fullmatch(item) else ""


def _is_known(key: str) -> bool:
    return any(re.fullmatch(pattern, key) for patterns in IN_MESSAGES.values() for pattern in patterns)


def _occurs(pattern: str, found: dict[str, tuple[str, str]]) -> bool:
    group = pattern.partition(":")[0]
    return not GROUPS.get(group, True) or any(re.fullmatch(pattern, key) for key in found)
