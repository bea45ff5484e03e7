"""Legs that are steered: their lives, and what becomes of each verb, in virtual time."""

from typing import Any

import pytest

from agentstream.base.errors import CommandError
from agentstream.calls import effects
from agentstream.calls.causes import Cause, Party
from agentstream.calls.commands import AudioFile, Speech
from agentstream.calls.events import LegTold
from agentstream.calls.reports import LegPlaced, StreamEnded, StreamOutcome
from agentstream.flows.legs.settings import LegSettings
from agentstream.flows.legs.verbs import (
    Acknowledged,
    Answer,
    Dial,
    Gather,
    Hangup,
    Hold,
    JoinBridge,
    Mute,
    PlaySequence,
    SendDigits,
    StartPlay,
    StartRecording,
    StartSay,
    StartStream,
    StopPlay,
    StopRecording,
    StopSay,
    StopStream,
    UnHold,
    UnMute,
)
from agentstream.testing.calls import LEG
from agentstream.testing.leg_world import LegWorld

HELLO = StartSay(Speech("hello"))
SAY = StartSay(Speech("hello"), is_awaited=True)
SONG = StartPlay(AudioFile("https://sounds.example/song.mp3"), loops=0)
BOT = StartStream("wss://bot.example/ws")
EAR = StartStream("wss://ear.example/ws", two_way=False, source="both")
AGENT = Dial("+919876500002", "+918040000002", custom_param="agent 7")
GONE = StreamOutcome("completed", "bot")


@pytest.fixture
def world() -> LegWorld:
    world = LegWorld()
    world.up()
    return world


def data(tale: LegTold) -> dict[str, Any]:
    return dict(tale.data)


# A leg's life


def test_a_leg_that_is_placed_connects_rings_answers_and_ends_ev_1_ev_4_ev_5() -> None:
    world = LegWorld()
    world.ring()
    assert world.told() == ["leg_connecting", "leg_ringing"]
    world.answer()
    assert world.told() == ["leg_answered"]
    world.wait(61_500)
    world.end_leg()
    (tale,) = world.tales()
    assert tale.name == "leg_terminated"
    assert data(tale) == {
        "terminal_status": "completed",
        "reason": "normal",
        "sip_code": None,
        "hangup_by": "remote",
        "duration": 61,
    }
    world.obey()
    assert world.watch.ended is not None
    assert world.told() == []


@pytest.mark.parametrize(
    ("rings", "cause", "name", "status", "code"),
    [
        (True, Cause.BUSY, "leg_terminated", "busy", 486),
        (True, Cause.NO_ANSWER, "leg_terminated", "no-answer", 480),
        (True, Cause.REJECTED, "leg_terminated", "failed", 603),
        (False, Cause.BUSY, "leg_failed_to_create", "busy", 486),
        (False, Cause.NOT_FOUND, "leg_failed_to_create", "failed", 404),
    ],
)
def test_a_leg_that_is_not_answered_ends_by_one_of_two_events_ev_4_ev_8(
    rings: bool, cause: Cause, name: str, status: str, code: int
) -> None:
    world = LegWorld()
    if rings:
        world.ring()
    else:
        world.happens(LegPlaced(LEG, "+919876500001"))
    world.tales()
    world.end_leg(cause)
    (tale,) = world.tales()
    assert (tale.name, data(tale)["terminal_status"], data(tale)["sip_code"]) == (
        name,
        status,
        code,
    )
    assert (tale.error is not None) == (name == "leg_failed_to_create")


def test_a_leg_that_comes_in_is_answered_after_a_while_lg_112_lg_113_lc_14() -> None:
    world = LegWorld(inbound=True)
    world.ring()
    assert world.told() == ["leg_connecting", "leg_ringing"]
    assert any(isinstance(one, effects.RingLeg) for one in world.story)
    world.wait(1_499)
    assert not any(isinstance(one, effects.AnswerLeg) for one in world.story)
    world.wait(1)
    assert any(isinstance(one, effects.AnswerLeg) for one in world.story)
    world.answer()
    assert world.told() == ["leg_answered"]


