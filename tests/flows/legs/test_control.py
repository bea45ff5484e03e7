"""Legs that are steered: their lives, from the first ring to the last word."""

from typing import Literal

import pytest

from agentstream.base.errors import CommandError
from agentstream.calls import commands, effects
from agentstream.calls.answering import AskWho
from agentstream.calls.causes import Cause
from agentstream.calls.reports import AnswererKnown, Beeped, LegPlaced, LegRang
from agentstream.flows.legs.settings import LegSettings
from agentstream.flows.legs.verbs import (
    Acknowledged,
    Answer,
    Hangup,
    StopSay,
)
from agentstream.testing.calls import LEG
from agentstream.testing.leg_world import HELLO, LegWorld, facts_of


def test_a_leg_that_is_placed_connects_rings_answers_and_ends_ev_1_ev_4_ev_5() -> None:
    world = LegWorld()
    world.ring()
    assert world.told() == ["leg_connecting", "leg_ringing"]
    world.happens(LegRang(LEG, has_early_media=True))
    assert world.told() == []
    world.answer()
    assert world.told() == ["leg_answered"]
    world.wait(61_500)
    world.end_leg()
    (tale,) = world.tales()
    assert tale.name == "leg_terminated"
    assert facts_of(tale) == {
        "terminal_status": "completed",
        "reason": "normal",
        "sip_code": None,
        "hangup_by": "remote",
        "duration": 61,
    }
    world.obey()
    assert world.watch.ended is not None
    assert world.told() == []


@pytest.mark.parametrize(
    ("rings", "cause", "name", "status", "code"),
    [
        (True, Cause.BUSY, "leg_terminated", "busy", 486),
        (True, Cause.NO_ANSWER, "leg_terminated", "no-answer", 480),
        (True, Cause.REJECTED, "leg_terminated", "failed", 603),
        (False, Cause.BUSY, "leg_failed_to_create", "busy", 486),
        (False, Cause.NOT_FOUND, "leg_failed_to_create", "failed", 404),
    ],
)
def test_a_leg_that_is_not_answered_ends_by_one_of_two_events_ev_4_ev_8(
    rings: bool, cause: Cause, name: str, status: str, code: int
) -> None:
    world = LegWorld()
    if rings:
        world.ring()
    else:
        world.happens(LegPlaced(LEG, "+919876500001"))
    world.tales()
    world.end_leg(cause)
    (tale,) = world.tales()
    assert (tale.name, facts_of(tale)["terminal_status"], facts_of(tale)["sip_code"]) == (
        name,
        status,
        code,
    )
    assert (tale.error is not None) == (name == "leg_failed_to_create")


@pytest.mark.parametrize(
    ("mode", "wanted"),
    [
        ("sync", ["amd_result_success", "leg_answered"]),
        ("async", ["leg_answered", "amd_result_success"]),
    ],
)
def test_who_answers_is_told_before_or_after_the_answer_ev_6_lg_32_lg_33(
    mode: Literal["sync", "async"], wanted: list[str]
) -> None:
    world = LegWorld(asks_who=AskWho(mode))
    world.ring()
    world.tales()
    world.answer()
    world.happens(AnswererKnown(LEG, "machine", 1_700, "greeting"))
    tales = world.tales()
    assert [tale.name for tale in tales] == wanted
    (judged,) = [tale for tale in tales if tale.name == "amd_result_success"]
    assert facts_of(judged) == {"result": "machine", "elapsed_ms": 1_700}
    world.happens(Beeped(LEG, 9_100))
    (beep,) = world.tales()
    assert (beep.name, facts_of(beep)) == ("amd_beep_detected", {"elapsed_ms": 9_100})


def test_a_leg_that_ends_before_it_is_known_who_answered_says_so_ev_6() -> None:
    world = LegWorld(asks_who=AskWho("async"))
    world.ring()
    world.answer()
    world.tales()
    world.end_leg()
    failed, ended = world.tales()
    assert (failed.name, ended.name) == ("amd_result_failed", "leg_terminated")
    assert failed.error is not None
    assert failed.error.description == "the leg ended before it was known"


