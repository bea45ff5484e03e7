"""Gathers: keys after a prompt, or at once."""

import pytest

from agentstream.base.errors import CommandError
from agentstream.flows.legs.settings import LegSettings
from agentstream.flows.legs.verbs import Gather, Message, StartRecording
from agentstream.testing.leg_world import HELLO, SONG, LegWorld, facts_of


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
    assert facts_of(tales[-1]) == {"digits": "1234"}
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
    assert facts_of(tales[-1]) == {"digits": "1"}


def test_a_gather_without_enough_keys_times_out_with_what_came_ex_47(world: LegWorld) -> None:
    world.act(Gather(num_digits=4, timeout_ms=5_000))
    world.press("12")
    world.wait(5_000)
    tales = world.tales()
    assert [tale.name for tale in tales] == ["gather_initiated", "gather_started", "gather_timeout"]
    assert facts_of(tales[-1]) == {"digits": "12"}


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


def test_keys_that_nothing_takes_are_told_by_setting_ev_7(world: LegWorld) -> None:
    world.press("7")
    assert world.told() == []
    telling = LegWorld(LegSettings(tells_keys=True))
    telling.up()
    telling.press("7")
    [pressed] = telling.tales()
    assert pressed.name == "dtmf_received"
    assert facts_of(pressed)["digits"] == "7"
    telling.act(Gather(num_digits=1))
    telling.press("8")
    assert telling.told() == ["gather_initiated", "gather_started", "gather_success"]
    telling.act(StartRecording(message=Message(finish_key="*", beeps=False)))
    telling.press("*")
    assert "dtmf_received" not in telling.told()
