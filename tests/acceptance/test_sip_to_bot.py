"""The whole node as a black box: a caller over real SIP and RTP, a bot over a real WebSocket."""

import asyncio
import json
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.server import ServerConnection, serve

from agentstream.testing.node import running_node, scripted_caller
from agentstream.testing.ports import HOST

pytestmark = pytest.mark.acceptance


@asynccontextmanager
async def echo_bot(seen: list[dict[str, Any]]) -> AsyncIterator[str]:
    """A bot that sends the caller's audio back."""

    async def talk(socket: ServerConnection) -> None:
        async for text in socket:
            message = json.loads(text)
            seen.append(message)
            if message["event"] == "media":
                await socket.send(json.dumps(message))

    async with serve(talk, HOST, 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield f"ws://{HOST}:{port}/"


def write_tone(path: Path, hertz: float = 440.0, seconds: float = 1.5) -> Path:
    samples = 8_000 * np.sin(2 * np.pi * hertz * np.arange(int(8_000 * seconds)) / 8_000)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8_000)
        file.writeframes(samples.astype("<i2").tobytes())
    return path


async def test_a_caller_hears_the_echo_of_the_bot(tmp_path: Path) -> None:
    seen: list[dict[str, Any]] = []
    heard = tmp_path / "heard.wav"
    async with (
        echo_bot(seen) as bot_url,
        running_node(tmp_path / "node", bot_url) as node,
        scripted_caller() as caller,
    ):
        call = await caller.dial(node.target(), record_to=heard)
        await call.say(write_tone(tmp_path / "tone.wav"))
        call.press("5")
        await asyncio.sleep(0.6)
        await call.hang_up()
        record = (await node.records())[0]
        stats = await call.closed
    assert record.status == "completed"
    assert record.ended_by.value == "caller"
    assert [message["event"] for message in seen[:3]] == ["connected", "start", "media"]
    assert seen[-1]["event"] == "stop"
    assert [m["dtmf"]["digit"] for m in seen if m["event"] == "dtmf"] == ["5"]
    assert stats.packets_lost == 0
    with wave.open(str(heard)) as file:
        audio = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
    loud = np.abs(audio[:, 0]) > 4_000
    assert loud.sum() > 4_000
