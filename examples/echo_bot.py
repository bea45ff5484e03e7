"""An echo bot on nothing but `websockets`: what the caller says comes back.

    python examples/echo_bot.py [--port 5000]

It sends the platform's own media objects back, marks what it said, answers `clear`, and returns the
other events as they came: everything that the wire must bear from an echo bot. The key * makes it
take back what the caller has not heard yet.
"""

import argparse
import asyncio
import contextlib
import json
import logging
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

log = logging.getLogger("echo_bot")


class EchoBot:
    """One call."""

    def __init__(self, socket: ServerConnection) -> None:
        self.socket = socket
        self.stream_sid = ""
        self.chunks = 0

    async def run(self) -> None:
        """Answer every message until the call is over."""
        with contextlib.suppress(ConnectionClosed):
            async for text in self.socket:
                await self.on_message(json.loads(text))
        log.info("event=ended stream_sid=%s chunks=%d", self.stream_sid, self.chunks)

    async def on_message(self, message: dict[str, Any]) -> None:
        """Take one message of the platform."""
        event = message.get("event")
        if event == "connected":
            log.info("event=connected")
            await self.socket.send(json.dumps({"event": "connected"}))
        elif event == "start":
            self.stream_sid = message.get("stream_sid", "")
            log.info("event=start start=%s", json.dumps(message.get("start", {})))
        elif event == "media":
            await self.on_media(message.get("media", {}))
        elif event == "dtmf":
            await self.on_digit(message.get("dtmf", {}))
        elif event == "mark":
            log.info("event=mark name=%s", message.get("mark", {}).get("name"))
        elif event == "clear":
            self.chunks = 0
            await self.send("clear")
        elif event == "stop":
            log.info("event=stop reason=%s", message.get("stop", {}).get("reason"))

    async def on_digit(self, dtmf: dict[str, Any]) -> None:
        """Return the key; * interrupts."""
        log.info("event=dtmf digit=%s", dtmf.get("digit"))
        await self.send("dtmf", dtmf=dtmf)
        if dtmf.get("digit") == "*":
            await self.send("clear")

    async def on_media(self, media: dict[str, Any]) -> None:
        """Say what was heard; one mark after each second of it (at 100 ms a chunk)."""
        self.chunks += 1
        await self.send("media", media=media)
        if self.chunks % 10 == 0:
            await self.send("mark", mark={"name": f"echo_{self.chunks}"})

    async def send(self, event: str, **body: object) -> None:
        """Send one event of this stream."""
        await self.socket.send(json.dumps({"event": event, "stream_sid": self.stream_sid, **body}))


async def answer(socket: ServerConnection) -> None:
    """Answer one call."""
    await EchoBot(socket).run()


async def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="0.0.0.0")
    parser.add_argument("--port", type=int, default=5000)
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    async with serve(answer, args.host, args.port, ping_interval=30) as server:
        for socket in server.sockets:
            print(f"echo bot listens on port {socket.getsockname()[1]}", flush=True)
            break
        await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
