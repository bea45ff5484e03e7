"""The party that a leg dials, a leg of its own."""

import pytest

from agentstream.base.errors import CommandError
from agentstream.base.ids import LegSid
from agentstream.calls import commands, effects
from agentstream.calls.causes import Cause, Party
from agentstream.calls.reports import (
    LegAnswered,
    LegEnded,
    StreamEnded,
    StreamOutcome,
)
from agentstream.flows.legs.verbs import (
    Dial,
    Hangup,
    Hold,
    StartRecording,
    UnHold,
)
from agentstream.testing.calls import LEG
from agentstream.testing.leg_world import AGENT, BOT, EAR, HELLO, SONG, LegWorld, facts_of


def test_a_dialled_party_is_a_leg_of_its_own_and_talks_ex_21_ex_32_ex_48(world: LegWorld) -> None:
    action_sid = world.act(AGENT)
    second = world.second()
    world.ring_second()
    world.answer_second()
    world.wait(42_000)
    world.end_callee()
    tales = world.tales()
    assert [(tale.name, tale.leg_sid == second) for tale in tales] == [
        ("dial_initiated", False),
        ("leg_connecting", True),
        ("leg_ringing", True),
        ("leg_answered", True),
        ("dial_success", False),
        ("leg_terminated", True),
        ("dial_completed", False),
    ]
    initiated, connecting, *_, completed = tales
    bridge_sid = facts_of(initiated)["bridge_sid"]
    assert facts_of(initiated) == {"bridge_sid": bridge_sid, "second_leg_sid": second}
    assert facts_of(connecting) == {
        "contact_uri": "+919876500002",
        "exophone": "+918040000002",
        "network_type": "pstn",
        "custom_param": "agent 7",
        "parent_leg_sid": LEG,
    }
    assert facts_of(completed) == {
        "second_leg_sid": second,
        "bridge_sid": bridge_sid,
        "duration": 42,
        "status": "completed",
    }
    assert completed.action_sid == action_sid
    assert not world.watch.has_hung_up, "the first leg stays (BR-9)"


@pytest.mark.parametrize(
    ("cause", "status", "code"),
    [(Cause.BUSY, "busy", 486), (Cause.NO_ANSWER, "no-answer", 480), (Cause.FAILED, "failed", 500)],
)
def test_a_party_that_is_not_reached_fails_the_dial_ex_47(
    world: LegWorld, cause: Cause, status: str, code: int
) -> None:
    world.act(AGENT)
    world.ring_second()
    world.end_callee(cause)
    tale = world.tales()[-1]
    assert tale.name == "dial_failed"
    assert (facts_of(tale)["status"], facts_of(tale)["sip_code"]) == (status, code)
    assert tale.error is not None


def test_a_bridge_ends_the_bot_and_the_music_br_10(world: LegWorld) -> None:
    world.act(BOT)
    world.act(EAR)
    world.open_stream()
    world.act(SONG)
    world.act(AGENT)
    world.tales()
    world.answer_second()
    ended = [one for one in world.story if isinstance(one, effects.EndStream)]
    assert len(ended) == 1
    assert world.told() == ["leg_answered", "play_interrupted", "dial_success"]
    sid = ended[0].stream_sid
    world.ends(sid, StreamEnded(sid, StreamOutcome("completed", "NA")))
    (tale,) = world.tales()
    assert (tale.name, facts_of(tale)["reason"]) == ("stream_stopped", "bridged")


def test_keys_do_not_cross_a_bridge_that_absorbs_them_ex_45(world: LegWorld) -> None:
    world.act(Dial("+919876500002", "+918040000002", absorb_dtmf=True))
    world.answer_second()
    (bridge,) = [one for one in world.story if isinstance(one, effects.BridgeLegs)]
    assert not bridge.relays_digits
    world.act(Hold())
    world.act(UnHold())
    bridges = [one for one in world.story if isinstance(one, effects.BridgeLegs)]
    assert [one.relays_digits for one in bridges] == [False, False]


