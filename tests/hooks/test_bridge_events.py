"""What is told of bridges: numbered, with a snapshot, to whom it concerns (BR-7, EV-18, EV-19)."""

import json
from dataclasses import replace
from typing import Any

from agentstream.base.ids import AccountSid, CallSid, CountedTokens, LegSid
from agentstream.calls.events import CallStarted, LegTold, Mishap
from agentstream.calls.record import CallSetup
from agentstream.flows.bridges.values import BridgeTerms, BridgeTold
from agentstream.hooks.bridge_events import BridgeEvents
from agentstream.store.bridges import BridgeRow
from agentstream.store.legs import LegEventRow, LegWritten
from agentstream.switch.bridge_view import BridgeFact, BridgeView
from agentstream.switch.feed import Fact
from agentstream.switch.leg_style import LegStyle
from agentstream.switch.leg_view import LegTerms, LegViews
from agentstream.testing.manual_clock import ManualClock

MINE, CALL, LEG = AccountSid("GreenLeaf1"), CallSid("call1"), LegSid("leg1")
OURS, LEGS = "https://hooks.example.test/bridges", "https://hooks.example.test/legs"


class Scene:
    """One bridge and one leg."""

    def __init__(self, endpoint: str = OURS, endpoints: tuple[str, ...] = (OURS,)) -> None:
        self.clock = ManualClock()
        at = self.clock.wall()
        self.view = BridgeView(
            bridge_sid="b1",
            account_sid=MINE,
            terms=BridgeTerms(event_endpoint=endpoint),
            created_at=at,
            updated_at=at,
            state="active",
            started_at=at,
            leg_sids=(LEG,),
            active_legs=(LEG,),
            endpoints=endpoints,
        )
        self.actions: dict[str, BridgeView] = {}
        self.kept: list[LegWritten] = []
        self.told: list[LegEventRow] = []
        self.heard: list[LegEventRow] = []  # by whoever listens
        self.legs = LegViews(lambda _: None)
        self.legs.expect(
            LEG,
            LegTerms(account_sid=MINE, contact_uri="c", exophone="e", event_endpoint=LEGS),
        )
        setup = CallSetup(CALL, MINE, "outbound", "c", "e", at)
        self.legs.hear(Fact(CALL, MINE, 0, at, CallStarted(CALL, LEG, setup)))
        self.events = BridgeEvents(
            self.legs.find,
            self,
            self.kept.append,
            self,
            CountedTokens(),
            LegStyle(),
        )

    def publish(self, row: LegEventRow) -> None:
        self.told.append(row)
        self.heard.append(row)

    def send(self, row: LegEventRow) -> None:
        self.told.append(row)

    def find(self, bridge_sid: str) -> BridgeView | None:
        return self.view if bridge_sid == "b1" else None

    def of_action(self, action_sid: str) -> BridgeView | None:
        return self.actions.get(action_sid)

    def tells(self, name: str, error: Mishap | None = None) -> None:
        self.events.hear(BridgeFact(self.view, self.clock.wall(), BridgeTold(name, error)))

    def leg_tells(self, name: str, action_sid: str = "", **data: str) -> None:
        told = LegTold(CALL, LEG, name, action_sid, data=tuple(data.items()))
        self.events.copy(Fact(CALL, MINE, 0, self.clock.wall(), told))

    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(row.body) for row in self.told]


def test_a_bridge_is_told_with_its_snapshot_and_a_number_br_7_ev_2_ev_18_ev_19() -> None:
    scene = Scene()
    scene.tells("bridge_created")
    scene.view = replace(scene.view, state="terminal", terminal_status="completed")
    scene.tells("bridge_terminal")
    created, terminal = scene.bodies()
    assert created == {
        "event_sid": f"{1:032x}",
        "event_type": "bridge_lifecycle_event",
        "event_name": "bridge_created",
        "event_timestamp": "2027-01-12T10:04:05.000Z",
        "action_sid": None,
        "action_custom_parameter": None,
        "event_data": {"data": {}},
        "data": {
            "bridge_sid": "b1",
            "account_sid": "GreenLeaf1",
            "state": "active",
            "leg_sids": ["leg1"],
            "active_legs": ["leg1"],
            "terminal_status": None,
            "start_time": "2027-01-12T10:04:05.000Z",
            "end_time": None,
            "date_created": "2027-01-12T10:04:05.000Z",
            "date_updated": "2027-01-12T10:04:05.000Z",
        },
        "sequence": 1,
    }
    assert (terminal["sequence"], terminal["data"]["state"]) == (2, "terminal")
    assert {(row.bridge_sid, row.leg_sid, row.endpoint) for row in scene.told} == {("b1", "", OURS)}


def test_a_failure_is_told_in_the_one_shape_ev_8() -> None:
    scene = Scene()
    scene.tells("bridge_failed_to_create", Mishap(1020, "not created", "leg1: it has ended"))
    [failed] = scene.bodies()
    assert failed["event_data"]["error"] == {
        "error_code": 1020,
        "message": "not created",
        "description": "leg1: it has ended",
    }


def test_what_changes_is_written_and_not_told() -> None:
    scene = Scene()
    scene.events.hear(BridgeFact(scene.view, scene.clock.wall()))
    [row] = scene.kept
    assert isinstance(row, BridgeRow)
    assert (row.sid, row.leg_sids, row.event_endpoint) == ("b1", (LEG,), OURS)
    assert not scene.told


def test_legs_that_come_and_go_are_told_of_the_bridge_too_br_7b() -> None:
    scene = Scene()
    scene.tells("bridge_created")
    scene.leg_tells("leg_joined_bridge", bridge_sid="b1")
    scene.leg_tells("leg_joined_bridge", bridge_sid="another")
    scene.leg_tells("say_started")
    scene.leg_tells("leg_left_bridge", bridge_sid="b1")
    bodies = scene.bodies()
    assert [(one["event_name"], one["sequence"]) for one in bodies] == [
        ("bridge_created", 1),
        ("leg_joined_bridge", 2),
        ("leg_left_bridge", 3),
    ]
    joined = bodies[1]
    assert joined["event_type"] == "leg_lifecycle_event"
    assert joined["data"]["leg_sid"] == LEG
    assert joined["event_data"]["data"] == {"bridge_sid": "b1"}


def test_what_legs_do_for_the_bridge_is_told_of_it_br_6() -> None:
    scene = Scene()
    scene.actions["a1"] = scene.view
    scene.leg_tells("say_started", "a1")
    scene.leg_tells("say_started", "a2")
    [told] = scene.bodies()
    assert (told["event_type"], told["action_sid"]) == ("leg_action_event", "a1")


def test_nobody_is_told_twice_at_one_address_br_7b() -> None:
    for endpoint in ("", LEGS):
        scene = Scene(endpoint)
        scene.leg_tells("leg_joined_bridge", bridge_sid="b1")
        assert not scene.told


def test_a_bridge_without_an_endpoint_tells_those_of_its_legs_by_one_number_br_3() -> None:
    scene = Scene("", (LEGS, "https://other.example.test/legs", "stream:"))
    scene.tells("bridge_created")
    assert [row.endpoint for row in scene.told] == [LEGS, "https://other.example.test/legs"]
    assert {row.sequence for row in scene.told} == {1}
    assert len({row.sid for row in scene.told}) == 2
    assert len(scene.heard) == 1


def test_a_bridge_that_nobody_is_to_be_told_of_is_heard_on_sockets() -> None:
    scene = Scene("", ())
    scene.tells("bridge_created")
    assert [row.endpoint for row in scene.told] == [""]
