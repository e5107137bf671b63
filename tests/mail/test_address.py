"""Addresses: what is one, what is none, and which are the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mail.address import Address, AddressError, parse_path


@pytest.mark.parametrize(
    ("text", "local", "domain"),
    [
        ("claire@sante.gov.test", "claire", "sante.gov.test"),
        ("Claire.N+mail@Sante.GOV.test", "Claire.N+mail", "sante.gov.test"),
        ('"a b"@x.test', "a b", "x.test"),
        (r'"a\"b\\"@x.test', r"a\"b\\".replace('\\"', '"').replace("\\\\", "\\"), "x.test"),
        ('"a@b"@x.test', "a@b", "x.test"),
        ("éric@exämple.test", "éric", "xn--exmple-cua.test"),
        ("a@[192.0.2.1]", "a", "[192.0.2.1]"),
        ("a@[ipv6:2001:DB8::1]", "a", "[IPv6:2001:db8::1]"),
        ("x" * 64 + "@x.test", "x" * 64, "x.test"),
        ("e\u0301ric@x.test", "éric", "x.test"),
    ],
)
def test_an_address_is_parsed(text: str, local: str, domain: str) -> None:
    assert Address.parse(text) == Address(local, domain)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "@x.test",
        "a@",
        "a@b@",
        "a..b@x.test",
        ".a@x.test",
        "a.@x.test",
        "a b@x.test",
        "a@x..test",
        "a@-x.test",
        "a@x_y.test",
        "x" * 65 + "@x.test",
        "a@" + "x" * 64 + ".test",
        "a@" + ".".join(["x" * 60] * 5),
        "a@[1.2.3]",
        "a@[IPv6:zz]",
        '"a@x.test',
        "a\r\n@x.test",
        "a\0@x.test",
        "a\u200bb@x.test",
        "a\ud800@x.test",
        "a@\u2028.test",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(AddressError):
        Address.parse(text)


def test_case_matters_in_what_is_sent_and_not_in_who_is_meant() -> None:
    address = Address.parse("Claire@Sante.gov.test")
    assert str(address) == "Claire@sante.gov.test"
    assert address.key == Address.parse("CLAIRE@SANTE.GOV.TEST").key


@given(st.text(max_size=40).filter(bool), st.sampled_from(["x.test", "[192.0.2.1]"]))
def test_what_is_written_is_read_again(local: str, domain: str) -> None:
    try:
        address = Address.parse(str(Address(local, domain)))
    except AddressError:
        return
    assert Address.parse(str(address)) == address


@pytest.mark.parametrize(
    ("text", "path", "rest"),
    [
        ("<a@b.test>", "a@b.test", ""),
        ("<>", "", ""),
        (" <a@b.test> SIZE=1 BODY=7BIT ", "a@b.test", "SIZE=1 BODY=7BIT"),
        ("<@r.test,@s.test:a@b.test>", "a@b.test", ""),
        ('<"a>b"@c.test>', '"a>b"@c.test', ""),
    ],
)
def test_a_path_is_split_from_its_parameters(text: str, path: str, rest: str) -> None:
    assert parse_path(text) == (path, rest)


@pytest.mark.parametrize("text", ["a@b.test", "<a@b.test", "<a@b.test>SIZE=1", '<"a@b.test>', ""])
def test_a_malformed_path_is_refused(text: str) -> None:
    with pytest.raises(AddressError):
        parse_path(text)
