"""sipp as caller and callee, over real sockets on loopback."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agentstream.net.admission import AdmissionLimits
from agentstream.net.sip_engine import Listener, SipConfig, SipEngine, Trace
from agentstream.sip.flow import TransportName
from agentstream.sip.reports import Confirmed
from agentstream.sip.settings import SipSettings
from agentstream.sip.signaling import Dial
from agentstream.sip.timers import Timers
from agentstream.testing.answering import SDP, Answering
from agentstream.testing.ports import HOST, free_port

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(shutil.which("sipp") is None, reason="sipp is not installed"),
]
SCENARIOS = Path(__file__).parent / "sipp"


@asynccontextmanager
async def running(
    transport: TransportName = "udp",
    *,
    rings: bool = False,
    answers: bool = True,
    trace: Trace | None = None,
    timers: Timers | None = None,
    min_se_s: int = 90,
) -> AsyncIterator[tuple[SipEngine, Answering, int]]:
    engine = SipEngine(
        SipConfig(
            listeners=(Listener(transport, HOST, 0),),
            admission=AdmissionLimits(rate_per_s=0),
            settings=SipSettings(timers=timers or Timers(), min_se_s=min_se_s),
        ),
        trace=trace,
    )
    product = Answering(engine, rings=rings, answers=answers)
    await engine.start()
    try:
        yield engine, product, engine.addresses[0][2]
    finally:
        await engine.stop(2_000)


async def sipp(*arguments: str, cwd: Path, timeout_s: int = 30) -> int:
    return await run_sipp(
        [*arguments, "-timeout", str(timeout_s), "-timeout_error"], cwd, timeout_s + 5
    )


async def run_sipp(arguments: list[str], cwd: Path, timeout_s: int) -> int:
    process = await asyncio.create_subprocess_exec(
        "sipp",
        *arguments,
        *("-i", HOST, "-nostdin", "-trace_err"),
        cwd=cwd,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(timeout_s):
            return await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def scenario(name: str) -> tuple[str, ...]:
    return ("-sf", str(SCENARIOS / f"{name}.xml"), "-d", "100")  # of pauses, in milliseconds


@pytest.mark.parametrize(("transport", "option"), [("udp", "u1"), ("tcp", "t1"), ("tcp", "tn")])
async def test_sipp_calls(transport: TransportName, option: str, tmp_path: Path) -> None:
    async with running(transport, rings=True) as (engine, product, port):
        calls = ("-m", "20", "-r", "50", "-d", "50", "-max_socket", "100", "-t", option)
        code = await sipp("-sn", "uac", *calls, f"{HOST}:{port}", cwd=tmp_path)
        assert code == 0
        assert product.counts["Confirmed"] == 20
        assert product.counts["Ended"] == 20
        assert {ended.by for ended in product.ended} == {"remote"}
        assert engine.counters["calls_now"] == 0


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize(
    ("name", "confirmed"),
    [
        ("hold_resume", 1),
        ("delayed_offer", 1),
        ("bye_at_once", 1),
        ("cancel_race", 1),
        ("info_update", 1),
    ],
)
async def test_a_scenario_with_a_talking_caller(
    name: str, confirmed: int, transport: TransportName, tmp_path: Path
) -> None:
    async with running(transport) as (engine, product, port):
        option = "u1" if transport == "udp" else "t1"
        code = await sipp(*scenario(name), "-t", option, "-m", "1", f"{HOST}:{port}", cwd=tmp_path)
        assert code == 0, errors(tmp_path)
        assert product.counts["Confirmed"] == confirmed
        assert [ended.by for ended in product.ended] == ["remote"]
        assert engine.counters["calls_now"] == 0
        if name == "hold_resume":
            assert product.counts["MediaOffered"] == 2
        if name == "delayed_offer":
            confirmation = next(r for r in product.reports if isinstance(r, Confirmed))
            assert "m=audio" in (confirmation.answer or "")
        if name == "info_update":
            assert product.counts["InfoReceived"] == 1


@pytest.mark.parametrize(("name", "status"), [("cancel", 487), ("early_bye", 0)])
async def test_a_caller_that_gives_up_while_it_rings(
    name: str, status: int, tmp_path: Path
) -> None:
    async with running(rings=True, answers=False) as (engine, product, port):
        code = await sipp(*scenario(name), "-m", "1", f"{HOST}:{port}", cwd=tmp_path)
        assert code == 0, errors(tmp_path)
        assert [(ended.by, ended.status) for ended in product.ended] == [("remote", status)]
        assert engine.counters["calls_now"] == 0


async def test_a_caller_that_requires_reliable_ringing(tmp_path: Path) -> None:
    async with running(rings=True) as (_, product, port):
        code = await sipp(*scenario("prack"), "-m", "1", f"{HOST}:{port}", cwd=tmp_path)
        assert code == 0, errors(tmp_path)
        assert product.counts["Confirmed"] == 1


async def test_a_caller_whose_ack_is_lost_hears_the_200_again(tmp_path: Path) -> None:
    sent: list[bytes] = []

    def trace(direction: str, data: bytes, flow: object) -> None:
        del flow
        if direction == "out" and data.startswith(b"SIP/2.0 200") and b"1 INVITE" in data:
            sent.append(data)

    async with running(trace=trace) as (_, product, port):
        code = await sipp(*scenario("dropped_ack"), "-m", "1", f"{HOST}:{port}", cwd=tmp_path)
        assert code == 0, errors(tmp_path)
        assert len(sent) == 3  # after 0, 0.5 and 1.5 s
        assert product.counts["Confirmed"] == 1


async def test_a_caller_that_never_acknowledges_is_sent_a_bye(tmp_path: Path) -> None:
    async with running(timers=Timers(t1_ms=50)) as (engine, product, port):
        arguments = (*scenario("no_ack"), "-m", "1", f"{HOST}:{port}")
        code = await sipp(*arguments, cwd=tmp_path, timeout_s=45)
        assert code == 0, errors(tmp_path)
        assert [(ended.by, ended.text) for ended in product.ended] == [("network", "no ACK")]
        assert engine.counters["calls_now"] == 0


@pytest.mark.parametrize(("transport", "option"), [("udp", "u1"), ("tcp", "t1")])
async def test_a_caller_that_takes_no_update_is_refreshed_by_re_invite(
    transport: TransportName, option: str, tmp_path: Path
) -> None:
    """SIP-50, PN-1: an UPDATE would end the scenario, as LiveKit's 405 would."""
    async with running(transport, min_se_s=2) as (engine, product, port):
        steps = (SCENARIOS / "session_timer.xml").read_text().replace("[expires]", "2")
        (tmp_path / "timer.xml").write_text(steps)
        calls = ("-sf", "timer.xml", "-m", "2", "-t", option)
        assert await sipp(*calls, f"{HOST}:{port}", cwd=tmp_path) == 0
        assert product.counts["Ended"] == 2
        assert {ended.by for ended in product.ended} == {"remote"}
        assert engine.counters["calls_now"] == 0


