"""A customer-relations system that only takes webhooks (CL-10), behind a call to one of its agents.

The handler is written from what such systems do: it finds the call by `CallSid`, tells calls apart
by `CallType` and `DialCallStatus`, shows a popup while an agent's `Status` is busy, and keeps the
link of the recording. A secret in its own URL lets it refuse strangers.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agentstream.server.callee import Manners, ScriptedPhone
from agentstream.testing.customer import Asked, Customer, Reply, customer
from agentstream.testing.node import Node, running_node, scripted_caller, scripted_phone
from agentstream.testing.sound import speech, write_wav
from agentstream.testing.waiting import until

pytestmark = pytest.mark.acceptance

FLOW = """
name: agents
start: agent
applets:
  agent:
    type: connect
    numbers: ["sip:ann@{phone}"]
    record: true
    ring_seconds: {ring_s}
    retries: 0
    popup_url: "{popup}"
    on_conversation_ended: tell
    on_nobody_answered: tell
    on_nobody_dialled: tell
  tell: {{type: passthru, url: "{crm}", next: bye}}
  bye: {{type: hangup}}
"""
# What the system makes of a finished call.
STATUS = {
    ("incomplete", "no-answer"): "No Answer",
    ("incomplete", "busy"): "Busy",
    ("incomplete", "failed"): "Failed",
    ("client-hangup", "canceled"): "Canceled",
}


@dataclass
class Crm:
    """The system's own view of its calls."""

    statuses: dict[str, str] = field(default_factory=dict)
    recordings: dict[str, str] = field(default_factory=dict)
    agents: list[tuple[str, str]] = field(default_factory=list)
    seconds: dict[str, int] = field(default_factory=dict)

    def finished(self, asked: Asked) -> Reply:
        """Take the Passthru."""
        said = asked.query
        if said.get("key") != "green":
            return Reply(403)
        assert {"CallFrom", "To", "StartTime", "EndTime", "Direction"} <= set(said)
        sid = said["CallSid"]
        kind = said["CallType"], said["DialCallStatus"]
        is_completed = kind == ("completed", "completed")
        self.statuses[sid] = "Completed" if is_completed else STATUS[kind]
        self.seconds[sid] = int(said["DialCallDuration"])
        self.recordings[sid] = said.get("RecordingUrl", "")
        return Reply(200)

    def popup(self, asked: Asked) -> Reply:
        """Take an agent's event."""
        said = asked.query
        assert said["EventType"] == "Dial"
        self.agents.append((said["DialWhomNumber"], said["Status"]))
        return Reply(200)


@asynccontextmanager
async def office(
    folder: Path, manners: Manners, ring_s: int = 10
) -> AsyncIterator[tuple[Node, ScriptedPhone, Crm, Customer]]:
    crm = Crm()
    async with (
        customer(crm=crm.finished, popup=crm.popup) as shop,
        scripted_phone(manners) as (phone, address),
        running_node(folder / "node", "ws://unused/") as node,
    ):
        await node.flow(
            FLOW.format(
                phone=address,
                ring_s=ring_s,
                popup=shop.url("/popup?key=green"),
                crm=shop.url("/crm?key=green"),
            )
        )
        yield node, phone, crm, shop


async def test_a_conversation_is_completed_with_its_seconds_and_its_recording(
    tmp_path: Path,
) -> None:
    """CL-10, AP-46, AP-48, PT-10: completed; the agent was busy, then free."""
    spoken = write_wav(tmp_path / "spoken.wav", speech(8_000)[:12_000], 8_000)
    async with office(tmp_path, Manners()) as (node, phone, crm, shop), scripted_caller() as caller:
        call = await caller.dial(node.target())
        agent = await phone.called()
        await call.say(spoken)
        await agent.say(spoken)
        await agent.hang_up()
        await call.wait_ended()
        (record,) = await node.records()
        sid = record.setup.call_sid
        await shop.until_asked("/popup", 2)
        assert await node.is_idle()
    assert crm.statuses[sid] == "Completed"
    assert crm.seconds[sid] >= 2
    assert f"{crm.recordings[sid]}".startswith("http")
    assert [status for _, status in crm.agents] == ["busy", "free"]
    assert {number for number, _ in crm.agents} == {record.legs[1].destination}


@pytest.mark.parametrize(
    ("manners", "status"),
    [(Manners(486), "Busy"), (Manners(603), "Failed"), (Manners(180), "No Answer")],
    ids=["busy", "declined", "no answer"],
)
async def test_an_agent_who_is_not_reached_is_told_as_such(
    manners: Manners, status: str, tmp_path: Path
) -> None:
    """CL-10, AP-46: incomplete with the reason; AP-47: the time to ring."""
    async with (
        office(tmp_path, manners, ring_s=5) as (node, _, crm, _),
        scripted_caller() as caller,
    ):
        call = await caller.dial(node.target())
        await call.wait_ended(20)
        (record,) = await node.records()
        assert await node.is_idle()
    assert crm.statuses == {record.setup.call_sid: status}
    assert crm.seconds == {record.setup.call_sid: 0}


async def test_a_caller_who_hangs_up_while_it_rings_is_told_as_such(tmp_path: Path) -> None:
    """CL-10: client-hangup and canceled."""
    async with (
        office(tmp_path, Manners(180), ring_s=30) as (node, phone, crm, shop),
        scripted_caller() as caller,
    ):
        call = await caller.dial(node.target())
        await until(lambda: phone.invited, 10_000)
        await call.hang_up()
        await node.records()
        await shop.until_asked("/crm")
        assert await node.is_idle()
    assert list(crm.statuses.values()) == ["Canceled"]
