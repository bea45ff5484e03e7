"""CPU per call of the SIP engine alone: another process places and ends calls, nobody listens.

    python -m benchmarks.sip_setups --rate 100 --seconds 15 --transport tls --digest

The engine runs in this process with uvloop; a call is INVITE, 100, 180, 200, ACK, BYE, 200, with
`--digest` behind a 407 and its ACK. Prints one line of JSON.
"""

import argparse
import asyncio
import cProfile
import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

import uvloop
from benchmarks.sip_caller import PASSWORD, REALM, USER

from agentstream.net.admission import AdmissionLimits
from agentstream.net.sip_engine import Listener, SipConfig, SipEngine
from agentstream.net.tls import TlsFiles
from agentstream.sip.flow import SECURE, TransportName
from agentstream.sip.gate import OPEN, PasswordGate
from agentstream.testing.answering import Answering
from agentstream.testing.certificates import Authority

HOST = "127.0.0.1"
TRANSPORTS = ("udp", "tcp", "tls", "ws", "wss")


async def measure(options: argparse.Namespace) -> dict[str, object]:
    """Run a caller against an engine; return what its calls cost and how they went."""
    transport: TransportName = options.transport
    gate = PasswordGate(REALM, {USER: PASSWORD}) if options.digest else OPEN
    with tempfile.TemporaryDirectory() as folder:
        tls, ca_file = _tls(transport, Path(folder))
        engine = SipEngine(
            SipConfig(
                (Listener(transport, HOST, 0),),
                admission=AdmissionLimits(rate_per_s=0),
                tls=tls,
            ),
            gate=gate,
        )
        product = Answering(engine, rings=True, keep=0)
        await engine.start()
        before_s = time.process_time()
        caller = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "benchmarks.sip_caller", "--transport", transport),
            *("--port", str(engine.addresses[0][2]), "--rate", str(options.rate)),
            *("--seconds", str(options.seconds), "--ca-file", ca_file),
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await caller.communicate()
        used_s = time.process_time() - before_s
        counters = engine.counters
        await engine.stop(2_000)
    calls = options.rate * options.seconds
    return {
        "transport": transport,
        "digest": options.digest,
        **json.loads(out or b'{"failed": -1}'),
        "ended_here": product.counts["Ended"],
        "bugs": counters.get("bugs", 0),
        "connections": counters.get("connections_accepted", 0),
        "cpu_ms_per_setup": round(used_s / max(calls, 1) * 1000, 3),
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "load": round(os.getloadavg()[0], 1),
    }


def _tls(transport: TransportName, folder: Path) -> tuple[TlsFiles, str]:
    if transport not in SECURE:
        return TlsFiles(), ""
    authority = Authority.found(folder / "authority")
    return TlsFiles((authority.issue(HOST),), authority.ca_file), authority.ca_file


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=200)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--transport", choices=TRANSPORTS, default="udp")
    parser.add_argument("--digest", action="store_true")
    parser.add_argument("--profile", default="")
    options = parser.parse_args()
    profile = cProfile.Profile()
    if options.profile:
        profile.enable()
    print(json.dumps(uvloop.run(measure(options))))
    if options.profile:
        profile.disable()
        profile.dump_stats(options.profile)


if __name__ == "__main__":
    main()
