"""SIP over TCP and TLS: a listener, its connections, and new ones made for what is to be sent."""

import asyncio
import socket
from collections.abc import Coroutine
from dataclasses import field
from ipaddress import ip_address
from itertools import count

from agentstream.base.clock import Clock, SystemClock
from agentstream.base.values import dataclass
from agentstream.net.admission import Admission
from agentstream.net.sip_connection import Connection, StreamCounters, StreamLimits
from agentstream.net.sip_udp import INVITE, bind
from agentstream.net.tls import Tls
from agentstream.net.transport import Failed, Receive
from agentstream.sip.flow import Flow, TransportName

SWEEP_S = 1.0
CLOSE_S = 1.0
BACKLOG = 1_024
_numbers = count(1)  # of connections; no two listeners ever use the same
_Peer = tuple[str, int, str]  # address, port, the name that its certificate proved


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """Who may connect, how much of everything, and whose time it is."""

    admission: Admission | None = None
    limits: StreamLimits = field(default_factory=StreamLimits)
    clock: Clock = field(default_factory=SystemClock)


class StreamTransport:
    """A bound TCP or TLS listener with its connections; see `open_tcp`."""

    def __init__(
        self,
        listener: socket.socket,
        receive: Receive,
        failed: Failed,
        tls: Tls | None,
        options: StreamOptions,
    ) -> None:
        self.transport: TransportName = "tls" if tls else "tcp"
        self.local_address: tuple[str, int] = listener.getsockname()[:2]
        self.counters = StreamCounters()
        self._listener = listener
        self._receive = receive
        self._failed = failed
        self._tls = tls
        self._admission = options.admission
        self._limits = options.limits
        self._clock = options.clock
        self._connections: dict[int, Connection] = {}
        self._by_peer: dict[_Peer, Connection] = {}
        self._waiting: dict[_Peer, list[tuple[bytes, Flow]]] = {}  # while its connection is made
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

    def send(self, data: bytes, flow: Flow, tls_name: str = "") -> None:
        """Send on the flow's connection, or another one to the same peer, or a new one."""
        if self._is_closed:
            self._failed(flow, "the listener is closed")
            return
        peer = (flow.remote_host, flow.remote_port, tls_name)
        connection = self._connections.get(flow.id) or self._by_peer.get(peer)
        if connection is not None and connection.is_open:
            if not connection.write(data):
                self._failed(flow, "the peer does not read")
            return
        queue = self._waiting.get(peer)
        if queue is not None:
            if sum(len(waiting) for waiting, _ in queue) + len(data) > self._limits.unsent_bytes:
                self._failed(flow, "too much is waiting for this connection")
            else:
                queue.append((data, flow))
        elif self.connections >= self._limits.connections:
            self._failed(flow, "too many connections")
        else:
            self._waiting[peer] = [(data, flow)]
            self._own(self._connect(peer))

    def has(self, flow: Flow) -> bool:
        """Tell whether this flow's connection lives here."""
        return flow.id in self._connections

    def peer_names(self, flow: Flow) -> tuple[str, ...]:
        """Return the names that the certificate of this flow's peer proves (mutual TLS)."""
        connection = self._connections.get(flow.id)
        return connection.peer_names if connection else ()

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
        self._by_peer[flow.remote_host, flow.remote_port, ""] = connection
        if connection.peer is not None:
            self._outbound += 1
            self._by_peer[connection.peer] = connection

    def arrived(self, frame: bytes, connection: Connection) -> None:
        """Pass a whole message on, if its source is admitted."""
        flow = connection.flow
        assert flow is not None  # a connection that is made knows its addresses
        if self._admission is None or self._admission.admits(
            flow.remote_host, self._clock.now_ms(), is_invite=frame.startswith(INVITE)
        ):
            self._receive(frame, flow)

    def gone(self, connection: Connection) -> None:
        """Forget a connection."""
        self._connections.pop(connection.number, None)
        flow = connection.flow
        assert flow is not None  # a connection that was made knows its addresses
        for peer in ((flow.remote_host, flow.remote_port, ""), connection.peer):
            if peer is not None and self._by_peer.get(peer) is connection:
                del self._by_peer[peer]
        if connection.peer is None:
            self._leave(flow.remote_host)
        else:
            self._outbound -= 1

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
        if self.connections >= self._limits.connections:
            return False
        if self._per_source.get(source, 0) >= self._limits.per_source:
            return False
        return self._admission is None or self._admission.admits(source, self._clock.now_ms())

    async def _greet(self, accepted: socket.socket, source: str) -> None:
        """Make a connection of an accepted socket; TLS begins only for a source that has room."""
        connection = self._new_connection(None)
        try:
            async with asyncio.timeout(self._limits.handshake_ms / 1000):
                await asyncio.get_running_loop().connect_accepted_socket(
                    lambda: connection, accepted, ssl=self._tls.server if self._tls else None
                )
        except (OSError, TimeoutError):  # ssl.SSLError is an OSError
            self.counters.failed += 1
        else:
            self.counters.accepted += 1
        finally:
            if connection.flow is None:  # it never was up, so nobody will say that it is gone
                accepted.close()
                self._leave(source)

    async def _connect(self, peer: _Peer) -> None:
        host, port, tls_name = peer
        try:
            async with asyncio.timeout(self._limits.connect_ms / 1000):
                _, connection = await asyncio.get_running_loop().create_connection(
                    lambda: self._new_connection(peer),
                    host,
                    port,
                    ssl=self._tls.client if self._tls else None,
                    server_hostname=(tls_name or host) if self._tls else None,
                    local_addr=self._outbound_address(host),
                )
        except (OSError, TimeoutError, ValueError) as error:
            self.counters.failed += 1
            text = "no answer in time" if isinstance(error, TimeoutError) else str(error)
            for _, flow in self._waiting.pop(peer):
                self._failed(flow, f"cannot connect: {text}")
            return
        self.counters.connected += 1
        for data, flow in self._waiting.pop(peer):
            if not connection.write(data):
                self._failed(flow, "the connection ended at once")

    def _new_connection(self, peer: _Peer | None) -> Connection:
        return Connection(self, next(_numbers), peer, self._clock, self._limits, self.counters)

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
            self.check(self._clock.now_ms())

    def check(self, now_ms: int) -> None:
        """End the connections that are over a limit, ping the quiet ones; called every second."""
        for connection in list(self._connections.values()):
            connection.check(now_ms)

    def _own(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


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

    With `tls` the transport is "tls", else "tcp". "::" takes IPv6 only; open "0.0.0.0" beside it.
    """
    listener = bind(socket.SOCK_STREAM, host, port)
    listener.listen(BACKLOG)
    shell = StreamTransport(listener, receive, failed, tls, options or StreamOptions())
    shell.start()
    return shell
