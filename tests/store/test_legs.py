"""The rows of steered legs and of their events, in every store."""

from datetime import timedelta
from typing import Any

from agentstream.base.ids import CallSid
from agentstream.testing.records import a_bridge, a_leg, a_leg_event

DAY = timedelta(days=1)


async def test_a_leg_is_read_back_as_it_was_last_written(store: Any) -> None:
    first = a_leg("leg1", custom_param="c", event_endpoint="https://u:p@h.test/")
    later = a_leg("leg1", state="terminal", terminal_status="busy", ended_at=first.created_at)
    assert await store.legs.write([first]) == 1
    assert await store.legs.find(first.sid) == first
    await store.legs.write([a_leg("leg1", state="ringing"), later, a_leg("leg2")])
    assert await store.legs.find(first.sid) == later
    assert await store.legs.find("leg3") is None
    assert "u:p" not in repr(first)


async def test_the_legs_of_a_call_that_have_not_ended_are_found(store: Any) -> None:
    call = CallSid("call1")
    legs = [
        a_leg("leg1", call_sid=call),
        a_leg("leg2", call_sid=call, state="ringing"),
        a_leg("leg3", call_sid=call, state="terminal"),
        a_leg("leg4"),
    ]
    await store.legs.write(legs)
    since = legs[0].updated_at
    assert {leg.sid for leg in await store.legs.unended(call, since)} == {"leg1", "leg2"}
    assert not await store.legs.unended(call, since + DAY)


async def test_the_events_of_a_leg_come_in_order_by_name_and_after_a_number_lg_72(
    store: Any,
) -> None:
    rows = [a_leg_event(n, name="say_started" if n % 2 else "say_completed") for n in (3, 1, 2)]
    other = a_leg_event(9, leg_sid="leg00002")
    await store.legs.write([*rows, other])
    events = store.legs.events
    assert [row.sequence for row in await events("leg00001")] == [1, 2, 3]
    assert [row.sequence for row in await events("leg00001", "say_started")] == [1, 3]
    assert [row.sequence for row in await events("leg00001", after=1)] == [2, 3]
    assert [row.sequence for row in await events("leg00001", limit=1)] == [1]
    assert await events("leg00002") == [other]


async def test_what_waits_and_is_young_is_found_again(store: Any) -> None:
    young = [a_leg_event(2), a_leg_event(1)]
    old = a_leg_event(3, at=young[0].at - DAY)
    told = a_leg_event(4, state="delivered", attempts=1)
    gone = a_leg_event(5, state="dropped", error="it answered 400")
    await store.legs.write([*young, old, told, gone])
    found = await store.legs.untold(young[0].at, 10)
    assert [row.sid for row in found] == ["ev1", "ev2"]
    await store.legs.write([a_leg_event(1, state="delivered", attempts=2)])
    assert [row.sid for row in await store.legs.untold(young[0].at, 10)] == ["ev2"]
    assert [row.attempts for row in await store.legs.events("leg00001")] == [2, 0, 0, 1, 0]


async def test_what_is_old_is_forgotten_in_small_steps(store: Any) -> None:
    now = a_leg("x").created_at
    rows = [a_leg_event(n, at=now - DAY) for n in range(3)]
    legs = [a_leg(f"old{n}", updated_at=now - DAY) for n in range(2)]
    await store.legs.write([*rows, *legs, a_leg_event(8), a_leg("fresh")])
    assert await store.legs.forget(now, 2) == 4
    assert await store.legs.forget(now, 2) == 1
    assert await store.legs.forget(now, 2) == 0
    assert [row.sid for row in await store.legs.events("leg00001")] == ["ev8"]
    assert await store.legs.find("fresh") is not None


async def test_a_bridge_is_read_back_as_it_was_last_written_br_4(store: Any) -> None:
    first = a_bridge("b1", event_endpoint="https://u:p@h.test/", recording=True)
    legs = ("leg1", "leg2")
    last = a_bridge("b1", state="terminal", leg_sids=legs, ended_at=first.created_at)
    await store.legs.write([first])
    assert await store.legs.find_bridge("b1") == first
    await store.legs.write([a_bridge("b1"), last, a_bridge("b2")])
    assert await store.legs.find_bridge("b1") == last
    assert await store.legs.find_bridge("b3") is None


async def test_the_events_of_bridges_are_apart_from_those_of_legs_ev_19(store: Any) -> None:
    ours = [
        a_leg_event(number, sid=f"b-ev{number}", leg_sid="", bridge_sid="b1", name=name)
        for number, name in ((2, "bridge_terminal"), (1, "bridge_created"))
    ]
    await store.legs.write([*ours, a_leg_event(1), a_leg_event(2)])
    found = await store.legs.bridge_events("b1")
    assert [row.name for row in found] == ["bridge_created", "bridge_terminal"]
    assert [row.subject for row in found] == ["b1", "b1"]
    assert len(await store.legs.bridge_events("b1", "bridge_created")) == 1
    assert len(await store.legs.bridge_events("b1", after=1, limit=1)) == 1
    assert len(await store.legs.events("leg00001")) == 2
    untold = await store.legs.untold(ours[0].at, 10)
    assert [row.sid for row in untold if row.bridge_sid] == ["b-ev1", "b-ev2"]


async def test_old_bridges_are_forgotten(store: Any) -> None:
    now = a_bridge("x").created_at
    rows = [a_bridge(f"old{number}", updated_at=now - DAY) for number in range(3)]
    await store.legs.write([*rows, a_bridge("fresh")])
    assert await store.legs.forget(now, 2) == 2
    assert await store.legs.forget(now, 2) == 1
    assert await store.legs.find_bridge("fresh") is not None
