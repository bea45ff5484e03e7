"""A scene of a bad night: a node, a caller and a bot whose behaviour a test chooses.

    async with scene(tmp_path) as night:
        night.bot.talk = stalls
        call = await night.dial()
        ...
        record = await night.record()

At its end the scene checks that the next call works and that nothing of the old ones is left.
"""

import asyncio
import base64
import inspect
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from agentstream.calls.events import CallEnded
from agentstream.calls.record import CallRecord
from agentstream.server.caller import PlacedCall, ScriptedCaller
from agentstream.store.call_writer import CallWriter
from agentstream.testing.node import ANY_FLOW, Node, running_node, scripted_caller
from agentstream.testing.ports import HOST
from agentstream.testing.waiting import until

RawTalk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
CHUNK = b"\x00\x10\x00\xf0" * 800  # 200 ms at 8 kHz


def media(pcm: bytes = CHUNK) -> str:
    """Return a bot's media message."""
    return json.dumps({"event": "media", "media": {"payload": base64.b64encode(pcm).decode()}})


def mark(name: str) -> str:
    """Return a bot's mark message."""
    return json.dumps({"event": "mark", "mark": {"name": name}})


@dataclass
class SceneBot:
    """A WebSocket server; `talk` is what it does with the next connections."""

    talk: "Callable[[ServerConnection, SceneBot], Awaitable[None]]"
    url: str = ""
    heard: list[dict[str, Any]] = field(default_factory=list)

    def said(self, event: str) -> list[dict[str, Any]]:
        """Return what the node said of this kind."""
        return [message for message in self.heard if message.get("event") == event]

    @property
    def marks(self) -> list[str]:
        """Return the names of the marks that were echoed."""
        return [str(message["mark"]["name"]) for message in self.said("mark")]

    async def listen(self, socket: ServerConnection) -> None:
        """Keep what the node says, to the end."""
        async for text in socket:
            self.heard.append(json.loads(text))


async def converse(socket: ServerConnection, bot: SceneBot) -> None:
    """Be a good bot: say something, ask to be told when it was heard, listen."""
    await socket.send(media())
    await socket.send(mark("heard"))
    await bot.listen(socket)


@dataclass
class Scene:
    """What a test of a fault works with."""

    node: Node
    caller: ScriptedCaller
    bot: SceneBot
    pairs: int
    folder: Path

    async def dial(self, record_to: Path | None = None) -> PlacedCall:
        """Call the node; returns once it has answered."""
        return await self.caller.dial(self.node.target(), record_to=record_to)

    async def talk(self) -> PlacedCall:
        """Call the node; returns once the caller's audio reaches the bot."""
        before = len(self.bot.said("media"))
        call = await self.dial()
        await until(lambda: len(self.bot.said("media")) > before, 10_000)
        return call

    def rtp_port(self, call: PlacedCall) -> int:
        """Return the node's RTP port in a call."""
        found = re.search(r"m=audio (\d+)", call.answered.result().sdp or "")
        assert found is not None
        return int(found[1])

    @property
    def records(self) -> list[CallRecord]:
        """Return the records of the calls that have ended."""
        return [event.record for event in self.node.events if isinstance(event, CallEnded)]

    async def record(self, timeout_ms: int = 10_000) -> CallRecord:
        """Wait until every call has ended; returns the last one's record."""
        board = self.node.house.parts.switchboard
        await until(lambda: self.records and not board.live_calls, timeout_ms)
        return self.records[-1]

    async def ends_well(self) -> None:
        """Check that the next call works and that nothing is left."""
        self.bot.talk = converse
        await self.node.flow(ANY_FLOW % self.bot.url)
        before, marks = len(self.records), len(self.bot.marks)
        call = await self.dial()
        await until(lambda: len(self.bot.marks) > marks, 10_000)
        await call.hang_up()
        await until(lambda: len(self.records) > before)
        record = self.records[-1]
        assert (record.status, record.ended_by.value) == ("completed", "caller"), record
        await self.nothing_is_left()

    async def nothing_is_left(self) -> None:
        """Wait until nothing of the calls is held any more."""
        try:
            await until(lambda: not self.held(), 8_000)
        except TimeoutError:
            raise AssertionError(f"left behind: {self.held()}") from None

    def held(self) -> dict[str, object]:
        """Return what is held for calls now."""
        parts = self.node.house.parts
        audio = parts.media.stats()
        everything: dict[str, object] = {
            "calls": parts.switchboard.live_calls,
            "streams": parts.stream_limits.total,
            "legs": audio.legs,
            "sockets": audio.streams,
            "ports": self.pairs - parts.media.free_ports(),
            "dialogs": parts.signaling.counters["calls_now"],
            "tasks": switch_tasks(),
            "parts": sorted((self.folder / "recordings").glob("*.part")),
        }
        return {name: value for name, value in everything.items() if value}

    @property
    def writer(self) -> CallWriter:
        """Return the node's writer of rows."""
        return self.node.house.parts.writer


LASTING = ("known_roads.py", "sip_recorder.py")  # whose tasks are there while the node lives


def switch_tasks() -> list[str]:
    """Return the running tasks that belong to calls."""
    coroutines = [task.get_coro() for task in asyncio.all_tasks()]
    codes = [one.cr_code for one in coroutines if inspect.iscoroutine(one)]
    return [
        code.co_name
        for code in codes
        if "agentstream/switch/" in code.co_filename and not code.co_filename.endswith(LASTING)
    ]


@asynccontextmanager
async def scene(
    folder: Path,
    *,
    pairs: int = 6,
    flow: str = ANY_FLOW,
    **sections: Any,  # noqa: ANN401  (the parts of a configuration)
) -> AsyncIterator[Scene]:
    """Run a node, a caller and a bot. `flow` has one %s for the bot's URL."""
    bot = SceneBot(converse)

    async def talk(socket: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            await bot.talk(socket, bot)

    async with (
        serve(talk, HOST, 0, compression=None, max_size=None) as server,
        running_node(folder, "ws://unused/", pairs=pairs, **sections) as node,
        scripted_caller() as caller,
    ):
        bot.url = f"ws://{HOST}:{next(iter(server.sockets)).getsockname()[1]}/"
        await node.flow(flow % bot.url)
        night = Scene(node, caller, bot, pairs, folder)
        yield night
        await night.ends_well()


@asynccontextmanager
async def raw_server(talk: RawTalk) -> AsyncIterator[int]:
    """Run a TCP server that does what no WebSocket or web server does; gives its port."""

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer), suppress(ConnectionError, asyncio.IncompleteReadError):
            await talk(reader, writer)

    server = await asyncio.start_server(serve_one, HOST, 0)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
