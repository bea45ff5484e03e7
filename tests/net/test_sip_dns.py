"""NAPTR and SRV questions to a name server of our own, on loopback."""

import asyncio
from collections.abc import AsyncIterator

import dns.asyncresolver
import dns.message
import dns.rcode
import dns.rrset
import pytest

from agentstream.net.dns import DnsError, Resolver
from agentstream.net.locate import Naptr, Srv
from agentstream.net.sip_dns import SystemSipDns

pytestmark = pytest.mark.integration

ZONE = {
    ("a.example.", "NAPTR"): '10 20 "s" "SIP+D2T" "" _sip._tcp.a.example.',
    ("_sip._tcp.a.example.", "SRV"): "1 2 5070 s1.a.example.",
    ("_sip._udp.a.example.", "SRV"): "0 0 0 .",
    ("empty.example.", "TXT"): '"here, but nothing else"',
}


class NameServer(asyncio.DatagramProtocol):
    """Answers from ZONE; anything under broken.example is a server failure."""

    transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        question = query.question[0]
        name, kind = question.name.to_text(), dns.rdatatype.to_text(question.rdtype)
        answer = dns.message.make_response(query)
        if name.endswith("broken.example."):
            answer.set_rcode(dns.rcode.SERVFAIL)
        elif (name, kind) in ZONE:
            answer.answer.append(dns.rrset.from_text(name, 60, "IN", kind, ZONE[name, kind]))
        elif not any(known == name for known, _ in ZONE):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        self.transport.sendto(answer.to_wire(), addr)


@pytest.fixture
async def sip_dns() -> AsyncIterator[SystemSipDns]:
    loop = asyncio.get_running_loop()
    server, _ = await loop.create_datagram_endpoint(NameServer, local_addr=("127.0.0.1", 0))
    asker = dns.asyncresolver.Resolver(configure=False)
    asker.nameservers = ["127.0.0.1"]
    asker.port = server.get_extra_info("sockname")[1]
    resolver = Resolver(ask=lambda host: ("192.0.2.1",) if host == "a.example" else ())
    yield SystemSipDns(resolver, asker)
    resolver.close()
    server.close()


async def test_records_are_read(sip_dns: SystemSipDns) -> None:
    assert await sip_dns.naptr("a.example") == (
        Naptr(10, 20, "s", "SIP+D2T", "_sip._tcp.a.example"),
    )
    assert await sip_dns.srv("_sip._tcp.a.example") == (Srv(1, 2, 5070, "s1.a.example"),)
    assert await sip_dns.srv("_sip._udp.a.example") == (Srv(0, 0, 0, ""),)
    assert await sip_dns.addresses("a.example") == ("192.0.2.1",)


@pytest.mark.parametrize("name", ["empty.example", "missing.example"])
async def test_no_record_is_an_empty_answer(sip_dns: SystemSipDns, name: str) -> None:
    assert await sip_dns.srv(name) == ()


@pytest.mark.parametrize("name", ["broken.example", "a..b", "x" * 64 + ".example"])
async def test_a_failing_server_and_an_impossible_name_are_dns_errors(
    sip_dns: SystemSipDns, name: str
) -> None:
    with pytest.raises(DnsError):
        await sip_dns.srv(name)
