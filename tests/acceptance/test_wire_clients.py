"""Bots that behave like the clients which exist, each as strict and as odd as the dossier tells."""

import asyncio
import itertools
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

import pytest

from agentstream.testing.file_calls import file_calls
from agentstream.testing.scripted_bot import BotCall, Script, scripted_bot

pytestmark = pytest.mark.acceptance

FULL_CAMEL = """
name: dograh
start: talk
applets:
  talk: {type: voicebot, url: "%s", settings: {camel_keys: full}}
"""
LOUD = b"\x01\x10"


def payload(ms: int) -> str:
    return b64encode(LOUD * (8 * ms)).decode()


async def pipecat(call: BotCall) -> None:
    """CL-1, CL-2: two messages tell the vendor; 40 ms pieces; a clear; closing hangs up."""
    first, second = await call.receive(), await call.receive()
    start = second["start"]
    assert first["event"] == "connected"
    assert not {"streamSid", "callSid"} & set(start)
    assert {"stream_sid", "call_sid", "account_sid", "from", "to"} <= set(start)
    await call.until("media", 2)
    for _ in range(5):
        media = {"payload": payload(40)}
        await call.send({"event": "media", "streamSid": start["stream_sid"], "media": media})
    await call.send({"event": "clear", "streamSid": start["stream_sid"]})
    await call.close()


async def bolna(call: BotCall) -> None:
    """CL-3: a mark before and after each piece; integer timestamps; close after the last mark."""
    start = await call.until("start")
    sid = start["start"]["stream_sid"]
    assert start["start"]["call_sid"]
    for piece in range(4):
        name = f"3f2c-{piece}"
        mark = {"event": "mark", "stream_sid": sid, "mark": {"name": name}}
        await call.send(mark | {"mark": {"name": "pre-" + name}})
        await call.send({"event": "media", "stream_sid": sid, "media": {"payload": payload(30)}})
        await call.send(mark)
    await call.until("mark", 8)
    for message in (await call.until("media"), *call.said("media")):
        int(message["media"]["timestamp"])
        assert message["media"]["chunk"]
    await call.close()


async def shared_sample(call: BotCall) -> None:
    """CL-4: camel-case id, three more keys in `media`, a little faster than real time."""
    sid = (await call.until("start"))["stream_sid"]
    for chunk in range(1, 5):
        numbers = {"chunk": str(chunk), "timestamp": str(chunk * 100)}
        media = {"payload": payload(100), "sequenceNumber": str(chunk), **numbers}
        await call.send({"event": "media", "streamSid": sid, "media": media})
        await asyncio.sleep(0.09)
    await call.close()


async def dograh(call: BotCall) -> None:
    """CL-5: anything else than these two messages is closed with 4400."""
    first, second = await call.receive(), await call.receive()
    start = second.get("start", {})
    is_right = first == {"event": "connected"} and {"streamSid", "callSid"} <= set(start)
    if is_right:
        await call.send({"event": "media", "media": {"payload": payload(200)}})
        await call.send({"event": "mark", "mark": {"name": "end"}})
        await call.until("mark")
    await call.close(1000 if is_right else 4400, "" if is_right else "bad handshake")


async def eleven_labs(call: BotCall) -> None:
    """CL-6: units are cut off `media_format`; pieces padded to 320 bytes; close to transfer."""
    media_format = (await call.until("start"))["start"]["media_format"]
    assert int("".join(filter(str.isdigit, media_format["sample_rate"]))) == 8_000
    pcm = LOUD * 1_590
    pcm += bytes(-len(pcm) % 320)
    media = {"payload": b64encode(pcm).decode()}
    await call.send({"event": "media", "stream_sid": call.start["stream_sid"], "media": media})
    await call.close()


async def echo_example(call: BotCall) -> None:
    """CL-7: everything comes back, and marks and clears as if they were its own."""
    for message in [await call.receive() for _ in range(8)]:
        await call.send(message)
    await call.send({"event": "dtmf", "dtmf": {"digit": "1"}})
    await call.send({"event": "mark", "sequence_number": 9, "mark": {"name": "echoed"}})
    await call.until("mark")
    await call.send({"event": "media", "media": {"payload": payload(100)}})
    await call.close()


