"""Streams of a steered leg, and the greeting that the bot takes over from."""

from dataclasses import replace
from typing import Any

import pytest

from agentstream.base.errors import CommandError
from agentstream.base.ids import StreamSid
from agentstream.calls import effects
from agentstream.calls.reports import (
    StreamOutcome,
)
from agentstream.flows.legs.playback import NEXT_ITEM_MS
from agentstream.flows.legs.settings import LegSettings
from agentstream.flows.legs.verbs import (
    Message,
    PlaySequence,
    StartRecording,
    StartStream,
    StopSay,
    StopStream,
)
from agentstream.testing.calls import LEG
from agentstream.testing.leg_world import BOT, EAR, GONE, HELLO, LegWorld, facts_of


def test_a_stream_is_initiated_started_and_stopped_ex_19_ex_30_ex_41(world: LegWorld) -> None:
    action_sid = world.act(BOT)
    world.open_stream()
    world.end_stream(GONE)
    initiated, started, stopped = world.tales()
    assert {one.action_sid for one in (initiated, started, stopped)} == {action_sid}
    sid = facts_of(initiated)["stream_sid"]
    assert facts_of(initiated) == {
        "stream_sid": sid,
        "stream_type": "bidirectional",
        "stream_url": "wss://bot.example/ws",
        "streaming_leg_sid": LEG,
    }
    assert (started.name, facts_of(started)) == ("stream_started", {"stream_sid": sid})
    assert stopped.name == "stream_stopped"
    assert facts_of(stopped) == {"stream_sid": sid, "reason": "client_closed"}


def test_a_stream_that_does_not_open_leaves_the_leg_up_ex_42(world: LegWorld) -> None:
    world.act(BOT)
    world.end_stream(StreamOutcome("failed", error="3009 failed to establish ws conn"))
    tale = world.tales()[-1]
    assert tale.name == "stream_failed_to_start"
    assert tale.error is not None
    assert tale.error.code == 3009
    world.act(StartStream("wss://other.example/ws"))
    world.open_stream()
    assert world.told() == ["stream_initiated", "stream_started"]


def test_bots_have_five_seconds_and_one_attempt_ex_42(world: LegWorld) -> None:
    world.act(BOT)
    (started,) = [one for one in world.story if isinstance(one, effects.StartStream)]
    assert dict(started.spec.overrides) == {"connect_timeout_ms": "5000", "connect_retries": "0"}


def test_the_format_and_the_silence_on_keys_reach_the_wire_lg_87_ex_43(world: LegWorld) -> None:
    alaw = StartStream("wss://bot.example/ws", format="audio/x-alaw;rate=8000", secure_dtmf=True)
    world.act(alaw)
    (started,) = [one for one in world.story if isinstance(one, effects.StartStream)]
    overrides = dict(started.spec.overrides)
    assert overrides["media_format"] == "audio/x-alaw;rate=8000"
    assert overrides["dtmf_handling"] == "hide"


@pytest.mark.parametrize(("source", "track"), [("in", "inbound"), ("out", "outbound")])
def test_a_one_way_stream_carries_one_side_ex_44(world: LegWorld, source: Any, track: str) -> None:
    world.act(StartStream("wss://ear.example/ws", two_way=False, source=source))
    (started,) = [one for one in world.story if isinstance(one, effects.StartStream)]
    assert (started.spec.track, started.spec.two_way) == (track, False)


def test_one_bot_speaks_and_some_listen_lg_102(world: LegWorld) -> None:
    world.act(BOT)
    for _ in range(3):
        world.act(EAR)
    with pytest.raises(CommandError, match="a bot already speaks"):
        world.act(BOT)
    world.open_stream()
    world.tales()
    world.act(StopStream())
    world.end_stream(StreamOutcome("cancelled", "NA"))
    assert world.told() == ["stream_stopped"] * 4


def test_a_stream_beyond_what_a_call_can_have_fails_lg_102_ex_47(world: LegWorld) -> None:
    for _ in range(5):
        world.act(EAR)
    names = world.told()
    assert names == ["stream_initiated"] * 4 + ["stream_failed_to_start"]


