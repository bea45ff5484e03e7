"""What SIP's sockets look like from above: a way in, a way out, and the flow of a message."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Flow:
    """One way to reach a peer. `connection` 0: any (UDP, or whichever connection is open).

    `transport` is "udp", "tcp" or "tls"; `host` is a numeric address without brackets;
    `server_name` is the name that a new TLS connection must prove to be ("" takes `host`).
    """

    transport: str
    host: str
    port: int
    connection: int = 0
    server_name: str = ""

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.transport}:{host}:{self.port}"


Receive = Callable[[bytes, Flow], None]  # one whole message, and where it came from
Failed = Callable[[Flow, str], None]  # what was sent to this flow did not go out, and why


class SipTransport(Protocol):
    """One listener with its connections."""

    @property
    def transport(self) -> str:
        """Return "udp", "tcp" or "tls"."""

    @property
    def local_address(self) -> tuple[str, int]:
        """Return the address and port that are bound (the port as chosen, if 0 was asked for)."""

    def send(self, data: bytes, flow: Flow) -> None:
        """Send one message; connects if need be. What goes wrong is told to `failed`."""

    async def close(self) -> None:
        """Close the listener and every connection."""
