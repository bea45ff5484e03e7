"""SIP over TCP, TLS and WebSocket: a listener, its connections, and new ones for what is sent."""

import asyncio
import socket
from collections.abc import Coroutine
from dataclasses import field
from ipaddress import ip_address
from itertools import count

from agentstream.base.clock import Clock, SystemClock
from agentstream.base.errors import PeerError
from agentstream.base.values import dataclass
from agentstream.net.admission import Admission
from agentstream.net.sip_connection import Connection, Peer, StreamCounters, StreamLimits
from agentstream.net.sip_framing import Framing, StreamFraming
from agentstream.net.sip_udp import INVITE, bind
from agentstream.net.sip_ws import WebSocketFraming
from agentstream.net.tls import Tls
from agentstream.net.transport import Failed, Receive
from agentstream.sip.flow import WEBSOCKET, Flow, TransportName

SWEEP_S = 1.0
CLOSE_S = 1.0
BACKLOG = 1_024
_numbers = count(1)  # of connections; no two listeners ever use the same


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """Who may connect, how much of everything, and whose time it is."""

    admission: Admission | None = None
    limits: StreamLimits = field(default_factory=StreamLimits)
    clock: Clock = field(default_factory=SystemClock)
    is_websocket: bool = False  # RFC 7118
    origins: tuple[str, ...] = ()  # web pages that may open a WebSocket; empty: all


_KINDS: dict[bool, tuple[TransportName, TransportName]] = {
    False: ("tcp", "tls"),
    True: ("ws", "wss"),
}


