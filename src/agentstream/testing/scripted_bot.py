"""A bot that does what a test tells it, on a real WebSocket, and keeps every message that came.

async def script(call: BotCall) -> None:
    await call.until("start")
    await call.media(pcm)
    await call.mark("greeting")
    await call.until("mark")

async with scripted_bot(script) as bot:
    ...  # let something call bot.url
"""

import json
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from agentstream.testing.waiting import until

HOST = "127.0.0.1"


class BotCall:
    """One call as its bot sees it."""

    def __init__(self, socket: ServerConnection) -> None:
        self.socket = socket
        self.texts: list[str] = []
        self.messages: list[dict[str, Any]] = []
        self.has_ended = False

    @property
    def target(self) -> str:
        """The request target: path and query as they came."""
        assert self.socket.request is not None
        return self.socket.request.path

    def header(self, name: str) -> str | None:
        """Return a header of the upgrade request."""
        assert self.socket.request is not None
        return self.socket.request.headers.get(name)

    @property
    def code(self) -> int | None:
        """The close code that the server sent."""
        return self.socket.close_code

    @property
    def start(self) -> dict[str, Any]:
        """The inside of `start`."""
        message = self.said("start")[0]
        inside: dict[str, Any] = message["start"]
        return inside

    def said(self, event: str) -> list[dict[str, Any]]:
        """Return the messages of this kind that came so far."""
        return [message for message in self.messages if message["event"] == event]

    def marks(self) -> list[str]:
        """Return the names of the marks that came back, in order."""
        return [message["mark"]["name"] for message in self.said("mark")]

    def audio(self) -> bytes:
        """Return the caller's audio so far."""
        return b"".join(b64decode(m["media"]["payload"]) for m in self.said("media"))

    async def receive(self) -> dict[str, Any]:
        """Wait for the next message; raises ConnectionClosed."""
        text = await self.socket.recv()
        assert isinstance(text, str), "every message is a text frame"
        message: dict[str, Any] = json.loads(text)
        self.texts.append(text)
        self.messages.append(message)
        return message

    async def until(self, event: str, count: int = 1) -> dict[str, Any]:
        """Wait until this many messages of this kind have come; returns the last of them."""
        while len(self.said(event)) < count:
            await self.receive()
        return self.said(event)[count - 1]

    async def send(self, message: dict[str, Any] | str | bytes) -> None:
        """Send a message, or any text or bytes as they are."""
        await self.socket.send(json.dumps(message) if isinstance(message, dict) else message)

    async def media(self, pcm: bytes) -> None:
        """Say something."""
        await self.send({"event": "media", "media": {"payload": b64encode(pcm).decode()}})

    async def mark(self, name: str) -> None:
        """Ask to be told when all that was said was heard."""
        await self.send({"event": "mark", "mark": {"name": name}})

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the socket."""
        await self.socket.close(code, reason)


Script = Callable[[BotCall], Awaitable[None]]


@dataclass
class ScriptedBot:
    """A running bot and the calls that it had."""

    port: int
    calls: list[BotCall] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Its address."""
        return f"ws://{HOST}:{self.port}/bot"

    @property
    def call(self) -> BotCall:
        """The only call."""
        assert len(self.calls) == 1
        return self.calls[0]

    async def ended(self, count: int = 1) -> None:
        """Wait until this many calls have ended."""
        await until(lambda: sum(call.has_ended for call in self.calls) >= count, 20_000)


async def listen(call: BotCall) -> None:
    """Say nothing; hear the caller to the end."""


@asynccontextmanager
async def scripted_bot(script: Script = listen, **options: Any) -> AsyncIterator[ScriptedBot]:  # noqa: ANN401  (whatever websockets takes)
    """Run a bot that listens on after its script. A script that fails, fails the test."""

    async def talk(socket: ServerConnection) -> None:
        call = BotCall(socket)
        bot.calls.append(call)
        try:
            await script(call)
            while True:
                await call.receive()
        except ConnectionClosed:
            pass
        except Exception as error:
            bot.failures.append(error)
        finally:
            await socket.wait_closed()
            call.has_ended = True

    async with serve(talk, HOST, 0, compression=None, **options) as server:
        bot = ScriptedBot(next(iter(server.sockets)).getsockname()[1])
        yield bot
    if bot.failures:
        raise bot.failures[0]