def test_a_leg_that_comes_in_is_answered_once_its_ringing_is_acknowledged_lg_112() -> None:
    world = LegWorld(inbound=True)
    world.ring()
    world.happens(Acknowledged(LEG))
    world.happens(Acknowledged(LEG))
    action_sid = world.act(Answer())
    answers = [one for one in world.story if isinstance(one, effects.AnswerLeg)]
    assert len(answers) == 1
    world.answer()
    (tale,) = [tale for tale in world.tales() if tale.name == "leg_answered"]
    assert tale.action_sid == action_sid
    world.act(Answer())
    assert world.told() == []


def test_an_answer_may_be_left_to_the_app_lg_111_lg_112_ex_10() -> None:
    world = LegWorld(LegSettings(answers="manual"), inbound=True)
    world.ring()
    world.happens(Acknowledged(LEG))
    world.wait(20_000)
    world.tales()
    action_sid = world.act(Answer(), HELLO)
    world.answer()
    world.begin_prompt()
    answered, started = world.tales()
    assert (answered.name, answered.action_sid) == ("leg_answered", action_sid)
    assert (started.name, started.verb_index) == ("say_started", 1)


def test_a_leg_that_nobody_answers_is_given_up_lg_112() -> None:
    world = LegWorld(LegSettings(answers="manual", manual_answer_ms=9_000), inbound=True)
    world.ring()
    world.wait(9_000)
    (tale,) = world.tales()[2:]
    assert (tale.name, data(tale)["terminal_status"]) == ("leg_terminated", "no-answer")
    assert data(tale)["hangup_by"] == "platform"


def test_nothing_but_answer_and_hangup_can_be_done_before_the_answer_lg_106() -> None:
    world = LegWorld(inbound=True)
    world.ring()
    with pytest.raises(CommandError, match="not answered yet"):
        world.act(HELLO)
    placed = LegWorld()
    placed.ring()
    with pytest.raises(CommandError, match="answered by the party"):
        placed.act(Answer())
    placed.tales()
    action_sid = placed.act(Hangup())
    (tale,) = placed.tales()
    assert (tale.name, tale.action_sid) == ("leg_terminated", action_sid)
    assert data(tale)["terminal_status"] == "canceled"


def test_a_hangup_ends_the_leg_and_says_whose_it_was_ex_11(world: LegWorld) -> None:
    action_sid = world.act(Hangup(), custom="bye")
    (tale,) = world.tales()
    assert (tale.name, tale.action_sid, tale.custom) == ("leg_terminated", action_sid, "bye")
    assert data(tale)["hangup_by"] == "local"


def test_an_action_on_a_leg_that_has_ended_is_refused_lg_105(world: LegWorld) -> None:
    world.act(HELLO)
    world.end_leg()
    for verb in (HELLO, StopSay(), Hangup(), Answer()):
        with pytest.raises(CommandError, match="the leg has ended"):
            world.act(verb)


# Plays and says


def test_a_say_starts_when_it_is_heard_and_completes_ex_14(world: LegWorld) -> None:
    action_sid = world.act(HELLO, custom="greeting")
    assert world.told() == []
    world.begin_prompt()
    world.end_prompt()
    tales = world.tales()
    assert [tale.name for tale in tales] == ["say_started", "say_completed"]
    assert {(tale.action_sid, tale.custom) for tale in tales} == {(action_sid, "greeting")}


def test_a_play_that_cannot_be_played_says_so_ex_12_ex_42(world: LegWorld) -> None:
    world.act(SONG)
    world.end_prompt(error="the sound's server answered 404")
    (tale,) = world.tales()
    assert tale.name == "play_failed_to_start"
    assert tale.error is not None
    assert tale.error.description == "the sound's server answered 404"


def test_a_new_playback_interrupts_the_old_one_lg_100(world: LegWorld) -> None:
    first = world.act(SONG)
    world.begin_prompt()
    second = world.act(HELLO)
    world.begin_prompt()
    tales = world.tales()
    assert [(tale.name, tale.action_sid) for tale in tales] == [
        ("play_started", first),
        ("play_interrupted", first),
        ("say_started", second),
    ]
    world.end_prompt()
    assert world.told() == ["say_completed"]


