"""Legs that hear each other, two or many, in the media engine alone: SIP and flows cost extra."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.measures import GRACE_S, Outcome, Scale, floor_cpu_ms
from benchmarks.server import Usage, dropped_datagrams, free_ports, usage_of
from benchmarks.tools import ROOT, Report, ToolError, call

MANY = 8


class Host:
    """The process that holds the bridged legs."""

    def __init__(self, bridges: int, parties: int, port: int) -> None:
        size = ["--bridges", str(bridges), "--parties", str(parties)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.bridge_host", *size, "--port", str(port)],
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
def hosted(bridges: int, parties: int, port: int) -> Iterator[Host]:
    """Run a host of so many bridges."""
    host = Host(bridges, parties, port)
    try:
        host.expect("ready")
        yield host
    finally:
        host.stop()


def measure(scale: Scale) -> Outcome:
    """Two legs each: CPU over the floor of two legs, measured before and after; mouth to ear."""
    ratio, details = _cpu_ratio(scale, parties=2)
    caller: Report = details["caller"]
    latency = caller["rtp"]["mouth_to_ear"]["p99_ms"]
    figures = {"bridge_cpu_ratio": ratio, "bridge_latency_p99_ms": latency}
    return Outcome(figures, {"bridge": details})


def measure_many(scale: Scale) -> Outcome:
    """Eight legs each, all of whom speak: CPU over the floor of as many legs."""
    ratio, details = _cpu_ratio(scale, parties=MANY)
    return Outcome({"bridge_of_8_cpu_ratio": ratio}, {"bridge_of_8": details})


def _cpu_ratio(scale: Scale, parties: int) -> tuple[float, Report]:
    bridges, seconds = 2 * scale.cpu_calls // parties, scale.cpu_s
    legs = bridges * parties
    before = floor_cpu_ms(legs, seconds // 2)
    ports = free_ports(2 * legs)
    usage: list[Usage] = []
    dropped_before = dropped_datagrams(ports)
    with hosted(bridges, parties, ports[0]) as host:
        caller = call(
            seconds + GRACE_S,
            lambda: usage.append(host.usage()),
            lambda: usage.append(host.usage()),
            mode="raw",
            calls=legs,
            port=ports[0],
            seconds=seconds,
        )
        engine = host.report()
        dropped = dropped_datagrams(ports) - dropped_before
    after = floor_cpu_ms(legs, seconds // 2)
    window_s = usage[1].at_s - usage[0].at_s
    per_leg = (usage[1].cpu_s - usage[0].cpu_s) * 1000 / legs / window_s
    details: Report = {
        "bridges": bridges,
        "parties": parties,
        "cpu_ms_per_leg_s": per_leg,
        "floor_before_ms": before,
        "floor_after_ms": after,
        "socket_drops": dropped,
        "caller": caller,
        "engine": engine,
    }
    return per_leg / ((before + after) / 2), details
