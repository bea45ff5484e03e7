"""The legs of a Connect until somebody has answered: rounds, limits, and strays."""

from agentstream.base.ids import CountedTokens, LegSid
from agentstream.calls.causes import Cause, Party
from agentstream.calls.commands import Bridge, Dial, DialSpec, HangUpLeg
from agentstream.calls.events import LegDialled, LegGone, LegRinging, LegUp
from agentstream.flows.applet import Step
from agentstream.flows.context import Context
from agentstream.flows.dial_plan import DialPlan, Target
from agentstream.flows.dialling import AgentEvents, Dialling, Failure
from agentstream.testing.calls import CALL, LEG, make_setup

TARGETS = tuple(Target(f"+91900000000{index}") for index in range(4))
HEADERS = (("X-order", "7781"),)


def dialling(**fields: object) -> Dialling:
    context = Context(make_setup(), CountedTokens(), 0)
    plan = DialPlan(**{"targets": TARGETS, **fields})  # type: ignore[arg-type]
    return Dialling(context, plan, AgentEvents(context, "https://crm.example/", {}))


def dialled(steps: list[Step]) -> list[LegSid]:
    """Return the legs that these steps dial; they must do nothing else."""
    legs = [step.leg_sid for step in steps if isinstance(step, Dial)]
    assert len(legs) == len(steps)
    return legs


def gone(leg_sid: LegSid, cause: Cause = Cause.BUSY) -> LegGone:
    return LegGone(CALL, leg_sid, cause, Party.CALLEE, 0, "")


def test_as_many_ring_at_once_as_the_plan_says() -> None:
    machine = dialling(parallel=3)
    legs = dialled(machine.dial())
    assert len(legs) == 3
    assert machine.dial() == []
    [fourth] = dialled(machine.receive(gone(legs[1]), 0))
    assert machine.latest == TARGETS[3]
    assert machine.receive(gone(legs[1]), 0) == []  # told twice
    for leg_sid in (legs[0], legs[2], fourth):
        assert not machine.is_exhausted
        assert machine.receive(gone(leg_sid), 0) == []
    assert machine.is_exhausted


def test_everything_that_a_plan_says_of_a_leg_is_dialled() -> None:
    target = Target("sip:trmum1", "+918040000002", HEADERS)
    machine = dialling(targets=(target,), caller_id="+9180", trunk="main", ring_ms=20_000)
    [dial] = machine.dial()
    assert isinstance(dial, Dial)
    spec = DialSpec("sip:trmum1", "+918040000002", "main", "+9180", 20_000, HEADERS)
    assert dial.spec == spec


def test_a_round_is_for_those_whose_reason_may_pass() -> None:
    machine = dialling(targets=TARGETS[:3], retries=2)
    [leg_sid] = dialled(machine.dial())
    for cause in (Cause.BUSY, Cause.REJECTED):
        [leg_sid] = dialled(machine.receive(gone(leg_sid, cause), 0))
    [leg_sid] = dialled(machine.receive(gone(leg_sid, Cause.NO_ANSWER), 0))
    assert machine.latest == TARGETS[0]
    [leg_sid] = dialled(machine.receive(gone(leg_sid, Cause.NOT_FOUND), 0))
    assert machine.latest == TARGETS[2]
    [leg_sid] = dialled(machine.receive(gone(leg_sid, Cause.BUSY), 0))  # the second round
    assert machine.receive(gone(leg_sid, Cause.BUSY), 0) == []
    assert machine.is_exhausted


def test_a_plan_that_asks_again_dials_one_attempt_only_ap_44() -> None:
    machine = dialling(asks_again=True, retries=5)
    [leg_sid] = dialled(machine.dial())
    assert machine.receive(gone(leg_sid), 0) == []
    assert machine.is_exhausted


def test_only_a_single_party_that_speaks_early_can_be_heard() -> None:
    machine = dialling(targets=TARGETS[:2], parallel=2)
    first, second = dialled(machine.dial())
    machine.receive(LegRinging(CALL, first, has_early_media=True), 0)
    assert machine.talker is None
    machine.receive(gone(second, Cause.REJECTED), 0)
    assert machine.talker is not None
    assert machine.talker.leg_sid == first
    assert machine.refused(Bridge(LEG, first), "no") == []
    assert machine.talker is None


def test_a_dial_that_is_refused_is_no_leg() -> None:
    machine = dialling(targets=TARGETS[:2])
    [dial] = machine.dial()
    assert isinstance(dial, Dial)
    [second] = dialled(machine.refused(dial, "no trunk"))
    assert machine.refused(dial, "no trunk") == []
    assert machine.failure == Failure(TARGETS[0], Cause.FAILED, Party.SYSTEM, "no trunk")
    assert not machine.has_dialled
    assert machine.receive(LegDialled(CALL, second, "", ""), 0) == []
    assert machine.has_dialled


def test_an_answer_and_a_cancel_end_each_of_the_others_once() -> None:
    machine = dialling(targets=TARGETS[:3], parallel=3)
    first, second, third = dialled(machine.dial())
    machine.receive(LegRinging(CALL, third, has_early_media=False), 0)
    steps = machine.receive(LegUp(CALL, second), 0)
    assert [step.leg_sid for step in steps if isinstance(step, HangUpLeg)] == [first, third]
    assert machine.answered is not None
    assert machine.answered.leg_sid == second
    assert machine.cancel(0) == []
    assert machine.receive(LegUp(CALL, first), 0) == []
