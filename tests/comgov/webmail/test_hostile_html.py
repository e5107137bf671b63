"""HTML mail made to cost: what a few kilobytes may take of the server's time and memory."""

from __future__ import annotations

import re
import threading
import time
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from comgov.people.actions import actor_of
from comgov.webmail import html, letter
from comgov.webmail.actions import reading, writing
from mail.mailbox import Mailboxes
from tests.comgov.webmail.conftest import CLAIRE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from mail.mailbox import Message
    from mail.message import Part
    from tests.comgov.webmail.conftest import Ministry


def test_unclosed_formatting_is_not_opened_again_in_every_paragraph() -> None:
    mail = "<p>" + "".join(f"<b a{number}>" for number in range(900)) + "x</p>" + "<p>y</p>" * 200

    found = html.clean(mail, {}).text

    assert len(found) < 10 * len(mail)
    assert found.count("y") == 200


def test_formatting_keeps_its_meaning() -> None:
    mail = '<p><b class="x">gras</b> <i/>italique</i> <font size="2">petit</font> <span dir="rtl">x</span></p>'

    found = html.clean(mail, {}).text

    assert found == '<p><b>gras</b> <i>italique</i> petit <span dir="rtl">x</span></p>'


@pytest.mark.parametrize("disguise", ["<div></x>", "<div><!--</div>-->", '<div title="</div>">'])
def test_depth_cannot_be_disguised(disguise: str) -> None:
    assert not html.Allowance().admits(disguise * 10_000)


@pytest.mark.parametrize("opening", ["<br ", "<p</p ", "<", "<b ", "<b\t<i "])
def test_what_is_never_closed_is_read_in_linear_time(opening: str) -> None:
    mail = opening * (300_000 // len(opening))
    started = time.process_time()

    html.to_text(mail, html.Allowance())

    assert time.process_time() - started < 2


class Cleaner:
    """Counts what the parser is given, and where it runs."""

    def __init__(self, clean: Callable[..., str]) -> None:
        self._clean = clean
        self.characters = self.tags = 0
        self.in_loop = False

    def __call__(self, given: str, **options: Any) -> str:
        self.characters += len(given)
        self.tags += len(re.findall("<[a-z]", given))
        self.in_loop = self.in_loop or threading.current_thread() is threading.main_thread()
        return self._clean(given, **options)


@pytest.fixture
def cleaner(monkeypatch: pytest.MonkeyPatch) -> Cleaner:
    cleaner = Cleaner(html.nh3.clean)
    monkeypatch.setattr(html.nh3, "clean", cleaner)
    return cleaner


async def _received(ministry: Ministry, parts: list[str], subtype: str = "html") -> Message:
    head = f"From: <a@example.org>\nTo: {CLAIRE}\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n"
    body = "".join(f"--b\nContent-Type: text/{subtype}\n\n{part}\n" for part in parts)
    await ministry.receive(f"{head}{body}--b--\n")
    return (await ministry.messages(CLAIRE))[0]


async def _show(ministry: Ministry, message: Message, *, as_text: bool = False) -> letter.Letter:
    actor = await actor_of(ministry.platform, CLAIRE)
    opened = await reading.open_mailbox(ministry.platform, actor, message.mailbox_id)
    return await reading.read(ministry.platform, opened, message, as_text=as_text)


async def _answer(ministry: Ministry, message: Message) -> str:
    actor = await actor_of(ministry.platform, CLAIRE)
    opened = await reading.open_mailbox(ministry.platform, actor, message.mailbox_id)
    draft = writing.blank(actor, UUID(int=1), opened.access)
    found = await writing.answer(ministry.platform, opened, message, draft, everyone=False, introduction="-")
    return found.text


@pytest.mark.parametrize("how", ["shown", "as text", "answered"])
async def test_the_html_of_one_message_is_cleaned_up_to_a_limit_and_never_in_the_loop(
    ministry: Ministry, cleaner: Cleaner, how: str
) -> None:
    long_lines = ("<p>" + "x" * 900 + "</p>\n") * 60
    message = await _received(ministry, ["<i>début</i>", *[long_lines] * 18, "<i>fin</i>"])
    found = await _act(ministry, message, how)
    assert "début" in found and "fin" not in found
    assert 200_000 < cleaner.characters < 1.1 * html.LONGEST
    assert not cleaner.in_loop


@pytest.mark.parametrize("how", ["shown", "as text", "answered"])
async def test_the_tags_of_one_message_are_counted_together(ministry: Ministry, cleaner: Cleaner, how: str) -> None:
    message = await _received(ministry, [("<a><div></a></x>\n") * 700 + f"<p>fin {number}</p>" for number in range(20)])
    found = await _act(ministry, message, how)
    assert "fin 19" in found
    assert 5_000 < cleaner.tags <= 8_000


async def test_a_message_that_is_cut_says_so(ministry: Ministry) -> None:
    assert (await _show(ministry, await _received(ministry, ["<p>x</p>\n" * 40_000]))).is_cut
    assert not (await _show(ministry, await _received(ministry, ["<p>x</p>\n"] * 20))).is_cut


async def _act(ministry: Ministry, message: Message, how: str) -> str:
    if how == "answered":
        return await _answer(ministry, message)
    return (await _show(ministry, message, as_text=how == "as text")).body


async def test_of_a_long_text_only_what_can_be_quoted_is_read(
    ministry: Ministry, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = await _received(ministry, ["ligne\n" * 1_000_000, "fin\n"], "plain")
    read_bytes = 0
    whole = Mailboxes.part

    async def counted(self: Mailboxes, message: Message, part: Part) -> AsyncIterator[bytes]:
        nonlocal read_bytes
        async for chunk in whole(self, message, part):
            read_bytes += len(chunk)
            yield chunk

    monkeypatch.setattr(Mailboxes, "part", counted)
    assert "> ligne" in await _answer(ministry, message)
    assert read_bytes < 3_000_000


def test_a_text_full_of_addresses_is_linked_in_little_time() -> None:
    started = time.process_time()
    found = letter.plain("a@b.cc " * 70_000)
    assert time.process_time() - started < 2
    assert found.count("<a href") == 70_000
