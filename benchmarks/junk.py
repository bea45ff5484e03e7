"""5,000 messages of junk a second beside live calls: who is hurt by it.

The calls of a telephone network talk through a trunk, a peer of that trunk logs in and calls all
the while, and strangers send junk: first from few addresses, then from many.
"""

import json
import subprocess
import sys
from pathlib import Path

from benchmarks.measures import GRACE_S, Outcome, Scale
from benchmarks.server import HOST, SIP_PORT, Server, Usage, dropped_datagrams
from benchmarks.tools import ROOT, Report, Tool, call, running
from benchmarks.trunk_server import (
    DESTINATION_PORT,
    DID,
    DOMAIN,
    FAR,
    NETWORK_HOST,
    NETWORK_PORT,
    PASSWORD,
    PEER_HOST,
    USER,
    TrunkServer,
)

RATE_PER_S = 5_000
FEW, MANY = 4, 4_000  # addresses
LIVE_CALLS = 100
CALLS_PER_S = 20
SETUPS_PER_S = 5
SETTLE_S = 4
SENT_SHARE = 0.8  # of the junk, or nothing was measured


def server(folder: Path, _: Scale) -> Server:
    """Return the server that `measure` wants."""
    return TrunkServer(folder)


def measure(server: Server, scale: Scale) -> Outcome:
    """Count failed set-ups of the peer, late frames of the live, and memory, in the worse case."""
    with (
        running("answerer", port=DESTINATION_PORT),
        running("answerer", port=NETWORK_PORT),
    ):
        quiet = _beside(server, scale, 0)
        runs = {name: _beside(server, scale, count) for name, count in _CASES.items()}
    figures = {
        "junk_setups_failed": sum(run["setups_failed"] for run in runs.values()),
        "junk_late_5ms_share": max(run["late_5ms_share"] for run in runs.values()),
        "junk_rss_mb": max(run["rss_mb"] for run in runs.values()),
    }
    return Outcome(dict(figures), {"junk": {"none": quiet, **runs}})


_CASES = {"few": FEW, "many": MANY}


def _beside(server: Server, scale: Scale, sources: int) -> Report:
    """Let calls talk beside a flood from so many addresses; 0: beside none."""
    usage: list[Usage] = []
    floods: list[subprocess.Popen[str]] = []
    callers: list[Tool] = []
    drops: list[int] = []

    def on_steady() -> None:
        usage.append(server.usage())
        drops.append(dropped_datagrams([SIP_PORT]))
        callers.append(_peer(scale.junk_s))
        if sources:
            floods.append(_flood(scale.junk_s, sources))

    def on_end() -> None:
        usage.append(server.usage())
        drops.append(dropped_datagrams([SIP_PORT]))

    live = call(
        LIVE_CALLS / CALLS_PER_S + scale.junk_s + GRACE_S,
        on_steady,
        on_end,
        server=f"{HOST}:{SIP_PORT}",
        calls=LIVE_CALLS,
        rate=CALLS_PER_S,
        seconds=scale.junk_s + SETTLE_S,
        host=NETWORK_HOST,
        callee=DID,
    )
    peer = callers[0].expect("report")
    callers[0].process.wait()
    sent = sum(_sent(one) for one in floods)
    wanted = RATE_PER_S * scale.junk_s if sources else 0
    assert sent >= SENT_SHARE * wanted, f"only {sent} of {wanted} messages were sent"
    failed = peer["sip"]["failed"] + peer["sip"]["hung_up_by_server"]
    return {
        "junk": sent,
        "setups": peer["sip"]["answered"],
        "setups_failed": failed,
        "setup": peer["sip"]["setup"],
        "live": live["sip"]["answered"],
        "live_failed": live["sip"]["failed"] + live["sip"]["hung_up_by_server"],
        "late_5ms_share": live["rtp"]["late_5ms_share"],
        "lateness": live["rtp"]["lateness"],
        "lost": live["rtp"]["sequence_gaps"],
        "rss_mb": usage[1].rss_mb - usage[0].rss_mb,
        "cpu_share": (usage[1].cpu_s - usage[0].cpu_s) / (usage[1].at_s - usage[0].at_s),
        "dropped_by_kernel": drops[1] - drops[0],
    }


def _peer(seconds: int) -> Tool:
    """Let the trunk's peer set up calls, one after the other."""
    who = {"from": f"{DID}@{DOMAIN}", "user": USER, "password": PASSWORD, "callee": FAR}
    return Tool(
        "caller",
        mode="setups",
        server=f"{HOST}:{SIP_PORT}",
        host=PEER_HOST,
        rate=SETUPS_PER_S,
        seconds=seconds,
        **who,
    )


def _flood(seconds: int, sources: int) -> "subprocess.Popen[str]":
    words = {"server": f"{HOST}:{SIP_PORT}", "rate": RATE_PER_S, "seconds": seconds}
    options = [word for name, value in words.items() for word in (f"--{name}", str(value))]
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.flood", *options, "--sources", str(sources)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


def _sent(process: "subprocess.Popen[str]") -> int:
    out, _ = process.communicate(timeout=GRACE_S)
    return int(json.loads(out)["sent"])
