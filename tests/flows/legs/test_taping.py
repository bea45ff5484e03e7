"""Recordings of a steered leg."""

import pytest

from agentstream.base.errors import CommandError
from agentstream.calls import effects
from agentstream.calls.commands import AudioFile, HangUpLeg
from agentstream.calls.reports import RecordingFailed, WentSilent
from agentstream.flows.legs.verbs import (
    Gather,
    Hangup,
    Message,
    StartRecording,
    StopPlay,
    StopRecording,
    StopSay,
)
from agentstream.testing.calls import LEG
from agentstream.testing.leg_world import AGENT, HELLO, SONG, LegWorld, facts_of

VOICEMAIL = StartRecording(message=Message(prompt=HELLO))


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
    sid = facts_of(started)["recording_sid"]
    assert facts_of(stopped) == {"recording_sid": sid, "reason": "stop_action"}
    assert facts_of(available) | {"url": ""} == {
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


def test_a_recording_that_breaks_off_says_so_ex_47(world: LegWorld) -> None:
    world.act(StartRecording())
    world.begin_recording()
    (begun,) = world.watch.running.values()
    assert isinstance(begun, effects.RecordLeg)
    sid = begun.recording_sid
    world.ends(sid, RecordingFailed(sid, "the disk is full"))
    assert world.told() == ["recording_started", "recording_stopped", "recording_failed_to_upload"]


def test_a_recording_that_is_refused_behind_its_stop_has_no_file(world: LegWorld) -> None:
    world.act(AGENT)
    world.answer_second()
    world.happens(HangUpLeg(LEG))  # of another, as of a time limit: the leg is told of its end only
    world.tales()
    world.act(StartRecording(), StopRecording())
    assert world.told() == [
        "recording_started",
        "recording_stopped",
        "recording_failed_to_upload",
    ]


def running(world: LegWorld) -> list[str]:
    """Return what runs: a prompt by its sound, a recording as such."""
    names = []
    for one in world.watch.running.values():
        match one:
            case effects.PlayPrompt(prompt=AudioFile(source)):
                names.append(source)
            case effects.PlayPrompt():
                names.append("speech")
            case effects.RecordLeg():
                names.append("recording")
            case _:
                pass
    return names


def watched(world: LegWorld) -> list[int]:
    """Return for which silences the leg was watched."""
    return [one.timeout_ms for one in world.story if isinstance(one, effects.NoticeSilence)]


def reason(world: LegWorld) -> str | int | None:
    """Return why the recording that was just told of stopped."""
    (stopped,) = [tale for tale in world.tales() if tale.name == "recording_stopped"]
    return facts_of(stopped)["reason"]


def test_a_message_is_asked_for_beeped_and_recorded_until_a_silence_ex_22_ex_35(
    world: LegWorld,
) -> None:
    world.act(VOICEMAIL)
    assert running(world) == ["speech"]
    world.begin_prompt()
    world.end_prompt()
    assert running(world) == ["builtin:beep"]
    world.begin_prompt()
    world.end_prompt()
    assert running(world) == ["recording"]
    world.begin_recording()
    assert world.told() == ["say_started", "say_completed", "recording_started"]
    assert watched(world) == [5_000]
    world.happens(WentSilent(LEG, 5_000))
    world.end_recording()
    tales = world.tales()
    assert [tale.name for tale in tales] == ["recording_stopped", "recording_available"]
    assert facts_of(tales[0])["reason"] == "silence"
    assert watched(world) == [5_000, 0]
    world.wait(600_000)
    assert world.told() == []


def test_a_message_ends_by_its_key_its_time_or_a_stop_ex_22_ex_23(world: LegWorld) -> None:
    quick = StartRecording(message=Message(0, "*", 30_000, beeps=False))
    world.act(quick)
    world.press("1#")
    world.press("*")
    assert reason(world) == "finish_key"
    world.end_recording()
    world.tales()
    world.act(quick)
    world.wait(29_999)
    assert world.told() == []
    world.happens(WentSilent(LEG, 5_000))  # somebody else asked for it
    world.wait(1)
    assert reason(world) == "timeout"
    world.end_recording()
    world.tales()
    world.act(quick)
    world.act(StopRecording())
    assert reason(world) == "stop_action"
    assert watched(world) == []


def test_a_leg_that_goes_ends_its_message_ex_22(world: LegWorld) -> None:
    world.act(StartRecording(message=Message(beeps=False)))
    world.end_leg()
    assert reason(world) == "leg_terminated"


def test_the_finish_key_skips_the_prompt_and_a_stopped_prompt_too_ex_22(world: LegWorld) -> None:
    world.act(VOICEMAIL)
    world.begin_prompt()
    world.press("1")
    assert running(world) == ["speech"]
    world.press("#")
    assert world.told() == ["say_started", "say_interrupted"]
    world.end_prompt()
    world.press("#")
    assert running(world) == ["recording"]
    world.act(StopRecording())
    world.end_recording()
    world.tales()
    world.act(VOICEMAIL)
    world.act(StopSay())
    world.act(StopPlay())  # not the beep, of which nobody was told
    world.end_prompt()
    assert running(world) == ["recording"]


def test_what_cannot_be_played_does_not_keep_a_message_away_ex_22_ex_47(world: LegWorld) -> None:
    world.act(VOICEMAIL)
    world.end_prompt(error="no voice")
    world.end_prompt(error="no file")
    world.begin_recording()
    assert world.told() == ["say_failed_to_start", "recording_started"]


@pytest.mark.parametrize("is_beeping", [False, True])
def test_a_message_that_never_began_has_failed_ex_47_lg_103(
    world: LegWorld, *, is_beeping: bool
) -> None:
    world.act(VOICEMAIL)
    if is_beeping:
        world.end_prompt()
    with pytest.raises(CommandError, match="recorded already"):
        world.act(StartRecording())
    world.act(StopRecording())
    assert world.told()[-1] == "recording_failed_to_start"
    world.end_prompt()
    assert running(world) == []
    world.act(VOICEMAIL)
    world.end_leg()
    ends = world.told()
    assert ends[-2:] == ["recording_failed_to_start", "leg_terminated"]


def test_a_message_that_the_call_does_not_record_is_not_waited_for_ex_47(world: LegWorld) -> None:
    for _ in range(8):  # that no file has come of yet
        world.act(StartRecording(), StopRecording())
    world.tales()
    world.act(StartRecording(message=Message(beeps=False)))
    assert world.told() == ["recording_failed_to_start"]
    world.wait(60_000)
    assert world.told() == []


def test_the_verb_after_a_message_waits_for_its_end_ex_2_ex_22(world: LegWorld) -> None:
    world.act(VOICEMAIL, Hangup())
    world.end_prompt()
    world.end_prompt()
    world.begin_recording()
    assert not world.watch.has_hung_up
    world.press("#")
    assert world.watch.has_hung_up


def test_keys_that_a_gather_takes_do_not_end_a_message_lg_101_ex_22(world: LegWorld) -> None:
    world.act(StartRecording(message=Message(beeps=False)))
    world.act(Gather())
    world.press("#")
    assert "recording_stopped" not in world.told()
    world.press("#")
    assert reason(world) == "finish_key"


@pytest.mark.parametrize("is_beeping", [False, True])
def test_another_playback_takes_the_place_of_a_prompt_or_a_beep_lg_100(
    world: LegWorld, *, is_beeping: bool
) -> None:
    world.act(VOICEMAIL)
    if is_beeping:
        world.end_prompt()
    world.act(SONG)
    world.watch.running.pop(next(iter(world.watch.running)))  # what it replaced
    assert sorted(running(world)) == ["https://sounds.example/song.mp3", "recording"]
    world.begin_prompt()
    assert "play_started" in world.told()
