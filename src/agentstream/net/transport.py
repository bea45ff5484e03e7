"""What SIP's sockets look like from above: a way in and a way out (see `sip.flow.Flow`)."""

from collections.abc import Callable
from typing import Protocol

from agentstream.sip.flow import Flow, TransportName

Receive = Callable[[bytes, Flow], None]  # one whole message, and where it came from
Failed = Callable[[Flow, str], None]  # what was sent to this flow did not go out, and why


class SipTransport(Protocol):
    """One listener with its connections."""

    @property
    def transport(self) -> TransportName:
        """Return "udp", "tcp", "tls", "ws" or "wss"."""

    @property
    def local_address(self) -> tuple[str, int]:
        """Return the address and port that are bound (the port as chosen, if 0 was asked for)."""

    def send(self, data: bytes, flow: Flow) -> None:
        """Send one message to the flow's remote side; what goes wrong is told to `failed`.

        On connections: on `flow.id` if it still lives, else on another one to the same address,
        port and TLS name, else on a new one. The local side of the flow is not looked at, but to
        tell a connection that came in.
        """

    async def close(self) -> None:
        """Close the listener and every connection."""
