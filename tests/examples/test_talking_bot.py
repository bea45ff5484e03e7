"""The demo's bot: does it hear what callers say, and does it give way to them?"""

import asyncio
import importlib.util
import json
import sys
from base64 import b64encode
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from agentstream.bot import listen
from agentstream.bot.offline_speech import (
    Ears,
    EspeakLibrary,
    Mouth,
    SpeechBegan,
    SpeechEnded,
    TurnTaking,
    resample,
    speech_program,
)

pytest.importorskip("pocketsphinx")

FILE = Path(__file__).parents[2] / "examples" / "talking_bot.py"


@cache
def bot() -> ModuleType:
    spec = importlib.util.spec_from_file_location("talking_bot", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["talking_bot"] = module
    spec.loader.exec_module(module)
    return module


@cache
def ears() -> Ears:
    return Ears(bot().grammar())


@cache
def caller() -> Mouth:
    """The voice that examples/talking_bot.py recommends."""
    return Mouth("en-us+f5", words_per_minute=145, pitch=40)


def through_mulaw(pcm: bytes) -> bytes:
    """What is left of samples after G.711: 13 bits, fewer where it is loud."""
    out = bytearray()
    for at in range(0, len(pcm), 2):
        sample = int.from_bytes(pcm[at : at + 2], "little", signed=True)
        magnitude = min(abs(sample) + 132, 32_635)
        step = 1 << magnitude.bit_length() - 5
        magnitude = magnitude // step * step + step // 2 - 132
        out += (-magnitude if sample < 0 else magnitude).to_bytes(2, "little", signed=True)
    return bytes(out)


def line(pcm: bytes, rate_hz: int = 8000) -> bytes:
    """An utterance on a line, with silence around."""
    second = bytes(rate_hz * 2)
    return second[: len(second) // 2] + through_mulaw(pcm) + second


PHRASES = [
    (meaning, phrase.replace("<digits>", "four two seven"))
    for meaning, phrases in bot().PHRASES.items()
    for phrase in phrases
]


@pytest.mark.parametrize(("meaning", "phrase"), PHRASES, ids=str)
def test_every_phrase_is_one_turn_and_is_understood(meaning: str, phrase: str) -> None:
    turns = TurnTaking(8000).hear(line(caller().speak(phrase, 8000)))
    assert [type(turn) for turn in turns] == [SpeechBegan, SpeechEnded]
    assert isinstance(turns[1], SpeechEnded)
    assert bot().meaning_of(ears().understand(turns[1].pcm, 8000)) == meaning


def test_a_wideband_call_is_understood_too() -> None:
    _, spoken = TurnTaking(16000).hear(line(caller().speak("tell me my balance", 16000), 16000))
    assert isinstance(spoken, SpeechEnded)
    assert bot().meaning_of(ears().understand(spoken.pcm, 16000)) == "balance"


def test_a_program_can_speak_where_the_wheel_is_missing() -> None:
    try:
        speak = speech_program("en-us", 145, 40)
    except RuntimeError:
        pytest.skip("neither flite nor espeak-ng is installed")
    rate_hz, pcm = speak("what is my balance")
    assert (
        bot().meaning_of(ears().understand(line(resample(pcm, rate_hz, 8000)), 8000)) == "balance"
    )


def test_silence_is_nobodys_turn_and_nothing_is_understood() -> None:
    assert TurnTaking(8000).hear(bytes(32_000)) == []
    assert bot().meaning_of(ears().understand(bytes(8_000), 8000)) == "nothing"


def test_an_endless_talker_is_cut_after_ten_seconds() -> None:
    loud = (4000).to_bytes(2, "little") + (-4000).to_bytes(2, "little", signed=True)
    turns = TurnTaking(8000).hear(loud * 4000 * 12)
    assert [type(turn) for turn in turns] == [SpeechBegan, SpeechEnded, SpeechBegan]
    assert isinstance(turns[1], SpeechEnded)
    assert len(turns[1].pcm) == 10 * 16_000


def test_an_unknown_voice_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="no voice"):
        EspeakLibrary("nobody", 100, 50)


@pytest.mark.parametrize(("from_hz", "to_hz"), [(22_050, 8_000), (8_000, 16_000), (16_000, 8_000)])
def test_resampling_keeps_the_length_and_a_constant(from_hz: int, to_hz: int) -> None:
    constant = (1000).to_bytes(2, "little") * from_hz
    out = resample(constant, from_hz, to_hz)
    assert len(out) == 2 * to_hz
    middle = out[to_hz : to_hz + 2]
    assert abs(int.from_bytes(middle, "little") - 1000) <= 2
    assert resample(b"", from_hz, to_hz) == b""


class Platform:
    """A platform that plays at once: it answers each mark, unless it holds them."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.held: list[str] = []
        self.is_holding = False
        self.messages: list[dict[str, Any]] = []

    async def send(self, event: str, **body: object) -> None:
        await self.socket.send(json.dumps({"event": event, "stream_sid": "s", **body}))

    async def begin(self) -> None:
        await self.socket.send('{"event":"connected"}')
        ids = {"stream_sid": "s", "call_sid": "c", "account_sid": "a", "from": "1", "to": "2"}
        await self.send("start", start=ids)

    async def say(self, text: str) -> None:
        pcm = line(caller().speak(text, 8000))
        for at in range(0, len(pcm), 1600):
            payload = b64encode(pcm[at : at + 1600]).decode()
            await self.send("media", media={"payload": payload, "timestamp": "0", "chunk": "1"})

    async def until(self, is_it: Callable[[dict[str, Any]], bool]) -> None:
        async with asyncio.timeout(60):
            while True:
                message = json.loads(await self.socket.recv())
                self.messages.append(message)
                if message["event"] == "mark":
                    self.held.append(message["mark"]["name"])
                    if not self.is_holding:
                        await self.release()
                if is_it(message):
                    return

    async def release(self) -> None:
        for name in self.held:
            await self.send("mark", mark={"name": name})
        self.held.clear()


def is_mark(number: int) -> Callable[[dict[str, Any]], bool]:
    return lambda message: message.get("mark") == {"name": f"sentence-{number}"}


@pytest.mark.integration
@pytest.mark.timeout(180)  # speech on a busy machine
async def test_a_conversation_with_a_barge_in_a_key_and_a_farewell(
    capsys: pytest.CaptureFixture[str],
) -> None:
    talk = await asyncio.to_thread(bot().make_talk, "en-us+f2")
    async with listen(talk) as server, connect(server.url) as socket:
        platform = Platform(socket)
        await platform.begin()
        await platform.until(is_mark(2))
        await platform.say("what is my balance")
        await platform.until(is_mark(3))
        platform.is_holding = True
        await platform.say("what can you do")
        await platform.until(is_mark(7))
        await platform.say("my number is four two seven")
        await platform.until(lambda message: message["event"] == "clear")
        await platform.release()
        platform.is_holding = False
        await platform.until(is_mark(8))
        await platform.send("dtmf", dtmf={"digit": "5", "duration": "100"})
        await platform.until(is_mark(9))
        await platform.say("thank you goodbye")
        with pytest.raises(ConnectionClosed):
            await platform.until(lambda message: False)
        assert socket.close_code == 1000
    lines = [json.loads(text) for text in capsys.readouterr().out.splitlines()]
    turns = [(line["who"], line["meaning"]) for line in lines if line["event"] == "turn"]
    meanings = [meaning for who, meaning in turns if who == "caller"]
    assert meanings == ["balance", "help", "digits", "key", "goodbye"]
    said = [line["text"] for line in lines if line["event"] == "turn" and line["who"] == "bot"]
    assert said[3].startswith("Your number is ")
    assert said[4] == "You pressed five."
    (barge_in,) = [line for line in lines if line["event"] == "barge_in"]
    assert len(barge_in["unheard"]) == 4
    assert [m["event"] for m in platform.messages].count("clear") == 1


async def test_without_ears_the_bot_echoes_and_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "pocketsphinx", None)
    talk = bot().make_talk("en-us+f2")
    assert "this bot echoes instead of talking" in capsys.readouterr().out
    async with listen(talk) as server, connect(server.url) as socket:
        platform = Platform(socket)
        await platform.begin()
        await platform.send("media", media={"payload": "AQI=", "timestamp": "0", "chunk": "1"})
        await platform.until(lambda message: message.get("media") == {"payload": "AQI="})
