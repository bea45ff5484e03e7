"""Keys that a bot hears as tones (BX-5)."""

from base64 import b64decode
from typing import Any

import numpy as np
import pytest

from agentstream import _media
from agentstream.testing.sound import as_ulaw, from_pcm, keys_in

VOICE = b"\x10" * 160


def heard(bot: Any) -> bytes:
    return b"".join(b64decode(message["media"]["payload"]) for message in bot.said("media"))


async def test_a_key_sounds_in_place_of_the_caller_and_then_the_caller_again(rig: Any) -> None:
    phone, leg, bot = await rig.call(rig.listen)
    await phone.speak(VOICE * 5, leg.rtp_port)
    for digit in "5*5":
        leg.press_stream("s1", digit, 100)
    await phone.speak(VOICE * 40, leg.rtp_port)
    leg.close()
    await rig.until(_media.StreamClosed)
    pcm = heard(bot)
    assert keys_in(from_pcm(pcm), 8_000) == "5*5"
    assert pcm.count(rig.pcm_of(VOICE)) >= 10, "the caller before and after"


async def test_a_key_is_heard_by_the_stream_that_it_is_for(rig: Any) -> None:
    phone, leg, bot = await rig.call(rig.listen)
    leg.press_stream("another", "5", 100)
    await phone.speak(VOICE * 20, leg.rtp_port)
    leg.close()
    await rig.until(_media.StreamClosed)
    assert keys_in(from_pcm(heard(bot)), 8_000) == ""


def tone(row_hz: float, column_hz: float, ms: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    angles = np.arange(8 * ms) * 2 * np.pi / 8_000
    return np.asarray(8_000 * (np.sin(angles * row_hz) + np.sin(angles * column_hz)))


@pytest.mark.parametrize("hides", [False, True])
async def test_a_bot_does_not_hear_keys_that_are_kept_from_it_ex_43(
    rig: Any, *, hides: bool
) -> None:
    phone, leg, bot = await rig.call(rig.listen, hides_keys=hides)
    gap = np.zeros(8 * 90)
    keys = np.concatenate([tone(770, 1_336, 100), gap, tone(941, 1_477, 60), gap])
    await phone.speak(VOICE * 10, leg.rtp_port)
    await phone.speak(as_ulaw(keys).ljust(-(-len(keys) // 160) * 160, b"\xff"), leg.rtp_port)
    await phone.speak(VOICE * 20, leg.rtp_port)
    leg.close()
    await rig.until(_media.StreamClosed)
    pcm = heard(bot)
    assert keys_in(from_pcm(pcm), 8_000) == ("" if hides else "5#")
    voice = rig.pcm_of(VOICE)
    assert pcm.count(voice) >= 20, "the caller before and after"
    loud = from_pcm(pcm.replace(voice, b""))
    assert bool(np.abs(loud).max(initial=0) > 8_000) != hides
