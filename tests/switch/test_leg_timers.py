"""The timers of a leg, on a loop whose time the test moves (LG-25 to LG-28, LG-37, LG-61)."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from agentstream.base.ids import AccountSid, CallSid, LegSid
from agentstream.calls.causes import Cause
from agentstream.calls.commands import HangUpLeg
from agentstream.calls.events import CallEnded, LegTold
from agentstream.switch.feed import Fact
from agentstream.switch.leg_timers import LegTimers
from agentstream.switch.leg_view import LegTerms, LegView
from agentstream.testing.manual_clock import ManualClock

MINE = AccountSid("GreenLeaf1")
CALL, LEG = CallSid("call1"), LegSid("leg1")
TERMS = LegTerms(
    account_sid=MINE,
    contact_uri="1",
    exophone="2",
    setup_timeout_s=5,
    ring_timeout_s=20,
    time_limit_s=600,
)


@dataclass
class Scene:
    """A leg, its timers, and time."""

    now_s: float = 100.0
    calls: list[tuple[float, "_Timer", Callable[..., object], tuple[Any, ...]]] = field(
        default_factory=list
    )
    ended: list[tuple[float, HangUpLeg]] = field(default_factory=list)
    view: LegView = field(
        default_factory=lambda: LegView(
            leg_sid=LEG,
            call_sid=CALL,
            terms=TERMS,
            direction="outbound",
            created_at=ManualClock().wall(),
            updated_at=ManualClock().wall(),
        )
    )

    def __post_init__(self) -> None:
        self.timers = LegTimers(lambda _: self.view, self._end, self)

    def _end(self, call_sid: CallSid, order: HangUpLeg) -> None:
        assert call_sid == CALL
        self.ended.append((self.now_s, order))

    def time(self) -> float:
        return self.now_s

    def call_later(self, after_s: float, call: Callable[..., object], /, *given: Any) -> "_Timer":
        timer = _Timer()
        self.calls.append((self.now_s + after_s, timer, call, given))
        return timer

    def tell(self, name: str) -> None:
        clock = ManualClock()
        told = LegTold(CALL, self.view.leg_sid, name)
        fact = Fact(CALL, MINE, clock.now_ms(), clock.wall(), told)
        self.timers.hear(fact)

    def pass_(self, seconds: float) -> None:
        end_s = self.now_s + seconds
        for at_s, timer, call, given in sorted(self.calls, key=lambda entry: entry[0]):
            if at_s <= end_s and not timer.is_over:
                timer.is_over = True
                self.now_s = at_s
                call(*given)
        self.now_s = end_s


@dataclass
class _Timer:
    is_over: bool = False

    def cancel(self) -> None:
        self.is_over = True


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_a_leg_that_does_not_ring_in_time_ends_lg_27(scene: Scene) -> None:
    scene.tell("leg_connecting")
    scene.pass_(4.9)
    assert not scene.ended
    scene.pass_(0.2)
    [(at_s, order)] = scene.ended
    assert (at_s, order.cause) == (105.0, Cause.NO_ANSWER)
    assert order.text == "it did not ring within 5 s"


def test_a_leg_that_rings_too_long_ends_lg_28(scene: Scene) -> None:
    scene.tell("leg_connecting")
    scene.pass_(3)
    scene.tell("leg_ringing")
    scene.pass_(100)
    [(at_s, order)] = scene.ended
    assert (at_s, order.cause) == (123.0, Cause.NO_ANSWER)


def test_a_leg_lives_no_longer_than_its_limit_from_the_answer_lg_25(scene: Scene) -> None:
    scene.tell("leg_connecting")
    scene.tell("leg_ringing")
    scene.pass_(10)
    scene.tell("leg_answered")
    scene.pass_(1_000)
    [(at_s, order)] = scene.ended
    assert (at_s, order.cause) == (710.0, Cause.TIME_LIMIT)


def test_a_new_limit_counts_from_the_answer_too_lg_61(scene: Scene) -> None:
    scene.timers.change_limit(scene.view)  # not answered yet: nothing to count from
    assert scene.timers.running == 0
    scene.tell("leg_answered")
    scene.pass_(50)
    scene.view = replace(scene.view, terms=replace(TERMS, time_limit_s=60))
    scene.timers.change_limit(scene.view)
    scene.pass_(100)
    assert [at_s for at_s, _ in scene.ended] == [160.0]
    scene.view = replace(scene.view, terms=replace(TERMS, time_limit_s=10))
    scene.timers.change_limit(scene.view)  # that was long ago
    scene.pass_(0)
    assert len(scene.ended) == 2


@pytest.mark.parametrize("by_its_call", [False, True])
def test_an_ended_leg_has_no_timers(scene: Scene, by_its_call: bool) -> None:
    scene.tell("leg_answered")
    if by_its_call:
        clock = ManualClock()
        ended: Any = CallEnded(CALL, record=None)  # type: ignore[arg-type]  # nobody reads it
        scene.timers.hear(Fact(CALL, MINE, clock.now_ms(), clock.wall(), ended))
    else:
        scene.tell("leg_terminated")
    assert scene.timers.running == 0


def test_legs_that_came_in_or_were_dialled_later_are_timed_from_their_answer(scene: Scene) -> None:
    for view in (replace(scene.view, direction="inbound"), replace(scene.view, is_first=False)):
        scene.view = view
        scene.tell("leg_connecting")
        scene.tell("leg_ringing")
        assert scene.timers.running == 0
        scene.tell("leg_answered")
        assert scene.timers.running == 1
        scene.tell("leg_terminated")


def test_each_leg_of_a_call_has_its_own_limit_lg_25_lg_61_br_9(scene: Scene) -> None:
    scene.tell("leg_answered")
    scene.pass_(100)
    other = LegSid("leg2")
    scene.view = replace(scene.view, leg_sid=other, is_first=False)
    scene.tell("leg_answered")
    scene.view = replace(scene.view, terms=replace(TERMS, time_limit_s=1_000))
    scene.timers.change_limit(scene.view)
    scene.pass_(2_000)
    assert [(at_s, order.leg_sid) for at_s, order in scene.ended] == [
        (700.0, LEG),
        (1_200.0, other),
    ]
