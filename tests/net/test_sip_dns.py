"""NAPTR and SRV questions to a name server on loopback, and how long answers are kept."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from agentstream.base.errors import BusyError
from agentstream.net.dns import DnsError, Resolver
from agentstream.net.locate import Naptr, Srv
from agentstream.net.sip_dns import SipDnsLimits, SystemSipDns
from agentstream.testing.manual_clock import ManualClock
from agentstream.testing.name_server import NameServer, name_server

pytestmark = pytest.mark.integration

ZONE = {
    ("a.example.", "NAPTR"): ('10 20 "s" "SIP+D2T" "" _sip._tcp.a.example.',),
    ("_sip._tcp.a.example.", "SRV"): ("1 2 5070 s1.a.example.",),
    ("_sip._udp.a.example.", "SRV"): ("0 0 0 .",),
    ("empty.example.", "TXT"): ('"here, but nothing else"',),
}
TCP, UDP = "_sip._tcp.a.example", "_sip._udp.a.example"


@asynccontextmanager
async def asking(
    ttl_s: int = 60, limits: SipDnsLimits | None = None
) -> AsyncIterator[tuple[SystemSipDns, NameServer, ManualClock]]:
    """Run a name server and who asks it, on a clock that stands still."""
    resolver = Resolver(ask=lambda host: ("192.0.2.1",) if host == "a.example" else ())
    clock = ManualClock()
    async with name_server(ZONE, ttl_s) as (asker, server):
        yield SystemSipDns(resolver, asker, clock, limits), server, clock
    resolver.close()


async def test_records_are_read() -> None:
    async with asking() as (sip_dns, _, _):
        assert await sip_dns.naptr("a.example") == (
            Naptr(10, 20, "s", "SIP+D2T", "_sip._tcp.a.example"),
        )
        assert await sip_dns.srv(TCP) == (Srv(1, 2, 5070, "s1.a.example"),)
        assert await sip_dns.srv(UDP) == (Srv(0, 0, 0, ""),)
        assert await sip_dns.addresses("a.example") == ("192.0.2.1",)


@pytest.mark.parametrize("name", ["empty.example", "missing.example"])
async def test_no_record_is_an_empty_answer_and_kept(name: str) -> None:
    """RFC 2308: most names have no SRV, and each call would ask again."""
    async with asking() as (sip_dns, server, clock):
        for asked in (1, 1, 2):
            assert await sip_dns.srv(name) == ()
            assert server.asked[f"{name}.", "SRV"] == asked
            clock.advance(15_000)


@pytest.mark.parametrize("name", ["broken.example", "a..b", "x" * 64 + ".example"])
async def test_a_failing_server_and_an_impossible_name_are_dns_errors(name: str) -> None:
    async with asking() as (sip_dns, _, _):
        for _ in range(2):
            with pytest.raises(DnsError):
                await sip_dns.srv(name)


async def test_that_nobody_answered_is_kept_for_a_moment() -> None:
    async with asking() as (sip_dns, server, clock):
        for _ in range(2):
            with pytest.raises(DnsError):
                await sip_dns.srv("broken.example")
        asked = server.asked["broken.example.", "SRV"]
        clock.advance(2_000)
        with pytest.raises(DnsError):
            await sip_dns.srv("broken.example")
        assert server.asked["broken.example.", "SRV"] > asked


@pytest.mark.parametrize(("ttl_s", "kept_ms"), [(0, 5_000), (60, 60_000), (86_400, 300_000)])
async def test_an_answer_is_kept_as_its_ttl_says_within_bounds(ttl_s: int, kept_ms: int) -> None:
    """SIP-5."""
    async with asking(ttl_s) as (sip_dns, server, clock):
        await sip_dns.srv(TCP)
        clock.advance(kept_ms - 1)
        await sip_dns.srv(TCP.upper() + ".")
        assert server.asked[f"{TCP}.", "SRV"] == 1
        clock.advance(1)
        await sip_dns.srv(TCP)
        assert server.asked[f"{TCP}.", "SRV"] == 2


async def test_askers_of_one_record_share_one_question_and_one_may_leave() -> None:
    async with asking() as (sip_dns, server, _):
        leaving = asyncio.create_task(sip_dns.srv(TCP))
        staying = asyncio.create_task(sip_dns.srv(TCP))
        await asyncio.sleep(0)
        leaving.cancel()
        assert await staying == (Srv(1, 2, 5070, "s1.a.example"),)
        assert server.asked[f"{TCP}.", "SRV"] == 1


async def test_questions_and_answers_have_a_bound() -> None:
    limits = SipDnsLimits(records=1, at_once=1)
    async with asking(limits=limits) as (sip_dns, server, _):
        first = asyncio.create_task(sip_dns.srv(TCP))
        await asyncio.sleep(0)
        with pytest.raises(BusyError):
            await sip_dns.srv(UDP)
        await first
        await sip_dns.srv(UDP)
        await sip_dns.srv(TCP)  # it was forgotten for the other one
        assert server.asked[f"{TCP}.", "SRV"] == 2
