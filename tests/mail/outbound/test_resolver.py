"""The resolver against a name server of its own, on a port of this machine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import cast

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from mail.outbound.resolver import DnsResolver, Exchanger, ResolverError, UnknownNameError

ZONE = {
    ("example.org.", "MX"): ["20 B.example.org.", "10 a.example.org."],
    ("null.org.", "MX"): ["0 ."],
    ("a.example.org.", "A"): ["192.0.2.1"],
    ("a.example.org.", "AAAA"): ["2001:db8::1"],
    ("xn--rsum-bpad.org.", "MX"): ["10 a.example.org."],
    ("bare.org.", "A"): ["192.0.2.9"],
}
BROKEN = "broken.org."


class NameServer(asyncio.DatagramProtocol):
    """Answers from ZONE; SERVFAIL for BROKEN, NXDOMAIN for names it does not know."""

    def __init__(self) -> None:
        self.asked = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.asked += 1
        query = dns.message.from_wire(data)
        question = query.question[0]
        name, kind = question.name.to_text(), dns.rdatatype.to_text(question.rdtype)
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        if name == BROKEN:
            answer.set_rcode(dns.rcode.SERVFAIL)
        elif records := ZONE.get((name, kind)):
            answer.answer.append(dns.rrset.from_text_list(question.name, 300, "IN", kind, records))
        elif not any(known == name for known, _ in ZONE):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        self.transport.sendto(answer.to_wire(), addr)


@pytest.fixture
async def server() -> AsyncIterator[NameServer]:
    transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(
        NameServer, local_addr=("127.0.0.1", 0)
    )
    yield protocol
    transport.close()


@pytest.fixture
def resolver(server: NameServer) -> DnsResolver:
    port: int = server.transport.get_extra_info("sockname")[1]
    return DnsResolver(["127.0.0.1"], port, lifetime=1.0)


async def test_mx_records_come_with_their_preference(resolver: DnsResolver) -> None:
    found = await resolver.exchangers("example.org")

    assert sorted(found) == [Exchanger(10, "a.example.org"), Exchanger(20, "b.example.org")]


async def test_a_null_mx_has_an_empty_host(resolver: DnsResolver) -> None:
    assert await resolver.exchangers("null.org") == [Exchanger(0, "")]


async def test_a_domain_without_mx_has_none(resolver: DnsResolver) -> None:
    assert await resolver.exchangers("bare.org") == []


async def test_addresses_of_both_kinds_are_found(resolver: DnsResolver) -> None:
    assert await resolver.addresses("a.example.org") == ["2001:db8::1", "192.0.2.1"]
    assert await resolver.addresses("bare.org") == ["192.0.2.9"]


async def test_a_domain_beyond_ascii_is_asked_for_by_its_a_labels(resolver: DnsResolver) -> None:
    assert await resolver.exchangers("résumé.org") == [Exchanger(10, "a.example.org")]


@pytest.mark.parametrize("name", ["nowhere.org", "a..b", "x" * 64 + ".org", ".".join(["x" * 60] * 5)])
async def test_a_name_that_does_not_exist_is_unknown(resolver: DnsResolver, name: str) -> None:
    with pytest.raises(UnknownNameError):
        await resolver.exchangers(name)


async def test_a_failing_name_server_is_no_answer(resolver: DnsResolver) -> None:
    with pytest.raises(ResolverError):
        await resolver.exchangers("broken.org")


async def test_a_silent_name_server_is_no_answer(server: NameServer, resolver: DnsResolver) -> None:
    server.transport.close()

    with pytest.raises(ResolverError):
        await resolver.exchangers("example.org")


async def test_answers_are_kept(server: NameServer, resolver: DnsResolver) -> None:
    for _ in range(5):
        await resolver.exchangers("example.org")

    assert server.asked == 1


async def test_without_a_name_server_there_is_no_answer() -> None:
    with pytest.raises(ResolverError):
        await DnsResolver([]).exchangers("example.org")
