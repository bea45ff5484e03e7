"""The example bots as programs of their own, called by SIP and with `agentstream call`."""

import asyncio
import importlib.util
import io
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from agentstream.calls.causes import Cause, Party
from agentstream.server.call import CallWish, call_bot
from agentstream.switch.feed import MarkEchoed, PlayoutCleared
from agentstream.testing.node import running_node, scripted_caller
from agentstream.testing.ports import HOST, free_port
from agentstream.testing.sound import likeness, read_wav, speech, with_silence, write_wav
from agentstream.testing.waiting import until

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120)]
EXAMPLES = Path(__file__).parents[2] / "examples"
NEEDS_PIPECAT = pytest.mark.skipif(
    importlib.util.find_spec("pipecat") is None, reason="pipecat is not installed"
)


@dataclass
class Program:
    """A bot in a process of its own."""

    url: str
    log: Path

    def said(self) -> str:
        """Return all that it has printed."""
        return self.log.read_text()

    def events(self) -> list[dict[str, Any]]:
        """Return the lines that are JSON."""
        return [json.loads(line) for line in self.said().splitlines() if line.startswith("{")]


def running(name: str, folder: Path, *arguments: str) -> Iterator[Program]:
    port = free_port()
    log = folder / f"{name}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, str(EXAMPLES / name), "--host", HOST, "--port", str(port), *arguments],
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONWARNINGS": "ignore", "PYTHONUNBUFFERED": "1"},
        )
    try:
        listens(port, process, log)
        yield Program(f"ws://{HOST}:{port}/", log)
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)


