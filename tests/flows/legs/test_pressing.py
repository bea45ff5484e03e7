"""Keys that are pressed towards the party."""

from agentstream.calls import effects
from agentstream.flows.legs.verbs import (
    SendDigits,
)
from agentstream.testing.leg_world import LegWorld, facts_of


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
    assert (first.name, facts_of(first)) == ("digits_sent", {"digits": "12"})
    world.wait(249)
    assert world.told() == []
    world.wait(1)
    assert world.told() == ["digits_sent"]


def test_keys_that_the_call_refuses_fail(world: LegWorld) -> None:
    world.act(SendDigits("x"))
    (tale,) = world.tales()
    assert (tale.name, facts_of(tale)) == ("digits_failed_to_send", {"digits": "x"})
