"""A road carries so many calls at once, so many in a second, at its hours."""

from datetime import UTC, datetime

from agentstream.base.ids import CallSid, TrunkSid
from agentstream.flows.hours import read_hours
from agentstream.switch.road_limits import NO_LIMIT, RoadLimit, RoadLimits
from agentstream.switch.trunk_load import Ceilings, TrunkLoad

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)  # a Wednesday


def test_a_road_without_limits_is_only_counted() -> None:
    limits = RoadLimits()
    assert [limits.take("a", NO_LIMIT, 0, NOON) for _ in range(3)] == ["", "", ""]
    assert limits.live("a") == 3
    for _ in range(3):
        limits.leave("a")
    assert limits.live("a") == 0
    assert not limits._live  # nothing grows


def test_a_full_road_has_room_again_when_a_call_ends() -> None:
    limits, two = RoadLimits(), RoadLimit(calls=2)
    assert limits.take("a", two, 0, NOON) == limits.take("a", two, 0, NOON) == ""
    assert "2 calls" in limits.take("a", two, 0, NOON)
    assert limits.take("b", two, 0, NOON) == ""
    limits.leave("a")
    assert limits.take("a", two, 0, NOON) == ""


def test_calls_begin_no_faster_than_the_rate() -> None:
    limits, rate = RoadLimits(), RoadLimit(per_second=2)
    assert [bool(limits.take("a", rate, 0, NOON)) for _ in range(3)] == [False, False, True]
    assert "2 calls in a second" in limits.take("a", rate, 400, NOON)
    assert limits.take("a", rate, 500, NOON) == ""


def test_a_road_is_closed_outside_of_its_hours() -> None:
    limits = RoadLimits()
    limit = RoadLimit(hours=read_hours("UTC", {"mon-fri": ["09:00-18:00"]}, ()))
    assert limits.take("a", limit, 0, NOON) == ""
    assert "hour" in limits.take("a", limit, 0, NOON.replace(hour=20))
    assert "hour" in limits.take("a", limit, 0, NOON.replace(day=7))
    assert limits.live("a") == 1


def test_calls_from_a_trunk_and_to_it_share_its_limit() -> None:
    """TR-72: as_max_calls is of both ways together."""
    load, two = TrunkLoad(NOON.date), Ceilings(calls=2)
    limits = RoadLimits(lambda key: load.calls_of(TrunkSid(key)))
    load.others = limits.live
    sid, room = TrunkSid("tr1"), RoadLimit(calls=2)
    load.take(CallSid("in"), sid, 0)
    assert limits.take(sid, room, 0, NOON) == ""
    assert "2 calls" in limits.take(sid, room, 0, NOON)
    assert "2 calls" in load.why_not(sid, two, 0)
    assert limits.take("other", room, 0, NOON) == load.why_not(TrunkSid("other"), two, 0) == ""
    load.leave(CallSid("in"), 5)
    assert load.why_not(sid, two, 5) == ""
    assert limits.take(sid, room, 5, NOON) == ""
