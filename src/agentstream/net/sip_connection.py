"""One connection that carries SIP (TCP, TLS, WebSocket): its handshakes, keep-alive, and limits."""

import asyncio
import socket
import ssl
from typing import Protocol, cast

from agentstream.base.clock import Clock
from agentstream.base.errors import PeerError
from agentstream.base.values import dataclass
from agentstream.net.sip_framing import Framing
from agentstream.net.tls import ClientContext
from agentstream.net.tls_names import identities, names_host
from agentstream.sip.flow import Flow, TransportName
from agentstream.sip.wire import LIMITS, Limits


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """Bounds on connections. A connection over its own bound ends; one too many is not taken."""

    connections: int = 4_096
    per_source: int = 64
    connect_ms: int = 4_000  # as_failover_timeout; name, TCP, TLS and WebSocket together
    handshake_ms: int = 10_000  # an inbound one: TLS and WebSocket together
    first_message_ms: int = 10_000  # an inbound connection that says nothing
    partial_message_ms: int = 10_000  # a message that was begun and not finished
    idle_ms: int = 3_600_000  # nothing received, not even a pong
    keep_alive_ms: int = 25_000  # SIP-7: nothing sent for so long, then a ping (RFC 5626)
    pong_ms: int = 10_000  # RFC 5626 §4.4.1, where a pong must come: on a WebSocket
    unacknowledged_ms: int = 30_000  # the peer's kernel confirms nothing: it is gone; 0: never
    closing_ms: int = 5_000  # to send what is left, and the goodbyes of TLS
    unsent_bytes: int = 262_144  # the peer does not read
    message: Limits = LIMITS


@dataclass(slots=True)
class StreamCounters:
    """What became of connections."""

    accepted: int = 0
    connected: int = 0
    refused: int = 0
    failed: int = 0
    handshakes_timed_out: int = 0
    connects_timed_out: int = 0
    timed_out: int = 0
    slow_readers: int = 0
    broken: int = 0
    wrong_names: int = 0  # a certificate that does not name whom we called
    tls_resumed: int = 0  # ours, with the session of an earlier one


@dataclass(frozen=True, slots=True)
class Peer:
    """Whom we connect to: one connection for each. `tls_name` "" takes the address."""

    host: str
    port: int
    tls_name: str = ""
    tls_profile: str = ""


class ConnectionOwner(Protocol):
    """Whom a connection tells: `made` first, `gone` last, once each; neither if it never is up."""

    transport: TransportName
    clock: Clock
    limits: StreamLimits
    counters: StreamCounters

    def made(self, connection: "Connection") -> None:
        """Note that messages can go, TLS and WebSocket included."""

    def arrived(self, frame: bytes, connection: "Connection") -> None:
        """Take one whole message."""

    def gone(self, connection: "Connection") -> None:
        """Note that the connection is no more."""


