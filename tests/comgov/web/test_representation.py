"""Ranges, validators, digests and names, as HTTP has them."""

from __future__ import annotations

import base64
import hashlib
import re
from urllib.parse import unquote

import pytest
from aiohttp import ETag
from hypothesis import given
from hypothesis import strategies as st

from comgov.errors import Invalid
from comgov.files.names import check_name
from comgov.web.representation import (
    Unsatisfiable,
    announced_digest,
    content_disposition,
    digest_header,
    matches,
    may_resume,
    media_type,
    selected,
    viewed_as,
)

SHA256 = hashlib.sha256(b"content").digest()
TAG = SHA256.hex()
BASE64 = base64.b64encode(SHA256).decode()
NOTHING = Unsatisfiable.RANGE


@pytest.mark.parametrize(
    ("header", "size", "positions"),
    [
        (None, 10, None),
        ("bytes=0-3", 10, range(4)),
        ("bytes=3-3", 10, range(3, 4)),
        ("Bytes=3-", 10, range(3, 10)),
        ("bytes=-3", 10, range(7, 10)),
        ("bytes=-30", 10, range(10)),
        ("bytes=3-300", 10, range(3, 10)),
        ("bytes=10-", 10, NOTHING),
        ("bytes=10-12", 10, NOTHING),
        ("bytes=-0", 10, NOTHING),
        ("bytes=0-", 0, NOTHING),
        ("bytes=-5", 0, NOTHING),
        ("bytes=5-4", 10, None),
        ("bytes=-", 10, None),
        ("bytes=", 10, None),
        ("bytes=a-b", 10, None),
        ("bytes=0-1,4-5", 10, None),
        ("lines=0-3", 10, None),
        ("bytes=-5-3", 10, None),
        ("bytes=٣-٤", 10, None),
        ("bytes=" + "9" * 5000 + "-", 10, None),
        ("bytes=9999999999999999999-", 10, NOTHING),
    ],
)
def test_what_a_range_selects(header: str | None, size: int, positions: range | Unsatisfiable | None) -> None:
    assert selected(header, size) == positions


@given(st.integers(0, 50), st.one_of(st.none(), st.integers(0, 60)), st.integers(1, 50))
def test_a_range_is_the_slice_it_names(first: int, last: int | None, size: int) -> None:
    found = selected(f"bytes={first}-{'' if last is None else last}", size)
    expected = range(size)[first : None if last is None else last + 1]
    if last is not None and last < first:
        assert found is None
    else:
        assert found == (expected or NOTHING)


def test_a_tag_names_the_very_bytes() -> None:
    own, weak = ETag(TAG), ETag(TAG, is_weak=True)
    assert matches([ETag("other"), own], TAG)
    assert matches([ETag("*")], TAG)
    assert not matches([ETag("other")], TAG)
    assert not matches([weak], TAG)
    assert matches([weak], TAG, is_weak_enough=True)


@pytest.mark.parametrize(
    ("header", "resumes"),
    [
        (None, True),
        (f'"{TAG}"', True),
        (f'W/"{TAG}"', False),
        ('"other"', False),
        (TAG, False),
        ("Mon, 23 Nov 2026 08:00:00 GMT", False),
    ],
)
def test_a_download_goes_on_only_with_the_same_bytes(header: str | None, resumes: bool) -> None:
    assert may_resume(header, TAG) is resumes


@pytest.mark.parametrize(
    "header",
    [
        f"sha-256=:{BASE64}:",
        f"sha-512=:AAAA:, sha-256=:{BASE64}:",
        f"sha-256=:{BASE64}:;q=1, unixsum=30637",
        f"SHA-256={BASE64}",
        f"MD5=AAAA,SHA-256={BASE64}",
    ],
)
def test_an_announced_digest_is_read_old_and_new(header: str) -> None:
    assert announced_digest(None, header) == SHA256


@pytest.mark.parametrize(
    "header", ["sha-256=:AAAA:", "sha-256=:***:", "sha-256=", f"sha-256=:{BASE64}:, sha-256=:{BASE64[::-1]}:"]
)
def test_an_unreadable_digest_is_refused_rather_than_ignored(header: str) -> None:
    with pytest.raises(Invalid):
        announced_digest(header)


def test_two_headers_must_agree() -> None:
    other = digest_header(bytes(32))
    assert announced_digest(digest_header(SHA256), digest_header(SHA256)) == SHA256
    with pytest.raises(Invalid):
        announced_digest(digest_header(SHA256), other)


@pytest.mark.parametrize("header", [None, "", "md5=:AAAA:", "sha-512=:AAAA:", "x-sha-256=:AAAA:"])
def test_other_digests_are_not_ours_to_check(header: str | None) -> None:
    assert announced_digest(header) is None


def test_a_digest_is_told_as_it_is_read() -> None:
    assert announced_digest(digest_header(SHA256)) == SHA256


@given(st.text(min_size=1, max_size=100))
def test_any_name_survives_the_header(name: str) -> None:
    try:
        name = check_name(name)
    except Invalid:
        return
    header = content_disposition(name)
    assert header.isascii() and header.isprintable()
    found = re.fullmatch(r"attachment; filename=\"([^\"\\]*)\"; filename\*=UTF-8''([A-Za-z0-9%_.~-]*)", header)
    assert found is not None
    assert unquote(found[2]) == name


def test_what_can_act_is_never_shown_in_place() -> None:
    for name in ("page.html", "page.HTM", "plan.svg", "a.xml", "a.xhtml", "a.pdf", "a.js", "a", "a.png.html", "a.htm "):
        assert viewed_as(name) is None
    assert viewed_as("photo.JPG") == "image/jpeg"
    assert viewed_as("note.txt") == "text/plain; charset=utf-8"
    assert media_type("bilan.pdf") == "application/pdf"
    assert media_type("bilan") == "application/octet-stream"
