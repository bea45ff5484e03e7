"""One TCP or TLS connection that carries SIP: framing, keep-alive, and the limits that end it."""

import asyncio
from typing import Protocol, cast

from agentstream.base.clock import Clock
from agentstream.base.errors import PeerError
from agentstream.base.values import dataclass
from agentstream.sip.flow import Flow, TransportName
from agentstream.sip.wire import LIMITS, Limits, Ping, StreamParser

PING = b"\r\n\r\n"
PONG = b"\r\n"


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """Bounds on connections. A connection over its own bound ends; one too many is not taken."""

    connections: int = 4_096
    per_source: int = 64
    connect_ms: int = 4_000  # as_failover_timeout; name, TCP and TLS together
    handshake_ms: int = 10_000
    first_message_ms: int = 10_000  # an inbound connection that says nothing
    partial_message_ms: int = 10_000  # a message that was begun and not finished
    idle_ms: int = 3_600_000  # nothing received, not even a pong
    keep_alive_ms: int = 25_000  # SIP-7: nothing sent for so long, then a ping (RFC 5626)
    unsent_bytes: int = 262_144  # the peer does not read
    message: Limits = LIMITS


@dataclass(slots=True)
class StreamCounters:
    """What became of connections."""

    accepted: int = 0
    connected: int = 0
    refused: int = 0
    failed: int = 0
    timed_out: int = 0
    slow_readers: int = 0
    broken: int = 0


class ConnectionOwner(Protocol):
    """Whom a connection tells: `made` first, `gone` last, once each."""

    def made(self, connection: "Connection") -> None:
        """Note that the connection is up, TLS included."""

    def arrived(self, frame: bytes, connection: "Connection") -> None:
        """Take one whole message."""

    def gone(self, connection: "Connection") -> None:
        """Note that the connection is no more."""


class Connection(asyncio.Protocol):
    """One connection to a peer. `peer` is the address and name that we connected to, if we did."""

    def __init__(
        self,
        owner: ConnectionOwner,
        number: int,
        peer: tuple[str, int, str] | None,
        clock: Clock,
        limits: StreamLimits,
        counters: StreamCounters,
    ) -> None:
        self.number = number
        self.peer = peer
        self.flow: Flow | None = None  # known once connected
        self.is_open = False
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._owner = owner
        self._clock = clock
        self._limits = limits
        self._counters = counters
        self._parser = StreamParser(limits.message)
        self._socket: asyncio.Transport | None = None
        self._heard_ms = self._spoke_ms = self._began_ms = clock.now_ms()
        self._heard_message = False

    @property
    def peer_names(self) -> tuple[str, ...]:
        """The names in the certificate that the peer showed; none without TLS or client check."""
        certificate = self._socket.get_extra_info("peercert") if self._socket else None
        names = (certificate or {}).get("subjectAltName", ())
        return tuple(name for _kind, name in names)

    def write(self, data: bytes) -> bool:
        """Send; False when the connection is closed or its peer does not read."""
        if self._socket is None or not self.is_open:
            return False
        if self._socket.get_write_buffer_size() + len(data) > self._limits.unsent_bytes:
            self._counters.slow_readers += 1
            self.abort()
            return False
        self._spoke_ms = self._clock.now_ms()
        self._socket.write(data)
        return True

    def close(self) -> None:
        """Close once everything is sent."""
        self.is_open = False
        if self._socket is not None:
            self._socket.close()

    def abort(self) -> None:
        """Close at once."""
        self.is_open = False
        if self._socket is not None:
            self._socket.abort()

    def check(self, now_ms: int) -> None:
        """End a connection that is over a time limit; ping one that has been quiet."""
        if not self.is_open:
            return
        limits = self._limits
        silent_ms = now_ms - self._heard_ms
        if self.peer is None and not self._heard_message:
            is_over = now_ms - self._began_ms > limits.first_message_ms
        elif self._parser.has_partial:
            is_over = now_ms - self._began_ms > limits.partial_message_ms
        else:
            is_over = silent_ms > limits.idle_ms
        if is_over:
            self._counters.timed_out += 1
            self.abort()
        elif now_ms - self._spoke_ms >= limits.keep_alive_ms:
            self.write(PING)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Learn both addresses (asyncio calls this)."""
        self._socket = cast("asyncio.Transport", transport)  # uvloop's is no subclass of it
        kind: TransportName = "tls" if transport.get_extra_info("ssl_object") else "tcp"
        local_host, local_port = transport.get_extra_info("sockname")[:2]
        host, port = transport.get_extra_info("peername")[:2]
        self.flow = Flow(kind, local_host, local_port, host, port, self.number)
        self.is_open = True
        self._owner.made(self)

    def data_received(self, data: bytes) -> None:
        """Cut the stream into messages (asyncio calls this)."""
        now_ms = self._clock.now_ms()
        self._heard_ms = now_ms
        if not self._parser.has_partial:
            self._began_ms = now_ms
        for frame in self._parser.feed(data):
            if isinstance(frame, PeerError):
                self._counters.broken += 1
                self.abort()
                return
            if isinstance(frame, Ping):
                self.write(PONG)
                continue
            self._heard_message = True
            self._began_ms = now_ms
            self._owner.arrived(frame, self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the owner (asyncio calls this)."""
        self.is_open = False
        if not self.ended.done():
            self.ended.set_result(None)
        self._owner.gone(self)
