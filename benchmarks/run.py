"""Measure the server against the kernel floor: `python -m benchmarks.run [--quick] [--only KEY]`.

Prints a table and writes build/bench.json. Needs the native tools (`cargo build --release -p
agentstream-bench`) and sipp. The exit code is 1 when a figure misses what it must be.
"""

import argparse
import json
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks import api, bridge, failover, junk, measures, secure
from benchmarks.figures import FIGURES, Value, missed, print_table
from benchmarks.measures import QUICK, Outcome, Scale
from benchmarks.server import Server
from benchmarks.tools import ROOT
from rich.console import Console

BUILD = ROOT / "build"


@dataclass(frozen=True, slots=True)
class Step:
    """One measurement, the keys that it gives, and the server that it wants."""

    title: str
    keys: frozenset[str]
    run: Callable[[Server, Scale], Outcome]
    server: Callable[[Path, Scale], Server] = lambda folder, scale: Server(folder, scale.journey_s)


STEPS = (
    Step(
        "latency",
        frozenset({"rtp_to_ws_p99_ms", "ws_to_rtp_p99_ms", "clear_to_silence_p99_ms"}),
        measures.latency,
    ),
    Step(
        "many calls, 100 ms frames",
        frozenset({"lost_packets", "late_5ms_share", "rss_mb_per_call"}),
        measures.crowd_and_memory,
    ),
    Step(
        "many calls, 20 ms frames",
        frozenset({"lost_packets_20ms", "late_5ms_share_20ms"}),
        lambda server, scale: measures.crowd(server, scale, 20),
    ),
    Step(
        "CPU over the kernel floor, 100 ms frames",
        frozenset({"cpu_ratio_100ms"}),
        lambda server, scale: measures.cpu_ratio(server, scale, 100),
    ),
    Step(
        "CPU over the kernel floor, 20 ms frames",
        frozenset({"cpu_ratio_20ms"}),
        lambda server, scale: measures.cpu_ratio(server, scale, 20),
    ),
    Step(
        "two bridged legs",
        frozenset({"bridge_cpu_ratio", "bridge_latency_p99_ms"}),
        lambda _, scale: bridge.measure(scale),
    ),
    Step(
        "bridges of eight legs",
        frozenset({"bridge_of_8_cpu_ratio"}),
        lambda _, scale: bridge.measure_many(scale),
    ),
    Step("journeys", frozenset({"journeys_failed", "passthru_p99_ms"}), measures.journeys),
    Step(
        "the calls API",
        frozenset({"api_failed", "api_read_p99_ms", "api_connect_p99_ms"}),
        api.measure,
    ),
    Step("set-ups", frozenset({"setups_per_s", "cpu_ms_per_setup"}), measures.setups),
    Step(
        "set-ups over TLS with digest",
        frozenset({"tls_setups_failed", "tls_cpu_ratio", "tls_setup_p99_ms"}),
        lambda _, scale: secure.measure(scale),
    ),
    Step(
        "calls over TLS with SRTP",
        frozenset({"srtp_calls_failed", "srtp_cpu_ratio"}),
        secure.measure_talk,
        secure.server,
    ),
    Step(
        "the second road, and the gate",
        frozenset({"failover_refused_ms", "failover_silent_over_ms", "gate_ratio"}),
        lambda _, scale: failover.measure(scale),
    ),
    Step(
        "junk beside live calls",
        frozenset({"junk_setups_failed", "junk_late_5ms_share", "junk_rss_mb"}),
        junk.measure,
        junk.server,
    ),
    Step("10 % packet loss", frozenset({"loss10_ok"}), lambda server, _: measures.lossy(server)),
)


def main() -> int:
    """Run the steps that were asked for."""
    options = _options()
    console = Console()
    console.width = max(console.width, 116)  # the table as one row per figure, also in a log
    scale = QUICK if options.quick else Scale()
    wanted = set(options.only or [figure.key for figure in FIGURES])
    values: dict[str, Value] = {}
    details: dict[str, object] = {"quick": options.quick, "machine": platform.platform()}
    for step in _chosen(wanted):
        console.print(f"[bold]{step.title}[/] …")
        # A fresh server each: what one measurement leaves behind is not another's.
        with step.server(BUILD / "bench", scale) as server:
            try:
                outcome = step.run(server, scale)
            except Exception:
                console.print(server.log_tail(), markup=False)
                raise
        values |= outcome.figures
        details |= outcome.details
        _write(values, details)
    title = "quick run: figures are not comparable" if options.quick else "AgentStream"
    print_table(console, values, title)
    console.print(f"written to {BUILD / 'bench.json'}")
    return 1 if missed(values) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure the server against the kernel floor.")
    parser.add_argument("--quick", action="store_true", help="fewer calls, about ten seconds each")
    keys = [figure.key for figure in FIGURES]
    parser.add_argument(
        "--only", action="append", choices=keys, metavar="KEY", help=", ".join(keys)
    )
    return parser.parse_args()


def _chosen(wanted: set[str]) -> Iterator[Step]:
    return (step for step in STEPS if step.keys & wanted)


def _write(values: dict[str, Value], details: dict[str, object]) -> None:
    BUILD.mkdir(exist_ok=True)
    Path(BUILD / "bench.json").write_text(
        json.dumps(values | {"details": details}, indent=2) + "\n"
    )


if __name__ == "__main__":
    sys.exit(main())
