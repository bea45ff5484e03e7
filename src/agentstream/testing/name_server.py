"""A name server on loopback, for tests of NAPTR and SRV: real questions, made-up answers.

async with name_server({("_sip._udp.a.example.", "SRV"): ("0 0 5060 s1.a.example.",)}) as asker:
    SystemSipDns(resolver, asker)
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import dns.asyncresolver
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

from agentstream.testing.ports import HOST

Zone = Mapping[tuple[str, str], tuple[str, ...]]


class NameServer(asyncio.DatagramProtocol):
    """Answers from its zone; anything under broken.example is a server failure."""

    transport: asyncio.DatagramTransport

    def __init__(self, zone: Zone, ttl_s: int = 60) -> None:
        self.zone = zone
        self.ttl_s = ttl_s
        self.asked: Counter[tuple[str, str]] = Counter()

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        """Keep the way back."""
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer one question."""
        query = dns.message.from_wire(data)
        question = query.question[0]
        name, kind = question.name.to_text(), dns.rdatatype.to_text(question.rdtype)
        self.asked[name, kind] += 1
        answer = dns.message.make_response(query)
        if name.endswith("broken.example."):
            answer.set_rcode(dns.rcode.SERVFAIL)
        elif (name, kind) in self.zone:
            texts = self.zone[name, kind]
            answer.answer.append(dns.rrset.from_text_list(name, self.ttl_s, "IN", kind, texts))
        elif not any(known == name for known, _ in self.zone):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        self.transport.sendto(answer.to_wire(), addr)


@asynccontextmanager
async def name_server(
    zone: Zone, ttl_s: int = 60
) -> AsyncIterator[tuple[dns.asyncresolver.Resolver, NameServer]]:
    """Run a name server while the block runs; gives who asks it, and itself."""
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(
        lambda: NameServer(zone, ttl_s), local_addr=(HOST, 0)
    )
    asker = dns.asyncresolver.Resolver(configure=False)
    asker.nameservers = [HOST]
    asker.port = transport.get_extra_info("sockname")[1]
    try:
        yield asker, server
    finally:
        transport.close()
