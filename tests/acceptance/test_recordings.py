"""Recordings of a built server: a link that works, S3 behind it, and nothing lost by a crash."""

import asyncio
import json
import os
import signal
import sys
import wave
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

import agentstream
from agentstream.server.caller import PlacedCall, ScriptedCaller
from agentstream.store.sql_store import open_store
from agentstream.testing.node import scripted_caller
from agentstream.testing.ports import HOST, free_port, media_range
from agentstream.testing.s3_server import KEY, SECRET, running_s3
from agentstream.testing.scene import SceneBot, converse
from agentstream.testing.waiting import until

pytestmark = pytest.mark.acceptance
FLOW = """
name: recorded
start: talk
applets:
  talk: {type: voicebot, url: "%s", record: true, recording_channels: stereo, next: bye}
  bye: {type: hangup}
"""
SOURCE = str(Path(agentstream.__file__).parents[1].absolute())
UP = "from agentstream.server.cli import app; app(['up'])"


@dataclass
class Server:
    """`agentstream up` in a process of its own, a bot and a caller."""

    folder: Path
    settings: dict[str, str]
    bot: SceneBot
    caller: ScriptedCaller
    operator: tuple[str, str]
    process: Process | None = None
    sip_port: int = 0
    http_port: int = 0

    async def start(self) -> None:
        said = ""
        for _ in range(4):
            (low, high), self.sip_port, self.http_port = media_range(4), free_port(), free_port()
            settings = {
                "DATA_DIR": str(self.folder),
                "SIP__LISTENERS": f"udp://{HOST}:{self.sip_port}",
                "RTP__HOST": HOST,
                "RTP__PORT_LOW": str(low),
                "RTP__PORT_HIGH": str(high),
                "LIMITS__CALLS": "4",
                "HTTP__PORT": str(self.http_port),
                "LOG__FORMAT": "json",
                **self.settings,
            }
            environ = os.environ | {f"AGENTSTREAM_{name}": text for name, text in settings.items()}
            environ["PYTHONPATH"] = SOURCE
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", UP),
                env=environ,
                cwd=self.folder,
                stdout=PIPE,
                stderr=STDOUT,
            )
            said = await self._until_up()
            if not said:
                return
        raise AssertionError(said)

    async def _until_up(self) -> str:
        assert self.process is not None
        assert self.process.stdout is not None
        said = b""
        async with asyncio.timeout(30):
            async for line in self.process.stdout:
                said += line
                with suppress(ValueError):
                    if json.loads(line).get("event") == "up":
                        return ""
        return said.decode()

    async def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        assert self.process is not None
        with suppress(ProcessLookupError):
            self.process.send_signal(how)
        async with asyncio.timeout(20):
            await self.process.communicate()

    async def talk(self) -> PlacedCall:
        heard = len(self.bot.said("media"))
        call = await self.caller.dial(f"sip:1000@{HOST}:{self.sip_port};transport=udp")
        await until(lambda: len(self.bot.said("media")) > heard + 12, 15_000)
        return call

    async def recording(self, is_it: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait until the only recording is told to be so."""
        url = f"http://{HOST}:{self.http_port}/v1/Accounts/greenleaf1/Recordings"
        async with httpx.AsyncClient(auth=self.operator) as client, asyncio.timeout(15):
            while True:
                rows = (await client.get(url)).json()["Recordings"]
                if len(rows) == 1 and is_it(rows[0]):
                    return dict(rows[0])
                await asyncio.sleep(0.05)


@asynccontextmanager
async def server(folder: Path, **settings: str) -> AsyncIterator[Server]:
    bot = SceneBot(converse)

    async def talk(socket: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            await bot.talk(socket, bot)

    async with serve(talk, HOST, 0, compression=None) as bots, scripted_caller() as caller:
        bot.url = f"ws://{HOST}:{next(iter(bots.sockets)).getsockname()[1]}/"
        store = await open_store(folder)
        account = await store.accounts.create("Green Leaf", "greenleaf1")
        flow = await store.flows.apply(account.sid, "any", FLOW % bot.url, publish=True)
        await store.numbers.assign("*", account.sid, flow.sid)
        await store.close()
        made = Server(folder, settings, bot, caller, ("operator", store.operator_token))
        await made.start()
        try:
            yield made
        finally:
            await made.stop(signal.SIGKILL)


async def fetched(url: str) -> httpx.Response:
    async with httpx.AsyncClient() as client:
        return await client.get(url)


async def test_a_call_is_heard_again_by_its_link(tmp_path: Path) -> None:
    """AP-66: an MP3 by a link that needs no account, as soon as the call is over."""
    async with server(tmp_path) as up:
        call = await up.talk()
        during = await up.recording(lambda row: row["Status"] == "recording")
        early = await fetched(during["RecordingUrl"])
        assert (early.status_code, early.headers["retry-after"]) == (503, "2")
        asking = asyncio.create_task(fetched(during["RecordingUrl"]))
        await call.hang_up()
        answer = await asking
        if answer.status_code == 503:  # the call took longer to end than a client is kept waiting
            answer = await fetched(during["RecordingUrl"])
        assert (answer.status_code, answer.headers["content-type"]) == (200, "audio/mpeg")
        row = await up.recording(lambda row: row["Status"] == "ready")
        assert row["Channels"] == 2
        assert len(answer.content) == pytest.approx(row["DurationMs"] * 8, rel=0.25)  # 64 kbit/s
        metrics = (await fetched(f"http://{HOST}:{up.http_port}/metrics")).text
        assert "agentstream_recordings_stored_total 1.0" in metrics
        assert "agentstream_recordings_encoded_total 1.0" in metrics


async def test_a_recording_survives_a_crash_and_goes_encrypted_to_s3(tmp_path: Path) -> None:
    """US-17, RC-4: killed while it records; at the next start the row and the link are whole."""
    folder = tmp_path / "data"
    folder.mkdir()
    key_file = tmp_path / "recordings.key"
    key_file.write_text("5a" * 32)
    key_file.chmod(0o600)
    starting = running_s3(tmp_path / "s3")
    s3 = await asyncio.to_thread(starting.__enter__)
    settings = {
        "RECORDINGS__STORAGE": "s3",
        "RECORDINGS__S3_ENDPOINT": s3.endpoint,
        "RECORDINGS__S3_BUCKET": s3.bucket,
        "RECORDINGS__S3_PREFIX": "calls/",
        "RECORDINGS__S3_REGION": "us-east-1",
        "RECORDINGS__S3_ACCESS_KEY": KEY,
        "RECORDINGS__S3_ACCESS_SECRET": SECRET,
        "RECORDINGS__ENCRYPTION_KEY_FILE": str(key_file),
    }
    async with server(folder, **settings) as up:
        call = await up.talk()
        during = await up.recording(lambda row: row["Status"] == "recording")
        parts = folder / "recordings"
        await until(lambda: any(each.stat().st_size > 16_000 for each in parts.glob("*.part")))
        await up.stop(signal.SIGKILL)
        call.leg.close()
        await up.start()
        row = await up.recording(lambda row: row["Status"] == "ready")
        assert (row["Sid"], row["CallSid"]) == (during["Sid"], during["CallSid"])
        await until(lambda: not list(parts.iterdir()))
        keys = await asyncio.to_thread(s3.keys)
        assert keys == [f"calls/{row['Sid']}.wav.enc"]
        assert b"RIFF" not in await asyncio.to_thread(s3.body, keys[0])
        answer = await fetched(row["RecordingUrl"])
        assert (answer.status_code, answer.headers["content-type"]) == (200, "audio/mpeg")
        async with httpx.AsyncClient(auth=up.operator) as client:
            wav = await client.get(f"http://{HOST}:{up.http_port}/recordings/{row['Sid']}.wav")
        with wave.open(BytesIO(wav.content)) as sound:
            assert sound.getnchannels() == 2
            assert sound.getnframes() * 1_000 // 8_000 == row["DurationMs"]
        await up.stop()
    await asyncio.to_thread(starting.__exit__, None, None, None)