def listens(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Wait until a program that is starting listens: nothing but trying tells."""
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        with socket.socket() as probe:
            if probe.connect_ex((HOST, port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError(f"{log.name} never listened\n{log.read_text()}")


@pytest.fixture
def echo(tmp_path: Path) -> Iterator[Program]:
    yield from running("echo_bot.py", tmp_path)


@pytest.fixture(scope="module")
def pipecat(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    yield from running("pipecat_echo.py", tmp_path_factory.mktemp("pipecat"))


async def test_the_echo_bot_by_sip(echo: Program, tmp_path: Path) -> None:
    """CL-7: its own media objects come back; each mark is echoed once its audio was heard."""
    source = speech(8_000)
    spoken = write_wav(tmp_path / "source.wav", with_silence(source, 8_000, 700), 8_000)
    heard = tmp_path / "heard.wav"
    async with (
        running_node(tmp_path / "node", echo.url) as node,
        scripted_caller() as caller,
    ):
        call = await caller.dial(node.target(), record_to=heard)
        await call.say(spoken)
        call.press("42")
        await until(lambda: len(re.findall("event=dtmf", echo.said())) == 2)
        call.press("*")
        await until(lambda: node.saw("PlayoutCleared"), 10_000)
        await call.hang_up()
        (record,) = await node.records()
        assert await node.is_idle()
        await until(lambda: "event=ended" in echo.said())
    assert (record.cause, record.ended_by) == (Cause.NORMAL, Party.CALLER)
    to_caller = likeness(source, read_wav(heard), 8_000)
    assert to_caller.snr_db > 30, to_caller
    assert re.findall(r"event=dtmf digit=(.)", echo.said()) == ["4", "2", "*"]
    assert_marks_are_in_order(echo.said(), 4)
    assert "event=stop reason=callended" in echo.said()


@pytest.mark.parametrize("rate_hz", [8_000, 16_000])
async def test_the_echo_bot_by_agentstream_call(
    echo: Program, rate_hz: int, tmp_path: Path
) -> None:
    """CL-7 without a telephone: file in, file out, everything between as in a call."""
    source = speech(rate_hz)
    seconds = source.size / rate_hz
    saved = tmp_path / "heard.wav"
    wish = CallWish(
        bot_url=f"{echo.url}?sample-rate={rate_hz}",
        say=write_wav(tmp_path / "source.wav", source, rate_hz),
        save=saved,
        rate_hz=rate_hz,
        digits="9#*",
        digits_after_s=seconds,
        seconds=seconds + 2,
    )
    heard = await call_bot(wish, Console(file=io.StringIO()))
    assert heard.has_answer
    assert heard.ended is not None
    assert heard.ended.record.ended_by is Party.CALLER
    assert heard.stream is not None
    assert heard.stream.clears == 1
    to_caller = likeness(source, read_wav(saved), rate_hz)
    assert to_caller.snr_db > 60, to_caller  # no codec lies between
    assert re.findall(r"event=dtmf digit=(.)", echo.said()) == ["9", "#", "*"]
    assert_marks_are_in_order(echo.said(), 4)


def assert_marks_are_in_order(said: str, least: int) -> None:
    """The bot sets one each 10 chunks: echo_10, echo_20, ..."""
    marks = re.findall(r"event=mark name=echo_(\d+)", said)
    assert len(marks) >= least
    assert marks == [str(10 * number) for number in range(1, len(marks) + 1)]


@NEEDS_PIPECAT
async def test_pipecat_by_sip(pipecat: Program, tmp_path: Path) -> None:
    """CL-1, CL-2: audio both ways, marks in order, a key interrupts, the pipeline hangs up."""
    source = speech(8_000)
    spoken = write_wav(tmp_path / "source.wav", source, 8_000)
    heard = tmp_path / "heard.wav"
    before = len(pipecat.events())
    async with (
        running_node(tmp_path / "node", pipecat.url) as node,
        scripted_caller() as caller,
    ):
        call = await caller.dial(node.target(), record_to=heard)
        await call.say(spoken)
        await until(lambda: len(node.saw("MarkEchoed")) >= 4, 20_000)
        call.press("5")
        await until(lambda: node.saw("PlayoutCleared"), 20_000)
        call.press("#")
        ended = await call.wait_ended(20)
        (record,) = await node.records()
        assert await node.is_idle()
        await until(lambda: pipecat.events()[-1]["event"] == "ended")
    assert (record.cause, record.ended_by) == (Cause.NORMAL, Party.BOT)
    assert ended.by == "remote"
    to_caller = likeness(source, read_wav(heard), 8_000)
    assert to_caller.snr_db > 30, to_caller
    marks = [event.name for event in node.events if isinstance(event, MarkEchoed)]
    assert marks == [f"second-{number}" for number in range(1, len(marks) + 1)]
    assert all(event.dropped_ms >= 0 for event in node.events if isinstance(event, PlayoutCleared))
    said = pipecat.events()[before:]
    assert [line["digit"] for line in said if line["event"] == "dtmf"] == ["5", "#"]
    assert said[0]["vendor"] == "exotel"
    assert said[0]["call_sid"] == record.setup.call_sid


@NEEDS_PIPECAT
@pytest.mark.parametrize("rate_hz", [8_000, 16_000])
async def test_pipecat_by_agentstream_call(pipecat: Program, rate_hz: int, tmp_path: Path) -> None:
    """CL-1, CL-2 without a telephone; `#` ends the pipeline, which ends the call."""
    source = speech(rate_hz)
    seconds = source.size / rate_hz
    saved = tmp_path / "heard.wav"
    before = len(pipecat.events())
    wish = CallWish(
        bot_url=f"{pipecat.url}?sample-rate={rate_hz}",
        say=write_wav(tmp_path / "source.wav", with_silence(source, rate_hz, 5_000), rate_hz),
        save=saved,
        rate_hz=rate_hz,
        digits="1#",
        digits_after_s=seconds + 2,
        seconds=25,
    )
    heard = await call_bot(wish, Console(file=io.StringIO()))
    assert heard.has_answer
    assert heard.ended is not None
    assert heard.ended.record.ended_by is Party.BOT
    assert heard.stream is not None
    assert heard.stream.marks >= 4
    assert heard.stream.clears == 2
    to_caller = likeness(source, read_wav(saved), rate_hz)
    assert to_caller.snr_db > 60, to_caller
    said = pipecat.events()[before:]
    assert [line["digit"] for line in said if line["event"] == "dtmf"] == ["1", "#"]


@NEEDS_PIPECAT
async def test_five_callers_talk_to_pipecat_at_once(pipecat: Program, tmp_path: Path) -> None:
    """One pipeline each; the conversations do not mix."""
    spoken = write_wav(tmp_path / "source.wav", speech(8_000)[:16_000], 8_000)
    before = len(pipecat.events())
    async with (
        running_node(tmp_path / "node", pipecat.url) as node,
        scripted_caller() as caller,
    ):
        calls = await asyncio.gather(*(caller.dial(node.target()) for _ in range(5)))
        await asyncio.gather(*(call.say(spoken) for call in calls))
        await until(lambda: len(node.saw("BotSpoke")) == 5, 20_000)
        await asyncio.gather(*(call.hang_up() for call in calls))
        records = await node.records(5, 20_000)
        assert await node.is_idle()
        await until(lambda: len(pipecat.events()) == before + 10)
    assert {record.ended_by for record in records} == {Party.CALLER}
    started = [line for line in pipecat.events()[before:] if line["event"] == "start"]
    assert {line["call_sid"] for line in started} == {r.setup.call_sid for r in records}