def test_stops_stop_their_own_kind_and_otherwise_do_nothing_ex_13_ex_15_lg_104(
    world: LegWorld,
) -> None:
    for stop in (StopPlay(), StopSay(), StopStream(), StopRecording()):
        world.act(stop)
    assert world.told() == []
    world.act(HELLO)
    world.begin_prompt()
    world.act(StopPlay())
    assert world.told() == ["say_started"]
    world.act(StopSay())
    assert world.told() == ["say_interrupted"]
    world.end_prompt()
    assert world.told() == []


def test_a_sequence_plays_one_after_the_other_ex_16(world: LegWorld) -> None:
    world.act(PlaySequence((HELLO, StartPlay(AudioFile("https://sounds.example/a.mp3")))), BOT)
    for _ in range(2):
        world.begin_prompt()
        world.end_prompt()
    assert world.told() == [
        "say_started",
        "say_completed",
        "play_started",
        "play_completed",
        "stream_initiated",
    ]


# Gather


def test_a_gather_takes_keys_after_its_prompt_ex_17_ex_31(world: LegWorld) -> None:
    world.act(Gather(num_digits=4, prompt=HELLO))
    world.begin_prompt()
    world.end_prompt()
    world.wait(9_999)
    world.press("12")
    world.wait(9_999)
    world.press("34")
    tales = world.tales()
    assert [tale.name for tale in tales] == [
        "gather_initiated",
        "say_started",
        "say_completed",
        "gather_started",
        "gather_success",
    ]
    assert data(tales[-1]) == {"digits": "1234"}
    world.press("5")
    world.wait(60_000)
    assert world.told() == []


def test_a_key_ends_the_prompt_of_a_gather_lg_101(world: LegWorld) -> None:
    world.act(Gather(num_digits=2, prompt=SONG))
    world.begin_prompt()
    world.press("1#")
    tales = world.tales()
    assert [tale.name for tale in tales] == [
        "gather_initiated",
        "play_started",
        "play_interrupted",
        "gather_started",
        "gather_success",
    ]
    assert data(tales[-1]) == {"digits": "1"}


def test_a_gather_without_enough_keys_times_out_with_what_came_ex_47(world: LegWorld) -> None:
    world.act(Gather(num_digits=4, timeout_ms=5_000))
    world.press("12")
    world.wait(5_000)
    tales = world.tales()
    assert [tale.name for tale in tales] == ["gather_initiated", "gather_started", "gather_timeout"]
    assert data(tales[-1]) == {"digits": "12"}


def test_one_gather_at_a_time_lg_101(world: LegWorld) -> None:
    world.act(Gather(num_digits=4))
    with pytest.raises(CommandError, match="a gather runs"):
        world.act(Gather())


def test_a_gather_whose_prompt_fails_does_not_begin_ex_47(world: LegWorld) -> None:
    world.act(Gather(prompt=SONG), HELLO)
    world.end_prompt(error="no such file")
    assert world.told() == ["gather_initiated", "play_failed_to_start", "gather_failed_to_start"]


def test_another_playback_in_place_of_the_prompt_opens_the_gather_lg_100(world: LegWorld) -> None:
    world.act(Gather(prompt=SONG))
    world.begin_prompt()
    world.act(HELLO)
    world.press("7")
    assert world.told() == [
        "gather_initiated",
        "play_started",
        "play_interrupted",
        "gather_started",
        "gather_success",
    ]


# Keys


def test_keys_are_told_once_they_have_sounded_ex_18_ex_31(world: LegWorld) -> None:
    world.act(SendDigits("12"))
    world.act(SendDigits("3", tone_ms=200, gap_ms=50))
    pressed = [one for one in world.story if isinstance(one, effects.PressDigits)]
    assert [(one.digits, one.tone_ms, one.gap_ms) for one in pressed] == [
        ("12", 100, 100),
        ("3", 200, 50),
    ]
    world.wait(400)
    (first,) = world.tales()
    assert (first.name, data(first)) == ("digits_sent", {"digits": "12"})
    world.wait(249)
    assert world.told() == []
    world.wait(1)
    assert world.told() == ["digits_sent"]


# Streams


