"""A greeting before the bot: files of any kind, from the disk or the web, heard by the caller."""

import asyncio
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from agentstream.testing.file_calls import file_calls
from agentstream.testing.scripted_bot import BotCall, scripted_bot

pytestmark = pytest.mark.acceptance

FLOW = """
name: greeted
start: hello
applets:
  hello: {type: greeting, audio: "%s", next: talk}
  talk: {type: voicebot, url: "%s"}
"""


async def greet(call: BotCall) -> None:
    await call.until("media")
    await call.close()


def write_tone(path: Path, rate_hz: int, width: int, channels: int) -> Path:
    """Write 300 ms of 600 Hz."""
    sine = np.sin(2 * np.pi * 600 * np.arange(rate_hz * 3 // 10) / rate_hz)
    sound = np.repeat(sine, channels)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate_hz)
        if width == 1:
            file.writeframes((128 + 100 * sound).astype("u1").tobytes())
        else:
            file.writeframes((20_000 * sound).astype("<i2").tobytes())
    return path


def heard_hertz(pcm: bytes) -> float:
    """Return the pitch of what is loud."""
    sound = np.frombuffer(pcm, "<i2").astype(float)
    loud = np.flatnonzero(np.abs(sound) > 1_000)
    part = sound[loud[0] : loud[-1]]
    spectrum = np.abs(np.fft.rfft(part * np.hanning(len(part))))
    return float(np.argmax(spectrum)) * 8_000 / len(part)


@asynccontextmanager
async def web(body: bytes, content_type: str) -> AsyncIterator[str]:
    """Run a server that gives one sound."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nConnection: close\r\n"
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hello"


@pytest.mark.parametrize(("rate_hz", "width", "channels"), [(8_000, 1, 1), (44_100, 2, 2)])
async def test_a_sound_file_of_any_kind_is_heard_before_the_bot(
    tmp_path: Path, rate_hz: int, width: int, channels: int
) -> None:
    """AP-10, AP-11, ST-50: 8 bits or 16, one channel or two, converted to the line's rate."""
    sound = write_tone(tmp_path / "hello.wav", rate_hz, width, channels)
    async with scripted_bot(greet) as bot, file_calls(tmp_path) as house:
        heard = await house.dial(FLOW % (sound, bot.url)).heard()
    assert heard_hertz(heard) == pytest.approx(600, abs=10)
    assert len(bot.calls) == 1


async def test_a_sound_from_the_web_is_fetched_whatever_its_type_says(tmp_path: Path) -> None:
    """AP-10, AP-14."""
    sound = write_tone(tmp_path / "hello.wav", 16_000, 2, 1).read_bytes()
    async with (
        scripted_bot(greet) as bot,
        web(sound, "application/octet-stream") as url,
        file_calls(tmp_path) as house,
    ):
        heard = await house.dial(FLOW % (url, bot.url)).heard()
    assert heard_hertz(heard) == pytest.approx(600, abs=10)


async def test_a_sound_that_is_too_large_does_not_stop_the_flow(tmp_path: Path) -> None:
    """AP-7, AP-11: above 5 MB the flow goes on without it."""
    async with (
        scripted_bot(greet) as bot,
        web(b"RIFF" + bytes(5_242_880), "audio/wav") as url,
        file_calls(tmp_path) as house,
    ):
        call = house.dial(FLOW % (url, bot.url))
        record = await call.record()
    left = [note for note in call.notes if type(note).__name__ == "AppletLeft"]
    assert "bytes" in repr(left[0])
    assert record.streams[0].outcome.status == "completed"
