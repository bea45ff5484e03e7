"""Extensions of the bot's wire, each by its setting, through the whole of the audio path."""

import json
import wave
from pathlib import Path
from typing import Any

import pytest

from agentstream.base.ids import LegSid, StreamSid
from agentstream.calls.commands import OpenStream, StreamSpec
from agentstream.calls.events import CallStarted, StreamOpened
from agentstream.switch import feed
from agentstream.testing.file_calls import FileCall, file_calls
from agentstream.testing.scripted_bot import BotCall, scripted_bot
from agentstream.testing.waiting import until

pytestmark = pytest.mark.acceptance

FLOW = """
name: settings
start: talk
applets:
  talk: {type: voicebot, url: "%s", settings: %s}
"""
LOUD, LOUD_ULAW = b"\x7c\x20", b"\x9f"  # one sample, as PCM and as G.711 has it exactly
HOLD = b"\x34\x12"
FORK = StreamSid("f" * 32)


def write_wav(path: Path, pcm: bytes) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8_000)
        file.writeframes(pcm)


def flow(url: str, **settings: object) -> str:
    """Return a flow with one bot and these settings of its stream."""
    return FLOW % (url, json.dumps(settings))


async def fork(call: FileCall, url: str, **settings: str) -> None:
    """Fork the call's audio one way, beside the bot that speaks."""
    await until(lambda: any(isinstance(note, StreamOpened) for note in call.notes))
    leg_sid = next(note.leg_sid for note in call.notes if isinstance(note, CallStarted))
    spec = StreamSpec(url, two_way=False, overrides=tuple(settings.items()))
    await call.house.parts.switchboard.ask(call.call_sid, OpenStream(LegSid(leg_sid), FORK, spec))


async def test_a_stream_both_ways_may_be_mulaw(tmp_path: Path) -> None:
    """BX-1, CX-4, AS-144: eight bytes per millisecond, in both directions."""

    async def talk(call: BotCall) -> None:
        await call.media(LOUD_ULAW * 8 * 400)
        await call.mark("end")
        await call.until("mark")
        await call.until("media", 4)
        await call.close()

    settings = {"media_format": "audio/x-mulaw;rate=8000", "media_format_profile": "docs"}
    async with scripted_bot(talk) as bot, file_calls(tmp_path) as house:
        call = house.dial(flow(f"{bot.url}?sample-rate=16000", **settings), say=LOUD * 8 * 400)
        heard = await call.heard()
    assert len(bot.call.audio()) == 800 * len(bot.call.said("media"))
    assert LOUD_ULAW * 8 * 300 in bot.call.audio()
    assert heard.count(LOUD) == 8 * 400
    assert bot.call.start["media_format"] == {
        "encoding": "audio/x-mulaw",
        "sample_rate": "8000",
        "bit_rate": "8",
    }
    assert "sample-rate=16000 is left aside" in call.warnings[0]


