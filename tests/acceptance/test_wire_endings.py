"""How a stream ends, on the wire and in the call's record: whoever ends it, cleanly or not."""

import asyncio
from pathlib import Path

import pytest

from agentstream.calls.events import StreamFinished
from agentstream.calls.record import StreamRecord
from agentstream.switch.perform import Performer
from agentstream.testing.file_calls import FileCall, file_calls
from agentstream.testing.scripted_bot import BotCall, ScriptedBot, listen, scripted_bot
from agentstream.testing.waiting import until

pytestmark = pytest.mark.acceptance

FLOW = """
name: settings
start: talk
applets:
  talk: {type: voicebot, url: "%s", settings: {%s}}
"""
TWO_BOTS = """
name: two
start: first
applets:
  first: {type: voicebot, url: "%s", next: second, on_stream_failure: %s}
  second: {type: voicebot, url: "%s"}
"""
LOUD = b"\x01\x10"


def said(ms: int) -> bytes:
    return LOUD * (8 * ms)


async def leave(call: BotCall) -> None:
    await call.until("media")
    await call.close()


async def crash(call: BotCall) -> None:
    await call.until("media")
    call.socket.transport.abort()


async def talking(bot: ScriptedBot, count: int = 1) -> None:
    """Wait until the bot hears its caller."""
    await until(lambda: sum(bool(call.said("media")) for call in bot.calls) >= count, 20_000)


def verdict(stream: StreamRecord) -> tuple[str, str, str]:
    """Return Status, DisconnectedBy and the beginning of Error."""
    outcome = stream.outcome
    return outcome.status, outcome.disconnected_by, outcome.error[:4]


async def test_a_caller_who_hangs_up_is_told_as_callended_then_closed(tmp_path: Path) -> None:
    """AS-98 to AS-100, AS-167, CX-14, ST-13, ST-30: `stop` is the last message."""
    async with scripted_bot(listen) as bot, file_calls(tmp_path) as house:
        call = house.dial(bot.url)
        await talking(bot)
        call.hang_up()
        stream = await call.stream()
        await bot.ended()
    last = bot.call.messages[-1]
    assert last == {
        "event": "stop",
        "sequence_number": str(len(bot.call.messages) - 1),
        "stream_sid": stream.stream_sid,
        "stop": {"call_sid": call.call_sid, "account_sid": "greenleaf1", "reason": "callended"},
    }
    assert len(bot.call.said("stop")) == 1
    assert bot.call.code == 1000
    assert verdict(stream) == ("cancelled", "user", "")
    assert (await call.record()).ended_by.value == "caller"


async def test_the_limit_of_a_stream_stops_it_and_the_flow_goes_on(tmp_path: Path) -> None:
    """AS-48, AS-99, ST-14, ST-20, ST-31: `stopped`, 1000, `completed`, `NA`."""
    document = TWO_BOTS.replace("next:", "settings: {max_seconds: 1}, next:")
    async with (
        scripted_bot(listen) as bot,
        scripted_bot(leave) as other,
        file_calls(tmp_path) as house,
    ):
        record = await house.dial(document % (bot.url, "continue", other.url)).record()
        await bot.ended()
    assert bot.call.messages[-1]["stop"]["reason"] == "stopped"
    assert bot.call.code == 1000
    assert verdict(record.streams[0]) == ("completed", "NA", "")
    assert record.streams[0].outcome.duration_s == 1
    assert len(other.calls) == 1


async def test_the_time_of_the_flow_and_of_the_call_end_it_too(tmp_path: Path) -> None:
    """AS-49, ST-14: the lowest limit wins."""
    short = FLOW.replace("start:", "timeout_seconds: 1\nstart:")
    async with scripted_bot(listen) as bot:
        async with file_calls(tmp_path) as house:
            flow = await house.dial(short % (bot.url, "")).record()
        async with file_calls(tmp_path, limits={"calls": 12, "call_seconds": 1}) as house:
            call = await house.dial(bot.url).record()
        await bot.ended(2)
    for seen, record in zip(bot.calls, (flow, call), strict=True):
        assert seen.messages[-1]["stop"]["reason"] == "stopped"
        assert seen.code == 1000
        assert verdict(record.streams[0]) == ("completed", "NA", "")
        assert record.ended_by.value == "system"


