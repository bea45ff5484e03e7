"""Keys that a bot hears as tones (BX-5)."""

from base64 import b64decode
from typing import Any

from agentstream import _media
from agentstream.testing.sound import from_pcm, keys_in

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
