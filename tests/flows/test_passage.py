"""A call that only passes through: answered when the other party is, refused as it refuses."""

import pytest

from agentstream.base.ids import CountedTokens, LegSid
from agentstream.calls import effects
from agentstream.calls.call import Call
from agentstream.calls.causes import Cause, Party
from agentstream.calls.commands import DialSpec
from agentstream.calls.events import LegsBridged
from agentstream.calls.record import CallLimits
from agentstream.calls.reports import LegAnswered, LegRang, MediaFlowing, MediaLost
from agentstream.flows.journey import Journey, Redirect
from agentstream.flows.passage import Passage
from agentstream.testing.calls import LEG, make_setup
from agentstream.testing.journeys import JourneyWorld

SPEC = DialSpec("+919876500002", caller_id="+918040000002")
CALLEE = LegSid(CountedTokens().hex())


def rung() -> JourneyWorld:
    """A call that has come in, whose other party is being dialled."""
    setup = make_setup()
    call = Call(setup, CallLimits(), 0, awaits_flow=False)
    world = JourneyWorld(setup, Journey(call, Passage(SPEC, CountedTokens())))
    world.ring()
    assert effects.DialLeg(CALLEE, SPEC) in world.story
    return world


def told(world: JourneyWorld, *kinds: type) -> list[object]:
    return [each for each in world.story if isinstance(each, kinds)]


def test_the_caller_is_answered_when_the_other_party_is_and_not_before() -> None:
    world = rung()
    world.happens(LegRang(CALLEE))
    assert told(world, effects.RingLeg, effects.AnswerLeg) == [effects.RingLeg(LEG)]
    world.happens(LegAnswered(CALLEE))
    assert told(world, effects.AnswerLeg)
    assert not told(world, effects.BridgeLegs)
    world.answer()
    assert told(world, effects.BridgeLegs) == [effects.BridgeLegs(LEG, CALLEE)]
    world.end_callee()
    world.end_leg()
    record = world.record_of_end.record
    assert (record.status, record.ended_by) == ("completed", Party.CALLEE)


def test_early_media_reaches_the_caller_who_is_not_answered_sip_16() -> None:
    world = rung()
    world.happens(LegRang(CALLEE))
    world.happens(LegRang(CALLEE, has_early_media=True))
    world.happens(MediaFlowing(LEG))
    world.happens(MediaLost(LEG, 30_000, ever_flowed=False))  # a caller may be silent until then
    assert told(world, effects.RingLeg) == [effects.RingLeg(LEG), effects.RingLeg(LEG, True)]
    assert told(world, LegsBridged)
    world.happens(LegAnswered(CALLEE))
    world.answer()
    assert len(told(world, effects.BridgeLegs)) == 1
    world.end_leg()
    world.end_callee()
    assert world.record_of_end.record.status == "completed"


@pytest.mark.parametrize("cause", [Cause.BUSY, Cause.NOT_FOUND, Cause.NO_ANSWER, Cause.REJECTED])
@pytest.mark.parametrize("is_early", [False, True])
def test_a_refusal_is_passed_on_as_it_is_sip_81(cause: Cause, is_early: bool) -> None:
    world = rung()
    world.happens(LegRang(CALLEE, has_early_media=is_early))
    world.end_callee(cause)
    assert told(world, effects.RejectLeg)
    refusal = told(world, effects.RejectLeg)[0]
    assert isinstance(refusal, effects.RejectLeg)
    assert refusal.cause is cause
    world.end_leg(cause, Party.SYSTEM)
    assert world.record_of_end.record.cause is cause


def test_a_caller_who_gives_up_ends_the_dialling() -> None:
    world = rung()
    world.happens(LegRang(CALLEE))
    world.end_leg()
    assert told(world, effects.EndLeg)
    world.end_callee(Cause.CANCELED, Party.SYSTEM)
    assert world.record_of_end.record.status == "canceled"


def test_a_party_that_goes_while_the_caller_is_being_answered_ends_the_call() -> None:
    world = rung()
    world.happens(LegAnswered(CALLEE))
    world.end_callee()
    world.end_leg(Cause.NORMAL, Party.SYSTEM)
    assert not told(world, effects.RejectLeg)
    assert world.record_of_end.record.ended_by is Party.CALLEE


def test_a_passage_follows_no_flow_that_it_could_leave() -> None:
    world = rung()
    with pytest.raises(Exception, match="follows no flow"):
        world.happens(Redirect(None))  # type: ignore[arg-type]
