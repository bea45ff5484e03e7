"""Kamailio as a record-routing proxy between sipp and the engine."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agentstream.net.admission import AdmissionLimits
from agentstream.net.sip_engine import Listener, SipConfig, SipEngine
from agentstream.sip.flow import TransportName
from agentstream.testing.answering import Answering
from agentstream.testing.ports import HOST, free_port

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(
        shutil.which("kamailio") is None or shutil.which("sipp") is None,
        reason="kamailio or sipp is not installed",
    ),
]
SCENARIOS = Path(__file__).parent / "sipp"


@asynccontextmanager
async def proxied(
    transport: TransportName, folder: Path
) -> AsyncIterator[tuple[SipEngine, Answering, int]]:
    """Start an engine, and a proxy in front of it."""
    config = SipConfig((Listener(transport, HOST, 0),), admission=AdmissionLimits(rate_per_s=0))
    engine = SipEngine(config)
    product = Answering(engine, rings=True)
    await engine.start()
    port = free_port()
    text = (SCENARIOS / "kamailio.cfg").read_text()
    for name, value in {
        "HOST": HOST,
        "PORT": str(port),
        "TARGET": str(engine.addresses[0][2]),
        "KIND": transport,
    }.items():
        text = text.replace(name, value)
    (folder / "kamailio.cfg").write_text(text)
    proxy = await asyncio.create_subprocess_exec(
        "kamailio",
        *("-f", str(folder / "kamailio.cfg"), "-DD", "-E", "-m", "32", "-M", "4"),
        *("-Y", str(folder), "-P", str(folder / "pid")),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        await ready(port)
        yield engine, product, port
        assert "bugs" not in engine.counters
    finally:
        if proxy.returncode is None:
            proxy.terminate()
            await proxy.wait()
        await engine.stop(500)


async def ready(port: int) -> None:
    """Wait until the proxy accepts connections."""
    async with asyncio.timeout(10):
        while True:
            try:
                _, writer = await asyncio.open_connection(HOST, port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("name", ["hold_resume", "delayed_offer", "bye_at_once"])
async def test_a_call_through_a_record_routing_proxy(
    name: str, transport: TransportName, tmp_path: Path
) -> None:
    async with proxied(transport, tmp_path) as (engine, product, port):
        process = await asyncio.create_subprocess_exec(
            "sipp",
            *(
                "-sf",
                str(SCENARIOS / f"{name}.xml"),
                "-m",
                "3",
                "-d",
                "100",
                "-i",
                HOST,
                "-nostdin",
            ),
            *("-timeout", "20", "-timeout_error", "-trace_err", f"{HOST}:{port}"),
            cwd=tmp_path,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            async with asyncio.timeout(25):
                code = await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert code == 0
        assert product.counts["Confirmed"] == 3
        assert {ended.by for ended in product.ended} == {"remote"}
        assert engine.counters["calls_now"] == 0


async def test_our_bye_goes_back_through_the_proxy(tmp_path: Path) -> None:
    went: list[bytes] = []

    def trace(direction: str, data: bytes, flow: object) -> None:
        if direction == "out" and data.startswith(b"BYE"):
            went.append(data + str(flow).encode())

    async with proxied("udp", tmp_path) as (engine, product, port):
        engine._trace = trace
        process = await asyncio.create_subprocess_exec(
            "sipp",
            *("-sf", str(SCENARIOS / "wait_bye.xml"), "-m", "1", "-i", HOST, "-nostdin"),
            *("-timeout", "20", "-timeout_error", f"{HOST}:{port}"),
            cwd=tmp_path,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        await product.told("Confirmed", 1)
        engine.hang_up(product.refs[0])
        async with asyncio.timeout(25):
            assert await process.wait() == 0
        assert len(went) >= 1
        assert went[0].endswith(f"udp:{HOST}:{port}".encode())
        assert f"Route: <sip:{HOST}:{port};".encode() in went[0].replace(b"%3B", b";")
