"""Requests of several verbs, and of several requests at once."""

import pytest

from agentstream.base.errors import CommandError
from agentstream.flows.legs.settings import LegSettings
from agentstream.flows.legs.verbs import (
    Answer,
    Gather,
    Hangup,
    Hold,
    Mute,
    SendDigits,
    StartRecording,
    StopRecording,
)
from agentstream.testing.leg_world import BOT, HELLO, SAY, LegWorld


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


def test_a_request_without_a_verb_is_refused(world: LegWorld) -> None:
    with pytest.raises(CommandError, match="no verb"):
        world.act()


def test_requests_that_wait_have_a_limit() -> None:
    world = LegWorld(LegSettings(answers="manual"), inbound=True)
    world.ring()
    for _ in range(32):
        world.act(Answer(), HELLO)
    with pytest.raises(CommandError, match="32 actions of this leg wait"):
        world.act(Answer(), HELLO)
    world.end_leg()
    assert world.told()[-1] == "leg_terminated"


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
