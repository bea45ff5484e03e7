"""One leg: every move of the table, and no other."""

from itertools import product

import pytest

from agentstream.base.errors import CommandError
from agentstream.calls.causes import Cause, Party
from agentstream.calls.commands import Answer, HangUp, Reject
from agentstream.calls.effects import AnswerLeg, EndLeg, RejectLeg
from agentstream.calls.leg import MOVES, Leg, LegInput, LegState
from agentstream.calls.reports import LegAnswered, LegEnded, LegRang, MediaFlowing
from agentstream.testing.calls import LEG

HAPPENINGS: tuple[LegInput, ...] = (
    Answer(LEG),
    Reject(LEG, Cause.BUSY),
    HangUp(Cause.NORMAL, Party.FLOW, "bye"),
    LegRang(LEG),
    LegAnswered(LEG),
    LegEnded(LEG, Cause.NORMAL, Party.CALLER),
    MediaFlowing(LEG),
)


@pytest.mark.parametrize(("state", "happening"), list(product(LegState, HAPPENINGS)))
def test_a_leg_makes_exactly_the_moves_of_its_table(state: LegState, happening: LegInput) -> None:
    leg = Leg(LEG, "inbound", "", 0)
    leg.state = state
    after = MOVES.get((state, type(happening)))
    assert leg.accepts(happening) is (after is not None)
    if after is None:
        with pytest.raises(CommandError, match=state.value):
            leg.receive(happening, 5)
        assert leg.state is state
    else:
        leg.receive(happening, 5)
        assert leg.state is after


def test_a_leg_that_is_offered_rings_at_once_and_talks_once_confirmed() -> None:
    leg = Leg(LEG, "inbound", "udp:192.0.2.1:5060", 100)
    assert leg.receive(Answer(LEG), 250) == [AnswerLeg(LEG)]
    assert not leg.is_talking
    leg.receive(LegAnswered(LEG), 300)
    assert leg.is_talking
    leg.receive(MediaFlowing(LEG), 320)
    leg.receive(LegEnded(LEG, Cause.NORMAL, Party.CALLER), 900)
    assert leg.has_ended
    record = leg.record(zero_ms=100)
    assert (record.started_ms, record.rang_ms, record.answered_ms) == (0, 0, 200)
    assert (record.ended_ms, record.had_media) == (800, True)
    assert (record.cause, record.ended_by) == (Cause.NORMAL, Party.CALLER)


def test_a_leg_that_we_dial_rings_when_its_far_end_says_so() -> None:
    leg = Leg(LEG, "outbound", "", 100)
    assert leg.rang_ms is None
    leg.receive(LegRang(LEG), 200)
    assert leg.rang_ms == 200
    leg.receive(LegAnswered(LEG), 300)
    assert leg.is_talking


def test_a_caller_who_goes_before_the_answer_has_canceled() -> None:
    leg = Leg(LEG, "inbound", "", 0)
    leg.receive(LegEnded(LEG, Cause.NORMAL, Party.CALLER), 10)
    assert leg.cause is Cause.CANCELED


def test_a_hang_up_refuses_what_rings_and_ends_what_talks() -> None:
    ringing, talking = Leg(LEG, "inbound", "", 0), Leg(LEG, "outbound", "", 0)
    hang_up = HangUp(Cause.DRAINING, Party.SYSTEM, "we close")
    assert ringing.receive(hang_up, 1) == [RejectLeg(LEG, Cause.DRAINING, "we close")]
    assert talking.receive(hang_up, 1) == [EndLeg(LEG, Cause.DRAINING, "we close")]


def test_the_first_who_ends_a_leg_is_the_one_who_ended_it() -> None:
    leg = Leg(LEG, "inbound", "", 0)
    assert leg.receive(Reject(LEG, Cause.BUSY, Party.FLOW), 1) == [RejectLeg(LEG, Cause.BUSY)]
    leg.receive(LegEnded(LEG, Cause.NORMAL, Party.CALLER), 2)
    record = leg.record(0)
    assert (record.cause, record.ended_by) == (Cause.BUSY, Party.FLOW)
