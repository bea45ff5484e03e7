"""sipp as caller and callee, over real sockets on loopback."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agentstream.net.admission import AdmissionLimits
from agentstream.net.sip_engine import Listener, SipConfig, SipEngine
from agentstream.testing.answering import Answering

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(shutil.which("sipp") is None, reason="sipp is not installed"),
]
SCENARIOS = Path(__file__).parent / "sipp"
HOST = "127.0.0.1"


@asynccontextmanager
async def running(**options: bool) -> AsyncIterator[tuple[SipEngine, Answering, int]]:
    engine = SipEngine(
        SipConfig(
            listeners=(Listener("udp", HOST, 0),),
            admission=AdmissionLimits(rate_per_s=0),
        )
    )
    product = Answering(engine, **options)
    await engine.start()
    try:
        yield engine, product, engine.addresses[0][2]
    finally:
        await engine.stop(2_000)


async def sipp(*arguments: str, cwd: Path) -> int:
    process = await asyncio.create_subprocess_exec(
        "sipp",
        *arguments,
        "-i",
        HOST,
        "-nostdin",
        "-timeout",
        "30",
        "-timeout_error",
        cwd=cwd,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(40):
            return await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_sipp_calls_over_udp(tmp_path: Path) -> None:
    async with running(rings=True) as (engine, product, port):
        code = await sipp(
            "-sn", "uac", "-m", "20", "-r", "50", "-d", "50", f"{HOST}:{port}", cwd=tmp_path
        )
        assert code == 0
        assert product.counts["Confirmed"] == 20
        assert product.counts["Ended"] == 20
        assert {ended.by for ended in product.ended} == {"remote"}
        assert engine.counters["calls_now"] == 0
