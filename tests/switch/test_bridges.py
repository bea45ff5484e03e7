"""Bridges between legs of calls of their own, on fakes: who hears whom, and what is told of it."""

from pathlib import Path
from typing import Any, cast

import pytest

from agentstream import _media
from agentstream.base.clock import SystemClock
from agentstream.base.errors import BusyError, CommandError
from agentstream.base.ids import AccountSid, CountedTokens, LegSid
from agentstream.calls.commands import Speech
from agentstream.flows.bridges.settings import BridgeSettings
from agentstream.flows.bridges.values import BridgeTerms
from agentstream.flows.legs.verbs import (
    Act,
    Dial,
    JoinBridge,
    LeaveBridge,
    StartSay,
    StartStream,
)
from agentstream.sip import commands as sip
from agentstream.switch.bridge_ports import BridgeLimits, BridgeOrder
from agentstream.switch.bridges import Bridges
from agentstream.switch.leg_view import LegViews
from agentstream.testing.board import NUMBER
from agentstream.testing.bridged_board import (
    ANSWER,
    MINE,
    BridgedBoard,
    Unreachable,
    both,
    open_bridged,
)
from agentstream.testing.waiting import until

HOOK = "https://bridges.example/events"
HELLO = StartSay(Speech("hello"))


async def test_two_legs_of_two_calls_hear_each_other_br_1_br_7(world: BridgedBoard) -> None:
    one, other = await world.leg(), await world.leg()
    bridge = world.create(one, other, event_endpoint=HOOK)
    sid = bridge.bridge_sid
    await until(lambda: world.ears() == both(one, other))
    assert world.names(sid) == ["bridge_created", "leg_joined_bridge", "leg_joined_bridge"]
    created, joined, _ = world.of(sid)
    assert created["event_type"] == "bridge_lifecycle_event"
    assert created["event_data"] == {"data": {}}
    assert created["data"]["state"] == "active"
    assert created["data"]["leg_sids"] == [one, other]
    assert joined["event_type"] == "leg_lifecycle_event"
    assert joined["event_data"] == {"data": {"bridge_sid": sid}}
    assert joined["data"]["bridge_sid"] == sid  # the leg's snapshot (EV-18)
    assert [event["sequence"] for event in world.of(sid)] == [1, 2, 3]  # EV-19
    for leg_sid in (one, other):
        assert world.names(leg_sid)[-1] == "leg_joined_bridge"
        found = world.views.find(leg_sid)
        assert found is not None
        assert found.sections.bridge == sid


async def test_a_stop_leaves_the_legs_up_br_5_br_5a_lc_12(world: BridgedBoard) -> None:
    one, other = await world.leg(), await world.leg()
    sid = world.create(one, other, event_endpoint=HOOK).bridge_sid
    await world.until_told("bridge_created")
    await until(lambda: len(world.ears()) == 2)
    world.bridges.stop(sid, hangs_up=False)
    terminal = await world.until_told("bridge_terminal")
    assert world.names(sid)[3:] == ["leg_left_bridge", "leg_left_bridge", "bridge_terminal"]
    assert not world.ears()
    assert terminal["data"]["state"] == "terminal"
    assert terminal["data"]["terminal_status"] == "completed"
    left = world.of(sid)[3]
    assert left["data"]["state"] == "in-progress", "still up (BR-7)"
    assert world.board.switchboard.live_calls == 2
    await world.act(one, HELLO)
    await world.until_told("say_started")
    row, view = world.kept[sid], world.bridges.find(sid)
    assert row.state == "terminal"
    assert row.leg_sids == (one, other)
    assert view is not None
    assert view.active_legs == ()
    with pytest.raises(CommandError, match="has ended"):
        world.bridges.stop(sid, hangs_up=False)


