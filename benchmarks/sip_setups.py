"""CPU per call of the SIP engine alone: sipp places and ends calls, nobody listens.

    python -m benchmarks.sip_setups --rate 250 --seconds 15 [--transport tcp] [--profile FILE]

The engine runs in this process with uvloop; a call is INVITE, 100, 180, 200, ACK, BYE, 200.
"""

import argparse
import asyncio
import cProfile
import os
import resource
import tempfile

import uvloop

from agentstream.net.admission import AdmissionLimits
from agentstream.net.sip_engine import Listener, SipConfig, SipEngine
from agentstream.sip.flow import TransportName
from agentstream.testing.answering import Answering

HOST = "127.0.0.1"


async def measure(rate: int, seconds: int, transport: TransportName) -> None:
    """Run sipp against an engine and print what a call costs."""
    config = SipConfig((Listener(transport, HOST, 0),), admission=AdmissionLimits(rate_per_s=0))
    engine = SipEngine(config)
    product = Answering(engine, rings=True, keep=0)
    await engine.start()
    _, _, port = engine.addresses[0]
    calls = rate * seconds
    option = "u1" if transport == "udp" else "t1"
    with tempfile.TemporaryDirectory() as folder:
        before = cpu_s()
        sipp = await asyncio.create_subprocess_exec(
            "sipp",
            *("-sn", "uac", "-t", option, "-m", str(calls), "-r", str(rate), "-d", "1000"),
            *("-l", "5000", "-i", HOST, "-nostdin", "-timeout", str(seconds + 30)),
            f"{HOST}:{port}",
            cwd=folder,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        code = await sipp.wait()
        used_s = cpu_s() - before
    memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"sipp={code} calls={product.counts['Ended']}/{calls} rate={rate}/s "
        f"cpu_ms_per_call={used_s / max(calls, 1) * 1000:.3f} peak_rss_mb={memory_mb:.0f} "
        f"load={os.getloadavg()[0]:.1f}"
    )
    await engine.stop(2_000)


def cpu_s() -> float:
    """Return the CPU time of this process, without its children."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=200)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--transport", choices=("udp", "tcp"), default="udp")
    parser.add_argument("--profile", default="")
    options = parser.parse_args()
    work = measure(options.rate, options.seconds, options.transport)
    if not options.profile:
        uvloop.run(work)
        return
    profile = cProfile.Profile()
    profile.enable()
    uvloop.run(work)
    profile.disable()
    profile.dump_stats(options.profile)


if __name__ == "__main__":
    main()