async def sample_of_2021(call: BotCall) -> None:
    """CL-8: the id on top of `media`; a burst every 450 ms."""
    sid = (await call.until("media"))["stream_sid"]
    for _ in range(2):
        for _ in range(4):
            await call.send(
                {"event": "media", "stream_sid": sid, "media": {"payload": payload(20)}}
            )
        await asyncio.sleep(0.45)
    await call.close()


async def connector(call: BotCall) -> None:
    """CL-9: numbers its messages with texts, and sends `start` and `stop` itself."""
    sid = (await call.until("start"))["stream_sid"]
    numbers = itertools.count(1)

    def numbered(event: str, **more: Any) -> dict[str, Any]:
        return {"event": event, "sequence_number": str(next(numbers)), "stream_sid": sid, **more}

    await call.send(numbered("start", start={"stream_sid": sid}))
    await call.send(numbered("media", media={"payload": payload(150), "chunk": "1"}))
    await call.send(numbered("stop", stop={"reason": "done"}))


@pytest.mark.parametrize(
    ("client", "heard_ms"),
    [
        (pipecat, None),  # it interrupts itself: some of it is heard, or nothing
        (bolna, 120),
        (shared_sample, 400),
        (eleven_labs, 1_590 / 8),
        (echo_example, 100),
        (sample_of_2021, 160),
        (connector, 150),
    ],
)
async def test_a_client_talks_over_the_whole_of_the_audio_path(
    tmp_path: Path, client: Script, heard_ms: float | None
) -> None:
    """CL-1 to CL-4, CL-6 to CL-9: it is content with what it gets, and what it says is heard."""
    async with scripted_bot(client) as bot, file_calls(tmp_path) as house:
        call = house.dial(bot.url)
        heard = await call.heard()
    outcome = (await call.stream()).outcome
    assert (outcome.status, outcome.disconnected_by, outcome.error) == ("completed", "bot", "")
    assert bot.call.code == 1000
    if heard_ms is not None:
        assert heard.count(LOUD) / 8 == heard_ms


async def test_dograh_is_content_by_its_setting_only(tmp_path: Path) -> None:
    """CL-5, CL-20, CX-5."""
    async with scripted_bot(dograh) as bot, file_calls(tmp_path) as house:
        content = house.dial(FULL_CAMEL % bot.url)
        heard = await content.heard()
        refused = (await house.dial(bot.url).stream()).outcome
    assert heard.count(LOUD) == 8 * 200
    assert (await content.stream()).outcome.error == ""
    assert refused.error.startswith("4400 ")


async def test_an_echo_holds_at_every_rate_with_short_and_long_frames(tmp_path: Path) -> None:
    """CL-22: what comes back to the caller is what was said, one round trip later."""
    combinations = list(itertools.product((8_000, 16_000, 24_000), (20, 100)))

    async def echo(call: BotCall) -> None:
        frame_ms = int(call.target.rpartition("=")[2])
        while len(call.said("media")) * frame_ms < 1_000:
            message = await call.receive()
            if message["event"] == "media":
                assert b64decode(message["media"]["payload"], validate=True)
                await call.send({"event": "media", "media": message["media"]})
        await call.close()

    said = LOUD * 32_000
    async with scripted_bot(echo) as bot, file_calls(tmp_path) as house:
        calls = [
            house.dial(f"{bot.url}?sample-rate={rate_hz}&frame-ms={frame_ms}", say=said)
            for rate_hz, frame_ms in combinations
        ]
        heard = [await call.heard() for call in calls]
    for (rate_hz, frame_ms), pcm in zip(combinations, heard, strict=True):
        level = sum(
            abs(int.from_bytes(pcm[at : at + 2], "little", signed=True) - 0x1001) < 200
            for at in range(0, len(pcm), 2)
        )
        assert level > 8 * 800, (rate_hz, frame_ms)
