"""The measurements. Each returns its figures and the details that explain them."""

import re
import subprocess
from dataclasses import dataclass, field

from benchmarks.figures import Value
from benchmarks.server import (
    BOT_PORT,
    HOST,
    JOURNEY_NUMBER,
    NUMBERS,
    SHOP_PORT,
    SIP_PORT,
    Server,
    Usage,
    dropped_datagrams,
    free_ports,
)
from benchmarks.tools import Report, call, running

SERVER = f"{HOST}:{SIP_PORT}"
CALLS_PER_S = 50
GRACE_S = 120  # beyond what a run should take
LOSSY_CALLS = 300
JOURNEY_ENDS_S = 20  # from the first journey's end to the last one's, and some


@dataclass(frozen=True, slots=True)
class Scale:
    """How large a run is."""

    latency_calls: int = 100
    latency_s: int = 15
    cpu_calls: int = 500
    cpu_s: int = 20
    crowd_calls: int = 1000
    crowd_s: int = 60
    journey_s: int = 120
    api_calls: int = 300
    api_s: int = 30
    secure_calls: int = 200
    junk_s: int = 30
    failovers: int = 20
    setups_s: int = 60
    setup_rates: tuple[int, ...] = (320, 200, 105)


QUICK = Scale(
    latency_calls=50,
    latency_s=10,
    cpu_calls=100,
    cpu_s=10,
    crowd_calls=200,
    crowd_s=10,
    journey_s=15,
    api_calls=100,
    api_s=10,
    secure_calls=50,
    junk_s=6,
    failovers=5,
    setups_s=10,
    setup_rates=(105,),
)


@dataclass(slots=True)
class Outcome:
    """Figures by key, and what else was seen."""

    figures: dict[str, Value] = field(default_factory=dict)
    details: dict[str, object] = field(default_factory=dict)


@dataclass(slots=True)
class Talk:
    """One run of calls with bots: everybody's reports and the server's usage over the window."""

    caller: Report
    bots: Report
    before: Usage
    after: Usage
    dropped: int

    @property
    def server_cpu_s(self) -> float:
        """CPU seconds of the server in the window."""
        return self.after.cpu_s - self.before.cpu_s

    @property
    def lost(self) -> int:
        """Packets that one side sent and the other never saw, both ways."""
        gaps: int = self.caller["rtp"]["sequence_gaps"]
        missing: int = self.bots["heard"]["frames_missing"]
        return gaps + missing

    def details(self) -> dict[str, object]:
        """Return all that was seen, CPU per call and second in milliseconds."""
        window_s = self.after.at_s - self.before.at_s
        calls = max(1, self.caller["ended"].get("calls", 1))
        per_call = 1000 / calls / window_s
        return {
            "calls": calls,
            "server_cpu_ms_per_call_s": self.server_cpu_s * per_call,
            "generator_cpu_ms_per_call_s": self.caller["cpu_s"] * per_call,
            "bots_cpu_ms_per_call_s": self.bots["cpu_s"] * per_call,
            "server_rss_mb": self.after.rss_mb,
            "server_socket_drops": self.dropped,
            "caller": self.caller,
            "bots": self.bots,
        }


def talk(server: Server, mode: str, frame_ms: int, calls: int, seconds: int) -> Talk:
    """Set up `calls` calls with bots in `mode`, measure for `seconds`, hang up."""
    usage: list[Usage] = []
    reports: list[Report] = []
    dropped_before = dropped_datagrams(server.rtp_ports)
    with running("bot-sink", port=BOT_PORT, mode=mode, frame_ms=frame_ms) as bots:

        def on_steady() -> None:
            bots.tell("reset")
            usage.append(server.usage())

        def on_end() -> None:
            usage.append(server.usage())
            reports.append(bots.report())

        caller = call(
            calls / CALLS_PER_S + seconds + GRACE_S,
            on_steady,
            on_end,
            server=SERVER,
            callee=NUMBERS[frame_ms],
            calls=calls,
            rate=CALLS_PER_S,
            seconds=seconds,
        )
    dropped = dropped_datagrams(server.rtp_ports) - dropped_before
    return Talk(caller, reports[0], usage[0], usage[1], dropped)


def floor_cpu_ms(calls: int, seconds: int) -> float:
    """Return the kernel floor: CPU milliseconds per second of call."""
    reports: list[Report] = []
    port = free_ports(2 * calls)[0]
    with running("floor", calls=calls, port=port) as floor:
        call(
            seconds + GRACE_S,
            lambda: floor.tell("reset"),
            lambda: reports.append(floor.report()),
            mode="raw",
            calls=calls,
            port=port,
            seconds=seconds,
        )
    return float(reports[0]["cpu_s"]) * 1000 / calls / seconds


