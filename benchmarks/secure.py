"""Set-ups over TLS with digest beside plain ones: the SIP engine alone, a process on each side."""

import json
import os
import subprocess
import sys

from benchmarks.measures import GRACE_S, Outcome, Scale
from benchmarks.tools import ROOT, Report

RATE_PER_S = 100
LATE_S = 60


def measure(scale: Scale) -> Outcome:
    """Compare CPU per set-up of TLS with digest and of UDP without; count failures."""
    seconds = scale.setups_s
    plain, secure = _run("udp", seconds), _run("tls", seconds, "--digest")
    ratio = secure["cpu_ms_per_setup"] / max(plain["cpu_ms_per_setup"], 1e-9)
    return Outcome(
        {
            "tls_setups_failed": secure["failed"],
            "tls_cpu_ratio": ratio,
            "tls_setup_p99_ms": secure["p99_ms"],
        },
        {"setups_plain": plain, "setups_tls_digest": secure},
    )


def _run(transport: str, seconds: int, *options: str) -> Report:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks.sip_setups", "--transport", transport),
            *("--rate", str(RATE_PER_S), "--seconds", str(seconds), *options),
        ],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        stdout=subprocess.PIPE,
        text=True,
        timeout=seconds + GRACE_S + LATE_S,
        check=True,
    )
    report: Report = json.loads(done.stdout)
    return report