def test_a_stream_is_initiated_started_and_stopped_ex_19_ex_30_ex_41(world: LegWorld) -> None:
    action_sid = world.act(BOT)
    world.open_stream()
    world.end_stream(GONE)
    initiated, started, stopped = world.tales()
    assert {one.action_sid for one in (initiated, started, stopped)} == {action_sid}
    sid = data(initiated)["stream_sid"]
    assert data(initiated) == {
        "stream_sid": sid,
        "stream_type": "bidirectional",
        "stream_url": "wss://bot.example/ws",
        "streaming_leg_sid": LEG,
    }
    assert (started.name, data(started)) == ("stream_started", {"stream_sid": sid})
    assert stopped.name == "stream_stopped"
    assert data(stopped) == {"stream_sid": sid, "reason": "client_closed"}


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
    assert overrides["dtmf_handling"] == "suppress"


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
    sid = next(data(one)["stream_sid"] for one in world.tales() if one.name == "stream_started")
    world.act(StopStream(sid))
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


# The parallel greeting


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


# Recordings


def test_a_recording_is_started_stopped_and_available_ex_22_ex_23_ex_33(world: LegWorld) -> None:
    world.act(StartRecording("stereo"))
    world.begin_recording()
    with pytest.raises(CommandError, match="recorded already"):  # LG-103
        world.act(StartRecording())
    world.act(StopRecording())
    world.act(StopRecording())
    world.end_recording()
    started, stopped, available = world.tales()
    assert [one.name for one in (started, stopped, available)] == [
        "recording_started",
        "recording_stopped",
        "recording_available",
    ]
    sid = data(started)["recording_sid"]
    assert data(stopped) == {"recording_sid": sid}
    assert data(available) | {"url": ""} == {
        "status": "completed",
        "recording_sid": sid,
        "url": "",
        "duration_ms": 1,
    }


@pytest.mark.parametrize(
    ("verb", "channels"),
    [
        (StartRecording("stereo"), "stereo"),
        (StartRecording("mono"), "mono"),
        (StartRecording("mono", "in"), "heard"),
        (StartRecording("stereo", "out"), "said"),
    ],
)
def test_a_recording_holds_the_sides_that_were_asked_for_ex_22(
    world: LegWorld, verb: StartRecording, channels: str
) -> None:
    world.act(verb)
    (begun,) = [one for one in world.story if isinstance(one, effects.RecordLeg)]
    assert begun.spec.channels == channels


def test_a_recording_is_available_after_the_leg_has_gone(world: LegWorld) -> None:
    world.act(StartRecording())
    world.end_leg()
    assert world.told() == ["recording_started", "recording_stopped", "leg_terminated"]
    world.obey()
    assert world.told() == ["recording_available"]
    assert world.watch.ended is not None


# Mute and hold


def silences(world: LegWorld) -> list[tuple[bool, bool, bool]]:
    found = [one for one in world.story if isinstance(one, effects.SilenceLeg)]
    return [(one.heard, one.said, one.prompts) for one in found]


def test_either_direction_is_muted_and_let_through_again_ex_25_ex_34(world: LegWorld) -> None:
    world.act(Mute("in"))
    world.act(Mute("out"))
    world.act(UnMute("both"))
    assert silences(world) == [(True, False, False), (True, True, True), (False, False, False)]
    tales = world.tales()
    assert [(tale.name, data(tale)["direction"]) for tale in tales] == [
        ("mute_success", "in"),
        ("mute_success", "out"),
        ("unmute_success", "both"),
    ]


def test_a_leg_on_hold_hears_music_and_nobody_hears_it_ex_24(world: LegWorld) -> None:
    world.act(BOT)
    world.act(Mute("in"))
    world.act(Hold())
    assert silences(world)[-1] == (True, True, False)
    with pytest.raises(CommandError, match="on hold already"):
        world.act(Hold())
    world.act(UnHold())
    assert silences(world)[-1] == (True, False, False)
    assert [name for name in world.told() if "hold" in name] == ["hold_success", "unhold_success"]
    with pytest.raises(CommandError, match="not on hold"):
        world.act(UnHold())
    played = [one.prompt_id for one in world.story if isinstance(one, effects.PlayPrompt)]
    stopped = [one.prompt_id for one in world.story if isinstance(one, effects.StopPrompt)]
    assert played == stopped


