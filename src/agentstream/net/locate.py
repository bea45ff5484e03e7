"""Where a SIP request goes: RFC 3263 (NAPTR, SRV, addresses), its order decided without a socket.

transport and address known      nothing to ask
port known                       addresses
transport known                  SRV, else addresses and the default port
only a name                      NAPTR, else SRV of each transport, else addresses, UDP, 5060
"""

from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from typing import Protocol

from agentstream.base.values import dataclass, replace
from agentstream.base.weight import Draw, by_weight
from agentstream.net.dns import DnsError
from agentstream.net.egress import EgressError
from agentstream.sip.flow import DEFAULT_PORTS, SECURE, Hop, TransportName

HOP_LIMIT = 16  # servers tried for one request; a larger zone file would only delay the failure
PREFERENCE: tuple[TransportName, ...] = ("udp", "tcp", "tls", "ws", "wss")

# WebSocket has none: who wants it says so in a NAPTR record or in the URI.
_SRV_PREFIX: dict[TransportName, str] = {
    "udp": "_sip._udp.",
    "tcp": "_sip._tcp.",
    "tls": "_sips._tcp.",
}
# What a NAPTR record's service field promises: RFC 3263 §4.1, RFC 7118 §7.
_SERVICES: dict[str, TransportName] = {
    "SIP+D2U": "udp",
    "SIP+D2T": "tcp",
    "SIPS+D2T": "tls",
    "SIP+D2W": "ws",
    "SIPS+D2W": "wss",
}

Screen = Callable[[str, int], Awaitable[tuple[str, ...]]]  # as `Egress.addresses`


@dataclass(frozen=True, slots=True)
class Srv:
    """One SRV record (RFC 2782). `target` "" says that the service is not there at all."""

    priority: int
    weight: int
    port: int
    target: str


@dataclass(frozen=True, slots=True)
class Naptr:
    """One NAPTR record (RFC 3403)."""

    order: int
    preference: int
    flags: str
    service: str
    replacement: str


class SipDns(Protocol):
    """Asks the questions. No such record is an empty answer; no answer at all is a DnsError."""

    async def naptr(self, name: str) -> tuple[Naptr, ...]:
        """Return the NAPTR records of a name."""

    async def srv(self, name: str) -> tuple[Srv, ...]:
        """Return the SRV records of a name."""

    async def addresses(self, name: str) -> tuple[str, ...]:
        """Return the addresses of a name, best first; raises DnsError when there is none."""


class Locator:
    """Turns a hop into the numeric hops to try, in order. `transports`: those that we can speak."""

    def __init__(
        self,
        dns: SipDns,
        draw: Draw,
        transports: Sequence[TransportName] = PREFERENCE,
        screen: Screen | None = None,
        trusted: Collection[str] = (),
    ) -> None:
        """Let `screen` look up the addresses of every name but the trusted ones."""
        self._dns = dns
        self._draw = draw
        self._transports = transports
        self._screen = screen
        self._trusted = frozenset(map(str.lower, trusted))

    async def __call__(self, hop: Hop) -> tuple[Hop, ...]:
        """Return at least one hop. Raises DnsError when the name leads nowhere."""
        if hop.is_numeric:
            return (hop.settled(),)
        if hop.port:
            return await self._at_addresses(hop.host, hop.settled(), hop.host)
        for transport, records in await self._services(hop):
            servers = in_srv_order(records, self._draw)
            if servers:
                return await self._at_servers(hop, transport, servers)
        return await self._at_addresses(hop.host, hop.settled(), hop.host)

    async def _services(self, hop: Hop) -> list[tuple[TransportName, tuple[Srv, ...]]]:
        """Return SRV answers, the best transport first; empty when the name has none."""
        if hop.transport:
            asked = _usual_services(hop.host, (hop.transport,))
        else:
            asked = in_naptr_order(await self._naptr(hop.host), self._transports)
            asked = asked or _usual_services(hop.host, self._transports)
        found = []
        for transport, name in asked:
            records = await self._srv(name)
            if records:
                found.append((transport, records))
        if found and not any(record.target for _, records in found for record in records):
            raise DnsError(f"{hop.host} says that it offers no SIP")
        return found

    async def _at_servers(
        self, hop: Hop, transport: TransportName, servers: list[Srv]
    ) -> tuple[Hop, ...]:
        hops: list[Hop] = []
        error: DnsError | None = None
        for server in servers[:HOP_LIMIT]:
            # RFC 5922 §4: the certificate is for the name that was asked for, not for the target.
            name = (hop.tls_name or hop.host) if transport in SECURE else ""
            try:
                goal = Hop(transport, server.target, server.port, name, hop.tls_profile)
                hops += await self._at_addresses(server.target, goal, hop.host)
            except DnsError as failed:
                error = failed
        if not hops:
            raise error or DnsError(f"{hop.host} has no server")
        return tuple(dict.fromkeys(hops))[:HOP_LIMIT]

    async def _at_addresses(self, name: str, hop: Hop, wanted: str) -> tuple[Hop, ...]:
        """Return the hops of a name, which was found on the way to the one that is wanted."""
        transport: TransportName = hop.transport or "udp"
        tls_name = (hop.tls_name or name) if transport in SECURE else ""
        port = hop.port or DEFAULT_PORTS[transport]
        if self._screen is None or wanted.lower() in self._trusted:
            addresses = await self._dns.addresses(name)
        else:
            try:
                addresses = await self._screen(name, port)
            except EgressError as error:
                raise DnsError(str(error)) from error
        goal = replace(hop, transport=transport, port=port, tls_name=tls_name)
        return tuple(replace(goal, host=address) for address in addresses[:HOP_LIMIT])

    async def _naptr(self, name: str) -> tuple[Naptr, ...]:
        try:
            return await self._dns.naptr(name)
        except DnsError:
            return ()  # many resolvers do not pass NAPTR on; the name may still have addresses

    async def _srv(self, name: str) -> tuple[Srv, ...]:
        try:
            return await self._dns.srv(name)
        except DnsError:
            return ()


def _usual_services(
    host: str, transports: Iterable[TransportName]
) -> list[tuple[TransportName, str]]:
    return [(one, _SRV_PREFIX[one] + host) for one in transports if one in _SRV_PREFIX]


def in_naptr_order(
    records: Iterable[Naptr], transports: Sequence[TransportName]
) -> list[tuple[TransportName, str]]:
    """Return the transports that we speak with their SRV names, best first (RFC 3263 §4.1)."""
    found = []
    for record in sorted(records, key=lambda one: (one.order, one.preference)):
        transport = _SERVICES.get(record.service.upper())
        if transport is None or transport not in transports:
            continue
        if record.flags.lower() == "s" and record.replacement:
            found.append((transport, record.replacement))
    return found


def in_srv_order(records: Iterable[Srv], draw: Draw) -> list[Srv]:
    """Return the servers by priority, weighted by chance inside one priority (RFC 2782)."""
    return by_weight(
        (record for record in records if record.target),
        lambda record: (record.priority, record.weight),
        draw,
    )
