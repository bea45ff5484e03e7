"""The last word about legs that a crash took (EV-4, EV-5)."""

import json
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from agentstream.base.ids import CallSid
from agentstream.hooks.lost_legs import LostLegs
from agentstream.store.legs import LegEventRow, LegWritten
from agentstream.store.placed_calls import LostCall
from agentstream.switch.leg_style import LegStyle
from agentstream.testing.memory_legs import MemoryLegs
from agentstream.testing.placed import placed_setup
from agentstream.testing.records import a_leg, a_leg_event

CALL = CallSid("call1")
LEG = a_leg("leg00001", call_sid=CALL, event_endpoint="https://hooks.example.test/legs")
SEEN_AT = LEG.created_at + timedelta(seconds=90)
SETUP = replace(placed_setup(None, two_numbers=False, call_sid=CALL), started_at=LEG.created_at)


@dataclass
class Scene:
    """Rows that a process left, and what becomes of them."""

    rows: MemoryLegs = field(default_factory=MemoryLegs)
    told: list[LegEventRow] = field(default_factory=list)

    def write(self, row: LegWritten) -> None:
        kept: dict[Any, Any] = self.rows.told if isinstance(row, LegEventRow) else self.rows.rows
        kept[row.sid] = row

    async def settle(self) -> None:
        lost = LostLegs(self.rows, self.write, self.told.append, LegStyle())
        await lost.ended(LostCall(SETUP, SEEN_AT), SEEN_AT + timedelta(seconds=5))


async def test_a_leg_that_had_rung_is_terminated_with_the_next_number_ev_4_ev_5_ev_19() -> None:
    scene = Scene()
    names = ["leg_connecting", "leg_ringing", "leg_answered"]
    events = [
        a_leg_event(n + 1, name=name, at=LEG.created_at + timedelta(seconds=10 * n))
        for n, name in enumerate(names)
    ]
    await scene.rows.write([LEG, *events])
    await scene.settle()
    [last] = scene.told
    assert (last.sid, last.sequence, last.name) == ("leg00001-lost", 4, "leg_terminated")
    assert (last.state, last.endpoint) == ("waiting", "https://hooks.example.test/legs")
    body = json.loads(last.body)
    assert body["event_data"]["data"] == {
        "terminal_status": "failed",
        "reason": "internal-error",
        "sip_code": None,
        "hangup_by": "platform",
        "duration": 70,
    }
    assert (body["data"]["state"], body["data"]["terminal_status"]) == ("terminal", "failed")
    row = scene.rows.rows[LEG.sid]
    assert (row.state, row.terminal_status) == ("terminal", "failed")
    assert row.answered_at == events[2].at
    assert scene.rows.told["leg00001-lost"] == last
    await scene.settle()
    assert len(scene.told) == 1


async def test_a_leg_of_which_nothing_was_told_was_not_created_ev_4() -> None:
    scene = Scene()
    await scene.rows.write([LEG])
    await scene.settle()
    [last] = scene.told
    assert (last.sequence, last.name) == (1, "leg_failed_to_create")
    error = json.loads(last.body)["event_data"]["error"]
    assert error["description"].startswith("the server broke off while this leg lived")


async def test_an_end_that_was_told_is_not_told_again() -> None:
    scene = Scene()
    await scene.rows.write([LEG, a_leg_event(1, name="leg_terminated")])
    await scene.settle()
    assert not scene.told
    assert scene.rows.rows[LEG.sid].state == "terminal"


async def test_the_end_of_a_leg_without_an_address_is_in_its_history() -> None:
    scene = Scene()
    await scene.rows.write([replace(LEG, event_endpoint="stream:")])
    await scene.settle()
    assert not scene.told
    [last] = scene.rows.told.values()
    assert (last.state, last.error) == ("dropped", "nobody listened on the event socket")


async def test_legs_of_other_calls_live_on() -> None:
    scene = Scene()
    await scene.rows.write([replace(LEG, call_sid=CallSid("other"))])
    await scene.settle()
    assert (scene.told, scene.rows.rows[LEG.sid].state) == ([], "created")
