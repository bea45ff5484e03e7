"""Real peers at the gate: sipp logs in, sipvicious scans, a flood of junk comes beside a call."""

import asyncio
import os
import resource
import shutil
import socket
import sys
from pathlib import Path

import pytest

from agentstream.net.admission import AdmissionLimits
from agentstream.net.bans import BanLimits
from agentstream.net.sip_engine import Listener, SipConfig, SipEngine
from agentstream.sip.flow import TransportName
from agentstream.sip.reports import Accepted
from agentstream.sip.signaling import Credentials, Dial
from agentstream.testing.answering import SDP, Answering
from agentstream.testing.gated import gated_house
from agentstream.testing.ports import HOST
from agentstream.testing.trunk_books import book_with, trunk
from agentstream.testing.waiting import until

pytestmark = pytest.mark.interop
FLOW, ABROAD = "+918000000042", "+14155550100"
BOOK = book_with(
    trunk("login", users={"ann": "secret"}, numbers={FLOW: "flow", "+9180111": "pstn"})
)
SCENARIO = Path(__file__).parent / "sipp" / "log_in.xml"
UNBOUNDED = AdmissionLimits(rate_per_s=0, invites_per_s=0)


async def run(*command: str, cwd: Path, timeout_s: int = 40) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=cwd,
        env={"HOME": str(cwd), "PATH": "/usr/bin:/bin"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(timeout_s):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, output.decode("utf-8", "replace")


@pytest.mark.skipif(shutil.which("sipp") is None, reason="sipp is not installed")
@pytest.mark.parametrize(("transport", "option"), [("udp", "u1"), ("tcp", "t1")])
@pytest.mark.parametrize(("password", "calls"), [("secret", 10), ("guess", 0)])
async def test_sipp_logs_in(
    transport: TransportName, option: str, password: str, calls: int, tmp_path: Path
) -> None:
    """SIP-31, SIP-33, PN-6: the same Call-ID again with Proxy-Authorization."""
    async with gated_house(BOOK, rings=(FLOW,), limits=UNBOUNDED, transport=transport) as house:
        code, output = await run(
            *("sipp", "-sf", str(SCENARIO), "-i", HOST, "-t", option, "-nostdin"),
            *("-au", "ann", "-ap", password, "-s", ABROAD, "-m", "10", "-r", "50"),
            *("-timeout", "20", "-timeout_error", f"{HOST}:{house.port}"),
            cwd=tmp_path,
        )
        assert (code == 0) is bool(calls), output[-2_000:]
        assert [where for where, _ in house.went] == ["network"] * calls
        rejected = house.gate.rejections.recent("login")
        assert {one.reason for one in rejected} == (set() if calls else {"digest-failed"})


_PLACES = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
SCANNER = shutil.which("sipvicious_svmap", path=_PLACES)
needs_scanner = pytest.mark.skipif(SCANNER is None, reason="sipvicious is not installed")


@needs_scanner
@pytest.mark.parametrize("method", ["OPTIONS", "INVITE", "REGISTER"])
async def test_a_scanner_finds_nobody_here(method: str, tmp_path: Path) -> None:
    """SIP-35: no answer, so nothing to take a fingerprint of."""
    async with gated_house(BOOK, rings=(FLOW,)) as house:
        scan = ("-m", method, "-p", str(house.port), HOST)
        _, output = await run(str(SCANNER), *scan, cwd=tmp_path)
        assert house.gate.counters["scanner"] >= 1
        assert str(house.port) not in output.replace("-p", ""), output
        assert not house.went


@needs_scanner
@pytest.mark.parametrize("method", ["OPTIONS", "INVITE", "REGISTER"])
@pytest.mark.parametrize("is_disguised", [False, True])
async def test_a_scanner_enumerates_no_users(
    method: str, is_disguised: bool, tmp_path: Path
) -> None:
    """SIP-35: under another name it is answered, for a user as for nobody."""
    scanner = str(SCANNER).replace("svmap", "svwar")
    if is_disguised:
        scanner = disguised(Path(scanner), tmp_path)
    async with gated_house(BOOK, rings=(FLOW,)) as house:
        names = tmp_path / "names"
        names.write_text("ann\n100\nnobody\n+9180111\n")
        scan = ("--force", "-m", method, "-d", str(names), "-p", str(house.port), HOST)
        _, output = await run(scanner, *scan, cwd=tmp_path)
        assert (house.gate.counters["scanner"] == 0) is is_disguised, output
        assert house.engine.counters["messages_admitted"] >= 1 + is_disguised, output
        assert "| ann " not in output, output
        assert "| +9180111 " not in output, output
        assert not house.went


def disguised(script: Path, folder: Path) -> str:
    """Return the scanner with another User-Agent and From, which are fixed words in its source."""
    changed = folder / "scanner"
    changed.write_text(
        script.read_text().splitlines()[0] + "\nimport sys\nfrom sipvicious.libs import svhelper\n"
        "made = svhelper.makeRequest\n"
        "def plain(*a, **k):\n"
        "    return made(*a, **{**k, 'useragent': 'Phone'}).replace('sipvicious', 'phone')\n"
        "svhelper.makeRequest = plain\n"
        "from sipvicious import svwar\n"
        "svwar.makeRequest = plain\n"
        "sys.exit(svwar.main())\n"
    )
    changed.chmod(0o755)
    return str(changed)


JUNK = (
    b"\x00\xff" * 40,
    b"INVITE sip:a SIP/2.0\r\n\r\n",
    b"OPTIONS sip:100@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK1\r\n"
    b"From: <sip:100@1.1.1.1>;tag=1\r\nTo: <sip:100@127.0.0.1>\r\nCall-ID: %d\r\n"
    b"CSeq: 1 OPTIONS\r\nUser-Agent: friendly-scanner\r\nContent-Length: 0\r\n\r\n",
    b"INVITE sip:00972595000000@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK2\r\n"
    b"From: <sip:100@1.1.1.1>;tag=1\r\nTo: <sip:100@127.0.0.1>\r\nCall-ID: %d\r\n"
    b"CSeq: 1 INVITE\r\nContact: <sip:a@127.0.0.1>\r\nContent-Length: 0\r\n\r\n",
)
FLOOD_S, RATE = 3, 5_000


async def flood(port: int, source: str) -> int:
    """Send junk at the rate for some seconds; returns how many messages were sent."""
    sent, loop = 0, asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.bind((source, 0))
        out.setblocking(False)
        began = loop.time()
        while (passed := loop.time() - began) < FLOOD_S:
            while sent < passed * RATE:
                junk = JUNK[sent % len(JUNK)]
                try:
                    out.sendto(junk % sent if b"%d" in junk else junk, (HOST, port))
                except BlockingIOError:
                    break
                sent += 1
            await asyncio.sleep(0.002)
    return sent


@pytest.mark.parametrize("is_banned", [True, False])
async def test_a_flood_of_junk_keeps_no_caller_out(is_banned: bool) -> None:
    """SIP-35: 5,000 messages a second, and calls are set up; with every guard off too."""
    limits = AdmissionLimits() if is_banned else UNBOUNDED
    if not is_banned:
        limits = AdmissionLimits(rate_per_s=0, invites_per_s=0, bans=BanLimits(strikes=0))
    async with gated_house(BOOK, rings=(FLOW,), limits=limits) as house:
        house.gate.strike = house.engine.strike
        caller = SipEngine(SipConfig((Listener("udp", "127.0.0.2", 0),)))
        told = Answering(caller)
        await caller.start()
        before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        flooding = asyncio.create_task(flood(house.port, "127.0.0.66"))
        await until(lambda: sum(house.engine.counters[n] for n in SEEN) > 100)
        for number in range(1, 6):
            caller.place(
                Dial(
                    f"sip:{ABROAD}@{HOST}:{house.port}",
                    "sip:x@login.pstn.test",
                    SDP.format(host=HOST, version=1),
                    credentials=Credentials("ann", "secret"),
                )
            )
            await told.told("Accepted", number)
        sent = await flooding
        assert sent > 0.5 * FLOOD_S * RATE
        assert sum(isinstance(report, Accepted) for report in told.reports) == 5
        assert [where for where, _ in house.went] == ["network"] * 5
        assert house.engine.counters["transactions_now"] < 50
        grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb
        assert grown_kb < 50_000
        assert (house.engine.counters["bans"] > 0) is is_banned
        await caller.stop(500)


SEEN = ("messages_admitted", "messages_too_fast", "messages_banned", "messages_too_many_invites")