@pytest.mark.parametrize("by_setting", [False, True])
async def test_a_hang_up_ends_every_leg_br_5a(tmp_path: Path, by_setting: bool) -> None:
    async with open_bridged(tmp_path, BridgeSettings(stop_hangs_up_legs=by_setting)) as world:
        one, other = await world.leg(), await world.leg()
        sid = world.create(one, other, event_endpoint=HOOK).bridge_sid
        await until(lambda: len(world.ears()) == 2)
        world.bridges.stop(sid, hangs_up=not by_setting)
        for leg_sid in (one, other):
            await world.until_told("leg_terminated", leg_sid)
        await world.until_told("bridge_terminal")
        assert world.names(sid)[-1] == "bridge_terminal"
        await until(lambda: world.board.switchboard.live_calls == 0)


async def test_a_leg_that_hangs_up_leaves_then_ends_and_the_last_ends_the_bridge_br_11(
    world: BridgedBoard,
) -> None:
    one, other = await world.leg(), await world.leg()
    sid = world.create(one, other, event_endpoint=HOOK).bridge_sid
    await until(lambda: len(world.ears()) == 2)
    world.hang_up(one)
    await world.until_told("leg_terminated", one)
    assert world.names(one)[-2:] == ["leg_left_bridge", "leg_terminated"]
    view = world.bridges.find(sid)
    assert view is not None
    assert (view.state, view.active_legs) == ("active", (other,))  # BR-9
    world.hang_up(other)
    await world.until_told("bridge_terminal")
    order = [row.name for row in world.rows if row.subject in (other, sid)]
    assert order[-4:] == ["leg_left_bridge", "leg_left_bridge", "leg_terminated", "bridge_terminal"]


async def test_a_third_joins_by_an_action_and_leaves_by_one_ex_26_br_9(
    world: BridgedBoard,
) -> None:
    one, other, third = [await world.leg() for _ in range(3)]
    sid = world.create(one, other).bridge_sid
    await until(lambda: len(world.ears()) == 2)
    await world.act(third, JoinBridge(sid), sid="join")
    await until(lambda: len(world.ears()) == 6)
    joined = await world.until_told("leg_joined_bridge", third)
    assert joined["action_sid"] == "join"
    world.media(one).press("5")
    assert world.media(other).digits == world.media(third).digits == ["5"]
    with pytest.raises(CommandError, match="one at a time"):
        await world.act(third, JoinBridge(sid))
    await world.act(one, LeaveBridge())
    await until(lambda: world.ears() == both(other, third))
    assert world.media(other).bridged is world.media(third), "two need no mixer"


async def test_a_bridge_without_legs_waits_for_them_br_2_br_3(world: BridgedBoard) -> None:
    bridge = world.create(max_participants=2)
    assert bridge.state == "created"
    assert world.names(bridge.bridge_sid) == ["bridge_created"]
    legs = [await world.leg() for _ in range(3)]
    for leg_sid in legs:
        await world.act(leg_sid, JoinBridge(bridge.bridge_sid))
    failed = await world.until_told("leg_failed_to_join_bridge", legs[2])
    assert "2 legs are in the bridge" in failed["event_data"]["error"]["description"]
    await until(lambda: world.ears() == both(legs[0], legs[1]))
    view = world.bridges.find(bridge.bridge_sid)
    assert view is not None
    assert view.state == "active"
    assert view.started_at is not None


async def test_a_leg_that_ends_meanwhile_spoils_the_bridge_br_7_ev_8(world: BridgedBoard) -> None:
    one, other = await world.leg(), await world.leg()
    world.hang_up(other)  # nobody has looked yet
    bridge = world.create(one, other, event_endpoint=HOOK)
    failed = await world.until_told("bridge_failed_to_create")
    assert failed["data"]["state"] == "terminal"
    assert failed["data"]["leg_sids"] == [one, other]
    error = failed["event_data"]["error"]
    assert error["error_code"] == 1020
    assert other in error["description"]
    assert world.names(bridge.bridge_sid) == ["bridge_failed_to_create"]
    assert "leg_joined_bridge" not in world.names(one)
    assert world.bridges.counts.failed == 1
    third = await world.leg()
    world.create(one, third)
    await until(lambda: world.ears() == both(one, third))


