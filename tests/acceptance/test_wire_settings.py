"""Settings that change what is heard and understood, through the whole of the audio path."""

import json
from base64 import b64encode
from pathlib import Path

import pytest

from agentstream.switch import feed
from agentstream.testing.file_calls import file_calls
from agentstream.testing.scripted_bot import BotCall, scripted_bot
from agentstream.testing.sound import from_pcm, keys_in

pytestmark = pytest.mark.acceptance

FLOW = """
name: settings
start: talk
applets:
  talk: {type: voicebot, url: "%s", settings: %s}
"""
LOUD = b"\x7c\x20"  # one sample that G.711 has exactly


def flow(url: str, **settings: object) -> str:
    """Return a flow with one bot and these settings of its stream."""
    return FLOW % (url, json.dumps(settings))


async def test_keys_are_told_kept_from_the_bot_or_heard_as_tones_by_setting(
    tmp_path: Path,
) -> None:
    """BX-5."""

    async def hear(call: BotCall) -> None:
        await call.until("media", 8)
        await call.close()

    async with scripted_bot(hear) as bot, file_calls(tmp_path) as house:
        for handling in ("stream", "suppress", "passthrough"):
            keys = ((60, "5"), (70, "5"), (80, "#"))
            call = house.dial(flow(bot.url, dtmf_handling=handling), digits=keys)
            await call.record()
            assert call.warnings == []
    assert [len(call.said("dtmf")) for call in bot.calls] == [3, 0, 0]
    assert [keys_in(from_pcm(call.audio()), 8_000) for call in bot.calls] == ["", "", "55#"]


async def test_a_bot_may_change_the_rate_of_its_stream(tmp_path: Path) -> None:
    """OP-1: accepted when all that was queued was heard; both directions change with the answer."""

    async def talk(call: BotCall) -> None:
        await call.until("media")
        await call.media(LOUD * 8 * 300)
        await call.send({"event": "set_rate", "set_rate": {"id": 1, "sample_rate": 44_100}})
        await call.send({"event": "set_rate", "set_rate": {"id": 2, "sample_rate": 16_000}})
        await call.until("ack", 2)
        await call.media(LOUD * 16 * 300)
        await call.mark("heard")
        await call.until("mark")
        await call.close()

    async with scripted_bot(talk) as bot, file_calls(tmp_path) as house:
        call = house.dial(flow(bot.url, control_events=True))
        stats = await call.stats()
    refused, accepted = (message["ack"] for message in bot.call.said("ack"))
    assert (refused["id"], refused["status"]) == (1, "refused")
    assert (accepted["id"], accepted["status"]) == (2, "accepted")
    assert stats.played_ms == 600
    place = bot.call.messages.index(bot.call.said("ack")[1])
    after = [m for m in bot.call.messages[place:] if m["event"] == "media"]
    assert {len(m["media"]["payload"]) for m in after} == {4_268}, "3200 bytes as base64"
    [changed] = [note for note in call.notes if isinstance(note, feed.RateChanged)]
    assert changed.rate_hz == 16_000


STRAY = "of another stream"
MESSAGES = (
    {"event": "media", "media": {"payload": b64encode(bytes(3_200)).decode()}},
    {"event": "mark", "mark": {"name": "stray"}},
    {"event": "clear"},
    {"event": "stop"},
)


@pytest.mark.parametrize("is_strict", [False, True])
async def test_a_wrong_stream_sid_is_told_and_by_setting_ignored(
    tmp_path: Path, is_strict: bool
) -> None:
    """AS-114: for sound, marks, clears and whatever else a bot says."""

    async def talk(call: BotCall) -> None:
        await call.until("start")
        for message in MESSAGES:
            await call.send({**message, "stream_sid": STRAY})
        await call.mark("ours")
        await call.until("mark")
        await call.close(4000)

    async with scripted_bot(talk) as bot, file_calls(tmp_path) as house:
        call = house.dial(flow(bot.url, reject_wrong_stream_sid=is_strict))
        stats = await call.stats()
        outcome = (await call.stream()).outcome
    assert call.warnings == ["the bot sends another stream_sid than it was given (AS-114)"]
    assert ("4000" in outcome.error) is is_strict, "`stop` is obeyed, or not"
    assert bot.call.marks()[:1] == (["ours"] if is_strict else ["stray"])
    assert (stats.media_received, stats.clears) == ((0, 0) if is_strict else (1, 1))


async def test_a_bot_is_dialled_from_one_local_address_by_setting(tmp_path: Path) -> None:
    """AS-36: bots and carriers that allow callers by their address."""

    async def leave(call: BotCall) -> None:
        await call.until("media")
        await call.close()

    egress = {"local_address": "127.0.0.2"}
    async with scripted_bot(leave) as bot, file_calls(tmp_path, egress=egress) as house:
        await house.dial(bot.url).record()
    assert bot.call.socket.remote_address[0] == "127.0.0.2"
