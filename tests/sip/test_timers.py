from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from agentstream.sip.timers import Alarm, Timers, WakeQueue


@dataclass(eq=False)
class Sleepy:
    wake_at_ms: int | None
    alarm: Alarm | None = None


def test_the_default_timers_are_those_of_the_standard() -> None:
    timers = Timers()
    assert timers.transaction_ms == 32_000
    assert timers.absorb_ms(is_reliable=False) == 32_000
    assert timers.absorb_ms(is_reliable=True) == 0
    assert timers.linger_ms(is_reliable=False) == 5_000
    assert timers.linger_ms(is_reliable=True) == 0


def test_a_sleeper_that_was_forgotten_is_not_woken() -> None:
    queue = WakeQueue()
    sleeper = Sleepy(10)
    queue.watch(sleeper)
    assert len(queue) == 1
    queue.forget(sleeper)
    queue.forget(sleeper)
    assert len(queue) == 0
    assert queue.wake_at_ms is None
    assert list(queue.due(100)) == []


def test_a_sleeper_may_sleep_longer_wake_earlier_or_never() -> None:
    queue = WakeQueue()
    longer, earlier, never = Sleepy(10), Sleepy(50), Sleepy(10)
    for sleeper in (longer, earlier, never):
        queue.watch(sleeper)
    longer.wake_at_ms, earlier.wake_at_ms, never.wake_at_ms = 60, 5, None
    queue.watch(earlier)
    assert queue.wake_at_ms == 5
    assert list(queue.due(20)) == [earlier]
    assert list(queue.due(59)) == []
    assert list(queue.due(60)) == [longer]
    assert len(queue) == 0


@given(st.lists(st.tuples(st.integers(0, 1000), st.booleans()), max_size=300))
def test_everyone_is_woken_once_in_order_and_empty_alarms_are_swept(
    plan: list[tuple[int, bool]],
) -> None:
    queue = WakeQueue()
    sleepers = [Sleepy(at_ms) for at_ms, _ in plan]
    for sleeper in sleepers:
        queue.watch(sleeper)
    kept = []
    for sleeper, (_, is_forgotten) in zip(sleepers, plan, strict=True):
        if is_forgotten:
            queue.forget(sleeper)
        else:
            kept.append(sleeper)
    assert len(queue) == len(kept)
    woken = list(queue.due(1000))
    assert [s.wake_at_ms for s in woken] == sorted(s.wake_at_ms or 0 for s in kept)
    assert len(queue) == 0
