"""Who says nothing: speech, hiss, digital silence, and packets that stop."""

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agentstream import _media
from agentstream.media.plan import FileLegPlan
from agentstream.testing.sound import Samples, as_ulaw, speech, write_wav

FRAME = 160


def hiss(dbov: float, seconds: float) -> Samples:
    """White noise of this level, relative to a full-scale square wave."""
    chance = np.random.default_rng(5)
    return chance.normal(0, 32_768 * 10 ** (dbov / 20), int(8000 * seconds))


async def watched(rig: Any, timeout_ms: int) -> tuple[Any, Any]:
    """A telephone that has begun to send, and its leg."""
    phone, leg = await rig.phone(), rig.leg()
    leg.connect(rig.remote(phone))
    leg.watch_silence(timeout_ms)
    return phone, leg


@pytest.mark.parametrize("dbov", [-200, -70, -55, -42])
async def test_a_quiet_line_is_silent_whatever_it_hisses(rig: Any, dbov: float) -> None:
    """BX-4: digital silence, comfort noise, a bad line; told once."""
    phone, leg = await watched(rig, 400)
    await phone.speak(as_ulaw(hiss(dbov, 1.0)), leg.rtp_port)
    told = rig.all(_media.Silence)
    assert [event.leg_sid for event in told] == ["l1"]
    assert 400 <= told[0].silent_ms < 500


async def test_words_are_no_silence_and_re_arm_it(rig: Any, tmp_path: Path) -> None:
    """A spoken sentence, its pauses included; the silence after it is told once."""
    spoken = speech(8000)
    sentence = write_wav(tmp_path / "in.wav", spoken, 8000)
    leg = rig.engine.open_file_leg(FileLegPlan("l1", str(sentence), None))
    leg.watch_silence(700)
    leg.start()
    started = await rig.until(_media.MediaStarted)
    told = await rig.until(_media.Silence)
    loud = np.flatnonzero(np.abs(spoken) > 1000)
    end_ms = started.at_ms + int(loud[-1]) // 8
    assert end_ms + 500 < told.at_ms < end_ms + 1200
    await asyncio.sleep(1.0)
    assert len(rig.all(_media.Silence)) == 1


async def test_packets_that_stop_are_silence(rig: Any) -> None:
    """DTX: what is heard then is made up, and fades."""
    phone, leg = await watched(rig, 300)
    tone = np.sin(np.arange(8000) * 0.5) * 8000
    await phone.speak(as_ulaw(tone), leg.rtp_port)
    assert rig.all(_media.Silence) == []
    told = await rig.until(_media.Silence)
    assert told.silent_ms == 300


async def test_each_silence_is_told_once(rig: Any) -> None:
    phone, leg = await watched(rig, 200)
    tone = as_ulaw(np.sin(np.arange(1600) * 0.5) * 8000)
    quiet = b"\xff" * FRAME * 20
    await phone.speak(quiet + tone + quiet + tone + quiet, leg.rtp_port)
    assert len(rig.all(_media.Silence)) == 3


async def test_the_watch_can_be_switched_off(rig: Any) -> None:
    phone, leg = await watched(rig, 200)
    leg.watch_silence(0)
    await phone.speak(b"\xff" * FRAME * 25, leg.rtp_port)
    assert rig.all(_media.Silence) == []
    leg.watch_silence(200)
    await phone.speak(b"\xff" * FRAME * 25, leg.rtp_port)
    assert len(rig.all(_media.Silence)) == 1


async def test_a_bridged_leg_is_watched_too(rig: Any) -> None:
    """What passes undecoded to the other leg is listened to all the same."""
    phone, leg = await watched(rig, 300)
    other = rig.leg(leg_sid="l2")
    other_phone = await rig.phone(ssrc=8)
    other.connect(rig.remote(other_phone))
    leg.bridge(other)
    tone = as_ulaw(np.sin(np.arange(4800) * 0.5) * 8000)
    await phone.speak(tone + b"\xff" * FRAME * 25, leg.rtp_port)
    assert len(rig.all(_media.Silence)) == 1
