"""Mails of others, changed at random: they have a structure told by IMAP's grammar, whatever was done to them."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from mail.message import scan
from mail.message.addresses import parse_addresses
from mail.message.header import decode, parameter, parse_date, parse_parameters
from tests.mail import specimens
from tests.mail.imap import grammar

_TOKENS = [
    b"\r\n",
    b"\r\n\r\n",
    b"--",
    b"\r\n--",
    b";",
    b'"',
    b"\\",
    b"(",
    b"<",
    b"=?utf-8?b?",
    b"?=",
    b"\xff",
    b":",
    b",",
]


@given(st.randoms(use_true_random=False))
@settings(max_examples=250, deadline=None)
def test_a_changed_mail_has_a_structure(chance: random.Random) -> None:
    mails = specimens.found()
    content = mails[chance.choice(sorted(mails))][:20_000]
    for _ in range(chance.randint(0, 8)):
        at = chance.randint(0, len(content))
        what = chance.random()
        if what < 0.4:
            content = content[:at] + chance.choice(_TOKENS) + content[at:]
        elif what < 0.7:
            content = content[:at] + content[at + chance.randint(0, 200) :]
        else:
            other = mails[chance.choice(sorted(mails))]
            start = chance.randint(0, len(other))
            content = content[:at] + other[start : start + 2000] + content[at:]
    check(content)


def check(content: bytes) -> None:
    """Offsets lie within, parts lie in their parents, and IMAP's own forms are of its grammar."""
    found = scan(content)
    assert 0 <= found.header_size <= max(len(content), 2)
    end = 0
    for part in found.parts:
        assert end <= part.start <= part.stop <= len(content)
        end = part.stop
    sections = found.sections or {}
    for number, place in sections.items():
        assert place.header <= place.start <= place.stop <= len(content)
        assert not place.text or place.start <= place.text <= place.stop
        if (parent := sections.get(number.rpartition(".")[0])) is not None:
            assert parent.start <= place.header <= place.stop <= parent.stop
    (envelope,) = grammar.read(found.envelope)
    grammar.check_envelope(envelope)
    (structure,) = grammar.read(found.bodystructure)
    assert grammar.check_structure(structure) >= len(found.parts) > 0


_VALUES = st.lists(
    st.sampled_from(
        [b"=?utf-8?q?=C3?=", b"=?x?b?zz?=", b'"', b"\\", b"(", b")", b"<a@b>", b";", b"=", b"*0*", b"filename"]
    )
    | st.sampled_from([b"Mon, 23 Nov 2026 08:00:00 +0100", b" -0000", b"99999", b"Jan", b":", b"\xe9", b"iso-2022-jp"])
    | st.binary(max_size=8),
    max_size=12,
).map(b"".join)


@given(_VALUES)
@settings(max_examples=1000, deadline=None)
def test_any_value_is_decoded(value: bytes) -> None:
    decode(value).encode()
    parse_addresses(value)
    _, parameters = parse_parameters(value)
    parameter(parameters, b"filename").encode()
    moment = parse_date(value)
    assert moment is None or moment.tzinfo is not None
