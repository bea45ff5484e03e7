"""Pipecat's Exotel serializer in a real pipeline, as another program: CL-1, CL-2."""

import asyncio
import json
import os
import struct
import sys
import time
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from agentstream.stream.address import BotAddress, read_address
from agentstream.stream.dialects import exotel
from agentstream.stream.messages import CHUNK, PAYLOAD, SEQ, TIMESTAMP_MS, StreamOrder
from agentstream.stream.plans import plan_socket
from agentstream.stream.profile import WireProfile
from agentstream.testing.ports import free_port

pytest.importorskip("pipecat")
pytestmark = [pytest.mark.interop, pytest.mark.timeout(120)]

FILE = Path(__file__).parents[2] / "examples" / "pipecat_echo.py"


@asynccontextmanager
async def pipecat(port: int) -> AsyncIterator[asyncio.subprocess.Process]:
    program = await asyncio.create_subprocess_exec(
        sys.executable,
        str(FILE),
        "--port",
        str(port),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )
    try:
        yield program
    finally:
        program.terminate()
        await program.communicate()


async def dialled(url: str) -> ClientConnection:
    async with asyncio.timeout(60):
        while True:
            try:
                return await connect(url)
            except OSError:
                await asyncio.sleep(0.2)  # another program starts; there is no event to wait for


def chunk_of(number: int) -> bytes:
    first = number % 40 * 800
    return struct.pack("<800h", *range(first, first + 800))


def filled(text: str, number: int) -> str:
    for placeholder, value in (
        (SEQ, str(number)),
        (CHUNK, str(number)),
        (TIMESTAMP_MS, str(number * 100)),
        (PAYLOAD, b64encode(chunk_of(number)).decode()),
    ):
        text = text.replace(placeholder, value)
    return text


async def test_pipecat_finds_us_echoes_marks_clears_and_hangs_up_cl1_cl2() -> None:
    port = free_port()
    url = f"ws://127.0.0.1:{port}/ws?order=1"
    profile = WireProfile()
    order = StreamOrder("s" * 32, "c" * 32, "greenleaf1", url, "+919876500001", "+918040000002")
    address = read_address(url, profile)
    assert isinstance(address, BotAddress)
    plan = plan_socket(order, address, profile)
    heard: list[dict[str, Any]] = []
    async with pipecat(port) as program:
        socket = await dialled(url)
        try:
            for text in plan.opening:
                await socket.send(filled(text, 1))
            await speak(socket, plan.media_template)
            async with asyncio.timeout(20):
                while sum(message["event"] == "media" for message in heard) < 30:
                    heard.append(json.loads(await socket.recv()))
            await socket.send(filled(exotel.write_dtmf(order, profile, "5", 100), 40))
            async with asyncio.timeout(20):
                while heard[-1]["event"] != "clear":
                    heard.append(json.loads(await socket.recv()))
            await socket.send(filled(exotel.write_dtmf(order, profile, "#", 100), 41))
            async with asyncio.timeout(20):
                heard += [json.loads(text) async for text in socket]
            assert socket.close_code == 1000
        finally:
            await socket.close()
        assert program.stdout is not None
        started = json.loads(await program.stdout.readline())
    assert started == {
        "event": "start",
        "vendor": "exotel",
        "stream_sid": "s" * 32,
        "call_sid": "c" * 32,
    }
    media = [message for message in heard if message["event"] == "media"]
    audio = b"".join(b64decode(message["media"]["payload"]) for message in media)
    spoken = b"".join(chunk_of(number) for number in range(15))
    assert spoken.startswith(audio[: len(spoken)])
    marks = [message["mark"]["name"] for message in heard if message["event"] == "mark"]
    assert marks[:1] == ["second-1"]
    assert all(message["stream_sid"] == "s" * 32 for message in heard)


async def speak(socket: ClientConnection, template: str) -> None:
    """Send 1.5 s of a ramp in real time, as a call does."""
    started = time.monotonic()
    for number in range(15):
        await socket.send(filled(template, number))
        await asyncio.sleep(max(0.0, started + (number + 1) * 0.1 - time.monotonic()))
