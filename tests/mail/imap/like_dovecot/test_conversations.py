"""Conversations: the same commands to both, and the same answers, but for the differences that are known."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import mail.imap
from tests.mail.imap.like_dovecot.known import IN_CONVERSATIONS, IN_MESSAGES
from tests.mail.imap.like_dovecot.scripts import MESSAGES, SCRIPTS

if TYPE_CHECKING:
    from tests.mail.imap.like_dovecot.conftest import Both


README = Path(mail.imap.__file__).with_name("README.md")
ATTRIBUTES = re.compile(r"\\(?:Has(?:No)?Children|Archive|Drafts|Junk|Sent|Trash|Marked) ?")


def _plain(command: str, told: list[str], by_the_other: list[str]) -> list[str]:
    """A refusal without a code that the other does not give; names as both must tell them where more was not asked."""
    *lines, status = told
    if status.startswith(("NO", "BAD")) and "[" not in by_the_other[-1]:
        status = status.partition(" ")[0]
    if command.startswith("LSUB") or (command.startswith("LIST") and "(" in command):
        lines = [ATTRIBUTES.sub("", line).replace("NonExistent", "Noselect").replace(" )", ")") for line in lines]
        lines = [line.replace('"CHILDINFO"', "CHILDINFO") for line in lines]
    return [*sorted(lines), status] if command.startswith("L") else [*lines, status]


@pytest.mark.parametrize("name", SCRIPTS)
async def test_a_conversation_goes_as_with_dovecot(both: Both, name: str) -> None:
    """A line of a script is a command; `2> ` before it: of a second client. `{plain}` stands for that message."""
    found: dict[str, tuple[list[str], list[str]]] = {}
    for number, line in enumerate(SCRIPTS[name].strip().splitlines(), 1):
        session, _, command = line.strip().rpartition("> ")
        literals = [message for key, message in MESSAGES.items() if f"{{{key}}}" in command]
        for key in MESSAGES:
            command = command.replace(f"{{{key}}}", "{}")
        ours, theirs = await both.say(command, *literals, session=session or "1")
        if _plain(command, ours, theirs) != _plain(command, theirs, ours):
            found[f"{number}: {command}"] = ours, theirs
    known = IN_CONVERSATIONS.get(name, {})
    differences = "\n".join(f"{key}\n  ours   {ours}\n  theirs {theirs}" for key, (ours, theirs) in found.items())
    assert found.keys() == known.keys(), differences


def test_every_difference_is_told_in_the_readme() -> None:
    told = " ".join(README.read_text().split()).lower()
    reasons = {*IN_MESSAGES, *(reason for known in IN_CONVERSATIONS.values() for reason in known.values())}
    assert not {reason for reason in reasons if reason.lower() not in told.replace("**", "")}
