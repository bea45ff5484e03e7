"""How long a call takes to its second destination, and what judging an INVITE costs.

Both in this process: a node of `agentstream.testing` with two callees on loopback, and the gate
with a thousand trunks.
"""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks.figures import Value
from benchmarks.measures import Outcome, Scale

from agentstream.sip.flow import Flow
from agentstream.sip.gate import Arrival
from agentstream.sip.wire import parse_datagram
from agentstream.switch.feed import RoadFailed
from agentstream.switch.trunk_gate import GateSettings, TrunkGate
from agentstream.switch.trunk_load import TrunkLoad
from agentstream.testing.node import Node, running_node
from agentstream.testing.ports import HOST
from agentstream.testing.scripted_callee import ScriptedCallee, scripted_callee
from agentstream.testing.trunk_books import NOON, RingingNumbers, book_with, trunk
from agentstream.testing.waiting import until

NUMBER = "+918040000009"
TIMER_MS = 400  # of a destination that says nothing at all
TRUNKS = 1_000
JUDGED = 20_000


def measure(scale: Scale) -> Outcome:
    """Return the milliseconds to the second road, the worst of some calls; and the gate's share."""
    refused_ms = asyncio.run(_to_the_second("failing", scale.failovers))
    silent_ms = asyncio.run(_to_the_second("silent", scale.failovers))
    gate_us, read_us = _gate_us()
    figures: dict[str, Value] = {
        "failover_refused_ms": max(refused_ms),
        "failover_silent_over_ms": max(silent_ms) - TIMER_MS,
        "gate_ratio": gate_us / read_us,
    }
    details = {
        "failover": {"refused_ms": refused_ms, "silent_ms": silent_ms, "timer_ms": TIMER_MS},
        "gate": {"trunks": TRUNKS, "judge_us": gate_us, "read_us": read_us},
    }
    return Outcome(figures, dict(details))


async def _to_the_second(person: str, calls: int) -> list[float]:
    """Return the milliseconds from an order to the INVITE at the second road, for each call."""
    found = []
    async with _two_roads(person) as (node, second):
        for number in range(calls):
            began = asyncio.get_running_loop().time()
            await node.place(NUMBER)
            await second.rung(number + 1)
            found.append(round((second.invites[number][0] - began) * 1000, 1))
            second.hang_up(NUMBER)
            await until(lambda: node.house.parts.switchboard.live_calls == 0)
            assert len([1 for one in node.events if isinstance(one, RoadFailed)]) == number + 1
            node.house.parts.roads.note("one", "reached")  # or it would not be tried again
    return found


@asynccontextmanager
async def _two_roads(person: str) -> AsyncIterator[tuple[Node, ScriptedCallee]]:
    """Run a node whose first road refuses with 503, or says nothing."""
    loop = asyncio.get_running_loop()
    deaf, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=(HOST, 0))
    async with (
        scripted_callee(lambda _: "failing") as first,
        scripted_callee(lambda _: "voicemail") as second,
    ):
        silent = deaf.get_extra_info("sockname")[1]
        port = silent if person == "silent" else first.port
        trunks = {
            "one": {"target": f"sip:{HOST}:{port}", "failover_timeout_ms": TIMER_MS},
            "two": {"target": f"sip:{HOST}:{second.port}"},
        }
        with tempfile.TemporaryDirectory() as folder:
            async with running_node(
                Path(folder),
                "ws://unused/",
                trunks=trunks,
                dial={"routes": [{"trunks": ["one", "two"]}]},
            ) as node:
                yield node, second
    deaf.close()


def _gate_us() -> tuple[float, float]:
    """Return the µs of judging an INVITE of one of many trunks, and of reading its bytes."""
    book = book_with(
        *(
            trunk(f"t{number}", networks=(f"10.{number // 250}.{number % 250}.0/24",))
            for number in range(TRUNKS - 1)
        ),
        trunk("last", networks=("192.0.2.0/24",), numbers={"+918000000042": "pstn"}),
    )
    gate = TrunkGate(
        GateSettings(country_code="91"), lambda: book, RingingNumbers(()), TrunkLoad(NOON.date)
    )
    arrival = Arrival(
        method="INVITE",
        request_uri="sip:+912240009999@edge.test",
        from_uri="sip:+918000000042@last.pstn.test",
        flow=Flow("udp", "192.0.2.10", 5060, "192.0.2.1", 5060),
    )
    assert gate.judge(arrival, 0).reason == ""
    return _each_us(lambda: gate.judge(arrival, 0)), _each_us(lambda: parse_datagram(_INVITE))


def _each_us(work: Callable[[], object]) -> float:
    """Return the least of five runs."""
    times = []
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(JUDGED // 5):
            work()
        times.append((time.perf_counter() - began) / (JUDGED // 5) * 1e6)
    return min(times)


_SDP = (
    "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
    "m=audio 4000 RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\na=ptime:20\r\n"
)
_INVITE = (
    "INVITE sip:+912240009999@edge.test SIP/2.0\r\n"
    "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;rport\r\nMax-Forwards: 70\r\n"
    'From: "Ann" <sip:+918000000042@last.pstn.test>;tag=a\r\nTo: <sip:+912240009999@edge.test>\r\n'
    "Call-ID: c1@192.0.2.1\r\nCSeq: 1 INVITE\r\nContact: <sip:ann@192.0.2.1:5060>\r\n"
    "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS\r\nSupported: timer, replaces\r\n"
    "User-Agent: Bench\r\nContent-Type: application/sdp\r\n"
    f"Content-Length: {len(_SDP)}\r\n\r\n{_SDP}"
).encode()
