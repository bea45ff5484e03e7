"""RFC 3263: which servers are tried, in which order, without a socket."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentstream.net.dns import DnsError
from agentstream.net.egress import Egress, EgressPolicy
from agentstream.net.locate import Locator, Naptr, Srv, in_naptr_order, in_srv_order
from agentstream.sip.flow import Hop

SRVS = st.lists(
    st.builds(Srv, st.integers(0, 3), st.integers(0, 5), st.just(5060), st.sampled_from("abc")),
    max_size=8,
)


@dataclass
class FakeDns:
    """Answers from tables; `dead` names do not answer at all."""

    naptrs: Mapping[str, tuple[Naptr, ...]] = field(default_factory=dict)
    srvs: Mapping[str, tuple[Srv, ...]] = field(default_factory=dict)
    hosts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    dead: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)

    async def naptr(self, name: str) -> tuple[Naptr, ...]:
        self._note(f"NAPTR {name}", name)
        return self.naptrs.get(name, ())

    async def srv(self, name: str) -> tuple[Srv, ...]:
        self._note(f"SRV {name}", name)
        return self.srvs.get(name, ())

    async def addresses(self, name: str) -> tuple[str, ...]:
        self._note(f"A {name}", name)
        if name not in self.hosts:
            raise DnsError(f"{name} has no address")
        return self.hosts[name]

    def _note(self, question: str, name: str) -> None:
        self.asked.append(question)
        if name in self.dead:
            raise DnsError("no answer")


@dataclass
class Book:
    """The same answers, as the egress policy asks for them."""

    dns: FakeDns

    async def lookup(self, host: str) -> tuple[str, ...]:
        return await self.dns.addresses(host)


def first(_most: int) -> int:
    return 0


@pytest.mark.parametrize(
    ("hop", "goal"),
    [
        (Hop("", "192.0.2.1"), Hop("udp", "192.0.2.1", 5060)),
        (Hop("tls", "2001:db8::1", 0, "a"), Hop("tls", "2001:db8::1", 5061, "a")),
        (Hop("tcp", "192.0.2.1", 5070), Hop("tcp", "192.0.2.1", 5070)),
    ],
)
async def test_an_address_needs_no_question(hop: Hop, goal: Hop) -> None:
    dns = FakeDns()
    assert await Locator(dns, first)(hop) == (goal,)
    assert dns.asked == []


async def test_a_port_needs_only_addresses_and_all_of_them_are_tried() -> None:
    dns = FakeDns(hosts={"a.example": ("192.0.2.1", "2001:db8::1")})
    assert await Locator(dns, first)(Hop("tls", "a.example", 5071)) == (
        Hop("tls", "192.0.2.1", 5071, "a.example"),
        Hop("tls", "2001:db8::1", 5071, "a.example"),
    )
    assert dns.asked == ["A a.example"]


async def test_a_transport_asks_for_its_service() -> None:
    dns = FakeDns(
        srvs={"_sips._tcp.a.example": (Srv(2, 0, 5062, "s2"), Srv(1, 0, 5061, "s1"))},
        hosts={"s1": ("192.0.2.1",), "s2": ("192.0.2.2",)},
    )
    assert await Locator(dns, first)(Hop("tls", "a.example")) == (
        Hop("tls", "192.0.2.1", 5061, "a.example"),
        Hop("tls", "192.0.2.2", 5062, "a.example"),
    )
    assert dns.asked == ["SRV _sips._tcp.a.example", "A s1", "A s2"]


async def test_without_service_records_the_default_port_is_taken() -> None:
    dns = FakeDns(hosts={"a.example": ("192.0.2.1",)})
    assert await Locator(dns, first)(Hop("tcp", "a.example")) == (Hop("tcp", "192.0.2.1", 5060),)


async def test_naptr_chooses_the_transport() -> None:
    tcp, udp = Naptr(50, 10, "s", "SIP+D2T", "tcp.a"), Naptr(50, 5, "S", "sip+d2u", "udp.a")
    dns = FakeDns(
        naptrs={"a.example": (tcp, udp)},
        srvs={"tcp.a": (Srv(0, 0, 5060, "t"),), "udp.a": (Srv(0, 0, 5080, "u"),)},
        hosts={"t": ("192.0.2.1",), "u": ("192.0.2.2",)},
    )
    assert await Locator(dns, first)(Hop("", "a.example")) == (Hop("udp", "192.0.2.2", 5080),)
    only_tcp = Locator(dns, first, ["tcp"])
    assert await only_tcp(Hop("", "a.example")) == (Hop("tcp", "192.0.2.1", 5060),)


async def test_websocket_is_taken_when_naptr_offers_it() -> None:
    """RFC 7118 section 7; it has no service records of its own to guess at."""
    secure = Naptr(10, 10, "s", "SIPS+D2W", "_sips._ws.a.example")
    dns = FakeDns(
        naptrs={"a.example": (secure,)},
        srvs={"_sips._ws.a.example": (Srv(0, 0, 8443, "edge.a.example"),)},
        hosts={"edge.a.example": ("192.0.2.9",), "b.example": ("192.0.2.8",)},
    )
    locator = Locator(dns, first)
    profiled = Hop("", "a.example", tls_profile="carrier")
    assert await locator(profiled) == (Hop("wss", "192.0.2.9", 8443, "a.example", "carrier"),)
    assert await locator(Hop("ws", "b.example")) == (Hop("ws", "192.0.2.8", 80),)
    assert "SRV" not in "".join(dns.asked[-1:])


async def test_without_naptr_each_transport_is_asked_for_in_our_order() -> None:
    dns = FakeDns(
        srvs={"_sip._tcp.a.example": (Srv(0, 0, 5060, "t"),)}, hosts={"t": ("192.0.2.1",)}
    )
    assert await Locator(dns, first)(Hop("", "a.example")) == (Hop("tcp", "192.0.2.1", 5060),)
    assert dns.asked[:2] == ["NAPTR a.example", "SRV _sip._udp.a.example"]


async def test_a_bare_name_with_nothing_but_an_address_is_udp_5060() -> None:
    dns = FakeDns(hosts={"a.example": ("192.0.2.1",)}, dead={"_sip._udp.a.example"})
    assert await Locator(dns, first)(Hop("", "a.example")) == (Hop("udp", "192.0.2.1", 5060),)


async def test_a_resolver_that_drops_naptr_does_not_stop_us() -> None:
    class Dropping(FakeDns):
        async def naptr(self, name: str) -> tuple[Naptr, ...]:
            raise DnsError("timed out")

    dns = Dropping(hosts={"a.example": ("192.0.2.1",)})
    assert await Locator(dns, first)(Hop("", "a.example")) == (Hop("udp", "192.0.2.1", 5060),)


async def test_a_server_without_address_is_passed_over_and_none_at_all_is_an_error() -> None:
    srvs = {"_sip._udp.a.example": (Srv(0, 0, 5060, "gone"), Srv(1, 0, 5060, "there"))}
    dns = FakeDns(srvs=srvs, hosts={"there": ("192.0.2.1",)})
    assert await Locator(dns, first)(Hop("udp", "a.example")) == (Hop("udp", "192.0.2.1", 5060),)
    with pytest.raises(DnsError, match="there has no address"):
        await Locator(FakeDns(srvs=srvs), first)(Hop("udp", "a.example"))


async def test_a_domain_that_offers_no_sip_says_so_rfc_2782() -> None:
    dns = FakeDns(
        srvs={"_sip._udp.a.example": (Srv(0, 0, 0, ""),)}, hosts={"a.example": ("192.0.2.1",)}
    )
    with pytest.raises(DnsError, match="offers no SIP"):
        await Locator(dns, first)(Hop("udp", "a.example"))


async def test_a_name_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(DnsError):
        await Locator(FakeDns(), first)(Hop("", "nowhere.example"))


async def test_no_more_than_sixteen_servers_are_tried_and_each_once() -> None:
    many = tuple(Srv(0, 0, 5060, f"s{number}") for number in range(40))
    hosts = {f"s{number}": (f"192.0.2.{number}", "192.0.2.200") for number in range(40)}
    dns = FakeDns(srvs={"_sip._udp.a.example": many}, hosts=hosts)
    hops = await Locator(dns, first)(Hop("udp", "a.example"))
    assert len(hops) == len(set(hops)) == 16


async def test_every_address_of_a_name_is_checked_and_the_checked_ones_are_dialled() -> None:
    """SIP-5: wherever NAPTR and SRV lead; the trunks' own names are the operator's word."""
    dns = FakeDns(
        srvs={"_sip._udp.a.example": (Srv(1, 0, 5062, "in.example"), Srv(2, 0, 5063, "c.example"))},
        hosts={
            "a.example": ("169.254.169.254", "192.0.2.1"),
            "in.example": ("10.1.1.1", "169.254.1.1"),
            "c.example": ("192.0.2.3",),
        },
    )
    policy = EgressPolicy(deny=("10.0.0.0/8",))
    screen = Egress(policy, Book(dns)).addresses
    screened = Locator(dns, first, ("udp",), screen)
    assert await screened(Hop("udp", "a.example", 5060)) == (Hop("udp", "192.0.2.1", 5060),)
    assert await screened(Hop("udp", "a.example")) == (Hop("udp", "192.0.2.3", 5063),)
    with pytest.raises(DnsError, match=r"in\.example is at 10\.1\.1\.1 .* does not allow"):
        await screened(Hop("udp", "in.example", 5060))
    trusted = Locator(dns, first, ("udp",), screen, ["A.example"])
    hops = await trusted(Hop("udp", "a.example"))
    assert [hop.host for hop in hops] == ["10.1.1.1", "169.254.1.1", "192.0.2.3"]


def test_naptr_records_that_we_cannot_follow_are_passed_over() -> None:
    records = [
        Naptr(1, 1, "u", "SIP+D2U", "x"),
        Naptr(1, 1, "s", "E2U+sip", "x"),
        Naptr(1, 1, "s", "SIP+D2U", ""),
        Naptr(2, 1, "s", "SIPS+D2T", "y"),
    ]
    assert in_naptr_order(records, ["udp", "tls"]) == [("tls", "y")]


@given(SRVS, st.integers(0, 1_000_000))
def test_every_server_comes_once_by_priority(records: list[Srv], luck: int) -> None:
    ordered = in_srv_order(records, lambda most: luck % (most + 1))
    assert Counter(ordered) == Counter(records)
    assert [one.priority for one in ordered] == sorted(one.priority for one in records)


def test_the_draw_decides_by_weight_and_zero_only_wins_on_zero() -> None:
    records = [Srv(0, 3, 1, "heavy"), Srv(0, 1, 2, "light"), Srv(0, 0, 3, "spare")]
    firsts = [in_srv_order(records, partial(min, drawn))[0].target for drawn in range(5)]
    assert firsts == ["spare", "heavy", "heavy", "heavy", "light"]