def test_one_of_several_streams_is_stopped_by_its_sid_ex_20(world: LegWorld) -> None:
    world.act(BOT)
    world.act(EAR)
    world.open_stream()
    sid = next(facts_of(one)["stream_sid"] for one in world.tales() if one.name == "stream_started")
    world.act(StopStream(StreamSid(str(sid))))
    ended = [one for one in world.story if isinstance(one, effects.EndStream)]
    assert [one.stream_sid for one in ended] == [sid]


def test_a_bot_replaces_another_once_that_one_has_gone(world: LegWorld) -> None:
    world.act(BOT)
    world.open_stream()
    world.tales()
    world.act(StopStream(), StartStream("wss://other.example/ws"))
    assert world.told() == []
    world.end_stream(StreamOutcome("completed", "NA"))
    assert world.told() == ["stream_stopped", "stream_initiated"]


def test_greeting_and_stream_begin_together_and_the_bots_word_ends_it_lg_120_lg_123(
    world: LegWorld,
) -> None:
    stream = world.act(BOT)
    say = world.act(HELLO)
    world.begin_prompt()
    world.open_stream()
    assert world.told() == ["stream_initiated", "say_started", "stream_started"]
    world.bot_speaks()
    assert [(tale.name, tale.action_sid) for tale in world.tales()] == [("say_interrupted", say)]
    world.act(StopSay())
    assert world.told() == []
    assert stream != say


def test_a_stream_may_bring_its_greeting(world: LegWorld) -> None:
    """One action does the whole recipe."""
    world.act(replace(BOT, greeting=HELLO))
    world.begin_prompt()
    world.open_stream()
    world.bot_speaks()
    assert world.told() == [
        "stream_initiated",
        "say_started",
        "stream_started",
        "say_interrupted",
    ]


def test_only_a_bots_first_word_ends_a_playback_lg_123(world: LegWorld) -> None:
    world.act(BOT)
    world.open_stream()
    world.bot_speaks()
    world.act(HELLO)
    world.begin_prompt()
    world.bot_speaks()
    assert "say_interrupted" not in world.told()


def test_greeting_and_bot_may_be_mixed_by_setting_lg_123() -> None:
    world = LegWorld(LegSettings(greeting_overlap="mix"))
    world.up()
    world.act(BOT)
    world.act(HELLO)
    world.begin_prompt()
    world.open_stream()
    world.bot_speaks()
    assert "say_interrupted" not in world.told()


@pytest.fixture
def queueing() -> LegWorld:
    world = LegWorld(LegSettings(greeting_overlap="queue"))
    world.up()
    return world


def waits(world: LegWorld) -> list[int]:
    """Return how long bots wait after each prompt."""
    return [one.bots_wait_ms for one in world.story if isinstance(one, effects.PlayPrompt)]


def test_a_bot_waits_for_the_end_of_the_greeting_by_setting_lg_123(queueing: LegWorld) -> None:
    queueing.act(BOT)
    queueing.act(HELLO)
    queueing.begin_prompt()
    queueing.open_stream()
    queueing.end_prompt()
    queueing.bot_speaks()
    assert queueing.told()[-1] == "say_completed"
    queueing.act(HELLO)  # no greeting any more
    assert waits(queueing) == [1, 0]


def test_a_bot_waits_between_the_parts_of_a_greeting_lg_123(queueing: LegWorld) -> None:
    queueing.act(PlaySequence((HELLO, HELLO)))
    queueing.end_prompt()
    assert waits(queueing) == [NEXT_ITEM_MS, 1]


def test_a_greeting_that_is_not_ready_when_the_bot_speaks_is_left_out_lg_123(
    queueing: LegWorld,
) -> None:
    queueing.act(replace(BOT, greeting=HELLO))
    queueing.open_stream()
    queueing.bot_speaks()
    assert queueing.told()[-1] == "say_interrupted"


def test_a_beep_lets_no_bot_wait_lg_123(queueing: LegWorld) -> None:
    queueing.act(StartRecording(message=Message()))
    assert waits(queueing) == [0]
