"""The ceilings of a trunk, in virtual time and over midnight."""

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from agentstream.base.ids import CallSid, TrunkSid
from agentstream.switch.trunk_load import TRUNKS_KEPT, Ceilings, TrunkLoad
from agentstream.testing.trunk_books import NOON, trunk_sid

SID = trunk_sid("acme")


def test_calls_at_once_are_counted_from_take_to_leave() -> None:
    load, two = TrunkLoad(NOON.date), Ceilings(calls=2)
    for name in ("a", "b"):
        assert load.why_not(SID, two, 0) == ""
        load.take(CallSid(name), SID, 0)
        load.take(CallSid(name), SID, 0)
    assert load.calls_of(SID) == 2
    assert "2 calls" in load.why_not(SID, two, 0)
    assert load.why_not(trunk_sid("other"), two, 0) == ""
    load.leave(CallSid("a"), 10)
    load.leave(CallSid("a"), 10)
    assert load.why_not(SID, two, 10) == ""


def test_a_call_without_a_trunk_takes_no_place() -> None:
    load = TrunkLoad(NOON.date)
    load.take(CallSid("a"), TrunkSid(""), 0)
    load.leave(CallSid("a"), 0)
    assert load.calls_of(SID) == 0


def test_the_minutes_of_a_day_count_live_calls_and_are_given_back_at_midnight() -> None:
    """SIP-35."""
    days = [date(2026, 1, 1)]
    load, ten = TrunkLoad(lambda: days[0]), Ceilings(daily_minutes=10)
    load.take(CallSid("a"), SID, 0)
    load.leave(CallSid("a"), 6 * 60_000)
    load.take(CallSid("b"), SID, 6 * 60_000)
    load.take(CallSid("c"), SID, 6 * 60_000)
    assert load.why_not(SID, ten, 7 * 60_000) == ""
    assert "10 minutes" in load.why_not(SID, ten, 8 * 60_000)
    assert load.minutes_today(SID, 8 * 60_000) == 10
    for name in ("b", "c"):
        load.leave(CallSid(name), 8 * 60_000)
    days[0] += timedelta(days=1)
    assert load.minutes_today(SID, 8 * 60_000) == 0
    assert load.why_not(SID, ten, 8 * 60_000) == ""


def test_calls_of_a_second_come_from_a_bucket_of_one_second() -> None:
    load, three = TrunkLoad(NOON.date), Ceilings(per_second=3)
    assert [load.draw(SID, three, 0) for _ in range(4)] == [True, True, True, False]
    assert not load.draw(SID, three, 300)
    assert load.draw(SID, three, 400)
    assert [load.draw(SID, three, 10_000) for _ in range(4)] == [True, True, True, False]
    assert all(load.draw(SID, Ceilings(), 0) for _ in range(100))


def test_trunks_without_a_call_are_forgotten_when_there_are_too_many() -> None:
    load = TrunkLoad(NOON.date)
    load.take(CallSid("a"), SID, 0)
    for number in range(TRUNKS_KEPT + 10):
        load.take(CallSid(str(number)), trunk_sid(str(number)), 0)
        load.leave(CallSid(str(number)), 0)
    assert len(load._uses) <= TRUNKS_KEPT
    assert load.calls_of(SID) == 1


@given(st.lists(st.integers(0, 20_000), min_size=1, max_size=100).map(sorted))
def test_never_more_calls_than_the_rate_and_its_second(times_ms: list[int]) -> None:
    load, four = TrunkLoad(NOON.date), Ceilings(per_second=4)
    let_in = [time_ms for time_ms in times_ms if load.draw(SID, four, time_ms)]
    for index, start_ms in enumerate(let_in):
        for count, end_ms in enumerate(let_in[index:], start=1):
            assert count <= 4 + (end_ms - start_ms) * 4 / 1000 + 1e-6
