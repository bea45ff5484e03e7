"""Two bridged legs per call, in the media engine alone: SIP and flows cost extra."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.measures import GRACE_S, Outcome, Scale, floor_cpu_ms
from benchmarks.server import Usage, dropped_datagrams, free_ports, usage_of
from benchmarks.tools import ROOT, Report, ToolError, call


class Host:
    """The process that holds the bridged legs."""

    def __init__(self, calls: int, port: int) -> None:
        words = ["-m", "benchmarks.bridge_host", "--calls", str(calls), "--port", str(port)]
        self.process = subprocess.Popen(
            [sys.executable, *words],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def usage(self) -> Usage:
        """Read its CPU time now."""
        return usage_of(self.process.pid)

    def report(self) -> Report:
        """Ask for the engine's counters."""
        assert self.process.stdin is not None
        self.process.stdin.write("report\n")
        self.process.stdin.flush()
        return self.expect("report")

    def expect(self, event: str) -> Report:
        """Wait for its next line, which must be `event`."""
        assert self.process.stdout is not None
        report: Report = json.loads(self.process.stdout.readline() or '{"event": "its end"}')
        if report["event"] != event:
            raise ToolError(f"bridge_host said {report['event']!r} instead of {event!r}")
        return report

    def stop(self) -> None:
        """End it with its input."""
        _, _ = self.process.communicate(timeout=GRACE_S)


@contextmanager
def hosted(calls: int, port: int) -> Iterator[Host]:
    """Run a host whose legs are bridged."""
    host = Host(calls, port)
    try:
        host.expect("ready")
        yield host
    finally:
        host.stop()


def measure(scale: Scale) -> Outcome:
    """CPU per call-second over the floor of two legs, measured before and after; mouth to ear."""
    calls, seconds = scale.cpu_calls, scale.cpu_s
    before = 2 * floor_cpu_ms(2 * calls, seconds // 2)
    ports = free_ports(4 * calls)
    usage: list[Usage] = []
    dropped_before = dropped_datagrams(ports)
    with hosted(calls, ports[0]) as host:
        caller = call(
            seconds + GRACE_S,
            lambda: usage.append(host.usage()),
            lambda: usage.append(host.usage()),
            mode="raw",
            calls=2 * calls,
            port=ports[0],
            seconds=seconds,
        )
        engine = host.report()
        dropped = dropped_datagrams(ports) - dropped_before
    after = 2 * floor_cpu_ms(2 * calls, seconds // 2)
    window_s = usage[1].at_s - usage[0].at_s
    per_call = (usage[1].cpu_s - usage[0].cpu_s) * 1000 / calls / window_s
    rtp = caller["rtp"]
    details: dict[str, object] = {
        "calls": calls,
        "cpu_ms_per_call_s": per_call,
        "floor_before_ms": before,
        "floor_after_ms": after,
        "socket_drops": dropped,
        "caller": caller,
        "engine": engine,
    }
    return Outcome(
        {
            "bridge_cpu_ratio": per_call / ((before + after) / 2),
            "bridge_latency_p99_ms": rtp["mouth_to_ear"]["p99_ms"],
        },
        {"bridge": details},
    )
