"""All SIP listeners of one node: which one a message goes out by, and how peers see us."""

import socket
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, field
from ipaddress import ip_address

from agentstream.base.clock import Clock
from agentstream.base.errors import ConfigError
from agentstream.base.values import dataclass
from agentstream.net.admission import Admission, AdmissionLimits
from agentstream.net.sip_connection import StreamLimits
from agentstream.net.sip_tcp import StreamOptions, StreamTransport, open_tcp
from agentstream.net.sip_udp import open_udp
from agentstream.net.tls import Tls, TlsFiles
from agentstream.net.transport import Failed, Receive, SipTransport
from agentstream.sip.flow import DEFAULT_PORTS, SECURE, WEBSOCKET, Flow, Hop, TransportName

HOSTS_REMEMBERED = 65_536


@dataclass(frozen=True, slots=True)
class Listener:
    """One address to listen on; `port` 0 lets the system choose."""

    transport: TransportName
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class SocketSettings:
    """Where to listen, who may come in, and under which name we are known."""

    listeners: tuple[Listener, ...]
    public_host: str = ""  # what Via, Contact and SDP say; "": the address that the peer reaches
    allow: tuple[str, ...] = ()  # networks whose messages are read; empty: all
    deny: tuple[str, ...] = ()
    admission: AdmissionLimits = field(default_factory=AdmissionLimits)
    streams: StreamLimits = field(default_factory=StreamLimits)
    tls: TlsFiles = field(default_factory=TlsFiles)
    origins: tuple[str, ...] = ()  # web pages that may open a WebSocket; empty: all
    knows: Callable[[str], bool] | None = None  # addresses of carriers and trunks


class SipSockets:
    """Opens, chooses and closes; decides nothing about SIP."""

    def __init__(
        self, settings: SocketSettings, receive: Receive, failed: Failed, clock: Clock
    ) -> None:
        self._settings = settings
        self._receive = receive
        self._failed = failed
        self._clock = clock
        self._transports: list[SipTransport] = []
        self._local_hosts: dict[str, str] = {}
        self.admission = Admission(
            settings.allow, settings.deny, settings.admission, knows=settings.knows
        )
        self.tls: Tls | None = None  # what every listener shares; once one needs it

    @property
    def addresses(self) -> list[tuple[str, str, int]]:
        """What is bound: transport, host, port."""
        return [(t.transport, *t.local_address) for t in self._transports]

    @property
    def counters(self) -> Counter[str]:
        """What became of connections, all listeners together, and how many there are now."""
        counts: Counter[str] = Counter(connections_now=0)
        for transport in self._transports:
            if isinstance(transport, StreamTransport):
                counts.update(
                    {f"connections_{k}": v for k, v in asdict(transport.counters).items()}
                )
                counts["connections_now"] += transport.connections
        return counts

    async def open(self) -> None:
        """Open every listener or none; raises ConfigError naming what cannot be bound."""
        try:
            for listener in self._settings.listeners:
                self._transports.append(await self._open(listener))
        except ConfigError:
            await self.close()
            raise

    async def close(self) -> None:
        """Close every listener and connection."""
        transports, self._transports = self._transports, []
        for transport in transports:
            await transport.close()

    def send(self, data: bytes, to: Flow | Hop) -> bool:
        """Send one message; False when there is no listener that could."""
        transport = self._transport_for(to)
        if transport is None:
            return False
        transport.send(data, to if isinstance(to, Flow) else to.as_flow())
        return True

    def our_address(self, transport: str, peer: str) -> tuple[str, int]:
        """Return our host and port, as a peer at this numeric address sees them."""
        port = DEFAULT_PORTS.get(transport, 5060)
        for opened in self._transports:
            if opened.transport == transport and _is_reachable(opened, peer):
                port = opened.local_address[1]
                break
        return self.our_host(peer), port

    def our_host(self, peer: str) -> str:
        """Return our host, as a peer at this numeric address sees it."""
        if self._settings.public_host:
            return self._settings.public_host
        known = self._local_hosts.get(peer)
        if known is None:
            if len(self._local_hosts) >= HOSTS_REMEMBERED:
                self._local_hosts.clear()
            known = self._local_hosts[peer] = self._find_host(peer)
        return known

    async def _open(self, listener: Listener) -> SipTransport:
        if listener.transport == "udp":
            return await open_udp(
                listener.host,
                listener.port,
                self._receive,
                failed=self._failed,
                admission=self.admission,
                clock=self._clock,
            )
        settings = self._settings
        return await open_tcp(
            listener.host,
            listener.port,
            self._receive,
            failed=self._failed,
            tls=self._shared_tls() if listener.transport in SECURE else None,
            options=StreamOptions(
                self.admission,
                settings.streams,
                self._clock,
                listener.transport in WEBSOCKET,
                settings.origins,
            ),
        )

    def _shared_tls(self) -> Tls:
        if self.tls is None:
            self.tls = Tls(self._settings.tls)
        return self.tls

    def _transport_for(self, to: Flow | Hop) -> SipTransport | None:
        """Return the listener that a flow came by, or the first that can reach the hop."""
        candidates = [t for t in self._transports if t.transport == to.transport]
        if isinstance(to, Flow):
            for transport in candidates:
                if isinstance(transport, StreamTransport):
                    if transport.has(to):
                        return transport
                elif transport.local_address == (to.local_host, to.local_port):
                    return transport
        host = to.host if isinstance(to, Hop) else to.remote_host
        return next((t for t in candidates if _is_reachable(t, host)), None)

    def _find_host(self, peer: str) -> str:
        """Return the bound address if there is only one, else what the system would take."""
        bound = {t.local_address[0] for t in self._transports if _is_reachable(t, peer)}
        if len(bound) == 1:
            host = bound.pop()
            if not ip_address(host).is_unspecified:
                return host
        return local_host_towards(peer)


def local_host_towards(peer: str) -> str:
    """Return the address that the system would use to reach this one; nothing is sent."""
    peer = peer or "192.0.2.1"
    family = socket.AF_INET6 if ":" in peer else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((peer, 9))
            host: str = probe.getsockname()[0]
            return host
    except (OSError, ValueError):
        return "::1" if ":" in peer else "127.0.0.1"


def _is_reachable(transport: SipTransport, peer: str) -> bool:
    return not peer or (":" in transport.local_address[0]) == (":" in peer)
