"""WebSockets that we open, only to addresses that the egress policy allowed; audio goes elsewhere.

No proxy of the environment, no compression, and a redirect is a failure.
"""

import asyncio
import os
import socket
import ssl
from dataclasses import dataclass
from typing import Any, Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus, WebSocketException

from agentstream.base.errors import PeerError
from agentstream.net.egress import STREAM_SCHEMES, Egress, Pinned

MESSAGE_LIMIT: Final = 65_536  # bytes of what they say
QUEUE_LIMIT: Final = 16  # messages of theirs that are not read yet; then TCP holds them back
PING_S: Final = 20  # a connection whose ping has no answer in this time is closed
CLOSE_S: Final = 1


class DialError(PeerError):
    """No WebSocket came about; the text says why, without credentials."""


@dataclass(frozen=True, slots=True)
class Dialler:
    """One for a process."""

    egress: Egress
    tls: ssl.SSLContext
    local_address: str | None = None  # of this machine, to come from (AS-36); None: any
    user_agent: str = "AgentStream"

    async def open(
        self, url: str, *, timeout_ms: int, allow: tuple[str, ...] = ()
    ) -> ClientConnection:
        """Open a ws:// or wss:// URL; `allow` is the account's own list.

        The time counts from the look-up of the name to the 101. Raises DialError, EgressError or
        DnsError (each a PeerError), or BusyError.
        """
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                pinned = await self.egress.resolve(url, allow, STREAM_SCHEMES)
                return await self._upgrade(pinned, await self._connected(pinned, timeout_ms))
        except TimeoutError as error:
            raise DialError(f"it did not open in {timeout_ms} ms") from error
        except InvalidStatus as error:
            raise DialError(f"it answered {error.response.status_code}") from error
        except (OSError, EOFError, WebSocketException) as error:
            raise DialError(str(error) or type(error).__name__) from error
        except ValueError as error:
            # A socket that is given keeps websockets from following redirects (EV-36).
            raise DialError("it answered with a redirect") from error

    async def _connected(self, pinned: Pinned, timeout_ms: int) -> socket.socket:
        """Connect to one address after the other, each with its share of the time."""
        failed: list[str] = []
        for address in pinned.addresses:
            try:
                async with asyncio.timeout(timeout_ms / 1000 / len(pinned.addresses)):
                    return await self._connect(address.rpartition(":")[0].strip("[]"), pinned.port)
            except TimeoutError:
                failed.append(f"{address}: no answer")
            except OSError as error:
                failed.append(f"{address}: {os.strerror(error.errno) if error.errno else error}")
        raise DialError("; ".join(failed))

    async def _connect(self, host: str, port: int) -> socket.socket:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        opened = socket.socket(family, socket.SOCK_STREAM)
        try:
            opened.setblocking(False)
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.local_address:
                opened.bind((self.local_address, 0))
            await asyncio.get_running_loop().sock_connect(opened, (host, port))
        except BaseException:
            opened.close()
            raise
        return opened

    async def _upgrade(self, pinned: Pinned, opened: socket.socket) -> ClientConnection:
        target = pinned.target
        headers = [("Authorization", target.authorization)] if target.authorization else []
        tls: dict[str, Any] = (
            {"ssl": self.tls, "server_hostname": target.host} if target.secure else {}
        )
        return await connect(
            target.url(),
            sock=opened,
            additional_headers=headers,
            user_agent_header=self.user_agent,
            compression=None,
            proxy=None,
            open_timeout=None,
            ping_interval=PING_S,
            ping_timeout=PING_S,
            close_timeout=CLOSE_S,
            max_size=MESSAGE_LIMIT,
            max_queue=QUEUE_LIMIT,
            **tls,
        )