# Dial


def test_a_dialled_party_is_a_leg_of_its_own_and_talks_ex_21_ex_32_ex_48(world: LegWorld) -> None:
    action_sid = world.act(AGENT)
    second = world.second()
    world.ring_second()
    world.answer_second()
    world.wait(42_000)
    world.end_callee()
    tales = world.tales()
    assert [(tale.name, tale.leg_sid == second) for tale in tales] == [
        ("dial_initiated", False),
        ("leg_connecting", True),
        ("leg_ringing", True),
        ("leg_answered", True),
        ("dial_success", False),
        ("leg_terminated", True),
        ("dial_completed", False),
    ]
    initiated, connecting, *_, completed = tales
    bridge_sid = data(initiated)["bridge_sid"]
    assert data(initiated) == {"bridge_sid": bridge_sid, "second_leg_sid": second}
    assert data(connecting) == {
        "contact_uri": "+919876500002",
        "exophone": "+918040000002",
        "network_type": "pstn",
        "custom_param": "agent 7",
        "parent_leg_sid": LEG,
    }
    assert data(completed) == {
        "second_leg_sid": second,
        "bridge_sid": bridge_sid,
        "duration": 42,
        "status": "completed",
    }
    assert completed.action_sid == action_sid
    assert not world.watch.has_hung_up, "the first leg stays (BR-9)"


@pytest.mark.parametrize(
    ("cause", "status", "code"),
    [(Cause.BUSY, "busy", 486), (Cause.NO_ANSWER, "no-answer", 480), (Cause.FAILED, "failed", 500)],
)
def test_a_party_that_is_not_reached_fails_the_dial_ex_47(
    world: LegWorld, cause: Cause, status: str, code: int
) -> None:
    world.act(AGENT)
    world.ring_second()
    world.end_callee(cause)
    tale = world.tales()[-1]
    assert tale.name == "dial_failed"
    assert (data(tale)["status"], data(tale)["sip_code"]) == (status, code)
    assert tale.error is not None


def test_a_bridge_ends_the_bot_and_the_music_br_10(world: LegWorld) -> None:
    world.act(BOT)
    world.act(EAR)
    world.open_stream()
    world.act(SONG)
    world.act(AGENT)
    world.tales()
    world.answer_second()
    ended = [one for one in world.story if isinstance(one, effects.EndStream)]
    assert len(ended) == 1
    assert world.told() == ["leg_answered", "play_interrupted", "dial_success"]
    sid = ended[0].stream_sid
    world.ends(sid, StreamEnded(sid, StreamOutcome("completed", "NA")))
    (tale,) = world.tales()
    assert (tale.name, data(tale)["reason"]) == ("stream_stopped", "bridged")


def test_keys_do_not_cross_a_bridge_that_absorbs_them_ex_45(world: LegWorld) -> None:
    world.act(Dial("+919876500002", "+918040000002", absorb_dtmf=True))
    world.answer_second()
    (bridge,) = [one for one in world.story if isinstance(one, effects.BridgeLegs)]
    assert not bridge.relays_digits
    world.act(Hold())
    world.act(UnHold())
    bridges = [one for one in world.story if isinstance(one, effects.BridgeLegs)]
    assert [one.relays_digits for one in bridges] == [False, False]


def test_the_second_leg_is_steered_like_the_first(world: LegWorld) -> None:
    world.act(AGENT)
    second = world.second()
    with pytest.raises(CommandError, match="not answered yet"):
        world.act(HELLO, leg_sid=second)
    world.answer_second()
    with pytest.raises(CommandError, match="cannot dial"):
        world.act(AGENT, leg_sid=second)
    world.tales()
    world.act(HELLO, leg_sid=second)
    world.begin_prompt()
    action_sid = world.act(Hangup(), leg_sid=second)
    world.end_callee(party=Party.OPERATOR)
    tales = world.tales()
    assert [(tale.name, tale.leg_sid) for tale in tales] == [
        ("say_started", second),
        ("say_interrupted", second),
        ("leg_terminated", second),
        ("dial_completed", LEG),
    ]
    assert tales[2].action_sid == action_sid
    with pytest.raises(CommandError, match="not part of the call"):
        world.act(HELLO, leg_sid=second)


