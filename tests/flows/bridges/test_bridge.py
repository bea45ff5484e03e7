"""The life of one bridge, in virtual time."""

from typing import Any

import pytest

from agentstream.base.errors import CommandError
from agentstream.base.ids import LegSid
from agentstream.calls.commands import AudioFile, Speech
from agentstream.flows.bridges.links import Hears, Pair
from agentstream.flows.bridges.settings import MONITORS_LIMIT, BridgeSettings
from agentstream.flows.bridges.values import (
    Asked,
    BridgeAct,
    BridgeTerms,
    BridgeTold,
    Change,
    Declined,
    Disconnect,
    Joined,
    Left,
    RecordingRefused,
    Refer,
    WatchAsked,
    WatchLeft,
)
from agentstream.flows.legs.bridge_signs import (
    Admitted,
    Dismissed,
    Invited,
    Refused,
    Watching,
    WatchOver,
    WatchRefused,
)
from agentstream.flows.legs.verbs import (
    Act,
    Hangup,
    StartPlay,
    StartRecording,
    StartSay,
    StopPlay,
    StopRecording,
)
from agentstream.testing.bridge_world import BRIDGE, BridgeWorld

A, B, C, D, S = (LegSid(name) for name in "ABCDS")
SAY = StartSay(Speech("hello"))


def acts(world: BridgeWorld) -> list[tuple[str, str, str]]:
    """Return what legs were told to do since the last time: action, leg, verb."""
    fresh = [one for one in world.fresh() if isinstance(one, Act)]
    return [(act.action_sid, act.leg_sid, type(act.verbs[0]).__name__) for act in fresh]


def ask(world: BridgeWorld, *verbs: Any, action_sid: str = "a1") -> None:
    world.feed(BridgeAct(action_sid, BRIDGE, verbs, "mine"))


def test_legs_that_all_come_are_a_bridge_br_1_br_7() -> None:
    world = BridgeWorld()
    world.make(A, B)
    assert world.said[:2] == [Invited(A, BRIDGE), Invited(B, BRIDGE)]
    told = world.said.index(BridgeTold("bridge_created"))
    assert told < world.said.index(Admitted(A, BRIDGE)) < world.said.index(Admitted(B, BRIDGE))
    assert world.links == {Pair(A, B, relays_keys=True)}
    bridge = world.bridge
    assert (bridge.state, bridge.active_legs, tuple(bridge.leg_sids)) == ("active", (A, B), (A, B))
    assert bridge.wake_at_ms is None


def test_nobody_hears_anybody_before_both_have_come() -> None:
    world = BridgeWorld()
    world.deaf = {B}
    world.make(A, B)
    assert world.bridge.state == "created"
    assert not world.links
    assert not world.told()
    world.feed(Asked(B))
    assert world.told() == ["bridge_created"]
    assert not world.links, "B has not told that it is in"
    world.feed(Joined(B))
    assert len(world.links) == 1


def test_one_that_cannot_come_spoils_it_for_all_br_7_ev_8() -> None:
    world = BridgeWorld()
    world.dead = {C}
    world.make(A, B, C)
    assert world.told() == ["bridge_failed_to_create"]
    [told] = [one for one in world.said if isinstance(one, BridgeTold)]
    assert told.error is not None
    assert told.error.code == 1020
    assert "C: it has ended" in told.error.description
    refused = {one.leg_sid for one in world.said if isinstance(one, Refused)}
    assert refused == {A, B, C}
    assert (world.bridge.state, world.bridge.terminal_status) == ("terminal", "failed")
    assert not any(isinstance(one, Admitted) for one in world.said)


@pytest.mark.parametrize("how", ["it ends", "it says nothing", "it is stopped"])
def test_a_bridge_that_is_not_made_says_why(how: str) -> None:
    world = BridgeWorld()
    world.deaf = {B}
    world.make(A, B)
    if how == "it ends":
        world.end(B)
    elif how == "it is stopped":
        world.stop()
    else:
        world.wait(4_999)
        assert not world.told()
        world.wait(1)
    assert world.told() == ["bridge_failed_to_create"]