def test_the_second_leg_is_steered_like_the_first(world: LegWorld) -> None:
    world.act(AGENT)
    second = world.second()
    with pytest.raises(CommandError, match="not answered yet"):
        world.act(HELLO, leg_sid=second)
    world.answer_second()
    with pytest.raises(CommandError, match="talks with another one"):
        world.act(AGENT, leg_sid=second)
    world.tales()
    world.act(HELLO, leg_sid=second)
    world.begin_prompt()
    action_sid = world.act(Hangup(), leg_sid=second)
    world.end_callee(party=Party.OPERATOR)
    tales = world.tales()
    assert [(tale.name, tale.leg_sid) for tale in tales] == [
        ("say_started", second),
        ("say_interrupted", second),
        ("leg_terminated", second),
        ("dial_completed", LEG),
    ]
    assert tales[2].action_sid == action_sid
    with pytest.raises(CommandError, match="has ended"):
        world.act(HELLO, leg_sid=second)
    with pytest.raises(CommandError, match="not part of the call"):
        world.act(HELLO, leg_sid=LegSid("nobody"))


def test_one_dial_at_a_time_br_9(world: LegWorld) -> None:
    world.act(AGENT)
    with pytest.raises(CommandError, match="already"):
        world.act(AGENT)


def test_whoever_stays_when_the_first_leg_goes_is_told_apart_br_9_ex_48_ev_5(
    world: LegWorld,
) -> None:
    action_sid = world.act(AGENT)
    second = world.second()
    world.answer_second()
    world.wait(42_000)
    world.tales()
    world.end_leg()
    completed, terminated = world.tales()
    assert [(tale.name, tale.leg_sid) for tale in (completed, terminated)] == [
        ("dial_completed", LEG),
        ("leg_terminated", LEG),
    ]
    assert completed.action_sid == action_sid
    assert (facts_of(completed)["second_leg_sid"], facts_of(completed)["duration"]) == (second, 42)
    assert facts_of(terminated)["hangup_by"] == "remote"
    world.wait(8_000)
    world.end_callee()
    (tale,) = world.tales()
    assert (tale.name, tale.leg_sid) == ("leg_terminated", second)
    assert (facts_of(tale)["hangup_by"], facts_of(tale)["duration"]) == ("remote", 50)
    assert world.watch.ended is not None
    assert world.told() == []


def test_who_stays_is_steered_as_before_and_dials_the_next_one_br_9(world: LegWorld) -> None:
    world.act(AGENT)
    second = world.second()
    world.answer_second()
    world.end_leg()
    world.tales()
    world.act(BOT, leg_sid=second)
    world.open_stream()
    world.act(HELLO, leg_sid=second)
    world.begin_prompt()
    assert world.told() == ["stream_initiated", "stream_started", "say_started"]
    world.act(Dial("+919876500003", "+918040000002", custom_param="next"), leg_sid=second)
    (third,) = world.watch.dialled & world.watch.legs - {second}
    initiated, connecting = world.tales()
    assert (initiated.leg_sid, connecting.leg_sid) == (second, third)
    assert facts_of(connecting)["parent_leg_sid"] == second
    world.happens(LegAnswered(third))
    told = [(tale.leg_sid, tale.name) for tale in world.tales()]
    assert told == [
        (third, "leg_answered"),
        (second, "say_interrupted"),
        (second, "dial_success"),
    ]
    with pytest.raises(CommandError, match="has ended"):
        world.act(HELLO)
    world.act(Hangup(), leg_sid=second)
    world.ends(second, LegEnded(second, Cause.NORMAL, Party.OPERATOR))
    told = [(tale.leg_sid, tale.name) for tale in world.tales()]
    assert told[-2:] == [(second, "dial_completed"), (second, "leg_terminated")]
    assert third in world.watch.talking


