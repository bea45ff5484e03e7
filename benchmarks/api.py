"""The calls API while calls run: how long reads take, and orders for calls."""

from benchmarks.figures import Value
from benchmarks.measures import CALLS_PER_S, GRACE_S, SERVER, Outcome, Scale
from benchmarks.server import BOT_PORT, BUSY_PORT, HTTP_PORT, NUMBERS, Server
from benchmarks.tools import Report, call, running

RATE = 100  # requests in a second, a fifth of them orders


def measure(server: Server, scale: Scale) -> Outcome:
    """Ask at a steady rate while calls talk with bots; see `benchmarks.api_load`."""
    reports: list[Report] = []
    key = server.key
    with (
        running("bot-sink", port=BOT_PORT, mode="echo", frame_ms=100),
        running(
            "benchmarks.api_load",
            port=HTTP_PORT,
            rate=RATE,
            sip_port=BUSY_PORT,
            account=key.account_sid,
            key=key.key,
            token=key.token,
        ) as load,
    ):
        caller = call(
            scale.api_calls / CALLS_PER_S + scale.api_s + GRACE_S,
            lambda: load.tell("reset"),
            lambda: reports.append(load.report()),
            server=SERVER,
            callee=NUMBERS[100],
            calls=scale.api_calls,
            rate=CALLS_PER_S,
            seconds=scale.api_s,
        )
    [report] = reports
    figures: dict[str, Value] = {
        "api_failed": report["failed"],
        "api_read_p99_ms": report["read"].get("p99_ms", 1e9),
        "api_connect_p99_ms": report["connect"].get("p99_ms", 1e9),
    }
    return Outcome(figures, {"api": {"load": report, "calls": scale.api_calls, "caller": caller}})