def test_a_bridge_without_legs_waits_and_becomes_active_br_2() -> None:
    world = BridgeWorld()
    world.make()
    assert (world.told(), world.bridge.state) == (["bridge_created"], "created")
    world.feed(Asked(A))
    assert world.bridge.state == "active"
    world.feed(Asked(B))
    assert world.links == {Pair(A, B, relays_keys=True)}


def test_a_bridge_in_which_nobody_ever_was_ends_in_its_time() -> None:
    world = BridgeWorld(settings=BridgeSettings(wait_ms=1_000))
    world.make()
    world.wait(1_000)
    assert world.told() == ["bridge_created", "bridge_terminal"]
    assert world.bridge.terminal_status == "canceled"
    assert not world.bridge.wake(2_000)


def test_a_bridge_that_waits_can_be_stopped() -> None:
    world = BridgeWorld()
    world.make()
    world.stop()
    assert (world.told()[-1], world.bridge.terminal_status) == ("bridge_terminal", "completed")


def test_a_third_and_a_fourth_come_and_go_br_9() -> None:
    world = BridgeWorld()
    world.make(A, B)
    world.feed(Asked(C))
    assert len(world.links) == 6
    world.feed(Asked(D))
    assert len(world.links) == 12
    world.feed(Left(A), Left(B))
    assert world.links == {Pair(C, D, relays_keys=True)}
    world.feed(Left(C))
    assert not world.links
    assert world.bridge.state == "active", "the last one may be joined by others"
    world.end(D)
    assert world.told() == ["bridge_created", "bridge_terminal"]
    assert tuple(world.bridge.leg_sids) == (A, B, C, D)


def test_a_stop_lets_every_leg_leave_and_then_ends_br_5_br_5a() -> None:
    world = BridgeWorld()
    world.make(A, B)
    world.stop()
    assert world.said[-1] == BridgeTold("bridge_terminal")
    assert {one.leg_sid for one in world.said if isinstance(one, Dismissed)} == {A, B}
    assert not [one for one in world.said if isinstance(one, Act)], "legs stay up"
    assert not world.links
    assert world.bridge.terminal_status == "completed"


@pytest.mark.parametrize("stops", [False, True])
def test_a_hang_up_ends_every_leg_br_5a(stops: bool) -> None:
    world = BridgeWorld(settings=BridgeSettings(stop_hangs_up_legs=stops))
    world.make(A, B)
    world.fresh()
    world.stop(hangs_up=not stops)
    ended = [one for one in world.fresh() if isinstance(one, Act)]
    assert [(act.leg_sid, act.verbs) for act in ended] == [(A, (Hangup(),)), (B, (Hangup(),))]
    assert world.told()[-1] == "bridge_terminal"


def test_a_stop_that_nothing_comes_of_is_told_and_may_be_asked_again_br_7() -> None:
    world = BridgeWorld()
    world.make(A, B)
    world.deaf = {B}
    world.stop()
    assert world.bridge.state == "active"
    world.stop()
    world.wait(5_000)
    assert world.told() == ["bridge_created", "bridge_failed_to_stop"]
    assert world.bridge.active_legs == (B,)
    world.deaf = set()
    world.stop()
    assert world.told()[-1] == "bridge_terminal"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("bridge_terminal", ["bridge_terminal"]),
        ("bridge_terminated", ["bridge_terminated"]),
        ("both", ["bridge_terminal", "bridge_terminated"]),
    ],
)
def test_the_end_has_either_name_or_both_br_7a_lc_20(name: Any, told: list[str]) -> None:
    world = BridgeWorld(settings=BridgeSettings(terminal_event=name))
    world.make(A, B)
    world.stop()
    assert world.told()[1:] == told


