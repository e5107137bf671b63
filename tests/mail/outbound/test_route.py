"""Where mail goes: by configuration, by MX records, or nowhere."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from mail.outbound.outcome import Deferred, Failed
from mail.outbound.resolver import Exchanger, ResolverError, UnknownNameError
from mail.outbound.route import Config, Hop, Host, Route, Router, Tls, in_order, is_elsewhere


class Names:
    """A domain name system of a few names; an exception as value is raised."""

    def __init__(
        self,
        exchangers: dict[str, list[Exchanger] | Exception] | None = None,
        addresses: dict[str, list[str] | Exception] | None = None,
    ) -> None:
        self._exchangers = exchangers or {}
        self._addresses = addresses or {}

    async def exchangers(self, domain: str) -> list[Exchanger]:
        found = self._exchangers.get(domain, UnknownNameError(domain))
        if isinstance(found, Exception):
            raise found
        return found

    async def addresses(self, host: str) -> list[str]:
        found = self._addresses.get(host, UnknownNameError(host))
        if isinstance(found, Exception):
            raise found
        return found


def router(names: Names | None = None, **config: object) -> Router:
    return Router(Config.model_validate(config), names or Names(), frozenset({"mail.gov.test"}))


def hosts(route: Route | Deferred | Failed) -> list[tuple[str, int, tuple[str, ...]]]:
    assert isinstance(route, Route), route
    return [(host.name, host.port, host.addresses) for host in route.hosts]


class TestConfigured:
    """Routes and the smarthost."""

    @pytest.mark.parametrize(
        ("domain", "port"),
        [
            ("example.org", 1),
            ("sub.example.org", 2),
            ("a.b.example.org", 2),
            ("a.deep.example.org", 3),
            ("other.org", 4),
        ],
    )
    async def test_the_nearest_route_wins_and_the_smarthost_takes_the_rest(self, domain: str, port: int) -> None:
        routes = {"example.org": "127.0.0.1:1", ".example.org": "127.0.0.1:2", ".deep.example.org": "127.0.0.1:3"}
        found = await router(routes=routes, smarthost="127.0.0.1:4").find(domain)

        assert hosts(found) == [("127.0.0.1", port, ("127.0.0.1",))]

    @pytest.mark.parametrize(
        ("text", "hop"),
        [
            ("10.0.0.5", Hop(host="10.0.0.5")),
            ("relay.example:2525", Hop(host="relay.example", port=2525)),
            ("[::1]:2525", Hop(host="::1", port=2525)),
            ("[::1]", Hop(host="::1")),
        ],
    )
    def test_a_hop_is_written_as_host_and_port(self, text: str, hop: Hop) -> None:
        assert Config.model_validate({"routes": {"a.org": text}}).routes["a.org"] == hop
        assert Config.model_validate({"smarthost": text}).smarthost == hop

    def test_a_hop_is_a_table_to_say_more(self) -> None:
        config = Config.model_validate({"routes": {"a.org": {"host": "10.0.0.5", "tls": "verified"}}})

        assert config.routes["a.org"] == Hop(host="10.0.0.5", tls=Tls.VERIFIED)

    def test_an_empty_smarthost_is_none(self) -> None:
        assert Config.model_validate({"smarthost": ""}).smarthost is None

    @pytest.mark.parametrize("text", ["host:0", "host:99999", "host:smtp", ":25", ""])
    def test_what_is_no_hop_is_refused(self, text: str) -> None:
        with pytest.raises(ValidationError):
            Config.model_validate({"routes": {"a.org": text}})

    async def test_a_configured_name_without_address_is_waited_for(self) -> None:
        found = await router(routes={"example.org": "no-such-host.invalid"}).find("example.org")

        assert isinstance(found, Deferred)
        assert found.status == "4.4.3"

    async def test_an_address_literal_goes_by_a_route_or_nowhere(self) -> None:
        routed = await router(smarthost="127.0.0.1:4").find("[192.0.2.1]")
        unrouted = await router().find("[192.0.2.1]")

        assert isinstance(routed, Route)
        assert isinstance(unrouted, Failed)

    def test_sites_behind_one_server_share_a_destination(self) -> None:
        way = router(routes={"a.org": "10.0.0.5:2525", ".a.org": "10.0.0.5:2525"})

        assert way.destination("a.org") == way.destination("b.a.org") == "10.0.0.5:2525"
        assert way.destination("elsewhere.org") == "elsewhere.org"


class TestExchangers:
    """RFC 5321 §5.1 and RFC 7505."""

    async def test_hosts_are_tried_in_the_order_of_their_preference(self) -> None:
        names = Names(
            {"example.org": [Exchanger(20, "b.example.org"), Exchanger(10, "a.example.org")]},
            {"a.example.org": ["2001:db8::1", "192.0.2.1"], "b.example.org": ["192.0.2.2"]},
        )

        assert hosts(await router(names).find("example.org")) == [
            ("a.example.org", 25, ("2001:db8::1", "192.0.2.1")),
            ("b.example.org", 25, ("192.0.2.2",)),
        ]

    async def test_a_domain_without_mx_is_its_own_exchanger(self) -> None:
        names = Names({"example.org": []}, {"example.org": ["192.0.2.1"]})

        assert hosts(await router(names, mx_port=2525).find("example.org")) == [("example.org", 2525, ("192.0.2.1",))]

    @pytest.mark.parametrize(
        ("names", "status"),
        [
            (Names(), "5.1.2"),
            (Names({"example.org": [Exchanger(0, "")]}), "5.1.10"),
            (Names({"example.org": []}), "5.4.4"),
            (Names({"example.org": []}, {"example.org": []}), "5.4.4"),
            (Names({"example.org": [Exchanger(10, "mail.gov.test")]}), "5.4.6"),
            (Names({"example.org": [Exchanger(10, "Mail.GOV.test"), Exchanger(20, "worse.test")]}), "5.4.6"),
            (Names({"example.org": [Exchanger(10, "mx.test")]}, {"mx.test": ["127.0.0.1", "::1"]}), "5.4.4"),
        ],
        ids=["unknown", "null", "bare", "no address", "ourselves", "only worse than us", "loopback"],
    )
    async def test_a_domain_that_cannot_get_mail_fails(self, names: Names, status: str) -> None:
        found = await router(names).find("example.org")

        assert isinstance(found, Failed)
        assert found.status == status

    @pytest.mark.parametrize(
        "names",
        [
            Names({"example.org": ResolverError("silent")}),
            Names({"example.org": [Exchanger(1, "mx.test")]}, {"mx.test": ResolverError("silent")}),
        ],
        ids=["mx", "address"],
    )
    async def test_a_silent_name_server_defers(self, names: Names) -> None:
        found = await router(names).find("example.org")

        assert isinstance(found, Deferred)
        assert found.status == "4.4.3"

    async def test_one_exchanger_that_can_be_reached_is_enough(self) -> None:
        names = Names(
            {"example.org": [Exchanger(1, "gone.test"), Exchanger(2, "silent.test"), Exchanger(3, "mx.test")]},
            {"silent.test": ResolverError("silent"), "mx.test": ["192.0.2.1"]},
        )

        assert hosts(await router(names).find("example.org")) == [("mx.test", 25, ("192.0.2.1",))]

    def test_only_those_better_than_ourselves_are_left(self) -> None:
        better, equal, us, worse = Exchanger(5, "a"), Exchanger(10, "b"), Exchanger(10, "us"), Exchanger(20, "c")

        assert in_order([worse, us, equal, better], frozenset({"us"})) == [better]

    def test_equals_share_the_load(self) -> None:
        twins = [Exchanger(10, "a"), Exchanger(10, "b")]

        assert {in_order(twins, frozenset())[0].host for _ in range(100)} == {"a", "b"}

    async def test_mx_hosts_are_protected_as_configured(self) -> None:
        names = Names({"example.org": [Exchanger(1, "mx.test")]}, {"mx.test": ["192.0.2.1"]})
        found = await router(names, mx_tls="verified").find("example.org")

        assert found == Route((Host("mx.test", 25, Tls.VERIFIED, ("192.0.2.1",)),))


@pytest.mark.parametrize(
    ("address", "elsewhere"),
    [
        ("192.0.2.1", True),
        ("10.1.2.3", True),
        ("fd00::1", True),
        ("127.0.0.1", False),
        ("127.8.8.8", False),
        ("::1", False),
        ("::ffff:127.0.0.1", False),
        ("0.0.0.0", False),
        ("::", False),
        ("169.254.1.1", False),
        ("fe80::1", False),
        ("224.0.0.1", False),
    ],
)
def test_public_records_never_lead_to_this_machine(address: str, elsewhere: bool) -> None:
    assert is_elsewhere(address) is elsewhere
