"""Every mail found on the machine goes in by APPEND and comes out by FETCH, byte for byte, whole and in parts."""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING

from tests.mail import specimens
from tests.mail.imap import grammar

if TYPE_CHECKING:
    from tests.mail.imap.client import Client
    from tests.mail.imap.grammar import Value


async def test_every_mail_comes_out_as_it_went_in(claire: Client) -> None:
    mails = specimens.found()
    uids = {}
    for name, content in mails.items():
        told = (await claire.say("APPEND INBOX {}", content))[-1]
        assert told.startswith(b"OK [APPENDUID "), (name, told)
        uids[name] = int(told.split(b"]")[0].split()[-1])
    await claire.say("SELECT INBOX")
    for name, content in mails.items():
        items = await fetch(claire, uids[name], "BODY.PEEK[] BODY.PEEK[HEADER] BODY.PEEK[TEXT] ENVELOPE BODYSTRUCTURE")
        assert items["BODY[]"] == content, name
        header, text = items["BODY[HEADER]"], items["BODY[TEXT]"]
        assert isinstance(header, bytes) and isinstance(text, bytes) and header + text == content, name
        grammar.check_envelope(items["ENVELOPE"])
        await check_parts(claire, uids[name], items["BODYSTRUCTURE"], content)


async def check_parts(claire: Client, uid: int, structure: Value, content: bytes) -> None:
    """Every leaf is where the structure says, as long as it says, and stands in the message."""
    for number, size in leaves(structure, ""):
        items = await fetch(claire, uid, f"BODY.PEEK[{number}] BODY.PEEK[{number}.MIME]")
        part = items[f"BODY[{number}]"]
        assert isinstance(part, bytes) and len(part) == size and part in content, number


def leaves(structure: Value, prefix: str) -> list[tuple[str, int]]:
    """Numbers and sizes of the parts of a BODYSTRUCTURE (RFC 9051 §6.4.5.1)."""
    grammar.check_structure(structure)
    assert isinstance(structure, list)
    if not isinstance(structure[0], list):
        return [(prefix or "1", int(str(structure[6])))]
    children = list(takewhile(lambda one: isinstance(one, list), structure))
    return [
        found
        for place, child in enumerate(children, 1)
        for found in leaves(child, f"{prefix}.{place}" if prefix else f"{place}")
    ]


async def fetch(claire: Client, uid: int, items: str) -> dict[str, Value]:
    line = (await claire.say(f"UID FETCH {uid} ({items})"))[0]
    assert b" FETCH " in line
    (values,) = grammar.read(line.partition(b" FETCH ")[2])
    assert isinstance(values, list)
    return grammar.fetched(values)
