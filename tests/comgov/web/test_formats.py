"""How sizes, numbers and instants are written."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from comgov.web.formats import day, filesize, instant, moment, number, percent
from comgov.web.pages import Flash, choose_language, dump_flashes, is_local, load_flashes

NOW = datetime(2026, 3, 4, 15, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("size_bytes", "french", "english"),
    [
        (0, "0 o", "0 B"),
        (999, "999 o", "999 B"),
        (1_000, "1,0 ko", "1.0 kB"),
        (1_234_567, "1,2 Mo", "1.2 MB"),
        (9_950_000, "10 Mo", "10 MB"),
        (999_499_999, "999 Mo", "999 MB"),
        (999_500_000, "1,0 Go", "1.0 GB"),
        (5 * 10**18, "5000 Po", "5000 PB"),
    ],
)
def test_a_size_has_two_digits_that_matter(size_bytes: int, french: str, english: str) -> None:
    assert (
        filesize(size_bytes, "fr").replace("\N{NO-BREAK SPACE}", " ").replace("\N{NARROW NO-BREAK SPACE}", "") == french
    )
    assert filesize(size_bytes, "en").replace("\N{NO-BREAK SPACE}", " ") == english


@pytest.mark.parametrize(
    ("share", "french", "english"),
    [
        (0, "0\N{NARROW NO-BREAK SPACE}%", "0%"),
        (0.000001, "<\N{NO-BREAK SPACE}1\N{NARROW NO-BREAK SPACE}%", "<\N{NO-BREAK SPACE}1%"),
        (0.008, "1\N{NARROW NO-BREAK SPACE}%", "1%"),
        (0.8, "80\N{NARROW NO-BREAK SPACE}%", "80%"),
        (12.5, "1\N{NARROW NO-BREAK SPACE}250\N{NARROW NO-BREAK SPACE}%", "1,250%"),
    ],
)
def test_a_share_is_told_in_hundredths_and_never_as_nothing_unless_it_is(
    share: float, french: str, english: str
) -> None:
    assert (percent(share, "fr"), percent(share, "en")) == (french, english)


def test_a_day_and_a_proof_s_instant_are_written_out() -> None:
    assert day(date(2027, 8, 4), "fr") == "4 août 2027"
    assert day(date(2027, 8, 4), "en") == "4 August 2027"
    assert instant(NOW, NOW, "fr") == '<time datetime="2026-03-04T15:00:00+00:00">4 mars 2026 15:00 UTC+00:00</time>'


def test_thousands_are_set_apart_by_a_thin_space_in_french() -> None:
    assert number(1234567, "fr") == "1\N{NARROW NO-BREAK SPACE}234\N{NARROW NO-BREAK SPACE}567"
    assert number(1234567, "en") == "1,234,567"


@pytest.mark.parametrize(
    ("ago", "short"),
    [
        (timedelta(hours=2), "13:00"),
        (timedelta(days=1), "hier 15:00"),
        (timedelta(days=3), "1 mars 15:00"),
        (timedelta(days=20), "12 févr."),
        (timedelta(days=400), "28 janv. 2025"),
        (timedelta(days=-1), "5 mars"),
    ],
)
def test_an_instant_is_short_for_the_eye_and_whole_for_programs(ago: timedelta, short: str) -> None:
    instant = NOW - ago
    written = moment(instant, NOW, "fr").replace("\N{NO-BREAK SPACE}", " ")
    assert written.endswith(f">{short}</time>")
    assert f'datetime="{instant.isoformat(timespec="seconds")}"' in written


@pytest.mark.parametrize("path", ["/", "/mail?x=1", "/é"])
def test_paths_of_this_site_are_local(path: str) -> None:
    assert is_local(path)


@pytest.mark.parametrize("path", ["", "mail", "//evil.test", "/\\evil.test", "/a\nb", "/a b", "/\x7f", "javascript:x"])
def test_anything_else_is_not(path: str) -> None:
    assert not is_local(path)


@pytest.mark.parametrize("cookie", ["", "x", "bnVsbA==", "W1sxXV0=", "eyJhIjoxfQ=="])
def test_a_cookie_that_is_not_ours_says_nothing(cookie: str) -> None:
    assert load_flashes(cookie) == []


def test_flashes_fit_in_a_cookie() -> None:
    flashes = [Flash("done", f"n{number} " + "é" * 400) for number in range(20)]
    cookie = dump_flashes(flashes)
    assert len(cookie) < 4000
    assert load_flashes(cookie)[-1] == flashes[-1]


@pytest.mark.parametrize("accepted", ["", "*", "xx", ";;;", "fr;q=0", "é", "a" * 5000])
def test_an_odd_wish_is_answered_in_french(accepted: str) -> None:
    assert choose_language(None, "xx", accepted) == "fr"
