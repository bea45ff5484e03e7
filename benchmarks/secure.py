"""What TLS, digest and SRTP cost beside plain calls.

Set-ups: the SIP engine alone, a process on each side. Talk: calls with bots through a whole server.
"""

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

from benchmarks.measures import GRACE_S, Outcome, Scale
from benchmarks.server import BOT_PORT, HOST, NUMBERS, SIP_PORT, Server, Usage
from benchmarks.tools import ROOT, Report, call, running

from agentstream.store.values import NewKey
from agentstream.testing.certificates import Authority

RATE_PER_S = 100
LATE_S = 60
TLS_PORT = SIP_PORT + 1
ROUNDS = 3
SAID_SHARE = 0.95  # of the packets that the calls must have sent, or nothing was measured


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


class SecureServer(Server):
    """One that listens to TLS too, and agrees to SRTP."""

    ca_file = ""

    async def prepare(self) -> NewKey:
        """Make a certificate beside the rest."""
        authority = Authority.found(self.folder / "authority")
        self.ca_file = authority.ca_file
        authority.issue(HOST, file_name="server")
        return await super().prepare()

    def settings(self) -> str:
        """Return its configuration."""
        own = self.folder / "authority" / "server"
        plain = f'listeners = ["udp://{HOST}:{SIP_PORT}"]'
        both = (
            f'listeners = ["udp://{HOST}:{SIP_PORT}", "tls://{HOST}:{TLS_PORT}"]\n'
            f'tls_certificate = "{own}.crt"\ntls_key = "{own}.key"'
        )
        text = super().settings()
        assert plain in text
        return text.replace(plain, both)


def server(folder: Path, _: Scale) -> Server:
    """Return the server that `measure_talk` wants."""
    return SecureServer(folder, 0)


def measure_talk(secured: Server, scale: Scale) -> Outcome:
    """CPU of the server per call-second over TLS with SRTP, over that of UDP in clear, in turns."""
    assert isinstance(secured, SecureServer)
    rounds = [{name: _talk(secured, name, scale) for name in ("udp", "tls")} for _ in range(ROUNDS)]
    ratio = statistics.median(
        one["tls"]["cpu_ms_per_call_s"] / one["udp"]["cpu_ms_per_call_s"] for one in rounds
    )
    failed = sum(talk["failed"] for one in rounds for talk in one.values())
    figures = {"srtp_calls_failed": failed, "srtp_cpu_ratio": ratio}
    return Outcome(figures, {"talk_plain_and_secure": rounds})


def _talk(secured: SecureServer, transport: str, scale: Scale) -> Report:
    """Let calls talk with bots; returns what they cost, and how many failed."""
    usage: list[Usage] = []
    calls, seconds = scale.secure_calls, scale.cpu_s
    with running("bot-sink", port=BOT_PORT, mode="echo", frame_ms=100):
        report = call(
            calls / 10 + seconds + GRACE_S,
            lambda: usage.append(secured.usage()),
            lambda: usage.append(secured.usage()),
            program="benchmarks.secure_caller",
            server=f"{HOST}:{TLS_PORT if transport == 'tls' else SIP_PORT}",
            callee=NUMBERS[100],
            transport=transport,
            calls=calls,
            seconds=seconds,
            ca_file=secured.ca_file,
        )
    window_s = usage[1].at_s - usage[0].at_s
    said = report["media"]["packets_received"]
    assert report["sealed"] == (calls if transport == "tls" else 0) or report["failed"], report
    assert said > SAID_SHARE * 50 * calls * seconds or report["failed"], report
    cpu_ms = (usage[1].cpu_s - usage[0].cpu_s) * 1000 / calls / window_s
    return {"cpu_ms_per_call_s": cpu_ms, "failed": report["failed"]}