def test_a_leg_that_comes_in_is_answered_after_a_while_lg_112_lg_113_lc_14() -> None:
    world = LegWorld(inbound=True)
    world.ring()
    assert world.told() == ["leg_connecting", "leg_ringing"]
    assert any(isinstance(one, effects.RingLeg) for one in world.story)
    world.wait(1_499)
    assert not any(isinstance(one, effects.AnswerLeg) for one in world.story)
    world.wait(1)
    assert any(isinstance(one, effects.AnswerLeg) for one in world.story)
    world.answer()
    assert world.told() == ["leg_answered"]


def test_a_leg_that_comes_in_is_answered_once_its_ringing_is_acknowledged_lg_112() -> None:
    world = LegWorld(inbound=True)
    world.ring()
    world.happens(Acknowledged(LEG))
    world.happens(Acknowledged(LEG))
    action_sid = world.act(Answer())
    answers = [one for one in world.story if isinstance(one, effects.AnswerLeg)]
    assert len(answers) == 1
    world.answer()
    (tale,) = [tale for tale in world.tales() if tale.name == "leg_answered"]
    assert tale.action_sid == action_sid
    world.act(Answer())
    assert world.told() == []


def test_an_answer_may_be_left_to_the_app_lg_111_lg_112_ex_10() -> None:
    world = LegWorld(LegSettings(answers="manual"), inbound=True)
    world.ring()
    world.happens(Acknowledged(LEG))
    world.wait(20_000)
    world.tales()
    action_sid = world.act(Answer(), HELLO)
    world.answer()
    world.begin_prompt()
    answered, started = world.tales()
    assert (answered.name, answered.action_sid) == ("leg_answered", action_sid)
    assert (started.name, started.verb_index) == ("say_started", 1)


def test_a_leg_that_nobody_answers_is_given_up_lg_112() -> None:
    world = LegWorld(LegSettings(answers="manual", manual_answer_ms=9_000), inbound=True)
    world.ring()
    world.wait(9_000)
    (tale,) = world.tales()[2:]
    assert (tale.name, facts_of(tale)["terminal_status"]) == ("leg_terminated", "no-answer")
    assert facts_of(tale)["hangup_by"] == "platform"


def test_nothing_but_answer_and_hangup_can_be_done_before_the_answer_lg_106() -> None:
    world = LegWorld(inbound=True)
    world.ring()
    with pytest.raises(CommandError, match="not answered yet"):
        world.act(HELLO)
    placed = LegWorld()
    placed.ring()
    with pytest.raises(CommandError, match="answered by the party"):
        placed.act(Answer())
    placed.tales()
    action_sid = placed.act(Hangup())
    (tale,) = placed.tales()
    assert (tale.name, tale.action_sid) == ("leg_terminated", action_sid)
    assert facts_of(tale)["terminal_status"] == "canceled"


def test_a_hangup_ends_the_leg_and_says_whose_it_was_ex_11(world: LegWorld) -> None:
    action_sid = world.act(Hangup(), custom="bye")
    (tale,) = world.tales()
    assert (tale.name, tale.action_sid, tale.custom) == ("leg_terminated", action_sid, "bye")
    assert facts_of(tale)["hangup_by"] == "local"


def test_an_action_on_a_leg_that_has_ended_is_refused_lg_105(world: LegWorld) -> None:
    world.act(HELLO)
    world.end_leg()
    for verb in (HELLO, StopSay(), Hangup(), Answer()):
        with pytest.raises(CommandError, match="the leg has ended"):
            world.act(verb)


def test_an_answer_that_the_call_refuses_fails() -> None:
    world = LegWorld(inbound=True)
    world.ring()
    world.happens(commands.Answer(LEG))
    world.tales()
    world.act(Answer(), HELLO)
    (tale,) = world.tales()
    assert tale.name == "action_failed"
    assert tale.error is not None
