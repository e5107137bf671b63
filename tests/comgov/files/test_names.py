"""What a file may be called, and how names compare."""

from __future__ import annotations

import unicodedata
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comgov.errors import Invalid
from comgov.files.names import (
    NAME_LIMIT_BYTES,
    check_name,
    free_names,
    name_key,
    plain,
    sort_key,
    split_path,
    uploaded_name,
)


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        ".",
        "..",
        "...",
        ". .",
        "a/b",
        "a\\b",
        "a\0b",
        "a\nb",
        "a\x7fb",
        "a\x85b",
        "annexe\u202efdp.exe",
        "a\u2066b",
        "a\u200fb",
        "a\u200bb",
        "a\ufeffb",
        "a\u2028b",
        "a\ud800b",
        "é" * 128,
        "a" * 256,
    ],
)
def test_a_name_that_misleads_or_breaks_paths_is_refused(name: str) -> None:
    with pytest.raises(Invalid):
        check_name(name)


@pytest.mark.parametrize(
    ("given_name", "kept"),
    [
        ("Rapport 2026.pdf", "Rapport 2026.pdf"),
        ("  bilan.pdf ", "bilan.pdf"),
        ("bilan. . ", "bilan"),
        (".profile", ".profile"),
        (unicodedata.normalize("NFD", "Été.txt"), "Été.txt"),
        ("réunion 10:30.odt", "réunion 10:30.odt"),
        ("👩\u200d💻.png", "👩\u200d💻.png"),
        ("a" * 255, "a" * 255),
        ("é" * 127, "é" * 127),
    ],
)
def test_a_name_is_kept_composed_and_trimmed(given_name: str, kept: str) -> None:
    assert check_name(given_name) == kept


@given(st.text(max_size=300))
def test_a_kept_name_is_kept_as_it_is(name: str) -> None:
    try:
        kept = check_name(name)
    except Invalid:
        return
    assert check_name(kept) == kept
    assert 0 < len(kept.encode()) <= NAME_LIMIT_BYTES
    assert "/" not in kept and "\0" not in kept and kept not in (".", "..")


def test_of_a_path_on_the_own_disk_the_last_part_counts() -> None:
    assert uploaded_name("C:\\Users\\Claire\\bilan.pdf") == "bilan.pdf"
    assert uploaded_name("../../etc/passwd") == "passwd"


@pytest.mark.parametrize("path", ["a//b", "a/../b", "./a", "a/./b", "..", "a/\0", "a/" * 50 + "a", "a" * 20_000])
def test_a_path_that_leads_elsewhere_or_too_deep_is_refused(path: str) -> None:
    with pytest.raises(Invalid):
        split_path(path, 40)


def test_a_path_is_its_names() -> None:
    assert split_path("/Rapports/2026/bilan.pdf", 40) == ("Rapports", "2026", "bilan.pdf")
    assert split_path("", 40) == split_path("/", 40) == ()


def test_names_that_differ_in_case_alone_are_one() -> None:
    assert name_key("BILAN.pdf") == name_key("Bilan.PDF")
    assert name_key("STRASSE") == name_key("Straße")
    assert name_key("Été") == name_key("ÉTÉ") != name_key("ete")


def test_people_sort_without_accents_and_numbers_by_value() -> None:
    names = ["Ete 10", "été 2", "annexe", "Zone", "Été 1", "rapport 007", "rapport 6"]
    assert sorted(names, key=sort_key) == [
        "annexe",
        "Été 1",
        "été 2",
        "Ete 10",
        "rapport 6",
        "rapport 007",
        "Zone",
    ]


@given(st.text(max_size=255))
def test_a_sort_key_fits_an_index(name: str) -> None:
    assert len(sort_key(name).encode(errors="surrogatepass")) <= 1600


@given(st.integers(0, 10**30), st.integers(0, 10**30))
def test_numbers_sort_by_value(one: int, other: int) -> None:
    assert (sort_key(f"n{one}") < sort_key(f"n{other}")) == (one < other)


def test_search_text_has_neither_accents_nor_case() -> None:
    assert plain("ÉTÉ à Ngozi") == "ete a ngozi"


def test_a_free_name_is_numbered_before_its_extension() -> None:
    assert list(islice(free_names("bilan.pdf"), 3)) == ["bilan.pdf", "bilan (2).pdf", "bilan (3).pdf"]
    assert list(islice(free_names("Rapports"), 2)) == ["Rapports", "Rapports (2)"]
    assert list(islice(free_names(".profile"), 2)) == [".profile", ".profile (2)"]


@given(st.text(max_size=255))
def test_every_numbered_name_can_be_kept(name: str) -> None:
    try:
        kept = check_name(name)
    except Invalid:
        return
    for candidate in islice(free_names(kept), 12):
        assert check_name(candidate) == candidate