class StreamTransport:
    """A bound listener with its connections; see `open_tcp`."""

    def __init__(
        self,
        listener: socket.socket,
        receive: Receive,
        failed: Failed,
        tls: Tls | None,
        options: StreamOptions,
    ) -> None:
        plain, secure = _KINDS[options.is_websocket]
        self.transport: TransportName = secure if tls else plain
        self._tls = tls
        self.local_address: tuple[str, int] = listener.getsockname()[:2]
        self.counters = StreamCounters()
        self._listener = listener
        self._receive = receive
        self._failed = failed
        self._admission = options.admission
        self._origins = options.origins
        self.limits = options.limits
        self.clock = options.clock
        self._connections: dict[int, Connection] = {}
        self._by_peer: dict[Peer, Connection] = {}
        self._waiting: dict[Peer, list[tuple[bytes, Flow]]] = {}  # while its connection is made
        self._per_source: dict[str, int] = {}
        self._inbound = 0  # accepted, those that still shake hands included
        self._outbound = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closed = False

    @property
    def connections(self) -> int:
        """How many connections are open or being made."""
        return self._inbound + self._outbound + len(self._waiting)

    def start(self) -> None:
        """Begin to accept."""
        self._own(self._accept_all())
        self._own(self._sweep())

    def send(self, data: bytes, flow: Flow) -> None:
        """Send on the flow's connection, or another one to the same peer, or a new one."""
        if self._is_closed:
            self._failed(flow, "the listener is closed")
            return
        peer = Peer(flow.remote_host, flow.remote_port, flow.tls_name, flow.tls_profile)
        connection = self._connections.get(flow.id) or self._by_peer.get(peer)
        if connection is not None and connection.is_open:
            if not connection.write(data):
                self._failed(flow, "the peer does not read")
            return
        if flow.id and flow.local_port == self.local_address[1]:
            # It came in from a port where nobody listens: there is no way back but another.
            self._failed(flow, "the connection is gone")
            return
        queue = self._waiting.get(peer)
        if queue is not None:
            if sum(len(waiting) for waiting, _ in queue) + len(data) > self.limits.unsent_bytes:
                self._failed(flow, "too much is waiting for this connection")
            else:
                queue.append((data, flow))
        elif self.connections >= self.limits.connections:
            self._failed(flow, "too many connections")
        else:
            self._waiting[peer] = [(data, flow)]
            self._own(self._connect(peer))

    def has(self, flow: Flow) -> bool:
        """Tell whether this flow's connection lives here."""
        return flow.id in self._connections

    async def drop(self, flow: Flow) -> None:
        """End this flow's connection at once, if it still lives."""
        connection = self._connections.get(flow.id)
        if connection is not None:
            connection.abort()
            await connection.ended

    async def close(self) -> None:
        """Close the listener and every connection; what is written already still goes out."""
        self._is_closed = True
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._listener.close()
        open_ones = list(self._connections.values())
        for connection in open_ones:
            connection.close()
        if open_ones:
            await asyncio.wait([connection.ended for connection in open_ones], timeout=CLOSE_S)
        for connection in list(self._connections.values()):
            connection.abort()

    def made(self, connection: Connection) -> None:
        """Make a new connection known to `send`."""
        flow = connection.flow
        assert flow is not None  # a connection that is made knows its addresses
        self._connections[connection.number] = connection
        if connection.peer is not None:
            self._outbound += 1
        self._by_peer[_peer_of(connection, flow)] = connection

    def arrived(self, frame: bytes, connection: Connection) -> None:
        """Pass a whole message on, if its source is admitted."""
        flow = connection.flow
        assert flow is not None  # a connection that is made knows its addresses
        if self._admission is None or self._admission.admits(
            flow.remote_host, self.clock.now_ms(), is_invite=frame.startswith(INVITE)
        ):
            self._receive(frame, flow)

    def gone(self, connection: Connection) -> None:
        """Forget a connection."""
        self._connections.pop(connection.number, None)
        flow = connection.flow
        assert flow is not None  # a connection that was made knows its addresses
        peer = _peer_of(connection, flow)
        if self._by_peer.get(peer) is connection:
            del self._by_peer[peer]
        if connection.peer is None:
            self._leave(flow.remote_host)
            return
        self._outbound -= 1
        if not connection.has_heard and not self._is_closed:
            # In TLS 1.3 a server refuses our certificate after we take the connection as made.
            self.counters.failed += 1
            self._failed(flow, "the peer ended the connection without a word")

    async def _accept_all(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, address = await loop.sock_accept(self._listener)
            except OSError:  # out of file descriptors: those that end make room
                self.counters.refused += 1
                await asyncio.sleep(0.1)
                continue
            if self._has_room(address[0]):
                self._inbound += 1
                self._per_source[address[0]] = self._per_source.get(address[0], 0) + 1
                self._own(self._greet(accepted, address[0]))
            else:
                self.counters.refused += 1
                accepted.close()

    def _has_room(self, source: str) -> bool:
        if self.connections >= self.limits.connections:
            return False
        if self._per_source.get(source, 0) >= self.limits.per_source:
            return False
        return self._admission is None or self._admission.admits(source, self.clock.now_ms())

    async def _greet(self, accepted: socket.socket, source: str) -> None:
        """Make a connection of an accepted socket; TLS begins only for a source that has room."""
        connection = self._new_connection(self._framing(None), None)
        try:
            async with asyncio.timeout(self.limits.handshake_ms / 1000):
                await asyncio.get_running_loop().connect_accepted_socket(
                    lambda: connection, accepted, ssl=self._tls.server if self._tls else None
                )
                await connection.ready
        except (OSError, TimeoutError) as error:  # ssl.SSLError is an OSError
            self.counters.failed += 1
            self.counters.handshakes_timed_out += isinstance(error, TimeoutError)
        else:
            self.counters.accepted += 1
        finally:
            if not connection.is_made:  # so nobody will say that it is gone
                connection.give_up()
                if connection.flow is None:
                    accepted.close()
                self._leave(source)

    async def _connect(self, peer: Peer) -> None:
        connection: Connection | None = None
        try:
            async with asyncio.timeout(self.limits.connect_ms / 1000):
                connection = self._new_connection(self._framing(peer), peer)
                made = connection
                await asyncio.get_running_loop().create_connection(
                    lambda: made,
                    peer.host,
                    peer.port,
                    ssl=self._tls.client(peer.tls_profile) if self._tls else None,
                    server_hostname=(peer.tls_name or peer.host) if self._tls else None,
                    local_addr=self._outbound_address(peer.host),
                )
                await connection.ready
        except (OSError, TimeoutError, ValueError, PeerError) as error:
            self.counters.failed += 1
            self.counters.connects_timed_out += isinstance(error, TimeoutError)
            if connection is not None:
                connection.give_up()
            text = "no answer in time" if isinstance(error, TimeoutError) else str(error)
            for _, flow in self._waiting.pop(peer):
                self._failed(flow, f"cannot connect: {text}")
            return
        self.counters.connected += 1
        for data, flow in self._waiting.pop(peer):
            if not connection.write(data):
                self._failed(flow, "the connection ended at once")

    def _new_connection(self, framing: Framing, peer: Peer | None) -> Connection:
        return Connection(self, next(_numbers), framing, peer)

    def _framing(self, peer: Peer | None) -> Framing:
        limits = self.limits.message
        if self.transport not in WEBSOCKET:
            return StreamFraming(limits)
        if peer is None:
            return WebSocketFraming.as_server(limits, self._origins)
        name, is_secure = peer.tls_name or peer.host, self.transport == "wss"
        return WebSocketFraming.as_client(limits, name, peer.port, is_secure=is_secure)

    def _outbound_address(self, host: str) -> tuple[str, int] | None:
        """Return where to connect from: the listener's address, if it is one that reaches out."""
        ours, theirs = ip_address(self.local_address[0]), ip_address(host)
        if ours.is_unspecified or ours.version != theirs.version:
            return None
        if ours.is_loopback != theirs.is_loopback:
            return None
        return self.local_address[0], 0

    def _leave(self, source: str) -> None:
        self._inbound -= 1
        count = self._per_source.get(source, 0) - 1
        if count > 0:
            self._per_source[source] = count
        else:
            self._per_source.pop(source, None)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            self.check(self.clock.now_ms())

    def check(self, now_ms: int) -> None:
        """End the connections that are over a limit, ping the quiet ones; called every second."""
        for connection in list(self._connections.values()):
            connection.check(now_ms)

    def _own(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _peer_of(connection: Connection, flow: Flow) -> Peer:
    """Return what a connection is known by: whom we called, or where it came from."""
    return connection.peer or Peer(flow.remote_host, flow.remote_port)


async def open_tcp(
    host: str,
    port: int,
    receive: Receive,
    *,
    failed: Failed = lambda flow, text: None,
    tls: Tls | None = None,
    options: StreamOptions | None = None,
) -> StreamTransport:
    """Listen on a numeric address (port 0: any). Raises ConfigError when it cannot be bound.

    The transport is "tcp", or "tls" with `tls`; for `options.is_websocket` "ws" or "wss". "::"
    takes IPv6 only; open "0.0.0.0" beside it.
    """
    listener = bind(socket.SOCK_STREAM, host, port)
    listener.listen(BACKLOG)
    shell = StreamTransport(listener, receive, failed, tls, options or StreamOptions())
    shell.start()
    return shell
