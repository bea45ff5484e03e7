"""A leg and the bridge that is of no call: it joins, leaves, listens, and always says so."""

from typing import Any

import pytest

from agentstream.base.errors import CommandError
from agentstream.calls.causes import Cause, Party
from agentstream.calls.effects import EndStream
from agentstream.calls.events import BridgeAsked
from agentstream.flows.given import BadActionError
from agentstream.flows.legs.bridge_signs import (
    Admitted,
    Dismissed,
    Invited,
    Refused,
    Watching,
    WatchOver,
    WatchRefused,
)
from agentstream.flows.legs.exoml import read_exoml
from agentstream.flows.legs.json_actions import read_action
from agentstream.flows.legs.verbs import (
    Dial,
    Hold,
    JoinBridge,
    LeaveBridge,
    Mute,
    StartMonitoring,
    StartRecording,
    StopMonitoring,
)
from agentstream.testing.calls import LEG
from agentstream.testing.leg_world import AGENT, BOT, EAR, GONE, HELLO, SONG, LegWorld, facts_of

B = "bridge-1"


def asked(world: LegWorld) -> list[BridgeAsked]:
    return [one for one in world.story if isinstance(one, BridgeAsked)]


def join(world: LegWorld, *more: Any) -> str:
    action_sid = world.act(JoinBridge(B), *more)
    world.happens(Admitted(LEG, B))
    return action_sid


def test_a_leg_joins_and_leaves_by_its_actions_ex_26(world: LegWorld) -> None:
    action_sid = join(world)
    assert [(one.wish, one.bridge_sid) for one in asked(world)] == [("join", B)]
    [joined] = world.tales()
    assert (joined.name, joined.action_sid) == ("leg_joined_bridge", action_sid)
    assert facts_of(joined) == {"bridge_sid": B}
    leaving = world.act(LeaveBridge())
    [left] = world.tales()
    assert (left.name, left.action_sid) == ("leg_left_bridge", leaving)
    assert facts_of(left) == {"bridge_sid": B}


def test_a_bridge_that_is_made_invites_and_the_leg_comes_br_1(world: LegWorld) -> None:
    world.happens(Invited(LEG, B))
    assert world.told() == []
    world.happens(Admitted(LEG, B))
    [joined] = world.tales()
    assert (joined.name, joined.action_sid) == ("leg_joined_bridge", "")
    world.happens(Dismissed(LEG, B))
    assert world.told() == ["leg_left_bridge"]


def test_a_leg_that_is_in_a_bridge_belongs_to_no_other_br_9(world: LegWorld) -> None:
    join(world)
    with pytest.raises(CommandError, match="one at a time"):
        world.act(JoinBridge("bridge-2"))
    with pytest.raises(CommandError, match="dials or talks with another one"):
        world.act(AGENT)
    with pytest.raises(CommandError, match="one at a time"):
        world.act(StartMonitoring("bridge-2"))
    world.happens(Invited(LEG, "bridge-2"))
    declined = asked(world)[-1]
    assert (declined.wish, declined.bridge_sid) == ("decline", "bridge-2")
    assert "one at a time" in declined.text


def test_a_leg_that_dials_or_talks_to_whom_it_dialled_joins_no_bridge_br_9(
    world: LegWorld,
) -> None:
    world.act(AGENT)
    with pytest.raises(CommandError, match="in a bridge already"):
        world.act(JoinBridge(B))
    world.answer_second()
    with pytest.raises(CommandError, match="in a bridge already"):
        world.act(JoinBridge(B), leg_sid=world.second())


def test_a_leg_that_is_not_answered_is_in_no_bridge_lg_106() -> None:
    world = LegWorld()
    world.ring()
    with pytest.raises(CommandError, match="not answered yet"):
        world.act(JoinBridge(B))
    world.happens(Invited(LEG, B))
    assert asked(world)[-1].wish == "decline"