def test_nothing_can_be_asked_of_a_bridge_that_has_ended_lg_105() -> None:
    world = BridgeWorld()
    world.make(A, B)
    world.stop()
    for happening in (BridgeAct("a", BRIDGE, (SAY,)), Change(BridgeTerms())):
        assert "has ended" in world.script.refuse(happening)
    with pytest.raises(CommandError, match="has ended"):
        world.stop()
    world.feed(Asked(C), WatchAsked(S, "listen", LegSid("")))
    assert world.said[-2:] == [
        Refused(C, BRIDGE, "the bridge has ended"),
        WatchRefused(S, "nobody talks in this bridge"),
    ]
    before = len(world.said)
    world.feed(Joined(A), Left(A), Declined(A, "x"), WatchLeft(S))
    world.wait(10_000)
    assert len(world.said) == before


def test_no_more_come_than_there_is_room_for_br_2() -> None:
    world = BridgeWorld(BridgeTerms(max_participants=2))
    world.make(A, B)
    world.feed(Asked(C))
    assert world.said[-1] == Refused(
        C, BRIDGE, "2 legs are in the bridge, which is all that it takes"
    )
    for place in range(998):
        world.feed(Left(A if not place else LegSid(f"x{place - 1}")), Asked(LegSid(f"x{place}")))
    world.feed(Left(B), Asked(C))
    assert isinstance(world.said[-1], Refused)
    assert "1000 legs were in the bridge" in world.said[-1].why


def test_nobody_comes_while_it_is_made_or_ends() -> None:
    world = BridgeWorld()
    world.deaf = {B}
    world.make(A, B)
    world.feed(Asked(C))
    assert world.said[-1] == Refused(C, BRIDGE, "the bridge is still being made")
    world.feed(Asked(B), Joined(B))
    world.stop()
    world.feed(Asked(C))
    assert world.said[-1] == Refused(C, BRIDGE, "the bridge has ended")


def test_a_change_holds_for_legs_that_come_later_br_5a_lc_12() -> None:
    world = BridgeWorld()
    world.make(A, B)
    before, said = set(world.links), len(world.said)
    world.feed(Change(BridgeTerms(absorbs_keys=True, max_participants=3)))
    assert (world.links, len(world.said)) == (before, said)
    world.feed(Asked(C))
    assert Hears(A, C, relays_keys=False) in world.links
    assert Hears(C, A, relays_keys=True) in world.links
    assert Hears(A, B, relays_keys=True) in world.links


def test_sounds_go_to_everybody_br_6() -> None:
    world = BridgeWorld()
    world.make(A, B)
    world.fresh()
    play = StartPlay(AudioFile("https://sounds.example/a.mp3"))
    ask(world, SAY)
    ask(world, play, StopPlay(), action_sid="a2")
    fresh = [one for one in world.fresh() if isinstance(one, Act)]
    assert fresh == [
        Act("a1", A, (SAY,), "mine"),
        Act("a1", B, (SAY,), "mine"),
        Act("a2", A, (play, StopPlay()), "mine"),
        Act("a2", B, (play, StopPlay()), "mine"),
    ]


def test_a_bridge_without_legs_can_say_nothing_but_be_told_elsewhere_br_6_ex_28() -> None:
    world = BridgeWorld()
    world.make()
    assert "no leg" in world.script.refuse(BridgeAct("a1", BRIDGE, (SAY,)))
    ask(world, Refer("https://hooks.example/other"))
    assert world.bridge.terms.event_endpoint == "https://hooks.example/other"


def test_a_bridge_is_recorded_on_a_leg_and_goes_on_with_the_next_br_6() -> None:
    world = BridgeWorld()
    world.make(A, B)
    world.feed(Asked(C))
    world.fresh()
    ask(world, StartRecording())
    assert acts(world) == [("a1", A, "StartRecording")]
    refused = BridgeAct("a2", BRIDGE, (StartRecording(),))
    assert "being recorded already" in world.script.refuse(refused)
    world.feed(Left(B))
    assert acts(world) == []
    world.feed(Left(A))
    assert acts(world) == [(BRIDGE, A, "StopRecording"), ("a1", C, "StartRecording")]
    ask(world, StopRecording(), action_sid="a3")
    assert acts(world) == [(BRIDGE, C, "StopRecording")]
    ask(world, StopRecording(), action_sid="a4")
    assert acts(world) == [], "LG-104"


