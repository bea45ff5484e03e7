"""Where a message came from and where one goes to, without sockets."""

from ipaddress import ip_address
from typing import Literal

from agentstream.base.values import dataclass
from agentstream.sip.uri import SipUri

TransportName = Literal["udp", "tcp", "tls", "ws", "wss"]
# RFC 3261 §19.1.2; RFC 7118 §5.2 for WebSocket.
DEFAULT_PORTS: dict[str, int] = {"udp": 5060, "tcp": 5060, "tls": 5061, "ws": 80, "wss": 443}
SECURE: frozenset[str] = frozenset(("tls", "wss"))
WEBSOCKET: frozenset[str] = frozenset(("ws", "wss"))


@dataclass(frozen=True, slots=True)
class Flow:
    """One path between us and a peer: a UDP listener and an address, or one connection.

    Hosts are numeric, without IPv6 brackets. `id` tells connections apart; it is 0 for UDP.
    `tls_name` and `tls_profile` are those of the hop that we connected to (see `Hop`), so that the
    connection can be made again as it was.
    """

    transport: TransportName
    local_host: str
    local_port: int
    remote_host: str
    remote_port: int
    id: int = 0
    tls_name: str = ""
    tls_profile: str = ""
    # Whom the peer's certificate was verified to be: SIP domains and addresses in lower case
    # (RFC 5922 §7.1). Empty without TLS, without a certificate, or with an unverified one.
    peer_names: tuple[str, ...] = ()

    def __str__(self) -> str:
        host = f"[{self.remote_host}]" if ":" in self.remote_host else self.remote_host
        return f"{self.transport}:{host}:{self.remote_port}"


@dataclass(frozen=True, slots=True)
class Hop:
    """Where a request should go: a name or a numeric address. `port` 0: by DNS or by default.

    `transport` "" leaves it to DNS (RFC 3263 §4.1). `tls_name` is whom the certificate must name,
    `tls_profile` whose certificate we show and whom we believe ("": the node's own).
    """

    transport: TransportName | Literal[""]
    host: str
    port: int = 0
    tls_name: str = ""
    tls_profile: str = ""

    @property
    def is_numeric(self) -> bool:
        """Whether no DNS is needed."""
        return is_address(self.host)

    def as_flow(self) -> Flow:
        """Return a settled hop as a flow that says nothing of our side."""
        transport: TransportName = self.transport or "udp"
        return Flow(transport, "", 0, self.host, self.port, 0, self.tls_name, self.tls_profile)

    def settled(self) -> "Hop":
        """Return the same hop with transport and port filled in by default (UDP, 5060 ...)."""
        transport: TransportName = self.transport or "udp"
        port = self.port or DEFAULT_PORTS[transport]
        return Hop(transport, self.host, port, self.tls_name, self.tls_profile)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.transport or 'any'}:{host}:{self.port}"


def hop_of(uri: SipUri) -> Hop:
    """Return where RFC 3263 §4 would send a request for this URI, before any DNS."""
    host = (uri.params.get("maddr") or uri.host).strip("[]")
    transport: TransportName | Literal[""] = ""
    is_secure = uri.scheme == "sips"
    if uri.transport in WEBSOCKET:
        # RFC 7118 §5.2: the parameter is "ws" for both. "wss" in a SIP URI is what many write.
        transport = "wss" if is_secure or uri.transport == "wss" else "ws"
    elif is_secure or uri.transport == "tls":
        transport = "tls"
    elif uri.transport == "tcp":
        transport = "tcp"
    elif uri.transport == "udp" or uri.port or is_address(host):
        # RFC 3263 §4.1: with an address or a port and no transport, it is UDP.
        transport = "udp"
    return Hop(transport, host, uri.port, uri.host.strip("[]") if transport in SECURE else "")


def is_same_way(one: Flow | Hop, other: Flow | Hop) -> bool:
    """Tell whether what fails one way fails the other: one connection, or one address."""
    if isinstance(one, Hop):
        one = one.as_flow()
    if isinstance(other, Hop):
        other = other.as_flow()
    if one.id and other.id:
        return (one.transport, one.id) == (other.transport, other.id)
    return _way(one) == _way(other)


def _way(flow: Flow) -> tuple[str, str, int, str, str]:
    tls = (flow.tls_name, flow.tls_profile)
    return flow.transport, flow.remote_host, flow.remote_port, *tls


def is_address(host: str) -> bool:
    """Tell whether this is a numeric IPv4 or IPv6 address."""
    if ":" in host:
        return True
    if not host[-1:].isdigit():
        return False
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def is_private(host: str) -> bool:
    """Tell whether a numeric address cannot be reached from another network."""
    try:
        return ip_address(host).is_private
    except ValueError:
        return False
