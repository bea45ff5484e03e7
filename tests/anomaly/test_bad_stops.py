"""A server that is told to stop during a call, or dies while it records; as its own process."""

import asyncio
import json
import os
import signal
import sys
import wave
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

import agentstream
from agentstream.base.errors import CommandError
from agentstream.server.caller import PlacedCall, ScriptedCaller
from agentstream.server.config import Config, LimitsConfig
from agentstream.server.config_sip import SipConfig
from agentstream.store.call_query import CallQuery
from agentstream.store.sql_store import open_store
from agentstream.store.values import CallRecord
from agentstream.testing.node import AsyncHouse, scripted_caller
from agentstream.testing.ports import HOST, free_port, media_range
from agentstream.testing.scene import SceneBot, converse
from agentstream.testing.waiting import until

pytestmark = pytest.mark.acceptance
FLOW = """
name: recorded
start: talk
applets:
  talk: {type: voicebot, url: "%s", record: true, next: bye}
  bye: {type: hangup}
"""
SOURCE = str(Path(agentstream.__file__).parents[1].absolute())
UP = "from agentstream.server.cli import app; app(['up'])"


@dataclass
class Server:
    """`agentstream up` in a process of its own, a bot and a caller."""

    process: Process
    folder: Path
    target: str
    bot: SceneBot
    caller: ScriptedCaller

    async def talk(self) -> PlacedCall:
        call = await self.caller.dial(self.target)
        await until(lambda: len(self.bot.said("media")) > 2, 10_000)
        return call

    async def ended(self) -> int:
        async with asyncio.timeout(15):
            await self.process.communicate()
            return await self.process.wait()

    async def row(self) -> CallRecord:
        """Return the oldest call's row."""
        store = await open_store(self.folder)
        try:
            return (await store.calls.list(CallQuery()))[-1]
        finally:
            await store.close()


async def prepared(folder: Path, bot_url: str) -> None:
    """Make an account whose every number rings the bot."""
    store = await open_store(folder)
    account = await store.accounts.create("Green Leaf", "greenleaf1")
    flow = await store.flows.apply(account.sid, "any", FLOW % bot_url, publish=True)
    await store.numbers.assign("*", account.sid, flow.sid)
    await store.close()


async def logs(process: Process, event: str) -> str:
    """Read the log until it has the event; returns what it said if the process ended instead."""
    assert process.stdout is not None
    said = b""
    async with asyncio.timeout(30):
        async for line in process.stdout:
            said += line
            with suppress(ValueError):
                if json.loads(line).get("event") == event:
                    return ""
    await process.wait()
    return said.decode()


async def started(folder: Path, port: int, drain_s: int) -> Process:
    why = ""
    for _ in range(4):
        low, high = media_range(4)
        settings = {
            "DATA_DIR": str(folder),
            "SIP__LISTENERS": f"udp://{HOST}:{port}",
            "RTP__HOST": HOST,
            "RTP__PORT_LOW": str(low),
            "RTP__PORT_HIGH": str(high),
            "LIMITS__CALLS": "4",
            "LIMITS__DRAIN_SECONDS": str(drain_s),
            "HTTP__PORT": str(free_port()),
            "LOG__FORMAT": "json",
        }
        environ = os.environ | {f"AGENTSTREAM_{name}": value for name, value in settings.items()}
        environ["PYTHONPATH"] = SOURCE
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", UP), env=environ, cwd=folder, stdout=PIPE, stderr=STDOUT
        )
        why = await logs(process, "up")
        if not why:  # else one of the ports was taken meanwhile
            return process
    raise AssertionError(why)


@asynccontextmanager
async def server(folder: Path, drain_s: int = 20) -> AsyncIterator[Server]:
    bot = SceneBot(converse)

    async def talk(socket: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            await bot.talk(socket, bot)

    async with serve(talk, HOST, 0, compression=None) as bots, scripted_caller() as caller:
        bot.url = f"ws://{HOST}:{next(iter(bots.sockets)).getsockname()[1]}/"
        await prepared(folder, bot.url)
        port = free_port()
        process = await started(folder, port, drain_s)
        try:
            yield Server(process, folder, f"sip:1000@{HOST}:{port};transport=udp", bot, caller)
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def test_told_to_stop_the_server_lets_the_call_end_and_writes_its_record(
    tmp_path: Path,
) -> None:
    async with server(tmp_path) as up:
        call = await up.talk()
        up.process.send_signal(signal.SIGTERM)
        assert not await logs(up.process, "draining")
        with pytest.raises(CommandError, match="503"):
            await up.caller.dial(up.target)
        heard = len(up.bot.said("media"))
        await until(lambda: len(up.bot.said("media")) > heard + 3)
        await call.hang_up()
        assert await up.ended() == 0
        row = await up.row()
    assert (row.status, row.ended_by, row.cause) == ("completed", "caller", "normal")
    assert not list((tmp_path / "recordings").glob("*.part"))
    assert len(list((tmp_path / "recordings").glob("*.wav"))) == 1


async def test_at_the_drains_deadline_the_call_is_ended_and_recorded(tmp_path: Path) -> None:
    """ST-18: the bot is told, the caller is hung up on, and the record says why."""
    async with server(tmp_path, drain_s=0) as up:
        call = await up.talk()
        up.process.send_signal(signal.SIGTERM)
        assert (await call.wait_ended()).by == "remote"
        assert await up.ended() == 0
        row = await up.row()
    assert (row.status, row.ended_by, row.cause) == ("completed", "system", "draining")
    assert row.detail == "The server ended the call: it is being shut down."
    assert up.bot.said("stop")
    assert len(list((tmp_path / "recordings").glob("*.wav"))) == 1


async def test_what_a_killed_server_recorded_is_playable_and_recovered_at_the_next_start(
    tmp_path: Path,
) -> None:
    recordings = tmp_path / "recordings"
    async with server(tmp_path) as up:
        call = await up.talk()
        await until(lambda: any(p.stat().st_size > 16_000 for p in recordings.glob("*.part")))
        up.process.send_signal(signal.SIGKILL)
        assert await up.ended() == -signal.SIGKILL
        call.leg.close()
    (part,) = recordings.iterdir()
    frames = playable_frames(part)
    assert frames > 1_000
    config = Config(data_dir=tmp_path, sip=SipConfig(listeners=()), limits=LimitsConfig(calls=1))
    async with AsyncHouse(config, pairs=1):
        (whole,) = recordings.iterdir()
    assert whole.suffix == ".wav"
    assert playable_frames(whole) >= frames


def playable_frames(path: Path) -> int:
    """Read the whole file; returns its length in samples."""
    with wave.open(str(path)) as file:
        sound: bytes = file.readframes(file.getnframes())
        return len(sound) // 2 // int(file.getnchannels())