def test_a_bridge_stops_the_bot_that_speaks_and_keeps_one_that_listens_br_10(
    world: LegWorld,
) -> None:
    world.act(BOT)
    world.act(EAR)
    world.open_stream()
    world.act(SONG)
    world.begin_prompt()
    world.tales()
    join(world)
    assert world.told() == ["play_interrupted", "leg_joined_bridge"]
    assert len([one for one in world.story if isinstance(one, EndStream)]) == 1
    world.end_stream(GONE)
    stopped = [tale for tale in world.tales() if tale.name == "stream_stopped"]
    assert facts_of(stopped[0])["reason"] == "bridged"
    with pytest.raises(CommandError, match="no bot speaks"):
        world.act(BOT)
    world.act(EAR)


def test_an_admission_that_nobody_asked_for_changes_nothing(world: LegWorld) -> None:
    world.act(SONG)
    world.begin_prompt()
    world.tales()
    for sign in (Admitted(LEG, B), Refused(LEG, B, "full"), Dismissed(LEG, B), WatchOver(LEG, B)):
        world.happens(sign)
    world.happens(Watching(LEG, B, "listen"))
    world.happens(WatchRefused(LEG, "no"))
    assert world.told() == []


def test_a_refusal_is_told_and_what_follows_is_not_done_ex_2_ex_47(world: LegWorld) -> None:
    world.act(JoinBridge(B), HELLO)
    world.happens(Refused(LEG, B, "the bridge is full"))
    [failed] = world.tales()
    assert failed.name == "leg_failed_to_join_bridge"
    assert failed.error is not None
    assert (failed.error.code, failed.error.description) == (1020, "the bridge is full")
    join(world, HELLO)
    world.begin_prompt()
    assert world.told() == ["leg_joined_bridge", "say_started"]


def test_a_refused_invitation_is_told_by_the_bridge_alone_br_7(world: LegWorld) -> None:
    world.happens(Invited(LEG, B))
    world.happens(Refused(LEG, B, "the other one has gone"))
    assert world.told() == []
    join(world)
    assert world.told() == ["leg_joined_bridge"]


def test_a_hang_up_is_told_as_left_and_then_terminated_br_11(world: LegWorld) -> None:
    join(world)
    world.act(StartRecording())
    world.begin_recording()
    world.tales()
    world.hang_up(Cause.NORMAL, Party.CALLEE)
    assert world.told() == ["recording_stopped", "leg_left_bridge", "leg_terminated"]


def test_a_leg_that_ends_while_it_asks_was_never_in(world: LegWorld) -> None:
    world.act(JoinBridge(B))
    world.hang_up(Cause.NORMAL, Party.CALLEE)
    assert world.told() == ["leg_terminated"]


def test_leaving_without_a_bridge_is_refused(world: LegWorld) -> None:
    with pytest.raises(CommandError, match="in no bridge"):
        world.act(LeaveBridge())
    world.act(JoinBridge(B))
    with pytest.raises(CommandError, match="in no bridge that it could leave"):
        world.act(LeaveBridge())


def test_a_leg_in_a_bridge_is_muted_and_held_by_itself_ex_24_ex_25(world: LegWorld) -> None:
    join(world)
    world.act(Mute("in"))
    world.act(Hold())
    assert world.told() == ["leg_joined_bridge", "mute_success", "hold_success"]


def test_a_leg_listens_until_it_stops_ex_27(world: LegWorld) -> None:
    watching = world.act(StartMonitoring(B, None, "listen"))
    [wish] = asked(world)
    assert (wish.wish, wish.bridge_sid, wish.mode) == ("watch", B, "listen")
    with pytest.raises(CommandError, match="about to listen"):
        world.act(StartMonitoring(B))
    world.happens(Watching(LEG, B, "listen"))
    [started] = world.tales()
    assert (started.name, started.action_sid) == ("monitoring_started", watching)
    assert facts_of(started) == {"bridge_sid": B, "mode": "listen"}
    with pytest.raises(CommandError, match="listens to a bridge"):
        world.act(JoinBridge(B))
    world.act(StopMonitoring())
    [stopped] = world.tales()
    assert facts_of(stopped) == {"bridge_sid": B, "reason": "stop_action"}
    world.act(StopMonitoring())
    assert world.told() == [], "LG-104"


