"""What of a leg's sound is silence: towards the other leg, a bot, a recording, and the party."""

import asyncio
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from agentstream import _media
from agentstream.media.plan import CodecPlan, PromptPlan, RecordPlan
from agentstream.testing.sound import as_ulaw, from_pcm, write_wav

FRAME = 160
ANGLES = np.arange(8000) * 2 * np.pi / 8000
LOW, HIGH = np.sin(ANGLES * 400) * 8000, np.sin(ANGLES * 1000) * 8000
SETTINGS = {"codecs": (CodecPlan(0, "PCMU"),), "dtmf_payload_type": 101}
both_ways = pytest.mark.parametrize("rig", [1, 2], indirect=True)


async def side(rig: Any, sid: str) -> tuple[Any, Any]:
    phone = await rig.phone(ssrc=hash(sid) & 0xFFFF)
    leg = rig.leg(leg_sid=sid)
    leg.connect(rig.remote(phone, **SETTINGS))
    return phone, leg


async def two_sides(rig: Any) -> tuple[Any, Any, Any, Any]:
    a, leg_a = await side(rig, "a")
    b, leg_b = await side(rig, "b")
    leg_a.bridge(leg_b)
    await speak((a, leg_a, LOW[:1600]), (b, leg_b, HIGH[:1600]))
    return a, leg_a, b, leg_b


async def speak(*speakers: tuple[Any, Any, NDArray[np.float64]]) -> None:
    await asyncio.gather(
        *(phone.speak(as_ulaw(said), leg.rtp_port) for phone, leg, said in speakers)
    )


def level(rig: Any, phone: Any, frames: int = 15) -> float:
    """How loud the last packets were, on average."""
    heard = b"".join(packet[12:] for packet in phone.heard[-frames:])
    return float(np.abs(from_pcm(rig.pcm_of(heard))).mean())


@both_ways
async def test_a_muted_party_is_not_heard_and_its_keys_still_pass(rig: Any) -> None:
    a, leg_a, b, leg_b = await two_sides(rig)
    leg_a.mute(heard=True, said=False, prompts=False)
    await speak((a, leg_a, LOW), (b, leg_b, HIGH))
    assert level(rig, b) < 50
    assert level(rig, a) > 3000
    await a.press(5, leg_a.rtp_port)
    await speak((a, leg_a, LOW[:4800]), (b, leg_b, HIGH[:4800]))
    assert b.events
    leg_a.mute(heard=False, said=False, prompts=False)
    await speak((a, leg_a, LOW), (b, leg_b, HIGH))
    assert min(level(rig, a), level(rig, b)) > 3000


@both_ways
async def test_a_party_that_is_to_hear_nothing_hears_silence_or_a_prompt(
    rig: Any, tmp_path: Path
) -> None:
    a, leg_a, b, leg_b = await two_sides(rig)
    leg_a.mute(heard=False, said=True, prompts=False)
    await speak((a, leg_a, LOW), (b, leg_b, HIGH))
    assert level(rig, a) < 50
    assert level(rig, b) > 3000
    music = write_wav(tmp_path / "music.wav", LOW, 8000)
    leg_a.play(PromptPlan("p", str(music), loops=0))
    await speak((a, leg_a, LOW), (b, leg_b, HIGH))
    assert level(rig, a) > 3000, "music on hold"
    leg_a.mute(heard=False, said=True, prompts=True)
    await speak((a, leg_a, LOW), (b, leg_b, HIGH))
    assert level(rig, a) < 50


async def test_a_bot_is_neither_heard_nor_hears_while_its_party_is_muted(rig: Any) -> None:
    phone, leg, bot = await rig.call(rig.echo)
    await speak((phone, leg, LOW))
    assert level(rig, phone) > 3000
    leg.mute(heard=True, said=True, prompts=True)
    await speak((phone, leg, LOW))
    await speak((phone, leg, LOW[:3200]))
    assert level(rig, phone) < 50
    payloads = [message["media"]["payload"] for message in bot.said("media")[-2:]]
    assert all(set(payload.rstrip("=")) == {"A"} for payload in payloads), "zeros for the bot"


@pytest.mark.parametrize(("channels", "loud"), [("heard", True), ("said", False)])
async def test_a_recording_may_hold_one_side_alone(
    rig: Any, tmp_path: Path, channels: Any, loud: bool
) -> None:
    phone, leg = await side(rig, "a")
    leg.record(RecordPlan("r", str(tmp_path / "r.wav"), channels))
    await speak((phone, leg, LOW))
    leg.stop_recording("r")
    ready = await rig.until(_media.RecordingReady)
    with wave.open(ready.path, "rb") as file:
        assert file.getnchannels() == 1
        sound = from_pcm(file.readframes(file.getnframes()))
    assert (float(np.abs(sound).mean()) > 2000) is loud


async def test_a_law_is_spoken_both_ways(rig: Any) -> None:
    phone, leg, bot = await rig.call(rig.echo, encoding="alaw", frame_ms=20)
    await speak((phone, leg, LOW))
    assert level(rig, phone) > 3000
    assert bot.said("media")
