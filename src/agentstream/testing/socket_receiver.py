"""A customer's WebSocket server that events are pushed to, for tests (LD-8).

async with socket_receiver() as receiver:
    ...  # let a leg's endpoint be receiver.url("/legs")
    assert receiver.events[0]["event_name"] == "leg_connecting"
"""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

HOST = "127.0.0.1"


@dataclass
class SocketReceiver:
    """A running server, which acknowledges what it is told unless the test says otherwise."""

    port: int = 0
    frames: list[str] = field(default_factory=list)
    connections: list[ServerConnection] = field(default_factory=list)
    acknowledges: bool = True
    delay_ms: int = 0  # before an acknowledgement
    closes_after: int = 0  # events on one connection, without acknowledging the last; 0: never

    @property
    def events(self) -> list[dict[str, Any]]:
        """What was told, in order, with repetitions."""
        return [json.loads(frame)["event"] for frame in self.frames]

    def url(self, path: str = "/", scheme: str = "ws", host: str = HOST) -> str:
        """Return the endpoint that leads here."""
        return f"{scheme}://{host}:{self.port}{path}"

    async def take(self, connection: ServerConnection) -> None:
        """Serve one connection."""
        self.connections.append(connection)
        count = 0
        try:
            async for frame in connection:
                assert isinstance(frame, str)
                self.frames.append(frame)
                count += 1
                if count == self.closes_after:
                    return
                if self.acknowledges:
                    await asyncio.sleep(self.delay_ms / 1000)
                    sid = json.loads(frame)["event"]["event_sid"]
                    await connection.send(json.dumps({"type": "ack", "event_sid": sid}))
        except ConnectionClosed:
            pass


@asynccontextmanager
async def socket_receiver(
    tls: ssl.SSLContext | None = None,
    port: int = 0,
    **options: Any,  # noqa: ANN401  (whatever websockets takes)
) -> AsyncIterator[SocketReceiver]:
    """Run a server; options are those of websockets' `serve`."""
    receiver = SocketReceiver()
    async with serve(receiver.take, HOST, port, ssl=tls, **options) as server:
        receiver.port = next(iter(server.sockets)).getsockname()[1]
        yield receiver
