"""What a message is sorted and threaded by, as RFC 5256 says."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mail.mailbox import index
from mail.message import scan
from mail.message.header import parse_date
from mail.message.order import Order
from mail.message.subject import base_subject
from mail.message.text import collation_key, fold


@pytest.mark.parametrize(
    ("subject", "base", "is_reply"),
    [
        ("Budget", "Budget", False),
        ("Re: Budget", "Budget", True),
        ("RE : Budget", "Budget", True),
        ("re[2]: Fwd: FW: Budget", "Budget", True),
        ("Re: [liste] Budget", "Budget", True),
        ("[liste] Re: Budget", "Budget", True),
        ("[liste] Budget", "Budget", False),
        ("[a] [b] Budget", "Budget", False),
        ("[a] [b]", "[b]", False),
        ("[a]", "[a]", False),
        ("Budget (fwd) (FWD) ", "Budget", True),
        ("[fwd: Re: [a] Budget]", "Budget", True),
        ("Re: [Fwd: [a] [fwd: Budget (fwd)]]", "Budget", True),
        ("[fwd: Budget] suite", "suite", False),
        ("[fwd: Budget", "[fwd: Budget", False),
        ("Re: [a", "[a", True),
        ("Re", "Re", False),
        ("Reply: x", "Reply: x", False),
        ("Re:", "", True),
        ("(fwd)", "", True),
        ("[fwd:]", "", True),
        (" ", "", False),
        ("", "", False),
        ("Budget (fwd) final", "Budget (fwd) final", False),
    ],
)
def test_a_base_subject_is_what_is_left(subject: str, base: str, is_reply: bool) -> None:
    assert base_subject(subject) == (base, is_reply)


subjects = st.lists(
    st.sampled_from(["re", "fw", "fwd", ":", " ", "[", "]", "[x]", "(fwd)", "[fwd:", "Budget", "é"]), max_size=12
).map("".join)


@given(subjects)
def test_a_base_subject_has_no_more_to_cut(subject: str) -> None:
    base = base_subject(subject)
    assert base.text in subject
    assert base_subject(base.text) == (base.text, False)
    assert base_subject(f"Re: {subject} (fwd)") == (base.text, True)


@pytest.mark.parametrize("piece", ["[a]", "re:", "(fwd)", "[fwd:", "[", "]", "[fwd: ]", "re [a]", " "])
def test_a_hostile_subject_costs_time_in_proportion(piece: str) -> None:
    start = time.process_time()
    base_subject(piece * 50_000)
    base_subject("[fwd:" * 20_000 + piece + "]" * 20_000)
    assert time.process_time() - start < 2


def order(*fields: str) -> Order:
    return scan("".join(f"{field}\r\n" for field in fields).encode() + b"\r\n").order


def digests(*fields: str) -> list[bytes]:
    lineage = order(*fields).lineage
    return [lineage[at : at + 8] for at in range(0, len(lineage), 8)]


def test_a_lineage_runs_from_the_first_message_down_to_this_one() -> None:
    (a,), (b,), (c,) = (digests(f"Message-ID: <{name}@x>") for name in "abc")
    assert len({a, b, c}) == 3
    assert digests("Message-ID: <c@x>", "References: <a@x>", " (comment) <b@x>") == [a, b, c]
    assert digests("Message-ID: <c@x>", "In-Reply-To: <a@x> <b@x>") == [a, c]
    assert digests("Message-ID: <c@x>", "References: none", "In-Reply-To: of <a@x>") == [a, c]
    assert digests("Message-ID: <c@x>", "References: <b@x>", "In-Reply-To: <a@x>") == [b, c]
    assert digests('Message-ID: <"c"@x>', "References: < a @ x >") == [a, c]
    assert digests("Message-ID: <A@x>") != [a]


def test_a_message_without_a_message_id_has_a_lineage_of_its_own() -> None:
    one, other = digests("Subject: one"), digests("Subject: other")
    assert one != other
    assert [len(found) for found in (*one, *other)] == [8, 8]
    assert digests("Message-ID: nonsense") != digests("Message-ID: nonsense", "X: y")


def test_of_many_references_the_first_and_the_last_are_kept() -> None:
    names = [f"<m{number}@x>" for number in range(1000)]
    kept = digests("Message-ID: <own@x>", "References: " + "\r\n ".join(names))
    assert kept == digests("Message-ID: <own@x>", "References: " + " ".join((names[0], *names[-15:])))
    assert len(kept) == 17


def test_the_first_address_sorts() -> None:
    found = order(
        "From: =?utf-8?q?=C3=89ric?= N. <eric@a.test>, abel@b.test",
        "To: jean@c.test, Zoe <zoe@d.test>",
        "Cc: group: a@b.test;",
        "Subject: Re: Arrêté_1",
    )
    assert (found.from_mailbox, found.to_mailbox, found.cc_mailbox) == ("ERIC", "JEAN", "GROUP")
    assert (found.from_name, found.to_name) == ("ERIC N.", "JEAN@C.TEST")
    assert (found.subject, found.is_reply) == ("ARRETE_1", True)
    assert order("Subject:").from_name == ""


def test_capitals_and_accents_make_no_difference_in_a_collation() -> None:
    words = ["zone", "_note", "Été", "eta", "ete2", "ÉTAT", "1"]
    assert sorted(words, key=collation_key) == ["1", "eta", "ÉTAT", "Été", "ete2", "zone", "_note"]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("Mon, 23 Nov 2026 00:30:00 +0300", datetime(2026, 11, 23, 0, 30, tzinfo=timezone(timedelta(hours=3)))),
        ("23 Nov 2026 10:30 GMT", datetime(2026, 11, 23, 10, 30, tzinfo=UTC)),
        ("23 Nov 2026 25:30:00 +0100", datetime(2026, 11, 23, tzinfo=timezone(timedelta(hours=1)))),
        ("23 Nov 2026 10:30:60 -0000", datetime(2026, 11, 23, 10, 30, 59, tzinfo=UTC)),
        ("23 Nov 2026 10:30:00 +9999", datetime(2026, 11, 23, 10, 30, tzinfo=UTC)),
        ("31 Feb 2026 10:30:00 +0000", None),
        ("Mon, 1 Jan 10000 00:00:00 +0000", None),
        ("31 Dec 9999 23:59:59 -1200", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_a_date_is_read_in_its_own_zone(text: str, moment: datetime | None) -> None:
    found = parse_date(text.encode())
    assert found == moment
    assert found is None or moment is None or found.utcoffset() == moment.utcoffset()


@given(st.text("abcé -", max_size=40), st.text("abcé", min_size=1, max_size=5))
def test_terms_hold_every_part_of_every_word(text: str, part: str) -> None:
    folded, wanted = fold(text), fold(part)
    terms = index.terms(index.each_word(folded))
    assert (wanted in terms) == (wanted in folded)
    assert len(terms) <= len(folded)
