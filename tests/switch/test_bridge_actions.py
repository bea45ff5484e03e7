"""What a bridge, or a leg in one, is told to do: sounds, recordings, another endpoint."""

import pytest

from agentstream.base.errors import CommandError
from agentstream.calls.commands import Speech
from agentstream.flows.bridges.values import BridgeAct, Refer
from agentstream.flows.legs.verbs import (
    Hold,
    LeaveBridge,
    Mute,
    StartRecording,
    StartSay,
)
from agentstream.testing.bridged_board import BridgedBoard, Unreachable
from agentstream.testing.waiting import until

HOOK = "https://bridges.example/events"
HELLO = StartSay(Speech("hello"))


async def test_a_leg_of_a_bridge_is_muted_held_and_recorded_ex_24_ex_25(
    world: BridgedBoard,
) -> None:
    legs = [await world.leg() for _ in range(3)]
    world.create(*legs)
    await until(lambda: len(world.ears()) == 6)
    await world.act(legs[0], Mute("in"))
    assert world.media(legs[0]).muted == (True, False, False)
    await world.act(legs[1], Hold())
    assert world.media(legs[1]).muted == (True, True, False), "nobody hears it, it hears music"
    await until(lambda: world.media(legs[1]).prompts)
    assert len(world.ears()) == 6


async def test_an_action_on_the_bridge_reaches_every_leg_and_is_told_of_it_br_6(
    world: BridgedBoard,
) -> None:
    one, other = await world.leg(), await world.leg()
    sid = world.create(one, other, event_endpoint=HOOK).bridge_sid
    await until(lambda: len(world.ears()) == 2)
    await world.bridges.act(BridgeAct("act-1", sid, (HELLO,), "mine"))
    await until(lambda: world.names(sid).count("say_started") == 2)
    told = [event for event in world.of(sid) if event["event_name"] == "say_started"]
    assert {event["data"]["leg_sid"] for event in told} == {one, other}
    assert {event["action_sid"] for event in told} == {"act-1"}
    assert {event["action_custom_parameter"] for event in told} == {"mine"}
    for leg_sid in (one, other):
        assert world.names(leg_sid)[-1] == "say_started"


async def test_a_bridge_is_recorded_on_one_leg_br_6(world: BridgedBoard) -> None:
    one, other = await world.leg(), await world.leg()
    sid = world.create(one, other, event_endpoint=HOOK).bridge_sid
    await until(lambda: len(world.ears()) == 2)
    await world.bridges.act(BridgeAct("act-1", sid, (StartRecording(),)))
    await world.until_told("recording_started", sid)
    assert (len(world.media(one).recordings), len(world.media(other).recordings)) == (1, 0)
    await world.act(one, LeaveBridge())
    await until(lambda: world.media(other).recordings)
    assert world.media(one).stopped_recordings
    again = BridgeAct("act-2", sid, (StartRecording(),))
    with pytest.raises(CommandError, match="being recorded already"):
        await world.bridges.act(again)


async def test_a_bridge_that_cannot_be_recorded_says_so_and_may_be_asked_again_br_6(
    world: BridgedBoard,
) -> None:
    one, other = await world.leg(), await world.leg()
    sid = world.create(one, other).bridge_sid
    await until(lambda: len(world.ears()) == 2)
    await world.act(one, StartRecording())
    for number in range(2):
        with pytest.raises(CommandError, match="this leg is being recorded already"):
            await world.bridges.act(BridgeAct(f"act-{number}", sid, (StartRecording(),)))


async def test_refer_lets_the_events_go_elsewhere_ex_28(world: BridgedBoard) -> None:
    one, other = await world.leg(), await world.leg()
    sid = world.create(one, other, event_endpoint=HOOK).bridge_sid
    await until(lambda: len(world.ears()) == 2)
    await world.bridges.act(BridgeAct("act-1", sid, (Refer("https://other.example/x"),)))
    world.bridges.stop(sid, hangs_up=False)
    await world.until_told("bridge_terminal")
    endpoints = [row.endpoint for row in world.rows if row.bridge_sid == sid]
    assert endpoints == [HOOK] * 3 + ["https://other.example/x"] * 3


async def test_an_act_that_no_leg_can_do_is_refused_and_one_that_some_can_is_not_br_6(
    world: BridgedBoard,
) -> None:
    one, other = await world.leg(), await world.leg()
    sid = world.create(one, other).bridge_sid
    await until(lambda: len(world.ears()) == 2)
    world.hang_up(one)
    await world.bridges.act(BridgeAct("act-1", sid, (HELLO,)))
    world.bridges.attach(Unreachable())
    with pytest.raises(CommandError, match="no live leg"):
        await world.bridges.act(BridgeAct("act-2", sid, (HELLO,)))
    world.bridges.attach(world.board.switchboard)


async def test_a_bridge_may_be_ordered_with_a_recording_br_2(world: BridgedBoard) -> None:
    one, other = await world.leg(), await world.leg()
    sid = world.create(one, other, event_endpoint=HOOK, is_recorded=True).bridge_sid
    started = await world.until_told("recording_started", sid)
    assert started["action_sid"] == sid, "no request asked for it but that for the bridge"
    assert world.media(one).recordings


async def test_a_recording_that_cannot_go_on_elsewhere_leaves_the_bridge_without(
    world: BridgedBoard,
) -> None:
    one, other = await world.leg(), await world.leg()
    sid = world.create(one, other).bridge_sid
    await until(lambda: len(world.ears()) == 2)
    await world.bridges.act(BridgeAct("act-1", sid, (StartRecording(),)))
    await world.act(other, StartRecording(), sid="its own")
    await world.act(one, LeaveBridge())
    await until(lambda: not world.ears())
    with pytest.raises(CommandError, match="this leg is being recorded already"):
        await world.bridges.act(BridgeAct("act-2", sid, (StartRecording(),)))
    assert len(world.media(other).recordings) == 1
