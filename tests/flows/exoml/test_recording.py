"""Record over its life, as the messages of a voicemail are taken (XR-13)."""

import pytest

from agentstream.base.ids import RecordingSid
from agentstream.calls.commands import (
    AudioFile,
    Fetch,
    Play,
    RecordingSpec,
    StartRecording,
    StopRecording,
    WatchSilence,
)
from agentstream.calls.events import SilenceHeard
from agentstream.testing.calls import CALL, LEG
from agentstream.testing.documents import Ivr


def recording(ivr: Ivr, verb: str) -> RecordingSid:
    """Let the caller be recorded by a verb without a beep."""
    ivr.document(verb)
    return ivr.take(StartRecording).recording_sid


def test_a_beep_and_a_recording_with_the_defaults_xr_13() -> None:
    ivr = Ivr()
    ivr.document('<Record action="kept"/>')
    beep = ivr.take(Play)
    assert beep.prompt == AudioFile("builtin:beep")
    ivr.played(beep.prompt_id)
    start = ivr.take(StartRecording)
    assert (start.leg_sid, start.spec) == (LEG, RecordingSpec(max_ms=3_600_000))
    ivr.expect(WatchSilence(LEG, 5_000))
    ivr.feed(SilenceHeard(CALL, LEG, 5_000))
    ivr.expect(WatchSilence(LEG, 0), StopRecording(start.recording_sid))
    ivr.recorded(start.recording_sid, 9_400)
    fetch = ivr.take(Fetch)
    assert fetch.request.url == "https://crm.example/ivr/kept"
    told = ivr.told(fetch)
    assert told["RecordingUrl"] == "/recordings/r1.mp3"
    assert (told["RecordingDuration"], told["RecordingSid"]) == ("9", start.recording_sid)
    assert ivr.notes[-1] == "line 1: <Record>: the caller was silent"


@pytest.mark.parametrize("key", ["1", "*", "#"])
def test_any_key_ends_a_recording_xr_13(key: str) -> None:
    ivr = Ivr()
    sid = recording(ivr, '<Record playBeep="false" timeout="0"/>')
    ivr.press(key)
    ivr.expect(StopRecording(sid))


def test_only_the_keys_that_are_named_end_a_recording_xr_13() -> None:
    ivr = Ivr()
    sid = recording(ivr, '<Record playBeep="false" timeout="0" finishOnKey="9"/>')
    ivr.press("1#")
    ivr.expect_nothing()
    ivr.press("9")
    ivr.expect(StopRecording(sid))


def test_a_recording_has_a_longest_time_xr_13() -> None:
    ivr = Ivr()
    sid = recording(ivr, '<Record playBeep="false" timeout="0" maxLength="20"/>')
    ivr.wait(20_000)
    ivr.expect(StopRecording(sid))


def test_without_an_action_the_next_verb_follows_what_was_recorded() -> None:
    ivr = Ivr()
    sid = recording(ivr, '<Record playBeep="false" timeout="0"/><Say>thanks</Say>')
    ivr.recorded(sid)
    ivr.take(Play)


def test_where_nothing_was_recorded_the_action_is_not_asked() -> None:
    ivr = Ivr()
    sid = recording(ivr, '<Record action="kept" playBeep="false" timeout="0"/>')
    ivr.recorded(sid, 0)
    ivr.left("next")
    assert ivr.notes[-1] == "line 1: <Record>: nothing was said"
    assert ivr.trouble == []


def test_a_recording_that_fails_is_noted_and_the_next_verb_follows() -> None:
    ivr = Ivr()
    sid = recording(ivr, '<Record action="kept" playBeep="false" timeout="0"/><Say>sorry</Say>')
    ivr.recorded(sid, error="disk full")
    ivr.take(Play)
    assert ivr.trouble == ["line 1: <Record>: disk full"]


def test_a_caller_who_goes_before_the_beep_has_left_nothing() -> None:
    ivr = Ivr()
    ivr.document('<Record action="kept"/>')
    ivr.take(Play)
    ivr.hangs_up()
    ivr.left("next")
