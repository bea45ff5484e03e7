"""Supervisors of bridges: who hears whom while they listen, whisper and barge in."""

from typing import Any

import pytest

from agentstream.flows.legs.verbs import (
    StartMonitoring,
    StopMonitoring,
)
from agentstream.testing.bridged_board import BridgedBoard, both
from agentstream.testing.waiting import until

HOOK = "https://bridges.example/events"


@pytest.mark.parametrize(
    ("mode", "hears_it"), [("listen", ()), ("whisper", (1,)), ("barge", (0, 1))]
)
async def test_a_supervisor_hears_and_may_speak_ex_27(
    world: BridgedBoard, mode: Any, hears_it: tuple[int, ...]
) -> None:
    legs = [await world.leg() for _ in range(2)]
    supervisor = await world.leg()
    sid = world.create(*legs, event_endpoint=HOOK).bridge_sid
    await until(lambda: len(world.ears()) == 2)
    await world.act(supervisor, StartMonitoring(sid, legs[1], mode), sid="watch")
    started = await world.until_told("monitoring_started", supervisor)
    assert started["event_data"]["data"] == {"bridge_sid": sid, "mode": mode}
    wanted = both(*legs) | {(supervisor, leg_sid) for leg_sid in legs}
    wanted |= {(legs[place], supervisor) for place in hears_it}
    await until(lambda: world.ears() == wanted)
    view = world.bridges.find(sid)
    assert view is not None
    assert supervisor not in view.leg_sids
    await world.act(supervisor, StopMonitoring())
    await until(lambda: world.ears() == both(*legs))


async def test_a_supervisor_names_a_leg_and_hears_its_bridge_until_it_ends_ex_27(
    world: BridgedBoard,
) -> None:
    one, other, supervisor = [await world.leg() for _ in range(3)]
    await world.act(supervisor, StartMonitoring("", one))
    refused = await world.until_told("monitoring_failed_to_start", supervisor)
    assert "in no bridge" in refused["event_data"]["error"]["description"]
    sid = world.create(one, other).bridge_sid
    await until(lambda: len(world.ears()) == 2)
    await world.act(supervisor, StartMonitoring("", one))
    await until(lambda: len(world.ears()) == 4)
    world.bridges.stop(sid, hangs_up=False)
    stopped = await world.until_told("monitoring_stopped", supervisor)
    assert stopped["event_data"]["data"]["reason"] == "bridge_terminal"
    assert not world.ears()


async def test_a_supervisor_that_hangs_up_is_forgotten_ex_27(world: BridgedBoard) -> None:
    one, other, supervisor = [await world.leg() for _ in range(3)]
    sid = world.create(one, other).bridge_sid
    await until(lambda: len(world.ears()) == 2)
    await world.act(supervisor, StartMonitoring(sid, None, "barge"))
    await until(lambda: len(world.ears()) == 6)
    world.hang_up(supervisor)
    await world.until_told("leg_terminated", supervisor)
    await until(lambda: world.ears() == both(one, other))
    assert world.names(supervisor)[-2:] == ["monitoring_stopped", "leg_terminated"]


async def test_a_supervisor_goes_from_one_bridge_to_another_ex_27(world: BridgedBoard) -> None:
    legs = [await world.leg() for _ in range(4)]
    supervisor = await world.leg()
    first = world.create(*legs[:2]).bridge_sid
    second = world.create(*legs[2:]).bridge_sid
    await until(lambda: len(world.ears()) == 4)
    await world.act(supervisor, StartMonitoring(first))
    await until(lambda: len(world.ears()) == 6)
    await world.act(supervisor, StartMonitoring(second), sid="a2")
    heard = {(supervisor, legs[2]), (supervisor, legs[3])}
    await until(lambda: {pair for pair in world.ears() if pair[0] == supervisor} == heard)
