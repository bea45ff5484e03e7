"""Mute and hold."""

import pytest

from agentstream.base.errors import CommandError
from agentstream.base.ids import PromptId
from agentstream.calls import commands, effects
from agentstream.flows.legs.verbs import (
    Hold,
    Mute,
    UnHold,
    UnMute,
)
from agentstream.testing.calls import LEG
from agentstream.testing.leg_world import AGENT, BOT, LegWorld, facts_of


def silences(world: LegWorld) -> list[tuple[bool, bool, bool]]:
    found = [one for one in world.story if isinstance(one, effects.SilenceLeg)]
    return [(one.heard, one.said, one.prompts) for one in found]


def test_either_direction_is_muted_and_let_through_again_ex_25_ex_34(world: LegWorld) -> None:
    world.act(Mute("in"))
    world.act(Mute("out"))
    world.act(UnMute("both"))
    assert silences(world) == [(True, False, False), (True, True, True), (False, False, False)]
    tales = world.tales()
    assert [(tale.name, facts_of(tale)["direction"]) for tale in tales] == [
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


def test_a_bridge_that_ends_ends_its_hold(world: LegWorld) -> None:
    world.act(AGENT)
    world.answer_second()
    world.act(Hold())
    assert not silences(world), "the bridge holds it"
    world.end_callee()
    assert world.told()[-3:] == ["hold_success", "leg_terminated", "dial_completed"]
    with pytest.raises(CommandError, match="not on hold"):
        world.act(UnHold())


def test_a_hold_that_the_call_refuses_fails(world: LegWorld) -> None:
    world.act(AGENT)
    world.answer_second()
    world.happens(commands.Hold(PromptId("music"), LEG))
    world.act(Hold())
    tale = world.tales()[-1]
    assert tale.name == "leg_failed_to_hold"
    assert tale.error is not None
    assert "held already" in tale.error.description
