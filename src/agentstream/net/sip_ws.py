"""SIP over WebSocket (RFC 7118): the handshake with subprotocol "sip", and a message in each frame.

The protocol itself is the sans-IO part of `websockets`; sockets are `sip_connection`'s.
"""

from collections.abc import Sequence

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidURI
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import CLOSED, CLOSING, OPEN
from websockets.server import ServerProtocol
from websockets.typing import Origin, Subprotocol
from websockets.uri import parse_uri

from agentstream.base.errors import PeerError
from agentstream.net.sip_framing import PING, PONG
from agentstream.sip.wire import Limits

SUBPROTOCOL = Subprotocol("sip")  # RFC 7118 §4.1
PINGS_AHEAD = 8  # in one segment; answering more would let a peer have us write without end


class WebSocketFraming:
    """One WebSocket, ours or theirs; see `sip_framing.Framing`."""

    answers_pings = True  # RFC 6455 §5.5.2

    def __init__(self, protocol: ServerProtocol | ClientProtocol) -> None:
        self._protocol = protocol
        self._parts = bytearray()  # of a message in several frames
        self._has_part = False
        self.is_ready = False

    @classmethod
    def as_server(cls, limits: Limits, origins: Sequence[str] = ()) -> "WebSocketFraming":
        """Wait for a client. `origins`: the web pages that may connect; none: all of them.

        Programs send no Origin and may connect always: the list protects people with browsers.
        """
        allowed = [None, *map(Origin, origins)] if origins else None
        return cls(
            ServerProtocol(
                origins=allowed, subprotocols=[SUBPROTOCOL], max_size=limits.message_bytes
            )
        )

    @classmethod
    def as_client(
        cls, limits: Limits, host: str, port: int, *, is_secure: bool
    ) -> "WebSocketFraming":
        """Open a WebSocket at the root of a host. Raises PeerError for a host that cannot be."""
        shown = f"[{host}]" if ":" in host else host
        try:
            uri = parse_uri(f"{'wss' if is_secure else 'ws'}://{shown}:{port}/")
        except InvalidURI as error:
            raise PeerError(f"no host for a WebSocket: {host}") from error
        protocol = ClientProtocol(uri, subprotocols=[SUBPROTOCOL], max_size=limits.message_bytes)
        request = protocol.connect()
        protocol.send_request(request)
        return cls(protocol)

    @property
    def has_partial(self) -> bool:
        """Whether a message was begun and is not complete."""
        return self._has_part

    @property
    def is_over(self) -> bool:
        """Whether a close frame went either way, or there never was a WebSocket."""
        failed = self._protocol.handshake_exc or self._protocol.parser_exc
        return failed is not None or self._protocol.state in (CLOSING, CLOSED)

    def feed(self, data: bytes) -> list[bytes | PeerError]:
        """Take bytes of the connection."""
        self._protocol.receive_data(data)
        messages: list[bytes | PeerError] = []
        pings = 0
        for event in self._protocol.events_received():
            if isinstance(event, Request):
                self._accept(event)
            elif isinstance(event, Response):
                messages += self._accepted(event)
            elif isinstance(event, Frame):
                pings += event.opcode is Opcode.PING
                messages += self._frame(event)
        if pings > PINGS_AHEAD:
            messages.append(PeerError("too many pings at once"))
        if self._protocol.parser_exc is not None:
            messages.append(PeerError(f"broken WebSocket: {self._protocol.parser_exc}"))
        return messages

    def wrap(self, message: bytes) -> bytes:
        """Return a text frame, or a binary one for what is no UTF-8 (RFC 7118 §4.2)."""
        try:
            message.decode()
        except UnicodeDecodeError:
            self._protocol.send_binary(message)
        else:
            self._protocol.send_text(message)
        return self.outgoing()

    def ping(self) -> bytes:
        """Return an empty ping frame (RFC 7118 §6)."""
        self._protocol.send_ping(b"")
        return self.outgoing()

    def close(self) -> bytes:
        """Return a close frame, if a WebSocket was there."""
        if self._protocol.state is OPEN:
            self._protocol.send_close(CloseCode.GOING_AWAY)
        return self.outgoing()

    def outgoing(self) -> bytes:
        """Return what the protocol wants written."""
        return b"".join(self._protocol.data_to_send())

    def _accept(self, request: Request) -> None:
        assert isinstance(self._protocol, ServerProtocol)
        response = self._protocol.accept(request)
        response.headers.pop("Server", None)
        self._protocol.send_response(response)
        self.is_ready = self._protocol.state is OPEN

    def _accepted(self, response: Response) -> list[bytes | PeerError]:
        if self._protocol.state is OPEN and self._protocol.subprotocol == SUBPROTOCOL:
            self.is_ready = True
            return []
        why = self._protocol.handshake_exc or "the peer speaks no SIP over WebSocket"
        return [PeerError(f"HTTP {response.status_code}: {why}")]

    def _frame(self, frame: Frame) -> list[bytes | PeerError]:
        if frame.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            return []  # pings are answered by the protocol
        self._parts += frame.data
        self._has_part = not frame.fin
        if self._has_part:
            return []
        message = bytes(self._parts)
        self._parts.clear()
        if message == PING:  # RFC 7118 §6: the keep-alive of RFC 5626 may come in a frame
            if self._protocol.state is OPEN:
                self._protocol.send_text(PONG)
            return []
        return [message] if message.strip(b"\r\n\0") else []