class Connection(asyncio.Protocol):
    """One connection to a peer. `peer` is whom we connected to, if we did."""

    def __init__(
        self, owner: ConnectionOwner, number: int, framing: Framing, peer: Peer | None
    ) -> None:
        self.number = number
        self.peer = peer
        self.flow: Flow | None = None  # known once TCP and TLS are there
        self.is_made = False  # it was up once, whatever it is now
        self.is_open = False
        loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[None] = loop.create_future()
        self.ready: asyncio.Future[None] = loop.create_future()  # a ConnectionError: it cannot be
        self._owner = owner
        self._limits = owner.limits
        self._counters = owner.counters
        self._framing = framing
        self._socket: asyncio.Transport | None = None
        self._tls: ssl.SSLObject | None = None
        self._heard_ms = self._spoke_ms = self._began_ms = owner.clock.now_ms()
        self._pinged_ms: int | None = None  # and nothing was heard since
        self._closing_ms: int | None = None
        self.has_heard = False  # a whole message came

    def write(self, data: bytes) -> bool:
        """Send a message; False when the connection is closed or its peer does not read."""
        if self._socket is None or not self.is_open or self._framing.is_over:
            return False
        if self._socket.get_write_buffer_size() + len(data) > self._limits.unsent_bytes:
            self._counters.slow_readers += 1
            self.abort()
            return False
        self._spoke_ms = self._owner.clock.now_ms()
        self._socket.write(self._framing.wrap(data))
        return True

    def close(self) -> None:
        """Close once everything is sent."""
        if self._socket is not None:
            self._put(self._framing.close())
            self._end(self._socket)

    def abort(self) -> None:
        """Close at once."""
        self.is_open = False
        if self._socket is not None:
            self._socket.abort()

    def give_up(self) -> None:
        """End a connection that never was up, unless its last words are on their way."""
        if self._closing_ms is None:
            self.abort()

    def check(self, now_ms: int) -> None:
        """End a connection that is over a time limit; ping one that has been quiet."""
        if not self.is_open:
            if self._closing_ms is not None and now_ms - self._closing_ms > self._limits.closing_ms:
                self.abort()
            return
        if self._is_over(now_ms):
            self._counters.timed_out += 1
            self.abort()
        elif now_ms - self._spoke_ms >= self._limits.keep_alive_ms:
            self._spoke_ms = now_ms
            if self._pinged_ms is None:
                self._pinged_ms = now_ms
            self._put(self._framing.ping())

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Learn both addresses and the peer's names (asyncio calls this)."""
        self._socket = cast("asyncio.Transport", transport)  # uvloop's is no subclass of it
        self._watch_for_silence(transport.get_extra_info("socket"))
        tls = self._tls = transport.get_extra_info("ssl_object")
        names = self._names(tls) if tls is not None else ()
        local_host, local_port = transport.get_extra_info("sockname")[:2]
        host, port = transport.get_extra_info("peername")[:2]
        peer = self.peer or Peer(host, port)
        self.flow = Flow(
            *(self._owner.transport, local_host, local_port, host, port, self.number),
            *(peer.tls_name, peer.tls_profile, names),
        )
        if tls is not None and not self._is_right(tls, names):
            self._counters.wrong_names += 1
            shown = ", ".join(names) or "nobody"
            self._give_up(f"the certificate is not for {self._wanted_name()} but for {shown}")
            return
        self._put(self._framing.outgoing())
        self._note_ready()

    def data_received(self, data: bytes) -> None:
        """Cut what comes into messages (asyncio calls this)."""
        now_ms = self._owner.clock.now_ms()
        self._heard_ms, self._pinged_ms = now_ms, None
        framing = self._framing
        if not framing.has_partial:
            self._began_ms = now_ms
        messages = framing.feed(data)
        self._put(framing.outgoing())
        self._note_ready()
        for message in messages:
            if isinstance(message, PeerError):
                self._counters.broken += self.is_made
                self._give_up(str(message))
                return
            self.has_heard = True
            self._began_ms = now_ms
            self._owner.arrived(message, self)
        if framing.is_over and self._socket is not None:
            self._end(self._socket)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the owner (asyncio calls this)."""
        self.is_open = False
        if not self.ended.done():
            self.ended.set_result(None)
        self._fail_ready("the peer closed it" if exc is None else str(exc))
        if self.is_made:
            self._keep_session()
            self._owner.gone(self)

    def _is_over(self, now_ms: int) -> bool:
        limits = self._limits
        if self._framing.answers_pings and self._pinged_ms is not None:
            if now_ms - self._pinged_ms > limits.pong_ms:
                return True
        elif self.peer is None and not self.has_heard and not self._framing.answers_pings:
            return now_ms - self._began_ms > limits.first_message_ms
        if self._framing.has_partial:
            return now_ms - self._began_ms > limits.partial_message_ms
        return now_ms - self._heard_ms > limits.idle_ms

    def _watch_for_silence(self, raw: socket.socket | None) -> None:
        """Let the kernel end a connection whose peer no longer confirms what we send (RFC 5482)."""
        if raw is not None and self._limits.unacknowledged_ms:
            raw.setsockopt(
                socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, self._limits.unacknowledged_ms
            )

    def _names(self, tls: ssl.SSLObject) -> tuple[str, ...]:
        # Empty unless it was verified. Only a client's may do without a subjectAltName.
        return identities(tls.getpeercert() or {}, or_common_name=self.peer is None)

    def _is_right(self, tls: ssl.SSLObject, names: tuple[str, ...]) -> bool:
        """Tell whether the peer is whom we called (RFC 5922 §4)."""
        context = tls.context
        if self.peer is None or not isinstance(context, ClientContext):
            return True
        if context.checks_names and not names_host(names, self._wanted_name()):
            return False
        self._counters.tls_resumed += bool(tls.session_reused)
        return True

    def _wanted_name(self) -> str:
        return (self.peer.tls_name or self.peer.host) if self.peer is not None else ""

    def _note_ready(self) -> None:
        if self.is_made or not self._framing.is_ready:
            return
        self.is_made = self.is_open = True
        self._owner.made(self)
        if not self.ready.done():
            self.ready.set_result(None)

    def _give_up(self, why: str) -> None:
        self._fail_ready(why)
        if self._socket is not None and not self.is_made:
            self._end(self._socket)  # a refusal of the handshake still goes out
        else:
            self.abort()

    def _fail_ready(self, why: str) -> None:
        if not self.ready.done():
            self.ready.set_exception(ConnectionError(why))
            self.ready.exception()  # nobody may be waiting any more

    def _end(self, transport: asyncio.Transport) -> None:
        self.is_open = False
        if self._closing_ms is None:
            self._closing_ms = self._owner.clock.now_ms()
            transport.close()

    def _put(self, data: bytes) -> None:
        if data and self._socket is not None and not self._socket.is_closing():
            self._socket.write(data)

    def _keep_session(self) -> None:
        """Let the next connection to this peer resume the TLS session of this one."""
        tls = self._tls
        if self.peer is not None and tls is not None and isinstance(tls.context, ClientContext):
            tls.context.keep_session(tls)
