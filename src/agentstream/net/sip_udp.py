"""SIP over UDP: one socket, one datagram per message; admission is asked before any parsing."""

import asyncio
import contextlib
import ipaddress
import socket
from typing import cast

from agentstream.base.clock import Clock, SystemClock
from agentstream.base.errors import ConfigError
from agentstream.net.admission import Admission
from agentstream.net.transport import Failed, Receive
from agentstream.sip.flow import Flow, TransportName

INVITE = b"INVITE "  # how one begins, to count it without parsing
RECEIVE_BUFFER_BYTES = 8 * 1024 * 1024  # a busy loop must not lose the INVITEs of the moment


class UdpTransport(asyncio.DatagramProtocol):
    """A bound UDP socket; see `open_udp`."""

    transport: TransportName = "udp"

    def __init__(
        self,
        bound: socket.socket,
        receive: Receive,
        failed: Failed,
        admission: Admission | None,
        clock: Clock,
    ) -> None:
        self._bound = bound
        self._local: tuple[str, int] = bound.getsockname()[:2]
        self._receive = receive
        self._failed = failed
        self._admission = admission
        self._clock = clock
        self._socket: asyncio.DatagramTransport | None = None
        self._closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.receive_buffer_bytes = _enlarge(bound)  # what the system granted
        self.errors = 0  # errors that the socket reported for no message in particular

    @property
    def local_address(self) -> tuple[str, int]:
        """Return the bound address and port."""
        return self._local

    def send(self, data: bytes, flow: Flow) -> None:
        """Send one datagram; a refusal of the system is told to `failed`."""
        if self._socket is None or self._socket.is_closing():
            self._failed(flow, "the listener is closed")
            return
        try:
            # Past asyncio: its own sendto would not say which datagram the system refused.
            self._bound.sendto(data, (flow.remote_host, flow.remote_port))
        except BlockingIOError:
            self._socket.sendto(data, (flow.remote_host, flow.remote_port))  # this one queues
        except (OSError, OverflowError) as error:
            self._failed(flow, f"cannot send: {error}")

    async def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()
            async with asyncio.timeout(1):
                await self._closed

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the socket (asyncio calls this)."""
        self._socket = cast("asyncio.DatagramTransport", transport)  # uvloop's is no subclass of it

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the socket is gone (asyncio calls this)."""
        if not self._closed.done():
            self._closed.set_result(None)

    def datagram_received(
        self, data: bytes, addr: tuple[str, int] | tuple[str, int, int, int]
    ) -> None:
        """Pass a datagram on, if its source is admitted (asyncio calls this)."""
        host, port = addr[0], addr[1]
        if self._admission is not None and not self._admission.admits(
            host, self._clock.now_ms(), is_invite=data.startswith(INVITE)
        ):
            return
        if data.strip(b"\r\n\0"):  # else it only keeps a NAT open
            self._receive(data, Flow("udp", *self._local, host, port))

    def error_received(self, exc: Exception) -> None:
        """Count what the socket reports (asyncio calls this)."""
        self.errors += 1


async def open_udp(
    host: str,
    port: int,
    receive: Receive,
    *,
    failed: Failed = lambda flow, text: None,
    admission: Admission | None = None,
    clock: Clock | None = None,
) -> UdpTransport:
    """Bind a numeric IPv4 or IPv6 address (port 0: any). Raises ConfigError when that fails.

    "::" takes IPv6 only; open "0.0.0.0" beside it.
    """
    loop = asyncio.get_running_loop()
    bound = bind(socket.SOCK_DGRAM, host, port)
    protocol = UdpTransport(bound, receive, failed, admission, clock or SystemClock())
    await loop.create_datagram_endpoint(lambda: protocol, sock=bound)
    return protocol


def bind(kind: socket.SocketKind, host: str, port: int) -> socket.socket:
    """Return a non-blocking socket bound to a numeric address. Raises ConfigError naming it."""
    try:
        version = ipaddress.ip_address(host).version
    except ValueError as error:
        raise ConfigError(f"cannot listen on {host!r}: give a numeric address") from error
    bound = socket.socket(socket.AF_INET6 if version == 6 else socket.AF_INET, kind)
    try:
        if version == 6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if kind == socket.SOCK_STREAM:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.setblocking(False)
        bound.bind((host, port))
    except (OSError, OverflowError) as error:
        bound.close()
        raise ConfigError(f"cannot listen on {host} port {port}: {error}") from error
    return bound


def _enlarge(bound: socket.socket) -> int:
    """Ask for a large receive buffer, past net.core.rmem_max if we may; return what was granted."""
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    with contextlib.suppress(OSError):  # needs CAP_NET_ADMIN; without it the system's limit holds
        bound.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, RECEIVE_BUFFER_BYTES)
    return bound.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)


_SO_RCVBUFFORCE = 33  # Linux; the socket module has no name for it