def test_a_hangup_of_the_first_leg_leaves_the_other_one_ex_11_br_9(world: LegWorld) -> None:
    world.act(AGENT)
    second = world.second()
    world.answer_second()
    world.tales()
    action_sid = world.act(Hangup())
    assert world.told() == []
    world.end_leg()
    completed, terminated = world.tales()
    assert (completed.name, terminated.name) == ("dial_completed", "leg_terminated")
    assert terminated.action_sid == action_sid
    assert facts_of(terminated)["hangup_by"] == "local"
    assert second in world.watch.talking


def test_both_leave_in_the_same_moment_and_each_end_is_told_once_br_9(world: LegWorld) -> None:
    world.act(AGENT)
    second = world.second()
    world.answer_second()
    world.tales()
    world.act(Hangup())
    world.end_callee()
    told = [(tale.leg_sid, tale.name) for tale in world.tales()]
    assert told == [
        (second, "leg_terminated"),
        (LEG, "dial_completed"),
        (LEG, "leg_terminated"),
    ]
    world.end_leg()
    assert world.told() == []
    assert world.watch.ended is not None


def test_a_party_that_only_rings_is_called_off_with_the_first_leg_ex_47(world: LegWorld) -> None:
    world.act(AGENT)
    second = world.second()
    world.ring_second()
    world.tales()
    world.end_leg()
    failed, terminated = world.tales()
    assert (failed.name, facts_of(failed)["status"]) == ("dial_failed", "canceled")
    assert (terminated.leg_sid, terminated.name) == (LEG, "leg_terminated")
    world.end_callee(Cause.CANCELED, Party.SYSTEM)
    (tale,) = world.tales()
    assert (tale.leg_sid, facts_of(tale)["terminal_status"]) == (second, "canceled")


def test_a_dial_that_the_call_refuses_fails_ex_47(world: LegWorld) -> None:
    world.act(Dial("x" * 512, "1000", timeout_ms=600_001))
    initiated, failed = world.tales()
    assert (initiated.name, failed.name) == ("dial_initiated", "dial_failed")
    assert failed.error is not None
    assert "ring_ms" in failed.error.description


def test_a_party_that_cannot_be_bridged_is_hung_up(world: LegWorld) -> None:
    world.act(AGENT)
    second = world.second()
    world.happens(commands.Dial(LegSid("other"), commands.DialSpec("1000")))
    world.happens(LegAnswered(LegSid("other")))
    world.happens(commands.Bridge(LEG, LegSid("other")))
    world.happens(LegAnswered(second))
    tale = next(tale for tale in world.tales() if tale.name == "dial_failed")
    assert tale.error is not None
    assert "in a bridge already" in tale.error.description
    ended = [one for one in world.story if isinstance(one, effects.EndLeg)]
    assert [one.leg_sid for one in ended] == [second]


def test_a_leg_that_a_command_dialled_is_told_of_too(world: LegWorld) -> None:
    world.happens(commands.Dial(LegSid("other"), commands.DialSpec("1000", caller_id="2000")))
    (tale,) = world.tales()
    assert (tale.leg_sid, tale.name) == ("other", "leg_connecting")
    assert facts_of(tale) == {"contact_uri": "1000", "exophone": "2000"}


def test_the_recording_of_a_second_leg_is_available_after_it_has_gone(world: LegWorld) -> None:
    world.act(AGENT)
    second = world.second()
    world.answer_second()
    world.act(StartRecording(), leg_sid=second)
    world.begin_recording()
    world.end_callee()
    world.tales()
    world.end_recording()
    (tale,) = world.tales()
    assert (tale.leg_sid, tale.name) == (second, "recording_available")


def test_a_leg_that_is_being_hung_up_takes_no_more_actions_lg_105(world: LegWorld) -> None:
    world.act(AGENT)
    world.answer_second()
    world.tales()
    world.act(Hangup(), StartRecording())
    assert world.told() == ["recording_failed_to_start"]
    with pytest.raises(CommandError, match="being hung up"):
        world.act(StartRecording())
    world.act(Hangup())
    assert len([one for one in world.story if isinstance(one, effects.EndLeg)]) == 1
    world.end_leg()
    assert world.told() == ["dial_completed", "leg_terminated"]
