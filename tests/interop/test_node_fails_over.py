"""Two sipp carriers: the first refuses a call and is then gone; the second takes both calls."""

import shutil
from functools import partial
from pathlib import Path

import pytest

from agentstream.calls.causes import Cause, Party
from agentstream.calls.commands import HangUp
from agentstream.flows.direct import DirectBot, bot
from agentstream.switch.feed import RoadFailed
from agentstream.testing.echo import echo_bot
from agentstream.testing.node import Node, running_node
from agentstream.testing.peers import program, scenario
from agentstream.testing.ports import HOST, free_port, is_open
from agentstream.testing.waiting import until

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(shutil.which("sipp") is None, reason="sipp is not installed"),
]
SCENARIOS = Path(__file__).parent / "sipp"
FAILOVER_MS = 500


def failures(node: Node) -> list[tuple[str, int, str]]:
    return [
        (one.outcome, one.sip_status, one.after)
        for one in node.events
        if isinstance(one, RoadFailed)
    ]


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_carrier_that_refuses_and_one_that_is_dead_are_passed_over_sip_17(
    transport: str, tmp_path: Path
) -> None:
    first, second = free_port(), free_port()
    kind = ("-t", "t1") if transport == "tcp" else ("-t", "u1")
    at = ("-i", HOST, "-nostdin", "-trace_err", *kind)
    trunks = {
        name: {
            "target": f"sip:{HOST}:{port};transport={transport}",
            "failover_timeout_ms": FAILOVER_MS,
        }
        for name, port in (("one", first), ("two", second))
    }
    steps = scenario(SCENARIOS / "refuse_503.xml", tmp_path / "first")
    async with (
        echo_bot() as robot,
        running_node(
            tmp_path / "node",
            robot.url(),
            trunks=trunks,
            dial={"routes": [{"trunks": ["one", "two"]}]},
        ) as node,
        program(
            "sipp", *steps, *at, "-p", str(first), "-m", "1", folder=tmp_path / "first"
        ) as refuser,
        program(
            "sipp", "-sn", "uas", *at, "-p", str(second), "-m", "2", folder=tmp_path / "second"
        ),
    ):
        for port in (first, second):
            await until(partial(is_open, port, transport))
        follow = bot(DirectBot(url=robot.url()))
        calls = [await node.place("+918040000009", follow=follow)]
        await until(lambda: len(robot.calls) == 1)
        assert failures(node) == [("refused", 503, "trunk two")]
        await refuser.wait()  # it had one call to take, and is gone
        calls.append(await node.place("+918040000009", follow=follow))
        await until(lambda: len(robot.calls) == 2)
        gone = ("silent", 408) if transport == "udp" else ("unreachable", 503)
        assert failures(node)[1:] == [(*gone, "trunk two")]
        for call_sid in calls:
            wish = HangUp(Cause.NORMAL, Party.OPERATOR)
            await node.house.parts.switchboard.ask(call_sid, wish)
        records = await node.records(2)
    assert [record.status for record in records] == ["completed", "completed"]