def test_a_recording_ends_with_its_leg_or_before_the_legs_leave() -> None:
    world = BridgeWorld()
    world.make(A, B)
    world.fresh()
    ask(world, StartRecording())
    world.end(A)
    assert acts(world) == [("a1", A, "StartRecording"), ("a1", B, "StartRecording")]
    world.stop()
    fresh = world.fresh()
    stopped = next(place for place, one in enumerate(fresh) if isinstance(one, Act))
    assert fresh[stopped] == Act(BRIDGE, B, (StopRecording(),))
    assert stopped < fresh.index(Dismissed(B, BRIDGE))


def test_a_leg_that_cannot_be_recorded_leaves_the_bridge_without_br_6() -> None:
    world = BridgeWorld()
    world.make(A, B)
    world.fresh()
    ask(world, StartRecording())
    world.feed(RecordingRefused(B), RecordingRefused(A))
    ask(world, StartRecording(), action_sid="a2")
    assert acts(world)[-1] == ("a2", A, "StartRecording")


def test_a_bridge_may_be_ordered_with_a_recording_br_2() -> None:
    world = BridgeWorld(BridgeTerms(is_recorded=True))
    world.make()
    assert acts(world) == []
    world.feed(Asked(A))
    assert acts(world) == [(BRIDGE, A, "StartRecording")]


def test_a_monitor_hears_and_is_no_participant_ex_27() -> None:
    world = BridgeWorld()
    world.make(A, B)
    world.feed(WatchAsked(S, "listen", LegSid("")))
    assert world.said[-1] != Watching(S, BRIDGE, "listen")
    assert Watching(S, BRIDGE, "listen") in world.said
    assert {Hears(S, A), Hears(S, B)} <= world.links
    assert world.bridge.active_legs == (A, B)
    assert S not in world.bridge.leg_sids
    assert world.bridge.concerned == {A, B, S}
    world.feed(WatchAsked(S, "whisper", B))
    assert Hears(B, S) in world.links
    assert Hears(A, S) not in world.links
    world.feed(WatchAsked(S, "barge", LegSid("")))
    assert {Hears(A, S), Hears(B, S)} <= world.links
    world.feed(WatchLeft(S))
    assert world.links == {Pair(A, B, relays_keys=True)}


def test_a_monitor_does_not_keep_a_bridge_and_is_told_its_end_ex_27() -> None:
    world = BridgeWorld()
    world.make(A, B)
    world.feed(WatchAsked(S, "barge", LegSid("")))
    world.feed(Left(A), Left(B))
    assert world.told()[-1] == "bridge_terminal"
    assert WatchOver(S, BRIDGE) in world.said
    assert not world.links


def test_monitors_have_a_bound_and_a_whisper_an_ear_ex_27() -> None:
    world = BridgeWorld()
    world.make(A, B)
    for number in range(MONITORS_LIMIT):
        world.feed(WatchAsked(LegSid(f"s{number}"), "listen", LegSid("")))
    world.feed(WatchAsked(S, "listen", LegSid("")))
    assert world.said[-1] == WatchRefused(S, "4 legs listen to this bridge already")
    world.feed(WatchAsked(LegSid("s0"), "whisper", C))
    assert world.said[-1] == WatchRefused(
        LegSid("s0"), "the leg that is to hear the whisper is not in it"
    )


def test_links_are_cut_before_others_are_made() -> None:
    world = BridgeWorld()
    world.make(A, B)
    world.fresh()
    world.feed(Asked(C))
    kinds = [type(one).__name__ for one in world.fresh()]
    assert kinds == ["Admitted", "Disconnect", *["Connect"] * 6]
    assert Disconnect(Pair(A, B, relays_keys=True)) in world.said