async def test_a_hundred_calls_over_a_wire_that_loses_every_tenth_message(tmp_path: Path) -> None:
    async with running(rings=True) as (engine, product, port):
        calls = ("-m", "100", "-r", "50", "-d", "200", "-lost", "10")
        code = await sipp("-sn", "uac", *calls, f"{HOST}:{port}", cwd=tmp_path, timeout_s=50)
        assert code == 0, errors(tmp_path)
        assert product.counts["Invited"] == 100
        assert engine.counters["calls_now"] <= 100


async def test_we_call_sipp(tmp_path: Path) -> None:
    async with running() as (engine, product, _):
        callee_port = free_port()
        callee = asyncio.create_task(
            sipp("-sn", "uas", "-p", str(callee_port), "-m", "10", cwd=tmp_path)
        )
        dial = Dial(
            f"sip:bob@{HOST}:{callee_port}",
            f"sip:ann@{HOST}",
            SDP.format(host=HOST, version=1),
        )
        await asyncio.sleep(0.3)  # sipp says nothing when it is ready; an early INVITE is repeated
        refs = [engine.place(dial) for _ in range(10)]
        await product.told("Accepted", 10)
        for ref in refs:
            engine.hang_up(ref)
        assert await callee == 0, errors(tmp_path)
        assert {ended.by for ended in product.ended} == {"local"}
        assert all("m=audio" in (accepted.sdp or "") for accepted in product.accepted)


def errors(folder: Path) -> str:
    return "\n".join(path.read_text() for path in folder.glob("*_errors.log"))