def cpu_ratio(server: Server, scale: Scale, frame_ms: int) -> Outcome:
    """CPU per call-second over the floor's, measured right before and right after."""
    calls, seconds = scale.cpu_calls, scale.cpu_s
    before = floor_cpu_ms(calls, seconds // 2)
    run = talk(server, "echo", frame_ms, calls, seconds)
    after = floor_cpu_ms(calls, seconds // 2)
    floor = (before + after) / 2
    per_call = run.server_cpu_s * 1000 / calls / (run.after.at_s - run.before.at_s)
    details = run.details() | {"floor_before_ms": before, "floor_after_ms": after}
    return Outcome({f"cpu_ratio_{frame_ms}ms": per_call / floor}, {f"cpu_{frame_ms}ms": details})


def latency(server: Server, scale: Scale) -> Outcome:
    """Delays of sound and of a clear, from kernel to kernel."""
    run = talk(server, "probe", 100, scale.latency_calls, scale.latency_s)
    rtp = run.caller["rtp"]
    figures: dict[str, Value] = {
        "rtp_to_ws_p99_ms": run.bots["heard"]["rtp_to_ws"]["p99_ms"],
        "ws_to_rtp_p99_ms": rtp["ws_to_rtp"]["p99_ms"],
        "clear_to_silence_p99_ms": rtp["clear_to_silence"]["p99_ms"],
    }
    return Outcome(figures, {"latency": run.details()})


def crowd(server: Server, scale: Scale, frame_ms: int) -> Outcome:
    """Many calls at once: loss, lateness, memory."""
    run = talk(server, "echo", frame_ms, scale.crowd_calls, scale.crowd_s)
    suffix = "" if frame_ms == 100 else f"_{frame_ms}ms"
    figures: dict[str, Value] = {
        f"lost_packets{suffix}": run.lost,
        f"late_5ms_share{suffix}": run.caller["rtp"]["late_5ms_share"],
    }
    return Outcome(figures, {f"crowd_{frame_ms}ms": run.details()})


def crowd_and_memory(server: Server, scale: Scale) -> Outcome:
    """Few calls, then many at 100 ms frames on the same server; the slope is a call's memory."""
    few = talk(server, "echo", 100, scale.latency_calls, 5)
    outcome = crowd(server, scale, 100)
    many = outcome.details["crowd_100ms"]
    assert isinstance(many, dict)
    more_calls = scale.crowd_calls - scale.latency_calls
    outcome.figures["rss_mb_per_call"] = (many["server_rss_mb"] - few.after.rss_mb) / more_calls
    return outcome


def journeys(server: Server, scale: Scale) -> Outcome:
    """Many calls that greet, ask for keys, ask a server, let a bot talk, and tell a server.

    What a Passthru takes beyond the server's own time is all that it takes: this one answers at
    once. Read from what the node keeps of its calls (`agentstream explain`).
    """
    calls = scale.cpu_calls
    with (
        running("benchmarks.shop", port=SHOP_PORT) as shop,
        running("bot-sink", port=BOT_PORT, mode="echo", frame_ms=100),
    ):
        report = call(
            calls / CALLS_PER_S + scale.journey_s + GRACE_S,
            lambda: None,
            lambda: None,
            server=SERVER,
            callee=JOURNEY_NUMBER,
            calls=calls,
            rate=CALLS_PER_S,
            seconds=scale.journey_s + JOURNEY_ENDS_S,
        )
        wanted = 2 * calls
        requests = server.events("request_finished", wanted)
        asked = shop.report()["asked"]
    answered_ms = sorted(one["elapsed_ms"] for one in requests if one["status"] == 200)
    # Every call ends by itself, behind its last Passthru.
    failed = calls - report["sip"]["hung_up_by_server"] + wanted - len(answered_ms)
    p99_ms = answered_ms[len(answered_ms) * 99 // 100] if answered_ms else 1e9
    figures: dict[str, Value] = {"journeys_failed": failed, "passthru_p99_ms": p99_ms}
    return Outcome(figures, {"journeys": {"asked": asked, "caller": report, "calls": calls}})


def setups(server: Server, scale: Scale) -> Outcome:
    """Find the highest rate that goes through without a failure, and what a set-up costs."""
    outcome = Outcome({"setups_per_s": 0.0})
    for rate in scale.setup_rates:
        usage: list[Usage] = []
        with running("bot-sink", port=BOT_PORT, mode="sink"):
            report = call(
                scale.setups_s + GRACE_S,
                lambda usage=usage: usage.append(server.usage()),  # type: ignore[misc]
                lambda usage=usage: usage.append(server.usage()),  # type: ignore[misc]
                mode="setups",
                server=SERVER,
                callee=NUMBERS[100],
                rate=rate,
                seconds=scale.setups_s,
            )
        outcome.details[f"setups_at_{rate}"] = report
        done = report["ended"]["ended"]
        cpu_s = usage[1].cpu_s - usage[0].cpu_s
        failed = report["sip"]["failed"] + report["sip"]["hung_up_by_server"]
        if failed == 0 and done > 0:
            outcome.figures["setups_per_s"] = report["sip"]["ended"] / scale.setups_s
            outcome.figures["cpu_ms_per_setup"] = cpu_s * 1000 / done
            return outcome
    return outcome


def lossy(server: Server) -> Outcome:
    """Run sipp's own caller with every tenth packet lost."""
    command = f"sipp {SERVER} -sn uac -s {NUMBERS[100]} -m {LOSSY_CALLS} -r 30 -l {LOSSY_CALLS}"
    options = "-d 1000 -lost 10 -max_retrans 11 -nostdin -timeout 120 -mp 45000"
    with running("bot-sink", port=BOT_PORT, mode="sink"):
        done = subprocess.run(
            [*command.split(), *options.split()],
            cwd=server.folder,
            capture_output=True,
            text=True,
            check=False,
        )
    found = re.findall(r"Successful call\s*\|\s*\d+\s*\|\s*(\d+)", done.stdout)
    completed = int(found[-1]) if found else 0
    return Outcome({"loss10_ok": completed}, {"loss10": {"exit_code": done.returncode}})
