"""Recordings of a steered leg."""

import pytest

from agentstream.base.errors import CommandError
from agentstream.calls import effects
from agentstream.calls.commands import HangUpLeg
from agentstream.calls.reports import (
    RecordingFailed,
)
from agentstream.flows.legs.verbs import (
    StartRecording,
    StopRecording,
)
from agentstream.testing.calls import LEG
from agentstream.testing.leg_world import AGENT, LegWorld, facts_of


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
    assert facts_of(stopped) == {"recording_sid": sid}
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