async def test_legs_that_cannot_be_bridged_are_refused_at_once_br_9(world: BridgedBoard) -> None:
    one, other, third = [await world.leg() for _ in range(3)]
    world.create(one, other)
    with pytest.raises(CommandError, match="in a bridge already"):
        world.create(one, third)
    with pytest.raises(CommandError, match="unknown here"):
        world.create(third, LegSid("nobody"))
    await world.act(third, Dial("+919876500002", NUMBER))
    place = await world.board.signaling.wait_for(sip.Place)
    world.board.signaling.accept(place.ref, ANSWER)
    await world.until_told("dial_success")
    fourth = await world.leg()
    with pytest.raises(CommandError, match="in a bridge already"):
        world.create(third, fourth)
    assert world.bridges.live == 1


async def test_who_stays_when_the_dialler_leaves_is_bridged_anew_br_9(world: BridgedBoard) -> None:
    one, other = await world.leg(), await world.leg()
    await world.act(one, Dial("+919876500002", NUMBER))
    place = await world.board.signaling.wait_for(sip.Place)
    world.board.signaling.accept(place.ref, ANSWER)
    dialled = await world.until_told("dial_success")
    second = LegSid(dialled["event_data"]["data"]["second_leg_sid"])
    with pytest.raises(CommandError, match="in a bridge already"):
        world.create(second, other)
    world.hang_up(one)
    await world.until_told("leg_terminated", one)
    assert world.names(one)[-2:] == ["dial_completed", "leg_terminated"]
    world.create(second, other)
    await world.until_told("leg_joined_bridge", second)
    await until(lambda: world.ears() == {(second, other), (other, second)})
    world.board.signaling.end(place.ref)
    await world.until_told("leg_terminated", second)
    assert world.names(second)[-2:] == ["leg_left_bridge", "leg_terminated"]


async def test_a_bridge_stops_the_bots_stream_br_10_ex_41(world: BridgedBoard) -> None:
    one = await world.leg()
    await world.act(one, StartStream("ws://bot.example.net:9000/ws"))
    sid = await world.board.stream()
    other = await world.leg()
    world.create(one, other)
    await until(lambda: world.media(one).closed_streams)
    stats = _media.StreamStats()
    world.board.media.feed(_media.StreamClosed(one, 0, sid, 1000, "", "us", 0, stats))
    stopped = await world.until_told("stream_stopped")
    assert stopped["event_data"]["data"]["reason"] == "bridged"


async def test_without_an_endpoint_the_legs_are_told_where_they_are_br_3_br_7b(
    world: BridgedBoard,
) -> None:
    one = await world.leg("https://one.example/legs")
    other = await world.leg("https://other.example/legs")
    sid = world.create(one, other).bridge_sid
    await until(lambda: len(world.ears()) == 2)
    world.bridges.stop(sid, hangs_up=False)
    await world.until_told("bridge_terminal")
    rows = [row for row in world.rows if row.bridge_sid == sid]
    told = [(row.name, row.endpoint, row.sequence) for row in rows]
    assert told == [
        ("bridge_created", "https://one.example/legs", 1),
        ("bridge_created", "https://other.example/legs", 1),
        ("bridge_terminal", "https://one.example/legs", 2),
        ("bridge_terminal", "https://other.example/legs", 2),
    ]
    assert len({row.sid for row in rows}) == 4


async def test_a_bridge_whose_endpoint_is_its_legs_is_not_told_twice_br_7b(
    world: BridgedBoard,
) -> None:
    one, other = await world.leg(HOOK), await world.leg(HOOK)
    sid = world.create(one, other, event_endpoint=HOOK).bridge_sid
    await until(lambda: len(world.ears()) == 2)
    assert world.names(sid) == ["bridge_created"]


async def test_a_bridge_of_another_account_is_not_there(world: BridgedBoard) -> None:
    order = BridgeOrder(AccountSid("others1"), BridgeTerms())
    sid = world.bridges.create(order).bridge_sid
    one = await world.leg()
    await world.act(one, JoinBridge(sid))
    failed = await world.until_told("leg_failed_to_join_bridge", one)
    assert "no live bridge" in failed["event_data"]["error"]["description"]


