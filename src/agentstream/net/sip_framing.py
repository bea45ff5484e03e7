"""How messages lie on a connection: behind each other (TCP, TLS), or one in a frame (WebSocket)."""

from typing import Protocol

from agentstream.base.errors import PeerError
from agentstream.sip.wire import Limits, Ping, StreamParser

PING = b"\r\n\r\n"
PONG = b"\r\n"


class Framing(Protocol):
    """Cuts what comes into messages and wraps what goes; knows no socket."""

    @property
    def is_ready(self) -> bool:
        """Whether messages may go: at once, or after a handshake of its own."""

    @property
    def has_partial(self) -> bool:
        """Whether a message was begun and is not complete."""

    @property
    def answers_pings(self) -> bool:
        """Whether the far end must answer a ping, so that silence shows that it is gone."""

    @property
    def is_over(self) -> bool:
        """Whether the far end has ended the conversation."""

    def feed(self, data: bytes) -> list[bytes | PeerError]:
        """Return whole messages, in order; after a PeerError the connection is beyond repair."""

    def wrap(self, message: bytes) -> bytes:
        """Return what to write for one message."""

    def ping(self) -> bytes:
        """Return what keeps the connection alive (SIP-7)."""

    def close(self) -> bytes:
        """Return the last words."""

    def outgoing(self) -> bytes:
        """Return what must be written by now: a handshake, answers to pings."""


class StreamFraming:
    """Messages by their Content-Length (RFC 3261 §18.3), pings as CRLF (RFC 5626 §3.5.1)."""

    is_ready = True
    # RFC 5626 has the far end answer, but peers that do not know it are not dead.
    answers_pings = False
    is_over = False

    def __init__(self, limits: Limits) -> None:
        self._parser = StreamParser(limits)
        self._pongs = 0

    @property
    def has_partial(self) -> bool:
        """Whether a message was begun and is not complete."""
        return self._parser.has_partial

    def feed(self, data: bytes) -> list[bytes | PeerError]:
        """Cut the stream."""
        messages: list[bytes | PeerError] = []
        for frame in self._parser.feed(data):
            if isinstance(frame, Ping):
                self._pongs += 1
            else:
                messages.append(frame)
        return messages

    def wrap(self, message: bytes) -> bytes:
        """Return the message: it says its own length."""
        return message

    def ping(self) -> bytes:
        """Return a double CRLF."""
        return PING

    def close(self) -> bytes:
        """Return nothing: the end of the stream says it."""
        return b""

    def outgoing(self) -> bytes:
        """Return a CRLF for each ping that came."""
        pongs, self._pongs = self._pongs, 0
        return PONG * pongs
