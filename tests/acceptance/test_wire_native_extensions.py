"""Extensions that the audio path itself carries: tracks, and a caller who falls silent."""

import json
from base64 import b64decode
from pathlib import Path

import pytest

from agentstream.testing.file_calls import file_calls
from agentstream.testing.scripted_bot import BotCall, scripted_bot

pytestmark = pytest.mark.acceptance

FLOW = """
name: settings
start: talk
applets:
  talk: {type: voicebot, url: "%s", settings: %s}
"""
SAID, HEARD, SUM = b"\x34\x12", b"\x7c\x20", b"\xb0\x32"  # samples; the last is their sum


def flow(url: str, **settings: object) -> str:
    """Return a flow with one bot and these settings of its stream."""
    return FLOW % (url, json.dumps(settings))


@pytest.mark.parametrize(
    ("track", "sounds"),
    [
        ("inbound", {"inbound": SAID}),
        ("outbound", {"outbound": HEARD}),
        ("mixed", {"mixed": SUM}),
        ("both", {"inbound": SAID, "outbound": HEARD}),
    ],
)
async def test_a_track_is_what_the_leg_says_or_hears(
    tmp_path: Path, track: str, sounds: dict[str, bytes]
) -> None:
    """BX-2: `media.track` names it; of `both`, two messages have one chunk, inbound first."""

    async def talk(call: BotCall) -> None:
        await call.until("start")
        await call.media(HEARD * 8 * 3_000)
        await call.until("media", 14)
        await call.close(4000)

    async with scripted_bot(talk) as bot, file_calls(tmp_path) as house:
        await house.dial(flow(bot.url, track=track), say=SAID * 8 * 4_000).record()
    media = [message["media"] for message in bot.call.said("media")][:14]
    assert [one["track"] for one in media] == [*sounds] * (14 // len(sounds))
    assert [int(one["chunk"]) for one in media] == [1 + n // len(sounds) for n in range(14)]
    for one in media[-4:]:
        assert b64decode(one["payload"]) == sounds[one["track"]] * 800


async def test_a_caller_who_falls_silent_is_told_to_the_bot(tmp_path: Path) -> None:
    """BX-4: once, and the duration that was asked for."""

    async def talk(call: BotCall) -> None:
        await call.until("silence")
        await call.until("media", len(call.said("media")) + 12)
        await call.close()

    sound = (b"\x34\x12" * 40 + b"\x34\xf2" * 40) * 100  # 1 s
    async with scripted_bot(talk) as bot, file_calls(tmp_path) as house:
        await house.dial(flow(bot.url, silence_timeout_ms=700), say=sound).record()
    (silence,) = (message["silence"] for message in bot.call.said("silence"))
    assert silence == {"duration": "700"}
