"""The table of figures: what is measured, what it must be and what we aim for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from rich.console import Console
from rich.table import Table

Value = float | int | bool
Verdict = Literal["aim", "must", "missed", "not measured"]


@dataclass(frozen=True, slots=True)
class Figure:
    """One row. `must` and `aim` are bounds: upper ones, unless `higher_is_better`."""

    key: str
    measure: str
    must: float
    aim: float
    unit: str = ""
    higher_is_better: bool = False

    def verdict(self, value: Value | None) -> Verdict:
        """Say which bound `value` keeps."""
        if value is None:
            return "not measured"
        if self._keeps(value, self.aim):
            return "aim"
        return "must" if self._keeps(value, self.must) else "missed"

    def _keeps(self, value: Value, bound: float) -> bool:
        return value >= bound if self.higher_is_better else value <= bound


FIGURES = (
    Figure("cpu_ratio_100ms", "CPU per call ÷ kernel floor, 100 ms frames", 3.0, 2.0),
    Figure("cpu_ratio_20ms", "CPU per call ÷ kernel floor, 20 ms frames", 5.0, 3.5),
    Figure("lost_packets", "1,000 calls, 100 ms frames: packets lost", 0, 0),
    Figure("late_5ms_share", "… frames sent over 5 ms late", 0.01, 0.01, "share"),
    Figure("lost_packets_20ms", "1,000 calls, 20 ms frames: packets lost", 1e9, 0),
    Figure("late_5ms_share_20ms", "… frames sent over 5 ms late", 1.0, 0.01, "share"),
    Figure("rtp_to_ws_p99_ms", "RTP in → WebSocket out beyond the frame, p99", 10, 5, "ms"),
    Figure("ws_to_rtp_p99_ms", "WebSocket in → RTP out, empty queue, p99", 30, 21, "ms"),
    Figure("clear_to_silence_p99_ms", "clear → end of the last old sample, p99", 40, 21, "ms"),
    Figure("bridge_cpu_ratio", "two bridged G.711 legs: CPU ÷ kernel floor of two legs", 1.2, 1.0),
    Figure("bridge_latency_p99_ms", "… mouth to ear through the bridge, p99", 20, 10, "ms"),
    Figure("bridge_of_8_cpu_ratio", "bridges of eight: CPU ÷ kernel floor of the legs", 4.0, 3.0),
    Figure("rss_mb_per_call", "memory per call, 100 → 1,000 calls", 0.3, 0.15, "MB"),
    Figure("journeys_failed", "500 calls through five applets, 2 min: failed", 0, 0),
    Figure("passthru_p99_ms", "… a Passthru beyond its server's own time, p99", 20, 10, "ms"),
    Figure("api_failed", "100 API requests/s while 300 calls run: failed", 0, 0),
    Figure("api_read_p99_ms", "… a read, from when it was due, p99", 40, 20, "ms"),
    Figure("api_connect_p99_ms", "… an order for a call, p99", 100, 50, "ms"),
    Figure("setups_per_s", "call set-ups, no failure", 100, 300, "/s", higher_is_better=True),
    Figure("cpu_ms_per_setup", "CPU per set-up and tear-down", 2.5, 1.5, "ms"),
    Figure("tls_setups_failed", "100 set-ups/s over TLS with digest: failed", 0, 0),
    Figure("tls_cpu_ratio", "… CPU ÷ that of plain UDP, SIP alone", 2.5, 1.7),
    Figure("tls_setup_p99_ms", "… INVITE to 200, p99", 100, 20, "ms"),
    Figure("srtp_calls_failed", "200 calls over TLS with SRTP: failed", 0, 0),
    Figure("srtp_cpu_ratio", "… CPU per call ÷ that of UDP in clear", 1.3, 1.15),
    Figure("failover_refused_ms", "a road that refuses → INVITE at the next, worst", 500, 50, "ms"),
    Figure(
        "failover_silent_over_ms", "… one that is silent, beyond its timer, worst", 250, 50, "ms"
    ),
    Figure("gate_ratio", "judging an INVITE of 1,000 trunks ÷ reading it", 1.0, 0.5),
    Figure("junk_setups_failed", "5,000 junk messages/s beside 100 calls: set-ups failed", 0, 0),
    Figure("junk_late_5ms_share", "… frames of live calls over 5 ms late", 0.03, 0.01, "share"),
    Figure("junk_rss_mb", "… growth of memory", 60, 20, "MB"),
    Figure(
        "loss10_ok", "sipp losing 10 % of its packets: calls completed of 300", 300, 300, "", True
    ),
)
_COLOURS: Mapping[Verdict, str] = {
    "aim": "green",
    "must": "yellow",
    "missed": "red",
    "not measured": "dim",
}


def print_table(console: Console, values: Mapping[str, Value], title: str) -> None:
    """Print every figure beside its bounds."""
    table = Table(title=title)
    for column in ("measure", "value", "must", "aim", "verdict", "key"):
        table.add_column(column, justify="right" if column in {"value", "must", "aim"} else "left")
    for figure in FIGURES:
        value = values.get(figure.key)
        verdict = figure.verdict(value)
        sign = "≥" if figure.higher_is_better else "≤"
        table.add_row(
            figure.measure,
            _text(value, figure.unit),
            ""
            if figure.key.endswith("_20ms") and "ratio" not in figure.key
            else f"{sign} {figure.must:g}",
            f"{sign} {figure.aim:g}",
            f"[{_COLOURS[verdict]}]{verdict}",
            figure.key,
        )
    console.print(table)


def missed(values: Mapping[str, Value]) -> list[str]:
    """Name the figures that were measured and miss what they must be."""
    return [f.key for f in FIGURES if f.verdict(values.get(f.key)) == "missed"]


def _text(value: Value | None, unit: str) -> str:
    if value is None:
        return "—"
    number = f"{value:g}" if isinstance(value, int) else f"{value:.3g}"
    return f"{number} {unit}".strip()
