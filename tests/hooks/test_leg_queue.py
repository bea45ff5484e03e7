"""The clock of leg events, in virtual time (EV-32 to EV-39)."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from agentstream.hooks.leg_queue import (
    QUEUE_LIMIT,
    Answered,
    Attempt,
    LegQueue,
    Output,
    Patience,
    Settled,
    Told,
)
from agentstream.testing.records import a_leg_event

AT = datetime(2027, 1, 12, 10, 4, 6, tzinfo=UTC)


def answered(status: int) -> Answered:
    error = "" if status == 204 else f"it answered {status}"
    return Answered(error, status == 400, AT)


def shown(outputs: list[Output]) -> list[Any]:
    return [
        (one.row.sid, one.number if isinstance(one, Attempt) else one.row.state) for one in outputs
    ]


def test_a_503_is_tried_three_times_and_dropped_ev_33_ev_36() -> None:
    queue = LegQueue(Patience(), lambda: 0.5)
    assert shown(queue.receive(Told(a_leg_event(1)), 1_000)) == [("ev1", 1)]
    assert queue.receive(answered(503), 1_100) == []
    assert queue.wake_at_ms == 1_320  # 200 ms and half of the jitter
    assert queue.wake(1_319) == []
    assert shown(queue.wake(1_320)) == [("ev1", 2)]
    assert queue.receive(answered(503), 1_400) == []
    assert queue.wake_at_ms == 1_950  # 500 ms
    assert shown(queue.wake(1_950)) == [("ev1", 3)]
    [settled] = queue.receive(answered(503), 2_000)
    assert isinstance(settled, Settled)
    row = settled.row
    assert (row.state, row.attempts, row.error) == ("dropped", 3, "it answered 503")
    assert (row.updated_at, queue.waiting) == (AT, 0)
    assert queue.wake(60_000) == []


def test_what_would_be_the_same_again_is_final_ev_33() -> None:
    queue = LegQueue(Patience(), lambda: 0.0)
    queue.receive(Told(a_leg_event(1)), 0)
    assert shown(queue.receive(answered(400), 10)) == [("ev1", "dropped")]


def test_what_was_taken_is_delivered_and_nothing_follows_ev_31() -> None:
    queue = LegQueue(Patience(), lambda: 0.0)
    queue.receive(Told(a_leg_event(1)), 0)
    assert shown(queue.receive(answered(204), 10)) == [("ev1", "delivered")]
    assert (queue.wake_at_ms, queue.wake(10_000)) == (None, [])


def test_one_is_in_flight_and_the_next_waits_for_its_end_ev_39() -> None:
    queue = LegQueue(Patience(), lambda: 0.0)
    queue.receive(Told(a_leg_event(1)), 0)
    assert queue.receive(Told(a_leg_event(2)), 1) == []
    assert queue.receive(answered(503), 10) == []
    assert queue.receive(Told(a_leg_event(3)), 11) == []  # nor while the first one rests
    assert shown(queue.wake(210)) == [("ev1", 2)]
    assert shown(queue.receive(answered(204), 220)) == [("ev1", "delivered"), ("ev2", 1)]
    assert shown(queue.receive(answered(400), 230)) == [("ev2", "dropped"), ("ev3", 1)]


def test_a_leg_of_a_dead_receiver_holds_so_many_events_and_no_more() -> None:
    queue = LegQueue(Patience(), lambda: 0.0)
    for number in range(QUEUE_LIMIT):
        queue.receive(Told(a_leg_event(number)), 0)
    [settled] = queue.receive(Told(a_leg_event(QUEUE_LIMIT)), 0)
    assert isinstance(settled, Settled)
    assert settled.row.error == f"{QUEUE_LIMIT} events of this leg wait already"


@given(st.lists(st.sampled_from([0, 204, 400, 503]), max_size=60), st.integers(1, 8))
def test_each_event_is_settled_once_and_in_order(statuses: list[int], events: int) -> None:
    queue, now_ms, settled = LegQueue(Patience(), lambda: 0.3), 0, list[str]()
    flying = 0

    def take(outputs: list[Output]) -> None:
        nonlocal flying
        for one in outputs:
            if isinstance(one, Attempt):
                flying += 1
                assert 1 <= one.number <= 3
            else:
                settled.append(one.row.sid)
        assert flying <= 1

    for number in range(events):
        take(queue.receive(Told(a_leg_event(number)), now_ms))
    for status in [*statuses, *[204] * (3 * events)]:
        if flying:
            flying = 0
            take(queue.receive(answered(status), now_ms))
        if queue.wake_at_ms is not None:
            now_ms = queue.wake_at_ms
            take(queue.wake(now_ms))
    assert settled == [f"ev{number}" for number in range(events)]