async def test_there_are_so_many_bridges_and_no_more(tmp_path: Path) -> None:
    limits = BridgeLimits(bridges=3, bridges_per_account=2)
    async with open_bridged(tmp_path, limits=limits) as world:
        sids = [world.create().bridge_sid for _ in range(2)]
        with pytest.raises(BusyError, match="The account has 2"):
            world.create()
        world.bridges.create(BridgeOrder(AccountSid("others1"), BridgeTerms()))
        with pytest.raises(BusyError, match="3 bridges are open"):
            world.bridges.create(BridgeOrder(AccountSid("others2"), BridgeTerms()))
        assert world.bridges.counts.refused == 2
        world.bridges.stop(sids[0], hangs_up=False)
        assert world.create().account_sid == MINE


async def test_a_bridge_that_nobody_joins_ends_in_its_time(tmp_path: Path) -> None:
    async with open_bridged(tmp_path, BridgeSettings(wait_ms=20)) as world:
        sid = world.create(event_endpoint=HOOK).bridge_sid
        terminal = await world.until_told("bridge_terminal", sid)
        assert terminal["data"]["terminal_status"] == "canceled"
        assert world.bridges.live == 0


async def test_a_stop_that_fails_is_told_br_7(tmp_path: Path) -> None:
    async with open_bridged(tmp_path, BridgeSettings(stop_ms=20)) as world:
        one, other = await world.leg(), await world.leg()
        sid = world.create(one, other, event_endpoint=HOOK).bridge_sid
        await until(lambda: len(world.ears()) == 2)
        lines = world.board.switchboard
        world.bridges.attach(Unreachable())
        world.bridges.stop(sid, hangs_up=False)
        failed = await world.until_told("bridge_failed_to_stop")
        assert failed["data"]["state"] == "active"
        world.bridges.attach(lines)
        world.bridges.stop(sid, hangs_up=False)
        await world.until_told("bridge_terminal")


async def test_a_link_that_the_audio_path_refuses_spoils_no_other(world: BridgedBoard) -> None:
    legs = [await world.leg() for _ in range(3)]
    world.media(legs[0]).hears = {f"x{number}": False for number in range(16)}
    world.create(*legs)
    wanted = {(legs[1], legs[0]), (legs[1], legs[2]), (legs[2], legs[0]), (legs[2], legs[1])}
    await until(lambda: {pair for pair in world.ears() if pair[0] != legs[0]} == wanted)


async def test_before_there_are_calls_nothing_can_be_linked() -> None:
    views = LegViews(lambda _: None)
    bridges = Bridges(views.find, lambda _: None, SystemClock(), CountedTokens())
    sid = bridges.create(BridgeOrder(MINE, BridgeTerms())).bridge_sid
    bridges.stop(sid, hangs_up=False)
    assert bridges.live == 0


async def test_a_leg_that_asks_to_join_and_ends_at_once_is_in_no_bridge_br_9(
    world: BridgedBoard,
) -> None:
    sid = world.create().bridge_sid
    one, other = await world.leg(), await world.leg()
    for leg_sid in (one, other):  # both are worked off at once
        line = world.board.switchboard.line_of(leg_sid)
        assert line is not None
        line.post(Act("join", leg_sid, (JoinBridge(sid),)))
        world.hang_up(leg_sid)
    await world.until_told("bridge_terminal", sid)
    assert world.bridges.live == 0


async def test_a_call_that_breaks_off_is_in_no_bridge_any_more(world: BridgedBoard) -> None:
    one, other = await world.leg(), await world.leg()
    sid = world.create(one, other, event_endpoint=HOOK).bridge_sid
    await until(lambda: len(world.ears()) == 2)
    line = world.board.switchboard.line_of(one)
    assert line is not None
    line.post(cast("Any", object()))  # what no call understands: a fault of ours
    await until(lambda: world.board.switchboard.live_calls == 1)
    view = world.bridges.find(sid)
    assert view is not None
    await until(lambda: world.bridges.find(sid).active_legs == (other,))  # type: ignore[union-attr]
    world.bridges.stop(sid, hangs_up=False)
    await world.until_told("bridge_terminal", sid)