def test_whoever_listens_may_begin_to_speak_or_go_to_another_bridge_ex_27(
    world: LegWorld,
) -> None:
    for sid, mode in ((B, "listen"), (B, "barge"), ("bridge-2", "listen")):
        world.act(StartMonitoring(sid, None, mode))  # type: ignore[arg-type]  # one of the three
        world.happens(Watching(LEG, sid, mode))  # type: ignore[arg-type]
    names = [(tale.name, facts_of(tale)["bridge_sid"]) for tale in world.tales()]
    assert names == [
        ("monitoring_started", B),
        ("monitoring_started", B),
        ("monitoring_stopped", B),
        ("monitoring_started", "bridge-2"),
    ]
    world.happens(WatchOver(LEG, "bridge-2"))
    [over] = world.tales()
    assert facts_of(over)["reason"] == "bridge_terminal"


def test_listening_that_is_refused_or_outlived_is_told_ex_47(world: LegWorld) -> None:
    world.act(StartMonitoring(B))
    world.happens(WatchRefused(LEG, "nobody talks in this bridge"))
    [failed] = world.tales()
    assert failed.name == "monitoring_failed_to_start"
    world.act(StartMonitoring(B))
    world.happens(Watching(LEG, B, "listen"))
    world.tales()
    world.hang_up(Cause.NORMAL, Party.CALLEE)
    [stopped, ended] = world.tales()
    assert (facts_of(stopped)["reason"], ended.name) == ("leg_terminated", "leg_terminated")


@pytest.mark.parametrize(
    ("action", "body", "exoml", "verb"),
    [
        ("join_bridge", {"bridge_sid": B}, f"<JoinBridge>{B}</JoinBridge>", JoinBridge(B)),
        ("join_bridge", {"bridgeSid": B}, f'<JoinBridge bridgeSid="{B}"/>', JoinBridge(B)),
        ("leave_bridge", {}, "<LeaveBridge/>", LeaveBridge()),
        (
            "start_monitoring",
            {"bridge_sid": B},
            f"<StartMonitoring>{B}</StartMonitoring>",
            StartMonitoring(B),
        ),
        (
            "start_monitoring",
            {"leg_sid": LEG, "mode": "whisper"},
            f'<StartMonitoring legSid="{LEG}" mode="whisper"/>',
            StartMonitoring("", LEG, "whisper"),
        ),
        ("stop_monitoring", {}, "<StopMonitoring/>", StopMonitoring()),
    ],
)
def test_the_verbs_of_bridges_are_read_in_both_shapes_ex_26_ex_27(
    action: str, body: dict[str, str], exoml: str, verb: Any
) -> None:
    assert read_action(action, body) == verb
    assert read_exoml(f"<Flow>{exoml}</Flow>") == (verb,)


@pytest.mark.parametrize(
    ("action", "body", "code", "word"),
    [
        ("join_bridge", {}, 1001, "bridgeSid"),
        ("start_monitoring", {}, 1001, "legSid"),
        ("start_monitoring", {"bridge_sid": B, "mode": "whisper"}, 1001, "legSid"),
        ("start_monitoring", {"bridge_sid": B, "mode": "shout"}, 1002, "listen or whisper"),
    ],
)
def test_what_is_missing_of_a_bridge_is_named_lg_11(
    action: str, body: dict[str, str], code: int, word: str
) -> None:
    with pytest.raises(BadActionError, match=word) as error:
        read_action(action, body)
    assert error.value.code == code


def test_a_dialled_leg_joins_a_bridge_when_its_own_talk_is_over(world: LegWorld) -> None:
    world.act(Dial("+919876500002", "+918040000002"))
    world.answer_second()
    world.end_callee()
    world.tales()
    join(world)
    assert world.told() == ["leg_joined_bridge"]
