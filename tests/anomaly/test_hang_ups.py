"""A caller who hangs up, in each phase of a call: nothing runs on, and the record says who did."""

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection

from agentstream.base.errors import CommandError
from agentstream.calls.causes import Party
from agentstream.calls.record import CallRecord
from agentstream.testing.node import ANY_FLOW
from agentstream.testing.ports import HOST
from agentstream.testing.scene import CHUNK, Scene, SceneBot, media, raw_server, scene
from agentstream.testing.waiting import until

pytestmark = pytest.mark.acceptance
GREETING = """
name: greeted
start: hello
applets:
  hello: {type: greeting, text: "Good morning, and a very long welcome to everybody.", next: bye}
  bye: {type: hangup}
"""


def check(record: CallRecord) -> None:
    """What every one of these records says."""
    assert record.ended_by is Party.CALLER, record
    assert record.text.startswith(("The caller hung up.", "The caller gave up before")), record


async def test_while_the_call_is_being_answered(tmp_path: Path) -> None:
    """The CANCEL crosses the 200 (RFC 3261 section 9.1), or comes before it."""
    async with scene(tmp_path) as night:
        dialling = asyncio.create_task(night.dial())
        await until(lambda: night.caller._calls)
        night.caller._signaling.hang_up(next(iter(night.caller._calls)))
        with suppress(CommandError):
            await dialling
        record = await night.record()
    check(record)
    assert record.status in {"completed", "canceled"}


async def test_while_the_greeting_plays(tmp_path: Path) -> None:
    async with scene(tmp_path) as night:
        await night.node.flow(GREETING)
        call = await night.dial()
        await call.hears
        await call.hang_up()
        record = await night.record()
        (finished,) = night.node.saw("PromptFinished")
    check(record)
    assert getattr(finished, "completed", None) is False
    assert record.streams == ()


@pytest.mark.parametrize("scheme", ["http", "ws"])
async def test_while_the_bot_is_asked_for_or_dialled(tmp_path: Path, scheme: str) -> None:
    """ST-7: the resolver, or the bot itself, has not answered yet."""
    asked, never = asyncio.Event(), asyncio.Event()

    async def stalls(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        asked.set()
        await never.wait()

    async with raw_server(stalls) as port, scene(tmp_path) as night:
        await night.node.flow(ANY_FLOW % f"{scheme}://{HOST}:{port}/")
        call = await night.dial()
        async with asyncio.timeout(15):
            await asked.wait()
        await call.hang_up()
        record = await night.record()
        never.set()
    check(record)
    outcome = record.streams[0].outcome
    assert (outcome.status, outcome.disconnected_by) == ("cancelled", "user")


async def test_while_they_talk(tmp_path: Path) -> None:
    """ST-13: the bot is told `callended`."""
    async with scene(tmp_path) as night:
        call = await night.talk()
        await call.hang_up()
        record = await night.record()
        assert night.bot.said("stop")[0]["stop"]["reason"] == "callended"
    check(record)
    assert record.streams[0].outcome.status == "cancelled"


async def closes_early(socket: ServerConnection, _bot: SceneBot) -> None:
    """Say six seconds of farewell at once, and close."""
    for _ in range(30):
        await socket.send(media(CHUNK))
    await socket.close()


async def test_while_the_bots_farewell_is_played(tmp_path: Path) -> None:
    """ST-33: the bot had ended the stream; the caller ends the call."""
    async with scene(tmp_path, stream={"drain_on_close_ms": 8_000}) as night:
        night.bot.talk = closes_early
        call = await night.dial()
        await until(lambda: night.node.saw("BotSpoke") and has_closed(night), 5_000)
        await call.hang_up()
        record = await night.record()
    check(record)
    assert record.streams[0].outcome.disconnected_by == "bot"


def has_closed(night: Scene) -> bool:
    """Whether the socket has ended, and the stream has not."""
    return bool(night.node.saw("StreamCounted")) and not night.node.saw("StreamFinished")