def test_one_dial_at_a_time_br_9(world: LegWorld) -> None:
    world.act(AGENT)
    with pytest.raises(CommandError, match="already"):
        world.act(AGENT)


def test_a_first_leg_that_goes_ends_the_talk(world: LegWorld) -> None:
    world.act(AGENT)
    world.answer_second()
    world.tales()
    world.end_leg()
    assert world.told() == ["dial_completed", "leg_terminated"]
    world.obey()
    assert world.told() == ["leg_terminated"]
    assert world.watch.ended is not None


# Several verbs


def test_verbs_that_wait_are_done_one_after_the_other_ex_2(world: LegWorld) -> None:
    action_sid = world.act(BOT, SAY, Gather(), Hangup())
    world.begin_prompt()
    assert world.told() == ["stream_initiated", "say_started"]
    world.end_prompt()
    world.press("1")
    tales = world.tales()
    assert [(tale.name, tale.verb_index) for tale in tales] == [
        ("say_completed", 1),
        ("gather_initiated", 2),
        ("gather_started", 2),
        ("gather_success", 2),
        ("stream_stopped", 0),
        ("leg_terminated", 3),
    ]
    assert {tale.action_sid for tale in tales} == {action_sid}


@pytest.mark.parametrize(("goes_on", "more"), [(False, []), (True, ["gather_initiated"])])
def test_a_failed_verb_stops_the_rest_unless_set_otherwise_ex_2(
    goes_on: bool, more: list[str]
) -> None:
    world = LegWorld(LegSettings(continues_on_error=goes_on))
    world.up()
    world.act(SAY, Gather())
    world.end_prompt(error="no voice")
    assert world.told()[:2] == ["say_failed_to_start", *more]


def test_a_verb_that_has_become_impossible_fails_by_its_event_ex_47(world: LegWorld) -> None:
    world.act(SAY, StartRecording(), Hold())
    world.act(StartRecording())
    world.begin_recording()
    world.begin_prompt()
    world.end_prompt()
    assert world.told() == [
        "recording_started",
        "say_started",
        "say_completed",
        "recording_failed_to_start",
    ]


def test_requests_do_not_wait_for_each_other_lg_125(world: LegWorld) -> None:
    world.act(Gather(num_digits=9))
    world.act(Mute("in"))
    world.act(BOT)
    assert world.told() == [
        "gather_initiated",
        "gather_started",
        "mute_success",
        "stream_initiated",
    ]


def test_requests_that_wait_have_a_limit() -> None:
    world = LegWorld(LegSettings(answers="manual"), inbound=True)
    world.ring()
    for _ in range(32):
        world.act(Answer(), HELLO)
    with pytest.raises(CommandError, match="32 actions of this leg wait"):
        world.act(Answer(), HELLO)
    world.end_leg()
    assert world.told()[-1] == "leg_terminated"


def test_bridges_and_monitoring_are_refused_in_words_ex_26_ex_27(world: LegWorld) -> None:
    with pytest.raises(CommandError, match="JoinBridge cannot be done here yet"):
        world.act(HELLO, JoinBridge("b1"))
    assert world.told() == []


def test_everything_that_runs_ends_before_the_leg_does(world: LegWorld) -> None:
    world.act(BOT)
    world.act(HELLO)
    world.begin_prompt()
    world.act(Gather(num_digits=3))
    world.act(SendDigits("1"))
    world.act(StartRecording())
    world.begin_recording()
    world.press("4")
    world.tales()
    world.end_leg()
    assert world.told() == [
        "gather_timeout",
        "say_interrupted",
        "digits_failed_to_send",
        "stream_stopped",
        "recording_stopped",
        "leg_terminated",
    ]
    world.obey()
    assert world.told() == ["recording_available"]


def test_a_recording_that_the_call_refuses_never_starts_ex_47(world: LegWorld) -> None:
    for _ in range(8):
        world.act(StartRecording(), StopRecording())
    world.tales()
    world.act(StartRecording())
    (tale,) = world.tales()
    assert tale.name == "recording_failed_to_start"
    assert tale.error is not None
    assert "no more than 8 recordings" in tale.error.description