@pytest.mark.parametrize(
    ("media_format", "chunk_bytes"),
    [
        ("audio/x-mulaw;rate=8000", 800),
        ("audio/L16;rate=8000", 1600),
        ("audio/L16;rate=16000", 3200),
        ("audio/L16;rate=24000", 4800),
    ],
)
async def test_a_one_way_stream_has_every_format_too(
    tmp_path: Path, media_format: str, chunk_bytes: int
) -> None:
    """BX-1: beside a bot of another format."""

    async def hear(call: BotCall) -> None:
        await call.until("media", 3)
        await call.close()

    async with scripted_bot() as bot, scripted_bot(hear) as ear, file_calls(tmp_path) as house:
        call = house.dial(bot.url)
        await fork(call, ear.url, media_format=media_format)
        await ear.ended()
        call.hang_up()
        await call.record()
    sizes = {len(call.audio()) // len(call.said("media")) for call in ear.calls}
    assert sizes == {chunk_bytes}
    assert len(bot.call.audio()) == 1600 * len(bot.call.said("media"))


async def test_a_track_that_is_asked_for_by_name_is_said(tmp_path: Path) -> None:
    """BX-2: `media.track`; nothing of it by default."""

    async def hear(call: BotCall) -> None:
        await call.until("media", 2)
        await call.close()

    async with scripted_bot(hear) as bot, file_calls(tmp_path) as house:
        await house.dial(flow(bot.url, track="inbound")).record()
        await house.dial(bot.url).record()
    named, plain = bot.calls
    assert [m["media"]["track"] for m in named.said("media")] == ["inbound", "inbound"]
    assert all(set(m["media"]) == {"chunk", "timestamp", "payload"} for m in plain.said("media"))


async def test_custom_parameters_by_comma_and_in_connected(tmp_path: Path) -> None:
    """BX-3, CX-11, CX-12."""

    async def hear(call: BotCall) -> None:
        await call.until("start")
        await call.close()

    async with scripted_bot(hear) as bot, file_calls(tmp_path) as house:
        settings = {"custom_parameters": "lang=hi, tier=gold"}
        await house.dial(flow(f"{bot.url}?order=7781", **settings)).record()
        settings["custom_parameters_in"] = "connected"
        await house.dial(flow(f"{bot.url}?order=7781", **settings)).record()
    pairs = {"order": "7781", "lang": "hi", "tier": "gold"}
    first, second = bot.calls
    assert first.texts[0] == '{"event":"connected"}'
    assert first.start["custom_parameters"] == pairs
    assert second.said("connected") == [{"event": "connected", "custom_parameters": pairs}]
    assert "custom_parameters" not in second.start


async def test_marks_and_clears_say_what_was_heard(tmp_path: Path) -> None:
    """OP-7, AS-128: by setting; a clear is answered, a mark that was dropped says so."""

    async def talk(call: BotCall) -> None:
        await call.media(LOUD * 8 * 100)
        await call.mark("heard")
        await call.until("mark")
        await call.media(LOUD * 8 * 5_000)
        await call.mark("dropped")
        await call.send({"event": "clear"})
        await call.until("cleared")
        await call.until("mark", 2)
        await call.close()

    settings = {
        "marks_carry_played_ms": True,
        "marks_carry_cleared": True,
        "acknowledge_clear": True,
    }
    async with scripted_bot(talk) as bot, file_calls(tmp_path) as house:
        await house.dial(flow(bot.url, **settings)).record()
    heard, dropped = (message["mark"] for message in bot.call.said("mark"))
    assert heard == {"name": "heard", "played_ms": "100"}
    assert (dropped["name"], dropped["cleared"]) == ("dropped", True)
    (cleared,) = bot.call.said("cleared")
    assert cleared["cleared"]["played_ms"] == dropped["played_ms"]
    assert 4_800 <= int(cleared["cleared"]["dropped_ms"]) <= 5_000
    numbers = [int(m["sequence_number"]) for m in bot.call.messages[1:]]
    assert numbers == list(range(1, len(numbers) + 1))


async def test_the_name_of_a_mark_has_a_limit_by_setting(tmp_path: Path) -> None:
    """AS-117: a longer one is not echoed, and told once."""

    async def talk(call: BotCall) -> None:
        await call.until("start")
        for name in ("x" * 257, "x" * 256, "y" * 257):
            await call.mark(name)
        await call.mark("end")
        await call.until("mark", 2)
        await call.close()

    async with scripted_bot(talk) as bot, file_calls(tmp_path) as house:
        call = house.dial(flow(bot.url, max_mark_chars=256))
        await call.record()
    assert bot.call.marks() == ["x" * 256, "end"]
    assert call.warnings == ["a mark's name has 257 characters; 256 are allowed: no echo"]


async def test_control_events_are_acknowledged_with_their_reasons(tmp_path: Path) -> None:
    """OP-1: accepted or refused, with the id that came; what is accepted goes to the call."""

    async def talk(call: BotCall) -> None:
        await call.until("start")
        await call.send({"event": "send_dtmf", "send_dtmf": {"id": 1, "digits": "12#"}})
        await call.send({"event": "transfer", "transfer": {"id": "b", "to": "nobody"}})
        await call.media(LOUD * 8 * 300)
        await call.mark("goodbye")
        await call.send({"event": "hangup", "hangup": {"after_mark": "goodbye"}})
        await call.send({"event": "hangup", "hangup": {"id": "again"}})
        await call.until("ack", 4)
        await call.until("mark")
        await call.close()

    async with scripted_bot(talk) as bot, file_calls(tmp_path) as house:
        call = house.dial(flow(bot.url, control_events=True))
        heard = await call.heard()
    keys, nobody, bye, again = (message["ack"] for message in bot.call.said("ack"))
    assert keys == {"event": "send_dtmf", "id": 1, "status": "accepted"}
    assert (nobody["id"], nobody["status"]) == ("b", "refused")
    assert nobody["reason"].startswith("transfer.to")
    assert bye == {"event": "hangup", "status": "accepted"}
    assert (again["id"], again["reason"]) == ("again", "the call is being hung up")
    assert bot.call.marks() == ["goodbye"]
    loud = [at for at in range(0, len(heard), 2) if heard[at : at + 2] != bytes(2)]
    assert loud[-1] - loud[0] >= 2 * 8 * 300 - 2, "the farewell is heard, tones or not"
    assert call.warnings[:-1] == []


async def test_a_bot_that_crashes_comes_back_to_its_caller(tmp_path: Path) -> None:
    """OP-10, AS-168: the same stream on a second socket; hold sound, keys and one result."""
    hold = tmp_path / "hold.wav"
    write_wav(hold, HOLD * 8 * 200)

    async def talk(call: BotCall) -> None:
        start = await call.until("start")
        if "resumed" not in start["start"]:
            await call.media(LOUD * 8 * 200)
            await call.mark("heard")
            await call.until("mark")
            call.socket.transport.abort()
            return
        await call.until("dtmf")
        await call.media(LOUD * 8 * 100)
        await call.mark("again")
        await call.until("mark")
        await call.close()

    settings = {
        "reconnect_attempts": 2,
        "reconnect_delay_ms": 900,
        "hold_audio": str(hold),
    }
    async with scripted_bot(talk) as bot, file_calls(tmp_path) as house:
        call = house.dial(flow(bot.url, **settings), digits=((800, "5"),))
        heard, record = await call.heard(), await call.record()
    first, second = (one.start for one in bot.calls)
    assert "resumed" not in first
    assert second["stream_sid"] == first["stream_sid"] == second["resume_token"]
    assert first["resume_token"] == second["resume_token"]
    assert (second["resumed"], second["played_ms"]) == (True, "200")
    assert [m["sequence_number"] for m in bot.calls[1].messages[1:3]] == ["1", "2"]
    assert bot.calls[1].said("dtmf")[0]["dtmf"]["digit"] == "5"
    assert heard.count(LOUD) == 8 * 300
    assert heard.count(HOLD) >= 8 * 400, "it plays again and again"
    (stream,) = record.streams
    assert (stream.outcome.status, stream.outcome.disconnected_by) == ("completed", "bot")
    attempts = [note.attempt for note in call.notes if isinstance(note, feed.StreamConnected)]
    assert attempts == [1, 2]
    assert call.warnings[0] == "the bot broke off and is dialled again: 1006"
    assert call.warnings[1].startswith("the bot is back after ")


async def test_a_bot_that_does_not_come_back_has_failed(tmp_path: Path) -> None:
    """OP-10, ST-32: every attempt is told; the result is that of the crash."""

    async def crash(call: BotCall) -> None:
        await call.until("start")
        await call.close(1011, "no memory")

    async with file_calls(tmp_path) as house:
        async with scripted_bot(crash) as bot:
            call = house.dial(flow(bot.url, reconnect_attempts=2, reconnect_delay_ms=300))
            await bot.ended()
        outcome = (await call.stream()).outcome
    assert (outcome.status, outcome.disconnected_by) == ("failed", "bot")
    assert outcome.error.startswith("1011")
    failed = [note.attempt for note in call.notes if isinstance(note, feed.StreamAttemptFailed)]
    assert failed == [2, 3]


async def test_a_caller_may_leave_while_the_bot_is_away(tmp_path: Path) -> None:
    """OP-10: as cancelled, by the user."""

    async def crash(call: BotCall) -> None:
        await call.until("media")
        await call.close(1012)

    async with scripted_bot(crash) as bot, file_calls(tmp_path) as house:
        call = house.dial(flow(bot.url, reconnect_attempts=1, reconnect_delay_ms=30_000))
        await bot.ended()
        await until(lambda: bool(call.warnings))
        call.hang_up()
        outcome = (await call.stream()).outcome
    assert (outcome.status, outcome.disconnected_by) == ("cancelled", "user")
    assert len(bot.calls) == 1


async def test_a_second_address_is_dialled_when_the_first_is_not_reached(tmp_path: Path) -> None:
    """OP-10: after the first one's own retries."""

    async def hear(call: BotCall) -> None:
        await call.until("start")
        await call.close()

    async with scripted_bot() as gone:
        pass
    async with scripted_bot(hear) as bot, file_calls(tmp_path) as house:
        call = house.dial(flow(gone.url, fallback_url=f"{bot.url}?order=7781"))
        outcome = (await call.stream()).outcome
    assert (outcome.status, outcome.url) == ("completed", f"{bot.url}?order=7781")
    assert bot.call.start["custom_parameters"] == {"order": "7781"}


async def test_nothing_of_the_extensions_is_on_the_wire_by_default(tmp_path: Path) -> None:
    """AS-105, AS-106, OP-1: what extensions would answer is not even read."""
    asked: list[dict[str, Any]] = [
        {"event": "hangup", "hangup": {}},
        {"event": "transfer", "transfer": {"to": "+14155550100"}},
        {"event": "send_dtmf", "send_dtmf": {"digits": "1"}},
        {"event": "clear"},
    ]

    async def talk(call: BotCall) -> None:
        await call.until("start")
        for message in asked:
            await call.send(message)
        await call.mark("end")
        await call.until("mark")
        await call.close()

    async with scripted_bot(talk) as bot, file_calls(tmp_path) as house:
        call = house.dial(bot.url, digits=((60, "5"),))
        await call.record()
    events = {message["event"] for message in bot.call.messages}
    assert events <= {"connected", "start", "media", "mark", "dtmf"}
    assert set(bot.call.start) == {
        *("stream_sid", "call_sid", "account_sid", "from", "to", "media_format")
    }
