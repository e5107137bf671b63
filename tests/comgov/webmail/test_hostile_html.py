"""HTML mail made to cost: what a few kilobytes may take of the server's time and memory."""

from __future__ import annotations

import time

import pytest

from comgov.webmail import html


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
    assert html.is_too_deep(disguise * 10_000)


@pytest.mark.parametrize("opening", ["<br ", "<p</p ", "<", "<b ", "<b\t<i "])
def test_what_is_never_closed_is_read_in_linear_time(opening: str) -> None:
    mail = opening * (300_000 // len(opening))
    started = time.process_time()

    html.to_text(mail)

    assert time.process_time() - started < 2