async def test_a_server_that_stops_says_so_and_closes_with_1001(tmp_path: Path) -> None:
    """AS-167, ST-18."""
    async with scripted_bot(listen) as bot, file_calls(tmp_path) as house:
        call = house.dial(bot.url)
        await talking(bot)
        await house.house.parts.switchboard.drain(timeout_ms=0)
        stream = await call.stream()
        await bot.ended()
    assert bot.call.messages[-1]["stop"]["reason"] == "stopped"
    assert bot.call.code == 1001
    assert verdict(stream) == ("completed", "NA", "")


async def test_a_fault_of_ours_closes_with_1011(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AS-167: the call ends at once, and its record says that it was us."""

    def fail(*_: object) -> None:
        raise RuntimeError("a bug")

    async with scripted_bot(listen) as bot, file_calls(tmp_path) as house:
        call = house.dial(bot.url, digits=tuple((at_ms, "1") for at_ms in range(300, 9_000, 500)))
        await talking(bot)
        monkeypatch.setattr(Performer, "tell_stream", fail)
        record = await call.record()
        await bot.ended()
    assert bot.call.code == 1011
    assert (record.cause.value, record.ended_by.value) == ("internal-error", "system")
    assert record.streams[0].outcome.status == "failed"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (1000, ("completed", "bot", "")),
        (1001, ("completed", "bot", "")),
        (1002, ("failed", "bot", "1002")),
        (1003, ("failed", "bot", "1003")),
        (1007, ("failed", "bot", "1007")),
        (1008, ("failed", "bot", "1008")),
        (1009, ("failed", "bot", "1009")),
        (1011, ("failed", "bot", "1011")),
        (1012, ("failed", "bot", "1012")),
        (1013, ("failed", "bot", "1013")),
        (3000, ("completed", "bot", "3000")),
        (4400, ("completed", "bot", "4400")),
    ],
)
async def test_a_bot_that_closes_is_recorded_with_its_code(
    tmp_path: Path, code: int, expected: tuple[str, str, str]
) -> None:
    """AS-101, AS-165, AS-169, CX-16, ST-15, ST-16, ST-21, ST-30, ST-32: no `stop` can be told."""

    async def close(call: BotCall) -> None:
        await call.until("media")
        await call.close(code, "so it is")

    async with scripted_bot(close) as bot, file_calls(tmp_path) as house:
        call = house.dial(bot.url)
        stream = await call.stream()
        record = await call.record()
    assert verdict(stream) == expected
    if expected[2]:
        assert "so it is" in stream.outcome.error
    assert not bot.call.said("stop")
    assert len(bot.calls) == 1, "AS-168: a stream that has ended is not opened again"
    assert record.status == "completed"


async def test_a_bot_that_dies_is_1006_and_is_not_dialled_again(tmp_path: Path) -> None:
    """AS-165, AS-168, ST-16, ST-32."""
    async with scripted_bot(crash) as bot, file_calls(tmp_path) as house:
        stream = await house.dial(bot.url).stream()
    assert verdict(stream) == ("failed", "bot", "1006")
    assert len(bot.calls) == 1


async def test_a_crash_may_count_as_a_farewell(tmp_path: Path) -> None:
    """ST-32: by setting."""
    async with scripted_bot(crash) as bot, file_calls(tmp_path) as house:
        stream = await house.dial(FLOW % (bot.url, "abnormal_close: completed")).stream()
    assert verdict(stream) == ("completed", "bot", "1006")


async def test_after_the_bot_the_flow_goes_on_or_hangs_up(tmp_path: Path) -> None:
    """AS-169, AS-170, CX-13, ST-20, ST-51, ST-52: after a farewell, a crash, and no bot."""
    nobody = "ws://127.0.0.1:1/"
    async with scripted_bot(leave) as bot, scripted_bot(crash) as broken, file_calls(tmp_path) as h:
        farewell = await h.dial(TWO_BOTS % (bot.url, "continue", bot.url)).record()
        fallback = await h.dial(TWO_BOTS % (broken.url, "continue", bot.url)).record()
        unreached = await h.dial(TWO_BOTS % (nobody, "continue", bot.url)).record()
        hung_up = await h.dial(TWO_BOTS % (broken.url, "hangup", bot.url)).record()
        only = await h.dial(bot.url).record()
    records = (farewell, fallback, unreached, hung_up, only)
    assert [[one.outcome.status for one in record.streams] for record in records] == [
        ["completed", "completed"],
        ["failed", "completed"],
        ["failed", "completed"],
        ["failed"],
        ["completed"],
    ]
    assert len({stream.stream_sid for record in records for stream in record.streams}) == 8
    assert hung_up.cause.value == "stream-failed"
    assert only.ended_by.value == "bot"


async def farewell(tmp_path: Path, ms: int, code: int, settings: str = "") -> tuple[FileCall, int]:
    """Let a bot say something and close at once; returns how many ms of it were heard."""

    async def talk(call: BotCall) -> None:
        await call.until("media")
        await call.media(said(ms))
        await call.close(code)

    async with scripted_bot(talk) as bot, file_calls(tmp_path) as house:
        call = house.dial(FLOW % (bot.url, settings))
        heard = await call.heard()
    return call, heard.count(LOUD) // 8


async def test_a_farewell_is_heard_to_its_end(tmp_path: Path) -> None:
    """ST-15, ST-33."""
    call, heard_ms = await farewell(tmp_path, 600, 1000)
    assert heard_ms == 600
    assert verdict(await call.stream()) == ("completed", "bot", "")


async def test_how_long_a_farewell_may_last_is_a_setting(tmp_path: Path) -> None:
    """ST-33: 2 s unless set; 0 cuts at once, and a crash is always cut."""
    _, cut_ms = await farewell(tmp_path, 5_000, 1000, "drain_on_close_ms: 300")
    assert 200 <= cut_ms < 2_000
    _, at_once_ms = await farewell(tmp_path, 5_000, 1000, "drain_on_close_ms: 0")
    assert at_once_ms < 1_000
    _, crashed_ms = await farewell(tmp_path, 5_000, 1011)
    assert crashed_ms < 1_000


@pytest.mark.parametrize(("setting", "is_heard"), [("drain", True), ("flush", False)])
async def test_a_bot_that_says_stop_ends_gracefully(
    tmp_path: Path, setting: str, is_heard: bool
) -> None:
    """AS-116, ST-17: what is queued is heard, or not, by setting; then 1000, and no `stop` back."""

    async def talk(call: BotCall) -> None:
        await call.until("media")
        await call.media(said(800))
        await call.send({"event": "stop", "stream_sid": call.start["stream_sid"]})

    async with scripted_bot(talk) as bot, file_calls(tmp_path) as house:
        call = house.dial(FLOW % (bot.url, f"on_bot_stop: {setting}"))
        heard = await call.heard()
        await bot.ended()
    assert (heard.count(LOUD) == 8 * 800) is is_heard
    assert bot.call.code == 1000
    assert verdict(await call.stream()) == ("completed", "bot", "")


async def test_waiting_marks_are_forgotten_when_the_stream_ends(tmp_path: Path) -> None:
    """AS-129: `stop` is the last message."""

    async def talk(call: BotCall) -> None:
        await call.media(said(30_000))
        await call.mark("never")

    async with scripted_bot(talk) as bot, file_calls(tmp_path) as house:
        call = house.dial(bot.url)
        await talking(bot)
        call.hang_up()
        await call.record()
        await bot.ended()
    assert bot.call.marks() == []
    assert bot.call.messages[-1]["event"] == "stop"


async def test_a_bot_that_does_not_reply_to_the_close_does_not_hold_the_call(
    tmp_path: Path,
) -> None:
    """AS-100: 5 s unless set."""
    released = asyncio.Event()

    async def stuck(call: BotCall) -> None:
        await call.until("media")
        call.socket.transport.pause_reading()
        await released.wait()

    async with scripted_bot(stuck) as bot, file_calls(tmp_path) as house:
        call = house.dial(FLOW % (bot.url, "close_reply_ms: 100"))
        await talking(bot)
        call.hang_up()
        await until(lambda: any(isinstance(note, StreamFinished) for note in call.notes), 15_000)
        released.set()
        bot.call.socket.transport.abort()
        stream = await call.stream()
    assert verdict(stream) == ("cancelled", "user", "")
